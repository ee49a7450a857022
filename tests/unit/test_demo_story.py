import pytest

from demo import __main__ as story
from demo.console import DemoError, Shell, must
from demo.observed import ask_command, changes
from sandbox import SandboxError


def test_a_command_with_another_exit_code_than_expected_ends_the_story(capfd):
    with pytest.raises(
        DemoError, match=r"`python -c raise SystemExit\(3\)` ended with exit code 3, expected was 0"
    ):
        Shell({}, ()).run(["python", "-c", "raise SystemExit(3)"])


def test_a_command_that_must_be_refused_ends_the_story_when_it_is_not():
    with pytest.raises(DemoError, match="exit code 0, expected was 2"):
        Shell({}, ()).run(["python", "-c", ""], code=2)


def test_commands_see_the_variables_of_the_local_cloud_and_not_those_that_lead_elsewhere(monkeypatch, capfd):
    monkeypatch.setenv("AWS_PROFILE", "work")
    program = "import os; print(os.environ.get('AWS_PROFILE'), os.environ['AWS_ENDPOINT_URL'])"
    Shell({"AWS_ENDPOINT_URL": "http://here"}, ("AWS_PROFILE",)).run(["python", "-c", program])
    assert capfd.readouterr().out == "None http://here\n"


def test_a_fact_that_does_not_hold_ends_the_story():
    must(1 + 1 == 2, "arithmetic is broken")
    with pytest.raises(DemoError, match="arithmetic is broken"):
        must(1 + 1 == 3, "arithmetic is broken")


@pytest.mark.parametrize("error", [DemoError("it broke"), SandboxError("it broke")])
def test_a_failed_step_gives_exit_code_1_and_one_message(monkeypatch, capsys, error):
    class Broken:
        def tell(self):
            raise error

    monkeypatch.setattr(story, "Demo", Broken)
    monkeypatch.setattr(story, "watch_sigterm", lambda: None)
    assert story.main([]) == 1
    assert capsys.readouterr().err == "\nThe demo failed: it broke\n"


def test_arguments_are_refused_with_the_usage(capsys):
    assert story.main(["--fast"]) == 2
    assert "usage: python -m demo" in capsys.readouterr().err


def test_only_calls_that_change_something_are_counted_as_changes():
    calls = {
        "CreateModel": 1,
        "DescribeEndpoint": 9,
        "ListModelPackages": 2,
        "InvokeEndpoint": 1,
        "UpdateEndpoint": 1,
    }
    assert changes({**calls, "PutParameter": 1}) == {"CreateModel": 1, "UpdateEndpoint": 1}


def test_a_changed_copy_of_the_configuration_leaves_the_checkout_as_it_is(tmp_path):
    root, copy = tmp_path / "root", tmp_path / "copy"
    (root / "config").mkdir(parents=True)
    (root / "config" / "inference.yaml").write_text("good")
    (root / "Pulumi.yaml").write_text("name: x")
    (root / ".git").mkdir()
    copy.mkdir()
    story.linked_copy(root, copy)
    (copy / "config" / "inference.yaml").write_text("bad")
    assert (root / "config" / "inference.yaml").read_text() == "good"
    assert (copy / "Pulumi.yaml").read_text() == "name: x"
    assert not (copy / ".git").exists()


def test_the_shown_request_can_be_typed_as_it_stands_in_both_versions_of_the_aws_cli():
    command = ask_command("iris-staging", [[5.1, 3.5, 1.4, 0.2]])
    assert command.startswith("echo '[[5.1, 3.5, 1.4, 0.2]]' | aws sagemaker-runtime invoke-endpoint ")
    assert " --endpoint-name iris-staging " in command
    assert " --body fileb:///dev/stdin " in command  # plain text is base64 to version 2 and not to version 1
    assert "--cli-binary-format" not in command  # which version 1 does not know
