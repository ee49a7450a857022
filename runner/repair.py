"""What must be mended before an update, after runs that were killed and changes that others made. Plain decisions."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from registry import LiveEndpoint
from runner.errors import ResourceFailure
from runner.state import COMPONENT_TYPE, ENDPOINT_TYPE, Resource, State, pending_name

_FAILED = "Failed"


@dataclass(frozen=True, slots=True)
class Repairs:
    """What to do before the next update, or with it, in this order.

    Attributes:
        adopt: live resources of this stack that the state does not know, parents first.
        refresh: URNs of resources that others changed; the state reads them again.
        replace: URNs of endpoints that the update must make anew: AWS lets nobody do anything but delete one that is Failed.
        notes: one line for the user for each of them.
    """

    adopt: tuple[Resource, ...] = ()
    refresh: tuple[str, ...] = ()
    replace: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.notes)


def unknown_endpoints(state: State, live: Mapping[str, LiveEndpoint | None]) -> tuple[str, ...]:
    """Names of live endpoints that this stack wants and its state does not know, sorted."""
    known = state.endpoints()
    return tuple(
        sorted(name for name, endpoint in live.items() if endpoint is not None and name not in known)
    )


def plan_repairs(
    state: State,
    live: Mapping[str, LiveEndpoint | None],
    *,
    found: Mapping[str, bool],
    owned: Mapping[str, bool],
) -> Repairs:
    """Decide what must be mended.

    Args:
        state: the stack's state.
        live: each wanted or known endpoint by name, None where there is none.
        found: for each interrupted create, by URN, whether what it was to make lives.
        owned: for each of `unknown_endpoints`, whether its tags are this stack's.

    Raises:
        ResourceFailure: an endpoint has the wanted name and is not this stack's.
    """
    notes: list[str] = []
    adopt = [
        replace(pending, id=pending_name(pending))  # the name is the id of every type that is looked for
        for pending in state.pending_creates
        if found.get(pending.urn) and pending.type != ENDPOINT_TYPE
    ]
    notes += [f"taking {each.name} over: its create was interrupted, it lives" for each in adopt]
    unmade = [each.name for each in state.pending_creates if not found.get(each.urn)]
    if unmade:
        notes.append(
            f"forgetting creates that were interrupted before they made anything: {', '.join(unmade)}"
        )
    for name in unknown_endpoints(state, live):
        if not owned.get(name):
            raise ResourceFailure(_foreign(name))
        adopt.append(_lost_endpoint(state, name))
        notes.append(
            f"taking endpoint {name} over: it lives and carries this stack's tags, the state does not know it"
        )
    known = {name: resource.urn for name, resource in state.endpoints().items()}
    known |= {lost.id: lost.urn for lost in adopt if lost.type == ENDPOINT_TYPE}
    failed = [name for name, endpoint in sorted(live.items()) if _is_failed(endpoint)]
    notes += [
        f"replacing endpoint {name}: it is Failed, and AWS allows nothing else ({_reason(live[name])})"
        for name in failed
    ]
    refresh = _drifted(state, live, notes)
    return Repairs(tuple(adopt), tuple(refresh), tuple(known[name] for name in failed), tuple(notes))


def _drifted(state: State, live: Mapping[str, LiveEndpoint | None], notes: list[str]) -> list[str]:
    """URNs of the endpoints that the state must read again, since AWS has them otherwise."""
    refresh = []
    for name, resource in sorted(state.endpoints().items()):
        if name not in live:
            continue
        endpoint = live[name]
        recorded = resource.outputs.get("endpointConfigName")
        if endpoint is None:
            notes.append(f"endpoint {name} was deleted outside Pulumi; it is made again")
        elif endpoint.config != recorded and not _is_failed(endpoint):
            notes.append(
                f"endpoint {name} is on {endpoint.config}, not on {recorded} as recorded; it is read again"
            )
        else:
            continue
        refresh.append(resource.urn)
    return refresh


def _reason(endpoint: LiveEndpoint | None) -> str:
    return (endpoint.failure_reason if endpoint else None) or "AWS gave no reason"


def _is_failed(endpoint: LiveEndpoint | None) -> bool:
    return endpoint is not None and endpoint.status == _FAILED


def _lost_endpoint(state: State, name: str) -> Resource:
    """The state's entry that the endpoint would have: from its interrupted create, or from its component."""
    for pending in state.pending_creates:
        if pending.type == ENDPOINT_TYPE and pending_name(pending) == name:
            return Resource(
                pending.urn, pending.type, name, pending.parent, pending.inputs, {}, to_delete=False
            )
    for resource in state.resources:
        if resource.type == COMPONENT_TYPE and resource.inputs.get("endpoint_name") == name:
            prefix, _, component = resource.urn.rpartition("::")
            urn = f"{prefix}${ENDPOINT_TYPE}::{component}"
            return Resource(urn, ENDPOINT_TYPE, name, resource.urn, {}, {}, to_delete=False)
    message = (
        f"endpoint {name} lives and carries this stack's tags, but the state knows nothing of it: the state may be lost or "
        "another backend is in use (PULUMI_BACKEND_URL). Nothing was changed. Restore the state, or delete the endpoint"
    )
    raise ResourceFailure(message)


def _foreign(name: str) -> str:
    return (
        f"endpoint {name} exists and is not this stack's (its tags name no owner or another); nothing was changed. "
        "Delete it, import it with `pulumi import`, or rename the model package group"
    )
