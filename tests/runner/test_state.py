import json

import pytest

from runner.errors import BackendAccessError
from runner.state import ENDPOINT_TYPE, PROVIDER_TYPE, parse_state
from tests.support.fakes import PROVIDER_URN, child_urn, endpoint, provider, state

URN = child_urn(ENDPOINT_TYPE, "churn-staging", "churn-staging")
ENTRY = {
    "urn": URN,
    "type": ENDPOINT_TYPE,
    "id": "churn-staging",
    "parent": "parent",
    "inputs": {"name": "churn-staging", "endpointConfigName": "config-1"},
    "outputs": {"name": "churn-staging"},
}
PENDING = {"type": "creating", "resource": {**ENTRY, "id": ""}}


def exported(*resources, pending=(), **deployment):
    document = {
        "version": 3,
        "deployment": {
            "manifest": {"time": "2026-11-23T10:00:00Z"},
            "resources": list(resources),
            "pending_operations": list(pending),
            **deployment,
        },
    }
    return json.dumps(document)


def test_resources_become_plain_values():
    (found,) = parse_state(exported(ENTRY)).resources
    assert (found.urn, found.type, found.id, found.parent, found.name, found.to_delete) == (
        URN,
        ENDPOINT_TYPE,
        "churn-staging",
        "parent",
        "churn-staging",
        False,
    )
    assert found.inputs == ENTRY["inputs"]
    assert found.outputs == ENTRY["outputs"]


def test_a_resource_without_id_parent_or_properties_is_read_too():
    (found,) = parse_state(exported({"urn": "urn:a::b", "type": PROVIDER_TYPE})).resources
    assert (found.id, found.parent, found.inputs, found.outputs) == ("", "", {}, {})


def test_only_interrupted_creates_are_pending_creates():
    text = exported(pending=[PENDING, {"type": "updating", "resource": ENTRY}])
    assert [found.urn for found in parse_state(text).pending_creates] == [URN]


def test_endpoints_are_found_by_their_aws_name_without_those_that_go():
    kept, going = endpoint("kept"), endpoint("going", to_delete=True)
    assert state(kept, going, provider()).endpoints() == {"kept": kept}


def test_the_provider_is_found_or_none():
    assert state(endpoint(), provider()).provider_urn() == PROVIDER_URN
    assert state().provider_urn() is None


@pytest.mark.parametrize(
    "changed",
    [
        exported({**ENTRY, "inputs": {"name": "churn-staging", "endpointConfigName": "config-2"}}),
        exported({**ENTRY, "delete": True}),
        exported({**ENTRY, "outputs": {}}),
        exported(ENTRY, {"urn": "urn:a::b", "type": PROVIDER_TYPE}),
        exported(),
        exported(ENTRY, pending=[PENDING]),
        exported(ENTRY, pending=[{**PENDING, "type": "updating"}]),
    ],
)
def test_the_digest_changes_with_any_resource_and_any_pending_operation(changed):
    assert parse_state(changed).digest != parse_state(exported(ENTRY)).digest


def test_the_digest_does_not_change_with_the_order_of_keys_or_the_time_of_the_export():
    turned = exported(dict(reversed(ENTRY.items())), manifest={"time": "2027-01-01T00:00:00Z"})
    assert parse_state(turned).digest == parse_state(exported(ENTRY)).digest


def test_a_stack_that_was_never_deployed_is_empty():
    assert parse_state(json.dumps({"version": 3, "deployment": {}})).resources == ()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "not json",
        "null",
        "[]",
        "{}",
        '{"deployment": null}',
        '{"deployment": {"resources": [{}]}}',
        '{"deployment": {"resources": [1]}}',
        '{"deployment": {"pending_operations": [{"type": "creating"}]}}',
    ],
)
def test_defect_1_a_state_that_cannot_be_read_is_an_error_and_never_empty(text):
    with pytest.raises(
        BackendAccessError, match=r"state cannot be read.*nothing was changed.*Restore the state"
    ):
        parse_state(text)


@pytest.mark.parametrize("kind", ["creating", "updating", "deleting"])
def test_any_operation_that_was_not_ended_makes_the_state_pending(kind):
    assert parse_state(exported(ENTRY, pending=[{"type": kind, "resource": ENTRY}])).pending
    assert not parse_state(exported(ENTRY)).pending
