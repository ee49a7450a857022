import pytest

from runner.errors import ResourceFailure
from runner.repair import plan_repairs, unknown_endpoints
from runner.state import ENDPOINT_TYPE
from tests.support.fakes import child_urn, component, component_urn, endpoint, live, resource, state

CONFIG_TYPE = "aws:sagemaker/endpointConfiguration:EndpointConfiguration"
URN = child_urn(ENDPOINT_TYPE, "churn-staging", "churn-staging")
GOOD = {"churn-staging": live()}


def begun(type_, name, aws_name):
    """A create that was interrupted: the engine knows the inputs, and no id yet."""
    inputs = {"name": aws_name}
    return resource(type_, name, "churn-staging", id="", inputs=inputs)


BEGUN_ENDPOINT = begun(ENDPOINT_TYPE, "churn-staging", "churn-staging")
BEGUN_CONFIG = begun(CONFIG_TYPE, "churn-staging-config", "churn-staging-config-abcdefg")


def plan(of, now, *, found=(), owned=()):
    return plan_repairs(of, now, found=dict.fromkeys(found, True), owned=dict.fromkeys(owned, True))


def test_a_stack_in_order_needs_no_repair():
    repairs = plan(state(component(), endpoint()), GOOD)
    assert not repairs
    assert (repairs.adopt, repairs.refresh, repairs.replace, repairs.notes) == ((), (), (), ())


def test_an_endpoint_that_does_not_exist_yet_needs_no_repair():
    assert not plan(state(), {"churn-staging": None})


def test_live_endpoints_that_the_state_does_not_know_are_found():
    now = {"b": live(), "a": live(), "churn-staging": live(), "missing": None}
    assert unknown_endpoints(state(endpoint()), now) == ("a", "b")


def test_an_interrupted_create_of_an_endpoint_of_ours_is_taken_over_under_its_urn():
    repairs = plan(state(component(), pending=[BEGUN_ENDPOINT]), GOOD, found=[URN], owned=["churn-staging"])
    (adopted,) = repairs.adopt
    assert (adopted.urn, adopted.type, adopted.id, adopted.parent) == (
        URN,
        ENDPOINT_TYPE,
        "churn-staging",
        component_urn("churn-staging"),
    )
    assert repairs.notes == (
        "taking endpoint churn-staging over: it lives and carries this stack's tags, the state does not know it",
    )


def test_an_endpoint_of_ours_that_the_state_lost_is_taken_over_under_the_urn_of_its_component():
    repairs = plan(state(component()), GOOD, owned=["churn-staging"])
    (adopted,) = repairs.adopt
    assert (adopted.urn, adopted.id, adopted.parent) == (URN, "churn-staging", component_urn("churn-staging"))


def test_an_endpoint_of_somebody_else_stops_the_run_and_is_never_taken_over():
    with pytest.raises(
        ResourceFailure, match=r"churn-staging exists and is not this stack's.*nothing was changed"
    ):
        plan(state(component()), GOOD)


def test_an_endpoint_of_ours_in_a_state_that_knows_nothing_of_it_stops_the_run():
    with pytest.raises(ResourceFailure, match="the state may be lost or another backend is in use"):
        plan(state(), GOOD, owned=["churn-staging"])


def test_an_interrupted_create_of_another_kind_that_lives_is_taken_over_by_its_aws_name():
    repairs = plan(
        state(component(), pending=[BEGUN_CONFIG]), {"churn-staging": None}, found=[BEGUN_CONFIG.urn]
    )
    (adopted,) = repairs.adopt
    assert (adopted.urn, adopted.id) == (BEGUN_CONFIG.urn, "churn-staging-config-abcdefg")
    assert repairs.notes == ("taking churn-staging-config over: its create was interrupted, it lives",)


def test_interrupted_creates_that_made_nothing_are_forgotten_and_told():
    repairs = plan(state(component(), pending=[BEGUN_CONFIG, BEGUN_ENDPOINT]), {"churn-staging": None})
    assert repairs.adopt == ()
    assert repairs.notes == (
        "forgetting creates that were interrupted before they made anything: churn-staging-config, churn-staging",
    )


def test_a_failed_endpoint_is_replaced_and_its_reason_told():
    now = {"churn-staging": live(status="Failed", failure_reason="no such image")}
    repairs = plan(state(component(), endpoint()), now)
    assert (repairs.replace, repairs.refresh, repairs.adopt) == ((URN,), (), ())
    assert len(repairs.notes) == 1
    assert repairs.notes[0].endswith("(no such image)")


def test_a_failed_endpoint_that_the_state_does_not_know_is_taken_over_and_replaced():
    now = {"churn-staging": live(status="Failed")}
    repairs = plan(state(component()), now, owned=["churn-staging"])
    assert [each.urn for each in repairs.adopt] == [URN]
    assert (repairs.replace, repairs.refresh) == ((URN,), ())


def test_a_failed_endpoint_of_somebody_else_is_never_deleted():
    with pytest.raises(ResourceFailure, match="is not this stack's"):
        plan(state(component()), {"churn-staging": live(status="Failed")})


def test_an_endpoint_that_aws_rolled_back_is_read_again():
    repairs = plan(state(component(), endpoint(config="config-2")), {"churn-staging": live("config-1")})
    assert (repairs.refresh, repairs.replace) == ((URN,), ())
    assert "is on config-1, not on config-2 as recorded" in repairs.notes[0]


def test_an_endpoint_that_was_deleted_outside_is_read_again_so_that_it_is_made_again():
    repairs = plan(state(component(), endpoint()), {"churn-staging": None})
    assert repairs.refresh == (URN,)
    assert "was deleted outside Pulumi" in repairs.notes[0]


def test_an_endpoint_of_the_state_that_nobody_looked_at_is_left_to_the_update():
    assert not plan(state(component(), endpoint()), {})


def test_every_repair_has_a_note_and_no_note_comes_without_a_repair():
    """The sequence decides by the notes whether there is anything to mend."""
    for repairs in (
        plan(state(component(), endpoint()), {"churn-staging": live(status="Failed")}),
        plan(state(component()), GOOD, owned=["churn-staging"]),
        plan(state(component(), endpoint()), {"churn-staging": live("other")}),
    ):
        assert bool(repairs)
