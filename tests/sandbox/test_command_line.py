from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from sandbox import Sandbox, tiny_model_archive

CHECKOUT = Path(__file__).resolve().parents[2]
ROLE = "arn:aws:iam::123456789012:role/execution"


def run(home: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run one command; it fails by its deadline when a server keeps the pipes of its caller open."""
    environment = {**os.environ, "SANDBOX_HOME": str(home), "SANDBOX_PORT": "0", **variables}
    return subprocess.run(
        [sys.executable, "-m", "sandbox", *arguments],
        cwd=CHECKOUT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def group_of(pid: int) -> list[int]:
    """Give the processes of a group that live (a dead one that nobody waited for does not)."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            fields = (entry / "stat").read_text().rsplit(")", 1)[1].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(fields[2]) == pid and fields[0] != "Z":
            found.append(int(entry.name))
    return found


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def serve_tiny(sandbox: Sandbox, until: Any) -> None:
    """Put a model behind an endpoint and score once, so that a container's process runs."""
    keys = {"aws_access_key_id": "a", "aws_secret_access_key": "b", "region_name": "us-east-1"}
    url = sandbox.environment()["AWS_ENDPOINT_URL"]
    clients = {name: boto3.client(name, endpoint_url=url, **keys) for name in ("s3", "sagemaker")}
    s3, sagemaker = clients["s3"], clients["sagemaker"]
    sandbox.control.set_endpoint_seconds(0)
    s3.create_bucket(Bucket="models")
    s3.put_object(Bucket="models", Key="m.tar.gz", Body=tiny_model_archive())
    container = {"Image": "x:1", "ModelDataUrl": "s3://models/m.tar.gz"}
    sagemaker.create_model(ModelName="m", ExecutionRoleArn=ROLE, PrimaryContainer=container)
    variant = {
        "VariantName": "main",
        "ModelName": "m",
        "InstanceType": "ml.m5.large",
        "InitialInstanceCount": 1,
    }
    sagemaker.create_endpoint_config(EndpointConfigName="c", ProductionVariants=[variant])
    sagemaker.create_endpoint(EndpointName="e", EndpointConfigName="c")
    until(lambda: sagemaker.describe_endpoint(EndpointName="e")["EndpointStatus"] == "InService")
    for client in clients.values():
        client.close()


