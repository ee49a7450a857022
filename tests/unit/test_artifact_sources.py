"""Where files come from: folders with traps in them, S3 with broken connections, MLflow's HTTP, and MLmodel files."""

from __future__ import annotations

import io
import json
import os
import socket
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from botocore.exceptions import IncompleteReadError, ReadTimeoutError

from registry.artifacts import ArtifactFile, LocalFolder, S3Prefix
from registry.errors import AccessRefusedError, ArtifactError, RegistryError, UnavailableError
from registry.layout import plan_archive
from registry.mlflow_artifacts import MlflowArtifacts
from registry.mlmodel import read_mlmodel, read_requirements
from registry.repack import S3Target, repack
from tests.support.artifacts import FakeS3, MemorySource, refusal, unpacked
from tests.support.http import serving

PYFUNC = {"flavors": {"python_function": {}}}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "artifact"
    (made / "data" / "model").mkdir(parents=True)
    (made / "MLmodel").write_bytes(b"flavors: {}")
    (made / "data" / "model" / "x").write_bytes(b"12")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret").write_bytes(b"secret")
    return made


def test_a_folder_is_listed_and_read(folder: Path) -> None:
    source = LocalFolder(folder)
    assert source.list_files() == (ArtifactFile("MLmodel", 11), ArtifactFile("data/model/x", 2))
    with source.open("data/model/x") as file:
        assert file.read() == b"12"


def link_to_file(folder: Path) -> None:
    (folder / "evil").symlink_to("/etc/passwd")


def link_inside(folder: Path) -> None:
    (folder / "evil").symlink_to("MLmodel")


def link_to_folder(folder: Path) -> None:
    (folder / "evil").symlink_to("../outside", target_is_directory=True)


def link_to_itself(folder: Path) -> None:
    (folder / "evil").symlink_to("evil")


def link_to_nothing(folder: Path) -> None:
    (folder / "evil").symlink_to("nothing")


def pipe(folder: Path) -> None:
    os.mkfifo(folder / "evil")


def unix_socket(folder: Path) -> None:
    here = Path.cwd()
    os.chdir(folder)  # the path of a socket is short
    try:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind("evil")
    finally:
        os.chdir(here)


def deep_link(folder: Path) -> None:
    (folder / "data" / "model" / "evil").symlink_to("../../..")


TRAPS = [
    link_to_file,
    link_inside,
    link_to_folder,
    link_to_itself,
    link_to_nothing,
    pipe,
    unix_socket,
    deep_link,
]


@pytest.mark.parametrize("trap", TRAPS)
def test_links_pipes_and_sockets_in_a_folder_are_refused_and_not_followed(
    folder: Path, trap: Callable[[Path], None]
) -> None:
    trap(folder)
    with pytest.raises(ArtifactError, match="evil' of the artifact is a link, a device or leads out"):
        LocalFolder(folder).list_files()


@pytest.mark.parametrize("trap", TRAPS[:-1])
def test_a_file_that_became_a_trap_after_it_was_listed_is_refused_without_waiting(
    folder: Path, trap: Callable[[Path], None]
) -> None:
    source = LocalFolder(folder)
    trap(folder)
    with pytest.raises(ArtifactError, match="'evil' of the artifact"):
        source.open("evil")


@pytest.mark.parametrize(
    "path", ["../outside/secret", "/etc/passwd", "data/../../outside/secret", "", "data", ".", "a\0b"]
)
def test_a_folder_gives_nothing_outside_of_it(folder: Path, path: str) -> None:
    with pytest.raises(ArtifactError):
        LocalFolder(folder).open(path)


def test_a_folder_that_became_a_link_after_it_was_listed_is_not_followed(folder: Path) -> None:
    (folder / "data" / "model" / "x").unlink()
    (folder / "data" / "model").rmdir()
    (folder / "data" / "model").symlink_to(folder.parent / "outside")
    with pytest.raises(ArtifactError, match="without links"):
        LocalFolder(folder).open("data/model/secret")


def test_names_that_are_no_utf_8_are_refused(folder: Path) -> None:
    os.close(os.open(os.fsencode(folder) + b"/a\xff", os.O_CREAT | os.O_WRONLY))
    with pytest.raises(ArtifactError, match=r"U\+DCFF"):
        plan_archive(PYFUNC, LocalFolder(folder).list_files())


def test_a_folder_without_end_is_refused(tmp_path: Path) -> None:
    (tmp_path / "/".join(["d"] * 80)).mkdir(parents=True)
    with pytest.raises(ArtifactError, match="folders more than 64 deep"):
        LocalFolder(tmp_path).list_files()


def test_a_folder_that_is_not_there_is_an_error_and_not_empty(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="cannot be read"):
        LocalFolder(tmp_path / "nothing").list_files()


