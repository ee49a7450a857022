"""EventBridge: SageMaker's own events, and delivery of any event to the targets of rules."""

from __future__ import annotations

import json
import logging
import queue
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

LOG = logging.getLogger(__name__)
ACTIVE = ("ENABLED", "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS")


@dataclass(frozen=True, slots=True)
class _Event:
    account: str
    region: str
    entry: dict[str, Any]


class Publisher:
    """Sends SageMaker's events to the default bus, in order, without holding up the call that caused them."""

    def __init__(self) -> None:
        self._events: queue.SimpleQueue[_Event] = queue.SimpleQueue()
        threading.Thread(target=self._run, name="events", daemon=True).start()

    def publish(
        self, account: str, region: str, detail_type: str, detail: Mapping[str, Any], arn: str
    ) -> None:
        """Send an event of source `aws.sagemaker` about the resource `arn`; `detail` must be fit for JSON."""
        entry = {
            "Source": "aws.sagemaker",
            "DetailType": detail_type,
            "Detail": json.dumps(detail, default=str),
            "Resources": [arn],
        }
        self._events.put(_Event(account, region, entry))

    def _run(self) -> None:
        while True:
            event = self._events.get()
            try:
                from sandbox.cloud.moto_services import is_loaded, locked

                if not is_loaded("events"):
                    continue  # nobody has made a rule
                from moto.events.models import events_backends

                with locked("events"):
                    events_backends[event.account][event.region].put_events([event.entry])
            except Exception:
                LOG.exception("an event could not be sent")


def send_to_targets(rule: Any, original: Mapping[str, Any], transform_input: bool = True) -> None:  # noqa: ARG001, FBT001, FBT002 -- moto's signature
    """Deliver an event to a rule's targets; stands in for moto's `Rule.send_to_targets`.

    A disabled rule is silent, and a target that cannot be reached does not hold up the others. Of the targets
    only SQS queues are emulated; `refuse_targets` has refused all others when the rule was made.
    """
    if rule.state not in ACTIVE or not rule.event_pattern.matches_event(original):
        return
    event = {key: value for key, value in original.items() if key != "ingestion-time"}
    event["time"] = _utc(event.get("time"))
    for target in rule.targets:
        try:
            _send_to_queue(target, render(target, event, rule.arn))
        except Exception:
            LOG.exception("event %s could not be delivered to %s", event.get("id"), target["Arn"])


def _send_to_queue(target: Mapping[str, Any], message: str) -> None:
    from sandbox.cloud.moto_services import load, locked

    load("sqs")
    from moto.sqs.models import sqs_backends

    _, _, _, region, account, name = target["Arn"].split(":")
    group = (target.get("SqsParameters") or {}).get("MessageGroupId")
    with locked("sqs"):
        sqs_backends[account][region].send_message(queue_name=name, message_body=message, group_id=group)


def refused_targets(targets: list[Mapping[str, Any]]) -> list[str]:
    """Give the ARNs of targets that are not SQS queues."""
    return [
        str(target.get("Arn")) for target in targets if not str(target.get("Arn")).startswith("arn:aws:sqs:")
    ]


def render(target: Mapping[str, Any], event: Mapping[str, Any], rule_arn: str) -> str:
    """Make the text that a target gets: the event, or its Input, InputPath or InputTransformer.

    Source: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-transform-target-input.html
    """
    if target.get("Input") is not None:
        return str(target["Input"])
    if target.get("InputPath"):
        return json.dumps(at_path(event, target["InputPath"]))
    transformer = target.get("InputTransformer")
    if not transformer:
        return json.dumps(event)
    values = {name: at_path(event, path) for name, path in (transformer.get("InputPathsMap") or {}).items()}
    values |= {
        "aws.events.rule-arn": rule_arn,
        "aws.events.rule-name": rule_arn.rsplit("/", 1)[-1],
        "aws.events.event": event,
        "aws.events.event.json": event,
        "aws.events.event.ingestion-time": event.get("time"),
    }
    return _fill(transformer["InputTemplate"], values)


def _fill(template: str, values: Mapping[str, Any]) -> str:
    def value(match: re.Match[str]) -> str:
        if match[1] not in values:
            return match[0]
        text = json.dumps(values[match[1]])
        quotes = template[: match.start()].count('"') - template[: match.start()].count('\\"')
        if quotes % 2 == 0:
            return text
        return text[1:-1] if isinstance(values[match[1]], str) else text.replace('"', '\\"')

    filled = re.sub(r"<([\w.\-]+)>", value, template)
    try:
        decoded = json.loads(filled)
    except ValueError:
        return filled
    return decoded if isinstance(decoded, str) else json.dumps(decoded)


def at_path(event: Mapping[str, Any], path: str) -> Any:
    """Read a dotted JSON path such as `$.detail.ModelPackageArn`; None where there is nothing."""
    found: Any = event
    for part in path.removeprefix("$").strip(".").split("."):
        if part:
            found = found.get(part) if isinstance(found, Mapping) else None
    return found


def _utc(value: Any) -> str:
    if isinstance(value, int | float):
        return datetime.fromtimestamp(value, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return str(value)
