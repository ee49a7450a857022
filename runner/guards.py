"""The guards before anything is changed: plain decisions, each a message or nothing."""

from collections.abc import Mapping, Sequence

from registry import LiveEndpoint

_ONE_WAY = "AWS cannot move an endpoint from instances to serverless"


def wrong_account(found: str, allowed: str) -> str | None:
    """Refuse another AWS account than the one that the stack file names."""
    if found == allowed:
        return None
    return (
        f"wrong account: these credentials are for {found}, the stack file allows {allowed} (allowedAccount); "
        "nothing was changed. Use other credentials, or set allowedAccount to the account you mean"
    )


def too_many_removals(removed: Sequence[str], *, most: int, allowed: bool) -> str | None:
    """Refuse a run that deletes or replaces more endpoints than `maxRemovals`.

    Args:
        removed: names of the endpoints that the run would delete or replace.
        most: the stack's `maxRemovals`.
        allowed: whether the user said `--allow-removals`.
    """
    if allowed or len(removed) <= most:
        return None
    listed = ", ".join(removed)
    return (
        f"this run would delete {count(removed)}: {listed}; maxRemovals of this stack is {most}; nothing was deployed. "
        "If that is meant, repeat with --allow-removals"
    )


def one_way_moves(
    wanted_serverless: Mapping[str, bool], live: Mapping[str, LiveEndpoint | None]
) -> tuple[str, ...]:
    """Names of the live instance endpoints that would have to become serverless, sorted.

    Source: https://docs.aws.amazon.com/sagemaker/latest/dg/serverless-endpoints-update.html (read 2026-11).
    """
    return tuple(
        sorted(
            name
            for name, serverless in wanted_serverless.items()
            if serverless and (endpoint := live.get(name)) is not None and endpoint.kind == "instance"
        )
    )


def refused_move(names: Sequence[str]) -> str:
    """Say why the endpoints must be made anew, and how."""
    return (
        f"{_ONE_WAY}: {', '.join(names)}. It must be deleted and made anew, without an answer in between; "
        "nothing was deployed. If that is meant, repeat with --allow-removals"
    )


def count(endpoints: Sequence[object]) -> str:
    """``1 endpoint``, ``2 endpoints``."""
    return "1 endpoint" if len(endpoints) == 1 else f"{len(endpoints)} endpoints"
