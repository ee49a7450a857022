"""verify, status, resolve and check: what only looks."""

from registry import LiveEndpoint
from runner import truth
from runner.guards import count
from runner.report import Report, Row, package_of
from runner.session import Session
from runner.state import Resource


def check(session: Session) -> Report:
    """Check settings and config/inference.yaml, offline; constructing the session has done it."""
    rows = []
    for group in session.settings.models:
        config = session.settings.inference_for(group)
        if config.is_serverless:
            serving = (
                f"serverless, {config.serverless_size_in_mb} MB, {config.serverless_max_concurrency} at once"
            )
        else:
            serving = f"{config.instance_count} × {config.instance_type}"
        rows.append(Row(group, None, serving))
    return Report("check", session.name, "settings are good", tuple(rows), note_title="served by")


def resolve(session: Session) -> Report:
    """Say what should be deployed, by the registry, and what is left out and why."""
    session.check_account()
    manifest = session.resolve()
    rows = tuple(
        Row(each.name, each.package_version, each.group, status=each.live.status if each.live else "")
        for each in manifest.endpoints
    )
    return Report("resolve", session.name, f"{count(rows)} wanted", rows, "wanted by", manifest.ignored)


def verify(session: Session) -> Report:
    """See that every wanted endpoint is InService on the configuration that was deployed.

    Raises:
        ResourceFailure: one is not.
    """
    seen = session.look()
    live = truth.check(session, seen.manifest, seen.state)
    rows = []
    for each in seen.manifest.endpoints:
        now = live[each.name]
        if now:
            rows.append(
                Row(each.name, each.package_version, "as deployed", status=now.status, config=now.config)
            )
    return Report("verify", session.name, "verified", tuple(rows), "found", seen.manifest.ignored)


def _compared(deployed: str | None, wanted: str) -> str:
    """How what is deployed stands to what the registry wants."""
    if deployed is None:
        return "not deployed"
    return "deployed" if deployed == wanted else f"deployed; version {wanted.rsplit('/', 1)[1]} is wanted"


def _moved(live: LiveEndpoint | None, resource: Resource | None) -> str:
    """Say when another configuration serves than the one that was deployed, as after a rollback that AWS told nobody of."""
    meant = str(resource.inputs.get("endpointConfigName", "")) if resource else ""
    return (
        f"; not on {meant} as deployed: rolled back or moved"
        if live and meant and live.config != meant
        else ""
    )


def status(session: Session) -> Report:
    """Say what is live, beside what the registry wants and what the state says; judges nothing."""
    seen = session.look()
    known = seen.state.endpoints()
    rows = []
    for each in seen.manifest.endpoints:
        deployed = package_of(seen.state, each.name) if each.name in known else None
        rows.append(
            Row(
                each.name,
                int(deployed.rsplit("/", 1)[1]) if deployed else None,
                _compared(deployed, each.package_arn) + _moved(each.live, known.get(each.name)),
                status=each.live.status if each.live else "none",
                config=each.live.config if each.live else "",
            )
        )
    unwanted = sorted(known.keys() - {each.name for each in seen.manifest.endpoints})
    rows += [Row(name, None, "no longer wanted; the next deploy deletes it") for name in unwanted]
    return Report("status", session.name, count(rows), tuple(rows), "state", seen.manifest.ignored)
