"""Writes one S3 object from a stream: all of it, or nothing, with SHA-256 checked by S3 on the way."""

import base64
import hashlib
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from registry.errors import ArtifactError, RegistryError
from registry.failures import translated

# At most 10,000 parts, each of 5 MiB or more.
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html (read 2026-11)
LEAST_PART = 8 * 1024**2
_MOST_PARTS = 9_500
_MIB = 1024**2
_AT_ONCE, _HELD = 4, 32 * _MIB


@dataclass(frozen=True, slots=True)
class S3Target:
    """Where an archive goes.

    Attributes:
        client: botocore's S3 client (`Clients.get("s3")`).
        bucket: its name.
        key: of the object; one that is there is replaced when the new one is whole, and not before.
        expected_owner: account of the bucket, 12 digits; S3 refuses when another owns it. None: not checked.
        kms_key_id: encrypts the object with this key. None: as the bucket says.
    """

    client: Any
    bucket: str
    key: str
    expected_owner: str | None = None
    kms_key_id: str | None = None

    @property
    def uri(self) -> str:
        """``s3://BUCKET/KEY``."""
        return f"s3://{self.bucket}/{self.key}"


def part_size_for(most_bytes: int) -> int:
    """Bytes of a part, so that an object of at most so many bytes needs no more parts than S3 allows."""
    return max(LEAST_PART, -(-most_bytes // _MOST_PARTS // _MIB) * _MIB)


class Upload:
    """One object on its way. Call `write` as often as needed, then `finish`; or `abort`, after which nothing is left.

    What fits into one part is put as a whole. Up to four parts (32 MiB) are on their way at once.
    """

    def __init__(self, target: S3Target, part_size: int) -> None:
        """Nothing is sent yet."""
        self._target, self._part_size = target, part_size
        self._buffer = bytearray()
        self._at_once = max(1, min(_AT_ONCE, _HELD // part_size))
        self._pool = ThreadPoolExecutor(self._at_once, thread_name_prefix="upload")
        self._id: str | None = None
        self._waiting: deque[Future[dict[str, Any]]] = deque()
        self._parts: list[dict[str, Any]] = []
        self._number = 0

    def write(self, data: bytes) -> None:
        """Take more of the object; waits when enough is on its way.

        Raises:
            RegistryError: an earlier part could not be stored.
        """
        self._buffer += data
        while len(self._buffer) > self._part_size:
            part = bytes(self._buffer[: self._part_size])
            del self._buffer[: self._part_size]
            self._send(part)

    def finish(self) -> None:
        """Make the object whole.

        Raises:
            RegistryError: it could not be; call `abort`.
        """
        rest, self._buffer = bytes(self._buffer), bytearray()
        if self._id is None:
            self._put(rest)
        else:
            self._send(rest)
            while self._waiting:
                self._parts.append(self._waiting.popleft().result())
            self._complete()
        self._pool.shutdown()

    def abort(self) -> None:
        """Take everything back; harmless when there is nothing.

        Raises:
            ArtifactError: S3 keeps parts, as it refused to take them back; the text says how to remove them.
        """
        # A part that arrives after the abort would stay, so none may be on its way.
        self._pool.shutdown(cancel_futures=True)
        self._buffer = bytearray()
        if self._id is None:
            return
        try:
            self._call("AbortMultipartUpload", "s3:AbortMultipartUpload", UploadId=self._id)
        except RegistryError as error:
            if "NoSuchUpload" in str(error):
                return
            message = (
                f"the upload to {self._target.uri} could not be taken back ({error}). Its parts cost money. "
                f"Run `aws s3api abort-multipart-upload --bucket {self._target.bucket} --key '{self._target.key}' "
                f"--upload-id {self._id}`, or a lifecycle rule of the bucket with AbortIncompleteMultipartUpload"
            )
            raise ArtifactError(message) from error

    def _send(self, part: bytes) -> None:
        if self._id is None:
            answer = self._call(
                "CreateMultipartUpload", "s3:PutObject", ChecksumAlgorithm="SHA256", **self._description()
            )
            self._id = str(answer["UploadId"])
        while len(self._waiting) >= self._at_once:
            self._parts.append(self._waiting.popleft().result())
        self._number += 1
        self._waiting.append(self._pool.submit(self._send_part, part, self._number))

    def _send_part(self, part: bytes, number: int) -> dict[str, Any]:
        checksum = _checksum(part)
        answer = self._call(
            "UploadPart",
            "s3:PutObject",
            UploadId=self._id,
            PartNumber=number,
            Body=part,
            ChecksumSHA256=checksum,
        )
        return {"PartNumber": number, "ETag": answer["ETag"], "ChecksumSHA256": checksum}

    def _put(self, content: bytes) -> None:
        checksum = _checksum(content)
        try:
            self._call(
                "PutObject", "s3:PutObject", Body=content, ChecksumSHA256=checksum, **self._description()
            )
        except RegistryError:
            if not self._is_stored(checksum, len(content)):
                raise

    def _complete(self) -> None:
        digests = b"".join(base64.b64decode(part["ChecksumSHA256"]) for part in self._parts)
        checksum = f"{_checksum(digests)}-{len(self._parts)}"
        try:
            self._call(
                "CompleteMultipartUpload",
                "s3:PutObject",
                UploadId=self._id,
                MultipartUpload={"Parts": self._parts},
            )
        except RegistryError:
            if not self._is_stored(checksum, None):
                raise
        self._id = None

    def _is_stored(self, checksum: str, size: int | None) -> bool:
        """Whether a write that was answered with an error was done all the same: the answer got lost on its way."""
        try:
            answer = self._call("HeadObject", "s3:GetObject", ChecksumMode="ENABLED")
        except RegistryError:
            return False
        return answer.get("ChecksumSHA256") == checksum and size in (None, answer.get("ContentLength"))

    def _description(self) -> dict[str, Any]:
        key = self._target.kms_key_id
        encrypted = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": key} if key else {}
        return {"ContentType": "application/gzip", **encrypted}

    def _call(self, operation: str, right: str, **arguments: Any) -> dict[str, Any]:
        if self._target.expected_owner:
            arguments["ExpectedBucketOwner"] = self._target.expected_owner
        method = getattr(self._target.client, _METHODS[operation])
        with translated(operation, self._target.uri, right):
            answer: dict[str, Any] = method(Bucket=self._target.bucket, Key=self._target.key, **arguments)
        return answer


_METHODS = {
    "AbortMultipartUpload": "abort_multipart_upload",
    "CompleteMultipartUpload": "complete_multipart_upload",
    "CreateMultipartUpload": "create_multipart_upload",
    "HeadObject": "head_object",
    "PutObject": "put_object",
    "UploadPart": "upload_part",
}


def _checksum(content: bytes) -> str:
    return base64.b64encode(hashlib.sha256(content).digest()).decode()
