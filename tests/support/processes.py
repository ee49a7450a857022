"""The processes that a test starts: found again however deep they are, waited for, ended."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4


@dataclass
class Marked:
    """All processes that carry a mark in their environment, as they inherit it from whoever started them."""

    mark: str = field(default_factory=lambda: uuid4().hex, kw_only=True)

    @property
    def marking(self) -> dict[str, str]:
        """The variable to start a process with."""
        return {"ENGINE_TEST_MARK": self.mark}

    def processes(self, *words: str) -> dict[int, str]:
        """Those that live and have all words in their command lines, with the command lines."""
        found = {}
        for path in Path("/proc").glob("[0-9]*"):
            try:
                if self.mark.encode() in (path / "environ").read_bytes():
                    line = (path / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                    if all(word in line for word in words):
                        found[int(path.name)] = line
            except OSError:
                continue
        return found

    def end_all(self) -> None:
        for pid in self.processes():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def eventually(condition: Callable[[], Any], seconds: float = 60) -> Any:
    """Poll until the condition gives something true, and give that."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if value := condition():
            return value
        time.sleep(0.02)
    raise AssertionError("it did not happen in time")
