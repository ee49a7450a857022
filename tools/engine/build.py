"""The engine built from Go modules, where the official one cannot be downloaded: docs/engine.md says what differs."""

import os
import shutil
import subprocess
from pathlib import Path

from tools.engine import progress, versions
from tools.engine.errors import EngineError

SOURCES = Path(__file__).resolve().parent
CLI_PACKAGE = "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi"
CLI_VERSION_VARIABLE = "github.com/pulumi/pulumi/sdk/v3/go/common/version.Version"
SDK_MODULE = "github.com/pulumi/pulumi/sdk/v3"

# The plugin lives for seconds and holds a large schema: collecting rarely is quicker and still far below 1 GB.
LAUNCHER = """\
#!/bin/sh
GOGC="${{GOGC:-400}}" TERRAFORM_PROVIDER_AWS={provider} exec "${{0%/*}}/pulumi-resource-aws-bridge" "$@"
"""


def go_command() -> str:
    """Give the path of Go.

    Raises:
        EngineError: it is not on PATH.
    """
    found = shutil.which("go")
    if found is None:
        raise EngineError("Go is not on PATH (get it from https://go.dev/dl/ or your package manager)")
    return found


def install(folder: Path, go: str, terraform_provider: Path) -> None:
    """Fill the folder with ``bin/`` and ``home/``.

    Takes 7 to 11 minutes where Go's caches are empty, some 20 seconds where they are warm. Every module's bytes are
    checked against go.sum.

    Args:
        folder: an empty folder.
        go: the Go command.
        terraform_provider: the binary under the aws plugin.

    Raises:
        EngineError: a step failed; has the end of its output.
    """
    binaries = folder / "bin"
    binaries.mkdir()
    flags = f"-w -s -X {CLI_VERSION_VARIABLE}=v{versions.CLI_BUILT}"
    build = [go, "build", "-mod=readonly", "-trimpath", "-buildvcs=false"]
    cli = [
        *build,
        "-tags",
        "osusergo,grpcnotrace",
        "-ldflags",
        flags,
        "-o",
        f"{binaries}/",
        "./pulumi-language-python",
    ]
    took = "7 to 11 minutes the first time, seconds later"
    progress.run(
        f"building Pulumi CLI {versions.CLI_BUILT} and language host ({took})",
        [*cli, CLI_PACKAGE],
        cwd=SOURCES / "cli",
    )
    _copy_scripts(go, binaries)
    plugin = folder / "plugin"
    plugin.mkdir()
    target = str(plugin / "pulumi-resource-aws-bridge")
    plugin_flags = f"-w -s -X main.version={versions.AWS_PLUGIN}"
    progress.run(
        "building the AWS plugin", [*build, "-ldflags", plugin_flags, "-o", target, "."], cwd=SOURCES / "aws"
    )
    launcher = plugin / "pulumi-resource-aws"
    launcher.write_text(LAUNCHER.format(provider=_quoted(str(terraform_provider))))
    launcher.chmod(0o755)
    _install_plugin(folder, plugin)
    shutil.rmtree(plugin)
    keep_no_logs(folder / "home")


def keep_no_logs(home: Path) -> None:
    """Let the CLI write no automatic log: it has no switch for that, but goes without where its folder cannot be made.

    The log takes half of the CLI's processor time: 1.2 of 2.4 s in a preview of 100 endpoints. Who needs one removes the
    file ``logs`` in the engine's PULUMI_HOME, or asks for it with ``pulumi --logtostderr -v=9``.
    """
    logs = home / "logs"
    shutil.rmtree(logs, ignore_errors=True)
    logs.touch()


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def _copy_scripts(go: str, binaries: Path) -> None:
    """Put the SDK's own scripts beside the language host: the program's runner and the dynamic providers' plugin."""
    where = [go, "list", "-mod=readonly", "-m", "-f", "{{.Dir}}", SDK_MODULE]
    done = subprocess.run(where, cwd=SOURCES / "cli", capture_output=True, text=True, check=False)
    if done.returncode:
        text = f"go list {SDK_MODULE} failed: {done.stderr.strip()}"
        raise EngineError(text)
    sdk = Path(done.stdout.strip())
    for script in ("cmd/pulumi-language-python-exec", "dist/pulumi-resource-pulumi-python"):
        copy = binaries / Path(script).name
        shutil.copyfile(sdk / "python" / script, copy)
        copy.chmod(0o755)


def _install_plugin(folder: Path, plugin: Path) -> None:
    """Install the plugin where a normal one lives, by the CLI that was just built: so that one is tried, too."""
    environment = {**os.environ, "PULUMI_HOME": str(folder / "home"), "PULUMI_SKIP_UPDATE_CHECK": "true"}
    command = [str(folder / "bin" / "pulumi"), "plugin", "install", "resource", "aws", versions.AWS_PLUGIN]
    progress.run("installing the AWS plugin", [*command, "--file", str(plugin)], env=environment)
