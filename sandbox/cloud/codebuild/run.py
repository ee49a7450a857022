"""Runs one build, phase by phase."""

from __future__ import annotations

import logging
import shlex
import shutil
import threading
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from sandbox.cloud.codebuild.buildspec import PHASES, BadBuildspec, Buildspec, Phase, read_buildspec
from sandbox.cloud.codebuild.shell import BuildShell
from sandbox.cloud.codebuild.source import NoSource, fetch_source
from sandbox.cloud.codebuild.state import Build, State
from sandbox.cloud.codebuild.variables import NoValue, Values, base_variables, own_variables
from sandbox.cloud.inside import Inside
from sandbox.cloud.logs import write_log

LOG = logging.getLogger(__name__)
STOP_SECONDS = 30.0
"""What commands have between SIGTERM and SIGKILL."""


class Failed(Exception):
    """A phase failed; AWS's code and message of its context."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message


class BuildRun:
    """One build on its way.

    Args:
        state: the account and region.
        build: what to run.
        home: folder of the local cloud.
        inside: makes clients of other services.
        place: variables that tell a process of the account where the cloud is.
        local: the folder that stands for every repository.
        minute: seconds of a minute; less in tests.
    """

    def __init__(
        self,
        state: State,
        build: Build,
        home: Path,
        inside: Inside,
        place: Mapping[str, str],
        local: Path | None,
        minute: float = 60.0,
    ) -> None:
        self._state, self._build, self._inside, self._place = state, build, inside, place
        self._local, self._minute = local, minute
        self._id = build.record["id"].rpartition(":")[2]
        self._folder = home / "builds" / self._id
        self._source: Path = self._folder / "src"
        self._log = home / "logs" / f"build-{build.record['projectName']}-{self._id}.log"
        account, region = state.account, state.region
        self._values = Values(
            inside.client("ssm", account, region), inside.client("secretsmanager", account, region)
        )
        self._hidden: list[str] = []
        self._spec = Buildspec({})
        self._variables: dict[str, str] = {}

    def run(self) -> None:
        """Run the build to its end; never raises."""
        build = self._build
        build.finish("SUCCEEDED")
        timer = threading.Timer(build.record["timeoutInMinutes"] * self._minute, build.stop, ("TIMED_OUT",))
        timer.daemon = True
        timer.start()
        try:
            status = build.wanted_end or self._phases()
        except Exception:
            LOG.exception("build %s broke", build.record["id"])
            status = "FAULT"
        finally:
            timer.cancel()
            shutil.rmtree(self._folder, ignore_errors=True)
        build.complete(build.wanted_end or status)

    def _phases(self) -> str:
        self._phase("PROVISIONING", self._provision)
        if not self._phase("DOWNLOAD_SOURCE", self._download):
            self._phase("FINALIZING", lambda: None)
            return "FAILED"
        shell = BuildShell(self._spec.shell, self._source, self._folder, self._variables, self._tell)
        with self._build.lock:
            self._build.end = lambda: shell.terminate(STOP_SECONDS)
            self._build.abort = lambda: shell.terminate(0)
            stopped = self._build.wanted_end is not None
        try:
            succeeded = not stopped and self._commands(shell)
        finally:
            shell.close()
        for phase in ("UPLOAD_ARTIFACTS", "FINALIZING"):
            self._phase(phase, lambda: None)
        return "SUCCEEDED" if succeeded else "FAILED"

    def _commands(self, shell: BuildShell) -> bool:
        succeeding, wanted = True, True
        for name in PHASES:
            if not wanted or self._build.wanted_end is not None:
                break
            phase = self._spec.phases.get(name, Phase())
            shell.run(f"export CODEBUILD_BUILD_SUCCEEDING={int(succeeding)}")
            good = self._phase(name.upper(), partial(self._run_phase, phase, shell))
            succeeding = succeeding and good
            wanted = good or phase.on_failure == "CONTINUE"
        if self._spec.exported:
            self._export(self._spec.exported, shell)
        return succeeding

    def _run_phase(self, phase: Phase, shell: BuildShell) -> None:
        try:
            for command in phase.commands:
                self._run_command(command, shell)
        finally:
            for command in phase.lasting:
                self._run_command(command, shell)

    def _run_command(self, command: str, shell: BuildShell) -> None:
        self._tell(f"{_stamp()} Running command {command}")
        code = shell.run(command)
        if code:
            msg = f"Error while executing command: {command}. Reason: exit status {code}"
            raise Failed("COMMAND_EXECUTION_ERROR", msg)

    def _phase(self, name: str, action: Callable[[], None]) -> bool:
        """Run one phase; says whether it succeeded."""
        build = self._build
        build.begin(name)
        try:
            action()
        except Failed as failure:
            status = build.wanted_end or "FAILED"
            build.finish(status, failure.code, failure.message)
            self._tell(f"{_stamp()} Phase complete: {name} State: {status}")
            self._tell(f"{_stamp()} Phase context status code: {failure.code} Message: {failure.message}")
            return False
        build.finish("SUCCEEDED")
        self._tell(f"{_stamp()} Phase complete: {name} State: SUCCEEDED")
        return True

    def _provision(self) -> None:
        self._log.parent.mkdir(parents=True, exist_ok=True)
        self._source.mkdir(parents=True)
        (self._folder / "home").mkdir()

    def _download(self) -> None:
        """Get source, buildspec and variables."""
        record = self._build.record
        source = record["source"]
        s3 = self._inside.client("s3", self._state.account, self._state.region)
        try:
            commit = fetch_source(source["type"], source.get("location", ""), self._source, s3, self._local)
            if commit:
                record["resolvedSourceVersion"] = commit
            spec = read_buildspec(self._buildspec())
            asked = self._values.asked_for(spec, record["environment"]["environmentVariables"])
        except NoSource as error:
            raise Failed("CLIENT_ERROR", str(error)) from None
        except BadBuildspec as error:
            raise Failed("YAML_FILE_ERROR", f"the buildspec cannot be used: {error}") from None
        except NoValue as error:
            raise Failed("CLIENT_ERROR", str(error)) from None
        self._hidden = sorted(self._values.hidden, key=len, reverse=True)
        own = own_variables(record, self._source)
        self._spec = spec
        self._variables = {**base_variables(self._folder / "home"), **self._place, **own, **asked}

    def _buildspec(self) -> str:
        given = self._build.buildspec or "buildspec.yml"
        if "\n" in given or given.lstrip().startswith(("{", "version:")):
            return given
        path: Path = (self._source / given).resolve()
        if not path.is_relative_to(self._source.resolve()) or not path.is_file():
            msg = f"there is no file {given} in the source"
            raise BadBuildspec(msg)
        return path.read_text()

    def _export(self, names: tuple[str, ...], shell: BuildShell) -> None:
        file = self._folder / "exported"
        lines = "\n".join(f'printf "%s\\0" "${{{name}-}}"' for name in names)
        if shell.run(f"{{\n{lines}\n}} > {shlex.quote(str(file))}") == 0:
            values = file.read_text().split("\0")
            pairs = zip(names, values, strict=False)
            self._build.record["exportedEnvironmentVariables"] = [
                {"name": name, "value": value} for name, value in pairs
            ]

    def _tell(self, line: str) -> None:
        """Write a line to the file and to CloudWatch Logs; values of secrets and parameters become ***."""
        for value in self._hidden:
            line = line.replace(value, "***")
        logs = self._build.record["logs"]
        with self._log.open("a", encoding="utf-8") as file:
            file.write(line + "\n")
        write_log(self._state.account, self._state.region, logs["groupName"], logs["streamName"], [line])


def _stamp() -> str:
    return f"[Container] {datetime.fromtimestamp(time.time(), UTC):%Y/%m/%d %H:%M:%S}"
