"""What must be right before the engine is started: the CLI is there, and it fits the SDK that the program uses."""

from importlib.metadata import version
from pathlib import Path

from runner.errors import RunnerError
from runner.process import ask

OLDEST_CLI = (3, 259, 0)
"""The oldest CLI that the program was seen to run with: resource hooks, exit codes, events over gRPC."""

NEWEST_SDK = (3, 272, 0)
"""The newest Python SDK that was seen to run with `OLDEST_CLI`."""


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

    An SDK may be as new as the CLI, or as `NEWEST_SDK` on any CLI from `OLDEST_CLI`; another major version never fits.

    Args:
        cli: the CLI's version, such as ``3.259.0``.
        sdk: the Python SDK's.
    """
    try:
        found = tuple(int(part) for part in cli.split("-")[0].split(".")[:3])
    except ValueError:
        return f"`pulumi version` said {cli!r}, which is no version; expected such as 3.259.0. Is that the Pulumi CLI?"
    newest = max(found, NEWEST_SDK)
    wanted = tuple(int(part) for part in sdk.split(".")[:3])
    if found >= OLDEST_CLI and found[0] == wanted[0] and wanted <= newest:
        return None
    return (
        f"Pulumi CLI {cli} does not fit the Python SDK {sdk}: CLI {_text(OLDEST_CLI)} or newer of the SDK's major version, "
        f"and an SDK up to {_text(newest)}, are known to work together. `make setup` gets both"
    )


def _text(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))