class Body:
    """A body of S3 that breaks after some bytes."""

    def __init__(self, data: bytes, breaks_after: int | None, error: Exception) -> None:
        self._data, self._breaks_after, self._error = io.BytesIO(data), breaks_after, error

    def read(self, size: int) -> bytes:
        if self._breaks_after is not None and self._data.tell() >= self._breaks_after:
            raise self._error
        return self._data.read(min(size, 10))

    def close(self) -> None:
        return


class Bucket:
    def __init__(self, objects: dict[str, bytes], breaks: int, error: Exception) -> None:
        self._objects, self._breaks, self._error = objects, breaks, error
        self.asked: list[dict[str, Any]] = []

    def get_paginator(self, name: str) -> Any:
        assert name == "list_objects_v2"
        return self

    def paginate(self, Prefix: str, **_: Any) -> Iterator[dict[str, Any]]:  # noqa: N803
        for key, data in self._objects.items():
            if key.startswith(Prefix):
                yield {"Contents": [{"Key": key, "Size": len(data), "ETag": f'"{key}"'}]}

    def get_object(self, **asked: Any) -> dict[str, Any]:
        self.asked.append(asked)
        offset = int(asked.get("Range", "bytes=0-").removeprefix("bytes=").rstrip("-"))
        self._breaks -= 1
        return {
            "Body": Body(self._objects[asked["Key"]][offset:], 20 if self._breaks >= 0 else None, self._error)
        }


BROKEN = [
    ReadTimeoutError(endpoint_url="x"),
    IncompleteReadError(actual_bytes=1, expected_bytes=2),
    ConnectionResetError(),
]


@pytest.mark.parametrize("error", BROKEN)
def test_a_broken_download_goes_on_where_it_broke_and_only_in_the_same_object(error: Exception) -> None:
    data = bytes(range(100))
    bucket = Bucket({"m/a": data, "m/": b"", "other": b""}, breaks=3, error=error)
    source = S3Prefix(bucket, "b", "/m/", expected_owner="123456789012")
    assert source.list_files() == (ArtifactFile("a", 100),)
    with source.open("a") as file:
        assert file.read() == data
    assert [asked.get("Range") for asked in bucket.asked] == [None, "bytes=20-", "bytes=40-", "bytes=60-"]
    assert all(
        (asked["IfMatch"], asked["ExpectedBucketOwner"]) == ('"m/a"', "123456789012")
        for asked in bucket.asked
    )


@pytest.mark.parametrize("error", BROKEN)
def test_a_download_that_breaks_for_the_fourth_time_is_an_error(error: Exception) -> None:
    source = S3Prefix(Bucket({"m/a": bytes(100)}, breaks=4, error=error), "b", "m")
    with pytest.raises(RegistryError, match="GetObject of s3://b/m/a"), source.open("a") as file:
        file.read()


def test_a_listing_that_is_refused_names_the_right_that_is_missing() -> None:
    class Refusing(Bucket):
        def paginate(self, Prefix: str, **_: Any) -> Iterator[dict[str, Any]]:  # noqa: N803
            raise refusal("AccessDenied", "ListObjectsV2", status=403)

    with pytest.raises(AccessRefusedError, match="Allow s3:ListBucket"):
        S3Prefix(Refusing({}, 0, OSError()), "b", "m").list_files()


FILES = {"MLmodel": b"flavors: {}", "data/a b.bin": b"\0" * 70_000, "data/é%2f": b"1"}


class Server(BaseHTTPRequestHandler):
    """MLflow's artifact proxy as 3.17 answers (server/handlers.py), for the root 1/run/artifacts/model."""

    listing: Any = None
    status = 200
    seen: list[str]

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        self.server.seen.append(str(self.headers.get("Authorization")))  # type: ignore[attr-defined]
        path = unquote(url.path).removeprefix("/api/2.0/mlflow-artifacts/artifacts").strip("/")
        if self.status != 200:
            return self.answer(self.status, b"{}")
        if not path:
            folder = parse_qs(url.query)["path"][0].removeprefix("1/run/artifacts/model").strip("/")
            return self.answer(200, self.listing if self.listing is not None else listing(folder))
        return self.answer(200, FILES[path.removeprefix("1/run/artifacts/model/")])

    def answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        return


def listing(folder: str) -> bytes:
    prefix = f"{folder}/" if folder else ""
    below = [path.removeprefix(prefix) for path in FILES if path.startswith(prefix)]
    folders = [
        {"path": name, "is_dir": True} for name in {path.split("/")[0] for path in below if "/" in path}
    ]
    leaves = [
        {"path": name, "is_dir": False, "file_size": len(FILES[prefix + name])}
        for name in below
        if "/" not in name
    ]
    return json.dumps({"files": folders + leaves}).encode()


