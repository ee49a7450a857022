import json
import subprocess
import sys
from pathlib import Path

import pytest

from registry import (
    AccessRefusedError,
    ManifestError,
    NameCollisionError,
    RegistryError,
    UnavailableError,
    UnknownGroupError,
)
from registry.calls import MissingError
from registry.errors import ArtifactError, NoImageError
from runner import cli
from runner.deploy import Options
from runner.errors import (
    BackendAccessError,
    Cancelled,
    PolicyRefused,
    ResourceFailure,
    RunnerError,
    SettingsRefused,
    StackBusy,
    StackMissing,
    Unavailable,
)
from runner.locks import LockedError, StateChangedError
from runner.report import Report, Row

COMMANDS = ("check", "resolve", "preview", "deploy", "verify", "status", "destroy")
REPORT = Report("deploy", "staging", "deployed", (Row("churn-staging", 7, "created"),))
EXITS = [
    (RunnerError, 1),
    (SettingsRefused, 2),
    (BackendAccessError, 3),
    (ResourceFailure, 4),
    (PolicyRefused, 5),
    (StackMissing, 6),
    (Cancelled, 8),
    (StackBusy, 75),
    (RegistryError, 4),
    (UnavailableError, 4),
    (Unavailable, 4),
    (ManifestError, 4),
    (ArtifactError, 4),
    (MissingError, 4),
    (NoImageError, 4),
    (AccessRefusedError, 3),
    (UnknownGroupError, 2),
    (NameCollisionError, 2),
]


@pytest.fixture
def asked(monkeypatch, tmp_path):
    """Run the command line over a session that is none; gives what the commands were asked."""
    calls = []

    class Session:
        def __init__(self, root: Path, stack: str, *, process, say):
            calls.append((root, stack))
            say("working with password=hunter22")

        def __enter__(self):
            return self

        def __exit__(self, *_error):
            calls.append("closed")

    monkeypatch.setattr(cli, "Session", Session)
    monkeypatch.setattr("runner.process.PulumiProcess.watch_signals", lambda _self: None)
    (tmp_path / "Pulumi.yaml").touch()
    (tmp_path / "deeper").mkdir()
    monkeypatch.chdir(tmp_path / "deeper")
    return calls


def answer(monkeypatch, outcome):
    """Let every command give or raise the outcome; gives the options that they got."""
    got = []

    def run(_session, options):
        got.append(options)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    entries = {
        name: cli._Entry(run, entry.help, writes=entry.writes) for name, entry in cli._COMMANDS.items()
    }
    monkeypatch.setattr(cli, "_COMMANDS", entries)
    return got


def test_there_are_exactly_these_commands():
    assert tuple(cli._COMMANDS) == COMMANDS


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_gives_one_json_document_on_stdout_and_nothing_else(
    asked, monkeypatch, capsys, command
):
    answer(monkeypatch, REPORT)
    assert cli.main([command, "staging", "--json"]) == 0
    out, err = capsys.readouterr()
    document = json.loads(out)
    assert (document["ok"], document["result"]) == (True, "deployed")
    assert err == "working with password=[secret]\n"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_shows_a_table_without_json(asked, monkeypatch, capsys, command):
    answer(monkeypatch, REPORT)
    assert cli.main([command, "staging"]) == 0
    assert "churn-staging" in capsys.readouterr().out


@pytest.mark.parametrize(("kind", "code"), EXITS)
def test_each_error_has_its_exit_code_and_its_text_on_stderr_alone(asked, monkeypatch, capsys, kind, code):
    answer(monkeypatch, kind("what was found; what to do"))
    assert cli.main(["deploy", "staging"]) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines()[-1] == "error: what was found; what to do"
    assert asked[-1] == "closed"


@pytest.mark.parametrize(("kind", "code"), EXITS)
def test_each_error_is_one_json_document_on_stdout_with_json(asked, monkeypatch, capsys, kind, code):
    answer(monkeypatch, kind("what was found; what to do"))
    assert cli.main(["deploy", "staging", "--json"]) == code
    assert json.loads(capsys.readouterr().out) == {
        "ok": False,
        "error": "what was found; what to do",
        "exit_code": code,
        "retryable": kind in {StackBusy, Cancelled, UnavailableError, Unavailable},
    }


def test_every_class_of_error_is_among_those_tried():
    def all_of(base):
        return {base, *(each for child in base.__subclasses__() for each in all_of(child))}

    told = {kind for kind in all_of(RunnerError) | all_of(RegistryError) if not kind.__name__.startswith("_")}
    assert told == {kind for kind, _ in EXITS} | {LockedError, StateChangedError}


