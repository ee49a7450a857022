"""Unpacks model archives so that nothing lands outside of the folder they are given."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

LARGEST = 8 * 1024**3
"""Bytes of all files together; the disk of this machine is not AWS's."""


class BadArchive(Exception):
    """The bytes are not a gzip-compressed tar archive that may be unpacked."""


def unpack(archive: bytes, folder: Path) -> None:
    """Unpack a `.tar.gz` into `folder`, which is made.

    Links out of the folder, absolute paths, `..`, devices and archives over 8 GiB are refused (Python's `data` filter).

    Raises:
        BadArchive: it is no such archive, or refused.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as tar:
            total = 0
            for member in tar:
                total += member.size
                if total > LARGEST:
                    msg = f"it holds more than {LARGEST} bytes"
                    raise BadArchive(msg)
                tar.extract(member, folder, filter="data")
    except (tarfile.TarError, OSError, EOFError) as error:
        msg = f"it is not a gzip-compressed tar archive that can be unpacked: {error}"
        raise BadArchive(msg) from error
