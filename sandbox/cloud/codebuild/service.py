"""The table of CodeBuild's emulated operations, and what runs its builds."""

from __future__ import annotations

import json
import logging
import shutil
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from sandbox.cloud.checks import members
from sandbox.cloud.codebuild import builds, projects
from sandbox.cloud.codebuild.run import BuildRun
from sandbox.cloud.codebuild.state import Build, Call, Record, State
from sandbox.cloud.errors import AwsError, not_emulated
from sandbox.cloud.events import Publisher
from sandbox.cloud.faults import Fault
from sandbox.cloud.http import Request
from sandbox.cloud.inside import Inside
from sandbox.cloud.validation import check_request

LOG = logging.getLogger(__name__)
RUNNING = 4
"""How many builds run at once; further ones are QUEUED."""

OPERATIONS: dict[str, Callable[[Call], Record]] = {
    "BatchGetBuilds": builds.batch_get_builds,
    "BatchGetProjects": projects.batch_get_projects,
    "CreateProject": projects.create_project,
    "DeleteProject": projects.delete_project,
    "ListBuilds": builds.list_builds,
    "ListBuildsForProject": builds.list_builds_for_project,
    "ListProjects": projects.list_projects,
    "StartBuild": builds.start_build,
    "StopBuild": builds.stop_build,
    "UpdateProject": projects.update_project,
}


class CodeBuild:
    """CodeBuild of all accounts and regions.

    Args:
        home: folder of the local cloud.
        inside: makes clients of other services.
        place: gives the variables that tell a process of an account where the cloud is.
        events: takes the events of builds.
        local: the folder that stands for every repository; None: there is none.
    """

    def __init__(
        self,
        home: Path,
        inside: Inside,
        place: Callable[[str], Mapping[str, str]],
        events: Publisher,
        local: Path | None,
    ) -> None:
        self._home, self._inside, self._place, self._events = home, inside, place, events
        self.default_local = self.local = local
        self._lock = threading.Lock()
        self._states: dict[tuple[str, str], State] = {}
        self._builds = ThreadPoolExecutor(max_workers=RUNNING, thread_name_prefix="build")
        shutil.rmtree(home / "builds", ignore_errors=True)

    def call(self, account: str, region: str, operation: str, request: Request, fault: Fault | None) -> bytes:
        """Answer one call, JSON.

        Raises:
            AwsError: the call is refused or not emulated.
        """
        if operation not in OPERATIONS:
            msg = f"codebuild {operation}"
            raise not_emulated(msg)
        given = members(request)
        try:
            check_request("codebuild", operation, given)
        except AwsError as error:
            raise AwsError("InvalidInputException", error.message) from None
        with self._lock:
            state = self._states.setdefault((account, region), State(account, region))
        with state.lock:
            return json.dumps(OPERATIONS[operation](Call(given, state, self._start, fault))).encode()

    def reset(self) -> None:
        """Forget everything; builds that run are killed."""
        with self._lock:
            running = [build for state in self._states.values() for build in state.builds.values()]
            self._states = {}
            self.local = self.default_local
        for build in running:
            build.kill()

    def _start(self, state: State, build: Build) -> None:
        self._builds.submit(self._run, state, build)

    def _run(self, state: State, build: Build) -> None:
        self._tell(state, build)
        run = BuildRun(state, build, self._home, self._inside, self._place(state.account), self.local)
        run.run()
        self._tell(state, build)

    def _tell(self, state: State, build: Build) -> None:
        """Publish the event of a build's status.

        Source: https://docs.aws.amazon.com/codebuild/latest/userguide/sample-build-notifications.html
        """
        record = build.record
        detail = {
            "build-status": record["buildStatus"],
            "project-name": record["projectName"],
            "build-id": record["arn"],
            "current-phase": record["currentPhase"],
            "version": "1",
        }
        self._events.publish(
            state.account,
            state.region,
            "CodeBuild Build State Change",
            detail,
            record["arn"],
            "aws.codebuild",
        )
