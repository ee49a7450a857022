"""Starts and stops the server process, and knows whether it runs."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandbox.client import Control
from sandbox.environment import environment
from sandbox.files import Files, SandboxError, read_endpoint_seconds, read_port, read_source

HOST = "127.0.0.1"
START_SECONDS = 60
STOP_SECONDS = 10
_CHILDREN: dict[int, subprocess.Popen[bytes]] = {}
"""Servers that this process started: it must wait for their ends, or they stay as zombies."""


@dataclass(frozen=True, slots=True)
class Status:
    """Whether a local cloud runs. `pid` and `url` are None when it does not, `mlflow` when MLflow's server does not."""

    running: bool
    home: str
    log: str
    pid: int | None = None
    url: str | None = None
    mlflow: str | None = None


class Sandbox:
    """A local cloud with its files in one folder.

    Args:
        home: folder for pid file, logs, Pulumi's state and unpacked models; made when needed.
        port: 0 takes any free port; None takes SANDBOX_PORT, and 5566 when that is not set.
    """

    def __init__(self, home: Path, port: int | None = None) -> None:
        self.files = Files(home.absolute())
        self.port = port

    def start(self, *, mlflow: bool = False) -> bool:
        """Start the server and return when it answers; harmless when it runs already.

        With `mlflow` a real MLflow server too, if need be beside a cloud that runs already.

        The cloud's resources live in the server's memory, so a new server is empty, and Pulumi's state folder,
        which described an earlier one, is emptied with it.

        Returns:
            Whether a server was started (False: it ran already).

        Raises:
            SandboxError: the port is taken, another port is asked of a running server, or it does not come up.
        """
        started = self._start()
        if mlflow:
            self.control.start_mlflow()
        return started

    def _start(self) -> bool:
        read_endpoint_seconds()
        read_source()
        with self._command():
            alive = self._take_alive_lock()
            if alive is None:
                self._check_same_port()
                return False
            try:
                self._launch(alive)
            finally:
                os.close(alive)
        return True

    def stop(self) -> bool:
        """Stop the server and all that it started; harmless when none runs.

        Returns:
            Whether one was stopped.

        Raises:
            SandboxError: it cannot be stopped.
        """
        if not self.files.home.is_dir():
            return False
        with self._command():
            alive = self._take_alive_lock()
            if alive is None:
                alive = self._end(self._known_address()["pid"])
                stopped = True
            else:
                stopped = False
            self.files.pid_file.unlink(missing_ok=True)
            os.close(alive)
            return stopped

    def status(self) -> Status:
        """Say whether the server runs and answers."""
        home, log = str(self.files.home), str(self.files.log)
        if not self.running:
            return Status(running=False, home=home, log=log)
        address = self._address()
        health = self.control.health()
        return Status(
            running=True, home=home, log=log, pid=address["pid"], url=health["url"], mlflow=health["mlflow"]
        )

    @property
    def running(self) -> bool:
        """Whether the server lives: whether it holds its lock, which no reboot and no reused pid can fake."""
        if not self.files.alive_lock.exists():
            return False
        with self._command():
            return self._lives()

    @property
    def control(self) -> Control:
        """The control API: faults, counters of calls, endpoint seconds.

        Raises:
            SandboxError: the server does not run.
        """
        address = self._address()
        return Control(address["host"], address["port"])

    def environment(self) -> dict[str, str]:
        """Give the variables that make AWS's clients, terraform and Pulumi use this cloud.

        Raises:
            SandboxError: the server does not run.
        """
        address = self._address()
        mlflow = Control(address["host"], address["port"]).health()["mlflow"]
        return environment(self.files, address["host"], address["port"], mlflow)

    def reset(self) -> None:
        """Empty the cloud and Pulumi's state folder.

        Raises:
            SandboxError: the server does not run.
        """
        self.control.reset()
        self.files.empty_state()

    def inject(
        self,
        operation: str,
        *,
        error: str | None = None,
        status: int = 500,
        message: str = "",
        count: int | None = None,
        skip: int = 0,
        delay: float = 0.0,
        outcome: str | None = None,
    ) -> None:
        """Let calls of an operation fail, be slow, or end badly; see `sandbox.cloud.faults.Fault`.

        Raises:
            SandboxError: the fault cannot be, or the server does not run.
        """
        self.control.inject(
            operation,
            error=error,
            status=status,
            message=message,
            count=count,
            skip=skip,
            delay=delay,
            outcome=outcome,
        )

    def _lives(self) -> bool:
        alive = self._take_alive_lock()
        if alive is not None:
            os.close(alive)
        return alive is None

    def _address(self) -> dict[str, Any]:
        """Read the pid file of a running server; waits for a start or stop that another process is doing."""
        with self._command():
            return self._known_address()

    def _known_address(self) -> dict[str, Any]:
        """Read the pid file; the caller holds the command lock, so nobody starts or stops meanwhile."""
        if not self._lives():
            msg = f"The local cloud of {self.files.home} does not run. Start it: python -m sandbox start"
            raise SandboxError(msg)
        address = self.files.read_pid()
        if address is None:
            msg = (
                f"The local cloud of {self.files.home} runs, but its pid file {self.files.pid_file} is gone or "
                f"broken. Find the process that holds {self.files.alive_lock} (fuser, lsof) and end it."
            )
            raise SandboxError(msg)
        return address

    @contextmanager
    def _command(self) -> Iterator[None]:
        """Let one command at a time work on this home."""
        self.files.home.mkdir(parents=True, exist_ok=True)
        lock = os.open(self.files.command_lock, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            deadline = time.monotonic() + START_SECONDS + STOP_SECONDS
            while not _try_lock(lock):
                if time.monotonic() > deadline:
                    msg = f"Another command has been working on {self.files.home} for too long."
                    raise SandboxError(msg)
                time.sleep(0.05)
            yield
        finally:
            os.close(lock)

    def _take_alive_lock(self) -> int | None:
        """Take the server's lock and give its file descriptor; None when a server holds it."""
        lock = os.open(self.files.alive_lock, os.O_RDWR | os.O_CREAT, 0o600)
        if _try_lock(lock):
            return lock
        os.close(lock)
        return None

    def _check_same_port(self) -> None:
        address = self._known_address()
        Control(address["host"], address["port"]).health(timeout=START_SECONDS)
        wanted = read_port() if self.port is None else self.port
        explicit = self.port is not None or "SANDBOX_PORT" in os.environ
        if explicit and wanted not in (0, address["port"]):
            msg = (
                f"The local cloud of {self.files.home} runs already, on port {address['port']} and not on {wanted}. "
                "Stop it first (python -m sandbox stop), or use another SANDBOX_HOME."
            )
            raise SandboxError(msg)

    def _launch(self, alive: int) -> None:
        listener = _listen(read_port() if self.port is None else self.port)
        self.files.logs.mkdir(parents=True, exist_ok=True)
        self.files.empty_state()
        with listener, self.files.log.open("ab") as log:
            host, port = listener.getsockname()[:2]
            child = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "sandbox.cloud",
                    str(self.files.home),
                    str(listener.fileno()),
                    str(alive),
                ],
                cwd=Path(__file__).resolve().parent.parent,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=(listener.fileno(), alive),
                start_new_session=True,
            )
        _CHILDREN[child.pid] = child
        self.files.write_pid({"pid": child.pid, "host": host, "port": port})
        try:
            self._wait_until_ready(child, Control(host, port))
        except BaseException:
            with suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            _reap(child.pid)
            self.files.pid_file.unlink(missing_ok=True)
            raise

    def _wait_until_ready(self, child: subprocess.Popen[bytes], control: Control) -> None:
        deadline = time.monotonic() + START_SECONDS
        while child.poll() is None and time.monotonic() < deadline:
            try:
                control.health(timeout=START_SECONDS)
            except SandboxError:
                time.sleep(0.05)
            else:
                return
        tail = "\n".join(self.files.log.read_text(errors="replace").splitlines()[-5:])
        msg = f"The local cloud did not come up. The end of {self.files.log}:\n{tail}"
        raise SandboxError(msg)

    def _end(self, pid: int) -> int:
        """End the server, gently first, and give its lock's file descriptor."""
        for number, seconds in ((signal.SIGTERM, STOP_SECONDS), (signal.SIGKILL, STOP_SECONDS)):
            with suppress(ProcessLookupError):
                os.kill(pid, number) if number == signal.SIGTERM else os.killpg(pid, number)
            deadline = time.monotonic() + seconds
            while time.monotonic() < deadline:
                alive = self._take_alive_lock()
                if alive is not None:
                    _reap(pid)
                    return alive
                time.sleep(0.02)
        msg = f"The local cloud (process {pid}) does not end. Its log: {self.files.log}"
        raise SandboxError(msg)


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _reap(pid: int) -> None:
    child = _CHILDREN.pop(pid, None)
    if child is not None:
        child.wait()


def _listen(port: int) -> socket.socket:
    """Listen on a port of this machine.

    Raises:
        SandboxError: it is taken, or may not be used.
    """
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
        listener.listen(256)
    except OSError as error:
        listener.close()
        if error.errno != errno.EADDRINUSE:
            msg = f"The local cloud cannot use port {port}: {error.strerror}."
            raise SandboxError(msg) from error
        raise SandboxError(_taken(port)) from error
    return listener


def _taken(port: int) -> str:
    choice = "or choose another port: SANDBOX_PORT=0 takes any that is free."
    try:
        health = Control(HOST, port).health(timeout=2)
    except SandboxError:
        return f"Port {port} is taken by another program. Stop that, {choice}"
    home = health["home"]
    return (
        f"Port {port} is taken by the local cloud of {home} (process {health['pid']}). "
        f"Stop that (SANDBOX_HOME={home} python -m sandbox stop), {choice}"
    )
