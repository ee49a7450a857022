import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from runner.errors import RunnerError
from runner.process import PulumiProcess

ROOT = Path(__file__).parents[2]
# A CLI that notes each signal, ends at once on SIGTERM, and otherwise when the file `finish` is there.
NOTING = """
def note(text):
    with open("signals", "a") as file:
        file.write(text + "\\n")
signal.signal(signal.SIGINT, lambda *_: note("INT"))
signal.signal(signal.SIGTERM, lambda *_: (note("TERM"), os._exit(3)))
open("started.tmp", "w").write(str(os.getpid()))
os.rename("started.tmp", "started")
while not os.path.exists("finish"):
    print("x" * 100_000, flush=True)
    time.sleep(0.01)
open("finished", "w").close()
"""
RUNNER = """
import os, signal, subprocess, sys
sys.path.insert(0, {root!r})
from pathlib import Path
from runner import process
from runner.errors import Cancelled
{before}
cli = process.PulumiProcess()
cli.watch_signals()
try:
    {work}
except (Cancelled, process.Interrupted) as stopped:
    print(stopped)
    sys.exit(8)
print("ended", done.code)
"""
RUN = 'done = cli.run(["up"], cwd=Path.cwd(), env={})'


def eventually(path: Path) -> Path:
    deadline = time.monotonic() + 30
    while not path.exists():
        assert time.monotonic() < deadline, f"no {path}"
        time.sleep(0.01)
    return path


@pytest.fixture
def start(fake_pulumi):
    """Start a runner in a process of its own; it and its CLI are ended with the test."""
    fake_pulumi(NOTING)
    folder, started = fake_pulumi.folder, []

    def begin(before="", work=RUN):
        text = RUNNER.format(root=str(ROOT), before=before, work=work)
        runner = subprocess.Popen(
            [sys.executable, "-S", "-c", text],
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(runner)
        return runner

    yield begin
    for runner in started:
        runner.kill()
        runner.communicate()
    if (folder / "started").exists() and not (folder / "finished").exists():
        try:
            os.kill(int((folder / "started").read_text()), signal.SIGKILL)
        except ProcessLookupError:
            return


def noted(folder: Path, signals: int) -> list[str]:
    """The signals that the CLI noted, once it noted so many."""
    deadline = time.monotonic() + 30
    while len(found := eventually(folder / "signals").read_text().split()) < signals:
        assert time.monotonic() < deadline, found
        time.sleep(0.01)
    return found


def test_the_cli_gives_its_code_and_both_outputs(fake_pulumi):
    fake_pulumi("print(sys.argv[1:], os.environ['MINE']); print('oh', file=sys.stderr); sys.exit(6)")
    done = PulumiProcess().run(["up"], cwd=fake_pulumi.folder, env={"MINE": "yes"})
    assert (done.code, done.stdout, done.stderr) == (6, "['--non-interactive', 'up'] yes\n", "oh\n")


def test_the_cli_has_a_session_of_its_own_and_no_terminal_to_ask(fake_pulumi):
    fake_pulumi("print(os.getsid(0) == os.getpid(), repr(sys.stdin.read()))")
    assert PulumiProcess().run([], cwd=fake_pulumi.folder, env={}).stdout == "True ''\n"


def test_output_that_is_no_text_is_not_lost(fake_pulumi):
    fake_pulumi("os.write(1, b'a\\xffb')")
    assert PulumiProcess().run([], cwd=fake_pulumi.folder, env={}).stdout == "a\ufffdb"


def test_a_cli_that_was_killed_gives_the_signal_as_a_negative_code(fake_pulumi):
    fake_pulumi("os.kill(os.getpid(), signal.SIGKILL)")
    assert PulumiProcess().run([], cwd=fake_pulumi.folder, env={}).code == -signal.SIGKILL


def test_without_a_cli_the_error_says_how_to_get_one(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RunnerError, match=r"no `pulumi` on PATH.*make setup"):
        PulumiProcess().run(["up"], cwd=tmp_path, env={})


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_lets_the_cli_finish_what_is_in_flight(start, tmp_path, number):
    runner = start()
    eventually(tmp_path / "started")
    runner.send_signal(number)
    assert noted(tmp_path, 1) == ["INT"]
    (tmp_path / "finish").touch()
    out, err = runner.communicate(timeout=30)
    assert runner.returncode == 8
    assert out == "stopped by a signal; the next `deploy` finishes what this one began\n"
    assert err == "stopping: the operation in flight is finished first; a second signal ends at once\n"
    assert (tmp_path / "finished").exists()
    assert noted(tmp_path, 1) == ["INT"]


def test_a_second_signal_ends_the_cli_at_once(start, tmp_path):
    runner = start()
    eventually(tmp_path / "started")
    runner.send_signal(signal.SIGINT)
    noted(tmp_path, 1)
    runner.send_signal(signal.SIGINT)
    out, _ = runner.communicate(timeout=30)
    assert (runner.returncode, noted(tmp_path, 2)) == (8, ["INT", "TERM"])
    assert "stopped by a signal" in out
    assert not (tmp_path / "finished").exists()


def test_ctrl_c_in_the_terminal_reaches_the_cli_once_and_through_the_runner_only(start, tmp_path):
    before = "os.setsid()"  # the runner leads a process group of its own, as a shell's foreground job does
    runner = start(before)
    eventually(tmp_path / "started")
    os.killpg(runner.pid, signal.SIGINT)
    assert noted(tmp_path, 1) == ["INT"]
    (tmp_path / "finish").touch()
    runner.communicate(timeout=30)
    assert noted(tmp_path, 1) == ["INT"]


def test_a_killed_runner_does_not_kill_the_cli_in_the_middle_of_its_output(start, tmp_path):
    runner = start()
    eventually(tmp_path / "started")
    runner.kill()
    runner.wait()
    (tmp_path / "finish").touch()  # it prints at least once more before it looks
    eventually(tmp_path / "finished")


def test_a_signal_without_a_cli_ends_the_run_and_says_that_nothing_was_in_flight(start):
    runner = start(work="signal.raise_signal(signal.SIGTERM)")
    out, _ = runner.communicate(timeout=30)
    assert (runner.returncode, out) == (8, "stopped by SIGTERM; nothing was in flight\n")


def test_a_signal_while_the_cli_starts_reaches_it_and_leaves_no_update_behind(start, tmp_path):
    before = """
class Popen(subprocess.Popen):
    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        while not os.path.exists("started"):
            pass
        signal.raise_signal(signal.SIGINT)
process.subprocess.Popen = Popen
"""
    runner = start(before)
    assert noted(tmp_path, 1) == ["INT"]
    assert runner.poll() is None  # it waits for the CLI
    (tmp_path / "finish").touch()
    out, _ = runner.communicate(timeout=30)
    assert (runner.returncode, (tmp_path / "finished").exists()) == (8, True)
    assert re.match("stopped by a signal", out)
