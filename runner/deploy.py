"""deploy, preview and destroy: resolve → repair → preview → guards → up → truth check → record."""

import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from registry import LiveEndpoint, Manifest, is_owned
from runner import guards, record, truth
from runner.changes import Change, removed_endpoints
from runner.cloud import FINDABLE_TYPES
from runner.errors import BackendAccessError, PolicyRefused, ResourceFailure, RunnerError, StackBusy
from runner.guards import count
from runner.locks import LockedError, StateChangedError, is_gone
from runner.repair import Repairs, pending_name, plan_repairs, unknown_endpoints
from runner.report import Report, Row, package_of, rows_of
from runner.session import PREVIEW_VARIABLES, Session, Snapshot
from runner.state import ENDPOINT_TYPE, State

if TYPE_CHECKING:
    from runner.stack import Outcome, PulumiStack

LOCK_POLL_S = 5.0
_LOCK_NEWS_S = 60.0
_MOST_TAKEOVERS = 3


@dataclass(frozen=True, slots=True)
class Options:
    """What the user may say about a deploy.

    Attributes:
        full: take the full path although nothing seems to have changed.
        allow_removals: let the run delete or replace more endpoints than `maxRemovals`.
        lock_timeout_s: seconds to wait for another update of the stack.
    """

    full: bool = False
    allow_removals: bool = False
    lock_timeout_s: float = 1800.0


def deploy(session: Session, options: Options) -> Report:
    """Make the stack's endpoints equal to the registry, and see them serve.

    Raises:
        PolicyRefused: a guard said no; nothing was changed.
        ResourceFailure: an operation failed, or an endpoint is not InService on its new configuration.
        StackBusy: another update held the stack for too long.
    """
    return when_unlocked(session, options.lock_timeout_s, lambda: _deploy(session, options))


def preview(session: Session, options: Options) -> Report:
    """Say what a deploy would do, guards included; changes nothing and takes no lock."""
    session.warm_up()
    seen = session.look()
    stack = session.stack()
    if seen.state.pending:
        session.say(
            "another run is at work, or one was interrupted: deploy would wait for it, or mend what it left"
        )
    repairs = Repairs() if seen.state.pending else repairs_for(session, seen)
    for note in repairs.notes:
        session.say(f"deploy would mend first: {note}")
    outcome = _ask(session, stack, seen)
    refuse_unwanted(session, seen, outcome.changes, options)
    result = _planned(len(outcome.changes)) if outcome.changes or repairs else "no changes"
    return _report(session, "preview", result, seen, outcome.changes, {})


def destroy(session: Session, options: Options) -> Report:
    """Delete the stack's endpoints and all that is theirs; the empty stack stays.

    Raises:
        PolicyRefused: more endpoints than `maxRemovals`, without `--allow-removals`.
    """
    session.check_account()
    return when_unlocked(session, options.lock_timeout_s, lambda: _destroy(session, options))


def when_unlocked(
    session: Session,
    timeout_s: float,
    attempt: Callable[[], Report],
    *,
    sleep: Callable[[float], None] = time.sleep,
) -> Report:
    """Try until the stack is free: wait for a living holder of its lock, take the lock of one that is known to be gone.

    Each try begins from the start, since the run that was waited for may have changed everything.

    Raises:
        StackBusy: the time is up.
    """
    deadline = time.monotonic() + timeout_s
    takeovers, said = 0, -_LOCK_NEWS_S
    while True:
        try:
            return attempt()
        except StateChangedError as changed:
            if time.monotonic() >= deadline:
                raise StackBusy(str(changed)) from changed
            session.say(f"{changed}; beginning anew")
        except LockedError as locked:
            if locked.holders and all(map(is_gone, locked.holders)) and takeovers < _MOST_TAKEOVERS:
                takeovers += 1
                session.say(f"{locked}, which has ended without releasing it; taking the lock over")
                session.unlock(locked.holders)
                continue
            now = time.monotonic()
            if now >= deadline:
                raise StackBusy(_busy(locked, timeout_s, session.name)) from locked
            if now - said >= _LOCK_NEWS_S:
                said = now
                session.say(f"{locked}; waiting up to {deadline - now:.0f} s more")
            sleep(min(LOCK_POLL_S * random.uniform(0.8, 1.2), max(deadline - now, 0.0)))  # noqa: S311  spreads waiters


