import functools
from dataclasses import replace

import pytest

from registry import RegistryError
from runner import deploy, destroy, locks, truth
from runner.deploy import Options
from runner.errors import BackendAccessError, PolicyRefused, ResourceFailure, StackBusy
from runner.locks import LockedError
from runner.record import Record, live_digest, parse_record
from runner.state import ENDPOINT_TYPE
from tests.support import fakes
from tests.support.fakes import (
    PROVIDER_URN,
    SERVERLESS,
    FakeSession,
    change,
    child_urn,
    component,
    endpoint,
    live,
    manifest,
    new_model,
    provider,
    resource,
    settings,
    wanted,
)

URN = child_urn(ENDPOINT_TYPE, "churn-staging", "churn-staging")
SERVING = {"churn-staging": live("config-1")}
SERVING_NEW = {"churn-staging": live("config-2")}
BEFORE = fakes.state(provider(), component(), endpoint(config="config-1"), digest="before")
AFTER = fakes.state(provider(), component(), endpoint(config="config-2"), digest="after")
EMPTY = fakes.state(digest="empty")
UPDATE = (new_model(), change("update", properties=("endpointConfigName",)))


@pytest.fixture(autouse=True)
def _no_time_passes(monkeypatch):
    quick = functools.partial(truth.wait_until_settled, sleep=lambda _seconds: None)
    monkeypatch.setattr(truth, "wait_until_settled", quick)


def verified(now=SERVING, state=BEFORE, **wanted_now):
    """The record that a verified deploy left."""
    inputs = f"inputs of {manifest(wanted(**wanted_now)).digest()}"
    return Record(inputs, state.digest, live_digest(now))


def updating(**more) -> FakeSession:
    """A session in which version 8 is wanted and an update to it goes well."""
    values = {
        "states": [BEFORE, AFTER],
        "lives": [SERVING, SERVING_NEW],
        "endpoints": (wanted(version=8),),
        "planned": UPDATE,
        "recorded": verified(),
    }
    return FakeSession(**{**values, **more})


def did(session: FakeSession) -> list[str]:
    return [what for what, *_ in session.did]


# --- the way that changes nothing


def test_when_nothing_changed_since_the_last_verified_deploy_the_engine_is_not_started():
    session = FakeSession([BEFORE], [SERVING], recorded=verified())
    report = deploy.deploy(session, Options())
    assert session.did == []
    assert report.result == "no changes since the last verified deploy"
    assert [(row.endpoint, row.note, row.status) for row in report.rows] == [
        ("churn-staging", "unchanged", "InService")
    ]


@pytest.mark.parametrize(
    "session",
    [
        FakeSession([BEFORE], [SERVING], recorded=None),
        FakeSession([BEFORE], [SERVING], recorded=replace(verified(), inputs="other")),
        FakeSession([replace(BEFORE, digest="by hand")], [SERVING], recorded=verified()),
        FakeSession([BEFORE], [{"churn-staging": live(instance_counts={"main": 2})}], recorded=verified()),
        FakeSession([BEFORE], [SERVING], endpoints=(wanted(version=8),), recorded=verified()),
    ],
    ids=["no record", "settings or program", "state", "live", "manifest"],
)
def test_any_difference_takes_the_full_path(session):
    deploy.deploy(session, Options())
    assert "preview" in did(session)
    assert did(session)[-1] == "record"


def test_full_takes_the_full_path_although_nothing_changed():
    session = FakeSession([BEFORE], [SERVING], recorded=verified())
    report = deploy.deploy(session, Options(full=True))
    assert did(session) == ["warm up", "preview", "record"]
    assert report.result == "no changes"


# --- the sequence


def test_an_update_is_previewed_guarded_made_verified_and_recorded():
    session = updating()
    report = deploy.deploy(session, Options())
    assert did(session) == ["warm up", "preview", "up", "record"]
    assert parse_record(session.cloud.parameters[session.parameter]) == verified(
        SERVING_NEW, AFTER, version=8
    )
    assert report.result == "deployed"
    (row,) = report.rows
    assert (row.package_version, row.status, row.config) == (8, "InService", "config-2")
    assert "update Endpoint churn-staging" in report.changes


def test_preview_and_up_are_pinned_to_what_was_resolved_once():
    session = updating()
    deploy.deploy(session, Options())
    assert {found.digest() for found in session.pinned} == {manifest(wanted(version=8)).digest()}


def test_a_state_that_no_verified_deploy_left_is_updated_even_without_planned_changes():
    """A preview does not tell of deletions that an interrupted run still owes."""
    session = FakeSession([BEFORE], [SERVING], recorded=None)
    assert deploy.deploy(session, Options()).result == "no changes"
    assert did(session) == ["warm up", "preview", "up", "record"]


