"""The official release: from Pulumi's own download host, by Pulumi's own Automation API and CLI.

``python -m tools.engine.official ROOT VERSION`` downloads the CLI into ROOT; a process of its own, so that it can be
stopped and shows progress.
"""

import os
import sys
import urllib.error
import urllib.request
from pathlib import Path
from threading import Thread

from tools.engine import progress, versions
from tools.engine.errors import EngineError

HOST = "get.pulumi.com"
INSTALLER = f"https://{HOST}/install.sh"  # what PulumiCommand.install downloads first
PROBE_S = 5.0


def unreachable(url: str = INSTALLER, timeout_s: float = PROBE_S) -> str | None:
    """Say in some words why the URL cannot be had, or None when it can. Never takes longer than the timeout.

    Args:
        url: asked for with HEAD.
        timeout_s: seconds for everything, also for a name server that does not answer.
    """
    answers: list[str | None] = []
    probe = Thread(target=lambda: answers.append(_ask(url, timeout_s)), daemon=True)
    probe.start()
    probe.join(timeout_s)
    return answers[0] if answers else f"no answer within {timeout_s:.0f} s"


def _ask(url: str, timeout_s: float) -> str | None:
    try:
        request = urllib.request.Request(url, method="HEAD")  # noqa: S310 our own https address
        with urllib.request.urlopen(request, timeout=timeout_s):  # noqa: S310
            return None
    except urllib.error.HTTPError as error:
        return f"HTTP {error.code}"
    except (OSError, ValueError) as error:
        return str(getattr(error, "reason", error)) or type(error).__name__


def install(folder: Path) -> None:
    """Fill the folder with ``bin/`` and ``home/``.

    Raises:
        EngineError: a download failed.
    """
    command = [sys.executable, "-m", "tools.engine.official", str(folder), versions.CLI_OFFICIAL]
    checkout = Path(__file__).resolve().parents[2]
    progress.run(f"downloading Pulumi CLI {versions.CLI_OFFICIAL} from {HOST}", command, cwd=checkout)
    environment = {**os.environ, "PULUMI_HOME": str(folder / "home"), "PULUMI_SKIP_UPDATE_CHECK": "true"}
    plugin = [str(folder / "bin" / "pulumi"), "plugin", "install", "resource", "aws", versions.AWS_PLUGIN]
    progress.run(f"downloading the AWS plugin {versions.AWS_PLUGIN}", plugin, env=environment)


def main(root: str, version: str) -> None:
    """Download the CLI of a version into a folder."""
    from pulumi.automation import PulumiCommand
    from semver import VersionInfo

    PulumiCommand.install(root=root, version=VersionInfo.parse(version))


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except (OSError, RuntimeError, EngineError) as failed:
        sys.exit(str(failed))
