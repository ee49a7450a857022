"""Delivery of events to the targets of rules: in order, tried again where that can help, else into the dead-letter queue."""

from __future__ import annotations

import json
import logging
import queue
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from sandbox.cloud.errors import AwsError
from sandbox.cloud.events import matching_event, render
from sandbox.cloud.inside import Inside, code_of
from sandbox.cloud.scheduler import Scheduler

LOG = logging.getLogger(__name__)
RETRY_SECONDS = 0.2
"""The wait before the first retry; it doubles, up to MOST_SECONDS. AWS waits longer."""

MOST_SECONDS = 30.0
RETRIES = 185
"""AWS's number when a target has no RetryPolicy; all of them would take an hour and a half here."""

THROTTLED = ("Throttl", "TooManyRequests", "LimitExceeded", "SlowDown")
START_BUILD = frozenset(
    {
        "artifactsOverride",
        "buildspecOverride",
        "computeTypeOverride",
        "environmentVariablesOverride",
        "idempotencyToken",
        "imageOverride",
        "sourceVersion",
        "timeoutInMinutesOverride",
    }
)
"""Members of a CodeBuild target's input that reach StartBuild."""


@dataclass(frozen=True, slots=True)
class Parcel:
    """One event on its way to one target. `message` is what the target gets, `event` what happened."""

    account: str
    region: str
    rule_arn: str
    target: Mapping[str, Any]
    message: str
    event: Mapping[str, Any]
    retries: int = 0


class Delivery:
    """Takes events to targets in a thread of its own, so that no call waits for a target.

    Args:
        inside: makes the clients that reach the targets.
        scheduler: wakes parcels that wait for their next try.
        permitted: whether a function's policy lets a service of AWS invoke it: function ARN, service, source ARN.
    """

    def __init__(
        self, inside: Inside, scheduler: Scheduler, permitted: Callable[[str, str, str], bool]
    ) -> None:
        self._inside, self._scheduler, self._permitted = inside, scheduler, permitted
        self._parcels: queue.SimpleQueue[Parcel] = queue.SimpleQueue()
        threading.Thread(target=self._run, name="delivery", daemon=True).start()

    def send_to_targets(self, rule: Any, original: Mapping[str, Any]) -> None:
        """Send an event to all targets of a rule of moto, when the rule is enabled and its pattern matches."""
        event = matching_event(rule, original)
        if event is not None:
            self.send(rule, event)

    def send(self, rule: Any, event: Mapping[str, Any]) -> None:
        """Send an event to all targets of a rule."""
        for target in list(rule.targets):
            message = render(target, event, rule.arn)
            self._parcels.put(
                Parcel(rule.account_id, rule.region_name, rule.arn, dict(target), message, event)
            )

    def _run(self) -> None:
        while True:
            parcel = self._parcels.get()
            try:
                self._deliver(parcel)
            except Exception:
                LOG.exception("the delivery to %s broke", parcel.target.get("Arn"))

    def _deliver(self, parcel: Parcel) -> None:
        try:
            self._hand_over(parcel)
        except Exception as error:  # noqa: BLE001 -- whatever the target answers is an outcome
            code, status = code_of(error)
            if isinstance(error, AwsError):
                code, status = error.code, error.status
            LOG.warning(
                "%s could not be delivered to %s: %s", parcel.event.get("id"), parcel.target["Arn"], error
            )
            most = (parcel.target.get("RetryPolicy") or {}).get("MaximumRetryAttempts", RETRIES)
            if can_retry(code, status) and parcel.retries < most:
                wait = min(RETRY_SECONDS * 2**parcel.retries, MOST_SECONDS)
                again = replace(parcel, retries=parcel.retries + 1)
                self._scheduler.after(wait, lambda: self._parcels.put(again))
            else:
                self._give_up(parcel, code, str(error))

    def _hand_over(self, parcel: Parcel) -> None:
        arn = parcel.target["Arn"]
        service, region, account = arn.split(":")[2:5]
        client = self._inside.client(service, account, region)
        {
            "codebuild": _start_build,
            "events": _put_event,
            "lambda": self._invoke,
            "logs": _put_log,
            "sns": _publish,
            "sqs": _send_message,
        }[service](client, parcel)

    def _invoke(self, client: Any, parcel: Parcel) -> None:
        arn = parcel.target["Arn"]
        if not self._permitted(arn, "events.amazonaws.com", parcel.rule_arn):
            msg = f"The policy of {arn} does not let events.amazonaws.com invoke it for {parcel.rule_arn}."
            raise AwsError("AccessDeniedException", msg, 403)
        client.invoke(FunctionName=arn, InvocationType="Event", Payload=parcel.message.encode())

    def _give_up(self, parcel: Parcel, code: str, text: str) -> None:
        arn = (parcel.target.get("DeadLetterConfig") or {}).get("Arn")
        if not arn:
            return
        said = {
            "RULE_ARN": parcel.rule_arn,
            "TARGET_ARN": parcel.target["Arn"],
            "ERROR_CODE": code,
            "ERROR_MESSAGE": text[:1000],
            "RETRY_ATTEMPTS": str(parcel.retries),
        }
        if parcel.retries:
            said["EXHAUSTED_RETRY_CONDITION"] = "MaximumRetryAttempts"
        sqs = self._inside.client("sqs", arn.split(":")[4], arn.split(":")[3])
        sqs.send_message(
            QueueUrl=queue_url(arn),
            MessageBody=json.dumps(parcel.event),
            MessageAttributes={
                name: {"DataType": "String", "StringValue": value} for name, value in said.items()
            },
        )


def can_retry(code: str, status: int) -> bool:
    """Say whether AWS would try again: not what is gone, forbidden or malformed."""
    return (status >= 500 and status != 501) or any(word in code for word in THROTTLED)


def queue_url(arn: str) -> str:
    """Give the URL by which this cloud knows a queue."""
    account, name = arn.split(":")[4:6]
    return f"http://127.0.0.1/{account}/{name}"


def _send_message(client: Any, parcel: Parcel) -> None:
    group = (parcel.target.get("SqsParameters") or {}).get("MessageGroupId")
    more = {"MessageGroupId": group} if group else {}
    client.send_message(QueueUrl=queue_url(parcel.target["Arn"]), MessageBody=parcel.message, **more)


def _publish(client: Any, parcel: Parcel) -> None:
    client.publish(TopicArn=parcel.target["Arn"], Message=parcel.message)


def _start_build(client: Any, parcel: Parcel) -> None:
    given = json.loads(parcel.message)
    given = given if isinstance(given, dict) else {}
    project = parcel.target["Arn"].rpartition("/")[2]
    client.start_build(
        projectName=project, **{name: value for name, value in given.items() if name in START_BUILD}
    )


def _put_log(client: Any, parcel: Parcel) -> None:
    group = parcel.target["Arn"].split(":")[6]
    stream = str(uuid.uuid4())
    client.create_log_stream(logGroupName=group, logStreamName=stream)
    event = {"timestamp": int(time.time() * 1000), "message": parcel.message}
    client.put_log_events(logGroupName=group, logStreamName=stream, logEvents=[event])


def _put_event(client: Any, parcel: Parcel) -> None:
    event = parcel.event
    entry = {
        "Source": event["source"],
        "DetailType": event["detail-type"],
        "Detail": json.dumps(event["detail"]),
        "Resources": event.get("resources", []),
        "EventBusName": parcel.target["Arn"],
    }
    client.put_events(Entries=[entry])
