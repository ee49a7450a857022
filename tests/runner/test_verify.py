import functools

import pytest

from runner import truth, verify
from runner.errors import PolicyRefused, ResourceFailure
from tests.support import fakes
from tests.support.fakes import INSTANCES, SERVERLESS, FakeSession, endpoint, live, settings, wanted

SERVING = {"churn-staging": live("config-1")}
DEPLOYED = fakes.state(endpoint(config="config-1"))


@pytest.fixture(autouse=True)
def _no_time_passes(monkeypatch):
    quick = functools.partial(truth.wait_until_settled, sleep=lambda _seconds: None)
    monkeypatch.setattr(truth, "wait_until_settled", quick)


def notes(report):
    return [(row.endpoint, row.note) for row in report.rows]


def test_check_says_how_each_group_is_served():
    both = settings(models=("churn", "other"), inference={"churn": INSTANCES, "other": SERVERLESS})
    report = verify.check(FakeSession([DEPLOYED], [SERVING], settings=both))
    assert notes(report) == [("churn", "1 × ml.m5.large"), ("other", "serverless, 1024 MB, 2 at once")]


def test_resolve_says_what_is_wanted_and_whether_it_lives():
    report = verify.resolve(FakeSession([DEPLOYED], [SERVING]))
    (row,) = report.rows
    assert (row.endpoint, row.package_version, row.note, row.status) == (
        "churn-staging",
        7,
        "churn",
        "InService",
    )
    assert report.result == "1 endpoint wanted"


def test_verify_is_good_when_every_endpoint_serves_what_was_deployed():
    report = verify.verify(FakeSession([DEPLOYED], [SERVING]))
    assert [(row.note, row.status, row.config) for row in report.rows] == [
        ("as deployed", "InService", "config-1")
    ]


@pytest.mark.parametrize(
    ("now", "said"),
    [
        ({}, "there is no such endpoint"),
        ({"churn-staging": live("config-0")}, "still serves config-0, not config-1"),
        ({"churn-staging": live("config-1", "Failed", failure_reason="no image")}, "AWS's reason: no image"),
    ],
)
def test_verify_fails_on_anything_else(now, said):
    with pytest.raises(ResourceFailure, match=said):
        verify.verify(FakeSession([DEPLOYED], [now]))


def test_verify_fails_on_a_wanted_endpoint_that_was_never_deployed():
    with pytest.raises(ResourceFailure, match="state does not know it"):
        verify.verify(FakeSession([fakes.state()], [SERVING]))


def test_status_judges_nothing_and_names_what_is_no_longer_wanted():
    old = fakes.state(fakes.model(), endpoint(), endpoint("old-staging"))
    session = FakeSession([old], [{}], endpoints=(wanted(), wanted("new")))
    assert notes(verify.status(session)) == [
        ("churn-staging", "deployed"),
        ("new-staging", "not deployed"),
        ("old-staging", "no longer wanted; the next deploy deletes it"),
    ]
    assert session.did == []


def test_every_command_that_reads_aws_refuses_the_wrong_account():
    for command in (verify.resolve, verify.verify, verify.status):
        session = FakeSession([DEPLOYED], [SERVING], account_refused=PolicyRefused("wrong account"))
        with pytest.raises(PolicyRefused):
            command(session)


def test_check_asks_nothing_of_aws():
    session = FakeSession([DEPLOYED], [SERVING], account_refused=PolicyRefused("asked"))
    assert verify.check(session).result == "settings are good"


def test_verify_fails_when_the_registry_has_moved_on_and_status_tells_both_versions():
    behind = fakes.state(fakes.model(version=6), endpoint(config="config-1"))
    with pytest.raises(ResourceFailure, match=r"churn/6, and the registry wants .*churn/7: deploy"):
        verify.verify(FakeSession([behind], [SERVING]))
    (row,) = verify.status(FakeSession([behind], [SERVING])).rows
    assert (row.package_version, row.note) == (6, "deployed; version 7 is wanted")


def test_status_shows_that_another_configuration_serves_than_was_deployed():
    rolled_back = {"churn-staging": fakes.live("config-0")}
    (row,) = verify.status(FakeSession([DEPLOYED], [rolled_back])).rows
    assert row.note.endswith("; not on config-1 as deployed: rolled back or moved")
    assert row.config == "config-0"
