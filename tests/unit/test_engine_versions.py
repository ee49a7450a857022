from __future__ import annotations

import re
from pathlib import Path

import pytest

from tools.engine import EngineError, versions

ROOT = Path(__file__).parents[2]


def locked(package: str) -> str:
    found = re.search(rf"^{re.escape(package)}==(\S+)", (ROOT / "requirements.txt").read_text(), re.MULTILINE)
    assert found
    return found[1]


def required(module: str, package: str) -> str:
    text = (ROOT / "tools" / "engine" / module / "go.mod").read_text()
    found = re.search(rf"^\t{re.escape(package)} v(\S+)", text, re.MULTILINE)
    assert found
    return found[1]


def test_the_versions_are_those_of_the_locks() -> None:
    assert locked("pulumi-aws") == versions.AWS_PLUGIN
    assert locked("pulumi") == versions.CLI_OFFICIAL == versions.NEWEST_SDK_TRIED[versions.CLI_BUILT]
    assert required("cli", "github.com/pulumi/pulumi/pkg/v3") == versions.CLI_BUILT
    assert required("cli", "github.com/pulumi/pulumi/sdk/v3") == versions.CLI_BUILT


@pytest.mark.parametrize(
    ("cli", "sdk"),
    [("3.259.0", "3.272.0"), ("3.272.0", "3.272.0"), ("3.300.1", "3.272.0"), ("v3.259.0", "3.258.9")],
)
def test_pairs_that_are_known_to_work_pass(cli: str, sdk: str) -> None:
    versions.check_pair(cli, sdk)


@pytest.mark.parametrize(
    ("cli", "sdk"),
    [("3.259.0", "3.272.1"), ("3.260.0", "3.261.0"), ("4.0.0", "3.272.0"), ("3.259.0", "4.0.0")],
)
def test_an_unknown_pair_is_refused_with_both_versions_and_the_way_out(cli: str, sdk: str) -> None:
    with pytest.raises(EngineError, match=rf"{cli}.*{sdk}.*make setup.*docs/engine.md"):
        versions.check_pair(cli, sdk)


def test_a_version_that_cannot_be_compared_is_refused() -> None:
    with pytest.raises(EngineError, match=r"3\.272\.0a1"):
        versions.check_pair("3.259.0", "3.272.0a1")


def test_another_pulumi_aws_than_the_plugin_is_refused() -> None:
    with pytest.raises(EngineError, match=r"pulumi-aws 7\.52\.0 is installed.*plugin 7\.51\.1"):
        versions.check_installed(versions.CLI_BUILT, pulumi_aws="7.52.0")


def test_what_is_installed_here_fits_both_engines() -> None:
    versions.check_installed(versions.CLI_BUILT)
    versions.check_installed(versions.CLI_OFFICIAL)
