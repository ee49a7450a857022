from __future__ import annotations

from pathlib import Path

import pytest

from tools.engine import EngineError, provider, versions


def put(mirror: Path, mode: int = 0o755) -> Path:
    folder = mirror / provider.place()
    folder.mkdir(parents=True)
    binary = folder / f"terraform-provider-aws_v{versions.TERRAFORM_PROVIDER_AWS}_x5"
    binary.touch(mode=mode)
    return binary


def find(home: Path, **variables: str) -> Path:
    given = {"HOME": str(home), "XDG_DATA_DIRS": str(home / "data"), **variables}
    return provider.find(given, opt=home / "opt")


@pytest.mark.parametrize(
    "mirror",
    [
        "opt/plugins",
        ".terraform.d/plugins",
        ".local/share/terraform/plugins",
        "data/terraform/plugins",
    ],
)
def test_a_provider_is_found_where_terraform_looks(tmp_path: Path, mirror: str) -> None:
    binary = put(tmp_path / mirror)
    assert find(tmp_path) == binary


@pytest.mark.parametrize(
    "text",
    [
        'plugin_cache_dir = "{folder}"',
        'provider_installation {{\n  filesystem_mirror {{\n    path = "{folder}"\n  }}\n}}',
    ],
)
def test_a_provider_is_found_where_the_terraform_configuration_says(tmp_path: Path, text: str) -> None:
    binary = put(tmp_path / "mirror")
    config = tmp_path / "terraform.rc"
    config.write_text(text.format(folder=tmp_path / "mirror"))
    assert find(tmp_path, TF_CLI_CONFIG_FILE=str(config)) == binary
    config.rename(tmp_path / ".terraformrc")
    assert find(tmp_path) == binary


def test_a_commented_mirror_and_a_configuration_that_is_not_there_are_passed_over(tmp_path: Path) -> None:
    put(tmp_path / "mirror")
    config = tmp_path / "terraform.rc"
    config.write_text(f'# plugin_cache_dir = "{tmp_path / "mirror"}"\n')
    for name in (config, tmp_path / "none"):
        with pytest.raises(EngineError, match="no terraform-provider-aws"):
            find(tmp_path, TF_CLI_CONFIG_FILE=str(name))


def test_the_cache_of_terraform_comes_before_its_mirrors(tmp_path: Path) -> None:
    put(tmp_path / "opt" / "plugins")
    binary = put(tmp_path / "cache")
    assert find(tmp_path, TF_PLUGIN_CACHE_DIR=str(tmp_path / "cache")) == binary


def test_a_provider_that_is_named_is_taken_and_nothing_else(tmp_path: Path) -> None:
    put(tmp_path / "opt" / "plugins")
    named = tmp_path / "terraform-provider-aws"
    named.touch(mode=0o755)
    assert find(tmp_path, TERRAFORM_PROVIDER_AWS=str(named)) == named
    named.chmod(0o644)
    with pytest.raises(EngineError, match=rf"TERRAFORM_PROVIDER_AWS={named} is not an executable"):
        find(tmp_path, TERRAFORM_PROVIDER_AWS=str(named))


def test_without_a_provider_every_place_is_named(tmp_path: Path) -> None:
    put(tmp_path / "opt" / "plugins", mode=0o644)
    with pytest.raises(EngineError) as raised:
        find(tmp_path)
    told = str(raised.value)
    for place in (
        "opt/plugins",
        ".terraform.d/plugins",
        ".local/share/terraform/plugins",
        "data/terraform/plugins",
    ):
        assert str(tmp_path / place) in told
    assert "TERRAFORM_PROVIDER_AWS" in told
    assert "\n" not in told
