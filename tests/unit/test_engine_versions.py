from __future__ import annotations

import re
from pathlib import Path

import pytest

from runner import preflight
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
    assert locked("pulumi") == versions.CLI_OFFICIAL == ".".join(map(str, preflight.NEWEST_SDK))
    assert ".".join(map(str, preflight.OLDEST_CLI)) == versions.CLI_BUILT
    assert required("cli", "github.com/pulumi/pulumi/pkg/v3") == versions.CLI_BUILT
    assert required("cli", "github.com/pulumi/pulumi/sdk/v3") == versions.CLI_BUILT


def test_an_engine_that_does_not_fit_the_sdk_is_refused_with_the_way_out() -> None:
    with pytest.raises(
        EngineError, match=r"CLI 3\.259\.0 does not fit.*3\.272\.1.*make setup.*docs/engine.md"
    ):
        versions.check_installed(versions.CLI_BUILT, sdk="3.272.1")


def test_another_pulumi_aws_than_the_plugin_is_refused() -> None:
    with pytest.raises(EngineError, match=r"pulumi-aws 7\.52\.0 is installed.*plugin 7\.51\.1"):
        versions.check_installed(versions.CLI_BUILT, pulumi_aws="7.52.0")


def test_what_is_installed_here_fits_both_engines() -> None:
    versions.check_installed(versions.CLI_BUILT)
    versions.check_installed(versions.CLI_OFFICIAL)
