"""Runs the commands that are measured: with a deadline, and with nothing left running afterwards."""

import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from benchmarks.processes import ProcessCost, TreeWatch, marked

_MARK = "BENCHMARK_MARK"
_LOOK_S = 0.05
_LEFTOVER_S = 10.0
_LINES_SHOWN = 8


class BenchmarkError(Exception):
    """A benchmark cannot be measured; the text says which command failed and how."""


class Skipped(Exception):
    """What a benchmark needs is not on this machine; the text says what."""


@dataclass(frozen=True, slots=True)
class Profile:
    """Where the time and memory of one run went.

    Attributes:
        command: what ran.
        seconds: from start to end, with the profiler beside it.
        peak_mb: most proportional memory (PSS) of the whole tree at one moment, in MB.
        processes: each process of the tree.
    """

    command: str
    seconds: float
    peak_mb: float
    processes: tuple[ProcessCost, ...]

    @property
    def cpu_s(self) -> float:
        """Seconds of CPU of all processes: a busy machine lengthens it far less than the time."""
        return sum(cost.cpu_s for cost in self.processes)


class Commands:
    """Runs commands in one environment; `end_all` ends whatever of them still lives.

    Args:
        variables: the whole environment of the commands.
    """

    def __init__(self, variables: Mapping[str, str]) -> None:
        self._mark = uuid4().hex
        self._variables = {**variables, _MARK: self._mark}

    def seconds(self, command: Sequence[str], folder: Path, *, timeout_s: float = 900.0) -> float:
        """Run a command to its end; the seconds that it took.

        Raises:
            BenchmarkError: it failed, or took longer than ``timeout_s``.
        """
        return self._run(command, folder, timeout_s).seconds

    def output(self, command: Sequence[str], folder: Path, *, timeout_s: float = 900.0) -> str:
        """Run a command to its end; what it printed on stdout.

        Raises:
            BenchmarkError: as `seconds`.
        """
        return self._run(command, folder, timeout_s).output

    def profile(self, command: Sequence[str], folder: Path, *, timeout_s: float = 900.0) -> Profile:
        """Run a command to its end and watch its processes, which makes it a little slower.

        Raises:
            BenchmarkError: as `seconds`.
        """
        done = self._run(command, folder, timeout_s, watched=True)
        assert done.watch is not None
        name = " ".join([Path(command[0]).name, *command[1:]])
        return Profile(name, done.seconds, done.watch.peak_mb, done.watch.costs())

    def end_all(self) -> None:
        """End every process of these commands that still lives."""
        for pid in marked(self._mark):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def _run(
        self, command: Sequence[str], folder: Path, timeout_s: float, *, watched: bool = False
    ) -> "_Done":
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            started = time.monotonic()
            child = subprocess.Popen(
                command,
                cwd=folder,
                env=self._variables,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )
            watch = TreeWatch(child.pid, started) if watched else None
            try:
                in_time = _wait(child.pid, started + timeout_s, watch)
            except BaseException:
                self.end_all()
                child.wait()
                raise
            seconds = time.monotonic() - started
            if not in_time:
                self.end_all()
            code = child.wait()
            texts = [_text(stream.fileno()) for stream in (out, err)]
        if not in_time:
            message = f"`{' '.join(command)}` did not end within {timeout_s:.0f} s and was killed"
            raise BenchmarkError(message)
        if code:
            message = f"`{' '.join(command)}` ended with exit code {code}: {_last_lines(texts)}"
            raise BenchmarkError(message)
        self._wait_for_leftovers(command)
        return _Done(seconds, texts[0], watch)

    def _wait_for_leftovers(self, command: Sequence[str]) -> None:
        """Let helpers end that outlive their command a little, so that they do not slow the next one down."""
        deadline = time.monotonic() + _LEFTOVER_S
        while left := self._left():
            if time.monotonic() > deadline:
                self.end_all()
                message = f"`{' '.join(command)}` left processes behind: {', '.join(left.values())}"
                raise BenchmarkError(message)
            time.sleep(_LOOK_S)

    def _left(self) -> dict[int, str]:
        """What lives. A process that is being started has no environment yet to find it by: nothing must be seen twice."""
        found = marked(self._mark)
        if not found:
            time.sleep(_LOOK_S)
            found = marked(self._mark)
        return found


@dataclass(frozen=True, slots=True)
class _Done:
    seconds: float
    output: str
    watch: TreeWatch | None


def say(line: str) -> None:
    """Print a line of progress."""
    print(line, file=sys.stderr, flush=True)


def _wait(pid: int, deadline: float, watch: TreeWatch | None) -> bool:
    """Wait for a process to end, to the millisecond (subprocess's timed wait looks every 50 only); whether it did."""
    handle = os.pidfd_open(pid)
    try:
        while (left := deadline - time.monotonic()) > 0:
            if select.select([handle], [], [], min(left, _LOOK_S) if watch else left)[0]:
                return True
            if watch:
                watch.look()
    finally:
        os.close(handle)
    return False


def _text(descriptor: int) -> str:
    os.lseek(descriptor, 0, os.SEEK_SET)
    with os.fdopen(os.dup(descriptor), "rb") as stream:
        return stream.read().decode(errors="replace")


def _last_lines(texts: Sequence[str]) -> str:
    lines = [line.strip() for text in texts for line in text.splitlines() if line.strip()]
    return " | ".join(lines[-_LINES_SHOWN:])
