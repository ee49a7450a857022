"""Which processes of functions are kept, and who waits for one."""

from __future__ import annotations

import io
import logging
import shutil
import threading
import zipfile
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path

from sandbox.cloud.errors import AwsError
from sandbox.cloud.functions.found import Function
from sandbox.cloud.functions.process import FunctionProcess, Outcome

LOG = logging.getLogger(__name__)
RUNNING = 8
"""How many events are handled at once; further ones wait, where AWS would start more."""

WARM = 8
WriteLog = Callable[[Function, str, list[str]], None]
"""Takes a function, the name of a log stream, and lines."""


class FunctionPool:
    """Runs functions. Safe for many threads.

    Args:
        folder: for unpacked zips; emptied at the start and at the end.
        logs: for what functions print.
        place: gives the variables of every process of an account, under the function's own.
        write_log: takes lines to CloudWatch Logs.
    """

    def __init__(
        self, folder: Path, logs: Path, place: Callable[[str], Mapping[str, str]], write_log: WriteLog
    ) -> None:
        self._folder, self._logs, self._place, self._write_log = folder, logs, place, write_log
        self._changed = threading.Condition()
        self._unpacking = threading.Lock()
        self._idle: list[FunctionProcess] = []
        self._busy: list[FunctionProcess] = []
        self._starting = 0
        self._running: Counter[str] = Counter()
        self._epoch = 0
        shutil.rmtree(folder, ignore_errors=True)

    def run(self, function: Function, event: str, request_id: str) -> Outcome:
        """Let a function handle an event, in a warm process when there is one.

        Raises:
            AwsError: the function's reserved concurrency is used up, or its zip cannot be unpacked.
        """
        process, epoch = self._take(function)
        try:
            outcome = process.invoke(event, request_id)
        finally:
            self._give_back(process, epoch)
        lines = [f"START RequestId: {request_id} Version: {function.version}", *outcome.log.splitlines()]
        if outcome.failed:
            lines.append(f"[ERROR] {outcome.payload}")
        self._write_log(function, process.stream, [*lines, f"END RequestId: {request_id}"])
        return outcome

    def drop(self, name: str) -> None:
        """End the idle processes of a function, by its name."""
        with self._changed:
            old = [process for process in self._idle if process.function.name == name]
            self._idle = [process for process in self._idle if process not in old]
        for process in old:
            process.kill()

    def release_all(self) -> None:
        """End everything."""
        with self._changed:
            self._epoch += 1
            idle, busy = self._idle, list(self._busy)
            self._idle = []
        for process in idle:
            process.kill()
        for process in busy:
            process.end()  # whoever waits for its answer closes it
        shutil.rmtree(self._folder, ignore_errors=True)

    def _take(self, function: Function) -> tuple[FunctionProcess, int]:
        with self._changed:
            if function.concurrency is not None and self._running[function.arn] >= function.concurrency:
                raise AwsError(
                    "TooManyRequestsException",
                    "Rate Exceeded.",
                    429,
                    {"Reason": "ReservedFunctionConcurrentInvocationLimitExceeded"},
                )
            self._running[function.arn] += 1
            self._changed.wait_for(lambda: len(self._busy) + self._starting < RUNNING)
            self._starting += 1
            epoch = self._epoch
        process = None
        try:
            process = self._warm(function) or self._start(function)
        finally:
            with self._changed:
                self._starting -= 1
                if process is None:
                    self._running[function.arn] -= 1
                else:
                    self._busy.append(process)
                self._changed.notify_all()
        return process, epoch

    def _warm(self, function: Function) -> FunctionProcess | None:
        """Take a kept process of the function; those of older code or variables are ended."""
        with self._changed:
            own = [process for process in self._idle if process.function.arn == function.arn]
            good = [process for process in own if process.function.fingerprint == function.fingerprint]
            old = [process for process in own if process not in good]
            taken = next((process for process in good if process.alive), None)
            self._idle = [process for process in self._idle if process not in old and process is not taken]
        for process in old:
            process.kill()
        return taken

    def _start(self, function: Function) -> FunctionProcess:
        folder = self._folder / function.fingerprint
        with self._unpacking:
            if not folder.exists():
                part = folder.with_suffix(".part")
                shutil.rmtree(part, ignore_errors=True)
                part.mkdir(parents=True)
                with zipfile.ZipFile(io.BytesIO(function.code)) as archive:
                    archive.extractall(part)
                part.rename(folder)
        return FunctionProcess(function, folder, self._place(function.account), self._logs)

    def _give_back(self, process: FunctionProcess, epoch: int) -> None:
        with self._changed:
            self._busy.remove(process)
            self._running[process.function.arn] -= 1
            keep = process.alive and epoch == self._epoch
            ended = [] if keep else [process]
            if keep:
                self._idle.append(process)
                while len(self._idle) > WARM:
                    ended.append(self._idle.pop(0))
            self._changed.notify_all()
        for old in ended:
            old.kill()
