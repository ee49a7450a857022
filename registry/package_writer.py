"""Writes the SageMaker Model Registry: groups, packages, their metadata."""

import hashlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from registry.calls import MissingError, call
from registry.clients import Clients
from registry.errors import RegistryError

if TYPE_CHECKING:
    from mypy_boto3_sagemaker import SageMakerClient

# https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateModelPackage.html (read 2026-11)
_DESCRIPTION_LIMIT = 1024
_MOST_TRIES = 3


@dataclass(frozen=True, slots=True)
class NewPackage:
    """A package to register.

    Attributes:
        group: model package group; made when it is not there.
        description: text for people, cut at 1024 characters.
        image: image URI of the container.
        model_data_url: ``s3://…/model.tar.gz``.
        environment: variables of the container.
        content_types: what the container takes and gives, such as ``application/json``.
        metadata: of the package, within AWS's rules (`registry.metadata`).
        approval: ``Approved`` or ``PendingManualApproval``.
        claim: two runs that register the same give the same text, and only one package is made.
    """

    group: str
    description: str
    image: str
    model_data_url: str
    environment: Mapping[str, str]
    content_types: Sequence[str]
    metadata: Mapping[str, str]
    approval: str
    claim: str


class PackageWriter:
    """Changes model package groups of one region. Every failure is a `RegistryError`."""

    def __init__(self, clients: Clients) -> None:
        """Write with these clients."""
        self._client: SageMakerClient = clients.get("sagemaker")

    def ensure_group(self, group: str) -> None:
        """Make a model package group; harmless where it is there.

        Raises:
            RegistryError: it could not be made.
        """
        subject = f"model package group {group}"
        look = partial(self._client.describe_model_package_group, ModelPackageGroupName=group)
        try:
            call("DescribeModelPackageGroup", subject, look, missing=MissingError(group))
        except MissingError:
            self._make_group(group, subject)

    def _make_group(self, group: str, subject: str) -> None:
        tags: Any = [{"Key": "model-source", "Value": "mlflow"}]
        make = partial(self._client.create_model_package_group, ModelPackageGroupName=group, Tags=tags)
        try:
            call("CreateModelPackageGroup", subject, make)
        except RegistryError as error:
            if "already exists" not in str(error):  # another run made it a moment ago
                raise

    def register(self, new: NewPackage) -> str:
        """Register a package; its ARN. Two runs that claim the same get one package.

        Raises:
            RegistryError: AWS refused it, or another run registers the same with other metadata at this moment.
        """
        subject = f"a package of {new.group}"
        for attempt in range(_MOST_TRIES):
            token = hashlib.sha256(f"{new.group}\n{new.claim}\n{attempt}".encode()).hexdigest()[:36]
            made = call("CreateModelPackage", subject, partial(self._create, new, token))
            arn = str(made["ModelPackageArn"])
            if self._exists(arn):
                return arn
            # AWS remembers the claim of a package that was deleted since: it must be claimed anew.
        message = f"CreateModelPackage of {subject} gave only packages that were deleted; none was made. Run again later"
        raise RegistryError(message)

    def update(self, arn: str, write: Mapping[str, str], remove: Sequence[str]) -> None:
        """Write and remove metadata of a package; AWS keeps what is not named.

        Raises:
            RegistryError: AWS refused it.
        """
        more: Any = {"CustomerMetadataPropertiesToRemove": list(remove)} if remove else {}
        call(
            "UpdateModelPackage",
            f"package {arn}",
            lambda: self._client.update_model_package(
                ModelPackageArn=arn, CustomerMetadataProperties=dict(write), **more
            ),
        )

    def delete(self, arn: str) -> None:
        """Delete a package; harmless where it is gone. Its artifacts stay.

        Raises:
            RegistryError: AWS refused it.
        """
        ask = partial(self._client.delete_model_package, ModelPackageName=arn)
        with suppress(MissingError):
            call("DeleteModelPackage", f"package {arn}", ask, missing=MissingError(arn))

    def _create(self, new: NewPackage, token: str) -> Mapping[str, Any]:
        types = list(new.content_types)
        container: Any = {
            "Image": new.image,
            "ModelDataUrl": new.model_data_url,
            "Environment": dict(new.environment),
        }
        approval: Any = new.approval
        return self._client.create_model_package(
            ModelPackageGroupName=new.group,
            ModelPackageDescription=new.description[:_DESCRIPTION_LIMIT],
            ModelApprovalStatus=approval,
            InferenceSpecification={
                "Containers": [container],
                "SupportedContentTypes": types,
                "SupportedResponseMIMETypes": types,
            },
            CustomerMetadataProperties=dict(new.metadata),
            ClientToken=token,
        )

    def _exists(self, arn: str) -> bool:
        look = partial(self._client.describe_model_package, ModelPackageName=arn)
        try:
            call("DescribeModelPackage", f"package {arn}", look, missing=MissingError(arn))
        except MissingError:
            return False
        return True