def _deploy(session: Session, options: Options) -> Report:
    seen = session.look()
    if not options.full and seen.recorded == _record(session, seen, seen.state, seen.live):
        return _report(session, "deploy", "no changes since the last verified deploy", seen, (), seen.live)
    session.warm_up()
    stack = session.stack()
    seen = settled(session, after_interruption(session, stack, seen))
    repairs = repairs_for(session, seen)
    mend(session, stack, repairs)
    planned_on = session.state().digest if repairs else seen.state.digest
    planned = _ask(session, stack, seen)
    refuse_unwanted(session, seen, planned.changes, options)
    changes = planned.changes
    # A preview does not tell of deletions that an interrupted run still owes; a state that a verified deploy left owes none.
    is_tidy = seen.recorded is not None and seen.recorded.state == seen.state.digest
    if changes or repairs or not is_tidy:
        _refuse_stale(session, planned_on)
        _remove(session, stack, seen, _moved(session, seen))
        changes = _up(session, stack, seen)
    after = session.state()
    live = check_truth(session, seen.manifest, after)
    remember(session, _record(session, seen, after, live))
    result = "deployed" if changes else "repaired" if repairs else "no changes"
    return _report(session, "deploy", result, seen, changes, live)


def _record(
    session: Session, seen: Snapshot, state: State, live: Mapping[str, LiveEndpoint | None]
) -> record.Record:
    return record.Record(session.inputs_digest(seen.manifest), state.digest, record.live_digest(live))


def _refuse_stale(session: Session, planned_on: str) -> None:
    """Begin anew when another run has changed the state since the preview: the guards judged something else.

    Raises:
        StateChangedError: it has.
    """
    if session.state().digest != planned_on:
        message = "another run has changed the stack since this one's preview; nothing was deployed"
        raise StateChangedError(message)


def _ask(session: Session, stack: "PulumiStack", seen: Snapshot) -> "Outcome":
    session.say(f"previewing {count(seen.manifest.endpoints)}")
    session.pin(seen.manifest)
    head_start = session.warm.variables() if session.warm else {}
    try:
        return stack.preview(parallel=parallelism(seen.manifest), env={**PREVIEW_VARIABLES, **head_start})
    finally:
        if session.warm:
            session.warm.close()


def _up(session: Session, stack: "PulumiStack", seen: Snapshot) -> tuple[Change, ...]:
    versions = ", ".join(f"{each.name}={each.package_version}" for each in seen.manifest.endpoints[:5])
    try:
        return stack.up(
            parallel=parallelism(seen.manifest), message=f"runner deploy: {versions}"[:200]
        ).changes
    except ResourceFailure as error:
        raise ResourceFailure("\n".join([str(error), *_aftermath(session, seen.manifest)])) from error


def _aftermath(session: Session, manifest: Manifest) -> tuple[str, ...]:
    """What AWS says, after a failed update, of the endpoints that are not as they were asked for."""
    try:
        state = session.state()
        return truth.untrue(_expected(manifest, state), session.registry.read_live(_names(manifest)))
    except Exception as error:  # noqa: BLE001  an explanation that cannot be had must not hide the failure itself
        return (f"(what AWS says now could not be read: {error})",)


def check_truth(session: Session, manifest: Manifest, state: State) -> Mapping[str, LiveEndpoint | None]:
    """See every wanted endpoint InService on the configuration that the state says it was given.

    Raises:
        ResourceFailure: one is not; the text names each with AWS's reason. Its old configuration is kept.
    """
    live = truth.wait_until_settled(session.registry.read_live, _names(manifest), say=session.say)
    problems = [*outdated(manifest, state), *truth.untrue(_expected(manifest, state), live)]
    if problems:
        kept = "The configuration that serves is kept. Mend the package or the settings, then deploy again"
        raise ResourceFailure("\n".join([*problems, kept]))
    return live


def outdated(manifest: Manifest, state: State) -> list[str]:
    """One line for each endpoint whose deployed model was made from another package than the one that is wanted."""
    lines = []
    for wanted in manifest.endpoints:
        deployed = package_of(state, wanted.name)
        if deployed and deployed != wanted.package_arn:
            lines.append(
                f"{wanted.name} was deployed from {deployed}, and the registry wants {wanted.package_arn}: deploy"
            )
    return lines


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
    """Carry the repairs out, up to those that the update itself carries out."""
    for note in repairs.notes:
        session.say(f"mending: {note}")
    for name in repairs.remove:
        session.cloud.delete_endpoint(name)
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


def refuse_unwanted(session: Session, seen: Snapshot, changes: Sequence[Change], options: Options) -> None:
    """The guards between preview and up.

    Raises:
        PolicyRefused: naming each endpoint that would go.
    """
    failed = {name for name, live in seen.live.items() if live and live.status == "Failed"}
    removed = [name for name in removed_endpoints(tuple(changes)) if name not in failed]
    problem = guards.too_many_removals(
        removed, most=session.settings.max_removals, allowed=options.allow_removals
    )
    if problem:
        raise PolicyRefused(problem)
    moved = _moved(session, seen)
    if moved and not options.allow_removals:
        raise PolicyRefused(guards.refused_move(moved))


