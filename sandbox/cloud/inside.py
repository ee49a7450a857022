"""Calls from one service of this cloud to another: boto3's clients whose requests never leave the process.

They take the way of every other call, so faults hit them and counters count them.
"""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Iterator
from http.client import HTTPMessage
from typing import Any

from sandbox.cloud.http import Request, Response

ACCOUNT_HEADER = "x-moto-account-id"
"""Tells the account of a caller inside; moto knows it too."""


class _Body(io.BytesIO):
    """A response's body as botocore reads one."""

    def stream(self, amount: int = 65536, decode_content: bool | None = None) -> Iterator[bytes]:  # noqa: ARG002, FBT001 -- urllib3's signature
        while chunk := self.read(amount):
            yield chunk


class Inside:
    """Gives clients for any account and region.

    Args:
        answer: the cloud.
    """

    def __init__(self, answer: Callable[[Request], Response]) -> None:
        self._answer = answer
        self._lock = threading.Lock()
        self._clients: dict[tuple[str, str, str], Any] = {}

    def client(self, service: str, account: str, region: str) -> Any:
        """Give boto3's client of a service, for example `sqs`; safe for many threads."""
        with self._lock:
            key = (service, account, region)
            if key not in self._clients:
                self._clients[key] = self._make(*key)
            return self._clients[key]

    def _make(self, service: str, account: str, region: str) -> Any:
        import boto3
        from botocore.config import Config

        session: Any = boto3.session.Session(
            aws_access_key_id="local", aws_secret_access_key="local", region_name=region
        )
        client = session.client(
            service,
            endpoint_url="http://127.0.0.1",
            config=Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}),
        )
        client.meta.events.register("before-sign", lambda request, **_: _tell_account(request, account))
        client.meta.events.register("before-send", self._send)
        return client

    def _send(self, request: Any, **_: Any) -> Any:
        from botocore.awsrequest import AWSResponse
        from botocore.compat import HTTPHeaders

        headers: Any = HTTPMessage()
        for name, value in {"Host": "127.0.0.1", **request.headers}.items():
            headers[name] = value.decode() if isinstance(value, bytes) else str(value)
        target = request.url.removeprefix("http://127.0.0.1")
        answered = self._answer(Request(request.method, target, headers, _read(request.body)))
        given: Any = HTTPHeaders.from_pairs(answered.headers)
        return AWSResponse(request.url, answered.status, given, _Body(answered.body))


def _tell_account(request: Any, account: str) -> None:
    request.headers[ACCOUNT_HEADER] = account


def _read(body: Any) -> bytes:
    if body is None:
        return b""
    if hasattr(body, "read"):
        return bytes(body.read())
    return body.encode() if isinstance(body, str) else bytes(body)


def code_of(error: Exception) -> tuple[str, int]:
    """Give AWS's error code and the HTTP status of a failed call; what is no answer of AWS counts as 500."""
    response = getattr(error, "response", None) or {}
    code = str(response.get("Error", {}).get("Code", type(error).__name__))
    return code, int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 500))
