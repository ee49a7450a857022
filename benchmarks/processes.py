"""What the processes of one command cost, read from Linux's /proc while it runs.

A command's tree is its process and all descendants. One that outlives its parent (an orphan) still counts once it was seen.
"""

import os
import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")

# What a command line is called in a profile; the first that fits. Longer names come before what they contain.
_ROLES = (
    (r"pulumi-language-python-exec", "program"),
    (r"pulumi-language-python", "language host"),
    (r"pulumi-resource-aws", "aws plugin"),
    (r"terraform-provider-aws", "provider binary"),
    (r"-m runner\b", "runner"),
)
_COMMAND = re.compile(r"^(?:\S*/)?(pulumi|terraform)(?: --non-interactive)?((?: [a-z]+)+)")
_LOOKS_BETWEEN_MEMORY = 4  # the kernel walks all pages to tell a process's memory: too dear for every look


@dataclass(frozen=True, slots=True)
class ProcessStat:
    """One process at one moment: its parent, when it began (clock ticks since boot), and its CPU seconds."""

    parent: int
    began: int
    cpu_s: float


@dataclass(slots=True)
class ProcessCost:
    """What one process cost, as far as it was seen.

    Attributes:
        role: what it does, such as ``program`` or ``provider binary``.
        from_s: seconds after the command's start when it was first seen.
        to_s: seconds after the command's start when it was last seen.
        cpu_s: seconds of CPU, user and system, of all its threads.
        peak_mb: most proportional memory (PSS: what is shared counts for each sharer's part), in MB of 10^6 bytes.
    """

    role: str
    from_s: float
    to_s: float
    cpu_s: float
    peak_mb: float


@dataclass(slots=True)
class TreeWatch:
    """Follows the tree of one command. Call `look` often; each call costs some milliseconds.

    Args:
        root: process id of the command.
        started: `time.monotonic` when it was started.
    """

    root: int
    started: float
    peak_mb: float = 0.0
    _looks: int = 0
    _costs: dict[tuple[int, int], ProcessCost] = field(default_factory=dict)

    def look(self) -> None:
        """Read the tree as it is now."""
        stats = read_stats()
        known = {pid for pid, began in self._costs if pid in stats and stats[pid].began == began}
        now = time.monotonic() - self.started
        with_memory = self._looks % _LOOKS_BETWEEN_MEMORY == 0
        self._looks += 1
        together = 0.0
        for pid in descendants({pid: stat.parent for pid, stat in stats.items()}, {self.root, *known}):
            stat, memory = stats[pid], _memory_mb(pid) if with_memory else 0.0
            together += memory
            cost = self._costs.setdefault((pid, stat.began), ProcessCost("", now, now, 0.0, 0.0))
            cost.role = (
                role(_command_line(pid)) or cost.role
            )  # a fork has its parent's name until it becomes another
            cost.to_s, cost.cpu_s = now, stat.cpu_s
            cost.peak_mb = max(cost.peak_mb, memory)
        self.peak_mb = max(self.peak_mb, together)

    def costs(self) -> tuple[ProcessCost, ...]:
        """Every process seen so far, in the order of their beginnings."""
        return tuple(sorted(self._costs.values(), key=lambda cost: cost.from_s))


def read_stats() -> dict[int, ProcessStat]:
    """All processes of this machine."""
    found = {}
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            text = _read(f"/proc/{entry.name}/stat")
            if text:
                found[int(entry.name)] = parse_stat(text)
    return found


def parse_stat(text: str) -> ProcessStat:
    """Read a line of /proc/PID/stat (proc_pid_stat(5)); the name in it may hold spaces and parentheses."""
    fields = text.rpartition(")")[2].split()
    return ProcessStat(int(fields[1]), int(fields[19]), (int(fields[11]) + int(fields[12])) / _TICKS)


def descendants(parents: Mapping[int, int], roots: Iterable[int]) -> set[int]:
    """Those roots that live, and all that descend from them.

    Args:
        parents: parent of each living process.
        roots: where to begin.
    """
    children: dict[int, list[int]] = {}
    for pid, parent in parents.items():
        children.setdefault(parent, []).append(pid)
    found: set[int] = set()
    waiting = [pid for pid in roots if pid in parents]
    while waiting:
        pid = waiting.pop()
        if pid not in found:
            found.add(pid)
            waiting += children.get(pid, [])
    return found


def role(command_line: str) -> str:
    """What a process is called in a profile: its role, or its program's name; nothing for a process that has ended.

    Of `pulumi` and `terraform` the command belongs to it, such as ``pulumi stack export``.
    """
    for pattern, name in _ROLES:
        if re.search(pattern, command_line):
            return name
    if found := _COMMAND.match(command_line):
        return found[1] + found[2]
    return Path(command_line.split(" ", 1)[0]).name


def marked(mark: str) -> dict[int, str]:
    """The living processes that have a text in their environment, with their command lines."""
    found = {}
    for entry in os.scandir("/proc"):
        if entry.name.isdigit() and mark in _read(f"/proc/{entry.name}/environ"):
            line = _command_line(int(entry.name))
            if line:  # nothing: it has ended and waits only for its parent
                found[int(entry.name)] = line
    return found


def _command_line(pid: int) -> str:
    return _read(f"/proc/{pid}/cmdline").replace("\0", " ").strip()


def _memory_mb(pid: int) -> float:
    found = re.search(r"^Pss:\s+(\d+) kB", _read(f"/proc/{pid}/smaps_rollup"), re.MULTILINE)
    return int(found[1]) * 1024 / 1e6 if found else 0.0


def _read(path: str) -> str:
    """A file of /proc, empty where the process is gone or another user's."""
    try:
        return Path(path).read_bytes().decode(errors="replace")
    except OSError:
        return ""
