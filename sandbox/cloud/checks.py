"""What this cloud refuses before moto sees it, as it would accept and not do it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qs

from sandbox.cloud.errors import AwsError, not_emulated
from sandbox.cloud.events import check_targets
from sandbox.cloud.http import Request
from sandbox.cloud.schedules import check_schedule

PROTOCOLS = ("sqs", "lambda", "email", "email-json")


def check(service: str, operation: str, request: Request) -> None:
    """Refuse a call of a service of moto that would be accepted and not done.

    Raises:
        AwsError: it is refused.
    """
    found = _CHECKS.get((service, operation))
    if found is not None:
        found(request)


def members(request: Request) -> dict[str, Any]:
    """Read a JSON request.

    Raises:
        AwsError: it is not a JSON object.
    """
    try:
        content = json.loads(request.body or b"{}")
    except ValueError:
        content = None
    if not isinstance(content, dict):
        raise AwsError("SerializationException", "The request is not a JSON object.")
    return content


def _put_targets(request: Request) -> None:
    targets: list[Mapping[str, Any]] = members(request).get("Targets") or []
    check_targets(targets)


def _put_rule(request: Request) -> None:
    check_schedule(members(request).get("ScheduleExpression"))


def _subscribe(request: Request) -> None:
    protocol = parse_qs(request.body.decode("utf-8", "replace")).get("Protocol", [""])[0]
    if protocol not in PROTOCOLS:
        msg = f"sns subscriptions with the protocol {protocol!r}; emulated are {', '.join(PROTOCOLS)}"
        raise not_emulated(msg)


def _create_function(request: Request) -> None:
    given = members(request)
    _only_python(given)
    if given.get("PackageType", "Zip") != "Zip":
        raise not_emulated("lambda functions from an image; give a zip")


def _only_python(given: Mapping[str, Any]) -> None:
    runtime = given.get("Runtime")
    if runtime is not None and not str(runtime).startswith("python"):
        msg = f"lambda functions with the runtime {runtime}; emulated is python3.x"
        raise not_emulated(msg)
    for name in ("Layers", "FileSystemConfigs"):
        if given.get(name):
            msg = f"lambda functions with {name}"
            raise not_emulated(msg)


def _update_function(request: Request) -> None:
    _only_python(members(request))


def _invoke_config(request: Request) -> None:
    destinations = members(request).get("DestinationConfig") or {}
    if any((each or {}).get("Destination") for each in destinations.values()):
        raise not_emulated("lambda destinations; a function's DeadLetterConfig is")


def _create_api(request: Request) -> None:
    given = members(request)
    if given.get("protocolType") != "HTTP":
        msg = f"apigateway APIs of the type {given.get('protocolType')}; emulated is HTTP"
        raise not_emulated(msg)
    for name in ("target", "corsConfiguration"):
        if given.get(name):
            msg = f"apigateway APIs with {name}"
            raise not_emulated(msg)


def _integration(request: Request) -> None:
    given = members(request)
    kind, version = given.get("integrationType"), given.get("payloadFormatVersion")
    if kind not in (None, "AWS_PROXY") or given.get("integrationSubtype"):
        msg = f"apigateway integrations of the type {kind} {given.get('integrationSubtype', '')}; emulated is AWS_PROXY"
        raise not_emulated(msg)
    if version != "2.0" and (kind or version):
        msg = f"apigateway integrations with payloadFormatVersion {version or '1.0 (when left out)'}; emulated is 2.0"
        raise not_emulated(msg)


def _route(request: Request) -> None:
    kind = members(request).get("authorizationType", "NONE")
    if kind != "NONE":
        msg = f"apigateway routes with the authorization {kind}; emulated is NONE"
        raise not_emulated(msg)


_CHECKS: dict[tuple[str, str], Callable[[Request], None]] = {
    ("apigateway", "CreateApi"): _create_api,
    ("apigateway", "CreateIntegration"): _integration,
    ("apigateway", "CreateRoute"): _route,
    ("apigateway", "UpdateIntegration"): _integration,
    ("apigateway", "UpdateRoute"): _route,
    ("events", "PutRule"): _put_rule,
    ("events", "PutTargets"): _put_targets,
    ("lambda", "CreateFunction"): _create_function,
    ("lambda", "PutFunctionEventInvokeConfig"): _invoke_config,
    ("lambda", "UpdateFunctionConfiguration"): _update_function,
    ("lambda", "UpdateFunctionEventInvokeConfig"): _invoke_config,
    ("sns", "Subscribe"): _subscribe,
}
