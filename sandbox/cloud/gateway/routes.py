"""Which route of an HTTP API a request takes.

Source: https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-routes.html
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from urllib.parse import unquote

DEFAULT = "$default"


@dataclass(frozen=True, slots=True)
class Match:
    """The route that a request takes, with the values of the path's variables."""

    route_key: str
    parameters: dict[str, str] = field(default_factory=dict)


def find_route(route_keys: Iterable[str], method: str, path: str) -> Match | None:
    """Give the most specific route: full matches before greedy ones, a method before ANY, `$default` last."""
    best: tuple[tuple[int, int, int], Match] | None = None
    for key in route_keys:
        if key == DEFAULT:
            continue
        wanted, _, template = key.partition(" ")
        found = _pattern(template).fullmatch(path)
        if found is None or wanted not in ("ANY", method):
            continue
        rank = ("+}" in template, template.count("{"), wanted == "ANY")
        values = {name: unquote(value) for name, value in found.groupdict().items()}
        if best is None or rank < best[0]:
            best = (rank, Match(key, values))
    if best is not None:
        return best[1]
    return Match(DEFAULT) if DEFAULT in route_keys else None


def _pattern(template: str) -> re.Pattern[str]:
    parts = []
    for part in re.split(r"({[^}]+})", template.rstrip("/") or "/"):
        if not part.startswith("{"):
            parts.append(re.escape(part))
            continue
        name = part.strip("{}")
        parts.append(f"(?P<{name.rstrip('+')}>.+)" if name.endswith("+") else f"(?P<{name}>[^/]+)")
    return re.compile("".join(parts) + "/?")
