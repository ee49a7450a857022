"""deploy and preview: resolve → mend → preview → guards → up → truth check → record."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from registry import LiveEndpoint, Manifest
from runner import guards, record, truth
from runner.changes import Change, removed_endpoints
from runner.errors import BackendAccessError, PolicyRefused, ResourceFailure
from runner.guards import count
from runner.locks import StateChangedError, when_unlocked
from runner.mending import after_interruption, mend, repairs_for, settled
from runner.repair import Repairs
from runner.report import Report, rows_of
from runner.session import Session, Snapshot
from runner.state import State

if TYPE_CHECKING:
    from runner.stack import PulumiStack


_MOST_AT_ONCE = 128


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
    early = session.begin_preview(parallel=_MOST_AT_ONCE)
    seen = session.look()
    if seen.state.pending:
        session.say(
            "another run is at work, or one was interrupted: deploy would wait for it, or mend what it left"
        )
    repairs = Repairs() if seen.state.pending else repairs_for(session, seen)
    for note in repairs.notes:
        session.say(f"deploy would mend first: {note}")
    anew = _anew(session, seen, seen.state, repairs)
    session.say(f"previewing {count(seen.manifest.endpoints)}")
    if anew:
        early.give_up()
        session.pin(seen.manifest)
        outcome = session.preview(session.stack(), parallel=_MOST_AT_ONCE, replace=anew)
    else:
        outcome = early.outcome(seen.manifest.to_json())
    refuse_unwanted(session, seen, outcome.changes, options)
    result = _planned(len(outcome.changes)) if outcome.changes or repairs else "no changes"
    return _report(session, "preview", result, seen, outcome.changes, {})


def _deploy(session: Session, options: Options) -> Report:
    seen = session.look()
    if not options.full and seen.recorded == _record(session, seen, seen.state, seen.live):
        return _report(session, "deploy", "no changes since the last verified deploy", seen, (), seen.live)
    session.warm_up()
    stack = session.stack()
    seen = settled(session, after_interruption(session, stack, seen))
    repairs = repairs_for(session, seen)
    mend(session, stack, repairs)
    mended = session.state() if repairs else seen.state
    anew = _anew(session, seen, mended, repairs)
    session.say(f"previewing {count(seen.manifest.endpoints)}")
    session.pin(seen.manifest)
    planned = session.preview(stack, parallel=_MOST_AT_ONCE, replace=anew)
    refuse_unwanted(session, seen, planned.changes, options)
    changes = planned.changes
    # A preview does not tell of deletions that an interrupted run still owes; a state that a verified deploy left owes none.
    is_tidy = seen.recorded is not None and seen.recorded.state == seen.state.digest
    if changes or planned.others or repairs or not is_tidy:
        _refuse_stale(session, mended.digest)
        changes = _up(session, stack, seen, anew)
    after = session.state()
    live = truth.check(session, seen.manifest, after)
    wanted = {each.name for each in seen.manifest.endpoints}
    truth.require_gone(session, [name for name in removed_endpoints(changes) if name not in wanted])
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


def _anew(session: Session, seen: Snapshot, state: State, repairs: Repairs) -> tuple[str, ...]:
    """URNs of the endpoints that must be deleted and made again; the engine does both while it holds the lock."""
    known = {name: resource.urn for name, resource in state.endpoints().items()}
    moved = (known[name] for name in _moved(session, seen) if name in known)
    return tuple(sorted({*moved, *repairs.replace} & set(known.values())))


def _up(session: Session, stack: "PulumiStack", seen: Snapshot, anew: Sequence[str]) -> tuple[Change, ...]:
    versions = ", ".join(f"{each.name}={each.package_version}" for each in seen.manifest.endpoints[:5])
    try:
        return stack.up(
            parallel=parallelism(seen.manifest),
            replace=anew,
            message=f"runner deploy: {versions}"[:200],
        ).changes
    except ResourceFailure as error:
        raise ResourceFailure("\n".join([str(error), *_aftermath(session, seen.manifest)])) from error


def _aftermath(session: Session, manifest: Manifest) -> tuple[str, ...]:
    """What AWS says, after a failed update, of the endpoints that are not as they were asked for."""
    try:
        expected = truth.expected_configs(manifest, session.state())
        live = session.registry.read_live(list(expected))
        problems = truth.untrue(expected, live)
        return (*problems, truth.next_step(live)) if problems else ()
    except Exception as error:  # noqa: BLE001  an explanation that cannot be had must not hide the failure itself
        return (f"(what AWS says now could not be read: {error})",)


def refuse_unwanted(session: Session, seen: Snapshot, changes: Sequence[Change], options: Options) -> None:
    """The guards between preview and up.

    Raises:
        PolicyRefused: naming each endpoint that would go.
    """
    moved = _moved(session, seen)
    if moved and not options.allow_removals:
        raise PolicyRefused(guards.refused_move(moved))
    failed = {name for name, live in seen.live.items() if live and live.status == "Failed"}
    removed = [name for name in removed_endpoints(tuple(changes)) if name not in failed]
    problem = guards.too_many_removals(
        removed, most=session.settings.max_removals, allowed=options.allow_removals
    )
    if problem:
        raise PolicyRefused(problem)


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
    return min(_MOST_AT_ONCE, max(16, 2 * len(manifest.endpoints)))


def _moved(session: Session, seen: Snapshot) -> tuple[str, ...]:
    wanted = {
        each.name: session.settings.inference_for(each.group).is_serverless
        for each in seen.manifest.endpoints
    }
    return guards.one_way_moves(wanted, seen.live)


def _planned(changes: int) -> str:
    return "1 change planned" if changes == 1 else f"{changes} changes planned"


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
