"""Gets a build's source into a folder."""

from __future__ import annotations

import io
import shutil
import subprocess
import zipfile
from pathlib import Path
from typing import Any

LEFT_OUT = (".git", ".venv", "node_modules", "__pycache__", ".sandbox")


class NoSource(Exception):
    """The source cannot be got; the text says why."""


def fetch_source(kind: str, location: str, folder: Path, s3: Any, local: Path | None) -> str | None:
    """Fill a folder with a build's source.

    Args:
        kind: NO_SOURCE, S3, or the type of a repository.
        location: of the source; for S3 `bucket/key.zip` or `bucket/folder/`.
        folder: exists and is empty.
        s3: boto3's client.
        local: the folder that stands for every repository; None: there is none.

    Returns:
        The commit of `local`, when it has one.

    Raises:
        NoSource: it cannot be got.
    """
    if kind == "S3":
        _from_s3(location, folder, s3)
        return None
    if kind == "NO_SOURCE":
        return None
    if local is None:
        msg = (
            f"the local cloud reaches no repository ({kind} {location}). Name a folder that stands for it: "
            "SANDBOX_SOURCE at the start, or PUT /sandbox/source"
        )
        raise NoSource(msg)
    _copy(local, folder)
    return _git(local, "rev-parse", "HEAD")


def _from_s3(location: str, folder: Path, s3: Any) -> None:
    bucket, _, key = location.removeprefix("arn:aws:s3:::").partition("/")
    try:
        if key and not key.endswith("/"):
            body = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
            with zipfile.ZipFile(io.BytesIO(body)) as archive:
                archive.extractall(folder)
            return
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=key):
            for found in page.get("Contents", []):
                target = (folder / found["Key"].removeprefix(key)).resolve()
                if target.is_relative_to(folder.resolve()) and not found["Key"].endswith("/"):
                    target.parent.mkdir(parents=True, exist_ok=True)
                    target.write_bytes(s3.get_object(Bucket=bucket, Key=found["Key"])["Body"].read())
    except Exception as error:
        msg = f"{location} cannot be read: {error}"
        raise NoSource(msg) from error


def _copy(local: Path, folder: Path) -> None:
    """Copy what git knows or would add; all but LEFT_OUT where there is no git."""
    listed = _git(local, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    if listed is None:
        shutil.copytree(
            local, folder, symlinks=True, dirs_exist_ok=True, ignore=shutil.ignore_patterns(*LEFT_OUT)
        )
        return
    for name in filter(None, listed.split("\0")):
        if (local / name).is_file() or (local / name).is_symlink():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(local / name, folder / name, follow_symlinks=False)


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()
