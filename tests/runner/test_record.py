import json
from dataclasses import replace
from pathlib import Path

import pytest

from registry import LiveEndpoint
from runner import record
from tests.support.fakes import live

ROOT = Path(__file__).parents[2]
VERIFIED = record.Record(inputs="a" * 64, state="b" * 64, live="c" * 64)
PROGRAM = (
    "__main__.py",
    "Pulumi.yaml",
    "requirements.txt",
    "components/endpoint.py",
    "registry/manifest.py",
    "settings/inference.py",
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A small project with every kind of program file."""
    for name in PROGRAM:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"# {name}\n")
    return tmp_path


def digest(root: Path) -> str:
    return record.inputs_digest(root, "manifest", "settings")


def test_nothing_changed_gives_the_same_digest(root):
    assert digest(root) == digest(root)


@pytest.mark.parametrize("name", PROGRAM)
def test_a_change_in_any_program_file_is_seen(root, name):
    before = digest(root)
    (root / name).write_text("# changed\n")
    assert digest(root) != before


@pytest.mark.parametrize("name", ["components/new.py", "registry/deeper/new.py", "settings/new.py"])
def test_a_new_program_file_is_seen(root, name):
    before = digest(root)
    (root / name).parent.mkdir(exist_ok=True)
    (root / name).touch()
    assert digest(root) != before


def test_a_renamed_program_file_is_seen(root):
    before = digest(root)
    (root / "components/endpoint.py").rename(root / "components/renamed.py")
    assert digest(root) != before


def test_another_manifest_or_other_settings_are_seen_and_not_taken_for_one_another(root):
    digests = {
        record.inputs_digest(root, *texts)
        for texts in (("m", "s"), ("m", "S"), ("M", "s"), ("s", "m"), ("ms", ""))
    }
    assert len(digests) == 5


@pytest.mark.parametrize("library", ["pulumi", "pulumi-aws", "pydantic", "pyyaml", "botocore"])
def test_another_version_of_a_library_is_seen(root, monkeypatch, library):
    before, installed = digest(root), record.version
    monkeypatch.setattr(record, "version", lambda name: "0" if name == library else installed(name))
    assert digest(root) != before


def test_every_module_that_the_program_imports_is_a_program_file():
    listed = {path.relative_to(ROOT) for path in record._program(ROOT)}
    for folder in ("components", "registry", "settings"):
        assert {path.relative_to(ROOT) for path in (ROOT / folder).rglob("*.py")} <= listed
    assert all((ROOT / path).is_file() for path in listed)


BASE = live("config-1")


@pytest.mark.parametrize(
    "changed",
    [
        replace(BASE, status="Updating"),
        replace(BASE, config="config-2"),
        replace(BASE, kind="serverless"),
        replace(BASE, instance_counts={"main": 2}),
        replace(BASE, failure_reason="reason"),
        None,
    ],
)
def test_any_drift_of_a_live_endpoint_is_seen(changed: LiveEndpoint | None):
    assert record.live_digest({"churn": changed}) != record.live_digest({"churn": BASE})


def test_one_endpoint_more_or_less_or_another_name_is_seen():
    digests = {
        record.live_digest(answer) for answer in ({}, {"a": BASE}, {"b": BASE}, {"a": BASE, "b": BASE})
    }
    assert len(digests) == 4


def test_the_order_of_endpoints_does_not_matter():
    other = live("config-2")
    assert record.live_digest({"a": BASE, "b": other}) == record.live_digest({"b": other, "a": BASE})


def test_a_record_is_read_back_as_it_was_written():
    assert record.parse_record(VERIFIED.to_json()) == VERIFIED


def test_a_record_fits_an_ssm_parameter():
    assert len(VERIFIED.to_json()) < 4096


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "not json",
        "null",
        "[]",
        '"text"',
        "{}",
        json.dumps({"version": 2, "inputs": "a", "state": "b", "live": "c"}),
        json.dumps({"version": 1, "inputs": "a", "state": "b"}),
        json.dumps({"version": 1, "inputs": "a", "state": "b", "live": "c", "more": "d"}),
    ],
)
def test_a_record_that_cannot_be_trusted_is_none(text):
    assert record.parse_record(text) is None


def test_each_stack_has_a_parameter_of_its_own():
    assert (
        record.parameter_name("model-deployment", "staging")
        == "/model-deployment/staging/last-verified-deploy"
    )


def test_another_engine_is_another_input(tmp_path, monkeypatch):
    (tmp_path / "pulumi").write_text("#!/bin/sh\n")
    (tmp_path / "pulumi").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    before = record._engine()
    (tmp_path / "pulumi").write_text("#!/bin/sh\n# newer\n")
    assert before != record._engine()
    assert before[0][0] == "pulumi"
