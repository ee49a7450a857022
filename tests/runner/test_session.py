import json
from datetime import UTC, datetime
from pathlib import Path
from unittest.mock import Mock

import pytest

from registry import Manifest, RegistryError, load_manifest
from runner.errors import (
    BackendAccessError,
    PolicyRefused,
    ResourceFailure,
    SettingsRefused,
    StackMissing,
)
from runner.locks import Holder
from runner.process import PulumiProcess
from runner.record import Record
from runner.session import Session, find_root
from tests.support.fakes import endpoint, live, manifest, wanted

ROOT = Path(__file__).parents[2]
RECORD = Record("a", "b", "c")


class Account:
    """What the session asks of AWS: the account's number, and one parameter."""

    def __init__(self, number="123456789012", parameter=None):
        self.number, self.parameter = number, parameter

    def account_id(self):
        if isinstance(self.number, Exception):
            raise self.number
        return self.number

    def read_parameter(self, name):
        assert name == "/model-deployment/staging/last-verified-deploy"
        if isinstance(self.parameter, Exception):
            raise self.parameter
        return self.parameter


@pytest.fixture
def said():
    return []


@pytest.fixture
def session(said, fake_pulumi, monkeypatch):
    """A session of the shipped staging stack; its `pulumi` gives an empty state."""
    monkeypatch.setattr("runner.session.SageMakerRegistry", lambda _region: Account())
    fake_pulumi(f"print({json.dumps(json.dumps({'deployment': {}}))})")
    with Session(ROOT, "staging", process=PulumiProcess(), say=said.append) as made:
        made.cloud = Account(parameter=RECORD.to_json())
        made.resolve = lambda: manifest(wanted("iris", now=live()))
        yield made


def exported(**deployment):
    return f"import json; print({json.dumps(json.dumps({'deployment': deployment}))})"


def test_the_project_is_the_nearest_folder_with_a_pulumi_yaml(tmp_path):
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    (tmp_path / "Pulumi.yaml").touch()
    assert find_root(inner) == find_root(tmp_path) == tmp_path


def test_wrong_settings_refuse_the_session_with_every_problem(tmp_path):
    (tmp_path / "Pulumi.yaml").write_text("name: 1\n")
    with pytest.raises(SettingsRefused) as refused:
        Session(tmp_path, "staging", process=PulumiProcess(), say=print)
    assert len(str(refused.value).splitlines()) >= 2


def test_all_is_seen_at_once(session):
    seen = session.look()
    assert (seen.recorded, seen.state.resources) == (RECORD, ())
    assert seen.live == {"iris-staging": live()}
    assert [each.name for each in seen.manifest.endpoints] == ["iris-staging"]


def test_the_wrong_account_is_told_before_any_other_failure(session):
    session.registry = Account(number="999999999999")
    session.resolve = lambda: (_ for _ in ()).throw(RegistryError("later"))
    with pytest.raises(PolicyRefused, match="these credentials are for 999999999999"):
        session.look()


def test_defect_1_an_account_that_cannot_be_asked_is_not_the_right_one(session):
    session.registry = Account(number=RegistryError("GetCallerIdentity failed"))
    with pytest.raises(RegistryError, match="GetCallerIdentity failed"):
        session.look()


@pytest.mark.parametrize(
    "error", [ResourceFailure("ssm get_parameter: AccessDenied"), BackendAccessError("no network")]
)
def test_a_record_that_cannot_be_read_is_told_and_skips_nothing(session, said, error):
    session.cloud = Account(parameter=error)
    assert session.look().recorded is None
    assert said == [f"the record of the last deploy cannot be read, so nothing is skipped: {error}"]


def test_the_state_is_what_the_cli_exports(session, fake_pulumi):
    kept = endpoint()
    entry = {"urn": kept.urn, "type": kept.type, "id": kept.id, "inputs": dict(kept.inputs)}
    fake_pulumi(exported(resources=[entry]))
    assert list(session.state().endpoints()) == ["churn-staging"]


def test_the_state_is_asked_for_without_secrets_and_of_this_stack(session, fake_pulumi):
    asked = fake_pulumi.folder / "asked"
    fake_pulumi(f"open({str(asked)!r}, 'w').write(' '.join(sys.argv[1:]))\n" + exported())
    session.state()
    assert asked.read_text() == "--non-interactive stack export --stack staging"


def test_a_missing_stack_and_a_broken_state_are_errors(session, fake_pulumi):
    fake_pulumi("print(\"error: no stack named 'staging' found\", file=sys.stderr); sys.exit(6)")
    with pytest.raises(StackMissing):
        session.state()
    fake_pulumi("print('{')")
    with pytest.raises(BackendAccessError, match="state cannot be read"):
        session.state()


def test_unlocking_deletes_the_given_locks_and_no_other(session, tmp_path):
    dead, living = tmp_path / "of the dead.json", tmp_path / "living.json"
    dead.touch()
    living.touch()
    told = Holder(dead.as_uri(), "me", "here", 7, datetime.now(UTC))
    session.unlock([told, told])
    assert (dead.exists(), living.exists()) == (False, True)


def test_a_lock_in_a_bucket_is_deleted_there(session):
    session.cloud = Mock()
    url = "s3://bucket/prefix/.pulumi/locks/organization/model-deployment/staging/1.json?region=us-east-1"
    session.unlock([Holder(url, "me", "here", 7, datetime.now(UTC))])
    session.cloud.delete_object.assert_called_once_with(
        "bucket", "prefix/.pulumi/locks/organization/model-deployment/staging/1.json"
    )


def test_a_pinned_manifest_is_what_the_program_will_read(session):
    pinned = Manifest(environment="Staging", endpoints=(wanted("iris"),))
    session.pin(pinned)
    assert load_manifest(session._manifest) == pinned


def test_nothing_is_left_of_a_session(fake_pulumi):
    with Session(ROOT, "staging", process=PulumiProcess(), say=print) as made:
        made.pin(manifest())
        folder = made._manifest.parent
        assert folder.is_dir()
    assert not folder.exists()
