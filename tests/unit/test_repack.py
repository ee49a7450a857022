"""The stream from files to an object in S3: its bytes, and what stays when something breaks (nothing)."""

from __future__ import annotations

import gzip
import hashlib
import io
import random
import subprocess
import sys
import tarfile
import threading
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ReadTimeoutError
from hypothesis import given, settings
from hypothesis import strategies as st

from registry.errors import AccessRefusedError, ArtifactError, RegistryError, UnavailableError
from registry.gzip_blocks import BLOCK, compress
from registry.layout import ArchivePlan, plan_archive
from registry.repack import PackedArchive, S3Target, repack, tar_stream
from registry.upload import LEAST_PART, Upload, part_size_for
from tests.support.artifacts import FakeS3, MemorySource, refusal, unpacked

PYFUNC = {"flavors": {"python_function": {}}}
NOISE = random.Random(5).randbytes(17 * 1024**2)
"""Does not shrink, so that an upload has as many parts as it looks."""


def plan_for(source: MemorySource) -> ArchivePlan:
    return plan_archive(PYFUNC, source.list_files())


def pack(source: MemorySource, s3: FakeS3, **target: Any) -> PackedArchive:
    return repack(source, plan_for(source), S3Target(s3, "bucket", "m/1/model.tar.gz", **target), cores=2)


def is_empty(s3: FakeS3) -> bool:
    return not s3.objects and not s3.uploads


@settings(max_examples=60)
@given(
    st.lists(st.tuples(st.binary(max_size=40), st.integers(0, 60_000)), max_size=6),
    st.integers(1, 3),
    st.integers(1, 200_000),
)
def test_the_compressed_bytes_depend_on_the_input_alone_and_give_it_back(
    pieces: list[tuple[bytes, int]], cores: int, cut: int
) -> None:
    data = b"".join(piece * times for piece, times in pieces)
    packed = b"".join(compress([data], cores=1))
    chunks = [data[at : at + cut] for at in range(0, len(data), cut)]
    assert b"".join(compress(chunks, cores=cores)) == packed
    assert gzip.decompress(packed) == data


def test_blocks_point_into_the_one_before_and_noise_is_stored() -> None:
    words = NOISE[:20_000] * 200
    assert len(b"".join(compress([words], cores=2))) < len(words) / 10
    assert len(b"".join(compress([NOISE], cores=2))) < len(NOISE) * 1.001


