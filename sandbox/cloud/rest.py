"""Which operation a request of a REST service calls: method and path, matched with the published ones."""

from __future__ import annotations

import functools
import re

from sandbox.cloud.http import Request
from sandbox.cloud.validation import service_model

MODELS = {"apigateway": "apigatewayv2", "lambda": "lambda"}
"""botocore's model of each REST service, by signing name. S3 has its own way, as its operations differ by query."""


def rest_operation(service: str, request: Request) -> str | None:
    """Give the operation's name; None when the service has none like this."""
    for method, path, name in _table(service):
        if method == request.method and path.fullmatch(request.raw_path.rstrip("/") or "/"):
            return name
    return None


@functools.cache
def _table(service: str) -> list[tuple[str, re.Pattern[str], str]]:
    """Give all operations; those with more literal text come first."""
    model = service_model(MODELS[service])
    found = []
    for name in model.operation_names:
        http = model.operation_model(name).http
        path = http["requestUri"].partition("?")[0].rstrip("/")
        literal = len(re.sub(r"{[^}]+}", "", path))
        pattern = "".join(
            part if number % 2 == 0 else (".+" if part.endswith("+") else "[^/]+")
            for number, part in enumerate(re.split(r"{([^}]+)}", path))
        )
        found.append((-literal, http["method"], re.compile(pattern), name))
    return [
        (method, path, name) for _, method, path, name in sorted(found, key=lambda each: (each[0], each[3]))
    ]
