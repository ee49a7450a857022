"""The hand-over of a manifest to a program that waits for it."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from registry import ManifestError, load_manifest
from runner.early import EarlyPreview
from tests.support.fakes import manifest, wanted

ROOT = Path(__file__).parents[2]


@pytest.fixture
def pool():
    with ThreadPoolExecutor(max_workers=1) as made:
        yield made


def test_the_program_gets_what_is_handed_over_later(pool, tmp_path):
    path = tmp_path / "manifest.json"
    early = EarlyPreview(pool, lambda: load_manifest(path), path)
    assert early.outcome(manifest(wanted()).to_json()) == manifest(wanted())
    early.give_up()


def test_a_preview_that_is_given_up_ends_and_never_takes_nothing_for_an_empty_manifest(pool, tmp_path):
    path, ended = tmp_path / "manifest.json", []

    def program():
        with pytest.raises(ManifestError, match="the manifest is not JSON"):
            load_manifest(path)
        ended.append(True)

    early = EarlyPreview(pool, program, path)
    early.give_up()
    early.give_up()
    assert ended == [True]


def test_a_preview_that_fails_raises_its_failure(pool, tmp_path):
    early = EarlyPreview(pool, lambda: 1 // 0, tmp_path / "manifest.json")
    with pytest.raises(ZeroDivisionError):
        early.outcome("{}")


def test_a_program_does_not_wait_for_a_runner_that_was_killed(tmp_path):
    path = tmp_path / "manifest.json"
    killed = f"""
import os, signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from runner.early import EarlyPreview
EarlyPreview(ThreadPoolExecutor(1), lambda: None, Path({str(path)!r}))
os.kill(os.getpid(), signal.SIGKILL)
"""
    assert subprocess.run([sys.executable, "-c", killed], cwd=ROOT, check=False).returncode == -9
    with pytest.raises(ManifestError):
        load_manifest(path)
