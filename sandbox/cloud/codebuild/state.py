"""What CodeBuild holds in one account and region."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sandbox.cloud.errors import AwsError
from sandbox.cloud.faults import Fault

Record = dict[str, Any]
"""A resource under AWS's own member names."""

FINISHED = "COMPLETED"


@dataclass(slots=True)
class Build:
    """A build. `record` is what AWS's clients see; `end` and `abort` reach what runs, gently and at once."""

    record: Record
    buildspec: str | None
    token: str | None
    lock: threading.RLock = field(default_factory=threading.RLock)
    wanted_end: str | None = None
    end: Callable[[], None] = lambda: None
    abort: Callable[[], None] = lambda: None

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return not self.record["buildComplete"]

    def begin(self, phase: str) -> None:
        """Let a phase begin, now."""
        with self.lock:
            self.record["currentPhase"] = phase
            self.record["phases"].append({"phaseType": phase, "startTime": time.time()})

    def finish(self, status: str, code: str = "", message: str = "") -> None:
        """Let the current phase end, now."""
        with self.lock:
            phase = self.record["phases"][-1]
            phase["phaseStatus"], phase["endTime"] = status, time.time()
            phase["durationInSeconds"] = int(phase["endTime"] - phase["startTime"])
            phase["contexts"] = [{"statusCode": code, "message": message}]

    def complete(self, status: str) -> None:
        """End the build."""
        self.begin(FINISHED)
        with self.lock:
            self.record["buildStatus"], self.record["buildComplete"] = status, True
            self.record["endTime"] = time.time()

    def stop(self, status: str) -> bool:
        """Ask for its end with a status; says whether it ran."""
        with self.lock:
            if not self.running or self.wanted_end is not None:
                return False
            self.wanted_end = status
            end = self.end
        threading.Thread(target=end, name="stop", daemon=True).start()
        return True

    def kill(self) -> None:
        """End it now."""
        with self.lock:
            self.wanted_end = self.wanted_end or "STOPPED"
            abort = self.abort
        abort()


@dataclass(slots=True)
class State:
    """Projects by name and builds by id, in the order of their start."""

    account: str
    region: str
    lock: threading.RLock = field(default_factory=threading.RLock)
    projects: dict[str, Record] = field(default_factory=dict)
    builds: dict[str, Build] = field(default_factory=dict)
    numbers: dict[str, int] = field(default_factory=dict)

    def arn(self, resource: str) -> str:
        """Give the ARN of a project or build."""
        return f"arn:aws:codebuild:{self.region}:{self.account}:{resource}"

    def project(self, name: str) -> Record:
        """Give a project by its name or ARN.

        Raises:
            AwsError: there is none.
        """
        found = self.projects.get(name.rpartition("/")[2])
        if found is None:
            msg = f"Project cannot be found: {self.arn(f'project/{name}')}"
            raise AwsError("ResourceNotFoundException", msg)
        return found

    def build(self, build_id: str) -> Build:
        """Give a build by its id or ARN.

        Raises:
            AwsError: there is none.
        """
        found = self.builds.get(build_id.rpartition("/")[2])
        if found is None:
            msg = f"Build {build_id} does not exist"
            raise AwsError("ResourceNotFoundException", msg)
        return found


@dataclass(frozen=True, slots=True)
class Call:
    """One call. `start` takes a new build and runs it later."""

    request: Record
    state: State
    start: Callable[[State, Build], None]
    fault: Fault | None
