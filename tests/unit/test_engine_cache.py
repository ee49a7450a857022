from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tools.engine import Engine, cache

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def root(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("MODEL_DEPLOYMENT_CACHE", str(tmp_path))
    return tmp_path / "engine"


def make(provider: str | None = None) -> Engine:
    with cache.lock(), cache.unfinished() as folder:
        (folder / "bin").mkdir()
        return cache.finish(folder, "built" if provider else "official", "3.259.0", provider)


def test_the_cache_is_where_the_user_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert cache.root() == tmp_path / "engine"
    monkeypatch.delenv("MODEL_DEPLOYMENT_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert cache.root() == Path("/somewhere/model-deployment/engine")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache.root() == Path.home() / ".cache/model-deployment/engine"


def test_an_engine_is_found_once_it_is_finished(root: Path) -> None:
    assert cache.find() is None
    made = make()
    assert cache.find() == made
    assert made.folder == root / cache.key()
    assert [path.name for path in root.iterdir() if path.name.startswith(cache.UNFINISHED)] == []


def test_an_installation_that_fails_leaves_nothing(root: Path) -> None:
    def fail() -> None:
        with cache.lock(), cache.unfinished() as folder:
            (folder / cache.LABEL).write_text("{}")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert cache.find() is None
    assert [path.name for path in root.iterdir()] == [".lock"]


KILLED = """
import os, signal
from tools.engine import cache
with cache.lock(), cache.unfinished() as folder:
    (folder / cache.LABEL).write_text('{"kind": "official", "cli": "1", "aws_plugin": "1", "terraform_provider": null}')
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_installation_is_never_used_frees_the_lock_and_is_removed_by_the_next(root: Path) -> None:
    killed = subprocess.run([sys.executable, "-c", KILLED], cwd=ROOT, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert len(list(root.glob(cache.UNFINISHED + "*"))) == 1
    assert cache.find() is None
    with cache.lock():
        cache.remove_unfinished()
    assert list(root.glob(cache.UNFINISHED + "*")) == []


HELD = """
import sys
from tools.engine import cache
with cache.lock():
    print("locked", flush=True)
    sys.stdin.read()
"""


def test_a_second_installation_waits_and_says_for_whom() -> None:
    command = [sys.executable, "-c", HELD]
    first = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert first.stdout is not None
    assert first.stdout.readline() == "locked\n"
    second = subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert second.stderr is not None
    assert f"process {first.pid}" in second.stderr.readline()
    assert second.poll() is None
    first.communicate("")
    told, _ = second.communicate()
    assert (told, second.returncode) == ("locked\n", 0)


def test_an_engine_whose_provider_is_gone_is_not_used_and_is_replaced(tmp_path: Path) -> None:
    provider = tmp_path / "terraform-provider-aws"
    provider.touch(mode=0o755)
    made = make(str(provider))
    assert cache.find() == made
    provider.unlink()
    assert cache.find() is None
    again = make()
    assert cache.find() == again
    assert (again.folder, again.terraform_provider) == (made.folder, None)


def test_the_key_changes_with_every_source_and_with_nothing_else(tmp_path: Path) -> None:
    sources = tmp_path / "sources"
    shutil.copytree(cache.SOURCES, sources, ignore=shutil.ignore_patterns("__pycache__"))
    key = cache.key(sources)
    (sources / "aws" / "more_test.go").write_text("package main")
    (sources / "errors.py").write_text("")
    assert cache.key(sources) == key == cache.key()
    for name in (
        "aws/types.json",
        "aws/go.sum",
        "cli/go.mod",
        "cli/pulumi-language-python/run.go",
        "versions.py",
        "build.py",
    ):
        path = sources / name
        before = path.read_bytes()
        path.write_bytes(before + b"\n")
        assert cache.key(sources) != key, name
        path.write_bytes(before)
    assert cache.key(sources) == key


def test_the_label_says_what_the_engine_is(tmp_path: Path) -> None:
    made = make()
    label = json.loads((made.folder / cache.LABEL).read_text())
    assert label == {
        "kind": "official",
        "cli": "3.259.0",
        "aws_plugin": made.aws_plugin,
        "terraform_provider": None,
    }
    assert made.home == made.folder / "home"
    assert os.access(made.folder, os.X_OK)
