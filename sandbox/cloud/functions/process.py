"""One warm process of a function, and the talk with it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sandbox.cloud.functions import runtime
from sandbox.cloud.functions.found import Function

LOAD_SECONDS = 10.0
"""AWS's limit for loading the code before the first event."""

TAIL = 4096
"""Bytes of log that an answer may carry."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an invocation ended. `failed`: the payload describes an error. `log`: what the function printed."""

    payload: str
    failed: bool
    log: str


class FunctionProcess:
    """A started function. It ends by `kill`, or by itself when this process is gone.

    Args:
        function: what to run.
        folder: its unpacked zip.
        place: variables that tell it where the cloud is.
        logs: folder for a file with what it prints.
    """

    def __init__(self, function: Function, folder: Path, place: Mapping[str, str], logs: Path) -> None:
        self.function = function
        self.stream = f"{datetime.now(UTC):%Y/%m/%d}/[{function.version}]{uuid.uuid4().hex}"
        logs.mkdir(parents=True, exist_ok=True)
        self._log = logs / f"function-{function.name}-{self.stream[-8:]}.log"
        self._seen = 0
        self._ended_for = ""
        with self._log.open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, runtime.__file__, str(folder)],
                cwd=folder,
                env=_variables(function, folder, self.stream, place),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=output,
                text=True,
            )
        self._loaded: dict[str, Any] | None = None

    @property
    def alive(self) -> bool:
        """Whether it can take another event."""
        return self._process.poll() is None and (self._loaded is None or self._loaded["ok"])

    def invoke(self, event: str, request_id: str) -> Outcome:
        """Let the function handle one event; one at a time."""
        function = self.function
        if self._loaded is None:
            with self._deadline(LOAD_SECONDS):
                self._loaded = self._read()
        said = self._loaded
        if said is not None and said["ok"]:
            request = {"event": event, "id": request_id, "arn": function.arn, "seconds": function.timeout}
            with self._deadline(function.timeout):
                said = self._ask(request)
        failure = said or {"ok": False, "payload": json.dumps(self._why_ended(request_id))}
        return Outcome(failure["payload"], not failure["ok"], self._new_log())

    def end(self) -> None:
        """End the process now; whoever waits for its answer gets an error."""
        self._process.kill()

    def kill(self) -> None:
        """End the process now and wait for it."""
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            try:
                if stream is not None:
                    stream.close()
            except OSError:  # a broken pipe with unwritten bytes: the process is gone, as wanted
                continue

    def _ask(self, request: Mapping[str, Any]) -> dict[str, Any] | None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
        except OSError:
            return None
        return self._read()

    def _read(self) -> dict[str, Any] | None:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        return dict(json.loads(line)) if line.endswith("\n") else None

    def _why_ended(self, request_id: str) -> dict[str, str]:
        if self._ended_for:
            text = f"RequestId: {request_id} Error: Task timed out after {self._ended_for} seconds"
            return {"errorType": "Sandbox.Timedout", "errorMessage": text}
        code = self._process.wait()
        text = f"RequestId: {request_id} Error: Runtime exited with error: exit status {code}"
        return {"errorType": "Runtime.ExitError", "errorMessage": text}

    def _new_log(self) -> str:
        with self._log.open("rb") as file:
            file.seek(self._seen)
            new = file.read()
        self._seen += len(new)
        return new.decode("utf-8", "replace")

    @contextmanager
    def _deadline(self, seconds: float) -> Iterator[None]:
        def end() -> None:
            self._ended_for = f"{seconds:.2f}"
            self._process.kill()

        timer = threading.Timer(seconds, end)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()


def _variables(function: Function, folder: Path, stream: str, place: Mapping[str, str]) -> dict[str, str]:
    """Give all variables of the process: AWS's reserved ones win over the function's own.

    Source: https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html
    """
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": str(folder),
        "LANG": "C.UTF-8",
        "TZ": ":UTC",
        "PYTHONDONTWRITEBYTECODE": "1",
        **place,
        **dict(function.environment),
        "_HANDLER": function.handler,
        "AWS_REGION": function.region,
        "AWS_DEFAULT_REGION": function.region,
        "AWS_EXECUTION_ENV": f"AWS_Lambda_{function.runtime}",
        "AWS_LAMBDA_FUNCTION_NAME": function.name,
        "AWS_LAMBDA_FUNCTION_VERSION": function.version,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory),
        "AWS_LAMBDA_LOG_GROUP_NAME": function.log_group,
        "AWS_LAMBDA_LOG_STREAM_NAME": stream,
        "LAMBDA_TASK_ROOT": str(folder),
    }
