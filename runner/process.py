"""The pulumi CLI as a child process that survives its parent's troubles and is stopped gracefully.

The CLI runs in a session of its own, so Ctrl-C in a terminal reaches the runner alone, which passes one SIGINT on: the
CLI then finishes the operation in flight (with AWS up to an hour) and releases its lock. A second signal ends it at once
(https://www.pulumi.com/docs/iac/cli/commands/pulumi_cancel/ and pkg/backend/cancellation_scope.go). Output goes to files,
not pipes: a killed runner must not kill the CLI by SIGPIPE in the middle of an operation.
"""

import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import IO

from runner.errors import Cancelled, RunnerError

NO_ENGINE = (
    'no `pulumi` on PATH. `make setup` gets one; `eval "$(.venv/bin/python -m tools.engine env)"` puts it on PATH, '
    "or install it: https://www.pulumi.com/docs/iac/download-install/"
)


@dataclass(frozen=True, slots=True)
class Completed:
    """What one run of the CLI left: its exit code and its output."""

    code: int
    stdout: str
    stderr: str


class Interrupted(BaseException):
    """A signal came while the CLI was not at work. No Exception: botocore would take it for a lost connection and go on."""


class PulumiProcess:
    """Runs the CLI, one command at a time, and passes signals on to it."""

    def __init__(self) -> None:
        self._child: subprocess.Popen[bytes] | None = None
        self._starting = False
        self._signals = self._passed_on = 0
        self._passing = (
            threading.RLock()
        )  # a preview that began early runs in a thread; signals come in the main one

    def watch_signals(self) -> None:
        """Take SIGINT and SIGTERM over, for the rest of this process's life."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._on_signal)

    def run(self, args: Sequence[str], *, cwd: Path, env: Mapping[str, str]) -> Completed:
        """Run ``pulumi ARGS`` to its end.

        Args:
            args: arguments of the CLI; ``--non-interactive`` is added.
            cwd: folder of Pulumi.yaml.
            env: variables over those of this process.

        Raises:
            Cancelled: a signal came; the CLI has ended.
            RunnerError: there is no CLI on PATH.
        """
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            code = self._wait(
                ["pulumi", "--non-interactive", *args], cwd, {**os.environ, **env}, out.fileno(), err.fileno()
            )
            texts = [_read(stream) for stream in (out, err)]
        if self._signals:
            message = "stopped by a signal; the next `deploy` finishes what this one began"
            raise Cancelled(message)
        return Completed(code, *texts)

    def _wait(self, command: Sequence[str], cwd: Path, env: Mapping[str, str], out: int, err: int) -> int:
        self._starting = True
        try:
            self._child = subprocess.Popen(
                command,
                cwd=cwd,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )
        except FileNotFoundError as error:
            raise RunnerError(NO_ENGINE) from error
        finally:
            self._starting = False
        self._pass_on()  # what came while the CLI was being started
        try:
            return self._child.wait()
        finally:
            self._child = None

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        self._signals += 1
        if self._starting:
            return
        if self._child is None:
            message = f"stopped by {signal.Signals(number).name}; nothing was in flight"
            raise Interrupted(message)
        self._pass_on()

    def _pass_on(self) -> None:
        with self._passing:
            child = self._child
            while child and self._passed_on < self._signals:
                self._passed_on += 1
                if self._passed_on == 1:
                    print(
                        "stopping: the operation in flight is finished first; a second signal ends at once",
                        file=sys.stderr,
                    )
                child.send_signal(signal.SIGINT if self._passed_on == 1 else signal.SIGTERM)


def ask(args: Sequence[str], *, cwd: Path, env: Mapping[str, str]) -> Completed:
    """Run a read-only command of the CLI; it takes no lock and may be ended at any time.

    Raises:
        RunnerError: there is no CLI on PATH.
    """
    try:
        done = subprocess.run(
            ["pulumi", "--non-interactive", *args],
            cwd=cwd,
            env={**os.environ, **env},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError as error:
        raise RunnerError(NO_ENGINE) from error
    return Completed(done.returncode, done.stdout, done.stderr)


def _read(stream: IO[bytes]) -> str:
    stream.seek(0)
    return stream.read().decode(errors="replace")
