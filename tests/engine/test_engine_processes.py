from __future__ import annotations

import json
import os
import signal
from typing import Any

import pytest

from sandbox import Sandbox

PROGRAM = """
import pulumi_aws as aws

variant = {{"variant_name": "main", "model_name": "{model}", "initial_instance_count": 1, "instance_type": "ml.m5.large"}}
configuration = aws.sagemaker.EndpointConfiguration("configuration", production_variants=[variant])
aws.sagemaker.Endpoint("endpoint", endpoint_config_name=configuration.name, name="slow")
"""

ENDLESS = """
import asyncio
from pathlib import Path

import pulumi
import pulumi_aws as aws


async def wait(_name):
    Path("waiting").touch()
    await asyncio.sleep(600)


pulumi.Output.from_input(aws.s3.Bucket("first").bucket).apply(wait)
"""

UP = ("up", "--yes", "--skip-preview", "--stack", "dev")


@pytest.fixture
def slow(project: Any, cloud: Sandbox, aws: Any, model_url: str) -> Any:
    """A stack whose endpoint takes as long as a test needs to interrupt it."""
    container = {"Image": "123456789012.dkr.ecr.us-east-1.amazonaws.com/models:1", "ModelDataUrl": model_url}
    role = "arn:aws:iam::123456789012:role/execution"
    aws("sagemaker").create_model(ModelName="model", ExecutionRoleArn=role, PrimaryContainer=container)
    cloud.control.set_endpoint_seconds(4)
    project.write(PROGRAM.format(model="model"))
    project.pulumi("stack", "init", "dev")
    return project


def is_creating(aws: Any) -> bool:
    return any(one["EndpointStatus"] == "Creating" for one in aws("sagemaker").list_endpoints()["Endpoints"])


def test_after_a_normal_end_nothing_is_left(project: Any) -> None:
    project.write("import pulumi_aws as aws\naws.s3.Bucket('one')\n")
    project.pulumi("stack", "init", "dev")
    project.pulumi(*UP)
    assert project.processes() == {}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_lets_the_operation_in_flight_end_well_and_leaves_nothing(
    slow: Any, aws: Any, wait_until: Any, number: signal.Signals
) -> None:
    process = slow.start(*UP)
    wait_until(lambda: is_creating(aws))
    process.send_signal(number)
    output, _ = process.communicate(timeout=120)
    assert process.returncode != 0
    assert "aws:sagemaker:Endpoint endpoint created" in output, output
    wait_until(lambda: slow.processes() == {})
    assert "pending" not in slow.pulumi("preview", "--stack", "dev", "--expect-no-changes")


def test_a_killed_cli_leaves_nothing(slow: Any, aws: Any, wait_until: Any) -> None:
    process = slow.start(*UP)
    wait_until(lambda: is_creating(aws))
    assert any("terraform-provider-aws" in command for command in slow.processes().values())
    process.kill()
    process.communicate(timeout=120)
    wait_until(lambda: slow.processes() == {})


def test_a_killed_cli_takes_a_program_that_waits_with_it(project: Any, wait_until: Any) -> None:
    project.write(ENDLESS)
    project.pulumi("stack", "init", "dev")
    process = project.start(*UP)
    wait_until(lambda: (project.folder / "waiting").exists())
    process.kill()
    process.communicate(timeout=120)
    wait_until(lambda: project.processes() == {})


def test_a_killed_plugin_takes_its_provider_with_it(slow: Any, aws: Any, wait_until: Any) -> None:
    process = slow.start(*UP)
    wait_until(lambda: is_creating(aws))
    plugins = [pid for pid, command in slow.processes().items() if "pulumi-resource-aws" in command]
    for pid in plugins:
        os.kill(pid, signal.SIGKILL)
    process.communicate(timeout=120)
    assert plugins
    assert process.returncode != 0
    wait_until(lambda: slow.processes() == {})


def test_a_plugin_beside_the_cli_serves_one_engine_after_another_and_ends_with_its_parent(
    project: Any, plugin: Any, wait_until: Any
) -> None:
    project.write("import pulumi_aws as aws\naws.s3.Bucket('one')\n")
    project.pulumi("stack", "init", "dev")
    project.pulumi(*UP, **plugin.attached)
    project.pulumi("preview", "--stack", "dev", "--expect-no-changes", **plugin.attached)
    assert plugin.process.poll() is None
    plugin.process.communicate(timeout=60)
    wait_until(lambda: project.processes() == {})


TWO_PROVIDERS = """
import pulumi
import pulumi_aws as aws

for name in ("one", "two"):
    provider = aws.Provider(name, region="us-east-1", default_tags={"tags": {"provider": name}})
    bucket = aws.s3.Bucket(name, opts=pulumi.ResourceOptions(provider=provider))
    pulumi.export(name, bucket.tags_all["provider"])
"""


def test_two_providers_of_one_plugin_beside_the_cli_keep_their_configurations_apart(
    project: Any, plugin: Any
) -> None:
    project.write(TWO_PROVIDERS)
    project.pulumi("stack", "init", "dev")
    project.pulumi(*UP, **plugin.attached)
    outputs = json.loads(project.pulumi("stack", "output", "--json", "--stack", "dev"))
    plugin.process.communicate(timeout=60)
    assert outputs == {"one": "one", "two": "two"}


def test_an_update_ends_well_when_the_parent_of_its_plugin_dies(
    slow: Any, aws: Any, plugin: Any, wait_until: Any
) -> None:
    process = slow.start(*UP, **plugin.attached)
    wait_until(lambda: is_creating(aws))
    plugin.process.stdin.close()  # as the kernel does for a parent that is gone
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 0, output
    wait_until(lambda: plugin.process.poll() is not None and slow.processes() == {})