def test_a_change_of_the_provider_alone_is_made_too():
    session = FakeSession([BEFORE], [SERVING], recorded=replace(verified(), inputs="others"))
    session.engine.others = 1
    assert deploy.deploy(session, Options()).result == "no changes"
    assert "up" in did(session)


def test_what_the_next_run_finds_is_what_this_one_recorded():
    session = updating()
    deploy.deploy(session, Options())
    recorded = parse_record(session.cloud.parameters[session.parameter])
    again = FakeSession([AFTER], [SERVING_NEW], endpoints=(wanted(version=8),), recorded=recorded)
    deploy.deploy(again, Options())
    assert again.did == []


# --- the truth check


def test_a_silent_rollback_fails_the_run_and_records_nothing():
    session = updating(lives=[SERVING])
    with pytest.raises(ResourceFailure) as failed:
        deploy.deploy(session, Options())
    assert "churn-staging still serves config-1, not config-2: AWS rolled the update back." in str(
        failed.value
    )
    assert "What served before is kept." in str(failed.value)
    assert did(session) == ["warm up", "preview", "up"]


def test_an_endpoint_that_still_rolls_back_after_the_update_is_waited_for():
    rolling = {"churn-staging": live("config-1", "RollingBack")}
    session = updating(lives=[SERVING, rolling, rolling, SERVING])
    with pytest.raises(ResourceFailure, match="AWS rolled the update back"):
        deploy.deploy(session, Options())
    assert "waiting for churn-staging (RollingBack)" in session.said


def test_an_endpoint_that_the_update_left_out_of_the_state_fails_the_run():
    session = updating(states=[BEFORE, EMPTY])
    with pytest.raises(ResourceFailure, match="state does not know it"):
        deploy.deploy(session, Options())


def test_a_state_that_another_run_changed_after_the_preview_is_judged_anew():
    session = updating(states=[BEFORE, AFTER], recorded=None)
    told = iter([BEFORE, AFTER])
    session.state = lambda: next(told, AFTER)
    report = deploy.deploy(session, Options(lock_timeout_s=60))
    assert report.result == "deployed"
    assert "another run has changed the stack" in " ".join(session.said)
    assert did(session).count("preview") == 2
    assert did(session).count("up") == 1


def test_a_state_that_keeps_changing_ends_busy_when_the_time_is_up():
    session = updating(states=[BEFORE, AFTER], recorded=None)
    told = iter([BEFORE, AFTER])
    session.state = lambda: next(told)
    with pytest.raises(StackBusy, match="nothing was deployed"):
        deploy.deploy(session, Options(lock_timeout_s=0))
    assert "up" not in did(session)


def test_a_failed_update_tells_the_engines_error_and_aws_reason():
    failed_now = {"churn-staging": live("config-2", "Failed", failure_reason="no such image")}
    session = updating(lives=[SERVING, failed_now])
    session.engine.fails["up"] = [ResourceFailure("churn-staging: waiting for update: unexpected state")]
    with pytest.raises(ResourceFailure) as failed:
        deploy.deploy(session, Options())
    first, second, third = str(failed.value).splitlines()
    assert first == "churn-staging: waiting for update: unexpected state"
    assert second == "churn-staging is Failed on config-2. AWS's reason: no such image"
    assert third == "Mend the package or the settings, then deploy again: that replaces a Failed endpoint"
    assert "record" not in did(session)


def test_an_explanation_that_cannot_be_had_does_not_hide_the_failure():
    session = updating()
    session.engine.fails["up"] = [ResourceFailure("update failed")]

    def refuse(_names):
        raise RegistryError("throttled")

    session.resolve = lambda: manifest(wanted(version=8, now=live()))
    session.registry.read_live = refuse
    with pytest.raises(
        ResourceFailure, match=r"update failed\n\(what AWS says now could not be read: throttled\)"
    ):
        deploy.deploy(session, Options())


# --- the guards


def test_a_run_that_would_delete_an_endpoint_stops_before_it_changes_anything():
    session = updating(planned=(change("delete", name="old-staging"),))
    with pytest.raises(
        PolicyRefused, match="would delete 1 endpoint: old-staging; maxRemovals of this stack is 0"
    ):
        deploy.deploy(session, Options())
    assert did(session) == ["warm up", "preview"]


@pytest.mark.parametrize(
    "session", [updating(settings=settings(max_removals=1)), updating()], ids=["limit", "flag"]
)
def test_a_removal_that_is_allowed_is_made(session):
    session.planned = session.engine.planned = (change("delete", name="old-staging"),)
    deploy.deploy(session, Options(allow_removals=session.settings.max_removals == 0))
    assert "up" in did(session)


