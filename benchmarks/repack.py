"""A model of 1 GB from S3 to model.tar.gz in S3: streamed, and as the predecessor did by way of the disk.

``python -m benchmarks.repack WAY ADDRESS FOLDER`` is what the benchmark starts: it prints what one way took.
"""

import json
import os
import random
import subprocess
import sys
import tarfile
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.commands import BenchmarkError, Commands, say
from benchmarks.results import Limit, Result
from benchmarks.workspace import REGION, ROOT, Setting
from registry.artifacts import S3Prefix
from registry.layout import plan_archive
from registry.repack import S3Target, repack

NAME = "repack"

_MIB = 1024**2
_BUCKET, _PREFIX = "bucket", "artifacts"
_LIMIT = Limit(0.6, "ratio")
_LARGE, _SMALL = 5, 2000
_WAYS = ("streamed", "predecessor", "bound")


def run(setting: Setting) -> Iterator[Result]:
    """Measure both ways alternately, each round with the bound: a copy of the bytes and gzip 1 of them on one core.

    Raises:
        BenchmarkError: a way failed, or the stand-in for S3 did not start.
    """
    size = 40 if setting.quick else 1000
    with tempfile.TemporaryDirectory(prefix="benchmark-", dir=_large_folder()) as folder:
        source = Path(folder) / "source"
        say(f"  an artifact of {size} MB: {_LARGE} large files and {_SMALL} small ones")
        make_artifact(source / _PREFIX, size * 10**6)
        variables = {**os.environ, "AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local"}
        commands = Commands(variables)
        measured: dict[str, list[dict[str, float]]] = {way: [] for way in _WAYS}
        with _stand_in(source) as address:
            for number in range(setting.rounds):
                for way in _WAYS if number % 2 == 0 else (*reversed(_WAYS[:2]), _WAYS[2]):
                    command = (sys.executable, "-m", "benchmarks.repack", way, address, folder)
                    measured[way].append(json.loads(commands.output(command, ROOT)))
                    say(f"  {way}: {measured[way][-1]}")
    yield from _results(size, setting, measured)


