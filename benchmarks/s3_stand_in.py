"""As much of S3 as one transfer needs, in a process of its own: files of a folder to read, and a drain for what is written.

The local cloud keeps every object in memory and answers one call at a time: with a gigabyte it would measure itself.
``python -m benchmarks.s3_stand_in FOLDER`` prints its port and serves until its input ends.
"""

import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

_CHUNK = 1024**2
_PAGE = 1000
_HEAD = '<?xml version="1.0" encoding="UTF-8"?>'


class Handler(BaseHTTPRequestHandler):
    """GET of an object or of a list; PUT and POST of anything, read to its end and forgotten."""

    protocol_version = "HTTP/1.1"
    root: Path

    def do_GET(self) -> None:
        """Send an object, or a page of the list."""
        url = urlsplit(self.path)
        key = unquote(url.path).split("/", 2)[2] if url.path.count("/") > 1 else ""
        if "list-type" in parse_qs(url.query):
            return self._answer(_page(self.root, parse_qs(url.query)).encode())
        file = self.root / key
        size = file.stat().st_size
        self.send_response(200)
        self.send_header("Content-Length", str(size))
        self.send_header("ETag", '"stand-in"')
        self.end_headers()
        if self.command == "GET":
            with file.open("rb") as content:
                self.connection.sendfile(content)
        return None

    def do_HEAD(self) -> None:
        """Describe an object."""
        self.do_GET()

    def do_PUT(self) -> None:
        """Take a part or an object."""
        left = int(self.headers.get("Content-Length", "0"))
        while left:
            left -= len(self.rfile.read(min(left, _CHUNK)))
        self.send_response(200)
        self.send_header("ETag", '"stand-in"')
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_POST(self) -> None:
        """Begin or end a multipart upload."""
        self.rfile.read(int(self.headers.get("Content-Length", "0")))
        if "uploads" in parse_qs(urlsplit(self.path).query, keep_blank_values=True):
            name, content = "InitiateMultipartUploadResult", "<UploadId>1</UploadId>"
        else:
            name, content = "CompleteMultipartUploadResult", "<ETag>stand-in</ETag>"
        self._answer(f"{_HEAD}<{name}>{content}</{name}>".encode())

    def _answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Say nothing."""


def _page(root: Path, asked: dict[str, list[str]]) -> str:
    files = sorted(path for path in root.rglob("*") if path.is_file())
    begin = int(asked.get("continuation-token", ["0"])[0])
    shown, more = files[begin : begin + _PAGE], begin + _PAGE < len(files)
    entries = "".join(
        f"<Contents><Key>{escape(path.relative_to(root).as_posix())}</Key><Size>{path.stat().st_size}</Size>"
        "<ETag>stand-in</ETag></Contents>"
        for path in shown
    )
    token = f"<NextContinuationToken>{begin + _PAGE}</NextContinuationToken>" if more else ""
    truncated = f"<IsTruncated>{str(more).lower()}</IsTruncated>"
    return f"{_HEAD}<ListBucketResult>{truncated}{token}{entries}</ListBucketResult>"


def main(folder: str) -> None:
    """Serve until the input ends."""
    Handler.root = Path(folder)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_port, flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main(sys.argv[1])
