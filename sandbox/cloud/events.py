"""EventBridge: the events of AWS's services, which rules may have which targets, and what a target gets."""

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

from sandbox.cloud.errors import AwsError, not_emulated

LOG = logging.getLogger(__name__)
TARGETS = re.compile(
    r"arn:aws:(sqs|sns|lambda|codebuild:[^:]+:\d+:project/|logs:[^:]+:\d+:log-group:|events:[^:]+:\d+:event-bus/)"
)
ACTIVE = ("ENABLED", "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS")


@dataclass(frozen=True, slots=True)
class _Event:
    account: str
    region: str
    entry: dict[str, Any]


class Publisher:
    """Sends events of AWS's services to the default bus, in order, without holding up the call that caused them."""

    def __init__(self) -> None:
        self._events: queue.Queue[_Event] = queue.Queue()
        threading.Thread(target=self._run, name="events", daemon=True).start()

    def publish(
        self,
        account: str,
        region: str,
        detail_type: str,
        detail: Mapping[str, Any],
        arn: str,
        source: str = "aws.sagemaker",
    ) -> None:
        """Send an event of a service of AWS about the resource `arn`; `detail` must be fit for JSON."""
        entry = {
            "Source": source,
            "DetailType": detail_type,
            "Detail": json.dumps(detail, default=str),
            "Resources": [arn],
        }
        self._events.put(_Event(account, region, entry))

    def settle(self) -> None:
        """Wait until what happened so far has met the rules: a rule that is made or changed next is for what comes later."""
        self._events.join()

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
            finally:
                self._events.task_done()


def matching_event(rule: Any, original: Mapping[str, Any]) -> dict[str, Any] | None:
    """Give the event as targets see it; None when the rule is disabled or its pattern does not match.

    A rule without a pattern is one with a schedule: no event matches it.
    """
    if (
        rule.state not in ACTIVE
        or rule.scheduled_expression
        or not rule.event_pattern.matches_event(original)
    ):
        return None
    event = {key: value for key, value in original.items() if key != "ingestion-time"}
    event["time"] = _utc(event.get("time"))
    return event


def check_targets(targets: list[Mapping[str, Any]]) -> None:
    """Refuse targets that this cloud does not reach, or that AWS refuses.

    Raises:
        AwsError: one of them is refused.
    """
    for target in targets:
        arn = str(target.get("Arn"))
        if not TARGETS.match(arn):
            msg = f"events rules with the target {arn}; emulated are queues, topics, functions, builds, log groups and buses"
            raise not_emulated(msg)
        inputs = [name for name in ("Input", "InputPath", "InputTransformer") if target.get(name) is not None]
        if len(inputs) > 1:
            msg = f"Only one of Input, InputPath, or InputTransformer must be provided for target {target.get('Id')}."
            raise AwsError("ValidationException", msg)
        if ":codebuild:" in arn and not target.get("RoleArn"):
            msg = f"RoleArn is required for target {arn}."
            raise AwsError("ValidationException", msg)


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
