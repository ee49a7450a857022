"""A real MLflow server beside this cloud: SQLite store, artifacts in the local S3, webhooks to this machine."""

from __future__ import annotations

import contextlib
import http.client
import importlib.util
import logging
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from sandbox.cloud import guard

LOG = logging.getLogger(__name__)
START_SECONDS = 240
"""About ten seconds on a quiet machine; MLflow imports much and makes its tables."""

BUCKET = "mlflow"
FERNET_KEY = "bW9kZWwtZGVwbG95bWVudC1zYW5kYm94LWtleS0wMDE="
"""Encrypts webhooks' secrets in the store. Fixed, as a store whose key is gone answers 500; it protects nothing here."""


class MlflowError(Exception):
    """The server cannot do what was asked; the text says why and what to do."""


class MlflowServer:
    """At most one server.

    Args:
        home: folder of the local cloud.
        host: of the local cloud.
        port: of the local cloud; the server takes the next one when that is free, else any.
        place: variables that tell a process where the cloud is.
        make_bucket: makes a bucket in the local S3 by its name.
    """

    def __init__(
        self, home: Path, host: str, port: int, place: Mapping[str, str], make_bucket: Callable[[str], object]
    ) -> None:
        self._folder, self._log = home / "mlflow", home / "logs" / "mlflow.log"
        self._host, self._near, self._place, self._make_bucket = host, port, place, make_bucket
        self._lock = threading.RLock()
        self._process: subprocess.Popen[bytes] | None = None
        self._port = 0
        shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def url(self) -> str | None:
        """What MLFLOW_TRACKING_URI is set to; None when no server runs."""
        process = self._process
        return f"http://{self._host}:{self._port}" if process is not None and process.poll() is None else None

    def start(self) -> str:
        """Start the server and return its URL when it answers; harmless when it runs. Its store is empty at first.

        Raises:
            MlflowError: MLflow is not installed, or the server does not come up.
        """
        with self._lock:
            if self.url is not None:
                return self.url
            if importlib.util.find_spec("mlflow") is None:
                raise MlflowError(
                    "MLflow is not installed in this environment. Install it: python3 tools/setup.py"
                )
            self._end()
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder.mkdir(parents=True)
            self._make_bucket(BUCKET)
            self._port = _free_port(self._host, self._near + 1)
            self._process = self._launch()
            try:
                self._wait()
                self._copy(self._store, self._empty)
            except BaseException:
                self._end()
                raise
            return f"http://{self._host}:{self._port}"

    def stop(self) -> bool:
        """Stop the server; says whether one ran."""
        with self._lock:
            ran = self.url is not None
            self._end()
            shutil.rmtree(self._folder, ignore_errors=True)
            return ran

    def reset(self) -> None:
        """Empty the store of a running server, without a new start; the bucket of its artifacts is made anew."""
        with self._lock:
            if self.url is None:
                return
            self._make_bucket(BUCKET)
            restore(self._store, self._empty)

    @property
    def _store(self) -> Path:
        return self._folder / "mlflow.db"

    @property
    def _empty(self) -> Path:
        return self._folder / "empty.db"

    def _launch(self) -> subprocess.Popen[bytes]:
        self._log.parent.mkdir(parents=True, exist_ok=True)
        options = {
            "--host": self._host,
            "--port": str(self._port),
            "--workers": "1",
            "--backend-store-uri": f"sqlite:///{self._store}",
            "--artifacts-destination": f"s3://{BUCKET}",
        }
        with self._log.open("ab") as log:
            return subprocess.Popen(
                [
                    *(sys.executable, "-I", "-S", guard.__file__),
                    *(sys.executable, "-m", "mlflow", "server", "--serve-artifacts"),
                    *(text for option in options.items() for text in option),
                ],
                cwd=self._folder,
                env=self._variables(),
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _variables(self) -> dict[str, str]:
        return {
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]),
            "HOME": str(self._folder),
            "LANG": "C.UTF-8",
            "NO_PROXY": self._host,
            "AWS_REGION": "us-east-1",
            **self._place,
            "MLFLOW_WEBHOOK_ALLOWED_SCHEMES": "http,https",
            "MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS": "true",
            "MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY": FERNET_KEY,
            "MLFLOW_WEBHOOK_CACHE_TTL": "0",
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
            "MLFLOW_DISABLE_TELEMETRY": "true",
        }

    def _wait(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        assert self._process is not None
        while time.monotonic() < deadline and self._process.poll() is None:
            if _is_healthy(self._host, self._port):
                return
            time.sleep(0.1)
        tail = "\n".join(self._log.read_text(errors="replace").splitlines()[-5:])
        msg = f"The MLflow server did not come up. The end of {self._log}:\n{tail}"
        raise MlflowError(msg)

    def _copy(self, source: Path, target: Path) -> None:
        with (
            contextlib.closing(sqlite3.connect(source)) as old,
            contextlib.closing(sqlite3.connect(target)) as new,
        ):
            old.backup(new)

    def _end(self) -> None:
        """Kill the server with all that it started: its store is thrown away, so there is nothing to finish."""
        process, self._process = self._process, None
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        assert process.stdin is not None
        process.stdin.close()


def restore(store: Path, empty: Path) -> None:
    """Give all tables of a store the content that they have in another, while a server uses it."""
    with contextlib.closing(sqlite3.connect(store, timeout=30, isolation_level=None)) as connection:
        connection.execute("ATTACH DATABASE ? AS empty", (str(empty),))
        connection.execute("PRAGMA foreign_keys = OFF")
        connection.execute("BEGIN IMMEDIATE")
        tables = connection.execute("SELECT name FROM empty.sqlite_master WHERE type = 'table'").fetchall()
        for (name,) in tables:
            # table_info leaves out generated columns, which cannot be inserted.
            columns = connection.execute(f'PRAGMA empty.table_info("{name}")').fetchall()
            names = ", ".join(f'"{column[1]}"' for column in columns)
            connection.execute(f'DELETE FROM main."{name}"')
            connection.execute(f'INSERT INTO main."{name}" ({names}) SELECT {names} FROM empty."{name}"')
        connection.execute("COMMIT")


def _free_port(host: str, wanted: int) -> int:
    for port in (wanted, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except (OSError, OverflowError):
                continue
            return int(probe.getsockname()[1])
    raise MlflowError("There is no free port for the MLflow server.")


def _is_healthy(host: str, port: int) -> bool:
    connection = http.client.HTTPConnection(host, port, timeout=5)
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
