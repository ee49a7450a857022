"""What AWS itself says: which model an endpoint serves, what it answers, and which calls changed something."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from demo.console import DemoError
from demo.packages import GROUP

if TYPE_CHECKING:
    from mypy_boto3_sagemaker import SageMakerClient
    from mypy_boto3_sagemaker_runtime import SageMakerRuntimeClient

_CHANGING = ("Attach", "Create", "Delete", "Detach", "Put", "Register", "Update")


@dataclass(frozen=True, slots=True)
class Serving:
    """What stands behind an endpoint's name.

    Attributes:
        created: when the endpoint was made.
        role: ARN of the execution role.
        config: name of the endpoint configuration.
        package: ARN of the model package.
        kind: such as ``1 × ml.m5.large`` or ``serverless, 1024 MB``.
    """

    created: datetime
    role: str
    config: str
    package: str
    kind: str


def serving(client: "SageMakerClient", endpoint: str) -> Serving:
    """Follow an endpoint through its configuration and its model to the package.

    Raises:
        DemoError: it is not InService.
    """
    found = client.describe_endpoint(EndpointName=endpoint)
    if found["EndpointStatus"] != "InService":
        message = f"endpoint {endpoint} is {found['EndpointStatus']}, not InService"
        raise DemoError(message)
    config = client.describe_endpoint_config(EndpointConfigName=found["EndpointConfigName"])
    variant = config["ProductionVariants"][0]
    model = client.describe_model(ModelName=variant["ModelName"])
    if "ServerlessConfig" in variant:
        kind = serverless_kind(variant["ServerlessConfig"]["MemorySizeInMB"])
    else:
        kind = instance_kind(variant["InitialInstanceCount"], variant["InstanceType"])
    return Serving(
        created=found["CreationTime"],
        role=model["ExecutionRoleArn"],
        config=found["EndpointConfigName"],
        package=model["PrimaryContainer"]["ModelPackageName"],
        kind=kind,
    )


def instance_kind(count: int | None, instance_type: str | None) -> str:
    """Say what an endpoint on instances runs on."""
    return f"{count} × {instance_type}"


def serverless_kind(memory_mb: int | None) -> str:
    """Say what a serverless endpoint runs on."""
    return f"serverless, {memory_mb} MB"


def ask(client: "SageMakerRuntimeClient", endpoint: str, measures: Sequence[Sequence[float]]) -> list[str]:
    """Send flowers to an endpoint; its answer for each."""
    answer = client.invoke_endpoint(
        EndpointName=endpoint,
        ContentType="application/json",
        Accept="application/json",
        Body=json.dumps(measures).encode(),
    )
    return [str(name) for name in json.loads(answer["Body"].read())]


def ask_command(endpoint: str, measures: Sequence[Sequence[float]]) -> str:
    """Give the AWS CLI's command for such a request. What it reads by `fileb://` is taken as it is in versions 1 and 2."""
    return (
        f"echo '{json.dumps(measures)}' | aws sagemaker-runtime invoke-endpoint --endpoint-name {endpoint} "
        "--content-type application/json --body fileb:///dev/stdin /dev/stdout"
    )


def changes(calls: Mapping[str, int]) -> dict[str, int]:
    """Keep the calls that change something, of all that the cloud counted.

    The runner's own record of a verified deploy (an SSM parameter) is no change of what is deployed.
    """
    return {
        operation: count
        for operation, count in calls.items()
        if operation.startswith(_CHANGING) and operation != "PutParameter"
    }


def endpoint_of(environment: str) -> str:
    """Name the group's endpoint in an environment."""
    return f"{GROUP}-{environment.lower()}"
