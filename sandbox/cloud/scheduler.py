"""Things that happen later: one thread for all of them."""

from __future__ import annotations

import heapq
import itertools
import logging
import threading
import time
from collections.abc import Callable

LOG = logging.getLogger(__name__)


class Scheduler:
    """Runs functions at their time, one after the other; they must be quick."""

    def __init__(self) -> None:
        self._wake = threading.Condition()
        self._order = itertools.count()
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        threading.Thread(target=self._run, name="scheduler", daemon=True).start()

    def after(self, seconds: float, action: Callable[[], None]) -> None:
        """Run `action` when `seconds` (0 or more) have passed."""
        with self._wake:
            heapq.heappush(self._due, (time.monotonic() + max(seconds, 0.0), next(self._order), action))
            self._wake.notify()

    def forget(self) -> None:
        """Drop all that waits."""
        with self._wake:
            self._due.clear()

    def _run(self) -> None:
        while True:
            with self._wake:
                while not self._due or self._due[0][0] > time.monotonic():
                    self._wake.wait(self._due[0][0] - time.monotonic() if self._due else None)
                action = heapq.heappop(self._due)[2]
            try:
                action()
            except Exception:
                LOG.exception("a scheduled action failed")
