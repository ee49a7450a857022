"""Carries out what runner.repair decides, after runs that were killed and changes that others made."""

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from registry import is_owned
from runner import truth
from runner.cloud import FINDABLE_TYPES
from runner.errors import ResourceFailure
from runner.repair import Repairs, plan_repairs, unknown_endpoints
from runner.session import Session, Snapshot
from runner.state import ENDPOINT_TYPE, pending_name

if TYPE_CHECKING:
    from runner.stack import PulumiStack


def after_interruption(
    session: Session,
    stack: "PulumiStack",
    seen: Snapshot,
    look: Callable[[Session], Snapshot] = lambda session: session.look(),
) -> Snapshot:
    """Clear what a killed run left pending, and look again; its creates stay known, to find what they made.

    Raises:
        LockedError: no run was killed: one is at work.
    """
    if not seen.state.pending:
        return seen
    session.say("an operation was begun and not ended; reading the stack's resources again")
    stack.refresh(clear_pending_creates=True)
    now = look(session)
    known = {resource.urn for resource in now.state.resources}
    unknown = tuple(each for each in seen.state.pending_creates if each.urn not in known)
    begun = [pending_name(each) for each in unknown if each.type == ENDPOINT_TYPE]
    live = {**session.registry.read_live([name for name in begun if name not in now.live]), **now.live}
    return replace(now, state=replace(now.state, pending_creates=unknown), live=live)


def settled(
    session: Session, seen: Snapshot, look: Callable[[Session], Snapshot] = lambda session: session.look()
) -> Snapshot:
    """Wait for endpoints that somebody or AWS is changing or deleting right now; nothing can be done to them before."""
    moving = [name for name, live in seen.live.items() if live and live.status in truth.MOVING]
    if not moving:
        return seen
    truth.wait_until_settled(session.registry.read_live, moving, say=session.say)
    now = look(session)
    return replace(now, state=replace(now.state, pending_creates=seen.state.pending_creates))


def repairs_for(session: Session, seen: Snapshot) -> Repairs:
    """Look at what interrupted runs and others left, and decide what to mend."""
    project = session.settings.project
    found = {
        pending.urn: pending.type in FINDABLE_TYPES
        and session.cloud.exists(pending.type, pending_name(pending))
        for pending in seen.state.pending_creates
    }
    owned = {}
    for name in unknown_endpoints(seen.state, seen.live):
        owned[name] = is_owned(session.cloud.endpoint_tags(name) or {}, project, session.name)
    return plan_repairs(seen.state, seen.live, found=found, owned=owned)


def mend(session: Session, stack: "PulumiStack", repairs: Repairs) -> None:
    """Carry the repairs out, but for the replacements: the update makes those, while it holds the stack's lock."""
    for note in repairs.notes:
        session.say(f"mending: {note}")
    if repairs.adopt:
        provider = session.state().provider_urn()
        for resource in repairs.adopt:
            if provider is None:
                message = (
                    f"{resource.name} cannot be taken over: the state has no AWS provider; restore the state"
                )
                raise ResourceFailure(message)
            stack.adopt(resource, provider)
    if repairs.refresh:
        stack.refresh(repairs.refresh)
