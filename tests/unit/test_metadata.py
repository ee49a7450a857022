import json
import string

import regex
from hypothesis import given
from hypothesis import strategies as st

from registry.metadata import (
    ENVIRONMENTS_KEY,
    PackedModel,
    changes,
    full_text,
    identity,
    promotion,
    provenance,
    stored,
)
from registry.mlflow_values import ModelVersion

# As AWS writes it: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateModelPackage.html
ALLOWED = regex.compile(r"[\p{L}\p{Z}\p{N}_.:/=+\-@]{1,256}")
VERSION = ModelVersion(
    "a b/c.d",
    "7",
    "models:/m-1",
    stage="Staging",
    aliases=frozenset({"champion", "blue"}),
    run_id="abc",
    description='it said "yes", 100 % (é)\n' * 30,
    tags={"owner": "me"},
)
PACKED = PackedModel("s3://b/k", "ab" * 32, "host/image@sha256:12", "tag sagemaker_deploy_image")


@given(st.text())
def test_any_text_becomes_what_aws_can_store(text):
    kept = stored(text)
    assert ALLOWED.fullmatch(kept) or kept == ""
    assert stored(kept) == kept


def test_what_aws_allows_stays_as_it_is():
    text = string.ascii_letters + string.digits + " _.:/=+-@éß日本"
    assert stored(text) == text


def test_defect_15_aliases_and_descriptions_are_within_awss_rules():
    entries = {
        **identity(VERSION, "c" * 32),
        **promotion(VERSION, frozenset({"Staging"})),
        **provenance(PACKED, "s3://b/m"),
    }
    assert entries["mlflow_aliases"] == "blue champion"
    assert len(entries["mlflow_description"]) == 256
    assert all(ALLOWED.fullmatch(text) for text in entries.values())
    assert len(entries) <= 50


def test_a_version_without_run_aliases_or_description_has_no_empty_entry():
    version = ModelVersion("churn", "1", "s3://x")
    entries = {**identity(version, "c"), **promotion(version, frozenset())}
    assert "mlflow_run_id" not in entries
    assert entries[ENVIRONMENTS_KEY] == "None"
    assert all(entries.values())


def test_the_full_text_keeps_what_metadata_cannot():
    document = json.loads(full_text(VERSION, PACKED, "c"))
    assert document["description"] == VERSION.description
    assert document["tags"] == {"owner": "me"}
    assert document["aliases"] == ["blue", "champion"]


def test_only_what_differs_is_written_and_what_is_no_longer_there_is_removed():
    present = {**identity(VERSION, "c"), **promotion(VERSION, frozenset({"Staging"})), "team": "theirs"}
    later = ModelVersion("a b/c.d", "7", "models:/m-1", stage="Production")
    assert changes(present, promotion(VERSION, frozenset({"Staging"}))) == ({}, ())
    assert changes(present, promotion(later, frozenset({"Production"}))) == (
        {"mlflow_current_stage": "Production", ENVIRONMENTS_KEY: "Production"},
        ("mlflow_aliases", "mlflow_description"),
    )
