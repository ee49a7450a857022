"""A stage's throttling: a bucket of tokens for each route."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


class Throttle:
    """Lets through `burst` requests at once and `rate` a second. Safe for many threads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._buckets: dict[tuple[str, ...], tuple[float, float]] = {}

    def lets_through(self, key: tuple[str, ...], rate: float | None, burst: int | None) -> bool:
        """Take a token; True when no limit is set. A new `key` begins with a full bucket."""
        if rate is None and burst is None:
            return True
        size = float(burst if burst is not None else rate or 0)
        now = self._clock()
        with self._lock:
            tokens, since = self._buckets.get(key, (size, now))
            tokens = min(size, tokens + (now - since) * (rate if rate is not None else size))
            taken = tokens >= 1
            self._buckets[key] = (tokens - 1 if taken else tokens, now)
        return taken

    def forget(self) -> None:
        """Fill all buckets."""
        with self._lock:
            self._buckets.clear()
