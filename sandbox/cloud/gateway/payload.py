"""Payload format 2.0: from a request to a function's event, and from its result to a response.

Source: https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote

from sandbox.cloud.gateway.routes import Match
from sandbox.cloud.http import Request, Response

TEXT_TYPES = ("application/json", "application/javascript", "application/xml")


@dataclass(frozen=True, slots=True)
class Place:
    """Which stage of which API a request came to; `path` is as sent, with the stage unless that is `$default`."""

    account: str
    api: str
    host: str
    stage: str
    path: str


def event_of(request: Request, place: Place, match: Match, request_id: str, now: float) -> dict[str, Any]:
    """Make a function's event. Header names are lower-cased, equal ones joined by commas, cookies apart."""
    headers: dict[str, str] = {}
    for name, value in request.headers.items():
        lower = name.lower()
        headers[lower] = f"{headers[lower]},{value}" if lower in headers else value
    cookies = [cookie.strip() for cookie in headers.pop("cookie", "").split(";") if cookie.strip()]
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": match.route_key,
        "rawPath": unquote(place.path),
        "rawQueryString": request.query_string,
        "headers": headers,
        "requestContext": {
            "accountId": place.account,
            "apiId": place.api,
            "domainName": place.host,
            "domainPrefix": place.api,
            "http": {
                "method": request.method,
                "path": unquote(place.path),
                "protocol": "HTTP/1.1",
                "sourceIp": "127.0.0.1",
                "userAgent": headers.get("user-agent", ""),
            },
            "requestId": request_id,
            "routeKey": match.route_key,
            "stage": place.stage,
            "time": datetime.fromtimestamp(now, UTC).strftime("%d/%b/%Y:%H:%M:%S +0000"),
            "timeEpoch": int(now * 1000),
        },
        "isBase64Encoded": False,
    }
    more = {
        "cookies": cookies,
        "queryStringParameters": {name: ",".join(values) for name, values in request.query.items()},
        "pathParameters": match.parameters,
    }
    event |= {name: value for name, value in more.items() if value}
    if request.body:
        event["body"], event["isBase64Encoded"] = body_of(request.body, headers.get("content-type", ""))
    return event


def body_of(body: bytes, content_type: str) -> tuple[str, bool]:
    """Give a body as text, and whether that is base64: it is for all but texts, JSON, XML and JavaScript."""
    kind = content_type.split(";")[0].strip().lower()
    if kind.startswith("text/") or kind in TEXT_TYPES or kind.endswith(("+json", "+xml")):
        try:
            return body.decode(), False
        except UnicodeDecodeError:
            pass
    return base64.b64encode(body).decode(), True


def response_of(payload: str) -> Response | None:
    """Make the response from a function's result; None when it is none that the gateway understands."""
    result = json.loads(payload)
    if not isinstance(result, Mapping) or "statusCode" not in result:
        body = result if isinstance(result, str) else json.dumps(result)
        return Response(200, body.encode(), [("Content-Type", "application/json")])
    try:
        status = int(result["statusCode"])
        body = result.get("body") or ""
        body = body if isinstance(body, str) else json.dumps(body)
        content = base64.b64decode(body, validate=True) if result.get("isBase64Encoded") else body.encode()
        headers = [(str(name), _text(value)) for name, value in (result.get("headers") or {}).items()]
        headers += [("Set-Cookie", str(cookie)) for cookie in result.get("cookies") or []]
    except (TypeError, ValueError, AttributeError):
        return None
    if not 100 <= status <= 599:
        return None
    if "content-type" not in {name.lower() for name, _ in headers}:
        headers.append(("Content-Type", "text/plain;charset=UTF-8"))
    return Response(status, content, headers)


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
