"""Makes model packages as the sync from MLflow makes them: archive, upload, registration, change of stage."""

import gzip
import io
import tarfile
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version as installed
from pathlib import Path
from typing import TYPE_CHECKING

from demo.training import TrainedModel

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sagemaker import SageMakerClient

GROUP = "iris"
"""The model package group; the shipped stack files serve it."""

IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.4-2-py312-cpu-py3"
"""AWS's scikit-learn container for us-east-1. Its Python 3.12 can install what `requirements.txt` in the archive names."""

CONTAINER_VARIABLES = {
    "SAGEMAKER_PROGRAM": "inference.py",
    "SAGEMAKER_SUBMIT_DIRECTORY": "/opt/ml/model/code",
}
"""Tell the scikit-learn container where the model's own code is."""

CONTENT_TYPES = ["application/json", "text/csv", "application/x-npy"]


@dataclass(frozen=True, slots=True)
class Package:
    """A version in the SageMaker Model Registry."""

    arn: str
    model_data_url: str


def model_archive(saved: bytes) -> bytes:
    """Pack `model.tar.gz` as the scikit-learn container unpacks it to /opt/ml/model; the same model gives the same bytes.

    Args:
        saved: the model as joblib saves it.

    Returns:
        `model.joblib`, `code/inference.py` and `code/requirements.txt`, which the container installs when it starts.
        Source: https://sagemaker.readthedocs.io/en/stable/frameworks/sklearn/using_sklearn.html
    """
    files = {
        "code/inference.py": Path(__file__).with_name("inference.py").read_bytes(),
        "code/requirements.txt": f"scikit-learn=={installed('scikit-learn')}\n".encode(),
        "model.joblib": saved,
    }
    packed = io.BytesIO()
    # Without times and owners, so that a changed archive always means a changed model.
    with (
        gzip.GzipFile(fileobj=packed, mode="wb", mtime=0) as compressed,
        tarfile.open(fileobj=compressed, mode="w") as tar,
    ):
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), 0o644
            tar.addfile(entry, io.BytesIO(content))
    return packed.getvalue()


def mlflow_metadata(version: int, stage: str, *, run_id: str, source: str, now: datetime) -> dict[str, str]:
    """Describe an MLflow model version as the metadata of a package: its attributes as text under ``mlflow_…``.

    AWS allows letters, digits, spaces and ``_.:/=+-@`` in it, at most 256 characters
    (https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateModelPackage.html).
    """
    milliseconds = str(int(now.timestamp() * 1000))
    return {
        "mlflow_name": GROUP,
        "mlflow_version": str(version),
        "mlflow_current_stage": stage,
        "mlflow_run_id": run_id,
        "mlflow_source": source,
        "mlflow_status": "READY",
        "mlflow_creation_timestamp": milliseconds,
        "mlflow_last_updated_timestamp": milliseconds,
    }


class Registry:
    """The SageMaker Model Registry with its artifact bucket, as the sync from MLflow writes them.

    Args:
        s3: client.
        sagemaker: client.
        account: owner of the bucket, 12 digits.
        region: such as ``us-east-1``.
    """

    def __init__(self, s3: "S3Client", sagemaker: "SageMakerClient", *, account: str, region: str) -> None:
        self._s3, self._sagemaker = s3, sagemaker
        self.bucket = f"sagemaker-mlflow-{region}-{account}"

    def prepare(self) -> None:
        """Make the artifact bucket and the model package group."""
        self._s3.create_bucket(Bucket=self.bucket)
        self._sagemaker.create_model_package_group(
            ModelPackageGroupName=GROUP, Tags=[{"Key": "model-source", "Value": "mlflow"}]
        )

    def register(self, model: TrainedModel, stage: str) -> Package:
        """Upload a model and register it as the next version of the group, approved."""
        key = f"{GROUP}/{model.version}/model.tar.gz"
        self._s3.put_object(Bucket=self.bucket, Key=key, Body=model_archive(model.saved))
        url = f"s3://{self.bucket}/{key}"
        run_id = uuid.uuid4().hex
        answer = self._sagemaker.create_model_package(
            ModelPackageGroupName=GROUP,
            ModelPackageDescription=f"mlflow {GROUP}-v{model.version}",
            ModelApprovalStatus="Approved",
            InferenceSpecification={
                "Containers": [{"Image": IMAGE, "ModelDataUrl": url, "Environment": CONTAINER_VARIABLES}],
                "SupportedContentTypes": CONTENT_TYPES,
                "SupportedResponseMIMETypes": CONTENT_TYPES,
            },
            CustomerMetadataProperties=mlflow_metadata(
                model.version,
                stage,
                run_id=run_id,
                source=f"mlflow-artifacts:/1/{run_id}/artifacts/model",
                now=datetime.now(UTC),
            ),
        )
        return Package(answer["ModelPackageArn"], url)

    def move(self, package: Package, stage: str) -> None:
        """Move a version to another MLflow stage, as a person does in MLflow."""
        self._sagemaker.update_model_package(
            ModelPackageArn=package.arn, CustomerMetadataProperties={"mlflow_current_stage": stage}
        )