@pytest.mark.parametrize("size", [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK + 7])
def test_gnu_gzip_reads_it_as_one_member(size: int) -> None:
    data = (NOISE[: size // 2] + b"a" * size)[:size]
    packed = b"".join(compress([data]))
    done = subprocess.run(["gzip", "-dc"], input=packed, capture_output=True, check=True)
    assert (done.stdout, done.stderr) == (data, b"")
    stream = io.BytesIO(packed)
    assert gzip._GzipReader(stream).readall() == data  # type: ignore[attr-defined]
    assert packed.count(b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x04\xff") == 1


def test_what_ends_the_reader_of_a_compression_ends_its_threads() -> None:
    packed = compress(iter(lambda: NOISE[:BLOCK], None), cores=2)
    next(packed), next(packed)
    packed.close()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("gzip")]


NAMES = [
    "MLmodel",
    "data/model/weights.bin",
    "x" * 90 + "/" + "y" * 90,
    "l/" * 40 + "n" * 200,
    "é/日本語.txt",
    "a b",
    "empty",
]


def test_gnu_tar_and_pythons_tarfile_read_the_archive_without_a_word(tmp_path: Path) -> None:
    source = MemorySource({name: NOISE[: 1000 * number] for number, name in enumerate(NAMES)})
    s3 = FakeS3()
    pack(source, s3)
    archive = s3.objects["m/1/model.tar.gz"]
    assert unpacked(archive) == source.files
    (tmp_path / "model.tar.gz").write_bytes(archive)
    command = ("tar", "-xzf", tmp_path / "model.tar.gz", "-C", tmp_path)
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=True,
        env={"LC_ALL": "C.UTF-8", "PATH": "/bin:/usr/bin"},
    )
    assert done.stderr == ""
    assert {name: (tmp_path / name).read_bytes() for name in NAMES} == source.files


def test_entries_are_sorted_files_without_time_owner_or_rights_of_their_own() -> None:
    s3 = FakeS3()
    pack(MemorySource({"b": b"2", "a": b"1", "Z": b"0"}), s3)
    with tarfile.open(fileobj=io.BytesIO(s3.objects["m/1/model.tar.gz"])) as tar:
        members = tar.getmembers()
    assert [member.name for member in members] == ["Z", "a", "b"]
    assert {(m.mtime, m.uid, m.gid, m.uname, m.gname, m.mode, m.type) for m in members} == {
        (315_532_800, 0, 0, "", "", 0o644, tarfile.REGTYPE)
    }


def test_the_tar_stream_is_what_pythons_tarfile_writes() -> None:
    source = MemorySource({"a": b"1" * 513, "é": b"", "n" * 150: b"x"})
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name in sorted(source.files, key=str.encode):
            info = tarfile.TarInfo(name)
            info.size, info.mode, info.mtime = len(source.files[name]), 0o644, 315_532_800
            tar.addfile(info, io.BytesIO(source.files[name]))
    assert b"".join(tar_stream(source, plan_for(source))) == made.getvalue()


name_of_file = st.text(st.sampled_from("abcé_-. /"), min_size=1, max_size=120)


@settings(max_examples=60)
@given(st.dictionaries(name_of_file, st.binary(max_size=3000), max_size=8), st.randoms())
def test_the_same_files_give_the_same_archive_in_whatever_order_and_on_however_many_cores(
    files: dict[str, bytes], chance: random.Random
) -> None:
    try:
        plan = plan_for(MemorySource(files))
    except ArtifactError:
        return
    shuffled = dict(chance.sample(list(files.items()), len(files)))
    archives = set()
    for each, cores in ((files, 1), (shuffled, 3)):
        s3, source = FakeS3(), MemorySource(each)
        packed = repack(source, plan_for(source), S3Target(s3, "b", "k"), cores=cores)
        assert packed == PackedArchive(
            "s3://b/k", hashlib.sha256(s3.objects["k"]).hexdigest(), len(s3.objects["k"])
        )
        archives.add(s3.objects["k"])
    assert len(archives) == 1
    assert set(unpacked(archives.pop())) == {entry.path for entry in plan.entries}


def test_a_model_that_would_run_code_when_opened_is_packed_and_runs_nothing(tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    pickle = f"cposix\nsystem\n(S'touch {canary}'\ntR.".encode()
    source = MemorySource({"model.pkl": pickle, "MLmodel": b"!!python/object/apply:os.system [x]"})
    s3 = FakeS3()
    pack(source, s3)
    assert unpacked(s3.objects["m/1/model.tar.gz"])["model.pkl"] == pickle
    assert not canary.exists()


def test_a_small_archive_is_put_as_a_whole_and_a_large_one_in_parts_all_with_checksums() -> None:
    small, large = FakeS3(), FakeS3()
    pack(MemorySource({"a": b"1"}), small, expected_owner="123456789012")
    packed = pack(MemorySource({"a": NOISE}), large, expected_owner="123456789012", kms_key_id="key")
    assert small.calls == ["PutObject"]
    assert small.arguments[0]["ChecksumSHA256"]
    assert large.calls == ["CreateMultipartUpload", *["UploadPart"] * 3, "CompleteMultipartUpload"]
    assert large.arguments[0] | {"ChecksumAlgorithm": "SHA256", "SSEKMSKeyId": "key"} == large.arguments[0]
    assert all(given["ExpectedBucketOwner"] == "123456789012" for given in small.arguments + large.arguments)
    assert packed.sha256 == hashlib.sha256(large.objects["m/1/model.tar.gz"]).hexdigest()
    assert not large.uploads


def test_a_bucket_of_another_account_is_refused() -> None:
    s3 = FakeS3(owner="999999999999")
    with pytest.raises(
        AccessRefusedError, match=r"PutObject of s3://bucket/m/1/model\.tar\.gz was refused .*s3:PutObject"
    ):
        pack(MemorySource({"a": b"1"}), s3, expected_owner="123456789012")
    assert is_empty(s3)


@pytest.mark.parametrize(
    ("operation", "number"),
    [
        ("CreateMultipartUpload", 1),
        *(("UploadPart", number) for number in range(1, 4)),
        ("CompleteMultipartUpload", 1),
    ],
)
@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (refusal("InternalError"), UnavailableError),
        (refusal("AccessDenied", status=403), AccessRefusedError),
        (ReadTimeoutError(endpoint_url="http://s3"), UnavailableError),
        (KeyboardInterrupt(), KeyboardInterrupt),
        (MemoryError(), MemoryError),
    ],
)
def test_defect_09_a_failed_upload_is_an_error_and_leaves_no_object_and_no_open_upload(
    operation: str, number: int, error: BaseException, kind: type[BaseException]
) -> None:
    s3 = FakeS3()
    seen = {"count": 0}

    def fail(called: str, arguments: dict[str, Any]) -> BaseException | None:
        seen["count"] += called == operation
        return error if called == operation and seen["count"] == number else None

    s3.fail = fail
    with pytest.raises(kind):
        pack(MemorySource({"a": NOISE}), s3)
    assert is_empty(s3)


