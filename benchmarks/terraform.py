"""The other side: terraform with the same resources and the same provider binary."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.commands import Commands, Skipped, say
from tools.engine import Engine, EngineError
from tools.engine.provider import find, place
from tools.engine.versions import TERRAFORM_PROVIDER_AWS

PREFIX = "tf-"
"""Of the endpoints' names, since the same cloud has ours."""

PLAN = ("terraform", "plan", "-input=false", "-no-color")
APPLY = ("terraform", "apply", "-input=false", "-no-color", "-auto-approve")


def require(engine: Engine | None) -> Path:
    """Give the provider binary, the engine's own where it has one.

    Raises:
        Skipped: no terraform, or no provider binary.
    """
    if shutil.which("terraform") is None:
        message = "no `terraform` on PATH, so there is nothing to compare with"
        raise Skipped(message)
    if engine and engine.terraform_provider:
        return Path(engine.terraform_provider)
    try:
        return find()
    except EngineError as error:
        raise Skipped(str(error)) from error


def provider_if_any(engine: Engine | None) -> Path | None:
    """Give the provider binary as `require` does; where there is none say why, and give None: ours is measured alone."""
    try:
        return require(engine)
    except Skipped as missing:
        say(f"  {missing}")
        return None


def variables(folder: Path, provider: Path) -> dict[str, str]:
    """Make a mirror with only the provider binary, and give the variables by which terraform uses only that."""
    mirror = folder / "mirror"
    link = mirror / place() / provider.name
    link.parent.mkdir(parents=True)
    link.symlink_to(provider)
    config = folder / "terraform.rc"
    config.write_text(f'provider_installation {{\n  filesystem_mirror {{\n    path = "{mirror}"\n  }}\n}}\n')
    return {"TF_CLI_CONFIG_FILE": str(config), "CHECKPOINT_DISABLE": "1", "TF_IN_AUTOMATION": "1"}


class Terraform:
    """A terraform folder of its own.

    Args:
        folder: made here.
        commands: with `variables` among theirs.
    """

    def __init__(self, folder: Path, commands: Commands) -> None:
        folder.mkdir()
        self.folder, self._commands = folder, commands

    def write(self, configuration: Mapping[str, Any]) -> None:
        """Write the configuration anew."""
        (self.folder / "main.tf.json").write_text(json.dumps(configuration))

    def init(self) -> None:
        """Take the provider from the mirror."""
        self._commands.seconds(("terraform", "init", "-input=false", "-no-color"), self.folder)


def configuration(
    packages: Mapping[str, str], *, role_arn: str, instance_type: str, tags: Mapping[str, Mapping[str, str]]
) -> dict[str, Any]:
    """The resources that our component makes with a given role: model, endpoint configuration, endpoint.

    Args:
        packages: model package ARN by endpoint name.
        role_arn: the role that all models run as.
        instance_type: such as ``ml.m5.large``.
        tags: tags of each endpoint's resources, by endpoint name.

    Returns:
        A configuration in Terraform's JSON syntax (https://developer.hashicorp.com/terraform/language/syntax/json).
    """
    models, configs, endpoints = {}, {}, {}
    made_first = {"create_before_destroy": True}  # as Pulumi does
    for name, arn in packages.items():
        models[name] = {
            "execution_role_arn": role_arn,
            "primary_container": {"model_package_name": arn},
            "enable_network_isolation": False,
            "tags": tags[name],
            "lifecycle": made_first,
        }
        configs[name] = {
            "production_variants": {
                "variant_name": "main",
                "model_name": f"${{aws_sagemaker_model.{name}.name}}",
                "instance_type": instance_type,
                "initial_instance_count": 1,
            },
            "tags": tags[name],
            "lifecycle": made_first,
        }
        endpoints[name] = {
            "name": f"{PREFIX}{name}",
            "endpoint_config_name": f"${{aws_sagemaker_endpoint_configuration.{name}.name}}",
            "tags": tags[name],
        }
    return {
        "terraform": {
            "required_providers": {"aws": {"source": "hashicorp/aws", "version": TERRAFORM_PROVIDER_AWS}}
        },
        "resource": {
            "aws_sagemaker_model": models,
            "aws_sagemaker_endpoint_configuration": configs,
            "aws_sagemaker_endpoint": endpoints,
        },
    }


def provider(region: str, account: str) -> dict[str, Any]:
    """The provider's settings, as the program gives them."""
    return {"aws": {"region": region, "allowed_account_ids": [account]}}
