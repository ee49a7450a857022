"""Takes requests under `/_api/<id>` to the functions behind an HTTP API."""

from __future__ import annotations

import json
import logging
import re
import time
import uuid
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from sandbox.cloud.errors import AwsError
from sandbox.cloud.functions.found import find, permitted
from sandbox.cloud.functions.service import Functions
from sandbox.cloud.gateway.payload import Place, event_of, response_of
from sandbox.cloud.gateway.routes import Match, find_route
from sandbox.cloud.gateway.throttle import Throttle
from sandbox.cloud.http import Request, Response
from sandbox.cloud.logs import write_log

LOG = logging.getLogger(__name__)
PREFIX = "/_api/"
LARGEST_BODY = 10 * 1024**2
"""AWS's limit of an HTTP API, bytes."""

FUNCTION = re.compile(r"arn:aws:lambda:[^:]+:\d+:function:[^/]+")


@dataclass(frozen=True, slots=True)
class _Api:
    """An API as moto keeps it, read under moto's lock. `routes` leads from route keys to function ARNs."""

    account: str
    region: str
    id: str
    stages: dict[str, dict[str, Any]]
    routes: dict[str, str]


class Gateway:
    """All HTTP APIs.

    Args:
        functions: invokes them.
        host: of this cloud, with its port.
    """

    def __init__(self, functions: Functions, host: str) -> None:
        self._functions, self._host = functions, host
        self.throttle = Throttle()

    def answer(self, request: Request) -> Response:
        """Answer a request to an API."""
        api_id, _, rest = request.raw_path.removeprefix(PREFIX).partition("/")
        api = _find(api_id)
        if api is None:
            return _said(404, "Not Found")
        first, _, after = rest.partition("/")
        stage = unquote(first) if unquote(first) in api.stages else "$default"
        path = f"/{after if stage != '$default' else rest}"
        place = Place(api.account, api.id, self._host, stage, f"/{rest}")
        request_id = str(uuid.uuid4())
        kept = api.stages.get(stage)
        match = find_route(api.routes, request.method, path) if kept and kept["auto_deploy"] else None
        response = self._respond(request, api, place, match, request_id)
        if kept and kept["access_log"]:
            self._log(request, api, place, match, request_id, response)
        return Response(response.status, response.body, [*response.headers, ("Apigw-Requestid", request_id)])

    def _respond(
        self, request: Request, api: _Api, place: Place, match: Match | None, request_id: str
    ) -> Response:
        if match is None:
            return _said(404, "Not Found")
        limits = limits_of(api.stages[place.stage], match.route_key)
        if not self.throttle.lets_through((api.id, place.stage, match.route_key), *limits):
            return _said(429, "Too Many Requests")
        if len(request.body) > LARGEST_BODY:
            return _said(413, "Request Entity Too Large")
        event = event_of(request, place, match, request_id, time.time())
        arn = api.routes[match.route_key]
        source = f"arn:aws:execute-api:{api.region}:{api.account}:{api.id}/{place.stage}/{_of_source(match, request)}"
        if not permitted(arn, "apigateway.amazonaws.com", source):
            LOG.warning(
                "the policy of %s does not let apigateway.amazonaws.com invoke it for %s", arn, source
            )
            return _said(500, "Internal Server Error")
        try:
            outcome = self._functions.run(find(api.account, api.region, arn), json.dumps(event))
        except AwsError as error:
            LOG.warning("%s could not be invoked: %s", arn, error)
            return _said(503 if error.status == 429 else 500, "Service Unavailable")
        return (None if outcome.failed else response_of(outcome.payload)) or _said(
            500, "Internal Server Error"
        )

    def _log(
        self,
        request: Request,
        api: _Api,
        place: Place,
        match: Match | None,
        request_id: str,
        response: Response,
    ) -> None:
        settings = api.stages[place.stage]["access_log"]
        values = {
            "accountId": api.account,
            "apiId": api.id,
            "httpMethod": request.method,
            "identity.sourceIp": "127.0.0.1",
            "identity.userAgent": request.header("User-Agent"),
            "path": unquote(place.path),
            "protocol": "HTTP/1.1",
            "requestId": request_id,
            "requestTime": time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime()),
            "requestTimeEpoch": str(int(time.time() * 1000)),
            "responseLength": str(len(response.body)),
            "routeKey": match.route_key if match else "-",
            "stage": place.stage,
            "status": str(response.status),
        }
        line = re.sub(r"\$context\.([\w.]+\w)", lambda found: values.get(found[1], "-"), settings["format"])
        group = settings["destinationArn"].split(":")[6]
        write_log(api.account, api.region, group, f"{api.id}-{place.stage.strip('$')}", [line])


def limits_of(stage: dict[str, Any], route_key: str) -> tuple[float | None, int | None]:
    """Give the rate and burst of a route: its own, else the stage's; None: not limited."""
    settings = {**(stage["default"] or {}), **((stage["routes"] or {}).get(route_key) or {})}
    return settings.get("throttlingRateLimit"), settings.get("throttlingBurstLimit")


def _of_source(match: Match, request: Request) -> str:
    """Give the end of a source ARN: method and path of the route."""
    if match.route_key == "$default":
        return "$default"
    method, _, path = match.route_key.partition(" ")
    return f"{request.method if method == 'ANY' else method}{path}"


def _said(status: int, message: str) -> Response:
    return Response(status, json.dumps({"message": message}).encode(), [("Content-Type", "application/json")])


def _find(api_id: str) -> _Api | None:
    from sandbox.cloud.moto_services import is_loaded, locked

    if not is_loaded("apigateway"):
        return None
    from moto.apigatewayv2.models import apigatewayv2_backends

    with locked("apigateway"):
        for account, regions in list(apigatewayv2_backends.items()):
            for region, backend in list(regions.items()):
                if api_id in backend.apis:
                    return _read(account, region, backend.apis[api_id])
    return None


def _read(account: str, region: str, api: Any) -> _Api:
    stages = {
        stage.name: {
            "auto_deploy": stage.auto_deploy,
            "access_log": stage.access_log_settings,
            "default": stage.default_route_settings,
            "routes": stage.route_settings,
        }
        for stage in api.stages.values()
    }
    routes = {}
    for route in api.routes.values():
        integration = api.integrations.get((route.target or "").removeprefix("integrations/"))
        found = FUNCTION.search(integration.integration_uri or "") if integration else None
        if found:
            routes[route.route_key] = found[0]
    return _Api(account, region, api.api_id, stages, routes)