def test_defect_09_a_small_archive_that_is_refused_is_an_error_too() -> None:
    s3 = FakeS3()
    s3.fail = lambda operation, arguments: (
        refusal("SlowDown", status=503) if operation == "PutObject" else None
    )
    with pytest.raises(UnavailableError, match="throttled"):
        pack(MemorySource({"a": b"1"}), s3)
    assert is_empty(s3)


def test_a_failed_upload_leaves_the_archive_that_was_there_before() -> None:
    s3 = FakeS3()
    s3.objects["m/1/model.tar.gz"] = b"before"
    s3.fail = lambda operation, arguments: (
        refusal("InternalError") if arguments.get("PartNumber") == 3 else None
    )
    with pytest.raises(UnavailableError):
        pack(MemorySource({"a": NOISE}), s3)
    assert (s3.objects, s3.uploads) == ({"m/1/model.tar.gz": b"before"}, {})


@pytest.mark.parametrize(
    ("files", "operation"), [({"a": NOISE}, "CompleteMultipartUpload"), ({"a": b"1"}, "PutObject")]
)
def test_a_write_whose_answer_got_lost_is_found_to_be_done(files: dict[str, bytes], operation: str) -> None:
    s3 = FakeS3()
    s3.fail_after = lambda called, arguments: (
        ReadTimeoutError(endpoint_url="x") if called == operation else None
    )
    packed = pack(MemorySource(files), s3)
    assert packed.sha256 == hashlib.sha256(s3.objects["m/1/model.tar.gz"]).hexdigest()
    assert not s3.uploads


def test_the_object_of_an_earlier_upload_is_not_taken_for_this_one() -> None:
    s3 = FakeS3()
    pack(MemorySource({"a": b"old"}), s3)
    s3.fail = lambda operation, arguments: (
        ReadTimeoutError(endpoint_url="x") if operation == "PutObject" else None
    )
    with pytest.raises(UnavailableError):
        pack(MemorySource({"a": b"new"}), s3)


def test_an_upload_that_cannot_be_taken_back_says_how_to_remove_its_parts() -> None:
    s3 = FakeS3()
    s3.fail = lambda operation, arguments: (
        refusal("InternalError") if operation in ("AbortMultipartUpload", "CompleteMultipartUpload") else None
    )
    with pytest.raises(
        ArtifactError,
        match=r"CompleteMultipartUpload .*Also, .*aws s3api abort-multipart-upload --bucket bucket",
    ):
        pack(MemorySource({"a": NOISE}), s3)


