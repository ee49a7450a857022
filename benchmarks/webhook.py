"""The webhook's receiver: CPU of a fresh process, size of its zip, and time of deliveries, one after another and at once.

AWS's three services are a server of this process that answers at once and keeps nothing: what is measured is the
receiver with botocore, over real connections.
"""

import json
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import botocore

from benchmarks.commands import Commands, say
from benchmarks.results import Limit, Result
from benchmarks.webhook_process import MODEL, SECRET
from benchmarks.workspace import REGION, Setting
from handlers import package

NAME = "webhook"

_PROCESS = Path(__file__).with_name("webhook_process.py")
_LIBRARIES = Path(botocore.__file__).parents[1]
_CPU, _P99 = Limit(0.35, "seconds"), Limit(1.0, "seconds")
_MOST_KB = 1000
_ANSWERS = {
    "secretsmanager.GetSecretValue": {"SecretString": SECRET},
    "DynamoDB_20120810.PutItem": {},
    "AWSEvents.PutEvents": {"FailedEntryCount": 0, "Entries": [{"EventId": "1"}]},
}


def run(setting: Setting) -> Iterator[Result]:
    """Measure fresh processes, and deliveries to a warm one.

    Raises:
        BenchmarkError: a delivery was not accepted.
    """
    many, at_once = (50, 10) if setting.quick else (1000, 50)
    with _receiver() as deliver:
        fresh = [deliver(0, 1)[0] for _ in range(setting.rounds)]
        say(f"  a fresh process and its first delivery: {min(fresh):.2f} to {max(fresh):.2f} s of CPU")
        size_kb = len(package.build()) / 1000
        facts: dict[str, float | str] = {
            "zip KB": round(size_kb, 1),
            "zip": f"{'met' if size_kb <= _MOST_KB else 'MISSED'} ≤ {_MOST_KB} KB",
        }
        yield Result(
            NAME,
            "import and first delivery, CPU of a fresh process",
            1,
            tuple(fresh),
            limit=_CPU,
            facts=facts,
        )
        for parallel, how in ((1, "one after another"), (at_once, f"{at_once} at once")):
            seconds = deliver(many, parallel)[1]
            p50, p99 = percentile(seconds, 50), percentile(seconds, 99)
            say(f"  {many} deliveries, {how}: p50 {p50 * 1000:.1f} ms, p99 {p99 * 1000:.1f} ms")
            facts = {"p50 ms": round(p50 * 1000, 1), "p99 ms": round(p99 * 1000, 1)}
            yield Result(NAME, f"delivery, {how}, p99", many, (p99,), limit=_P99, facts=facts)


def percentile(values: Sequence[float], percent: int) -> float:
    """The smallest value that so many per cent of all values do not exceed.

    Args:
        values: at least one.
        percent: 1 to 100.
    """
    return sorted(values)[-(-len(values) * percent // 100) - 1]


@contextmanager
def _receiver() -> Iterator["_Deliver"]:
    """Give what delivers to a fresh process of the zip's receiver, with AWS beside it."""
    server = _Server(("127.0.0.1", 0), _Aws)
    Thread(target=server.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
        deliver = _Deliver(package.write(Path(folder) / "webhook.zip"), server.server_port)
        try:
            yield deliver
        finally:
            deliver.commands.end_all()
            server.shutdown()
            server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128  # connections beyond the usual 5 would wait a second for their second try


class _Deliver:
    """Starts processes of the receiver."""

    def __init__(self, archive: Path, port: int) -> None:
        self._archive = archive
        self.commands = Commands(
            {
                "PATH": os.environ["PATH"],
                "SECRET_ARN": "arn:aws:secretsmanager:us-east-1:123456789012:secret:webhook",
                "TABLE_NAME": "claims",
                "MODELS": json.dumps([MODEL]),
                "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
                "AWS_DEFAULT_REGION": REGION,
                "AWS_ACCESS_KEY_ID": "local",
                "AWS_SECRET_ACCESS_KEY": "local",
            }
        )

    def __call__(self, count: int, at_once: int) -> tuple[float, list[float]]:
        """Deliver once and ``count`` times more: CPU seconds until the first is answered, seconds of each other one."""
        arguments = (str(self._archive), str(_LIBRARIES), str(count), str(at_once))
        command = (sys.executable, "-I", "-S", str(_PROCESS), *arguments)
        told = json.loads(self.commands.output(command, self._archive.parent).splitlines()[-1])
        return told["cpu_s"], told["seconds"]


class _Aws(BaseHTTPRequestHandler):
    """The three services' good answers."""

    protocol_version = "HTTP/1.1"  # so that connections are kept, as AWS keeps them
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        """Answer a call."""
        self.rfile.read(int(self.headers["Content-Length"]))
        content = json.dumps(_ANSWERS[self.headers["X-Amz-Target"]]).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_arguments: object) -> None:
        """Say nothing: the benchmark's own lines are on stderr."""
