"""One Pulumi stack, driven through the Automation API. The only module that imports pulumi.automation.

What the CLI says when it fails is read here, once, and becomes one of runner.errors.
"""

import signal
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pulumi import automation
from pulumi.automation._stack import StackInitMode  # not exported, and Stack.select makes no subclass
from semver import VersionInfo

from runner.changes import Change, ChangeCollector
from runner.errors import (
    BackendAccessError,
    PolicyRefused,
    ResourceFailure,
    RunnerError,
    SettingsRefused,
    StackMissing,
)
from runner.locks import LOCKED_TEXTS, LockedError, holders_in
from runner.process import Completed, PulumiProcess
from runner.redact import redact
from runner.state import Resource

_BACKEND_TEXTS = (
    "incorrect passphrase",
    "passphrase must be set",
    "getting secrets manager",
    "get stack secrets manager",
    "AccessDenied",
    "NoSuchBucket",
    "unable to open bucket",
    "could not list bucket",
    "invalid access token",
    "PULUMI_ACCESS_TOKEN",
    "ExpiredToken",
)
_MOST_ERRORS_SHOWN = 10


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one operation did: every change of the cloud, how many resources stayed, how many other things changed."""

    changes: tuple[Change, ...]
    unchanged: int
    others: int = 0


class _Command(automation.PulumiCommand):
    """The CLI as PulumiProcess runs it: in a session of its own, stopped gracefully, its output in files."""

    def __init__(self, process: PulumiProcess, version: VersionInfo) -> None:
        # Not super(): it would start the CLI once more, only to ask for the version that is known already.
        self.command, self.version = "pulumi", version
        self._process = process
        self.last = Completed(0, "", "")

    def run(
        self,
        args: list[str],
        cwd: str,
        additional_env: Mapping[str, str],
        on_output: automation.OnOutput | None = None,  # noqa: ARG002  progress comes from the engine's events
        on_error: automation.OnOutput | None = None,  # noqa: ARG002
    ) -> automation.CommandResult:
        """Run the CLI; the base class's promise."""
        self.last = self._process.run(
            args, cwd=Path(cwd), env={**additional_env, "PULUMI_AUTOMATION_API": "true"}
        )
        result = automation.CommandResult(self.last.stdout, self.last.stderr, self.last.code)
        if result.code:
            raise automation.CommandError(result)
        return result


class _Workspace(automation.LocalWorkspace):
    """The project's folder. Every command names its stack, so nothing is selected: that would be state shared by runs."""

    def select_stack(self, stack_name: str) -> None:
        """Do nothing."""


class _Stack(automation.Stack):
    """A stack that is asked nothing after an operation: the runner takes changes from events, and reads the state itself."""

    def outputs(self) -> automation.OutputMap:
        """Give none: asking starts the CLI twice, and prints secrets."""
        return {}

    def info(self, show_secrets: bool = True) -> automation.UpdateSummary:  # noqa: ARG002, FBT001, FBT002  the base's
        """Give an empty summary: asking starts the CLI once more."""
        return automation.UpdateSummary("", datetime.now(UTC), "", {}, {}, "")


