"""From a model's files to model.tar.gz in S3 as one stream: read, tar, gzip, upload, with SHA-256 on the way.

The archive is nowhere on a disk, and never whole in memory. The same files and plan give the same bytes: entries are sorted
and carry no time, owner or mode of their own (which zlib is built in also matters; on one machine it is always the same).
"""

import hashlib
import tarfile
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass

from registry.artifacts import ArtifactSource
from registry.errors import ArtifactError
from registry.gzip_blocks import compress
from registry.layout import ArchivePlan, Entry
from registry.paths import ArtifactFile
from registry.read_ahead import read_ahead
from registry.upload import S3Target, Upload, part_size_for

# 1980-01-01: GNU tar calls the year 1970 implausible, zip tools know nothing before 1980.
_TIME = 315_532_800
_BLOCK, _RECORD = tarfile.BLOCKSIZE, tarfile.RECORDSIZE
# A long name has two headers and its record: far less than this for each file.
_MOST_HEADER = 8 * 1024

__all__ = ["ArtifactFile", "ArtifactSource", "PackedArchive", "S3Target", "repack", "tar_stream"]


@dataclass(frozen=True, slots=True)
class PackedArchive:
    """An archive in S3: its address, the SHA-256 of its bytes (64 hex digits), and how many they are."""

    s3_uri: str
    sha256: str
    size: int


def repack(
    source: ArtifactSource, plan: ArchivePlan, sink: S3Target, *, cores: int | None = None
) -> PackedArchive:
    """Stream the planned files of a model into one ``.tar.gz`` in S3.

    Whatever ends it early (an error, Ctrl-C, a signal that raises), no object and no open multipart upload stays; an object
    that was under the key before is untouched until the new one is whole.

    Args:
        source: the model's files.
        plan: what goes where, from `plan_archive`.
        sink: where the archive goes.
        cores: threads that compress; by default as many as this process may use.

    Returns:
        The stored archive.

    Raises:
        RegistryError: a file could not be read or is not as long as it was listed, or S3 did not take the archive.
    """
    digest, size = hashlib.sha256(), 0
    upload = Upload(sink, part_size_for(_most_bytes(plan)))
    try:
        with closing(tar_stream(source, plan)) as tar, closing(compress(tar, cores=cores)) as packed:
            for piece in packed:
                digest.update(piece)
                size += len(piece)
                upload.write(piece)
        upload.finish()
    except BaseException as error:
        _take_back(upload, error)
        raise
    return PackedArchive(sink.uri, digest.hexdigest(), size)


def tar_stream(source: ArtifactSource, plan: ArchivePlan) -> Generator[bytes]:
    """Give the tar archive of a plan in pieces: POSIX format (pax), regular files only, sorted by their names' bytes.

    Raises:
        ArtifactError: a file has another size than it was listed with.
    """
    total = 0
    from_artifact = (entry.artifact for entry in plan.entries if entry.artifact is not None)
    with closing(read_ahead(source, from_artifact)) as files:
        for entry in plan.entries:
            content = [entry.content] if entry.content is not None else next(files)
            header = _header(entry)
            yield header
            yield from _exactly(entry, content)
            padding = b"\0" * (-entry.size % _BLOCK)
            yield padding
            total += len(header) + entry.size + len(padding)
    end = 2 * _BLOCK
    yield b"\0" * (end + -(total + end) % _RECORD)


def _header(entry: Entry) -> bytes:
    info = tarfile.TarInfo(entry.path)
    info.size, info.mode, info.mtime = entry.size, 0o644, _TIME
    return info.tobuf(tarfile.PAX_FORMAT)


def _exactly(entry: Entry, chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Pass a file's bytes on, as many as its header says."""
    left = entry.size
    for chunk in chunks:
        left -= len(chunk)
        if left < 0:
            break
        yield chunk
    if left:
        found = "longer" if left < 0 else "shorter"
        message = (
            f"{entry.artifact!r} of the artifact is {found} than the {entry.size} bytes that it was listed with: it is "
            "being written, or was cut off. Nothing was stored; run again when the artifact is complete"
        )
        raise ArtifactError(message)


def _most_bytes(plan: ArchivePlan) -> int:
    """What the archive has at most, when nothing shrinks: gzip adds five bytes to each 64 KiB."""
    total = sum(entry.size + _MOST_HEADER for entry in plan.entries)
    return total + total // 1000 + 1024**2


def _take_back(upload: Upload, error: BaseException) -> None:
    try:
        upload.abort()
    except ArtifactError as left:
        if not isinstance(error, Exception):
            error.add_note(str(left))
            return
        message = f"{error}. Also, {left}"
        raise ArtifactError(message) from error
