"""The real engine against a local cloud: what only a real `pulumi` can prove.

Does not prove: that AWS answers as the local cloud does (docs/local-cloud.md), nor that the official plugin does as the
built one (docs/engine.md).
Each pytest-xdist worker has a cloud of its own, on a free port, emptied before every test; each test has its own state.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest

from sandbox import Sandbox, tiny_model_archive
from tests.support.deployment import Deployment
from tests.support.processes import Marked, eventually
from tools import engine
from tools.engine.versions import AWS_PLUGIN

HERE = Path(__file__).parent
IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/models:1"
PROJECT = f"""\
name: life
runtime:
  name: python
  options:
    toolchain: pip
    virtualenv: {sys.prefix}
"""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.engine)


@pytest.fixture(scope="session")
def engine_env() -> dict[str, str]:
    """The variables by which a process uses the installed engine."""
    return engine.environment()


@pytest.fixture(scope="session")
def _cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    sandbox = Sandbox(tmp_path_factory.mktemp("cloud"), port=0)
    sandbox.start()
    yield sandbox
    sandbox.stop()


@pytest.fixture
def cloud(_cloud: Sandbox) -> Sandbox:
    """An empty local cloud."""
    _cloud.reset()
    return _cloud


@dataclass
class Project(Marked):
    """A Pulumi program in a folder of its own, with its own state, on the local cloud."""

    folder: Path
    variables: dict[str, str]

    def write(self, program: str, project: str = PROJECT) -> None:
        self.folder.mkdir(exist_ok=True)
        (self.folder / "Pulumi.yaml").write_text(project)
        (self.folder / "__main__.py").write_text(program)

    @property
    def environment(self) -> dict[str, str]:
        return {**self.variables, **self.marking}

    def start(self, *arguments: str, **more: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            ["pulumi", *arguments, "--non-interactive", "--color=never"],
            cwd=self.folder,
            env={**self.environment, **more},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def pulumi(self, *arguments: str, code: int = 0, **more: str) -> str:
        """Run the CLI to its end, check its exit code, and give what it printed."""
        process = self.start(*arguments, **more)
        output, _ = process.communicate(timeout=240)
        assert process.returncode == code, output
        return output


@pytest.fixture
def variables(cloud: Sandbox, engine_env: dict[str, str], tmp_path: Path) -> dict[str, str]:
    """The environment of a shell that uses the engine and the local cloud, with a state of its own."""
    state = tmp_path / "state"
    state.mkdir()
    return {**os.environ, **cloud.environment(), **engine_env, "PULUMI_BACKEND_URL": f"file://{state}"}


@pytest.fixture
def project(variables: dict[str, str], tmp_path: Path) -> Iterator[Project]:
    """A project without program; whatever it started is ended with the test."""
    made = Project(tmp_path / "program", variables)
    yield made
    made.end_all()


@dataclass
class Plugin:
    """The aws plugin, started beside the CLI for engines to attach to. The test holds its input, at whose end it ends."""

    process: subprocess.Popen[str]
    port: str

    @property
    def attached(self) -> dict[str, str]:
        """The variable by which an engine attaches to it."""
        return {"PULUMI_DEBUG_PROVIDERS": f"aws:{self.port}"}


@pytest.fixture
def plugin(project: Project, engine_env: dict[str, str]) -> Iterator[Plugin]:
    """A plugin of the project's own; ended with the test."""
    folder = Path(engine_env["PULUMI_HOME"]) / "plugins" / f"resource-aws-v{AWS_PLUGIN}"
    process = subprocess.Popen(
        [folder / "pulumi-resource-aws"],
        env=project.environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    with process:
        assert process.stdout is not None
        yield Plugin(process, process.stdout.readline().strip())


@pytest.fixture
def aws(cloud: Sandbox) -> Callable[[str], Any]:
    """boto3's clients for the local cloud, by service."""
    variables = cloud.environment()

    def client(service: str) -> Any:
        return boto3.client(
            service,
            endpoint_url=variables["AWS_ENDPOINT_URL"],
            region_name=variables["AWS_REGION"],
            aws_access_key_id=variables["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=variables["AWS_SECRET_ACCESS_KEY"],
        )

    return client


@pytest.fixture
def model_url(aws: Callable[[str], Any]) -> str:
    """Where a model lies that the local cloud can serve."""
    s3 = aws("s3")
    s3.create_bucket(Bucket="models")
    s3.put_object(Bucket="models", Key="model.tar.gz", Body=tiny_model_archive())
    return "s3://models/model.tar.gz"


@pytest.fixture
def deployment(
    variables: dict[str, str], tmp_path: Path, aws: Callable[[str], Any], model_url: str
) -> Iterator[Deployment]:
    """The deployment repository with an empty staging stack; whatever it started is ended with the test."""
    assert model_url == "s3://models/model.tar.gz"
    made = Deployment(tmp_path / "repository", variables, aws)
    created = made.pulumi("stack", "init", "staging")
    assert created.code == 0, created.err
    yield made
    made.end_all()


@pytest.fixture
def wait_until() -> Callable[..., Any]:
    """Poll until a condition gives something true."""
    return eventually