def test_replacing_an_endpoint_counts_as_a_removal():
    session = updating(planned=(change("replace"),))
    with pytest.raises(PolicyRefused, match="churn-staging"):
        deploy.deploy(session, Options())


def test_replacing_a_failed_endpoint_is_no_removal():
    failed = {"churn-staging": live("config-1", "Failed")}
    session = updating(lives=[failed, SERVING_NEW], planned=(change("replace"),))
    deploy.deploy(session, Options())
    assert "up" in did(session)


def test_a_move_from_instances_to_serverless_is_refused_without_the_flag():
    session = updating(settings=settings(inference={"churn": SERVERLESS}))
    with pytest.raises(PolicyRefused, match="from instances to serverless: churn-staging"):
        deploy.deploy(session, Options())
    assert did(session) == ["warm up", "preview"]


def test_a_move_from_instances_to_serverless_replaces_the_endpoint_when_allowed():
    serverless = {"churn-staging": live("config-2", kind="serverless")}
    session = updating(settings=settings(inference={"churn": SERVERLESS}), lives=[SERVING, serverless])
    deploy.deploy(session, Options(allow_removals=True))
    assert session.did[1:3] == [("preview", (URN,)), ("up", (URN,))]


def test_the_wrong_account_ends_every_command_before_anything():
    for command in (deploy.deploy, deploy.preview, destroy.destroy):
        session = updating(account_refused=PolicyRefused("wrong account"))
        with pytest.raises(PolicyRefused, match="wrong account"):
            command(session, Options())
        assert set(did(session)) <= {"warm up", "begin preview"}


def test_defect_1_a_registry_that_cannot_be_read_changes_nothing():
    session = updating()

    def refuse():
        raise RegistryError("ListModelPackages of group churn failed")

    session.resolve = refuse
    with pytest.raises(RegistryError):
        deploy.deploy(session, Options())
    assert session.did == []


# --- repairs


def test_a_failed_endpoint_is_replaced_by_the_update_which_holds_the_lock():
    failed = {"churn-staging": live("config-1", "Failed", failure_reason="no such image")}
    session = updating(states=[BEFORE, AFTER], lives=[failed, SERVING_NEW], planned=(change("replace"),))
    deploy.deploy(session, Options())
    assert session.did[1:] == [("preview", (URN,)), ("up", (URN,)), ("record",)]


def test_a_failed_endpoint_that_the_state_does_not_know_is_taken_over_and_replaced():
    failed = {"churn-staging": live("config-1", "Failed")}
    lost = fakes.state(provider(), component(), digest="lost")
    session = updating(
        states=[lost, BEFORE, AFTER], lives=[failed, SERVING_NEW], planned=(change("replace"),)
    )
    deploy.deploy(session, Options())
    assert session.did[1:] == [
        ("adopt", URN, "churn-staging", PROVIDER_URN),
        ("preview", (URN,)),
        ("up", (URN,)),
        ("record",),
    ]


def interrupted(*pending, lives, adopts=True) -> FakeSession:
    """A session whose last run was killed while it made the pending resources; an adoption reads the state once more."""
    known = (provider(), component())
    killed = fakes.state(*known, pending=pending, digest="killed")
    cleared = fakes.state(*known, digest="cleared")
    return FakeSession(
        states=[killed, *([cleared] * (2 if adopts else 1)), AFTER],
        lives=[*lives, SERVING_NEW],
        planned=UPDATE,
    )


BEGUN = resource(ENDPOINT_TYPE, "churn-staging", "churn-staging", id="", inputs={"name": "churn-staging"})
CONFIG_TYPE = "aws:sagemaker/endpointConfiguration:EndpointConfiguration"
BEGUN_CONFIG = resource(
    CONFIG_TYPE, "churn-staging-config", "churn-staging", id="", inputs={"name": "churn-staging-config-1"}
)


def test_an_endpoint_whose_create_was_killed_is_adopted_by_its_name_and_updated():
    session = interrupted(BEGUN, lives=[SERVING, SERVING])
    session.cloud.existing.add((ENDPOINT_TYPE, "churn-staging"))
    deploy.deploy(session, Options())
    assert session.did[1:] == [
        ("refresh", "pending"),
        ("adopt", URN, "churn-staging", PROVIDER_URN),
        ("preview", ()),
        ("up", ()),
        ("record",),
    ]


def test_another_resource_whose_create_was_killed_is_adopted_by_its_aws_name():
    nothing = {"churn-staging": None}
    session = interrupted(BEGUN_CONFIG, lives=[nothing, nothing])
    session.cloud.existing.add((CONFIG_TYPE, "churn-staging-config-1"))
    deploy.deploy(session, Options())
    assert ("adopt", BEGUN_CONFIG.urn, "churn-staging-config-1", PROVIDER_URN) in session.did


