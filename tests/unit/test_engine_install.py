from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.processes import eventually
from tools.engine import (
    EngineError,
    __main__,
    build,
    cache,
    installer,
    official,
    progress,
    provider,
    versions,
)

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Machine:
    made = Machine()
    monkeypatch.setenv("MODEL_DEPLOYMENT_CACHE", str(tmp_path))
    monkeypatch.setattr(official, "unreachable", lambda: made.unreachable)
    monkeypatch.setattr(official, "install", made.download)
    monkeypatch.setattr(build, "go_command", made.go_command)
    monkeypatch.setattr(provider, "find", lambda: Path(sys.executable))
    monkeypatch.setattr(build, "install", made.build)
    return made


class Machine:
    """What can be had on a machine, and what was done on it."""

    def __init__(self) -> None:
        self.unreachable: str | None = None
        self.go: str | None = "go"
        self.broken: set[str] = set()
        self.done: list[str] = []

    def go_command(self) -> str:
        if self.go is None:
            raise EngineError("Go is not on PATH")
        return self.go

    def download(self, folder: Path) -> None:
        self._do("download")

    def build(self, folder: Path, go: str, terraform_provider: Path) -> None:
        self._do("build")

    def _do(self, what: str) -> None:
        self.done.append(what)
        if what in self.broken:
            raise EngineError(f"{what} failed")


def test_the_official_release_comes_first(machine: Machine) -> None:
    engine = installer.install()
    assert (engine.kind, engine.cli, machine.done) == ("official", versions.CLI_OFFICIAL, ["download"])


def test_it_is_built_where_the_host_cannot_be_reached(machine: Machine) -> None:
    machine.unreachable = "no answer within 5 s"
    engine = installer.install()
    assert (engine.kind, engine.cli, machine.done) == ("built", versions.CLI_BUILT, ["build"])
    assert engine.terraform_provider == sys.executable


def test_it_is_built_where_the_download_breaks_off(machine: Machine) -> None:
    machine.broken = {"download"}
    assert installer.install().kind == "built"
    assert machine.done == ["download", "build"]


def test_a_second_installation_does_nothing(machine: Machine) -> None:
    first = installer.install()
    assert installer.install() == first
    assert machine.done == ["download"]


