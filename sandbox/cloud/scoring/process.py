"""One running container: the process of `worker.py` and the talk with it."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandbox.cloud.scoring import worker

START_SECONDS = 120
ANSWER_SECONDS = 60
"""AWS's limit for one real-time or serverless invocation."""


class Refusal(Exception):
    """The container did not answer with a prediction. `log` is the file with what it printed."""

    def __init__(self, message: str, *, status: int, log: Path | str) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.log = log


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a model said: the body as the container made it, and its content type."""

    body: bytes
    content_type: str


class WorkerProcess:
    """A started container. It ends by `kill`, or by itself when this process is gone.

    Args:
        model_dir: the unpacked archive.
        code_dir: folder of the program.
        module: name of the program's module.
        environment: all variables of the process.
        log: file that takes what it prints; appended to.

    Raises:
        Refusal: it cannot load its model, or takes more than two minutes for that.
    """

    def __init__(
        self, model_dir: Path, code_dir: Path, module: str, environment: Mapping[str, str], log: Path
    ) -> None:
        self._log = log
        self._lock = threading.Lock()
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, worker.__file__, str(model_dir), str(code_dir), module],
                cwd=model_dir,
                env=dict(environment),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=output,
            )
        try:
            with self._lock, self._deadline(START_SECONDS):
                self._read()
        except Refusal:
            self.kill()
            raise

    @property
    def alive(self) -> bool:
        """Whether the process still runs."""
        return self._process.poll() is None

    def score(self, body: bytes, content_type: str, accept: str) -> Prediction:
        """Ask for a prediction; one request at a time.

        Raises:
            Refusal: the code raised, does not know the content type, died, or took more than a minute.
        """
        with self._lock, self._deadline(ANSWER_SECONDS):
            assert self._process.stdin is not None
            try:
                worker.write_frame(
                    self._process.stdin,  # type: ignore[arg-type]
                    {"content_type": content_type, "accept": accept},
                    body,
                )
            except OSError:
                raise self._ended("the container's process has ended") from None
            header, answer = self._read()
            return Prediction(answer, header["content_type"])

    def kill(self) -> None:
        """End the process now and wait for it."""
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                try:
                    stream.close()
                except OSError:  # a broken pipe with unwritten bytes: the process is gone, as wanted
                    continue

    def _ended(self, message: str) -> Refusal:
        """Take the process off the table before anybody asks whether it lives: its pipes end a moment earlier."""
        self._process.kill()
        self._process.wait()
        return Refusal(message, status=500, log=self._log)

    def _read(self) -> worker.Frame:
        frame = worker.read_frame(self._process.stdout)  # type: ignore[arg-type]
        if frame is None:
            raise self._ended("the container's process has ended or was ended for taking too long")
        if frame[0]["status"] != 200:
            raise Refusal(frame[0]["message"], status=frame[0]["status"], log=self._log)
        return frame

    @contextmanager
    def _deadline(self, seconds: float) -> Iterator[Any]:
        timer = threading.Timer(seconds, self._process.kill)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
