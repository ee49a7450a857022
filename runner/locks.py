"""The lock of a stack in a self-managed backend: who holds it, and whether the holder is known to be gone.

The CLI names the holders when it refuses to start; it never waits itself, and its lock has no expiry
(pkg/backend/diy/lock.go). A lock is taken over only when its process was on this machine and has ended: never by age.
"""

import os
import random
import re
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from runner.errors import RunnerError, StackBusy

if TYPE_CHECKING:
    from runner.session import Session

POLL_S = 5.0
_NEWS_S = 60.0
_MOST_TAKEOVERS = 3
_Result = TypeVar("_Result")

LOCKED_TEXTS = ("the stack is currently locked by", "[409] Conflict: Another update is currently in progress")

_HOLDER = re.compile(
    r"(?P<lock>\S+): created by (?P<user>.*)@(?P<host>[^@\s]+) \(pid (?P<pid>\d{1,9})\) at (?P<time>\S+)"
)
# The lock is written some time after its process began, and both clocks are read with whole seconds.
_CLOCK_SLACK_S = 2.0
_INITIAL_NAMESPACE = 0xEFFFFFFC  # PROC_PID_INIT_INO of Linux's include/linux/proc_ns.h


@dataclass(frozen=True, slots=True)
class Holder:
    """The process that made a lock, as the lock file says; ``lock`` is the file's URL."""

    lock: str
    user: str
    host: str
    pid: int
    since: datetime

    def __str__(self) -> str:
        return f"{self.user}@{self.host} (pid {self.pid}) since {self.since:%Y-%m-%d %H:%M:%S %Z}"


class LockedError(RunnerError):
    """The stack is locked. ``holders`` is empty where the backend does not name them."""

    def __init__(self, holders: tuple[Holder, ...]) -> None:
        super().__init__("the stack is locked by " + (", ".join(map(str, holders)) or "another update"))
        self.holders = holders


class StateChangedError(RunnerError):
    """Another run ended between this one's preview and its update; what the guards judged is no longer what would happen."""


def holders_in(text: str) -> tuple[Holder, ...]:
    """Read the holders out of the CLI's message; a line that cannot be read makes the answer empty: nobody is known."""
    found = []
    for match in _HOLDER.finditer(text):
        try:
            since = datetime.fromisoformat(match["time"])
        except ValueError:
            return ()
        found.append(
            Holder(match["lock"], match["user"], match["host"], int(match["pid"]), since.astimezone(UTC))
        )
    return tuple(found) if len(found) == text.count("created by ") else ()


def is_gone(holder: Holder, *, host: str | None = None, proc: Path = Path("/proc")) -> bool:
    """Whether the holder is known to have ended: it ran on this host and its process is no more.

    In a container nobody is known to have ended: others may share its host name and have processes of their own.

    A process id that was given to a younger process of another program counts as ended, and so does a process that only
    waits to be taken off the table (in a container without an init, for ever). Where that cannot be told (no /proc), only a
    free id counts.

    Args:
        holder: who made the lock.
        host: this machine's name; asked from the system when left out.
        proc: the kernel's process folder.
    """
    if holder.host != (host or socket.gethostname()) or _is_contained(proc):
        return False
    if not holder.lock.startswith(("file://", "s3://")):  # another backend's lock is not ours to delete
        return False
    try:
        os.kill(holder.pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass
    status = _status(holder.pid, proc)
    if status is None:
        return False
    # The boot time moves when the clock is set, so a start time alone proves nothing: it must be another program, too.
    is_younger = status.began > holder.since.timestamp() + _CLOCK_SLACK_S
    return status.ended or (is_younger and status.program != "pulumi")


def _is_contained(proc: Path) -> bool:
    """Whether this process sees only some of the host's processes (pid_namespaces(7))."""
    try:
        return (proc / "self" / "ns" / "pid").stat().st_ino != _INITIAL_NAMESPACE
    except OSError:
        return False  # no such namespaces on this system


class _Status(NamedTuple):
    """``ended``: only its entry is left, until its parent asks for it; ``began``: seconds since the epoch; its program."""

    ended: bool
    began: float
    program: str


def _status(pid: int, proc: Path) -> _Status | None:
    """What the system tells of a process; None where it does not tell (proc(5))."""
    try:
        stat = (proc / str(pid) / "stat").read_text()
        boot = next(line for line in (proc / "stat").read_text().splitlines() if line.startswith("btime "))
    except (OSError, StopIteration):
        return None
    head, _, rest = stat.rpartition(")")
    fields = rest.split()
    began = int(boot.split()[1]) + int(fields[19]) / os.sysconf("SC_CLK_TCK")
    return _Status(fields[0] in "ZX", began, head.partition("(")[2])


def when_unlocked(
    session: "Session",
    timeout_s: float,
    attempt: Callable[[], _Result],
    *,
    sleep: Callable[[float], None] = time.sleep,
) -> _Result:
    """Try until the stack is free: wait for a living holder of its lock, take the lock of one that is known to be gone.

    Each try begins from the start, since the run that was waited for may have changed everything.

    Raises:
        StackBusy: the time is up.
    """
    deadline = time.monotonic() + timeout_s
    takeovers, said = 0, -_NEWS_S
    while True:
        try:
            return attempt()
        except StateChangedError as changed:
            if time.monotonic() >= deadline:
                raise StackBusy(str(changed)) from changed
            session.say(f"{changed}; beginning anew")
        except LockedError as locked:
            if locked.holders and all(map(is_gone, locked.holders)) and takeovers < _MOST_TAKEOVERS:
                takeovers += 1
                session.say(f"{locked}, which has ended without releasing it; taking the lock over")
                session.unlock(locked.holders)
                continue
            now = time.monotonic()
            if now >= deadline:
                raise StackBusy(_busy(locked, timeout_s, session.name)) from locked
            if now - said >= _NEWS_S:
                said = now
                session.say(f"{locked}; waiting up to {deadline - now:.0f} s more")
            sleep(min(POLL_S * random.uniform(0.8, 1.2), max(deadline - now, 0.0)))  # noqa: S311  spreads waiters


def _busy(locked: RunnerError, timeout_s: float, stack: str) -> str:
    return (
        f"{locked}; waited {timeout_s:.0f} s. If that process has ended for certain, release the lock with "
        f"`pulumi cancel --stack {stack}`; otherwise try again later"
    )
