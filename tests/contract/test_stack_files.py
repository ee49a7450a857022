"""Pulumi.yaml, the stack files and settings/ agree."""

from pathlib import Path

import pytest
import yaml

from settings import read
from settings.stack import _StackConfig

ROOT = Path(__file__).parents[2]
PROJECT = yaml.safe_load((ROOT / "Pulumi.yaml").read_text(encoding="utf-8"))
STACKS = sorted(path.name[len("Pulumi.") : -len(".yaml")] for path in ROOT.glob("Pulumi.*.yaml"))


def config_of(stack):
    return yaml.safe_load((ROOT / f"Pulumi.{stack}.yaml").read_text(encoding="utf-8"))["config"]


def test_the_project_runs_in_the_virtual_environment_that_make_sets_up():
    assert PROJECT["name"] == "model-deployment"
    assert PROJECT["runtime"] == {"name": "python", "options": {"toolchain": "pip", "virtualenv": ".venv"}}
    assert "main" not in PROJECT


def test_both_environments_have_a_stack():
    assert {"staging", "production"} <= set(STACKS)


def test_the_stack_files_have_the_same_keys():
    assert config_of("staging").keys() == config_of("production").keys()


def test_every_key_is_declared_and_every_declared_key_is_read():
    read_keys = {str(info.alias) for info in _StackConfig.model_fields.values()}
    assert read_keys == PROJECT["config"].keys()
    given = {
        key.removeprefix("model-deployment:")
        for key in config_of("staging")
        if key.startswith("model-deployment:")
    }
    assert given == read_keys


@pytest.mark.parametrize("key", PROJECT["config"])
def test_each_declaration_has_a_type_and_a_description_that_a_user_can_follow(key):
    declared = PROJECT["config"][key]
    assert declared["type"] in ("string", "integer", "boolean", "array", "object")
    assert declared["description"].endswith(".")
    assert ("items" in declared) == (declared["type"] == "array")
    # What differs between accounts and environments must be said; all else has a default.
    assert ("default" in declared) == (key not in ("environment", "models", "allowedAccount"))


@pytest.mark.parametrize("stack", STACKS)
def test_each_shipped_stack_is_good_and_allows_no_real_account(stack):
    assert read(ROOT, stack).allowed_account == "123456789012"


def test_production_deletes_nothing_unasked():
    assert read(ROOT, "production").max_removals == 0