def test_a_create_that_was_killed_before_it_made_anything_is_forgotten():
    nothing = {"churn-staging": None}
    session = interrupted(BEGUN, lives=[nothing, nothing], adopts=False)
    deploy.deploy(session, Options())
    assert did(session) == ["warm up", "refresh", "preview", "up", "record"]


def test_an_endpoint_of_somebody_else_is_never_touched():
    session = FakeSession([fakes.state(provider(), component())], [SERVING])
    session.cloud.tags["churn-staging"] = {"team": "another"}
    with pytest.raises(ResourceFailure, match="is not this stack's"):
        deploy.deploy(session, Options())
    assert did(session) == ["warm up"]


def test_an_endpoint_of_another_stack_of_ours_is_never_touched():
    session = FakeSession([fakes.state(provider(), component())], [SERVING])
    session.cloud.tags["churn-staging"]["pulumi:stack"] = "production"
    with pytest.raises(ResourceFailure, match="is not this stack's"):
        deploy.deploy(session, Options())


def test_nothing_is_adopted_into_a_state_without_a_provider():
    session = FakeSession([fakes.state(component())], [SERVING])
    with pytest.raises(ResourceFailure, match="no AWS provider; restore the state"):
        deploy.deploy(session, Options())
    assert "adopt" not in did(session)


def test_an_endpoint_in_motion_is_waited_for_before_anything_is_done():
    moving = {"churn-staging": live("config-1", "Updating")}
    session = updating(states=[BEFORE, BEFORE, AFTER], lives=[moving, moving, SERVING, SERVING, SERVING_NEW])
    deploy.deploy(session, Options())
    assert session.said[0] == "waiting for churn-staging (Updating)"
    assert did(session) == ["warm up", "preview", "up", "record"]


def test_repairs_without_further_changes_are_reported_as_such():
    failed = {"churn-staging": live("config-1", "Failed")}
    session = FakeSession([BEFORE], [failed, SERVING], recorded=verified())
    assert deploy.deploy(session, Options()).result == "repaired"
    assert "up" in did(session)


def test_a_deploy_that_found_the_stack_locked_looks_at_everything_again(monkeypatch):
    monkeypatch.setattr(locks, "POLL_S", 0.0)
    looks = []
    session = updating(states=[BEFORE, BEFORE, AFTER], on_look=lambda: looks.append(1))
    session.lives = session.registry.answers = [SERVING, SERVING, SERVING_NEW]
    session.engine.fails["up"] = [LockedError(())]
    deploy.deploy(session, Options())
    assert did(session) == ["warm up", "preview", "up", "warm up", "preview", "up", "record"]
    assert len(looks) == 2


# --- the record


@pytest.mark.parametrize("error", [ResourceFailure("AccessDenied"), BackendAccessError("no network")])
def test_a_record_that_cannot_be_written_costs_the_next_run_time_and_this_one_nothing(error):
    session = updating()
    session.cloud.refuse["write_parameter"] = error
    assert deploy.deploy(session, Options()).result == "deployed"
    assert session.said[-1].startswith(
        "the record of this deploy cannot be written, so the next one takes the full path"
    )


# --- preview


def test_a_preview_changes_nothing_and_says_what_deploy_would_mend():
    failed = {"churn-staging": live("config-1", "Failed", failure_reason="no such image")}
    session = updating(lives=[failed])
    report = deploy.preview(session, Options())
    assert session.did == [("begin preview",), ("give up",), ("preview", (URN,))]
    assert any("deploy would mend first" in line and "no such image" in line for line in session.said)
    assert report.result == "2 changes planned"


@pytest.mark.parametrize(("planned", "result"), [((), "no changes"), (UPDATE[:1], "1 change planned")])
def test_a_preview_counts_the_changes(planned, result):
    assert deploy.preview(updating(planned=planned), Options()).result == result


def test_a_preview_begins_before_the_registry_is_read_and_gets_the_manifest_later():
    session = updating()
    session.on_look = lambda: session.did.append(("look",))
    deploy.preview(session, Options())
    assert did(session) == ["begin preview", "look", "preview"]
    assert [each.package_version for found in session.pinned for each in found.endpoints] == [8]


def test_a_preview_is_guarded_too():
    session = updating(planned=(change("delete", name="old-staging"),))
    with pytest.raises(PolicyRefused, match="old-staging"):
        deploy.preview(session, Options())


@pytest.mark.parametrize(("endpoints", "at_once"), [(0, 16), (1, 16), (20, 40), (64, 128), (1000, 128)])
def test_operations_at_once_grow_with_the_endpoints_up_to_what_aws_takes(endpoints, at_once):
    assert deploy.parallelism(manifest(*(wanted(f"g{i}") for i in range(endpoints)))) == at_once
