"""CodeBuild: builds really run their buildspec."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sandbox import Sandbox
from sandbox.cloud.codebuild.run import BuildRun
from tests.sandbox.conftest import Aws
from tests.support.builds import ENVIRONMENT, ROLE, Builds, spec
from tests.support.processes import eventually


@pytest.fixture
def builds(aws: Any) -> Builds:
    return Builds(aws)


def alive(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def statuses(build: dict[str, Any]) -> dict[str, str]:
    return {phase["phaseType"]: phase.get("phaseStatus", "") for phase in build["phases"]}


def test_a_build_runs_all_phases_in_one_shell(builds: Builds) -> None:
    builds.project(
        spec(
            install=["mkdir place", "cd place"],
            pre_build=["export A=1"],
            build=["pwd", 'echo "A is $A"', "echo one\necho two"],
            post_build=['echo "went well: $CODEBUILD_BUILD_SUCCEEDING"'],
        )
    )
    build, printed = builds.run()
    assert (build["buildStatus"], build["currentPhase"], build["buildNumber"]) == (
        "SUCCEEDED",
        "COMPLETED",
        1,
    )
    found = statuses(build)
    assert list(found) == [
        *(
            "SUBMITTED",
            "QUEUED",
            "PROVISIONING",
            "DOWNLOAD_SOURCE",
            "INSTALL",
            "PRE_BUILD",
            "BUILD",
            "POST_BUILD",
        ),
        *("UPLOAD_ARTIFACTS", "FINALIZING", "COMPLETED"),
    ]
    assert {status for phase, status in found.items() if phase != "COMPLETED"} == {"SUCCEEDED"}
    for text in (
        "/src/place",
        "A is 1",
        "one\ntwo",
        "went well: 1",
        "Phase complete: BUILD State: SUCCEEDED",
    ):
        assert text in printed
    (file,) = builds.aws.sandbox.files.logs.glob(f"build-sync-{build['id'].split(':')[1]}.log")
    assert file.read_text().strip() == printed
    assert not list((builds.aws.sandbox.files.home / "builds").iterdir())


def test_a_command_that_fails_ends_its_phase_and_post_build_learns_of_it(builds: Builds) -> None:
    builds.project(
        spec(build=["(exit 3)", "echo never"], post_build=['echo "well: $CODEBUILD_BUILD_SUCCEEDING"'])
    )
    build, printed = builds.run()
    assert build["buildStatus"] == "FAILED"
    assert (statuses(build)["BUILD"], statuses(build)["POST_BUILD"]) == ("FAILED", "SUCCEEDED")
    (context,) = next(phase for phase in build["phases"] if phase["phaseType"] == "BUILD")["contexts"]
    assert context["statusCode"] == "COMMAND_EXECUTION_ERROR"
    assert context["message"] == "Error while executing command: (exit 3). Reason: exit status 3"
    assert "well: 0" in printed
    assert "\nnever" not in printed


def test_after_a_failed_pre_build_nothing_is_built_but_its_finally_runs(builds: Builds) -> None:
    content = {
        "version": "0.2",
        "phases": {
            "pre_build": {"commands": ["exit 4"], "finally": ["echo cleaned"]},
            "build": {"commands": ["echo built"]},
        },
    }
    builds.project(json.dumps(content).replace("exit 4", "false"))
    build, printed = builds.run()
    assert build["buildStatus"] == "FAILED"
    assert "BUILD" not in statuses(build)
    assert "cleaned" in printed
    assert "\nbuilt" not in printed


def test_a_command_that_ends_the_shell_fails_the_build(builds: Builds) -> None:
    builds.project(spec(build=["exit 0", "echo never"]))
    assert builds.run()[0]["buildStatus"] == "FAILED"


def test_the_environment_is_clean_and_holds_what_is_asked_for(builds: Builds) -> None:
    ssm, secrets = builds.aws.client("ssm"), builds.aws.client("secretsmanager")
    ssm.put_parameter(Name="/p", Value="from the store", Type="SecureString")
    arn = secrets.create_secret(Name="s", SecretString='{"key": "from the secret"}')["ARN"]
    builds.project(
        spec(build=["env", "test \"$P\" = 'from the store'", "test \"$S\" = 'from the secret'"]),
        variables=[
            {"name": "MODE", "value": "slow"},
            {"name": "KEPT", "value": "kept"},
            {"name": "P", "value": "/p", "type": "PARAMETER_STORE"},
            {"name": "S", "value": f"{arn}:key:AWSCURRENT", "type": "SECRETS_MANAGER"},
        ],
    )
    build, printed = builds.run(environmentVariablesOverride=[{"name": "MODE", "value": "fast"}])
    assert build["buildStatus"] == "SUCCEEDED"
    found = dict(line.split("=", 1) for line in printed.splitlines() if "=" in line)
    assert (found["MODE"], found["KEPT"], found["P"], found["S"]) == ("fast", "kept", "***", "***")
    assert found["CODEBUILD_BUILD_ID"] == build["id"]
    assert found["AWS_ENDPOINT_URL"] == builds.aws.environment["AWS_ENDPOINT_URL"]
    assert found["HOME"].startswith(str(builds.aws.sandbox.files.home))
    strange = {name for name in found if name.startswith(("SANDBOX_", "PYTEST", "VIRTUAL_ENV"))}
    assert strange == set()


def test_variables_of_the_buildspec_are_read_and_exported(builds: Builds) -> None:
    builds.aws.client("secretsmanager").create_secret(Name="s", SecretString="plain secret")
    content = {
        "version": "0.2",
        "env": {
            "shell": "bash",
            "variables": {"A": "a", "B": True},
            "secrets-manager": {"S": "s"},
            "exported-variables": ["C", "B"],
        },
        "phases": {"build": {"commands": ['[[ "$S" == "plain secret" ]]', "C=$A-x"]}},
    }
    builds.project(json.dumps(content))
    build, _ = builds.run()
    assert build["buildStatus"] == "SUCCEEDED"
    exported = {each["name"]: each["value"] for each in build["exportedEnvironmentVariables"]}
    assert exported == {"C": "a-x", "B": "true"}


def test_a_secret_that_cannot_be_read_fails_the_build_before_any_command(builds: Builds) -> None:
    builds.project(
        spec(build=["echo built"]), variables=[{"name": "S", "value": "none", "type": "SECRETS_MANAGER"}]
    )
    build, printed = builds.run()
    assert (build["buildStatus"], statuses(build)["DOWNLOAD_SOURCE"]) == ("FAILED", "FAILED")
    assert "the secret none of the variable S cannot be read" in printed


def test_a_zip_in_s3_is_the_source_and_its_buildspec_runs(builds: Builds) -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(
            "buildspec.yml", "version: 0.2\nphases:\n  build:\n    commands:\n      - cat said.txt\n"
        )
        archive.writestr("said.txt", "hello from the zip")
    s3 = builds.aws.client("s3")
    s3.create_bucket(Bucket="source")
    s3.put_object(Bucket="source", Key="s.zip", Body=file.getvalue())
    builds.project(source={"type": "S3", "location": "source/s.zip"})
    build, printed = builds.run()
    assert build["buildStatus"] == "SUCCEEDED"
    assert "hello from the zip" in printed
    build, printed = builds.run(buildspecOverride=spec(build=["echo overridden; ls"]))
    assert "overridden\nbuildspec.yml\nsaid.txt" in printed


def test_a_folder_of_this_machine_stands_for_a_repository(builds: Builds, tmp_path: Path) -> None:
    (tmp_path / "ci").mkdir()
    (tmp_path / "ci" / "build.yml").write_text(
        spec(build=["ls -a", "echo $CODEBUILD_RESOLVED_SOURCE_VERSION"])
    )
    (tmp_path / ".gitignore").write_text("ignored\n")
    (tmp_path / "ignored").write_text("x")
    git = ["git", "-C", str(tmp_path), "-c", "user.name=t", "-c", "user.email=t@example.com"]
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "first"]):
        subprocess.run([*git, *command], check=True)
    builds.project(source={"type": "GITHUB", "location": "https://x/y.git", "buildspec": "ci/build.yml"})
    build, printed = builds.run()
    assert (build["buildStatus"], "Name a folder that stands for it: SANDBOX_SOURCE" in printed) == (
        "FAILED",
        True,
    )
    builds.aws.control.set_source(tmp_path)
    build, printed = builds.run()
    assert build["buildStatus"] == "SUCCEEDED"
    assert "\nignored" not in printed
    assert build["resolvedSourceVersion"] in printed


def test_a_build_that_is_stopped_may_clean_up_and_leaves_nothing_running(
    builds: Builds, tmp_path: Path
) -> None:
    mark = tmp_path / "mark"
    program = (
        "import pathlib, signal, sys, threading; "
        f"signal.signal(signal.SIGTERM, lambda *_: (pathlib.Path({str(mark)!r}).write_text('cleaned'), sys.exit(3))); "
        "print('re' + 'ady', flush=True); threading.Event().wait(100)"
    )
    builds.project(spec(build=[f'cat /proc/$$/stat > {mark}.pid; sleep 999 & python -c "{program}"']))
    build_id = builds.start()
    eventually(
        lambda: (
            builds.get(build_id)["currentPhase"] == "BUILD"
            and "ready" in builds.printed(builds.get(build_id))
        )
    )
    builds.client.stop_build(id=build_id)
    build = builds.ended(build_id)
    assert (build["buildStatus"], statuses(build)["BUILD"]) == ("STOPPED", "STOPPED")
    assert mark.read_text() == "cleaned"
    group = int(Path(f"{mark}.pid").read_text().rsplit(")", 1)[1].split()[2])
    eventually(lambda: not alive(group))
    assert builds.client.stop_build(id=build_id)["build"]["buildStatus"] == "STOPPED"


def test_a_build_ends_with_the_cloud_also_when_that_is_killed(home: Path, tmp_path: Path) -> None:
    sandbox = Sandbox(home, port=0)
    sandbox.start()
    aws = Aws(sandbox, sandbox.environment())
    builds = Builds(aws)
    builds.project(
        spec(build=[f"cat /proc/$$/stat > {tmp_path}/stat; mv {tmp_path}/stat {tmp_path}/pid; sleep 999"])
    )
    builds.start()
    stat = eventually(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text())
    group = int(stat.rsplit(")", 1)[1].split()[2])
    assert alive(group)
    pid = sandbox.status().pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: not alive(group))
    for client in aws.clients.values():
        client.close()


def test_a_build_that_takes_too_long_is_timed_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sandbox.cloud.codebuild.run.write_log", lambda *_: None)
    build = builds_of_memory(tmp_path, spec(build=["sleep 999"]), minute=0.05)
    assert build["buildStatus"] == "TIMED_OUT"


def builds_of_memory(home: Path, buildspec: str, minute: float) -> dict[str, Any]:
    """Run a build without a cloud, with shorter minutes."""
    from sandbox.cloud.codebuild import builds as operations
    from sandbox.cloud.codebuild.state import Build, Call, State

    state = State("1", "r")
    project = {"name": "p", "source": {"type": "NO_SOURCE", "buildspec": buildspec}, "serviceRole": ROLE}
    numbers = {"timeoutInMinutes": 5, "queuedTimeoutInMinutes": 5, "cache": {}, "encryptionKey": "k"}
    state.projects["p"] = {**project, **numbers, "environment": ENVIRONMENT}
    inside: Any = SimpleNamespace(client=lambda *_: None)

    def run(state: State, build: Build) -> None:
        BuildRun(state, build, home, inside, {}, None, minute).run()

    operations.start_build(Call({"projectName": "p"}, state, run, None))
    (build,) = state.builds.values()
    return build.record


def test_a_project_runs_no_more_builds_at_once_than_its_limit(builds: Builds) -> None:
    builds.project(spec(build=["sleep 999"]), concurrentBuildLimit=1)
    first = builds.start()
    with pytest.raises(ClientError, match="AccountLimitExceededException"):
        builds.start()
    builds.client.stop_build(id=first)
    builds.ended(first)
    second = builds.start()
    assert builds.client.list_builds_for_project(projectName="sync")["ids"] == [second, first]


def test_a_token_starts_one_build_only(builds: Builds) -> None:
    builds.project(spec(build=["true"]))
    assert builds.start(idempotencyToken="t") == builds.start(idempotencyToken="t")
    assert builds.start(idempotencyToken="u") != builds.start(idempotencyToken="t")


def test_a_project_can_be_changed_and_described(builds: Builds) -> None:
    made = builds.project(spec(build=["true"]), description="d", tags=[{"key": "a", "value": "b"}])
    assert (made["timeoutInMinutes"], made["badge"], made["projectVisibility"]) == (
        60,
        {"badgeEnabled": False},
        "PRIVATE",
    )
    builds.client.update_project(name="sync", timeoutInMinutes=5, concurrentBuildLimit=2)
    builds.client.update_project(name="sync", concurrentBuildLimit=-1)
    (found,) = builds.client.batch_get_projects(names=["sync", "none"])["projects"]
    assert (found["timeoutInMinutes"], found["description"], found["tags"]) == (
        5,
        "d",
        [{"key": "a", "value": "b"}],
    )
    assert "concurrentBuildLimit" not in found
    builds.client.delete_project(name="sync")
    assert builds.client.list_projects()["projects"] == []


def test_a_rule_starts_a_build_with_variables_of_the_event(builds: Builds, until: Any) -> None:
    arn = builds.project(spec(build=['echo "model: $MODEL"']))["arn"]
    events, sqs = builds.aws.client("events"), builds.aws.client("sqs")
    url = sqs.create_queue(QueueName="ends")["QueueUrl"]
    transformer = {
        "InputPathsMap": {"model": "$.detail.model"},
        "InputTemplate": '{"environmentVariablesOverride": [{"name": "MODEL", "value": <model>}]}',
    }
    events.put_rule(Name="start", EventPattern='{"source": ["model-deployment.registry"]}')
    target = {"Id": "1", "Arn": arn, "RoleArn": ROLE, "InputTransformer": transformer}
    events.put_targets(Rule="start", Targets=[target])
    events.put_rule(
        Name="end", EventPattern='{"source": ["aws.codebuild"], "detail": {"build-status": ["SUCCEEDED"]}}'
    )
    events.put_targets(Rule="end", Targets=[{"Id": "1", "Arn": "arn:aws:sqs:us-east-1:123456789012:ends"}])
    detail = json.dumps({"model": 'a "b"'})
    events.put_events(
        Entries=[
            {"Source": "model-deployment.registry", "DetailType": "Model Registry Changed", "Detail": detail}
        ]
    )
    (message,) = until(lambda: sqs.receive_message(QueueUrl=url).get("Messages"))
    told = json.loads(message["Body"])["detail"]
    assert told["project-name"] == "sync"
    build = builds.get(told["build-id"])
    assert 'model: a "b"' in builds.printed(build)


@pytest.mark.parametrize("outcome", ["FAILED", "TIMED_OUT", "FAULT"])
def test_a_fault_ends_a_build_without_running_it(builds: Builds, outcome: str) -> None:
    builds.project(spec(build=["true"]))
    builds.aws.sandbox.inject("StartBuild", outcome=outcome, count=1)
    assert builds.ended(builds.start())["buildStatus"] == outcome
    assert builds.run()[0]["buildStatus"] == "SUCCEEDED"


def test_a_fault_refuses_a_start(builds: Builds) -> None:
    builds.project(spec(build=["true"]))
    builds.aws.sandbox.inject("StartBuild", error="AccountLimitExceededException", status=400, count=1)
    with pytest.raises(ClientError, match="AccountLimitExceededException"):
        builds.start()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"source": {"type": "S3"}}, "source location is required"),
        ({"source": {"type": "NO_SOURCE"}}, "Buildspec must be specified"),
        (
            {"source": {"type": "NO_SOURCE", "buildspec": "x"}, "secondarySources": [{"type": "NO_SOURCE"}]},
            "NotEmulated",
        ),
    ],
)
def test_a_project_that_cannot_be_is_refused(builds: Builds, settings: Any, said: str) -> None:
    with pytest.raises(ClientError, match=said):
        builds.project(**settings)
