"""The runner's decisions, its sequence against fakes of engine and AWS, and its child process as a small fake `pulumi`.

Proves: what the runner decides, says, asks and in which order, and how it ends.
Does not prove: what the real CLI prints and does; tests/engine/test_runner_*.py does.
"""

import os
import sys
from pathlib import Path

import pytest


class FakePulumi:
    """A `pulumi` on PATH, written in Python; called with the text of its program."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, program: str) -> Path:
        path = self.folder / "bin" / "pulumi"
        path.parent.mkdir(exist_ok=True)
        # -S and -E: nothing of the virtual environment is loaded, so it starts quickly.
        path.write_text(f"#!{sys.executable} -SE\nimport os, signal, sys, time\n{program}\n")
        path.chmod(0o755)
        return path


@pytest.fixture
def fake_pulumi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakePulumi:
    made = FakePulumi(tmp_path)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    return made
