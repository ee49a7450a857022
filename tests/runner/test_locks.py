import os
import signal
import socket
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from runner import locks
from runner.locks import Holder, LockedError, holders_in, is_gone

# What CLI 3.259.0 prints (pkg/backend/diy/lock.go, checkForLock), after "error: ".
ONE = (
    "error: the stack is currently locked by 1 lock(s). Either wait for the other process(es) to end or delete the lock "
    "file with `pulumi cancel`.\n"
    "  file:///tmp/state/.pulumi/locks/organization/model-deployment/staging/9f1d.json: "
    "created by root@build-7 (pid 4711) at 2026-11-23T10:20:30Z\n"
)
TWO = ONE.replace("1 lock(s)", "2 lock(s)") + (
    "  s3://state/.pulumi/locks/organization/model-deployment/staging/ab12.json: "
    "created by ci user@example.com@host.example.com (pid 12) at 2026-11-23T12:20:30+02:00\n"
)
HERE = socket.gethostname()
NOW = datetime.now(UTC)


def holder(pid, since=NOW, host=HERE):
    return Holder("file:///state/lock.json", "me", host, pid, since)


@pytest.fixture
def ended_pid():
    """A process id that was in use and is free."""
    child = subprocess.Popen(["true"])
    child.wait()
    return child.pid


def test_the_holder_is_read_out_of_the_clis_message():
    assert holders_in(ONE) == (
        Holder(
            "file:///tmp/state/.pulumi/locks/organization/model-deployment/staging/9f1d.json",
            "root",
            "build-7",
            4711,
            datetime(2026, 11, 23, 10, 20, 30, tzinfo=UTC),
        ),
    )


def test_all_holders_are_read_and_their_times_are_in_one_zone():
    first, second = holders_in(TWO)
    assert (second.user, second.host, second.pid) == ("ci user@example.com", "host.example.com", 12)
    assert second.since == first.since


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[409] Conflict: Another update is currently in progress.",
        ONE.replace("2026-11-23T10:20:30Z", "yesterday"),
        ONE.replace("(pid 4711)", "(pid ?)"),
        ONE.replace("(pid 4711)", "(pid 99999999999999999999)"),
        ONE.replace("root@build-7", "root"),
        TWO.replace("(pid 12)", "(pid none)"),
    ],
)
def test_a_message_that_cannot_be_read_whole_makes_nobody_known(text):
    assert holders_in(text) == ()


def test_the_error_names_every_holder_and_never_an_empty_one():
    assert str(LockedError(holders_in(ONE))) == (
        "the stack is locked by root@build-7 (pid 4711) since 2026-11-23 10:20:30 UTC"
    )
    assert str(LockedError(())) == "the stack is locked by another update"


@pytest.fixture(autouse=True)
def _on_a_host(monkeypatch, request):
    """Let these tests also hold where they run in a container, but for the one that is about it."""
    if "container" not in request.node.name:
        monkeypatch.setattr(locks, "_is_contained", lambda _proc: False)


def test_a_holder_of_this_host_whose_process_has_ended_is_gone(ended_pid):
    assert is_gone(holder(ended_pid))


def test_a_holder_that_lives_is_not_gone():
    assert not is_gone(holder(os.getpid()))
    assert not is_gone(holder(os.getpid(), NOW + timedelta(days=1)))


def test_a_holder_of_another_host_is_never_gone(ended_pid):
    assert not is_gone(holder(ended_pid, host="another"))
    assert not is_gone(holder(ended_pid), host="another")


def test_a_holder_that_ended_and_was_not_yet_taken_off_the_process_table_is_gone():
    child = subprocess.Popen([sys.executable, "-S", "-c", "input()"], stdin=subprocess.PIPE)
    try:
        lived = is_gone(holder(child.pid, datetime.now(UTC)))
        child.send_signal(signal.SIGKILL)
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # it has ended, and stays in the table
        assert (lived, is_gone(holder(child.pid, datetime.now(UTC)))) == (False, True)
    finally:
        child.communicate()


def proc(folder, began_ticks, *, command="pulumi"):
    """A kernel's process folder in which this process began so many ticks after the boot at 1,000,000 s."""
    own = folder / str(os.getpid())
    own.mkdir(parents=True)
    fields = " ".join(map(str, range(4, 22)))
    (own / "stat").write_text(f"{os.getpid()} ({command}) S {fields} {began_ticks} 23 24\n")
    (folder / "stat").write_text("cpu 1 2 3\nbtime 1000000\nprocesses 5\n")
    return folder


@pytest.mark.parametrize(("seconds_after", "gone"), [(-60, False), (0, False), (1, False), (60, True)])
def test_another_program_that_began_after_the_lock_was_made_is_not_its_holder(tmp_path, seconds_after, gone):
    began = 500 * os.sysconf("SC_CLK_TCK")
    made = datetime.fromtimestamp(1_000_500 - seconds_after, UTC)
    assert is_gone(holder(os.getpid(), made), proc=proc(tmp_path, began, command="sleep")) is gone


def test_a_living_pulumi_is_not_gone_when_the_clock_was_set_forward_since(tmp_path):
    folder = proc(tmp_path, 500 * os.sysconf("SC_CLK_TCK"))
    assert not is_gone(holder(os.getpid(), datetime.fromtimestamp(1_000_000, UTC)), proc=folder)


def test_a_command_with_parentheses_and_spaces_does_not_disturb(tmp_path):
    made = datetime.fromtimestamp(1_000_000, UTC)
    folder = proc(tmp_path, 500 * os.sysconf("SC_CLK_TCK"), command="a) b (c")
    assert is_gone(holder(os.getpid(), made), proc=folder)


def test_where_the_system_tells_no_start_times_only_a_free_process_id_counts(tmp_path, ended_pid):
    long_ago = datetime.fromtimestamp(0, UTC)
    assert not is_gone(holder(os.getpid(), long_ago), proc=tmp_path)
    assert is_gone(holder(ended_pid, long_ago), proc=tmp_path)


def test_a_process_of_another_user_lives(monkeypatch, tmp_path):
    def refuse(_pid, _signal):
        raise PermissionError

    monkeypatch.setattr(os, "kill", refuse)
    assert not is_gone(holder(1), proc=tmp_path)


def test_in_a_container_nobody_is_known_to_have_ended(tmp_path, ended_pid):
    (tmp_path / "self" / "ns").mkdir(parents=True)
    (tmp_path / "self" / "ns" / "pid").touch()
    long_ago = datetime(2020, 1, 1, tzinfo=UTC)
    assert not is_gone(holder(ended_pid, long_ago), proc=tmp_path)


@pytest.mark.parametrize("lock", ["azblob://state/lock.json", "gs://state/lock.json"])
def test_a_lock_that_cannot_be_deleted_alone_is_never_taken_over(lock, ended_pid):
    old = replace(holder(ended_pid, datetime(2020, 1, 1, tzinfo=UTC)), lock=lock)
    assert not is_gone(old)