def test_no_secret_is_told_in_an_error(asked, monkeypatch, capsys):
    for flags in ([], ["--json"]):
        answer(monkeypatch, ResourceFailure("refused: password=hunter22"))
        cli.main(["deploy", "staging", *flags])
        out, err = capsys.readouterr()
        assert "hunter22" not in out + err


def test_the_project_is_found_from_a_folder_below_it(asked, monkeypatch, tmp_path):
    answer(monkeypatch, REPORT)
    cli.main(["deploy", "staging"])
    assert asked[0] == (tmp_path, "staging")


def test_outside_a_project_the_error_says_where_to_run(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr("runner.process.PulumiProcess.watch_signals", lambda _self: None)
    monkeypatch.chdir(tmp_path)
    assert cli.main(["check", "staging", "--json"]) == 2
    assert "no Pulumi.yaml in" in json.loads(capsys.readouterr().out)["error"]


@pytest.mark.parametrize(
    ("argv", "options"),
    [
        (["deploy", "staging"], Options(full=False, allow_removals=False, lock_timeout_s=1800)),
        (
            ["deploy", "staging", "--full", "--allow-removals", "--lock-timeout", "5"],
            Options(full=True, allow_removals=True, lock_timeout_s=5),
        ),
        (["destroy", "staging", "--allow-removals"], Options(allow_removals=True, lock_timeout_s=1800)),
        (["preview", "staging", "--allow-removals"], Options(allow_removals=True, lock_timeout_s=0)),
        (["check", "staging"], Options(lock_timeout_s=0)),
    ],
)
def test_the_command_line_becomes_options(asked, monkeypatch, argv, options):
    got = answer(monkeypatch, REPORT)
    cli.main(argv)
    assert got == [options]


@pytest.mark.parametrize(
    "argv",
    [
        [],
        ["deploy"],
        ["dpeloy", "staging"],
        ["deploy", "staging", "more"],
        ["deploy", "staging", "--oops"],
        ["deploy", "staging", "--lock-timeout", "soon"],
        ["deploy", "staging", "--lock-timeout", "nan"],
        ["deploy", "staging", "--lock-timeout", "-1"],
        ["deploy", "../../etc"],
        ["deploy", "--stack=x; rm"],
        ["check", "staging", "--allow-removals"],
        ["preview", "staging", "--full"],
        ["verify", "staging", "--full"],
    ],
)
def test_a_bad_command_line_ends_with_2_and_says_nothing_on_stdout(asked, capsys, argv):
    with pytest.raises(SystemExit) as ended:
        cli.main(argv)
    out, err = capsys.readouterr()
    assert (ended.value.code, out) == (2, "")
    assert "usage: python -m runner" in err
    assert asked == []


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_helps_with_an_example(capsys, command):
    with pytest.raises(SystemExit) as ended:
        cli.main([command, "--help"])
    assert ended.value.code == 0
    assert f"python -m runner {command} staging" in capsys.readouterr().out


def test_the_general_help_lists_commands_and_exit_codes(capsys):
    with pytest.raises(SystemExit):
        cli.main(["--help"])
    said = capsys.readouterr().out
    assert all(command in said for command in COMMANDS)
    assert "75 the stack is busy" in said


def test_the_report_carries_the_commands_seconds(asked, monkeypatch, capsys):
    answer(monkeypatch, REPORT)
    cli.main(["deploy", "staging", "--json"])
    assert json.loads(capsys.readouterr().out)["seconds"] >= 0


def test_a_wrong_command_line_gives_a_document_too_when_json_was_asked_for(capsys):
    assert cli.main(["deploy", "staging", "--json", "--foo"]) == 2
    out, err = capsys.readouterr()
    assert json.loads(out)["exit_code"] == 2
    assert "--foo" in err


@pytest.mark.parametrize("option", ["--allow", "--ful", "--lock-timeou=1"])
def test_an_option_counts_only_in_full(option, capsys):
    with pytest.raises(SystemExit) as stopped:
        cli.main(["deploy", "staging", option])
    assert stopped.value.code == 2
    assert "unrecognized arguments" in capsys.readouterr().err


def test_a_signal_before_the_command_has_begun_shows_no_trace():
    program = (
        "import runpy, sys; sys.modules['runner.cli'] = type(sys)('runner.cli'); sys.argv = ['runner']\n"
    )
    program += "def main(_): raise KeyboardInterrupt\n"
    program += "sys.modules['runner.cli'].main = main; runpy.run_module('runner', run_name='__main__')"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.stderr == "error: stopped by SIGINT; nothing was in flight\n"
    assert done.returncode == 8
