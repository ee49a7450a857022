"""What the benchmarks make of their measurements; that they run is seen by `make bench --quick`, not here."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import __main__ as command_line
from benchmarks import machine, processes, results, terraform, webhook
from benchmarks.commands import BenchmarkError, Commands, Profile, Skipped
from benchmarks.machine import Machine
from benchmarks.processes import ProcessCost, descendants, marked, parse_stat, role
from benchmarks.report import Report, show
from benchmarks.results import Limit, Result, Unmeasured, ratios, straight_line
from benchmarks.workspace import Setting, same_resources

linux_only = pytest.mark.skipif(not machine.is_supported(), reason="the benchmarks need Linux's /proc")

PROFILE = Profile(
    "python -m runner preview staging", 3.0, 640.0, (ProcessCost("runner", 0.0, 3.0, 1.5, 90.0),)
)
RESULT = Result(
    "engine-path",
    "preview",
    100,
    seconds=(8.0, 9.0, 20.0),
    beside="terraform plan",
    beside_seconds=(10.0, 10.0, 10.0),
    limit=Limit(1.0, "ratio"),
    profiles=(PROFILE,),
)


def report(*found: Result, unmeasured: tuple[Unmeasured, ...] = ()) -> Report:
    here = Machine("2026-01-01T00:00:00+00:00", "a processor", 2, 8000, "Linux 6", {"Python": "3.11"})
    return Report(
        "python -m benchmarks", False, 3, here, (0.1, 0.2, 0.3), (1.0, 0.5, 0.4), 12.0, found, unmeasured
    )


# Figures


def test_the_ratio_is_the_median_of_the_pairs_not_the_ratio_of_the_medians():
    # One slow moment that hit both sides of a pair says nothing about either.
    result = Result("b", "w", 1, (1.0, 30.0, 3.0), "t", (2.0, 60.0, 2.0))
    assert result.ratio == 0.5


@given(st.lists(st.floats(0.1, 100), min_size=1, max_size=9), st.floats(0.1, 10))
def test_load_that_slows_both_sides_of_every_pair_alike_changes_no_ratio(seconds, slower):
    plain = Result("b", "w", 1, tuple(seconds), "t", tuple(reversed(seconds)))
    loaded = Result(
        "b", "w", 1, tuple(s * slower for s in seconds), "t", tuple(s * slower for s in reversed(seconds))
    )
    assert loaded.ratio == pytest.approx(plain.ratio)


def test_a_round_without_its_pair_is_an_error():
    with pytest.raises(ValueError, match="shorter"):
        ratios((1.0, 2.0), (1.0,))


@pytest.mark.parametrize(
    ("limit", "met"),
    [
        (Limit(0.9, "ratio"), True),
        (Limit(0.89, "ratio"), False),
        (Limit(9.0, "seconds"), True),
        (Limit(8.9, "seconds"), False),
        (None, None),
    ],
)
def test_a_target_is_held_against_the_median_of_what_it_is_about(limit, met):
    result = Result("b", "w", 1, (9.0, 9.0, 50.0), "t", (10.0, 10.0, 10.0), limit)
    assert result.is_met is met


def test_a_ratio_that_has_nothing_beside_it_is_neither_met_nor_missed():
    assert Result("b", "w", 1, (9.0,), limit=Limit(1.0, "ratio")).is_met is None


def test_the_straight_line_goes_through_both_points_and_on():
    line = [straight_line((1, 3.0), (100, 12.9), at) for at in (1, 100, 1000)]
    assert line == pytest.approx([3.0, 12.9, 102.9])


# Processes


def test_a_process_named_with_spaces_and_parentheses_is_read_right():
    fields = ["S", "7", *["0"] * 9, "200", "100", *["0"] * 6, "4242", "0"]
    stat = parse_stat(f"12 (a) (b c) {' '.join(fields)}")
    assert (stat.parent, stat.began) == (7, 4242)
    assert stat.cpu_s == pytest.approx(300 / processes._TICKS)


def test_a_tree_is_its_root_and_all_below_it_and_nobody_else():
    parents = {1: 0, 10: 1, 11: 10, 12: 11, 20: 1, 21: 20}
    assert descendants(parents, {10}) == {10, 11, 12}


def test_an_orphan_that_was_seen_before_still_counts_with_its_children():
    assert descendants({1: 0, 10: 1, 12: 1, 13: 12}, {10, 12}) == {10, 12, 13}


def test_a_root_that_is_gone_has_no_tree():
    assert descendants({1: 0, 10: 1}, {99}) == set()


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("/x/.venv/bin/python -m runner deploy staging", "runner"),
        ("pulumi --non-interactive stack export --stack staging", "pulumi stack export"),
        ("/x/bin/pulumi --non-interactive preview --parallel 16", "pulumi preview"),
        ("/x/python -u /x/bin/pulumi-language-python-exec --monitor 127.0.0.1:1", "program"),
        ("/x/bin/pulumi-language-python 127.0.0.1:1", "language host"),
        ("/x/plugins/resource-aws-v7/pulumi-resource-aws-bridge", "aws plugin"),
        ("/opt/x/registry.terraform.io/a/terraform-provider-aws_v5.100.0_x5", "provider binary"),
        ("terraform plan -input=false -no-color", "terraform plan"),
        ("/usr/bin/git status", "git"),
        ("", ""),
    ],
)
def test_a_process_is_called_by_what_it_does(line, name):
    assert role(line) == name


# Commands

LOITERER = """
import subprocess, sys
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
"""


@pytest.fixture
def commands():
    made = Commands({"PATH": "/usr/bin:/bin"})
    yield made
    made.end_all()


@linux_only
def test_a_command_that_fails_is_told_with_its_last_words(commands, tmp_path):
    with pytest.raises(BenchmarkError, match="exit code 3: so it is"):
        commands.seconds((sys.executable, "-c", "print('so it is'); raise SystemExit(3)"), tmp_path)


@linux_only
def test_a_command_that_does_not_end_is_killed_with_all_that_it_started(commands, tmp_path):
    program = f"{LOITERER}\nimport time; time.sleep(600)"
    with pytest.raises(BenchmarkError, match="did not end within 2 s"):
        commands.seconds((sys.executable, "-c", program), tmp_path, timeout_s=2)
    gone(commands)


@linux_only
def test_a_process_that_a_command_leaves_behind_is_ended_and_told(commands, tmp_path, monkeypatch):
    monkeypatch.setattr("benchmarks.commands._LEFTOVER_S", 0.5)
    with pytest.raises(BenchmarkError, match="left processes behind"):
        commands.seconds((sys.executable, "-c", LOITERER), tmp_path)
    gone(commands)


@linux_only
def test_a_profile_has_the_command_and_its_children_with_their_cpu_and_memory(commands, tmp_path):
    busy = "x = bytearray(30_000_000)\nimport time\nend = time.process_time() + 1\nwhile time.process_time() < end: pass"
    program = (
        f"import subprocess, sys; subprocess.run([sys.executable, '-c', {busy!r}, 'terraform-provider-aws'])"
    )
    profile = commands.profile((sys.executable, "-c", program), tmp_path)
    worker = max(profile.processes, key=lambda cost: cost.cpu_s)
    assert worker.role == "provider binary"
    assert worker.cpu_s > 0.5
    assert profile.peak_mb >= worker.peak_mb > 25
    assert len(profile.processes) == 2


def gone(commands: Commands) -> None:
    deadline = time.monotonic() + 20
    while marked(commands._mark):
        assert time.monotonic() < deadline, "a process lives on"
        time.sleep(0.02)


# Terraform's side


def test_terraform_gets_the_resources_of_the_component_with_the_same_tags_and_names_of_its_own():
    made = same_resources({"churn": "arn:package/churn/1"}, "arn:role", "ml.m5.large")
    assert {kind: len(found) for kind, found in made["resource"].items()} == {
        "aws_sagemaker_model": 1,
        "aws_sagemaker_endpoint_configuration": 1,
        "aws_sagemaker_endpoint": 1,
    }
    endpoint = made["resource"]["aws_sagemaker_endpoint"]["churn-staging"]
    assert endpoint["name"] == "tf-churn-staging"
    tags = [found["churn-staging"]["tags"] for found in made["resource"].values()]
    assert tags[0]["model-deployment:endpoint"] == "churn-staging"
    assert tags == [tags[0]] * 3


def test_terraform_uses_only_the_given_provider_binary(tmp_path):
    binary = tmp_path / "terraform-provider-aws_v5.100.0_x5"
    binary.write_text("")
    variables = terraform.variables(tmp_path, binary)
    config = Path(variables["TF_CLI_CONFIG_FILE"]).read_text()
    assert "direct" not in config
    found = list(
        (tmp_path / "mirror").glob("registry.terraform.io/hashicorp/aws/*/*/terraform-provider-aws*")
    )
    assert [path.resolve() for path in found] == [binary]
    assert str(tmp_path / "mirror") in config


def test_without_an_engine_or_terraform_the_reason_is_told(monkeypatch, capsys):
    with pytest.raises(Skipped, match="make setup"):
        Setting(None, 1, quick=False).require_engine()
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(Skipped, match="no `terraform` on PATH"):
        terraform.require(None)
    assert terraform.provider_if_any(None) is None
    assert "no `terraform` on PATH" in capsys.readouterr().err


@pytest.mark.parametrize(("percent", "value"), [(1, 1), (50, 5), (90, 9), (99, 10), (100, 10)])
def test_a_percentile_is_a_value_that_was_measured(percent, value):
    assert webhook.percentile([10, 3, 7, 1, 9, 2, 8, 4, 6, 5], percent) == value
    assert webhook.percentile([4.0], percent) == 4.0


# Output


def test_the_json_document_has_every_round_and_the_verdict():
    document = json.loads(report(RESULT).to_json())
    written = document["results"][0]
    assert written["seconds"] == [8.0, 9.0, 20.0]
    assert (written["median_s"], written["beside_median_s"], written["ratio"]) == (9.0, 10.0, 0.9)
    assert written["is_met"] is True
    assert document["machine"]["cores"] == 2
    assert document["load_before"] == [0.1, 0.2, 0.3]


def test_the_table_shows_both_sides_the_target_and_where_the_time_went(capsys):
    show(report(RESULT, unmeasured=(Unmeasured("growth", "no terraform here", failed=False),)))
    shown = capsys.readouterr().out
    row = next(line for line in shown.splitlines() if line.startswith("engine-path"))
    assert [word for word in row.split() if word[0].isdigit()][:4] == ["100", "9.00", "10.00", "0.90"]
    assert " met" in row
    assert "growth left out: no terraform here" in shown
    assert "runner" in shown.split("640 MB")[1]


def test_a_benchmark_that_fails_is_told_keeps_its_figures_and_does_not_stop_the_others(monkeypatch):
    def fails(_setting):
        yield RESULT
        raise BenchmarkError("it broke")

    def works(_setting):
        yield RESULT

    monkeypatch.setattr(command_line, "BENCHMARKS", {"one": fails, "two": works})
    measured = command_line.measure(["one", "two"], rounds=1, quick=True, argv=[])
    assert measured.results == (RESULT, RESULT)
    assert measured.unmeasured == (Unmeasured("one", "it broke", failed=True),)


def test_a_stopped_run_keeps_what_it_has_measured_and_measures_no_more(monkeypatch):
    def stopped(_setting):
        yield RESULT
        raise KeyboardInterrupt

    monkeypatch.setattr(command_line, "BENCHMARKS", {"one": stopped, "two": stopped})
    measured = command_line.measure(["one", "two"], rounds=1, quick=True, argv=[])
    assert measured.results == (RESULT,)
    assert [(each.benchmark, each.failed) for each in measured.unmeasured] == [("one", True)]


@pytest.mark.parametrize("arguments", [["--rounds", "0"], ["--rounds", "x"], ["--only", "nothing"]])
def test_what_cannot_be_measured_is_refused_before_anything_starts(arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        command_line.main(arguments)
    assert ended.value.code == 2
    assert "error:" in capsys.readouterr().err


def test_the_help_names_every_benchmark():
    done = subprocess.run(
        (sys.executable, "-m", "benchmarks", "--help"),
        cwd=Path(results.__file__).parents[1],
        capture_output=True,
        text=True,
        check=True,
    )
    assert all(name in done.stdout for name in command_line.BENCHMARKS)
