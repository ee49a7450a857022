"""Waiting for a stack's lock, and taking over the lock of a holder that is gone."""

import os
import socket
from datetime import UTC, datetime

import pytest

from runner import locks
from runner.errors import ResourceFailure, StackBusy
from runner.locks import Holder, LockedError
from tests.support import fakes
from tests.support.fakes import FakeSession, endpoint, live

GONE = Holder(
    "file:///lock.json", "me", socket.gethostname(), 2**22 + 1, datetime.now(UTC)
)  # above Linux's highest process id
ALIVE = Holder("file:///lock.json", "me", socket.gethostname(), os.getpid(), datetime.now(UTC))
ELSEWHERE = Holder("file:///lock.json", "me", "another", 7, datetime.now(UTC))


def locked_times(*errors):
    """An attempt that finds the stack locked so often, and then works."""
    left = list(errors)

    def attempt():
        if left:
            raise left.pop(0)
        return "report"

    return attempt


def wait(session, attempt, timeout_s=3600.0):
    slept = []
    return locks.when_unlocked(session, timeout_s, attempt, sleep=slept.append), slept


@pytest.fixture(autouse=True)
def _on_a_host(monkeypatch):
    monkeypatch.setattr(locks, "_is_contained", lambda _proc: False)


@pytest.fixture
def session():
    return FakeSession([fakes.state(endpoint())], [{"churn-staging": live()}])


def test_a_free_stack_is_not_waited_for(session):
    assert wait(session, locked_times()) == ("report", [])


def test_a_living_holder_is_waited_for_and_told_once_a_minute(session):
    report, slept = wait(session, locked_times(*[LockedError((ALIVE,))] * 3))
    assert report == "report"
    assert len(slept) == 3
    assert all(0.8 * locks.POLL_S <= pause <= 1.2 * locks.POLL_S for pause in slept)
    assert len(session.said) == 1
    assert f"(pid {os.getpid()})" in session.said[0]
    assert "waiting up to" in session.said[0]
    assert session.did == []


def test_the_lock_of_a_holder_that_is_gone_is_taken_over_without_waiting(session):
    report, slept = wait(session, locked_times(LockedError((GONE,))))
    assert (report, slept, session.did) == ("report", [], [("unlock",)])
    assert "has ended without releasing it; taking the lock over" in session.said[0]


@pytest.mark.parametrize("holders", [(), (ELSEWHERE,), (GONE, ALIVE), (GONE, ELSEWHERE)])
def test_a_lock_is_never_taken_over_unless_every_holder_is_known_to_be_gone(session, holders):
    wait(session, locked_times(LockedError(holders)))
    assert session.did == []


def test_taking_over_is_not_repeated_for_ever(session):
    _, slept = wait(session, locked_times(*[LockedError((GONE,))] * 5))
    assert (len(session.did), len(slept)) == (3, 2)


def test_a_lock_that_stays_ends_with_the_time_and_says_what_to_do(session):
    with pytest.raises(StackBusy) as busy:
        wait(session, locked_times(LockedError((ELSEWHERE,))), timeout_s=0)
    assert (busy.value.exit_code, busy.value.retryable) == (75, True)
    assert "me@another (pid 7)" in str(busy.value)
    assert "pulumi cancel" in str(busy.value)


def test_another_error_is_not_waited_for(session):
    with pytest.raises(ResourceFailure):
        wait(session, locked_times(ResourceFailure("failed")))
