"""Rules with a schedule: `rate(...)` in real time; a rule can also be fired by hand, through the control API."""

from __future__ import annotations

import re
import threading
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from sandbox.cloud.errors import AwsError, not_emulated
from sandbox.cloud.events import ACTIVE

RATE = re.compile(r"rate\((\d+) (minute|minutes|hour|hours|day|days)\)")
SECONDS = {"minute": 60, "hour": 3600, "day": 86400}


class Timer(Protocol):
    """What a schedule needs of `sandbox.cloud.scheduler.Scheduler`."""

    def after(self, seconds: float, action: Callable[[], None]) -> None:
        """Run `action` later."""


@dataclass(frozen=True, slots=True)
class _Key:
    account: str
    region: str
    bus: str
    name: str
    expression: str


def check_schedule(expression: str | None) -> None:
    """Refuse an expression that AWS refuses, or that is never carried out here.

    Raises:
        AwsError: it is refused.
    """
    if not expression:
        return
    if expression.startswith("cron("):
        raise not_emulated("events rules with cron(...); use rate(...)")
    rate_seconds(expression)


def rate_seconds(expression: str) -> int:
    """Give the period of `rate(15 minutes)`; AWS wants the singular for one.

    Raises:
        AwsError: it is not a rate.
    """
    found = RATE.fullmatch(expression)
    if found is None or int(found[1]) == 0 or (found[1] == "1") == found[2].endswith("s"):
        raise AwsError("ValidationException", "Parameter ScheduleExpression is not valid.")
    return int(found[1]) * SECONDS[found[2].removesuffix("s")]


class Schedules:
    """The timers of rules with a rate.

    Args:
        timer: runs things later.
        send: takes a rule of moto and the event to its targets.
    """

    def __init__(self, timer: Timer, send: Callable[[Any, Mapping[str, Any]], None]) -> None:
        self._timer, self._send = timer, send
        self._lock = threading.Lock()
        self._armed: set[_Key] = set()

    def arm(self, account: str, region: str) -> None:
        """See that each enabled rule with a rate of an account and region has its timer."""
        for rule in _rules(account, region):
            if rule.scheduled_expression and rule.state in ACTIVE:
                key = _Key(account, region, rule.event_bus_name, rule.name, rule.scheduled_expression)
                with self._lock:
                    new = key not in self._armed
                    self._armed.add(key)
                if new:
                    self._wait(key)

    def fire(self, account: str, region: str, name: str) -> bool:
        """Send a rule's scheduled event now; says whether there is such an enabled rule."""
        for rule in _rules(account, region):
            if rule.name == name and rule.scheduled_expression and rule.state in ACTIVE:
                self._send(rule, scheduled_event(rule))
                return True
        return False

    def forget(self) -> None:
        """Drop all timers."""
        with self._lock:
            self._armed.clear()

    def _wait(self, key: _Key) -> None:
        self._timer.after(rate_seconds(key.expression), lambda: self._due(key))

    def _due(self, key: _Key) -> None:
        for rule in _rules(key.account, key.region):
            found = _Key(key.account, key.region, rule.event_bus_name, rule.name, rule.scheduled_expression)
            with self._lock:
                wanted = found == key and rule.state in ACTIVE and key in self._armed
            if wanted:
                self._send(rule, scheduled_event(rule))
                self._wait(key)
                return
        with self._lock:
            self._armed.discard(key)


def scheduled_event(rule: Any) -> dict[str, Any]:
    """Make the event of a rule's schedule.

    Source: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-run-lambda-schedule.html
    """
    return {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": rule.account_id,
        "time": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "region": rule.region_name,
        "resources": [rule.arn],
        "detail": {},
    }


def _rules(account: str, region: str) -> list[Any]:
    from sandbox.cloud.moto_services import is_loaded, locked

    if not is_loaded("events"):
        return []
    from moto.events.models import events_backends

    with locked("events"):
        buses = events_backends[account][region].event_buses.values()
        return [rule for bus in buses for rule in bus.rules.values()]
