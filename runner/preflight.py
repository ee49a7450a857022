"""What must be right before the engine is started: the CLI is there, and it fits the SDK that the program uses."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

from runner.errors import RunnerError
from runner.process import NO_ENGINE, Completed

OLDEST_CLI = (3, 259, 0)
"""The oldest CLI that the program was seen to run with: resource hooks, exit codes, events over gRPC."""


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


def engine_version(cwd: Path) -> str:
    """The CLI's version, without a leading ``v``, when it fits the installed SDK.

    Raises:
        RunnerError: no CLI, or one that does not fit.
    """
    done = ask(["version"], cwd=cwd, env={"PULUMI_SKIP_UPDATE_CHECK": "true"})
    text = done.stdout.strip().removeprefix("v")
    problem = misfit(text, version("pulumi"))
    if problem:
        raise RunnerError(problem)
    return text


def misfit(cli: str, sdk: str) -> str | None:
    """Why a CLI does not fit the SDK, or None when it does.

    A newer SDK on an older CLI works as long as the CLI is at least `OLDEST_CLI` (3.272.0 on 3.259.0 was tried); another
    major version never does.
    """
    try:
        found = tuple(int(part) for part in cli.split("-")[0].split(".")[:3])
    except ValueError:
        return f"`pulumi version` said {cli!r}, which is no version; expected such as 3.259.0. Is that the Pulumi CLI?"
    oldest = ".".join(map(str, OLDEST_CLI))
    if found < OLDEST_CLI or found[0] != int(sdk.split(".")[0]):
        return (
            f"Pulumi CLI {cli} does not fit the Python SDK {sdk}: version {oldest} or newer, with the SDK's major version, "
            "is needed. `make setup` gets one"
        )
    return None
