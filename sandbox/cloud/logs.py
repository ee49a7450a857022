"""Lines that functions, builds and APIs write to CloudWatch Logs; not counted and hit by no fault, as nobody calls."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable

from sandbox.cloud.functions.found import Function

LOG = logging.getLogger(__name__)


def write_log(account: str, region: str, group: str, stream: str, lines: Iterable[str]) -> None:
    """Append lines to a log stream; group and stream are made when there are none. Empty lines are left out."""
    from sandbox.cloud.moto_services import load, locked

    load("logs")
    from moto.logs.models import logs_backends

    now = int(time.time() * 1000)
    events = [{"timestamp": now, "message": line} for line in lines if line.strip()]
    with locked("logs"):
        backend = logs_backends[account][region]
        backend.ensure_log_group(group)
        if stream not in backend.groups[group].streams:
            backend.create_log_stream(group, stream)
        if events:
            backend.put_log_events(group, stream, events)


def write_function_log(function: Function, stream: str, lines: Iterable[str]) -> None:
    """Append lines to a log stream of a function."""
    write_log(function.account, function.region, function.log_group, stream, lines)
