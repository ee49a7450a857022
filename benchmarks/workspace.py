"""A local cloud and a project of its own for each benchmark: nothing that it does touches the checkout or another cloud."""

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import yaml

from benchmarks import terraform
from benchmarks.commands import Commands, Skipped
from registry import endpoint_name, owner_tags
from sandbox import Sandbox, tiny_model_archive
from sandbox.environment import UNSET
from tools.engine import Engine

if TYPE_CHECKING:
    from mypy_boto3_sagemaker import SageMakerClient

ROOT = Path(__file__).resolve().parent.parent
ACCOUNT, REGION = "123456789012", "us-east-1"
INSTANCE_TYPE, OTHER_INSTANCE_TYPE = "ml.m5.large", "ml.m5.xlarge"
RUNNER = (sys.executable, "-m", "runner")

_NOT_OF_THE_PROGRAM = shutil.ignore_patterns(".*", "__pycache__", "build", "docs", "tests")
_IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.2-1-cpu-py3"
_BUCKET, _KEY = "models", "model.tar.gz"
_TRUST = (
    '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole",'
    '"Principal":{"Service":"sagemaker.amazonaws.com"}}]}'
)


@dataclass(frozen=True, slots=True)
class Setting:
    """What the benchmarks of one run share.

    Attributes:
        engine: the installed Pulumi engine, or None.
        rounds: how often each pair is measured.
        quick: small sizes, to see that everything works.
    """

    engine: Engine | None
    rounds: int
    quick: bool

    @property
    def many(self) -> int:
        """Endpoints where the issue says 100."""
        return 10 if self.quick else 100

    def require_engine(self) -> Engine:
        """Give the engine.

        Raises:
            Skipped: there is none.
        """
        if self.engine is None:
            message = "no Pulumi engine is installed (make setup)"
            raise Skipped(message)
        return self.engine


class Workspace:
    """One local cloud, empty at first, with its models, a project's copy and a terraform folder.

    Args:
        folder: empty; everything lies in it.
        sandbox: running.
        provider: the provider binary for terraform, None to have no terraform here.
    """

    def __init__(self, folder: Path, sandbox: Sandbox, provider: Path | None) -> None:
        self.folder, self.sandbox, self._provider = folder, sandbox, provider
        variables = {
            **{name: value for name, value in os.environ.items() if name not in UNSET},
            **sandbox.environment(),
        }
        if provider:
            variables |= terraform.variables(folder, provider)
        self.variables = variables
        self.commands = Commands(variables)
        self.role_arn = self._client("iam").create_role(
            RoleName="execution", AssumeRolePolicyDocument=_TRUST
        )["Role"]["Arn"]
        s3 = self._client("s3")
        s3.create_bucket(Bucket=_BUCKET)
        s3.put_object(Bucket=_BUCKET, Key=_KEY, Body=tiny_model_archive())
        self.sagemaker: SageMakerClient = self._client("sagemaker")

    def register(self, group: str, versions: int = 1) -> str:
        """Make a model package group with approved versions, the last of them in Staging; the ARN of the last."""
        self.sagemaker.create_model_package_group(ModelPackageGroupName=group)
        arn = ""
        for number in range(1, versions + 1):
            arn = self.sagemaker.create_model_package(
                ModelPackageGroupName=group,
                ModelApprovalStatus="Approved",
                InferenceSpecification={
                    "Containers": [
                        {
                            "Image": _IMAGE,
                            "ModelDataUrl": f"s3://{_BUCKET}/{_KEY}",
                            "Environment": {"SAGEMAKER_PROGRAM": "inference.py"},
                        }
                    ],
                    "SupportedContentTypes": ["application/json"],
                    "SupportedResponseMIMETypes": ["application/json"],
                },
                CustomerMetadataProperties={
                    "mlflow_name": group,
                    "mlflow_version": str(number),
                    "mlflow_current_stage": "Staging" if number == versions else "Archived",
                },
            )["ModelPackageArn"]
        return arn

    def make_project(self, groups: Sequence[str]) -> "Project":
        """Copy the program into a project of its own, with an empty staging stack that serves these groups."""
        project = Project(self.folder / "project", self)
        project.serve(groups)
        project.use_instances(INSTANCE_TYPE)
        self.commands.seconds(
            ("pulumi", "stack", "init", "staging", "--no-select", "--non-interactive"), project.folder
        )
        return project

    def make_terraform(self) -> terraform.Terraform | None:
        """Make a terraform folder with nothing in it yet; None where there is no provider binary."""
        return terraform.Terraform(self.folder / "terraform", self.commands) if self._provider else None

    def _client(self, service: str) -> Any:
        return boto3.client(
            service,  # type: ignore[call-overload]
            endpoint_url=self.variables["AWS_ENDPOINT_URL"],
            region_name=REGION,
            aws_access_key_id=self.variables["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=self.variables["AWS_SECRET_ACCESS_KEY"],
        )


class Project:
    """A copy of the program, so that a change of the checkout meanwhile disturbs no measurement; its own settings."""

    def __init__(self, folder: Path, workspace: Workspace) -> None:
        self.folder, self._workspace = folder, workspace
        shutil.copytree(ROOT, folder, ignore=_NOT_OF_THE_PROGRAM)
        (folder / ".venv").symlink_to(sys.prefix)

    def serve(self, groups: Sequence[str]) -> None:
        """Write Pulumi.staging.yaml: these model package groups, all with the workspace's role."""
        content = yaml.safe_load((ROOT / "Pulumi.staging.yaml").read_text())
        content["config"] |= {
            "aws:region": REGION,
            "model-deployment:allowedAccount": ACCOUNT,
            "model-deployment:models": list(groups),
            "model-deployment:executionRoleArn": self._workspace.role_arn,
        }
        (self.folder / "Pulumi.staging.yaml").write_text(yaml.safe_dump(content))

    def use_instances(self, instance_type: str) -> None:
        """Write config/inference.yaml: one instance of this type for each endpoint."""
        sections = {
            name: {"InstanceType": instance_type, "InstanceCount": 1} for name in ("Staging", "Production")
        }
        path = self.folder / "config" / "inference.yaml"
        path.write_text(yaml.safe_dump(sections))


def groups_of(count: int) -> list[str]:
    """Names of so many model package groups."""
    return [f"model-{number:04d}" for number in range(count)]


def same_resources(packages: dict[str, str], role_arn: str, instance_type: str) -> dict[str, Any]:
    """Terraform's configuration of what the project makes for these packages (ARN by group)."""
    endpoints = {endpoint_name(group, "Staging"): arn for group, arn in packages.items()}
    tags = {name: owner_tags("model-deployment", "staging", name) for name in endpoints}
    return {
        **terraform.configuration(endpoints, role_arn=role_arn, instance_type=instance_type, tags=tags),
        "provider": terraform.provider(REGION, ACCOUNT),
    }


@contextmanager
def workspace(provider: Path | None = None) -> Iterator[Workspace]:
    """Give a workspace with an empty local cloud on a free port; nothing of it stays."""
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
        sandbox = Sandbox(Path(folder) / "cloud", port=0)
        sandbox.start()
        made = None
        try:
            made = Workspace(Path(folder), sandbox, provider)
            yield made
        finally:
            if made:
                made.commands.end_all()
            sandbox.stop()