def test_start_status_env_reset_and_stop_do_what_they_say(home: Path) -> None:
    started = run(home, "start")
    assert (started.returncode, "is ready at http://127.0.0.1:" in started.stdout) == (0, True)
    again = run(home, "start")
    assert (again.returncode, "runs already at" in again.stdout) == (0, True)
    status = json.loads(run(home, "status", "--json").stdout)
    assert status["running"]
    exported = subprocess.run(
        [
            "bash",
            "-c",
            'eval "$1"; printf "%s %s" "$AWS_ENDPOINT_URL" "$PULUMI_BACKEND_URL"',
            "-",
            run(home, "env").stdout,
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    assert exported.stdout == f"{status['url']} file://{home}/state"
    assert run(home, "reset").returncode == 0
    assert run(home, "stop").stdout == "The local cloud is stopped.\n"
    assert run(home, "stop").stdout == "The local cloud was not running.\n"


def test_status_of_a_cloud_that_does_not_run_is_one_and_env_says_what_to_do(home: Path) -> None:
    assert run(home, "status").returncode == 1
    assert json.loads(run(home, "status", "--json").stdout)["running"] is False
    answer = run(home, "env")
    assert (answer.returncode, answer.stdout) == (1, "")
    assert "python -m sandbox start" in answer.stderr


def test_stop_leaves_no_process_and_no_pid_file_behind(home: Path, until: Any) -> None:
    sandbox = Sandbox(home, port=0)
    sandbox.start()
    serve_tiny(sandbox, until)
    pid = sandbox.status().pid
    assert pid is not None
    assert len(group_of(pid)) == 2
    assert sandbox.stop()
    until(lambda: group_of(pid) == [])
    assert not sandbox.files.pid_file.exists()


def test_after_a_sigkill_of_the_server_its_containers_end_and_start_works(home: Path, until: Any) -> None:
    sandbox = Sandbox(home, port=0)
    sandbox.start()
    serve_tiny(sandbox, until)
    pid = sandbox.status().pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    until(lambda: group_of(pid) == [])
    assert sandbox.files.pid_file.exists()
    assert not sandbox.status().running
    assert sandbox.start()
    assert sandbox.status().pid != pid


@pytest.mark.parametrize("content", ["", "{", '{"pid": 1, "host": "127.0.0.1", "port": 1}'])
def test_a_pid_file_that_is_stale_is_not_believed(home: Path, content: str) -> None:
    home.mkdir()
    (home / "sandbox.pid").write_text(content)
    sandbox = Sandbox(home, port=0)
    assert not sandbox.status().running
    assert not sandbox.stop()
    assert not sandbox.files.pid_file.exists()
    (home / "sandbox.pid").write_text(content)
    assert sandbox.start()


def test_a_port_taken_by_another_program_is_one_clear_error(home: Path, taken: int) -> None:
    answer = run(home, "start", SANDBOX_PORT=str(taken))
    assert (answer.returncode, answer.stdout) == (1, "")
    assert answer.stderr == (
        f"Port {taken} is taken by another program. Stop that, or choose another port: SANDBOX_PORT=0 takes any "
        "that is free.\n"
    )
    assert not (home / "sandbox.pid").exists()


def test_a_port_taken_by_another_local_cloud_names_its_folder(home: Path, aws: Any) -> None:
    port = aws.environment["AWS_ENDPOINT_URL"].rsplit(":", 1)[1]
    answer = run(home, "start", SANDBOX_PORT=port)
    other = aws.sandbox.files.home
    assert answer.returncode == 1
    assert f"taken by the local cloud of {other}" in answer.stderr
    assert f"SANDBOX_HOME={other} python -m sandbox stop" in answer.stderr


def test_another_port_is_not_given_to_a_cloud_that_runs_already(home: Path, taken: int) -> None:
    Sandbox(home, port=0).start()
    answer = run(home, "start", SANDBOX_PORT=str(taken))
    assert (answer.returncode, "runs already, on port" in answer.stderr) == (1, True)


def test_five_starts_at_once_make_one_cloud(home: Path) -> None:
    environment = {**os.environ, "SANDBOX_HOME": str(home), "SANDBOX_PORT": "0"}
    starts = [
        subprocess.Popen(
            [sys.executable, "-m", "sandbox", "start"],
            cwd=CHECKOUT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for _ in range(5)
    ]
    answers = [start.communicate(timeout=60)[0] for start in starts]
    assert [start.returncode for start in starts] == [0] * 5
    assert sum("is ready" in answer for answer in answers) == 1


def test_a_new_cloud_empties_the_state_folder_that_described_the_old_one(home: Path) -> None:
    sandbox = Sandbox(home, port=0)
    sandbox.start()
    (sandbox.files.state / "stack.json").write_text("{}")
    assert not sandbox.start()
    assert (sandbox.files.state / "stack.json").exists()
    sandbox.stop()
    sandbox.start()
    assert list(sandbox.files.state.iterdir()) == []


def test_the_fault_command_adds_lists_and_clears(home: Path) -> None:
    sandbox = Sandbox(home, port=0)
    sandbox.start()
    assert run(home, "fault", "ListModelPackages", "--skip", "1").returncode == 0
    (fault,) = json.loads(run(home, "fault").stdout)
    assert (fault["operation"], fault["error"], fault["status"], fault["skip"]) == (
        "ListModelPackages",
        "InternalFailure",
        500,
        1,
    )
    refused = run(home, "fault", "UpdateEndpoint", "--outcome", "Nothing")
    assert (refused.returncode, "RolledBack" in refused.stderr) == (1, True)
    misspelt = run(home, "fault", "sagemaker:DescribeEndpiont")
    assert (misspelt.returncode, misspelt.stdout, misspelt.stderr.count("\n")) == (1, "", 1)
    assert "did you mean DescribeEndpoint" in misspelt.stderr
    assert run(home, "fault", "--clear").returncode == 0
    assert sandbox.control.faults() == []


@pytest.mark.parametrize(("name", "value"), [("SANDBOX_PORT", "http"), ("SANDBOX_ENDPOINT_SECONDS", "-1")])
def test_a_wrong_variable_is_one_line_with_what_is_allowed(home: Path, name: str, value: str) -> None:
    answer = run(home, "start", **{name: value})
    assert (answer.returncode, answer.stdout) == (1, "")
    assert answer.stderr.startswith(f"{name} is '{value}'; allowed are 0")
    assert answer.stderr.count("\n") == 1


def test_help_shows_an_example(home: Path) -> None:
    answer = run(home, "--help")
    assert answer.returncode == 0
    assert 'eval "$(python -m sandbox env)"' in answer.stdout