class PulumiStack:
    """The operations of one stack that the runner needs.

    Raises, from every operation:
        LockedError: another update holds the stack.
        StackMissing, BackendAccessError, SettingsRefused, PolicyRefused, ResourceFailure, RunnerError: see runner.errors.
        Cancelled: a signal stopped the run.
    """

    def __init__(
        self,
        root: Path,
        name: str,
        *,
        process: PulumiProcess,
        version: str,
        say: Callable[[str], None],
        env: Mapping[str, str],
    ) -> None:
        """Open the stack.

        Args:
            root: folder of Pulumi.yaml.
            name: the stack's name, without organization and project.
            process: runs the CLI.
            version: the CLI's version, without a leading ``v``.
            say: gets one line for each step of a resource.
            env: variables for CLI and program.
        """
        self._command = _Command(process, VersionInfo.parse(version))
        self._workspace = _Workspace(work_dir=str(root), pulumi_command=self._command, env_vars=dict(env))
        self._stack = _Stack(name, self._workspace, StackInitMode.SELECT)
        self._say = say

    def preview(
        self, *, parallel: int, replace: Sequence[str] = (), env: Mapping[str, str] | None = None
    ) -> Outcome:
        """Ask what `up` would do. Takes no lock and changes nothing.

        Args:
            parallel: operations at once.
            replace: URNs of resources to make anew whatever the program says.
            env: variables for this preview alone.
        """
        usual, self._workspace.env_vars = (
            self._workspace.env_vars,
            {**self._workspace.env_vars, **(env or {})},
        )
        try:
            return self._preview(parallel, replace)
        finally:
            self._workspace.env_vars = usual

    def _preview(self, parallel: int, replace: Sequence[str]) -> Outcome:
        quiet = ChangeCollector(lambda _line: None)
        outcome = self._operate(
            quiet,
            lambda: self._stack.preview(
                parallel=parallel,
                replace=list(replace),
                suppress_outputs=True,
                on_event=quiet.on_event,
                color="never",
            ),
        )
        if not quiet.is_complete:
            message = "the engine's events and its summary differ: the guards cannot judge; nothing was changed, run again"
            raise RunnerError(message)
        return outcome

    def up(self, *, parallel: int, message: str, replace: Sequence[str] = ()) -> Outcome:
        """Make the cloud equal to the program; ``replace`` as in `preview`."""
        told = ChangeCollector(self._say)
        return self._operate(
            told,
            lambda: self._stack.up(
                parallel=parallel,
                replace=list(replace),
                message=message,
                suppress_outputs=True,
                show_secrets=False,
                on_event=told.on_event,
                color="never",
            ),
        )

    def refresh(self, targets: Sequence[str] = (), *, clear_pending_creates: bool = False) -> None:
        """Read resources again into the state: all of them, or the targets (URNs)."""
        quiet = ChangeCollector(lambda _line: None)
        self._operate(
            quiet,
            lambda: self._stack.refresh(
                target=list(targets),
                clear_pending_creates=clear_pending_creates,
                show_secrets=False,
                on_event=quiet.on_event,
                color="never",
            ),
        )

    def adopt(self, resource: Resource, provider: str) -> None:
        """Import a live resource that the state lost, under its URN. ``provider`` is the URN of the stack's provider."""
        names = {"parent": resource.parent, "provider": provider}
        entry: Any = {
            "type": resource.type,
            "name": resource.name,
            "id": resource.id,
            "parent": "parent",
            "provider": "provider",
        }
        quiet = ChangeCollector(lambda _line: None)
        self._operate(
            quiet,
            lambda: self._stack.import_resources(
                resources=[entry], name_table=names, protect=False, generate_code=False, show_secrets=False
            ),
        )

    def destroy(self, *, parallel: int, targets: Sequence[str] = ()) -> Outcome:
        """Delete every resource, or the targets (URNs); the program runs beside it, for its delete guard."""
        told = ChangeCollector(self._say)
        return self._operate(
            told,
            lambda: self._stack.destroy(
                parallel=parallel,
                target=list(targets),
                run_program=True,
                suppress_outputs=True,
                show_secrets=False,
                on_event=told.on_event,
                color="never",
            ),
        )

    def _operate(self, collector: ChangeCollector, operation: Callable[[], object]) -> Outcome:
        try:
            with warnings.catch_warnings():
                # A CLI that is killed breaks the stream of events; its exit code says so already.
                warnings.filterwarnings("ignore", "Error in event stream")
                operation()
        except automation.CommandError as error:
            raise failure(self._command.last, collector.errors) from error
        return Outcome(collector.changes, int((collector.summary or {}).get("same", 0)), collector.others)


def failure(last: Completed, errors: Sequence[tuple[str, str]]) -> RunnerError:
    """Turn a failed run of the CLI into the error that the user reads.

    Args:
        last: exit code and output of the CLI.
        errors: (logical name, text) of the engine's error events.
    """
    said = last.stderr + last.stdout
    if last.code < 0:
        return RunnerError(
            f"pulumi was ended by {signal.Signals(-last.code).name} in the middle of its work; the next `deploy` mends it"
        )
    if any(text in said for text in LOCKED_TEXTS):
        return LockedError(holders_in(said))
    if last.code == 6 or "no stack named" in said:
        return StackMissing(
            "the backend has no such stack. Look at PULUMI_BACKEND_URL; a first run needs `pulumi stack init` once (README)"
        )
    text = _shown(errors) or redact(_last_error(said))
    if "PULUMI_ACCESS_TOKEN must be set" in said:
        return BackendAccessError(
            "no place for Pulumi's state: set PULUMI_BACKEND_URL (s3://… or file://…), or PULUMI_ACCESS_TOKEN for Pulumi "
            'Cloud; for the local cloud: eval "$(python -m sandbox env)"'
        )
    if any(mark in said for mark in _BACKEND_TEXTS) and not errors:
        return BackendAccessError(text)
    if last.code == 5 or "Policy Violation" in said:
        return PolicyRefused(text)
    if "validating stack config" in said:
        return SettingsRefused(text)
    return ResourceFailure(text) if errors else RunnerError(text)


def _shown(errors: Sequence[tuple[str, str]]) -> str:
    """The engine's errors, one a paragraph, those that only repeat that others failed left out."""
    real = [(name, text) for name, text in errors if text not in ("update failed", "preview failed")]
    lines = [redact(f"{name}: {text}" if name else text) for name, text in real[:_MOST_ERRORS_SHOWN]]
    if len(real) > _MOST_ERRORS_SHOWN:
        lines.append(f"… and {len(real) - _MOST_ERRORS_SHOWN} more errors")
    return "\n".join(lines)


def _last_error(said: str) -> str:
    """The last lines of the CLI's output that say `error:`, or its last lines."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    errors = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
    return "\n".join(errors[-3:] or lines[-3:] or ["pulumi ended without a word"])