@pytest.fixture
def mlflow(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, type[Server], list[str]]]:
    handler = type("Handler", (Server,), {})
    with serving(handler) as server:
        server.seen = []
        yield server.url, handler, server.seen


def test_a_proxied_artifact_of_mlflow_is_packed(mlflow: Any) -> None:
    address, _, seen = mlflow
    source = MlflowArtifacts(address, "1/run/artifacts/model", headers={"Authorization": "Bearer t"})
    s3 = FakeS3()
    repack(source, plan_archive(PYFUNC, source.list_files()), S3Target(s3, "b", "k"))
    assert unpacked(s3.objects["k"]) == FILES
    assert set(seen) == {"Bearer t"}


@pytest.mark.parametrize(
    ("status", "kind"),
    [(401, AccessRefusedError), (403, AccessRefusedError), (404, ArtifactError), (503, UnavailableError)],
)
def test_what_mlflow_refuses_is_an_error_without_the_secret(
    mlflow: Any, status: int, kind: type[Exception]
) -> None:
    address, handler, _ = mlflow
    handler.status = status
    source = MlflowArtifacts(address, "1/run/artifacts/model", headers={"Authorization": "Bearer s3cret"})
    with pytest.raises(kind, match="MLflow server's artifact") as caught:
        source.list_files()
    with pytest.raises(kind):
        source.open("MLmodel")
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    "answer", [b"", b"<html>", b"[]", b'{"files": 3}', b'{"files": [{}]}', b'{"files": [{"path": "a"}]}']
)
def test_a_broken_list_is_an_error_and_never_an_empty_artifact(mlflow: Any, answer: bytes) -> None:
    address, handler, _ = mlflow
    handler.listing = answer
    with pytest.raises(RegistryError, match=r"is broken|names"):
        MlflowArtifacts(address, "1/run/artifacts/model").list_files()


@pytest.mark.parametrize("name", ["../x", "/etc/passwd", "..", "a/b", "a\\b", "", "a\nb", 3])
def test_a_server_cannot_name_a_file_elsewhere(mlflow: Any, name: object) -> None:
    address, handler, _ = mlflow
    handler.listing = json.dumps({"files": [{"path": name, "is_dir": False, "file_size": 1}]}).encode()
    with pytest.raises(ArtifactError, match="MLflow server lists the name"):
        MlflowArtifacts(address, "1/run/artifacts/model").list_files()


def test_a_server_that_lists_folders_without_end_is_left(mlflow: Any) -> None:
    address, handler, _ = mlflow
    handler.listing = json.dumps({"files": [{"path": "d", "is_dir": True}]}).encode()
    with pytest.raises(ArtifactError, match="64 folders in one another"):
        MlflowArtifacts(address, "1/run/artifacts/model").list_files()


def test_a_server_that_is_not_there_is_unavailable() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(UnavailableError, match="Check the server's address"):
        MlflowArtifacts(address, "x").list_files()


@pytest.mark.parametrize("address", ["file:///etc", "ftp://x", "", "mlflow.example.org"])
def test_only_http_is_asked(address: str) -> None:
    with pytest.raises(ArtifactError, match="https://"):
        MlflowArtifacts(address, "x")


BOMB = "a: &a [x]\n" + "".join(
    f"{chr(98 + n)}: &{chr(98 + n)} [{', '.join([f'*{chr(97 + n)}'] * 9)}]\n" for n in range(8)
)


@pytest.mark.parametrize(
    "text",
    [
        b"", b"[]", b"text", b"flavors: 3", b"a: [", b"\xff\xfe", BOMB.encode(), b"flavors: " + b"[" * 5000,
        b"flavors: !!python/object/apply:os.system [touch canary]", b"x" * 1024**2 + b"y",
        b"flavors: !!python/name:os.system", b"? [a]\n: b", b"\0",
    ],
)  # fmt: skip
def test_an_mlmodel_that_is_not_what_mlflow_writes_is_refused_and_runs_nothing(
    text: bytes, tmp_path: Path
) -> None:
    with pytest.raises(ArtifactError, match=r"MLmodel of the artifact .*log the model again"):
        read_mlmodel(MemorySource({"MLmodel": text}))
    assert not Path("canary").exists()


def test_an_mlmodel_is_read_and_requirements_are_optional() -> None:
    source = MemorySource({"MLmodel": b"flavors:\n  sklearn: {pickled_model: m}\n"})
    assert read_mlmodel(source) == {"flavors": {"sklearn": {"pickled_model": "m"}}}
    assert read_requirements(source) is None
    assert read_requirements(MemorySource({"requirements.txt": b"a==1"})) == "a==1"