def test_a_machine_that_has_nothing_is_told_in_one_line_what_was_tried(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    machine.unreachable, machine.go = "HTTP 403", None
    assert __main__.main(["install"]) == 1
    told = capsys.readouterr().err.strip().splitlines()
    assert len(told) == 1
    for part in ("get.pulumi.com cannot be reached: HTTP 403", "Go is not on PATH", "ENGINE=none"):
        assert part in told[0]


def test_what_failed_is_tried_again_the_next_time(machine: Machine) -> None:
    machine.broken = {"download", "build"}
    with pytest.raises(EngineError, match=r"download failed.*build failed"):
        installer.install()
    machine.broken = set()
    assert installer.install().kind == "official"


def test_an_engine_that_does_not_fit_the_python_packages_is_refused(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    installer.install()
    monkeypatch.setattr(versions, "installed_version", lambda package: "3.999.0")
    for ask in (installer.install, installer.environment):
        with pytest.raises(EngineError, match=r"3\.999\.0"):
            ask()


def test_the_environment_leads_to_this_engine_alone(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(EngineError, match="make setup"):
        installer.environment()
    monkeypatch.setenv("PATH", "/usr/bin")
    engine = installer.install()
    variables = installer.environment()
    assert variables["PATH"] == f"{engine.folder}/bin:/usr/bin"
    assert variables["PULUMI_HOME"] == str(engine.home)
    assert "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION" not in variables


def test_a_built_engine_looks_for_no_plugin_in_the_network(machine: Machine) -> None:
    machine.unreachable = "refused"
    installer.install()
    assert installer.environment()["PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION"] == "true"


def test_the_environment_is_printed_for_a_shell(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    installer.install()
    monkeypatch.setenv("PATH", "/it's/here")
    capsys.readouterr()
    assert __main__.main(["env"]) == 0
    script = capsys.readouterr().out + '/usr/bin/printf "%s" "$PATH"'
    shown = subprocess.run(["/bin/sh", "-c", script], capture_output=True, text=True, check=True).stdout
    assert shown == installer.environment()["PATH"]


def test_the_status_says_what_is_there(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    assert __main__.main(["status"]) == 1
    machine.unreachable = "refused"
    engine = installer.install()
    (cache.root() / "0123456789abcdef").mkdir()
    capsys.readouterr()
    assert __main__.main(["status"]) == 0
    told = capsys.readouterr().out
    for part in (
        "built engine",
        str(engine.folder),
        versions.CLI_BUILT,
        versions.AWS_PLUGIN,
        sys.executable,
        "1 more",
    ):
        assert part in told


def test_a_host_that_never_answers_costs_the_timeout_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        assert official.unreachable(f"http://127.0.0.1:{port}/", timeout_s=0.3) is not None
    assert "refused" in (official.unreachable(f"http://127.0.0.1:{port}/", timeout_s=30) or "")


def test_a_step_shows_that_it_is_alive(capsys: pytest.CaptureFixture[str]) -> None:
    script = "import time; time.sleep(0.5)"
    progress.run("waiting", [sys.executable, "-c", script], heartbeat_s=0.05)
    told = capsys.readouterr().err.splitlines()
    assert told[0] == "engine: waiting …"
    assert told[1] == "engine: waiting … 0 s"


def test_a_step_that_fails_says_its_last_lines() -> None:
    script = "print('\\n'.join(map(str, range(99)))); raise SystemExit('no proxy')"
    with pytest.raises(EngineError) as raised:
        progress.run("building", [sys.executable, "-c", script])
    assert "building failed (1)" in str(raised.value)
    assert "no proxy" in str(raised.value)
    assert len(str(raised.value).splitlines()) == progress.TAIL_LINES


def test_a_program_that_is_missing_is_named() -> None:
    with pytest.raises(EngineError, match=r"building failed.*/no/such/go"):
        progress.run("building", ["/no/such/go"])


INSTALLATION = """
import signal, sys
from tools.engine import __main__, installer, progress
signal.signal(signal.SIGINT, signal.default_int_handler)  # tests that a shell runs in the background ignore it
installer.install = lambda: progress.run("building", [sys.executable, "-c", sys.argv[1], sys.argv[2]])
sys.exit(__main__.main(["install"]))
"""

COMPILER = """
import os, subprocess, sys, time
wait = [sys.executable, "-c", "import time; time.sleep(600)"]
print(os.getpid(), subprocess.Popen(wait).pid, file=open(sys.argv[1], "w"), flush=True)
time.sleep(600)
"""


@dataclass
class Installation:
    """An installation in which a compiler runs, and below that another."""

    process: subprocess.Popen[str]
    compilers: list[int]

    def told(self) -> str:
        """What it said until its end."""
        return self.process.communicate(timeout=60)[1]

    def compilers_end(self) -> bool:
        return all(select.select([handle], [], [], 30)[0] for handle in self.compilers)


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[Installation]:
    written = tmp_path / "pids"
    command = [sys.executable, "-c", INSTALLATION, COMPILER, str(written)]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) as process:
        eventually(lambda: written.exists() and written.read_text().endswith("\n"))
        compilers = [os.pidfd_open(int(pid)) for pid in written.read_text().split()]
        yield Installation(process, compilers)
        process.kill()
        for handle in compilers:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(handle, signal.SIGKILL)
            os.close(handle)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_installation_ends_its_compilers(
    installation: Installation, number: signal.Signals
) -> None:
    installation.process.send_signal(number)
    assert "interrupted" in installation.told()
    assert installation.process.returncode == 130
    assert installation.compilers_end()


def test_a_killed_installation_takes_its_compilers_with_it(installation: Installation) -> None:
    installation.process.kill()
    installation.told()
    assert installation.compilers_end()


def test_a_built_engine_keeps_no_automatic_logs_not_even_those_of_its_installation(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "pulumi.log").write_text("of the installation")
    build.keep_no_logs(tmp_path)
    assert (tmp_path / "logs").is_file()
