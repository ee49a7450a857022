"""What SageMaker holds in one account and region, and the few things that all of its operations need."""

from __future__ import annotations

import base64
import binascii
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sandbox.cloud.errors import refused
from sandbox.cloud.events import Publisher
from sandbox.cloud.faults import Fault
from sandbox.cloud.scheduler import Scheduler
from sandbox.cloud.scoring.pool import ScorerPool

Record = dict[str, Any]
"""A resource under AWS's own member names, as Describe answers it."""


@dataclass(slots=True)
class Endpoint:
    """An endpoint. `config` is what it serves; `pending` the configuration that a running update wants."""

    name: str
    arn: str
    config: Record
    variants: list[Record]
    status: str
    created: datetime
    modified: datetime
    pending: Record | None = None
    failure_reason: str | None = None
    deployment: Record | None = None

    @property
    def in_progress(self) -> bool:
        """Whether AWS refuses to update or delete it now."""
        return self.status in ("Creating", "Updating", "RollingBack", "SystemUpdating", "Deleting")


@dataclass(slots=True)
class State:
    """All resources of one account and region. Hold `lock` while reading or changing them."""

    account: str
    region: str
    models: dict[str, Record] = field(default_factory=dict)
    configs: dict[str, Record] = field(default_factory=dict)
    endpoints: dict[str, Endpoint] = field(default_factory=dict)
    groups: dict[str, Record] = field(default_factory=dict)
    group_policies: dict[str, str] = field(default_factory=dict)
    versions: dict[str, int] = field(default_factory=dict)
    packages: dict[str, Record] = field(default_factory=dict)
    client_tokens: dict[str, tuple[Record, str]] = field(default_factory=dict)
    tags: dict[str, dict[str, str]] = field(default_factory=dict)
    lock: threading.RLock = field(default_factory=threading.RLock)

    def arn(self, kind: str, name: str) -> str:
        """Make the ARN of a resource, for example of kind `endpoint-config`."""
        return f"arn:aws:sagemaker:{self.region}:{self.account}:{kind}/{name}"


@dataclass(slots=True)
class Surroundings:
    """What the operations use beside their state. `endpoint_seconds` is how long each transition takes."""

    scheduler: Scheduler
    events: Publisher
    scorers: ScorerPool
    endpoint_seconds: float


@dataclass(frozen=True, slots=True)
class Call:
    """One call of an operation: its request under AWS's names, and the outcome asked for, if any."""

    request: Record
    state: State
    around: Surroundings
    outcome: Fault | None = None


def now() -> datetime:
    """Give the time in UTC."""
    return datetime.now(UTC)


def without(record: Mapping[str, Any], *names: str) -> Record:
    """Copy a record without some members and without those that are None."""
    return {key: value for key, value in record.items() if key not in names and value is not None}


def tag_map(tags: Iterable[Mapping[str, str]] | None) -> dict[str, str]:
    """Turn AWS's list of Key and Value into a mapping; a later key wins."""
    return {tag["Key"]: tag.get("Value", "") for tag in tags or ()}


def page(
    call: Call,
    items: Iterable[Record],
    *,
    name: str,
    arn: str,
    answer: str,
    default_order: str = "Descending",
    keep: Callable[[Record], bool] = lambda _: True,
) -> Record:
    """Answer a List call: filters by name and time, sorts, and cuts into pages.

    Args:
        call: its request may hold NameContains, the four time bounds, SortBy, SortOrder, MaxResults, NextToken.
        items: all summaries.
        name: member of a summary that NameContains looks at and SortBy=Name sorts by.
        arn: member of a summary that is unique; what a NextToken stands for.
        answer: member of the answer that takes the summaries.
        default_order: order when SortOrder was not given.
        keep: further filter.
    """
    request = call.request
    order = {"Name": name, "Status": "EndpointStatus"}.get(request.get("SortBy", ""), "CreationTime")
    found = [item for item in items if _matches(request, item, name) and keep(item)]
    found.sort(key=lambda item: (item[order], item["CreationTime"], item[arn]))
    if request.get("SortOrder", default_order) == "Descending":
        found.reverse()
    start = _position(found, arn, request.get("NextToken"))
    size = int(request.get("MaxResults", 10))
    result: Record = {answer: found[start : start + size]}
    if start + size < len(found):
        result["NextToken"] = base64.urlsafe_b64encode(found[start + size - 1][arn].encode()).decode()
    return result


def _matches(request: Record, item: Record, name: str) -> bool:
    if request.get("NameContains", "").lower() not in str(item.get(name, "")).lower():
        return False
    for member in ("CreationTime", "LastModifiedTime"):
        at = item.get(member)
        after, before = request.get(f"{member}After"), request.get(f"{member}Before")
        if at is not None and after is not None and at.timestamp() <= float(after):
            return False
        if at is not None and before is not None and at.timestamp() >= float(before):
            return False
    return True


def _position(found: list[Record], arn: str, token: str | None) -> int:
    if token is None:
        return 0
    try:
        last = base64.urlsafe_b64decode(token.encode()).decode()
    except (binascii.Error, ValueError):
        raise refused("Invalid NextToken.") from None
    for index, item in enumerate(found):
        if item[arn] == last:
            return index + 1
    raise refused("Invalid NextToken.")