def make_artifact(folder: Path, size: int) -> None:
    """Write an artifact: 70 % trained weights, which hardly shrink, 15 % text, and 15 % in many small files of JSON."""
    chance = random.Random(0)
    (folder / "vocabulary").mkdir(parents=True)
    (folder / "MLmodel").write_text("flavors: {python_function: {}}\n")
    for number in range(_LARGE - 1):
        weights = bytearray(chance.randbytes(size * 70 // 100 // (_LARGE - 1) // 4 * 4))
        weights[3::4] = bytes(
            0x3C | byte & 3 | (byte & 0x80) for byte in weights[3::4]
        )  # exponents of small floats
        (folder / f"weights-{number}.bin").write_bytes(weights)
    words = [chance.randbytes(chance.randint(1, 6)).hex() for _ in range(20_000)]
    with (folder / "vocabulary.txt").open("w") as text:
        while text.tell() < size * 15 // 100:
            text.write(" ".join(chance.choices(words, k=5000)) + "\n")
    for number in range(_SMALL):
        entries = {
            word: chance.random() for word in chance.choices(words, k=size * 15 // 100 // _SMALL // 34)
        }
        (folder / "vocabulary" / f"{number:04}.json").write_text(json.dumps(entries))


def streamed(address: str, _folder: Path) -> None:
    """Repack as this project does."""
    client = _client(address)
    source = S3Prefix(client, _BUCKET, _PREFIX)
    plan = plan_archive({"flavors": {"python_function": {}}}, source.list_files())
    repack(source, plan, S3Target(client, _BUCKET, "model/1/model.tar.gz"))


def predecessor(address: str, folder: Path) -> None:
    """Repack as the predecessor did: all files to the disk, tar with gzip's level 9, the archive from the disk to S3.

    Eight files are downloaded at once, as MLflow does and the predecessor's own version of it did not.
    """
    client = _client(address)
    with tempfile.TemporaryDirectory(dir=folder) as place:
        files, archive = Path(place) / "files", Path(place) / "model.tar.gz"
        pages = client.get_paginator("list_objects_v2").paginate(Bucket=_BUCKET, Prefix=f"{_PREFIX}/")
        keys = [each["Key"] for page in pages for each in page["Contents"]]
        for key in keys:
            (files / key).parent.mkdir(parents=True, exist_ok=True)
        with ThreadPoolExecutor(8) as pool:
            for done in [pool.submit(client.download_file, _BUCKET, key, str(files / key)) for key in keys]:
                done.result()
        with tarfile.open(archive, "w:gz") as tar:  # level 9, as tarfile does unless told otherwise
            tar.add(files / _PREFIX, arcname=".")
        client.upload_file(str(archive), _BUCKET, "model/1/model.tar.gz")


def bound(_address: str, folder: Path) -> None:
    """Copy the bytes on this machine, and compress them with gzip's level 1 on one core."""
    maker = zlib.compressobj(1)
    target = Path(os.devnull).open("wb")  # noqa: SIM115 -- ends with the process
    for path in sorted((folder / "source" / _PREFIX).rglob("*")):
        if path.is_file():
            with path.open("rb") as file:
                while chunk := file.read(_MIB):
                    target.write(chunk)
                    target.write(maker.compress(chunk))
    target.write(maker.flush())


def _results(size: int, setting: Setting, measured: dict[str, list[dict[str, float]]]) -> Iterator[Result]:
    def seconds(way: str) -> tuple[float, ...]:
        return tuple(each["seconds"] for each in measured[way])

    facts = {
        f"{way} {name}": max(each[name] for each in measured[way])
        for way in _WAYS[:2]
        for name in ("extra MiB", "disk MB", "CPU s")
    }
    yield Result(
        NAME,
        "S3 to S3, MB",
        size,
        seconds("streamed"),
        "predecessor's way",
        seconds("predecessor"),
        None if setting.quick else _LIMIT,
        facts,
    )
    yield Result(
        NAME, "S3 to S3, MB", size, seconds("streamed"), "copy and gzip 1 on one core", seconds("bound")
    )


def _measure(way: Callable[[str, Path], None], address: str, folder: Path) -> dict[str, float]:
    """Run one way in this process: its seconds, and what memory, disk and CPU it took beyond the imports."""
    _client(address).list_objects_v2(Bucket=_BUCKET, Prefix="nothing")  # everything is imported
    before, written, cpu = _peak_mib(), _written_mb(), time.process_time()
    started = time.monotonic()
    way(address, folder)
    return {
        "seconds": round(time.monotonic() - started, 2),
        "extra MiB": round(_peak_mib() - before),
        "disk MB": round(_written_mb() - written),
        "CPU s": round(time.process_time() - cpu, 1),
    }


def _peak_mib() -> float:
    # Not getrusage's: that begins with what the process's parent had.
    return _of_proc("status", "VmHWM") / 1024


def _written_mb() -> float:
    return _of_proc("io", "write_bytes") / 1e6


def _of_proc(file: str, name: str) -> int:
    lines = Path(f"/proc/self/{file}").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith(f"{name}:")))


def _client(address: str) -> Any:
    import boto3
    from botocore.config import Config

    path_style = Config(s3={"addressing_style": "path"}, max_pool_connections=16)
    return boto3.client("s3", endpoint_url=address, region_name=REGION, config=path_style)


def _large_folder() -> str | None:
    """Where a gigabyte may lie: /tmp is memory on some machines, which would make the disk's way look quick."""
    return "/var/tmp" if Path("/var/tmp").is_dir() else None


@contextmanager
def _stand_in(folder: Path) -> Iterator[str]:
    command = (sys.executable, "-m", "benchmarks.s3_stand_in", str(folder))
    server = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        port = server.stdout.readline().strip()
        if not port:
            raise BenchmarkError("the stand-in for S3 did not start")
        yield f"http://127.0.0.1:{port}"
    finally:
        server.communicate()


if __name__ == "__main__":
    chosen = {"streamed": streamed, "predecessor": predecessor, "bound": bound}[sys.argv[1]]
    print(json.dumps(_measure(chosen, sys.argv[2], Path(sys.argv[3]))))