def remember(session: Session, verified: record.Record) -> None:
    """Write the record of a verified deploy; a refusal costs the next run time, and this one nothing."""
    try:
        session.cloud.write_parameter(session.parameter, verified.to_json())
    except (ResourceFailure, BackendAccessError) as error:
        session.say(
            f"the record of this deploy cannot be written, so the next one takes the full path: {error}"
        )


def parallelism(manifest: Manifest) -> int:
    """Operations at once: endpoints wait, they do not compute, but AWS throttles; 16 to 128."""
    return min(128, max(16, 2 * len(manifest.endpoints)))


def _destroy(session: Session, options: Options) -> Report:
    stack = session.stack()
    seen = settled(session, after_interruption(session, stack, _deployed(session), _deployed), _deployed)
    mend(session, stack, _lost(repairs_for(session, seen), seen.state))
    names = tuple(sorted(session.state().endpoints()))
    problem = guards.too_many_removals(
        names, most=session.settings.max_removals, allowed=options.allow_removals
    )
    if problem:
        raise PolicyRefused(problem)
    session.pin(seen.manifest)  # it wants nothing
    outcome = stack.destroy(parallel=parallelism(seen.manifest))
    truth.wait_until_settled(session.registry.read_live, names, say=session.say)  # the provider does not wait
    session.cloud.delete_parameter(session.parameter)
    rows = tuple(Row(name, None, "deleted") for name in names)
    return Report(
        "destroy",
        session.name,
        "destroyed",
        rows,
        changes=tuple(f"{c.op} {c.label}" for c in outcome.changes),
    )


def _lost(repairs: Repairs, state: State) -> Repairs:
    """Of the repairs, those that a destroy needs: what interrupted runs made must be known before it can be deleted."""
    known = state.endpoints()
    failed = tuple(name for name in repairs.remove if name not in known)
    notes = [f"taking over {each.name}, which an interrupted run made" for each in repairs.adopt]
    notes += [f"deleting endpoint {name}, which an interrupted run made" for name in failed]
    return Repairs(remove=failed, adopt=repairs.adopt, notes=tuple(notes))


def _deployed(session: Session) -> Snapshot:
    """What the state knows and what is live of it, whatever the registry says: it may be gone when a stack is destroyed."""
    state = session.state()
    begun = (pending_name(each) for each in state.pending_creates if each.type == ENDPOINT_TYPE)
    nothing = Manifest(version=1, environment=session.settings.environment, endpoints=(), ignored=())
    return Snapshot(nothing, state, session.registry.read_live([*state.endpoints(), *begun]), None)


def _moved(session: Session, seen: Snapshot) -> tuple[str, ...]:
    wanted = {
        each.name: session.settings.inference_for(each.group).is_serverless
        for each in seen.manifest.endpoints
    }
    return guards.one_way_moves(wanted, seen.live)


def _remove(session: Session, stack: "PulumiStack", seen: Snapshot, names: Sequence[str]) -> None:
    """Delete endpoints that must be made anew, and let the state know."""
    known = seen.state.endpoints()
    for name in names:
        session.say(f"deleting endpoint {name}: it must be made anew")
        session.cloud.delete_endpoint(name)
    gone = [known[name].urn for name in names if name in known]
    if gone:
        stack.refresh(gone)


def _names(manifest: Manifest) -> list[str]:
    return [wanted.name for wanted in manifest.endpoints]


def _expected(manifest: Manifest, state: State) -> dict[str, str]:
    """Configuration by wanted endpoint; an endpoint that the state lacks has none that could be right."""
    known = state.endpoints()
    return {
        name: str(known[name].inputs.get("endpointConfigName", "")) if name in known else ""
        for name in _names(manifest)
    }


def _planned(changes: int) -> str:
    return "1 change planned" if changes == 1 else f"{changes} changes planned"


def _busy(locked: RunnerError, timeout_s: float, stack: str) -> str:
    return (
        f"{locked}; waited {timeout_s:.0f} s. If that process has ended for certain, release the lock with "
        f"`pulumi cancel --stack {stack}`; otherwise try again later"
    )


def _report(
    session: Session,
    command: str,
    result: str,
    seen: Snapshot,
    changes: Sequence[Change],
    live: Mapping[str, LiveEndpoint | None],
) -> Report:
    lines = tuple(
        f"{change.op} {change.label}" for change in changes if not change.type.startswith("pulumi:")
    )
    rows = rows_of(seen.manifest, seen.state, changes, live)
    return Report(command, session.name, result, rows, ignored=seen.manifest.ignored, changes=lines)
