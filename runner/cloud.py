"""What the runner asks AWS itself, beside the registry: whose an endpoint is, what lives, and the record."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from registry import AccessRefusedError, Clients, is_missing
from runner.errors import BackendAccessError, ResourceFailure

if TYPE_CHECKING:
    from botocore.exceptions import ClientError


class Cloud:
    """The stack's AWS account. Every refused or failed read is an error, never "there is none"."""

    def __init__(self, clients: Clients) -> None:
        """Open the account of these clients; nothing is asked yet."""
        self._clients = clients

    def exists(self, resource_type: str, name: str) -> bool:
        """Whether a model, configuration, endpoint or role of that name lives.

        Args:
            resource_type: Pulumi's type token; one of `FINDABLE_TYPES`.
            name: the AWS name.

        Raises:
            ResourceFailure: the read failed.
        """
        service, operation, parameter = _READS[resource_type]
        return self._read(service, operation, **{parameter: name}) is not None

    def endpoint_tags(self, name: str) -> dict[str, str] | None:
        """Tags of a live endpoint; None where there is no such endpoint.

        Raises:
            ResourceFailure: a read failed.
        """
        found = self._read("sagemaker", "describe_endpoint", EndpointName=name)
        if found is None:
            return None
        with _told("sagemaker", "list_tags"):
            pages = (
                self._client("sagemaker")
                .get_paginator("list_tags")
                .paginate(ResourceArn=found["EndpointArn"])
            )
            return {tag["Key"]: tag["Value"] for page in pages for tag in page["Tags"]}

    def read_parameter(self, name: str) -> str | None:
        """Value of an SSM parameter; None where there is none.

        Raises:
            ResourceFailure: the read failed.
        """
        found = self._read("ssm", "get_parameter", Name=name)
        return None if found is None else str(found["Parameter"]["Value"])

    def write_parameter(self, name: str, value: str) -> None:
        """Write an SSM parameter of type String, over what is there.

        Raises:
            ResourceFailure: the write failed.
        """
        self._read("ssm", "put_parameter", Name=name, Value=value, Type="String", Overwrite=True)

    def delete_parameter(self, name: str) -> None:
        """Delete an SSM parameter; harmless where there is none.

        Raises:
            ResourceFailure: the deletion failed.
        """
        self._read("ssm", "delete_parameter", Name=name)

    def delete_object(self, bucket: str, key: str) -> None:
        """Delete an object of S3; harmless where there is none.

        Raises:
            ResourceFailure: the deletion failed.
        """
        self._read("s3", "delete_object", Bucket=bucket, Key=key)

    def _client(self, service: str) -> Any:
        try:
            return self._clients.get(service)
        except AccessRefusedError as error:
            raise BackendAccessError(str(error)) from error

    def _read(self, service: str, operation: str, **parameters: Any) -> Any:
        """Call AWS once; None for "there is no such thing"."""
        from botocore.exceptions import ClientError

        with _told(service, operation):
            call: Callable[..., Any] = getattr(self._client(service), operation)
            try:
                return call(**parameters)
            except ClientError as error:
                if is_missing(error):
                    return None
                raise


@contextmanager
def _told(service: str, operation: str) -> Iterator[None]:
    """Turn what botocore raises, also while it makes a client, into an error for the user."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except ClientError as error:
        raise ResourceFailure(_text(service, operation, error)) from error
    except BotoCoreError as error:
        message = f"{service} {operation}: {error}"
        raise BackendAccessError(message) from error


_READS = {
    "aws:sagemaker/model:Model": ("sagemaker", "describe_model", "ModelName"),
    "aws:sagemaker/endpointConfiguration:EndpointConfiguration": (
        "sagemaker",
        "describe_endpoint_config",
        "EndpointConfigName",
    ),
    "aws:sagemaker/endpoint:Endpoint": ("sagemaker", "describe_endpoint", "EndpointName"),
    "aws:iam/role:Role": ("iam", "get_role", "RoleName"),
}
FINDABLE_TYPES = frozenset(_READS)


def _text(service: str, operation: str, error: "ClientError") -> str:
    found = error.response.get("Error", {})
    return f"{service} {operation}: {found.get('Code', 'error')}: {found.get('Message', 'no message')}"
