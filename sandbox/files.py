"""Where the local cloud keeps its files, and what the environment says about it."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DEFAULT_PORT = 5566
DEFAULT_ENDPOINT_SECONDS = 2.0


class SandboxError(Exception):
    """The local cloud cannot do what was asked; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Files:
    """The files under one home folder."""

    home: Path

    @property
    def pid_file(self) -> Path:
        """JSON with pid, host and port of the running server; only to be believed while `alive_lock` is held."""
        return self.home / "sandbox.pid"

    @property
    def alive_lock(self) -> Path:
        """Locked by the server as long as it lives."""
        return self.home / "alive.lock"

    @property
    def command_lock(self) -> Path:
        """Locked by whoever starts or stops."""
        return self.home / "command.lock"

    @property
    def logs(self) -> Path:
        """Folder of all logs."""
        return self.home / "logs"

    @property
    def log(self) -> Path:
        """What the server prints."""
        return self.logs / "sandbox.log"

    @property
    def state(self) -> Path:
        """Pulumi's state folder."""
        return self.home / "state"

    def empty_state(self) -> bool:
        """Remove what is in Pulumi's state folder; says whether there was anything."""
        held = self.state.is_dir() and any(self.state.iterdir())
        shutil.rmtree(self.state, ignore_errors=True)
        self.state.mkdir(parents=True)
        return held

    def write_pid(self, content: dict[str, Any]) -> None:
        """Write the pid file at once or not at all."""
        part = self.pid_file.with_suffix(".part")
        part.write_text(json.dumps(content), encoding="utf-8")
        part.replace(self.pid_file)

    def read_pid(self) -> dict[str, Any] | None:
        """Read the pid file; None when there is none or it is not whole."""
        try:
            content = json.loads(self.pid_file.read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return None
        whole = isinstance(content, dict) and {"pid", "host", "port"} <= content.keys()
        return content if whole else None


def default_home() -> Path:
    """Give SANDBOX_HOME, or `.sandbox` in this checkout."""
    given = os.environ.get("SANDBOX_HOME")
    return Path(given).absolute() if given else Path(__file__).resolve().parent.parent / ".sandbox"


def read_port() -> int:
    """Give SANDBOX_PORT, or 5566; 0 means any free port.

    Raises:
        SandboxError: it is not a port.
    """
    text = os.environ.get("SANDBOX_PORT", str(DEFAULT_PORT))
    if not text.isdecimal() or int(text) > 65535:
        msg = f"SANDBOX_PORT is {text!r}; allowed are 0 (any free port) to 65535."
        raise SandboxError(msg)
    return int(text)


def read_endpoint_seconds() -> float:
    """Give SANDBOX_ENDPOINT_SECONDS, or 2: how long each transition of an endpoint takes.

    Raises:
        SandboxError: it is not a number from 0 to 3600.
    """
    text = os.environ.get("SANDBOX_ENDPOINT_SECONDS", str(DEFAULT_ENDPOINT_SECONDS))
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= 3600:
        msg = f"SANDBOX_ENDPOINT_SECONDS is {text!r}; allowed are 0 to 3600 seconds."
        raise SandboxError(msg)
    return seconds


def read_source() -> Path | None:
    """Give SANDBOX_SOURCE: the folder that stands for every repository that a build wants; None when it is not set.

    Raises:
        SandboxError: it is no folder.
    """
    text = os.environ.get("SANDBOX_SOURCE")
    if not text:
        return None
    if not Path(text).is_dir():
        msg = f"SANDBOX_SOURCE is {text!r}; allowed is a folder with the source that builds get for any repository."
        raise SandboxError(msg)
    return Path(text).absolute()
