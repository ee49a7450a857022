"""The truth check: a live endpoint must be InService on the configuration that was deployed, or the run has failed.

AWS rolls a failed update back and reports InService on the old configuration; the provider does not compare
(https://github.com/hashicorp/terraform-provider-aws/issues/46663).
"""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from registry import LiveEndpoint, Manifest
from runner.errors import ResourceFailure
from runner.report import package_of
from runner.state import State

if TYPE_CHECKING:
    from runner.session import Session

MOVING = frozenset({"Creating", "Updating", "SystemUpdating", "RollingBack", "Deleting"})


def check(session: "Session", manifest: Manifest, state: State) -> Mapping[str, LiveEndpoint | None]:
    """See every wanted endpoint InService on the configuration that the state says it was given.

    Raises:
        ResourceFailure: one is not; the text names each with AWS's reason. Its old configuration is kept.
    """
    expected = expected_configs(manifest, state)
    live = wait_until_settled(session.registry.read_live, list(expected), say=session.say)
    problems = [*outdated(manifest, state), *untrue(expected, live)]
    if problems:
        raise ResourceFailure("\n".join([*problems, next_step(live)]))
    return live


def next_step(live: Mapping[str, LiveEndpoint | None]) -> str:
    """What a person does after endpoints were found untrue."""
    if any(found is not None and found.status == "Failed" for found in live.values()):
        return "Mend the package or the settings, then deploy again: that replaces a Failed endpoint"
    return "What served before is kept. Mend the package or the settings, then deploy again"


def require_gone(session: "Session", names: Sequence[str]) -> None:
    """See that endpoints whose deletion was asked for are gone; the provider does not wait for that.

    Raises:
        ResourceFailure: one lives; the text names each with AWS's status and reason.
    """
    live = wait_until_settled(session.registry.read_live, names, say=session.say)
    problems = [
        f"{name} was to be deleted and is {found.status}. {found.failure_reason or ''}".strip()
        for name, found in sorted(live.items())
        if found is not None
    ]
    if problems:
        after = "It costs money as long as it lives: look at it (aws sagemaker describe-endpoint), delete it, then run again"
        raise ResourceFailure("\n".join([*problems, after]))


def expected_configs(manifest: Manifest, state: State) -> dict[str, str]:
    """Configuration by wanted endpoint; an endpoint that the state lacks has none that could be right."""
    known = state.endpoints()
    return {
        name: str(known[name].inputs.get("endpointConfigName", "")) if name in known else ""
        for name in (wanted.name for wanted in manifest.endpoints)
    }


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


def untrue(expected: Mapping[str, str], live: Mapping[str, LiveEndpoint | None]) -> tuple[str, ...]:
    """One line for each endpoint that is not InService on its expected configuration.

    Args:
        expected: configuration name by endpoint name.
        live: what AWS says of each, None where there is no such endpoint.
    """
    return tuple(
        problem
        for name, config in sorted(expected.items())
        if (problem := _problem(name, config, live.get(name)))
    )


def wait_until_settled(
    read: Callable[[Sequence[str]], Mapping[str, LiveEndpoint | None]],
    names: Sequence[str],
    *,
    timeout_s: float = 3600.0,
    say: Callable[[str], None],
    sleep: Callable[[float], None] = time.sleep,
    now: Callable[[], float] = time.monotonic,
) -> Mapping[str, LiveEndpoint | None]:
    """Read the endpoints until none is between two states, or until the time is up; return the last answer.

    Args:
        read: reads endpoints by name.
        names: the endpoints.
        timeout_s: seconds to wait at most; 3600, as long as the provider waits.
        say: gets a line when there is something to wait for.
        sleep: waits.
        now: seconds on any clock that does not jump.
    """
    deadline = now() + timeout_s
    live = dict(read(names))
    pause = 1.0
    while moving := sorted(name for name, endpoint in live.items() if endpoint and endpoint.status in MOVING):
        if now() >= deadline:
            break
        first = live[moving[0]]
        say(f"waiting for {', '.join(moving)} ({first.status if first else ''})")
        sleep(pause)
        pause = min(pause * 1.5, 15.0)
        live.update(read(moving))
    return live


def _problem(name: str, config: str, live: LiveEndpoint | None) -> str | None:
    if live is None:
        return f"{name}: there is no such endpoint"
    reason = f" AWS's reason: {live.failure_reason}" if live.failure_reason else ""
    if not config:
        return f"{name} is {live.status} on {live.config}, and this stack's state does not know it.{reason}"
    if live.status != "InService" and live.config == config:
        return f"{name} is {live.status} on {config}.{reason}"
    if live.status != "InService":
        return f"{name} is {live.status} on {live.config}, not InService on {config}.{reason}"
    if live.config != config:
        return f"{name} still serves {live.config}, not {config}: AWS rolled the update back.{reason}"
    return None
