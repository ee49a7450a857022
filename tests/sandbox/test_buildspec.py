from __future__ import annotations

import pytest

from sandbox.cloud.codebuild.buildspec import BadBuildspec, read_buildspec
from sandbox.cloud.codebuild.variables import split_reference


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("version: 0.1\nphases: {}", "this cloud knows 0.2"),
        ("version: 0.2", "no phases"),
        ("version: 0.2\nphases: {test: {}}", "phases has test"),
        ("version: 0.2\nbatch: {}\nphases: {build: {}}", "the buildspec has batch"),
        ("version: 0.2\nphases: {build: {commands: [{a: b}]}}", "must be a list of texts"),
        ("version: 0.2\nphases: {build: {on-failure: RETRY}}", "ABORT and CONTINUE"),
        ("a: [", "not YAML"),
        ("- a", "must be a mapping"),
    ],
)
def test_a_buildspec_that_cannot_be_used_says_why(text: str, said: str) -> None:
    with pytest.raises(BadBuildspec, match=said):
        read_buildspec(text)


@pytest.mark.parametrize(
    ("reference", "parts"),
    [
        ("s", ("s", "", "", "")),
        ("s:key", ("s", "key", "", "")),
        ("s::AWSPREVIOUS", ("s", "", "AWSPREVIOUS", "")),
        (
            "arn:aws:secretsmanager:r:1:secret:s-x:k:AWSCURRENT:v",
            ("arn:aws:secretsmanager:r:1:secret:s-x", "k", "AWSCURRENT", "v"),
        ),
    ],
)
def test_a_reference_to_a_secret_is_split(reference: str, parts: tuple[str, ...]) -> None:
    assert split_reference(reference) == parts
