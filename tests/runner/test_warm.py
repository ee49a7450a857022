import os
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from runner.warm import WarmPlugin


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Install a fake `aws` plugin; called with the text of its program."""
    monkeypatch.setenv("PULUMI_HOME", str(tmp_path))

    def install(program: str) -> None:
        path = tmp_path / "plugins" / f"resource-aws-v{version('pulumi-aws')}" / "pulumi-resource-aws"
        path.parent.mkdir(parents=True)
        path.write_text(f"#!{sys.executable} -SE\nimport os, signal, sys, time\n{program}\n")
        path.chmod(0o755)

    return install


def lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def announced(warm: WarmPlugin) -> dict[str, str]:
    """What the plugin gives once it had the time to start; a busy machine needs more than one look."""
    for _ in range(100):
        if found := warm.variables():
            return found
    return {}


def test_an_engine_attaches_to_the_plugin_that_runs_already(plugin):
    plugin("print(4711, flush=True); sys.stdin.read()")
    warm = WarmPlugin()
    try:
        assert announced(warm) == {"PULUMI_DEBUG_PROVIDERS": "aws:4711"}
    finally:
        warm.close()


def test_without_an_installed_plugin_there_is_no_head_start(tmp_path, monkeypatch):
    monkeypatch.setenv("PULUMI_HOME", str(tmp_path))
    warm = WarmPlugin()
    assert warm.variables() == {}
    warm.close()


@pytest.mark.parametrize("program", ["sys.exit(1)", "print('no port', flush=True); sys.stdin.read()"])
def test_a_plugin_that_gives_no_port_is_not_used(plugin, program):
    plugin(program)
    warm = WarmPlugin()
    try:
        assert warm.variables() == {}
        assert warm._child is None
    finally:
        warm.close()


def test_closing_ends_the_plugin_and_may_be_repeated(plugin):
    plugin("print(4711, flush=True); sys.stdin.read(); time.sleep(60)")
    warm = WarmPlugin()
    pid = warm._child.pid
    assert lives(pid)
    warm.close()
    warm.close()
    assert not lives(pid)
    assert warm.variables() == {}


def test_a_plugin_that_does_not_listen_to_a_request_to_end_is_killed(plugin, monkeypatch):
    monkeypatch.setattr("runner.warm._END_WAIT_S", 0.05)
    plugin("signal.signal(signal.SIGTERM, signal.SIG_IGN); print(4711, flush=True); time.sleep(60)")
    warm = WarmPlugin()
    pid = warm._child.pid
    assert announced(warm)
    warm.close()
    assert not lives(pid)
