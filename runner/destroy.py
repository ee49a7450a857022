"""destroy: look at what the state knows → mend → guard → delete → wait → forget the record."""

from registry import Manifest, is_owned
from runner import guards, truth
from runner.deploy import Options, parallelism
from runner.errors import PolicyRefused
from runner.locks import when_unlocked
from runner.mending import after_interruption, mend, repairs_for, settled
from runner.repair import Repairs, unknown_endpoints
from runner.report import Report, Row
from runner.session import Session, Snapshot
from runner.state import ENDPOINT_TYPE


def destroy(session: Session, options: Options) -> Report:
    """Delete the stack's endpoints and all that is theirs; the empty stack stays.

    Raises:
        PolicyRefused: more endpoints than `maxRemovals`, without `--allow-removals`.
    """
    session.check_account()
    return when_unlocked(session, options.lock_timeout_s, lambda: _destroy(session, options))


def _destroy(session: Session, options: Options) -> Report:
    stack = session.stack()
    seen = settled(session, after_interruption(session, stack, _deployed(session), _deployed), _deployed)
    lost = _lost(repairs_for(session, seen))
    mend(session, stack, lost)
    names = tuple(sorted(session.state().endpoints()))
    problem = guards.too_many_removals(
        names, most=session.settings.max_removals, allowed=options.allow_removals
    )
    if problem:
        raise PolicyRefused(problem)
    session.pin(seen.manifest)  # it wants nothing
    # The state does not know what an endpoint that was taken over depends on: it must go before its configuration.
    first = [each.urn for each in lost.adopt if each.type == ENDPOINT_TYPE]
    changes = stack.destroy(parallel=parallelism(seen.manifest), targets=first).changes if first else ()
    changes += stack.destroy(parallel=parallelism(seen.manifest)).changes
    truth.require_gone(session, names)
    session.cloud.delete_parameter(session.parameter)
    rows = tuple(Row(name, None, "deleted") for name in names)
    return Report(
        "destroy",
        session.name,
        "destroyed",
        rows,
        changes=tuple(f"{c.op} {c.label}" for c in changes),
    )


def _lost(repairs: Repairs) -> Repairs:
    """Of the repairs, those that a destroy needs: what interrupted runs made must be known before it can be deleted."""
    notes = tuple(f"taking over {each.name}, which an interrupted run made" for each in repairs.adopt)
    return Repairs(adopt=repairs.adopt, notes=notes)


def _deployed(session: Session) -> Snapshot:
    """What the state knows and what is live of it, whatever the registry says: it may be gone when a stack is destroyed."""
    state = session.state()
    live = dict(session.registry.read_live(sorted(state.endpoint_names())))
    for name in unknown_endpoints(state, live):
        if not is_owned(session.cloud.endpoint_tags(name) or {}, session.settings.project, session.name):
            session.say(f"endpoint {name} is not this stack's and stays")
            del live[name]
    nothing = Manifest(version=1, environment=session.settings.environment, endpoints=(), ignored=())
    return Snapshot(nothing, state, live, None)
