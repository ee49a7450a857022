"""Runs that are stopped or killed, and runs that meet: no process is left, and the next deploy mends the stack alone."""

import os
import signal
from pathlib import Path

import pytest

from runner import locks

# Long enough to be hit in the middle, by a test that waits for AWS's own status first.
ENDPOINT_S = 6
# Long enough for a second run to start and meet the first, also on a busy machine.
LONG_S = 20


@pytest.fixture
def slow(cloud):
    cloud.control.set_endpoint_seconds(ENDPOINT_S)
    return cloud


def reaches(deployment, run, wanted):
    """A condition: the endpoint has the status, while the run that is to bring it there lives."""

    def condition():
        found = status(deployment)
        assert run.poll() is None, run.communicate()
        return found == wanted

    return condition


def status(deployment):
    try:
        return deployment.live()["EndpointStatus"]
    except Exception as error:
        if "Could not find" in str(error):
            return "none"
        raise


@pytest.fixture
def update_in_flight(deployment, slow, wait_until):
    """A run that moves the endpoint from its first model version to the second, at the moment when AWS is at it."""
    slow.control.set_endpoint_seconds(1)
    deployment.register()
    assert deployment.runner("deploy", "staging").code == 0
    slow.control.set_endpoint_seconds(ENDPOINT_S)
    deployment.register()
    run = deployment.start_runner("deploy", "staging")
    wait_until(reaches(deployment, run, "Updating"), 120)
    return run


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_during_an_update_finishes_what_is_in_flight_and_says_so(
    deployment, update_in_flight, wait_until, number
):
    update_in_flight.send_signal(number)
    _, err = update_in_flight.communicate(timeout=120)
    assert update_in_flight.returncode == 8
    assert "the operation in flight is finished first" in err
    assert status(deployment) == "InService"
    wait_until(lambda: not deployment.processes())
    done = deployment.runner("deploy", "staging")
    assert done.code == 0, done.err
    assert deployment.configurations() == {deployment.live()["EndpointConfigName"]}


in_a_container = pytest.mark.skipif(
    locks._is_contained(Path("/proc")), reason="in a container no lock is ever taken over (docs/runner.md)"
)


@in_a_container
def test_a_killed_engine_in_the_middle_of_a_create_is_mended_by_the_next_deploy(deployment, slow, wait_until):
    deployment.register()
    run = deployment.start_runner("deploy", "staging")
    wait_until(reaches(deployment, run, "Creating"), 120)
    made = deployment.live()["CreationTime"]
    (engine,) = deployment.processes("pulumi --non-interactive up")
    signal_process(engine)
    _, err = run.communicate(timeout=120)
    assert run.returncode == 1
    assert "ended by SIGKILL" in err
    wait_until(lambda: not deployment.processes())
    done = deployment.runner("deploy", "staging")
    assert done.code == 0, done.err
    assert "taking the lock over" in done.err
    assert "taking endpoint iris-staging over" in done.err
    assert deployment.live()["CreationTime"] == made
    assert deployment.pulumi("preview", "--stack", "staging", "--expect-no-changes").code == 0


@in_a_container
def test_a_killed_engine_in_the_middle_of_an_update_is_mended_by_the_next_deploy(
    deployment, update_in_flight, wait_until
):
    (engine,) = deployment.processes("pulumi --non-interactive up")
    signal_process(engine)
    update_in_flight.communicate(timeout=120)
    wait_until(lambda: not deployment.processes())
    done = deployment.runner("deploy", "staging")
    assert done.code == 0, done.err
    assert deployment.live()["EndpointStatus"] == "InService"
    assert deployment.configurations() == {deployment.live()["EndpointConfigName"]}


def test_a_killed_runner_lets_its_engine_finish_and_leaves_nothing_behind(deployment, slow, wait_until):
    slow.control.set_endpoint_seconds(LONG_S)
    deployment.register()
    run = deployment.start_runner("deploy", "staging")
    wait_until(reaches(deployment, run, "Creating"), 120)
    run.kill()
    run.communicate(timeout=120)
    done = deployment.runner("deploy", "staging")
    assert done.code == 0, done.err
    assert "waiting up to" in done.err
    wait_until(lambda: not deployment.processes())
    assert deployment.live()["EndpointStatus"] == "InService"


@pytest.mark.parametrize(("number", "code"), [(signal.SIGKILL, -signal.SIGKILL), (signal.SIGINT, 8)])
def test_a_preview_whose_runner_is_stopped_while_the_registry_answers_leaves_no_program_that_waits(
    deployment, cloud, wait_until, number, code
):
    deployment.register()
    cloud.inject("ListModelPackages", delay=5)
    run = deployment.start_runner("preview", "staging")
    wait_until(lambda: deployment.processes("pulumi-language-python-exec"))
    run.send_signal(number)
    run.communicate(timeout=60)
    assert run.returncode == code
    wait_until(lambda: not deployment.processes())


def test_two_deploys_of_one_stack_go_one_after_the_other(deployment, slow, wait_until):
    slow.control.set_endpoint_seconds(LONG_S)
    deployment.register()
    first = deployment.start_runner("deploy", "staging")
    wait_until(reaches(deployment, first, "Creating"), 120)
    second = deployment.start_runner("deploy", "staging", "--lock-timeout", "100")
    _, said = second.communicate(timeout=180)
    first.communicate(timeout=180)
    assert (first.returncode, second.returncode) == (0, 0), said
    assert "the stack is locked by" in said
    assert "taking the lock over" not in said


def test_a_lock_of_a_living_process_is_waited_for_and_never_broken(deployment, slow, wait_until):
    slow.control.set_endpoint_seconds(LONG_S)
    deployment.register()
    first = deployment.start("pulumi", "--non-interactive", "up", "--yes", "--stack", "staging")
    wait_until(reaches(deployment, first, "Creating"), 120)
    done = deployment.runner("deploy", "staging", "--lock-timeout", "0")
    assert done.code == 75
    assert "pulumi cancel" in done.err
    out, err = first.communicate(timeout=180)
    assert first.returncode == 0, out + err


def signal_process(pid):
    os.kill(pid, signal.SIGKILL)
