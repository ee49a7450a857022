"""The demo as a user runs it, in a checkout, with a home and a port of its own. Its story holds itself to its facts."""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

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


def test_the_demo_fails_loudly_when_an_endpoint_serves_another_version_than_it_must(run, checkout):
    program = checkout / "__main__.py"
    right = '"model_package_arn": wanted.package_arn'
    assert right in program.read_text()
    wrong = f'{right}.rsplit("/", 1)[0] + "/1"'
    program.write_text(program.read_text().replace(right, wrong))
    assert run("sandbox", "start").returncode == 0
    done = run("demo")
    assert "it ran already: emptied" in done.stdout
    assert done.returncode == 1
    assert "The demo failed: iris-staging serves" in done.stderr
    assert (
        "model-package/iris/1, expected was arn:aws:sagemaker:us-east-1:123456789012:model-package/iris/2"
        in done.stderr
    )
