import subprocess
from importlib.metadata import version

import pytest

from runner import preflight
from runner.errors import RunnerError
from runner.process import ask


@pytest.mark.parametrize(
    ("cli", "sdk"),
    [
        ("3.259.0", "3.272.0"),
        ("3.272.0", "3.272.0"),
        ("3.300.1", "3.272.0"),
        ("3.300.1", "3.300.1"),
        ("3.259.0-alpha.1", "3.258.9"),
    ],
)
def test_pairs_that_were_seen_to_work_or_have_a_newer_cli_fit(cli, sdk):
    assert preflight.misfit(cli, sdk) is None


@pytest.mark.parametrize(
    ("cli", "sdk"),
    [
        ("3.258.9", "3.272.0"),
        ("2.400.0", "3.272.0"),
        ("4.0.0", "3.272.0"),
        ("3.259.0", "3.272.1"),
        ("3.259.0", "4.0.0"),
    ],
)
def test_an_unknown_pair_is_refused_with_both_versions_and_the_way_out(cli, sdk):
    said = preflight.misfit(cli, sdk)
    assert f"Pulumi CLI {cli} does not fit the Python SDK {sdk}: CLI 3.259.0 or newer" in said
    assert "up to 3.272.0" in said or cli == "4.0.0"
    assert "make setup" in said


@pytest.mark.parametrize("cli", ["", "pulumi: command unknown", "3.x.0"])
def test_what_is_no_version_is_shown(cli):
    assert f"`pulumi version` said {cli!r}" in preflight.misfit(cli, "3.272.0")


def test_the_version_is_asked_of_the_cli_on_path(fake_pulumi):
    fake_pulumi("print('v3.272.0')")
    assert preflight.engine_version(fake_pulumi.folder) == "3.272.0"


def test_a_cli_that_does_not_fit_ends_the_run(fake_pulumi):
    fake_pulumi("print('v2.0.0')")
    with pytest.raises(RunnerError, match=f"does not fit the Python SDK {version('pulumi')}"):
        preflight.engine_version(fake_pulumi.folder)


def test_asking_gives_code_output_and_arguments_and_no_terminal(fake_pulumi):
    fake_pulumi(
        "print(sys.argv[1:], os.environ['ASKED'], sys.stdin.read()); print('e', file=sys.stderr); sys.exit(7)"
    )
    done = ask(["stack", "export"], cwd=fake_pulumi.folder, env={"ASKED": "yes"})
    assert (done.code, done.stdout, done.stderr) == (
        7,
        "['--non-interactive', 'stack', 'export'] yes \n",
        "e\n",
    )


def test_without_a_cli_the_error_says_how_to_get_one(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RunnerError, match=r"no `pulumi` on PATH.*make setup"):
        ask(["version"], cwd=tmp_path, env={})


def test_a_real_pulumi_is_never_reached_by_these_tests(fake_pulumi):
    fake_pulumi("print('fake')")
    assert subprocess.run(["pulumi"], capture_output=True, text=True, check=True).stdout == "fake\n"
