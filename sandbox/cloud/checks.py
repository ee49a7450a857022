"""What this cloud refuses before moto sees it, as it would accept and not do it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qs

from sandbox.cloud.errors import AwsError, not_emulated
from sandbox.cloud.events import check_targets
from sandbox.cloud.http import Request
from sandbox.cloud.schedules import check_schedule

PROTOCOLS = ("sqs", "lambda", "email", "email-json")


def check(service: str, operation: str, request: Request) -> None:
    """Refuse a call of a service of moto that would be accepted and not done.

    Raises:
        AwsError: it is refused.
    """
    found = _CHECKS.get((service, operation))
    if found is not None:
        found(request)


def members(request: Request) -> dict[str, Any]:
    """Read a JSON request.

    Raises:
        AwsError: it is not a JSON object.
    """
    try:
        content = json.loads(request.body or b"{}")
    except ValueError:
        content = None
    if not isinstance(content, dict):
        raise AwsError("SerializationException", "The request is not a JSON object.")
    return content


def _put_targets(request: Request) -> None:
    targets: list[Mapping[str, Any]] = members(request).get("Targets") or []
    check_targets(targets)


def _put_rule(request: Request) -> None:
    check_schedule(members(request).get("ScheduleExpression"))


def _subscribe(request: Request) -> None:
    protocol = parse_qs(request.body.decode("utf-8", "replace")).get("Protocol", [""])[0]
    if protocol not in PROTOCOLS:
        msg = f"sns subscriptions with the protocol {protocol!r}; emulated are {', '.join(PROTOCOLS)}"
        raise not_emulated(msg)


_CHECKS: dict[tuple[str, str], Callable[[Request], None]] = {
    ("events", "PutRule"): _put_rule,
    ("events", "PutTargets"): _put_targets,
    ("sns", "Subscribe"): _subscribe,
}
