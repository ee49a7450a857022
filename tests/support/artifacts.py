"""Models' files in memory, and an S3 that keeps objects and open uploads where a test can see them."""

from __future__ import annotations

import base64
import hashlib
import io
import tarfile
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from botocore.exceptions import ClientError

from registry.artifacts import ArtifactFile

Break = Callable[[str, dict[str, Any]], BaseException | None]


@dataclass
class MemorySource:
    """An artifact in memory; ``sizes`` lists other sizes than the files have, ``errors`` breaks the reading of a file."""

    files: Mapping[str, bytes]
    sizes: Mapping[str, int] = field(default_factory=dict)
    errors: Mapping[str, Exception] = field(default_factory=dict)
    opened: list[str] = field(default_factory=list)

    def list_files(self) -> tuple[ArtifactFile, ...]:
        return tuple(ArtifactFile(path, self.sizes.get(path, len(data))) for path, data in self.files.items())

    def open(self, path: str) -> BinaryIO:
        self.opened.append(path)
        if path in self.errors:
            return _Broken(self.files[path], self.errors[path])
        return io.BytesIO(self.files[path])


class _Broken(io.BytesIO):
    """Gives its bytes, and then an error in place of the end."""

    def __init__(self, data: bytes, error: Exception) -> None:
        super().__init__(data)
        self._error = error

    def read(self, size: int | None = -1) -> bytes:
        data = super().read(size)
        if not data:
            raise self._error
        return data


class FakeS3:
    """S3 as far as an upload needs it: multipart rules, checksums, owners; ``fail`` says which call breaks how."""

    def __init__(self, owner: str = "123456789012") -> None:
        self.objects: dict[str, bytes] = {}
        self.checksums: dict[str, str] = {}
        self.uploads: dict[str, dict[int, bytes]] = {}
        self.calls: list[str] = []
        self.arguments: list[dict[str, Any]] = []
        self.fail: Break = lambda operation, arguments: None
        self.fail_after: Break = lambda operation, arguments: None
        self._owner, self._lock = owner, threading.Lock()

    def put_object(self, **arguments: Any) -> dict[str, Any]:
        return self._do("PutObject", arguments, lambda: self._store(arguments["Key"], arguments["Body"]))

    def create_multipart_upload(self, **arguments: Any) -> dict[str, Any]:
        def create() -> dict[str, Any]:
            identifier = f"upload-{len(self.calls)}"
            self.uploads[identifier] = {}
            return {"UploadId": identifier}

        return self._do("CreateMultipartUpload", arguments, create)

    def upload_part(self, **arguments: Any) -> dict[str, Any]:
        def upload() -> dict[str, Any]:
            body = arguments["Body"]
            assert arguments["ChecksumSHA256"] == _checksum(body)
            self._parts(arguments, "UploadPart")[arguments["PartNumber"]] = body
            return {"ETag": f'"{arguments["PartNumber"]}"'}

        return self._do("UploadPart", arguments, upload)

    def complete_multipart_upload(self, **arguments: Any) -> dict[str, Any]:
        def complete() -> dict[str, Any]:
            parts = self._parts(arguments, "CompleteMultipartUpload")
            listed = arguments["MultipartUpload"]["Parts"]
            assert [part["PartNumber"] for part in listed] == sorted(parts)
            assert all(len(parts[number]) >= 5 * 1024**2 for number in sorted(parts)[:-1])
            self._store(arguments["Key"], b"".join(parts[number] for number in sorted(parts)))
            digests = b"".join(hashlib.sha256(parts[number]).digest() for number in sorted(parts))
            self.checksums[arguments["Key"]] = f"{_checksum(digests)}-{len(parts)}"
            del self.uploads[arguments["UploadId"]]
            return {}

        return self._do("CompleteMultipartUpload", arguments, complete)

    def abort_multipart_upload(self, **arguments: Any) -> dict[str, Any]:
        def abort() -> dict[str, Any]:
            self._parts(arguments, "AbortMultipartUpload")
            del self.uploads[arguments["UploadId"]]
            return {}

        return self._do("AbortMultipartUpload", arguments, abort)

    def head_object(self, **arguments: Any) -> dict[str, Any]:
        def head() -> dict[str, Any]:
            if arguments["Key"] not in self.objects:
                raise refusal("404", "HeadObject", status=404)
            key = arguments["Key"]
            return {"ContentLength": len(self.objects[key]), "ChecksumSHA256": self.checksums[key]}

        return self._do("HeadObject", arguments, head)

    def _do(self, operation: str, arguments: dict[str, Any], act: Callable[[], Any]) -> dict[str, Any]:
        with self._lock:
            self.calls.append(operation)
            self.arguments.append(arguments)
            if arguments.get("ExpectedBucketOwner", self._owner) != self._owner:
                raise refusal("AccessDenied", operation, status=403)
            if error := self.fail(operation, arguments):
                raise error
            answer = act() or {}
            if error := self.fail_after(operation, arguments):
                raise error
            return answer

    def _store(self, key: str, body: bytes) -> None:
        self.objects[key] = body
        self.checksums[key] = _checksum(body)

    def _parts(self, arguments: dict[str, Any], operation: str) -> dict[int, bytes]:
        if arguments["UploadId"] not in self.uploads:
            raise refusal("NoSuchUpload", operation, status=404)
        return self.uploads[arguments["UploadId"]]


def refusal(code: str, operation: str = "PutObject", status: int = 500) -> ClientError:
    return ClientError(
        {"Error": {"Code": code, "Message": "said S3"}, "ResponseMetadata": {"HTTPStatusCode": status}},  # type: ignore[typeddict-item]
        operation,
    )


def unpacked(archive: bytes) -> dict[str, bytes]:
    """Every file of a ``.tar.gz``, by name."""
    with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as tar:
        return {member.name: file.read() for member in tar if (file := tar.extractfile(member)) is not None}


def _checksum(content: bytes) -> str:
    return base64.b64encode(hashlib.sha256(content).digest()).decode()
