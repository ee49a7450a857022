"""The JSON Schema that editors use says what the program says."""

import json
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
import yaml

from settings.inference import InferenceFile, InferenceKeys, Section, Vpc, inference_schema

ROOT = Path(__file__).parents[2]
COMMITTED = ROOT / "config/inference.schema.json"
INSTANCES = {"InstanceType": "ml.m5.large", "InstanceCount": 1}
SERVERLESS = {"ServerlessSizeInMB": 2048}


@pytest.fixture(scope="module")
def validator():
    schema = json.loads(COMMITTED.read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def test_the_committed_schema_is_that_of_the_models():
    assert json.loads(COMMITTED.read_text(encoding="utf-8")) == inference_schema(), "run `make schema`"


def test_the_command_of_make_schema_prints_the_committed_file():
    done = subprocess.run(
        [sys.executable, "-m", "settings"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout == COMMITTED.read_text(encoding="utf-8")


def test_the_shipped_file_names_the_schema_and_is_valid(validator):
    text = (ROOT / "config/inference.yaml").read_text(encoding="utf-8")
    assert text.startswith("# yaml-language-server: $schema=inference.schema.json\n")
    validator.validate(yaml.safe_load(text))


def test_every_key_is_described_to_the_editor(validator):
    definitions = validator.schema["$defs"]
    for name in ("Section", "InferenceKeys", "Vpc"):
        assert all(key.get("description") for key in definitions[name]["properties"].values())


@pytest.mark.parametrize(
    "section",
    [
        INSTANCES,
        SERVERLESS,
        INSTANCES
        | {
            "Select": "LatestApproved",
            "Models": {"iris": {"InstanceCount": 2, "Select": {"MlflowAlias": "champion"}}},
        },
        INSTANCES
        | {
            "Vpc": {"Subnets": ["subnet-1"], "SecurityGroupIds": ["sg-1"]},
            "Tags": {"a": "b"},
            "Environment": {"A": "1"},
        },
    ],
)
def test_good_files_are_valid(validator, section):
    validator.validate({"Staging": section})


@pytest.mark.parametrize(
    "document",
    [
        {"Stagin": INSTANCES},
        {"Staging": None},
        {"Staging": {}},
        {"Staging": {"InstanceType": "ml.m5.large"}},
        {"Staging": INSTANCES | SERVERLESS},
        {"Staging": INSTANCES | {"InstanceCount": 0}},
        {"Staging": INSTANCES | {"InstanceCount": "1"}},
        {"Staging": INSTANCES | {"instance_count": 1}},
        {"Staging": INSTANCES | {"KmsKeyId": None}},
        {"Staging": INSTANCES | {"NetworkIsolation": "yes"}},
        {"Staging": INSTANCES | {"Vpc": {"Subnets": ["subnet-1"]}}},
        {"Staging": INSTANCES | {"Select": {"MlflowAlias": "latest"}}},
        {"Staging": INSTANCES | {"Select": {"MlflowAlias": "a", "MlflowStage": "Staging"}}},
        {"Staging": INSTANCES | {"Environment": {"1": "a"}}},
        {"Staging": INSTANCES | {"Models": {"iris": {"Models": {}}}}},
        {"Staging": INSTANCES | {"Models": {"a_b": {}}}},
        {"Staging": {"ServerlessSizeInMB": 1500}},
    ],
)
def test_broken_files_are_marked_in_the_editor(validator, document):
    with pytest.raises(jsonschema.ValidationError):
        validator.validate(document)


@pytest.mark.parametrize("model", [InferenceFile, Section, InferenceKeys, Vpc])
def test_the_page_about_the_file_explains_every_key(model):
    page = (ROOT / "docs/inference-yaml.md").read_text(encoding="utf-8")
    assert [info.alias for info in model.model_fields.values() if f"`{info.alias}`" not in page] == []


def test_every_example_of_the_page_is_valid(validator):
    page = (ROOT / "docs/inference-yaml.md").read_text(encoding="utf-8")
    examples = [block.split("```")[0] for block in page.split("```yaml\n")[1:]]
    assert examples
    for example in examples:
        validator.validate(yaml.safe_load(example))
