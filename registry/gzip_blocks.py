"""Gzip on several cores, with the same bytes on any number of them.

The input is cut into blocks of 1 MiB. Each becomes deflate data that ends at a byte and may point back into the 32 KiB
before it, so that blocks are compressed side by side and still make one ordinary gzip member (RFC 1951, RFC 1952). zlib
lets other threads run meanwhile.
"""

import os
import struct
import zlib
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager

BLOCK = 1024**2
_WINDOW = 32 * 1024
_SAMPLE = 32 * 1024
# Trained weights hardly shrink, at any level; what does shrink is within some percent of level 9 at a tenth of its time.
_LEVEL = 1
# Magic, deflate, no flags, no time, fastest, unknown system.
_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x04\xff"
_LAST_BLOCK = b"\x03\x00"


def compress(chunks: Iterable[bytes], *, cores: int | None = None) -> Generator[bytes]:
    """Compress a stream to one gzip member.

    Args:
        chunks: the input, cut anywhere: the output depends on the bytes alone (and on the build of zlib).
        cores: threads that compress; by default as many as this process may use. Memory is some 3 MiB for each.

    Yields:
        Pieces of the gzip file, in order.
    """
    threads = cores or _cores()
    crc = size = 0
    window = b""
    yield _HEADER
    with _pool(threads) as pool, closing(_blocks(chunks)) as blocks:
        waiting: deque[Future[bytes]] = deque()
        for block in blocks:
            crc, size = zlib.crc32(block, crc), size + len(block)
            waiting.append(pool.submit(_deflate, block, window))
            window = block[-_WINDOW:]
            if len(waiting) > threads + 1:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    yield _LAST_BLOCK + struct.pack("<II", crc, size % 2**32)


def _deflate(block: bytes, window: bytes) -> bytes:
    # What does not shrink is stored: deciding by a sample costs little, and compressing it for nothing costs the most.
    sample = block[:_SAMPLE]
    level = _LEVEL if len(zlib.compress(sample, _LEVEL)) < len(sample) * 0.98 else 0
    maker = zlib.compressobj(level, zlib.DEFLATED, -zlib.MAX_WBITS, zdict=window)
    return maker.compress(block) + maker.flush(zlib.Z_SYNC_FLUSH)


def _blocks(chunks: Iterable[bytes]) -> Generator[bytes]:
    kept = bytearray()
    for chunk in chunks:
        kept += chunk
        while len(kept) >= BLOCK:
            yield bytes(kept[:BLOCK])
            del kept[:BLOCK]
    if kept:
        yield bytes(kept)


def _cores() -> int:
    return (
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    )  # not on macOS


@contextmanager
def _pool(threads: int) -> Iterator[ThreadPoolExecutor]:
    pool = ThreadPoolExecutor(threads, thread_name_prefix="gzip")
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)
