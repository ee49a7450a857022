"""The MLflow model registry, read and told, through mlflow-skinny. The only module that talks to MLflow.

It may be an open-source server, SageMaker's managed MLflow, Databricks' workspace registry or Unity Catalog.
Importing mlflow takes more than a second, so it is imported inside functions.
"""

import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from registry.calls import all_pages
from registry.errors import AccessRefusedError, RegistryError, UnavailableError
from registry.mlflow_values import ModelVersion

if TYPE_CHECKING:
    from mlflow import MlflowClient

_PAGE_SIZE = 1000
_REFUSED = ("PERMISSION_DENIED", "UNAUTHENTICATED", "CUSTOMER_UNAUTHORIZED")
_BUSY = ("TEMPORARILY_UNAVAILABLE", "REQUEST_LIMIT_EXCEEDED", "INTERNAL_ERROR", "RESOURCE_EXHAUSTED")
_MISSING = ("RESOURCE_DOES_NOT_EXIST", "NOT_FOUND")


class MlflowRegistry:
    """Reads one MLflow model registry. Every failure is a `RegistryError`, never an empty answer."""

    def __init__(self, tracking_uri: str, registry_uri: str | None = None) -> None:
        """Nothing is asked yet.

        Args:
            tracking_uri: the server: ``https://…``, the ARN of a SageMaker tracking server, or ``databricks``.
            registry_uri: the registry where it is another, such as ``databricks-uc``.
        """
        self._uris = (tracking_uri, registry_uri)
        self._made: MlflowClient | None = None

    def read_versions(self, model: str) -> tuple[ModelVersion, ...] | None:
        """Read all versions of a registered model with their aliases.

        Returns:
            The versions, in MLflow's order. None when MLflow says that there is no such model.

        Raises:
            RegistryError: a page could not be read, or is broken.
        """
        with _told(f"registered model {model!r}", self._where):
            client = self._client()
            try:
                registered = client.get_registered_model(model)
            except _mlflow_error() as error:
                if _code(error) in _MISSING:
                    return None
                raise
            # A search of Unity Catalog gives no aliases: the model's own mapping is the truth everywhere.
            aliases: dict[str, set[str]] = {}
            for alias, number in dict(registered.aliases or {}).items():
                aliases.setdefault(str(number), set()).add(alias)
            return tuple(_value(found, aliases) for found in self._pages(client, model))

    def write_tags(self, version: ModelVersion, tags: Mapping[str, str]) -> None:
        """Write tags of a version; those that are equal already are left alone, so that no event follows.

        Raises:
            RegistryError: a tag could not be written.
        """
        with _told(f"version {version.version} of {version.name!r}", self._where):
            for key, text in tags.items():
                if version.tags.get(key) != text:
                    self._client().set_model_version_tag(version.name, version.version, key, text)

    def artifact_uri(self, version: ModelVersion) -> str:
        """Where the artifacts of a version lie; the version's own source may only name a logged model.

        Raises:
            RegistryError: MLflow does not say.
        """
        with _told(f"version {version.version} of {version.name!r}", self._where):
            return str(self._client().get_model_version_download_uri(version.name, version.version))

    @property
    def _where(self) -> str:
        """The registry's address, without a user and password that it may hold."""
        return _without_user(self._uris[1] or self._uris[0])

    def _client(self) -> "MlflowClient":
        if self._made is None:
            # MLflow's own defaults repeat a failed call for four minutes.
            os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "3")
            os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "30")
            from mlflow import MlflowClient

            self._made = MlflowClient(*self._uris)
        return self._made

    def _pages(self, client: "MlflowClient", model: str) -> Iterator[Any]:
        pages = all_pages(
            lambda token: client.search_model_versions(
                _filter(model), max_results=_PAGE_SIZE, page_token=token
            ),
            lambda page: page.token,
            f"MLflow's search for versions of {model!r}",
        )
        for page in pages:
            yield from page


def _filter(model: str) -> str:
    """The search for a model's versions; MLflow's filter has no way to escape a quote, but takes either kind."""
    quote = '"' if "'" in model else "'"
    if quote in model:
        message = f"registered model {model!r} has both kinds of quotes in its name; MLflow's search takes one. Rename it"
        raise RegistryError(message)
    return f"name={quote}{model}{quote}"


def _value(found: Any, aliases: Mapping[str, set[str]]) -> ModelVersion:
    number = str(found.version)
    return ModelVersion(
        name=str(found.name),
        version=number,
        source=str(found.source or ""),
        stage=str(found.current_stage or "None"),
        aliases=frozenset(aliases.get(number, ())),
        status=str(found.status or "READY"),
        run_id=found.run_id or None,
        description=str(found.description or ""),
        user=str(found.user_id or ""),
        created_at=int(found.creation_timestamp or 0),
        tags=dict(found.tags or {}),
    )


def _mlflow_error() -> type[Exception]:
    from mlflow.exceptions import MlflowException

    return MlflowException


def _code(error: Exception) -> str:
    return str(getattr(error, "error_code", ""))


@contextmanager
def _told(subject: str, where: str) -> Iterator[None]:
    """Turn what MLflow's client raises into an error for the user."""
    try:
        yield
    except RegistryError:
        raise
    except _mlflow_error() as error:
        raise _error(_code(error))(_text(subject, where, error)) from error
    except (OSError, ValueError, TypeError, AttributeError, KeyError) as error:
        # What its HTTP client raises, and what its parser raises over an answer that is not MLflow's.
        raise UnavailableError(_text(subject, where, error)) from error


def _error(code: str) -> Callable[[str], RegistryError]:
    if code in _REFUSED:
        return AccessRefusedError
    return UnavailableError if code in _BUSY else RegistryError


def _text(subject: str, where: str, error: Exception) -> str:
    said = _without_user((str(error).splitlines() or [type(error).__name__])[0])[:300]
    return (
        f"MLflow at {where} gave no answer about {subject} that can be trusted ({said}); nothing was changed. "
        "Check the server, its address (mlflowTrackingUri) and your rights, then run again"
    )


def _without_user(text: str) -> str:
    """Leave ``user:password@`` out of the URLs in a text."""
    return re.sub(r"//[^/@\s]+@", "//", text)
