"""`settings.load` with the values as a Pulumi engine gives them: text, with JSON for lists and objects."""

import json
from pathlib import Path

import pulumi
import pytest
from pulumi.runtime import set_all_config

from settings import SettingsError, load, read

ROOT = Path(__file__).parents[2]
STAGING = {
    "aws:region": "us-east-1",
    "model-deployment:environment": "Staging",
    "model-deployment:allowedAccount": "123456789012",
    "model-deployment:models": '["iris"]',
    "model-deployment:subnets": "[]",
    "model-deployment:tags": "{}",
    "model-deployment:maxRemovals": "1",
}


@pytest.fixture
def engine(monkeypatch):
    """Sets the engine's values; they are gone after the test."""
    monkeypatch.delenv("PULUMI_CONFIG", raising=False)
    monkeypatch.setattr(pulumi, "get_stack", lambda: "staging")
    yield set_all_config
    set_all_config({})


def test_the_program_gets_the_same_settings_as_the_runner(engine):
    engine(STAGING)
    assert load() == read(ROOT, "staging")
    assert load().digest() == read(ROOT, "staging").digest()


def test_values_in_the_environment_of_the_program_count_too(engine, monkeypatch):
    engine({})
    monkeypatch.setenv("PULUMI_CONFIG", json.dumps(STAGING))
    assert load() == read(ROOT, "staging")


def test_a_value_given_on_the_command_line_wins_over_the_stack_file(engine):
    engine(STAGING | {"model-deployment:maxRemovals": "7"})
    assert load().max_removals == 7


@pytest.mark.parametrize(
    ("key", "value", "complaint"),
    [
        ("model-deployment:modles", "[]", "unknown key model-deployment:modles"),
        ("model-deployment:models", "iris", 'found "iris"'),
        ("model-deployment:models", '["a_b"]', 'models[0]: found "a_b"'),
        ("model-deployment:maxRemovals", "-1", 'found "-1"'),
        ("aws:region", "", 'aws:region: found ""'),
    ],
)
def test_what_the_engine_lets_pass_is_refused(engine, key, value, complaint):
    engine(STAGING | {key: value})
    with pytest.raises(SettingsError) as refused:
        load()
    assert complaint in str(refused.value)
