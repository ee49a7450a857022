import functools

import pytest

from runner import destroy, truth
from runner.changes import MODEL_TYPE
from runner.deploy import Options
from runner.errors import PolicyRefused, ResourceFailure, RunnerError
from runner.state import ENDPOINT_TYPE
from tests.support import fakes
from tests.support.fakes import (
    PROVIDER_URN,
    FakeSession,
    change,
    child_urn,
    component,
    endpoint,
    live,
    provider,
    resource,
)

SERVING = {"churn-staging": live("config-1")}
BEFORE = fakes.state(provider(), component(), endpoint(config="config-1"))
URN = child_urn(ENDPOINT_TYPE, "churn-staging", "churn-staging")


@pytest.fixture(autouse=True)
def _no_time_passes(monkeypatch):
    quick = functools.partial(truth.wait_until_settled, sleep=lambda _seconds: None)
    monkeypatch.setattr(truth, "wait_until_settled", quick)


def test_destroy_names_what_it_would_delete_and_deletes_nothing_unless_allowed():
    session = FakeSession([BEFORE], [SERVING])
    with pytest.raises(PolicyRefused, match="would delete 1 endpoint: churn-staging"):
        destroy.destroy(session, Options())
    assert session.did == []


def test_destroy_pins_an_empty_manifest_waits_for_the_end_and_forgets_the_record():
    deleting = {"churn-staging": live(status="Deleting")}
    session = FakeSession(
        [BEFORE], [SERVING, deleting, {}], planned=(change("delete"), change("delete", MODEL_TYPE, "m"))
    )
    report = destroy.destroy(session, Options(allow_removals=True))
    assert did(session) == ["destroy", "forget record"]
    assert [found.endpoints for found in session.pinned] == [()]
    assert "waiting for churn-staging (Deleting)" in session.said
    assert [(row.endpoint, row.note) for row in report.rows] == [("churn-staging", "deleted")]
    assert report.changes == ("delete Endpoint churn-staging", "delete Model m")


def test_destroy_keeps_the_record_when_the_engine_fails():
    session = FakeSession([BEFORE], [SERVING])
    session.engine.fails["destroy"] = [RunnerError("refused")]
    with pytest.raises(RunnerError):
        destroy.destroy(session, Options(allow_removals=True))
    assert "forget record" not in did(session)


def test_destroy_takes_over_what_a_killed_create_made_before_it_deletes():
    begun = resource(ENDPOINT_TYPE, "churn-staging", "churn-staging", id="", inputs={"name": "churn-staging"})
    killed = fakes.state(provider(), component(), pending=[begun], digest="killed")
    cleared = fakes.state(provider(), component(), digest="cleared")
    session = FakeSession([killed, cleared, BEFORE], [SERVING, SERVING, SERVING, {}])
    destroy.destroy(session, Options(allow_removals=True))
    assert did(session) == ["refresh", "adopt", "destroy", "destroy", "forget record"]


def test_destroy_takes_over_an_endpoint_whose_create_failed_so_that_nothing_of_it_stays():
    failed = {"churn-staging": live(status="Failed")}
    nothing = fakes.state(provider(), component())
    session = FakeSession([nothing, nothing, BEFORE], [failed, {}])
    destroy.destroy(session, Options(allow_removals=True))
    assert session.did == [
        ("adopt", URN, "churn-staging", PROVIDER_URN),
        ("destroy", URN),
        ("destroy",),
        ("forget record",),
    ]


@pytest.mark.parametrize("status", ["Failed", "InService"])
def test_an_endpoint_that_outlives_its_deletion_fails_the_run_and_keeps_the_record(status):
    session = FakeSession(
        [BEFORE], [SERVING, {"churn-staging": live(status=status, failure_reason="no role")}]
    )
    with pytest.raises(ResourceFailure, match=f"was to be deleted and is {status}. no role"):
        destroy.destroy(session, Options(allow_removals=True))
    assert "forget record" not in did(session)


def test_an_endpoint_of_somebody_else_stays_and_keeps_nothing_of_ours_back():
    session = FakeSession([fakes.state(provider(), component())], [SERVING])
    session.cloud.tags["churn-staging"] = {"team": "another"}
    destroy.destroy(session, Options(allow_removals=True))
    assert did(session) == ["destroy", "forget record"]
    assert session.said == ["endpoint churn-staging is not this stack's and stays"]


def did(session: FakeSession) -> list[str]:
    return [what for what, *_ in session.did]
