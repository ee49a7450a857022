"""The local cloud itself, asked with boto3 as a user asks it.

Proves: its answers are those that AWS's clients understand, and its processes come and go cleanly.
Does not prove: that AWS answers the same; docs/local-cloud.md says for each rule where it is known from.
Each pytest-xdist worker has a cloud of its own, on a free port, emptied before every test.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

from sandbox import Sandbox, tiny_model_archive
from tests.support.functions import make_function
from tests.support.processes import eventually
from tests.support.webhook_sink import WebhookSink

ROLE = "arn:aws:iam::123456789012:role/execution"
IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/models:1"
QUICK = 0.2


@dataclass
class Aws:
    """boto3's clients for one local cloud, and what most tests do with them."""

    sandbox: Sandbox
    environment: dict[str, str]
    clients: dict[str, Any] = field(default_factory=dict)

    def client(self, service: str) -> Any:
        if service not in self.clients:
            self.clients[service] = boto3.client(
                service,
                endpoint_url=self.environment["AWS_ENDPOINT_URL"],
                aws_access_key_id="local",
                aws_secret_access_key="local",
                region_name="us-east-1",
                config=Config(retries={"total_max_attempts": 1}, max_pool_connections=50),
            )
        return self.clients[service]

    @property
    def sagemaker(self) -> Any:
        return self.client("sagemaker")

    @property
    def control(self) -> Any:
        return self.sandbox.control

    def upload(self, archive: bytes, key: str = "model.tar.gz") -> str:
        s3 = self.client("s3")
        s3.create_bucket(Bucket="models")
        s3.put_object(Bucket="models", Key=key, Body=archive)
        return f"s3://models/{key}"

    def model(self, name: str = "model", **container: Any) -> str:
        self.sagemaker.create_model(
            ModelName=name, ExecutionRoleArn=ROLE, PrimaryContainer={"Image": IMAGE, **container}
        )
        return name

    def config(self, name: str = "config", model: str = "model", **variant: Any) -> str:
        kind = (
            {}
            if "ServerlessConfig" in variant
            else {"InstanceType": "ml.m5.large", "InitialInstanceCount": 1}
        )
        self.sagemaker.create_endpoint_config(
            EndpointConfigName=name,
            ProductionVariants=[{"VariantName": "main", "ModelName": model, **kind, **variant}],
        )
        return name

    def endpoint(self, name: str = "endpoint", config: str = "config") -> dict[str, Any]:
        self.sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=config)
        return self.settled(name)

    def serve(self, archive: bytes, **container: Any) -> dict[str, Any]:
        """Put an archive behind an endpoint and wait for the end of its creation."""
        self.model(ModelDataUrl=self.upload(archive), **container)
        self.config()
        return self.endpoint()

    def describe(self, name: str = "endpoint") -> dict[str, Any]:
        return self.sagemaker.describe_endpoint(EndpointName=name)

    def settled(self, name: str = "endpoint") -> dict[str, Any]:
        moving = ("Creating", "Updating", "RollingBack")
        return eventually(
            lambda: answer if (answer := self.describe(name))["EndpointStatus"] not in moving else None
        )

    def invoke(self, body: bytes = b"[1, 2]", name: str = "endpoint", **more: Any) -> bytes:
        more.setdefault("ContentType", "application/json")
        answer = self.client("sagemaker-runtime").invoke_endpoint(EndpointName=name, Body=body, **more)
        return answer["Body"].read()


@pytest.fixture(scope="session")
def _running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Aws]:
    sandbox = Sandbox(tmp_path_factory.mktemp("sandbox"), port=0)
    sandbox.start()
    aws = Aws(sandbox, sandbox.environment())
    yield aws
    for client in aws.clients.values():
        client.close()
    sandbox.stop()


@pytest.fixture
def aws(_running: Aws) -> Aws:
    _running.sandbox.reset()
    _running.control.set_endpoint_seconds(QUICK)
    return _running


@pytest.fixture
def make(aws: Aws) -> Callable[..., str]:
    """Make a function from its source; gives its ARN."""
    return partial(make_function, aws)


@pytest.fixture
def receiver() -> Iterator[WebhookSink]:
    with WebhookSink() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def tiny() -> bytes:
    return tiny_model_archive()


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """A folder for a cloud of the test's own, which is stopped at the end."""
    yield tmp_path / "home"
    Sandbox(tmp_path / "home").stop()


@pytest.fixture
def until() -> Callable[..., Any]:
    return eventually
