"""A deployment repository in a folder of its own: the checkout's code, own stack files, own state, a local cloud."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.support.processes import Marked

ROOT = Path(__file__).parents[2]
CODE = (
    "__main__.py",
    "settings",
    "components",
    "registry",
    "runner",
    "requirements.txt",
    ".venv",
)
IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.2-1-cpu-py3"


@dataclass(frozen=True)
class Done:
    """How a command ended and what it said."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class Deployment(Marked):
    """The repository as its user has it."""

    def __init__(self, folder: Path, variables: dict[str, str], client: Any) -> None:
        super().__init__()
        self.folder, self._client = folder, client
        self.environment = {**variables, **self.marking, "PYTHONDONTWRITEBYTECODE": "1"}
        folder.mkdir()
        for name in CODE:
            if (ROOT / name).exists():
                (folder / name).symlink_to(ROOT / name)
        for name in ("Pulumi.yaml", "Pulumi.staging.yaml", "Pulumi.production.yaml"):
            (folder / name).write_bytes((ROOT / name).read_bytes())
        (folder / "config").mkdir()
        for path in (ROOT / "config").iterdir():
            if path.name != "inference.yaml" and not path.name.startswith("__pycache__"):
                (folder / "config" / path.name).symlink_to(path)
        self.serve({"InstanceType": "ml.m5.large", "InstanceCount": 1})

    def serve(self, staging: dict[str, Any]) -> None:
        """Write config/inference.yaml."""
        production = {"ServerlessMaxConcurrency": 2}
        text = yaml.safe_dump({"Staging": staging, "Production": production})
        (self.folder / "config" / "inference.yaml").write_text(text)

    def configure(self, **values: Any) -> None:
        """Set keys of Pulumi.staging.yaml, by their names in Pulumi.yaml."""
        path = self.folder / "Pulumi.staging.yaml"
        content = yaml.safe_load(path.read_text())
        content["config"].update({f"model-deployment:{key}": value for key, value in values.items()})
        path.write_text(yaml.safe_dump(content))

    def register(self, group: str = "iris", *, stage: str = "Staging", good: bool = True) -> str:
        """Register the next version of a model, and promote it; a bad one names no inference code."""
        self.make_group(group)
        sagemaker = self._client("sagemaker")
        container = {
            "Image": IMAGE,
            "ModelDataUrl": "s3://models/model.tar.gz",
            "Environment": {"SAGEMAKER_PROGRAM": "inference.py"} if good else {},
        }
        known = sagemaker.list_model_packages(ModelPackageGroupName=group, MaxResults=100)
        version = str(len(known["ModelPackageSummaryList"]) + 1)
        made = sagemaker.create_model_package(
            ModelPackageGroupName=group,
            ModelApprovalStatus="Approved",
            InferenceSpecification={
                "Containers": [container],
                "SupportedContentTypes": ["application/json"],
                "SupportedResponseMIMETypes": ["application/json"],
            },
            CustomerMetadataProperties={
                "mlflow": "mlflow",
                "mlflow_name": group,
                "mlflow_version": version,
                "mlflow_current_stage": stage,
            },
        )
        return str(made["ModelPackageArn"])

    def make_group(self, group: str) -> None:
        sagemaker = self._client("sagemaker")
        names = sagemaker.list_model_package_groups(NameContains=group)["ModelPackageGroupSummaryList"]
        if group not in {entry["ModelPackageGroupName"] for entry in names}:
            sagemaker.create_model_package_group(ModelPackageGroupName=group)

    def start(self, *command: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            command,
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def runner(self, *arguments: str) -> Done:
        """Run ``python -m runner ARGUMENTS`` to its end."""
        return self._finish(self.start(sys.executable, "-m", "runner", *arguments))

    def start_runner(self, *arguments: str) -> subprocess.Popen[str]:
        return self.start(sys.executable, "-m", "runner", *arguments)

    def pulumi(self, *arguments: str) -> Done:
        """Run the CLI to its end, as a person would."""
        return self._finish(self.start("pulumi", "--non-interactive", *arguments))

    def state(self) -> dict[str, Any]:
        """The deployment in the stack's state."""
        return dict(self.pulumi("stack", "export", "--stack", "staging").json["deployment"])

    def live(self, name: str = "iris-staging") -> dict[str, Any]:
        return dict(self._client("sagemaker").describe_endpoint(EndpointName=name))

    def configurations(self) -> set[str]:
        listed = self._client("sagemaker").list_endpoint_configs(MaxResults=100)["EndpointConfigs"]
        return {entry["EndpointConfigName"] for entry in listed}

    @staticmethod
    def _finish(process: subprocess.Popen[str]) -> Done:
        out, err = process.communicate(timeout=240)
        return Done(process.returncode, out, err)
