"""A model's files through an MLflow server that hands artifacts on (``mlflow-artifacts:``), by its REST API."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, BinaryIO, cast

from registry.errors import AccessRefusedError, ArtifactError, RegistryError, UnavailableError
from registry.paths import DEEPEST, MOST_FILES, ArtifactFile, path_problem

_API = "/api/2.0/mlflow-artifacts/artifacts"
_TIMEOUT_S = 60.0
_MOST_ANSWER = 64 * 1024**2


class MlflowArtifacts:
    """An artifact that an MLflow server proxies.

    Args:
        server: the tracking server's address, such as ``https://mlflow.example.org``.
        root: the artifact's path on it: what follows ``mlflow-artifacts:/``.
        headers: sent with each request, such as ``Authorization``: secret, shown in no text.
    """

    def __init__(self, server: str, root: str, *, headers: Mapping[str, str] | None = None) -> None:
        """Nothing is read yet.

        Raises:
            ArtifactError: the address is not one of http or https.
        """
        if not server.startswith(("http://", "https://")):
            raise ArtifactError("the MLflow server's address must begin with https:// or http://; correct it")
        self._base, self._root = server.rstrip("/") + _API, root.strip("/")
        self._headers = dict(headers or {})

    def list_files(self) -> tuple[ArtifactFile, ...]:
        """List all files, sorted, folder by folder.

        Raises:
            RegistryError: a folder could not be listed, or the answer is not what MLflow answers.
        """
        found = list(self._walk(""))
        return tuple(sorted(found, key=lambda file: file.path))

    def open(self, path: str) -> BinaryIO:
        """Open a file as a stream.

        Raises:
            RegistryError: it could not be opened; an `OSError` while reading becomes one in `repack`.
        """
        from urllib.parse import quote

        return self._ask(f"{self._base}/{quote(self._full(path))}", path)

    def _walk(self, folder: str) -> Iterator[ArtifactFile]:
        waiting, count = [folder], 0
        while waiting:
            folder = waiting.pop()
            for name, size in self._list(folder):
                if not isinstance(name, str) or "/" in name or path_problem(name):
                    raise ArtifactError(_odd_name(name, folder))
                path = f"{folder}/{name}" if folder else name
                count += 1
                if count > MOST_FILES or path.count("/") > DEEPEST:
                    message = (
                        f"the artifact has more than {MOST_FILES} files or {DEEPEST} folders in one another; nothing was "
                        "packed. Log the model with fewer"
                    )
                    raise ArtifactError(message)
                if size is None:
                    waiting.append(path)
                else:
                    yield ArtifactFile(path, size)

    def _list(self, folder: str) -> list[tuple[Any, int | None]]:
        """Name what is in a folder, each with its bytes, or None for a folder."""
        from urllib.parse import urlencode

        with (
            self._ask(f"{self._base}?{urlencode({'path': self._full(folder)})}", folder) as answer,
            _readable(folder),
        ):
            listed = json.loads(answer.read(_MOST_ANSWER)).get("files", [])
            return [(each["path"], None if each.get("is_dir") else int(each["file_size"])) for each in listed]

    def _full(self, path: str) -> str:
        return "/".join(part for part in (self._root, path) if part)

    def _ask(self, url: str, path: str) -> BinaryIO:
        from urllib.error import HTTPError
        from urllib.request import Request, urlopen

        # The constructor let only http and https through.
        request = Request(url, headers=self._headers)  # noqa: S310
        where = f"the MLflow server's artifact {path or self._root}"
        try:
            return cast(BinaryIO, urlopen(request, timeout=_TIMEOUT_S))  # noqa: S310
        except HTTPError as error:
            error.close()
            if error.code in (401, 403):
                message = (
                    f"{where} was refused ({error.code}); give credentials that may read it, then run again"
                )
                raise AccessRefusedError(message) from error
            kind = UnavailableError if error.code >= 500 or error.code == 429 else ArtifactError
            message = f"{where} could not be read ({error.code} {error.reason}); nothing was changed. Check it in MLflow"
            raise kind(message) from error
        except OSError as error:
            message = (
                f"{where} could not be read ({type(error).__name__}: {getattr(error, 'reason', error)}); "
                "nothing was changed. Check the server's address and the network, then run again"
            )
            raise UnavailableError(message) from error


def _odd_name(name: object, folder: str) -> str:
    where = ascii(folder) if folder else "the artifact"
    return f"the MLflow server lists the name {name!a:.200} in {where}; nothing was packed. Rename it and log again"


@contextmanager
def _readable(folder: str) -> Iterator[None]:
    """Say of a list that is not what MLflow answers that it is broken: it is never an empty one."""
    from http.client import HTTPException

    try:
        yield
    except (ValueError, KeyError, TypeError, AttributeError, OSError, HTTPException) as error:
        message = (
            f"the MLflow server's list of {folder or 'the artifact'} is broken ({type(error).__name__}); nothing was "
            "changed. Check that the address is an MLflow server's"
        )
        raise RegistryError(message) from error
