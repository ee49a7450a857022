import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry import (
    IgnoredPackage,
    LiveEndpoint,
    Manifest,
    ManifestError,
    NameCollisionError,
    WantedEndpoint,
    load_manifest,
)

LIVE = LiveEndpoint("InService", "churn-config-1", "instance", {"main": 3}, None)
WANTED = WantedEndpoint(
    name="churn-staging",
    group="churn",
    package_arn="arn:aws:sagemaker:us-east-1:123456789012:model-package/churn/7",
    package_version=7,
    mlflow_version="7",
    images=("123456789012.dkr.ecr.us-east-1.amazonaws.com/sklearn:1",),
    model_data_urls=("s3://bucket/churn/7/model.tar.gz",),
    live=LIVE,
)
IGNORED = IgnoredPackage(
    "arn:aws:sagemaker:us-east-1:123456789012:model-package/churn/6", "mlflow stage is Archived"
)
MANIFEST = Manifest(environment="Staging", endpoints=(WANTED,), ignored=(IGNORED,))

TEXTS = st.text(max_size=20)
LIVES = st.builds(
    LiveEndpoint,
    TEXTS,
    TEXTS,
    st.sampled_from(["instance", "serverless"]),
    st.dictionaries(TEXTS, st.integers()),
    st.none() | TEXTS,
)
ENDPOINTS = st.builds(
    WantedEndpoint,
    TEXTS,
    TEXTS,
    TEXTS,
    st.integers(),
    st.none() | TEXTS,
    st.tuples(TEXTS),
    st.tuples(),
    st.none() | LIVES,
)
MANIFESTS = st.builds(
    Manifest,
    environment=TEXTS,
    endpoints=st.lists(ENDPOINTS, unique_by=lambda wanted: wanted.name.lower(), max_size=4).map(tuple),
    ignored=st.lists(st.builds(IgnoredPackage, TEXTS, TEXTS), max_size=4).map(tuple),
)


@given(MANIFESTS)
def test_a_manifest_comes_back_from_its_text_as_it_was(manifest):
    assert Manifest.from_json(manifest.to_json()) == manifest
    assert Manifest.from_json(manifest.to_json()).digest() == manifest.digest()


def test_the_text_has_the_form_that_the_architecture_gives():
    document = json.loads(MANIFEST.to_json())
    assert document["version"] == 1
    assert document["environment"] == "Staging"
    assert document["endpoints"][0]["live"]["instance_counts"] == {"main": 3}
    assert document["ignored"] == [{"package_arn": IGNORED.package_arn, "reason": IGNORED.reason}]


def test_endpoints_are_sorted_by_name_and_ignored_packages_by_version():
    endpoints = tuple(replace(WANTED, name=name) for name in ("b", "a"))
    ignored = tuple(IgnoredPackage(f"arn:x/churn/{version}", "old") for version in (10, 9, 100))
    manifest = Manifest(environment="Staging", endpoints=endpoints, ignored=ignored)
    assert [wanted.name for wanted in manifest.endpoints] == ["a", "b"]
    assert [entry.package_arn for entry in manifest.ignored] == [
        "arn:x/churn/9",
        "arn:x/churn/10",
        "arn:x/churn/100",
    ]


def test_what_is_live_and_what_is_ignored_do_not_change_the_digest():
    other = replace(MANIFEST, endpoints=(replace(WANTED, live=None),), ignored=())
    assert other.digest() == MANIFEST.digest()


@pytest.mark.parametrize(
    "change",
    [
        {"name": "churn-other"},
        {"group": "other"},
        {"package_arn": "arn:x/churn/8"},
        {"package_version": 8},
        {"mlflow_version": None},
        {"images": ()},
        {"model_data_urls": ()},
    ],
)
def test_anything_that_is_wanted_changes_the_digest(change):
    assert replace(MANIFEST, endpoints=(replace(WANTED, **change),)).digest() != MANIFEST.digest()


def test_the_environment_changes_the_digest():
    assert replace(MANIFEST, environment="Production").digest() != MANIFEST.digest()


def _changed(path, value):
    document = json.loads(MANIFEST.to_json())
    inner = document
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return json.dumps(document)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "not JSON"),
        ("{", "not JSON"),
        ("[]", "list, not dict"),
        ("{}", "missing or unknown keys"),
        (MANIFEST.to_json()[:-20], "not JSON"),
        (_changed(["extra"], 1), "extra"),
        (_changed(["version"], 2), "version 2"),
        (_changed(["version"], True), "version is bool"),
        (_changed(["endpoints"], None), "endpoints is NoneType"),
        (_changed(["endpoints", 0, "package_version"], "7"), r"endpoints\[0\].package_version is str"),
        (_changed(["endpoints", 0, "images"], [1]), r"endpoints\[0\].images is int"),
        (_changed(["endpoints", 0, "live"], {}), r"endpoints\[0\].live has missing"),
        (_changed(["endpoints", 0, "live", "kind"], "gpu"), "gpu"),
        (_changed(["endpoints", 0, "live", "instance_counts"], {"main": "3"}), "instance_counts is str"),
        (_changed(["ignored", 0, "reason"], None), "reason is NoneType"),
    ],
)
def test_a_text_that_is_no_manifest_is_refused_and_never_empty(text, complaint):
    with pytest.raises(ManifestError, match=complaint):
        Manifest.from_json(text)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | TEXTS,
        lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner),
    )
)
def test_no_json_passes_for_a_manifest_by_chance(document):
    with pytest.raises(ManifestError):
        Manifest.from_json(json.dumps(document))


def test_two_endpoints_of_one_name_are_refused():
    twice = replace(MANIFEST, endpoints=(WANTED, replace(WANTED, package_arn="arn:x/churn/8")))
    with pytest.raises(NameCollisionError):
        Manifest.from_json(twice.to_json())


def test_a_manifest_is_read_from_its_file(tmp_path):
    path = tmp_path / "manifest.json"
    path.write_text(MANIFEST.to_json(), encoding="utf-8")
    assert load_manifest(path) == MANIFEST


@pytest.mark.parametrize("content", [None, b"\xff", b"{"])
def test_a_manifest_file_that_cannot_be_read_is_named(tmp_path, content):
    path = tmp_path / "manifest.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ManifestError, match=r"manifest\.json"):
        load_manifest(path)
