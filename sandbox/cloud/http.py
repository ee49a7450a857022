"""HTTP/1.1 with kept connections: one thread a connection, each request read whole before it is answered."""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

LARGEST_BODY = 2 * 1024**3
"""Bytes; a request body is held in memory."""

IDLE_SECONDS = 300
"""How long a kept connection may be silent."""


@dataclass(frozen=True, slots=True)
class Request:
    """A request that was read to its end. `headers` has each name as sent; look them up with `header`."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def raw_path(self) -> str:
        """The path as sent, still percent-encoded."""
        return urlsplit(self.target).path

    @property
    def path(self) -> str:
        """The decoded path."""
        return unquote(self.raw_path)

    @property
    def query_string(self) -> str:
        """What follows the question mark, as sent."""
        return urlsplit(self.target).query

    @property
    def query(self) -> dict[str, list[str]]:
        """The parsed query; a key without a value has the empty text."""
        return parse_qs(self.query_string, keep_blank_values=True)

    def header(self, name: str, default: str = "") -> str:
        """Give a header by its name in any case; `default` when it was not sent."""
        return self.headers.get(name, default)


@dataclass(frozen=True, slots=True)
class Response:
    """An answer; Content-Length is added when it is sent."""

    status: int = 200
    body: bytes = b""
    headers: list[tuple[str, str]] = field(default_factory=list)


Answer = Callable[[Request], Response]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = IDLE_SECONDS
    server: LocalServer

    def answer(self) -> None:
        body = self._read_body()
        if body is None:
            return
        headers: Any = self.headers
        response = self.server.answer(Request(self.command, self.path, headers, body))
        self._send(response)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = do_PATCH = do_OPTIONS = answer  # noqa: N815

    def _read_body(self) -> bytes | None:
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            return self._read_chunks()
        length = self.headers.get("Content-Length") or "0"
        if not length.isdigit() or int(length) > LARGEST_BODY:
            self.close_connection = True
            self._send(Response(413 if length.isdigit() else 400))
            return None
        return self.rfile.read(int(length))

    def _read_chunks(self) -> bytes:
        chunks = bytearray()
        while size := int(self.rfile.readline().split(b";")[0], 16):
            chunks += self.rfile.read(size)
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass  # trailers
        return bytes(chunks)

    def _send(self, response: Response) -> None:
        bodyless = self.command == "HEAD" or response.status in (204, 304)
        names = {name.lower() for name, _ in response.headers}
        lines = [f"HTTP/1.1 {response.status} {self.responses.get(response.status, ('',))[0]}"]
        lines += [f"{name}: {value}" for name, value in response.headers]
        if "content-length" not in names and response.status not in (204, 304):
            lines.append(f"Content-Length: {len(response.body)}")
        if self.close_connection:
            lines.append("Connection: close")
        head = "\r\n".join([*lines, "", ""]).encode("latin-1")
        # One write: head and body in two packets would wait for each other (Nagle and delayed acknowledgement).
        self.wfile.write(head if bodyless else head + response.body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Keep quiet: failed calls are logged by the router, with their operation."""


class LocalServer(ThreadingHTTPServer):
    """A server on a socket that listens already.

    Args:
        listener: bound and listening.
        answer: makes the response to a request; called from many threads at once.
    """

    daemon_threads = True

    def __init__(self, listener: socket.socket, answer: Answer) -> None:
        super().__init__(listener.getsockname()[:2], _Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = listener
        self.answer = answer

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away in the middle is no news; all else is printed by the base class."""
        import sys

        if not isinstance(sys.exception(), ConnectionError | TimeoutError):
            super().handle_error(request, client_address)
