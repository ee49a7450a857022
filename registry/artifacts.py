"""Where a model's files come from: a local folder or an S3 prefix. Files are bytes here, whatever they claim to be."""

import io
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, Protocol, cast

from registry.errors import ArtifactError
from registry.failures import translate, translated
from registry.paths import DEEPEST, ArtifactFile

_RESUMES = 3


class ArtifactSource(Protocol):
    """The files of one model version."""

    def list_files(self) -> tuple[ArtifactFile, ...]:
        """List all files.

        Raises:
            RegistryError: the list could not be read, or something in it is neither a file nor a folder.
        """

    def open(self, path: str) -> BinaryIO:
        """Open one listed file to read it as a stream; may be called from several threads.

        Raises:
            RegistryError: it could not be opened; so does the stream when it cannot be read to its end.
        """


class LocalFolder:
    """An artifact in a folder of this machine. Links are refused wherever they lead, and none is followed."""

    def __init__(self, folder: Path) -> None:
        """Nothing is read yet."""
        self._folder = folder

    def list_files(self) -> tuple[ArtifactFile, ...]:
        """List all files, sorted.

        Raises:
            ArtifactError: the folder cannot be read, or holds a link, device, pipe or socket.
        """
        try:
            return tuple(sorted(self._walk(self._folder, ""), key=lambda file: file.path))
        except OSError as error:
            message = f"the artifact folder {self._folder} cannot be read ({error.strerror}); correct its path or rights"
            raise ArtifactError(message) from error

    def open(self, path: str) -> BinaryIO:
        """Open a file below the folder.

        Raises:
            ArtifactError: it is no regular file, a part of its path is a link or leads out, or it cannot be read.
        """
        folder = None
        try:
            folder = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
            *parents, name = path.split("/")
            if not all(part not in ("", ".", "..") and "\0" not in part for part in (*parents, name)):
                raise ArtifactError(_not_a_file(path))
            for part in parents:
                inner = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=folder)
                os.close(folder)
                folder = inner
            # O_NONBLOCK: opening a pipe would wait for its writer.
            file = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
            if not stat.S_ISREG(os.fstat(file).st_mode):
                os.close(file)
                raise ArtifactError(_not_a_file(path))
            return os.fdopen(file, "rb")
        except OSError as error:
            message = f"{path!r} of the artifact cannot be opened ({error.strerror}); it must be a plain file without links"
            raise ArtifactError(message) from error
        finally:
            if folder is not None:
                os.close(folder)

    def _walk(self, folder: Path, prefix: str) -> Iterator[ArtifactFile]:
        if prefix.count("/") > DEEPEST:
            message = f"the artifact folder {self._folder} has folders more than {DEEPEST} deep; log the model with fewer"
            raise ArtifactError(message)
        with os.scandir(folder) as entries:
            for entry in entries:
                path = prefix + entry.name
                if entry.is_dir(follow_symlinks=False):
                    yield from self._walk(folder / entry.name, f"{path}/")
                elif entry.is_file(follow_symlinks=False):
                    yield ArtifactFile(path, entry.stat(follow_symlinks=False).st_size)
                else:
                    raise ArtifactError(_not_a_file(path))


class S3Prefix:
    """An artifact below a prefix of an S3 bucket.

    Args:
        client: botocore's S3 client (`Clients.get("s3")`).
        bucket: its name.
        prefix: what all keys begin with, before a ``/``.
        expected_owner: account of the bucket, 12 digits; S3 refuses when another owns it. Without: not checked.
    """

    def __init__(self, client: Any, bucket: str, prefix: str, *, expected_owner: str | None = None) -> None:
        """Nothing is read yet."""
        self._client, self._bucket = client, bucket
        self._prefix = prefix.strip("/") + "/" if prefix.strip("/") else ""
        self._owner = {"ExpectedBucketOwner": expected_owner} if expected_owner else {}
        self._etags: dict[str, str] = {}

    def list_files(self) -> tuple[ArtifactFile, ...]:
        """List all objects, sorted; the empty ones that stand for folders are none.

        Raises:
            RegistryError: a page could not be read.
        """
        found = []
        pages = self._client.get_paginator("list_objects_v2")
        subject = f"s3://{self._bucket}/{self._prefix}"
        with translated("ListObjectsV2", subject, "s3:ListBucket"):
            for page in pages.paginate(Bucket=self._bucket, Prefix=self._prefix, **self._owner):
                for each in page.get("Contents", []):
                    path = each["Key"].removeprefix(self._prefix)
                    if each["Key"].endswith("/") and each["Size"] == 0:
                        continue
                    self._etags[path] = each["ETag"]
                    found.append(ArtifactFile(path, each["Size"]))
        return tuple(sorted(found, key=lambda file: file.path))

    def open(self, path: str) -> BinaryIO:
        """Open an object. One that was replaced since it was listed is refused; a broken connection is resumed, three times.

        Raises:
            RegistryError: it could not be opened.
        """
        stream = _S3Stream(self, path)
        stream.connect()
        return cast(BinaryIO, io.BufferedReader(stream, 1 << 20))

    def get(self, path: str, offset: int) -> Any:
        """Ask for an object's body from an offset on."""
        same = {"IfMatch": self._etags[path]} if path in self._etags else {}
        rest = {"Range": f"bytes={offset}-"} if offset else {}
        with translated("GetObject", self.name(path), "s3:GetObject"):
            return self._client.get_object(
                Bucket=self._bucket, Key=self._prefix + path, **same, **rest, **self._owner
            )["Body"]

    def name(self, path: str) -> str:
        """Name an object for a person."""
        return f"s3://{self._bucket}/{self._prefix}{path}"


class _S3Stream(io.RawIOBase):
    """A body that goes on where its connection broke."""

    def __init__(self, source: S3Prefix, path: str) -> None:
        super().__init__()
        self._source, self._path = source, path
        self._offset, self._left = 0, _RESUMES
        self._body: Any = None

    def connect(self) -> None:
        self._body = self._source.get(self._path, self._offset)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        from botocore import exceptions

        broken = (exceptions.HTTPClientError, exceptions.IncompleteReadError, OSError)
        while True:
            try:
                data = self._body.read(len(buffer))
            except broken as error:
                self._body.close()
                if not self._left:
                    raise translate(error, "GetObject", self._source.name(self._path)) from error
                self._left -= 1
                self.connect()
                continue
            buffer[: len(data)] = data
            self._offset += len(data)
            return len(data)

    def close(self) -> None:
        if self._body is not None:
            self._body.close()
        super().close()


def _not_a_file(path: str) -> str:
    return (
        f"{path!r} of the artifact is a link, a device or leads out of its folder; only plain files are packed. "
        "Log the model again with copies in place of links"
    )
