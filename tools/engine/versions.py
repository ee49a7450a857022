"""Every version of the engine, and which of them fit together. To upgrade: docs/engine.md.

The built engine's modules are pinned a second time, with all that they need, by cli/go.mod and aws/go.mod; a test
holds these numbers against those files and against requirements.txt.
"""

from importlib.metadata import version as installed_version

from runner.preflight import misfit
from tools.engine.errors import EngineError

CLI_OFFICIAL = "3.272.0"
"""The release that is downloaded: the one of the Python SDK, as Pulumi pairs them."""

CLI_BUILT = "3.259.0"
"""The newest CLI whose modules the Go proxy served (2026-11; 3.265 to 3.272 were refused)."""

AWS_PLUGIN = "7.51.1"
"""Of pulumi-aws: a program asks for the plugin of its own SDK's version."""

TERRAFORM_PROVIDER_AWS = "5.100.0"
"""Of the provider binary under the built plugin."""


def check_installed(cli: str, sdk: str | None = None, pulumi_aws: str | None = None) -> None:
    """Refuse an engine that does not fit the Python packages of this environment.

    Args:
        cli: version of the engine's CLI.
        sdk: version of the package ``pulumi``; the installed one when left out.
        pulumi_aws: version of the package ``pulumi-aws``; the installed one when left out.

    Raises:
        EngineError: they do not fit; the text says what to do.
    """
    problem = misfit(cli, sdk or installed_version("pulumi"))
    if problem:
        text = f"{problem}, or raise the versions as docs/engine.md says."
        raise EngineError(text)
    found = pulumi_aws or installed_version("pulumi-aws")
    if found != AWS_PLUGIN:
        text = (
            f"pulumi-aws {found} is installed, and the engine has plugin {AWS_PLUGIN}: programs ask for the plugin of their "
            "SDK's version. Install requirements.txt again (`make setup`), or raise AWS_PLUGIN as docs/engine.md says."
        )
        raise EngineError(text)
