import pytest

from runner.errors import (
    BackendAccessError,
    PolicyRefused,
    ResourceFailure,
    RunnerError,
    SettingsRefused,
    StackMissing,
)
from runner.locks import LockedError
from runner.process import Completed
from runner.stack import failure

# Texts of the CLI 3.259.0, as recorded in engine-facts.md and by tests/engine.
LOCKED = (
    "error: the stack is currently locked by 1 lock(s). Either wait for the other process(es) to end or delete the lock "
    "file with `pulumi cancel`.\n  file:///state/.pulumi/locks/staging/1.json: created by me@here (pid 7) at "
    "2026-11-23T10:20:30Z\n"
)
CONFLICT = "error: [409] Conflict: Another update is currently in progress."
PASSPHRASE = "error: getting stack configuration: get stack secrets manager: incorrect passphrase\n"
CONFIG = "error: validating stack config: Stack 'staging' with configuration key 'maxRemovals' must be of type 'integer'\n"


def of(stderr="", *errors, code=1, stdout=""):
    return failure(Completed(code, stdout, stderr), errors)


@pytest.mark.parametrize(
    ("stderr", "code", "kind"),
    [
        (LOCKED, 1, LockedError),
        (CONFLICT, 1, LockedError),
        ("error: no stack named 'staging' found", 6, StackMissing),
        ("error: no stack named 'staging' found", 1, StackMissing),
        (PASSPHRASE, 1, BackendAccessError),
        ('error: read ".pulumi/meta.yaml": blob: AccessDenied: Access Denied', 1, BackendAccessError),
        ("error: unable to open bucket s3://state: NoSuchBucket", 1, BackendAccessError),
        (
            "error: PULUMI_ACCESS_TOKEN must be set for login during non-interactive CLI sessions",
            1,
            BackendAccessError,
        ),
        (CONFIG, 1, SettingsRefused),
        ("error: Policy Violation: no public buckets", 1, PolicyRefused),
        ("error: refused", 5, PolicyRefused),
        ("error: something new", 1, RunnerError),
    ],
)
def test_each_text_of_the_cli_becomes_the_error_that_it_means(stderr, code, kind):
    assert type(of(stderr, code=code)) is kind


def test_a_locked_stack_names_its_holder():
    found = of(LOCKED)
    assert isinstance(found, LockedError)
    assert [holder.pid for holder in found.holders] == [7]


def test_a_missing_stack_says_where_to_look():
    assert "PULUMI_BACKEND_URL" in str(of("error: no stack named 'x' found", code=6))
    assert "pulumi stack init" in str(of("error: no stack named 'x' found", code=6))


def test_errors_of_resources_are_told_with_their_names():
    errors = (("churn-staging", "creating SageMaker Endpoint: ResourceLimitExceeded"), ("", "update failed"))
    found = of("error: update failed", *errors)
    assert type(found) is ResourceFailure
    assert str(found) == "churn-staging: creating SageMaker Endpoint: ResourceLimitExceeded"


def test_a_resource_that_aws_denies_is_a_failure_of_the_resource_and_not_of_the_backend():
    denied = "creating IAM Role: AccessDenied: not authorized to perform iam:CreateRole"
    assert (
        type(of(f"error: {denied}\nerror: update failed", ("churn-staging-role", denied))) is ResourceFailure
    )


def test_many_errors_are_cut_and_counted():
    text = str(of("", *((f"endpoint-{i}", "failed") for i in range(12))))
    assert len(text.splitlines()) == 11
    assert text.endswith("… and 2 more errors")


def test_without_an_error_event_the_clis_own_last_errors_are_told():
    stderr = "warning: old\nerror: first\nerror: second\nerror: third\nerror: fourth\nnote\n"
    assert str(of(stderr)) == "second\nthird\nfourth"


def test_without_any_error_line_the_last_lines_are_told():
    assert str(of("", stdout="a\n\nb\nc\nd\n")) == "b\nc\nd"


def test_a_silent_end_is_told_as_such():
    assert str(of()) == "pulumi ended without a word"


def test_a_killed_cli_is_told_by_the_signal_and_what_mends_it():
    said = str(of(code=-9))
    assert "SIGKILL" in said
    assert "the next `deploy` mends it" in said


@pytest.mark.parametrize("where", ["events", "output"])
def test_no_secret_of_another_program_is_told(where):
    secret = "AKIA" + "Q" * 16
    text = f"error: credentials {secret} password=hunter22 were refused"
    said = str(of("", ("churn", text)) if where == "events" else of(text))
    assert secret not in said
    assert "hunter22" not in said
    assert "were refused" in said


def test_without_a_place_for_the_state_the_ways_to_one_are_told():
    said = of("error: PULUMI_ACCESS_TOKEN must be set for login during non-interactive CLI sessions\n")
    assert isinstance(said, BackendAccessError)
    assert "PULUMI_BACKEND_URL" in str(said)
    assert "python -m sandbox env" in str(said)
