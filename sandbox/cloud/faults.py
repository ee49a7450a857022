"""Faults on demand, and a counter of calls."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import asdict, dataclass, replace
from typing import Final

OUTCOMES: Final = {
    "CreateEndpoint": ("Failed",),
    "StartBuild": ("FAILED", "FAULT", "TIMED_OUT", "STOPPED"),
    "UpdateEndpoint": ("RolledBack", "RollingBack", "UpdateRollbackFailed"),
}
"""How an accepted call may end. `RolledBack`: InService on the old configuration, never seen as RollingBack.
StartBuild: the build ends so, without running anything."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What happens to calls of one operation.

    Args:
        operation: AWS's name of the operation, for example `ListModelPackages`.
        error: AWS error code of the answer; None: no error, only delay or outcome.
        status: HTTP status of the error, 400 to 599.
        message: text of the error, or an outcome's failure reason.
        count: how many calls are hit; None: all until it is cleared.
        skip: how many calls pass before the first is hit.
        delay: seconds that a hit call waits before it is answered.
        outcome: one of OUTCOMES of the operation.
    """

    operation: str
    error: str | None = None
    status: int = 500
    message: str = ""
    count: int | None = None
    skip: int = 0
    delay: float = 0.0
    outcome: str | None = None

    def problems(self) -> list[str]:
        """List what is wrong with it; empty when it can be used."""
        found = []
        if not 400 <= self.status <= 599:
            found.append(f"status is {self.status}; allowed are 400 to 599")
        if self.count is not None and self.count < 1:
            found.append(f"count is {self.count}; allowed are 1 and more")
        if self.skip < 0:
            found.append(f"skip is {self.skip}; allowed are 0 and more")
        if not 0 <= self.delay <= 600:
            found.append(f"delay is {self.delay}; allowed are 0 to 600 seconds")
        allowed = OUTCOMES.get(self.operation, ())
        if self.outcome is not None and self.outcome not in allowed:
            found.append(
                f"outcome {self.outcome!r} is not known for {self.operation}; "
                f"allowed: {', '.join(allowed) or 'none'}"
            )
        if self.outcome is not None and self.error is not None:
            found.append("a call either is refused (error) or ends in an outcome, not both")
        if self.error is None and self.outcome is None and not self.delay:
            found.append("nothing to do: give error, outcome or delay")
        return found


def step(fault: Fault) -> tuple[bool, Fault | None]:
    """Decide for one call: is it hit, and what is left of the fault afterwards (None: it is used up)."""
    if fault.skip:
        return False, replace(fault, skip=fault.skip - 1)
    if fault.count is None:
        return True, fault
    return True, replace(fault, count=fault.count - 1) if fault.count > 1 else None


class FaultTable:
    """The faults that wait for calls, and how often each operation was called. Safe for many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._faults: list[Fault] = []
        self._calls: Counter[str] = Counter()

    def add(self, fault: Fault) -> None:
        """Append a fault; of several for one operation the first that hits is used."""
        with self._lock:
            self._faults.append(fault)

    def call(self, operation: str) -> Fault | None:
        """Count a call and give the fault that hits it, if any."""
        with self._lock:
            self._calls[operation] += 1
            for index, fault in enumerate(self._faults):
                if fault.operation != operation:
                    continue
                hit, left = step(fault)
                self._faults[index : index + 1] = [left] if left else []
                if hit:
                    return fault
            return None

    def listed(self) -> list[dict[str, object]]:
        """Give the waiting faults as plain values."""
        with self._lock:
            return [asdict(fault) for fault in self._faults]

    def calls(self) -> dict[str, int]:
        """Give the number of calls by operation since the start or the last `forget_calls`."""
        with self._lock:
            return dict(sorted(self._calls.items()))

    def clear(self) -> None:
        """Remove all faults."""
        with self._lock:
            self._faults.clear()

    def forget_calls(self) -> None:
        """Set all counters to zero."""
        with self._lock:
            self._calls.clear()
