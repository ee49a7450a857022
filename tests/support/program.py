"""The project's own Pulumi program, `__main__.py`, run under the mock engine as `pulumi up` runs it."""

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pulumi
import pytest

from tests.support.engine import Recorded, run_program

ROOT = Path(__file__).parents[2]
CONFIG: dict[str, Any] = {
    "aws:region": "us-east-1",
    "model-deployment:environment": "Staging",
    "model-deployment:allowedAccount": "123456789012",
    "model-deployment:models": '["iris"]',
}
"""A stack's configuration as the engine hands it over: lists as JSON text."""


def load_program() -> ModuleType:
    """The program's module; inside a program it registers its entry point, as `pulumi up` makes it."""
    spec = importlib.util.spec_from_file_location("program", ROOT / "__main__.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def functions(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The program's functions, without running it."""
    with monkeypatch.context() as patch:
        patch.setattr(pulumi, "run", lambda _main: None)
        return load_program()


def run_main(
    monkeypatch: pytest.MonkeyPatch,
    manifest: Path | None = None,
    *,
    config: dict[str, Any] | None = None,
    stack: str = "staging",
    prepare: Callable[[ModuleType], None] = lambda _program: None,
) -> Recorded:
    """Run the program of one stack; ``prepare`` may replace what it asks of AWS."""
    monkeypatch.setenv("PULUMI_CONFIG", json.dumps({**CONFIG, **(config or {})}))
    if manifest:
        monkeypatch.setenv("MODEL_DEPLOYMENT_MANIFEST", str(manifest))
    return run_program(lambda: prepare(load_program()), stack=stack)