@pytest.mark.parametrize(
    ("listed", "said"), [(len(NOISE) + 1, "shorter"), (len(NOISE) - 1, "longer"), (0, "longer")]
)
def test_a_file_that_changed_since_it_was_listed_is_an_error(listed: int, said: str) -> None:
    s3, source = FakeS3(), MemorySource({"a": NOISE, "b": b"1"}, sizes={"a": listed})
    with pytest.raises(ArtifactError, match=f"'a' of the artifact is {said} than the {listed} bytes"):
        pack(source, s3)
    assert is_empty(s3)


@pytest.mark.parametrize(
    "error", [OSError("gone"), ConnectionResetError("reset"), ValueError("odd"), ArtifactError("ours")]
)
@pytest.mark.parametrize("broken", ["a", "m", "z"])
def test_a_file_that_cannot_be_read_to_its_end_is_an_error_and_nothing_stays(
    error: Exception, broken: str
) -> None:
    files = {"a": NOISE[:9_000_000], "m": NOISE[:9_000_000], "z": b"1"}
    s3, source = FakeS3(), MemorySource(files, errors={broken: error})
    with pytest.raises(RegistryError, match=r"ours|could not be read to its end|was changed"):
        pack(source, s3)
    assert is_empty(s3)
    assert not [
        thread for thread in threading.enumerate() if thread.name.startswith(("artifact", "gzip", "upload"))
    ]


def test_files_are_opened_ahead_but_few_at_once() -> None:
    source = MemorySource({f"{number:03}": b"x" for number in range(100)})
    stream = tar_stream(source, plan_for(source))
    next(stream), next(stream)
    assert len(source.opened) <= 8
    stream.close()
    assert len(source.opened) <= 9


@pytest.mark.parametrize("size", [0, 10**9, 80 * 10**9, 10**12])
def test_parts_are_few_enough_for_s3(size: int) -> None:
    assert part_size_for(size) >= LEAST_PART
    assert size / part_size_for(size) < 10_000


def test_aborting_an_upload_that_sent_nothing_asks_for_nothing() -> None:
    s3 = FakeS3()
    upload = Upload(S3Target(s3, "b", "k"), LEAST_PART)
    upload.write(b"1")
    upload.abort()
    assert s3.calls == []


MEMORY = """
import pathlib, re
from registry.layout import plan_archive
from registry.repack import S3Target, repack
from registry.artifacts import ArtifactFile

class Endless:
    def __init__(self, size): self.left = size
    def read(self, size):
        size = min(size, self.left); self.left -= size
        return block[:size]
    def close(self): pass

class Source:
    def list_files(self): return files
    def open(self, path): return Endless(sizes[path])

class S3:
    def create_multipart_upload(self, **_): return {"UploadId": "u"}
    def upload_part(self, **_): return {"ETag": "e"}
    def complete_multipart_upload(self, **_): return {}

import random
block = random.Random(1).randbytes(1024**2)
files = tuple(ArtifactFile(f"{n}", 60 * 1024**2) for n in range(4))
sizes = {file.path: file.size for file in files}
plan = plan_archive({"flavors": {"python_function": {}}}, files)
import botocore.exceptions
def peak(): return int(re.search(r"VmHWM:\\s+(\\d+)", pathlib.Path("/proc/self/status").read_text())[1])
before = peak()
packed = repack(Source(), plan, S3Target(S3(), "b", "k"), cores=4)
assert packed.size > 240 * 1024**2
print((peak() - before) // 1024)
"""


def test_memory_stays_under_200_mib_whatever_the_size() -> None:
    done = subprocess.run(
        [sys.executable, "-c", MEMORY],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
    )
    assert 8 < int(done.stdout) < 200
