"""Reads the next files while the one before is used: many small ones wait for their first byte together."""

import threading
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

from registry.artifacts import ArtifactSource
from registry.errors import RegistryError, UnavailableError

FILES_AT_ONCE = 8
_CHUNK = 1024**2
_HELD = 4 * 1024**2


def read_ahead(source: ArtifactSource, paths: Iterable[str]) -> Generator[Iterator[bytes]]:
    """Give the bytes of each file, in order, each as an iterator to be used up before the next file is asked for.

    Eight files are read at once, at most some 5 MiB of each is held. Closing the generator stops all reads.

    Raises:
        RegistryError: a file could not be opened, or not read to its end.
    """
    pool = ThreadPoolExecutor(FILES_AT_ONCE, thread_name_prefix="artifact")
    flows: deque[_Flow] = deque()
    try:
        for path in paths:
            flows.append(flow := _Flow())
            pool.submit(_fill, source, path, flow)
            if len(flows) == FILES_AT_ONCE:
                yield iter(flows[0])
                flows.popleft()
        while flows:
            yield iter(flows[0])
            flows.popleft()
    finally:
        for flow in flows:
            flow.stop()
        pool.shutdown(cancel_futures=True)


class _StoppedError(Exception):
    """Nobody wants the rest."""


class _Flow:
    """Chunks on their way from one thread to another, so many at most."""

    def __init__(self) -> None:
        self._change = threading.Condition()
        self._chunks: deque[bytes] = deque()
        self._held = 0
        self._ended = self._stopped = False
        self._error: BaseException | None = None

    def put(self, chunk: bytes) -> None:
        with self._change:
            self._change.wait_for(lambda: self._held < _HELD or self._stopped)
            if self._stopped:
                raise _StoppedError
            self._chunks.append(chunk)
            self._held += len(chunk)
            self._change.notify_all()

    def end(self, error: BaseException | None = None) -> None:
        with self._change:
            self._ended, self._error = True, error
            self._change.notify_all()

    def stop(self) -> None:
        with self._change:
            self._stopped = True
            self._change.notify_all()

    def __iter__(self) -> Iterator[bytes]:
        while True:
            with self._change:
                self._change.wait_for(lambda: self._chunks or self._ended)
                if not self._chunks:
                    if self._error:
                        raise self._error
                    return
                chunk = self._chunks.popleft()
                self._held -= len(chunk)
                self._change.notify_all()
            yield chunk


def _fill(source: ArtifactSource, path: str, flow: _Flow) -> None:
    try:
        with closing(source.open(path)) as stream:
            while chunk := stream.read(_CHUNK):
                flow.put(chunk)
    except _StoppedError:
        return
    except BaseException as error:  # noqa: BLE001 -- raised where the file is used
        flow.end(_explained(error, path))
    else:
        flow.end()


def _explained(error: BaseException, path: str) -> BaseException:
    if isinstance(error, RegistryError) or not isinstance(error, Exception):
        return error
    message = (
        f"{path!r} of the artifact could not be read to its end ({type(error).__name__}: {error}); run again"
    )
    failed = UnavailableError(message)
    failed.__cause__ = error
    return failed
