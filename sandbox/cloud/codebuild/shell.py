"""A build's shell: takes commands one after the other, keeps what they change, and ends with all that they started."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from sandbox.cloud.codebuild import supervisor

LOG = logging.getLogger(__name__)
DRIVER = """exec 5>&1
while IFS= read -r __step <&4; do
. "$__step" </dev/null 3>&- 4<&- 5>&-
__code=$?
printf '%s\\n' "{mark}" >&5
printf '%s\\n' "$__code" >&3
done
"""
"""Descriptors: 3 takes exit codes, 4 gives steps, 5 is the output, wherever a command has led its own."""


class BuildShell:
    """One shell for a whole build, as AWS has it since version 0.2 of the buildspec.

    Args:
        shell: `sh` or `bash`.
        folder: where commands begin.
        scratch: an existing folder for its own files.
        variables: all variables of the build.
        tell: takes each line that is printed.
    """

    def __init__(
        self,
        shell: str,
        folder: Path,
        scratch: Path,
        variables: Mapping[str, str],
        tell: Callable[[str], None],
    ) -> None:
        self._scratch, self._tell = scratch, tell
        self._lock = threading.Lock()
        self._number = 0
        driver = scratch / "driver.sh"
        self._mark = uuid.uuid4().hex
        self._printed = threading.Semaphore(0)
        driver.write_text(DRIVER.replace("{mark}", self._mark))
        steps_read, steps_write = os.pipe()
        results_read, results_write = os.pipe()
        try:
            self._process = subprocess.Popen(
                [
                    sys.executable,
                    "-I",
                    "-S",
                    supervisor.__file__,
                    str(steps_read),
                    str(results_write),
                    shell,
                    str(driver),
                ],
                cwd=folder,
                env=dict(variables),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                pass_fds=(steps_read, results_write),
                start_new_session=True,
            )
        finally:
            os.close(steps_read)
            os.close(results_write)
        self._steps = os.fdopen(steps_write, "w")
        self._results = os.fdopen(results_read)
        self._reader = threading.Thread(target=self._read_output, name="build-output", daemon=True)
        self._reader.start()

    def run(self, command: str) -> int:
        """Run one command; gives its exit code. A command that ends the shell ends the build."""
        self._number += 1
        step = self._scratch / f"step-{self._number}.sh"
        step.write_text(command + "\n")
        try:
            self._steps.write(f"{step}\n")
            self._steps.flush()
        except OSError:
            return self._exit_code()
        line = self._results.readline()
        if not line:
            return self._exit_code()
        self._printed.acquire()  # all that the command printed has been told
        return int(line)

    def terminate(self, seconds: float) -> None:
        """Ask all processes to end, and end them when they have not within so many seconds."""
        self._signal(signal.SIGTERM)
        self._reader.join(seconds)
        self._signal(signal.SIGKILL)

    def close(self) -> None:
        """End what still runs and wait for it."""
        self._signal(signal.SIGKILL)
        self._reader.join()
        with self._lock:
            self._process.wait()
        for stream in (self._steps, self._results, self._process.stdin, self._process.stdout):
            with suppress(OSError):  # a broken pipe with unwritten bytes
                if stream is not None:
                    stream.close()

    def _signal(self, number: int) -> None:
        # The leader is not waited for before `close`, so its number stays the group's.
        with self._lock, suppress(ProcessLookupError):
            if self._process.returncode is None:
                os.killpg(self._process.pid, number)

    def _exit_code(self) -> int:
        found = os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOWAIT)
        assert found is not None
        return found.si_status or 1

    def _read_output(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            text = line.decode("utf-8", "replace").rstrip("\n")
            marked = text.endswith(self._mark)
            try:
                if text != self._mark:
                    self._tell(text.removesuffix(self._mark))
            except Exception:
                LOG.exception("a line of a build is lost")
            if marked:
                self._printed.release()
