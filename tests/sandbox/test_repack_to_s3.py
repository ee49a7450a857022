"""Archives on their way into the local cloud's S3, with faults on the way."""

from __future__ import annotations

import hashlib
import random
from typing import Any

import pytest

from registry.artifacts import S3Prefix
from registry.clients import Clients
from registry.errors import RegistryError
from registry.layout import plan_archive
from registry.repack import PackedArchive, S3Target, repack
from tests.support.artifacts import unpacked

PYFUNC = {"flavors": {"python_function": {}}}
ACCOUNT = "123456789012"
FILES = {
    "MLmodel": b"flavors: {python_function: {}}\n",
    "data/weights.bin": random.Random(3).randbytes(18 * 1024**2),
    "names/é ü.txt": b"1" * 100_000,
    "empty": b"",
}


@pytest.fixture
def s3(aws: Any) -> Any:
    client = aws.client("s3")
    client.create_bucket(Bucket="models")
    for path, data in FILES.items():
        client.put_object(Bucket="models", Key=f"artifacts/7/{path}", Body=data)
    client.put_object(Bucket="models", Key="artifacts/7/names/", Body=b"")
    return client


def pack(s3: Any, *, owner: str | None = ACCOUNT) -> PackedArchive:
    source = S3Prefix(s3, "models", "artifacts/7", expected_owner=owner)
    plan = plan_archive(PYFUNC, source.list_files())
    return repack(source, plan, S3Target(s3, "models", "m/7/model.tar.gz", expected_owner=owner))


def is_empty(s3: Any) -> bool:
    return not s3.list_objects_v2(Bucket="models", Prefix="m/").get(
        "Contents"
    ) and not s3.list_multipart_uploads(Bucket="models").get("Uploads")


def test_an_artifact_in_s3_becomes_an_archive_in_s3(s3: Any) -> None:
    packed = pack(s3)
    archive = s3.get_object(Bucket="models", Key="m/7/model.tar.gz")["Body"].read()
    assert packed == PackedArchive(
        "s3://models/m/7/model.tar.gz", hashlib.sha256(archive).hexdigest(), len(archive)
    )
    assert unpacked(archive) == FILES
    assert pack(s3) == packed
    assert not s3.list_multipart_uploads(Bucket="models").get("Uploads")


@pytest.mark.parametrize(
    ("operation", "skip"),
    [
        ("CreateMultipartUpload", 0),
        ("UploadPart", 0),
        ("UploadPart", 1),
        ("UploadPart", 2),
        ("CompleteMultipartUpload", 0),
        ("GetObject", 1),
    ],
)
def test_defect_09_s3_that_fails_in_the_middle_leaves_no_object_and_no_open_upload(
    aws: Any, s3: Any, operation: str, skip: int
) -> None:
    aws.sandbox.inject(operation, error="InternalError", status=500, skip=skip)
    with pytest.raises(RegistryError, match=rf"{operation} of s3://models/.* InternalError"):
        pack(s3)
    aws.control.clear_faults()
    assert is_empty(s3)


def test_faults_that_pass_are_overcome_by_the_clients_own_repeats(
    aws: Any, s3: Any, monkeypatch: Any
) -> None:
    for name, value in aws.environment.items():
        monkeypatch.setenv(name, value)
    client = Clients("us-east-1").get("s3")
    aws.sandbox.inject("UploadPart", error="InternalError", status=500, count=2)
    assert unpacked_at(s3, pack(client)) == FILES


def test_a_source_that_ends_early_leaves_nothing(aws: Any, s3: Any) -> None:
    source = S3Prefix(s3, "models", "artifacts/7")
    plan = plan_archive(PYFUNC, source.list_files())
    s3.put_object(Bucket="models", Key="artifacts/7/names/é ü.txt", Body=b"another")
    with pytest.raises(RegistryError, match="GetObject of s3://models/artifacts/7/names/"):
        repack(source, plan, S3Target(s3, "models", "m/7/model.tar.gz"))
    assert is_empty(s3)


def unpacked_at(s3: Any, packed: PackedArchive) -> dict[str, bytes]:
    key = packed.s3_uri.removeprefix("s3://models/")
    return unpacked(s3.get_object(Bucket="models", Key=key)["Body"].read())
