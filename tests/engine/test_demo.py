"""The demo as a user runs it, and the guide to AWS, each in a checkout of its own.

The demo has a home and a port of its own, and its story holds itself to its facts. The guide is followed on the local cloud,
which asks for no rights: that its policy allows every call is told by the calls that were counted.
"""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from demo.cloud import MARK
from demo.packages import Registry
from demo.training import train

ROOT = Path(__file__).parents[2]
NOT_COPIED = shutil.ignore_patterns(
    ".git", ".venv", ".sandbox", "build", "__pycache__", ".*_cache", ".hypothesis"
)


@pytest.fixture
def checkout(tmp_path):
    copy = tmp_path / "checkout"
    shutil.copytree(ROOT, copy, ignore=NOT_COPIED)
    (copy / ".venv").symlink_to(ROOT / ".venv")
    return copy


@pytest.fixture
def environment(tmp_path, engine_env):
    own = {"SANDBOX_HOME": str(tmp_path / "home"), "SANDBOX_PORT": "0", "PYTHONDONTWRITEBYTECODE": "1"}
    return {**os.environ, **engine_env, **own}


@pytest.fixture
def run(checkout, environment):
    def run(*command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", *command],
            cwd=checkout,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=280,
        )

    yield run
    assert run("sandbox", "stop").returncode == 0


def contents(folder: Path) -> dict[str, str]:
    files = [path for path in folder.rglob("*") if path.is_file() and ".venv" not in path.parts]
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_the_demo_runs_from_start_to_end_and_leaves_the_checkout_as_it_was(run, checkout):
    before = contents(checkout)
    done = run("demo")
    assert done.returncode == 0, done.stdout + done.stderr
    assert (
        "calls that changed anything: CreateEndpointConfig, CreateModel, DeleteEndpointConfig" in done.stdout
    )
    assert "calls that changed anything: none" in done.stdout
    assert "every answer is version 3's own" in done.stdout
    assert "unknown key ServerlesMaxConcurrency" in done.stderr
    assert "$ python -m sandbox stop" in done.stdout
    assert contents(checkout) == before


def test_the_demo_does_not_touch_a_cloud_that_the_user_started(run):
    assert run("sandbox", "start").returncode == 0
    done = run("demo")
    assert done.returncode == 1
    assert "The demo failed: a local cloud that is not the demo's runs already" in done.stderr
    assert "python -m sandbox stop" in done.stderr


def test_the_demo_fails_loudly_when_an_endpoint_serves_another_version_than_it_must(
    run, checkout, environment
):
    program = checkout / "__main__.py"
    right = '"model_package_arn": wanted.package_arn'
    assert right in program.read_text()
    wrong = f'{right}.rsplit("/", 1)[0] + "/1"'
    program.write_text(program.read_text().replace(right, wrong))
    assert run("sandbox", "start").returncode == 0
    (Path(environment["SANDBOX_HOME"]) / "state" / MARK).touch()  # as an earlier demo left it
    done = run("demo")
    assert "that of an earlier demo ran already: emptied" in done.stdout
    assert done.returncode == 1
    assert "iris-staging was deployed from" in done.stderr
    assert "The demo failed: `python -m runner deploy staging` ended with exit code 4" in done.stderr
    assert "model-package/iris/1, and the registry wants" in done.stderr


@pytest.fixture
def guided(cloud, aws, checkout):
    """The guide's shell after its step 1: a bucket and a key for the state, and a registry with one version for Staging."""
    aws("s3").create_bucket(Bucket="mycompany-state")
    key = aws("kms").create_key()["KeyMetadata"]["KeyId"]
    aws("kms").create_alias(AliasName="alias/model-deployment", TargetKeyId=key)
    registry = Registry(aws("s3"), aws("sagemaker"), account="123456789012", region="us-east-1")
    registry.prepare()
    registry.register(train(2), "Staging")
    environment = {
        **os.environ,
        **cloud.environment(),
        "PULUMI_BACKEND_URL": "s3://mycompany-state?region=us-east-1",
    }
    del environment["PULUMI_CONFIG_PASSPHRASE"]

    def shell(*command: str) -> str:
        done = subprocess.run(
            command, cwd=checkout, env=environment, capture_output=True, text=True, check=False, timeout=200
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return shell


def allowed() -> set[str]:
    """The operations that the guide's policy allows."""
    guide = (ROOT / "docs" / "getting-started-on-aws.md").read_text()
    block = re.search(r"```json\n(.*?)```", guide, re.DOTALL)
    assert block is not None
    listed = [statement["Action"] for statement in json.loads(block[1])["Statement"]]
    actions = {action for each in listed for action in ([each] if isinstance(each, str) else each)}
    return {action.partition(":")[2] for action in actions}


# https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazons3.html, and GetCallerIdentity needs no right
OTHER_NAMES = {
    "HeadObject": {"GetObject"},
    "ListObjectsV2": {"ListBucket"},
    "CopyObject": {"GetObject", "PutObject"},
    "GetCallerIdentity": set(),
}


def test_the_guide_to_aws_leads_to_a_live_endpoint_and_its_policy_allows_every_call(guided, cloud, checkout):
    cloud.control.forget_calls()
    provider = "awskms://alias/model-deployment?region=us-east-1"
    guided("pulumi", "--non-interactive", "stack", "init", "staging", "--secrets-provider", provider)
    stack_file = (checkout / "Pulumi.staging.yaml").read_text()
    assert f"secretsprovider: {provider}" in stack_file
    assert "encryptionsalt" not in stack_file
    for command in ("check", "resolve", "deploy", "verify"):
        assert "iris" in guided(sys.executable, "-m", "runner", command, "staging")
    guided(sys.executable, "-m", "runner", "destroy", "staging", "--allow-removals")
    calls = cloud.control.calls()
    assert {"CreateEndpoint", "DeleteEndpoint", "Encrypt", "PutObject"} <= calls.keys()
    needed = {name for call in calls for name in OTHER_NAMES.get(call, {call})}
    assert needed <= allowed()
