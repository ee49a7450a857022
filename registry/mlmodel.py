"""What a model says of itself: its MLmodel file and requirements.txt, as plain values."""

import re
from collections.abc import Mapping
from contextlib import closing
from typing import Any

from registry.artifacts import ArtifactSource
from registry.errors import ArtifactError

PYFUNC = "python_function"
_MOST_TEXT = 1024**2
_MOST_ALIASES = 16
_NAME = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:\[[^\]]*\])?\s*(.*)")


def read_mlmodel(source: ArtifactSource) -> Mapping[str, Any]:
    """Read the MLmodel file at the artifact's root.

    Raises:
        RegistryError: there is none, it is over 1 MiB, or it is not plain YAML with a mapping of flavours.
    """
    import yaml

    text = _read(source, "MLmodel")
    try:
        # Aliases make a small text a huge value.
        aliases = sum(isinstance(token, yaml.AliasToken) for token in yaml.scan(text))
        document = yaml.safe_load(text) if aliases <= _MOST_ALIASES else None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        message = f"MLmodel of the artifact is not YAML ({type(error).__name__}); log the model again"
        raise ArtifactError(message) from error
    if not isinstance(document, dict) or not isinstance(document.get("flavors"), dict):
        message = "MLmodel of the artifact is not a mapping with `flavors`, as MLflow writes it; log the model again"
        raise ArtifactError(message)
    return document


def read_requirements(source: ArtifactSource) -> str | None:
    """Read requirements.txt at the artifact's root; None where there is none.

    Raises:
        RegistryError: it cannot be read, is over 1 MiB, or is no text.
    """
    if all(file.path != "requirements.txt" for file in source.list_files()):
        return None
    return _read(source, "requirements.txt")


def flavours(mlmodel: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any]]:
    """Give the flavours that the model was saved with, in the order of the file.

    Raises:
        ArtifactError: there is none, or one is not a mapping.
    """
    found = mlmodel.get("flavors")
    if not isinstance(found, Mapping) or not found:
        raise ArtifactError("MLmodel names no flavour; log the model with one of MLflow's flavours")
    for name, content in found.items():
        if not isinstance(name, str) or not isinstance(content, Mapping):
            message = f"MLmodel's flavour {str(name)[:80]!r} is {type(content).__name__}, not a mapping; log the model again"
            raise ArtifactError(message)
    return found


def main_flavour(mlmodel: Mapping[str, Any]) -> str:
    """Name the flavour that a model is served by: the first that is not ``python_function``, or that when it is alone.

    Raises:
        ArtifactError: there is none.
    """
    names = list(flavours(mlmodel))
    return next((name for name in names if name != PYFUNC), names[0])


def requirement_name(line: str) -> str | None:
    """Name the package of a line of requirements.txt, in PyPI's normal form; None for an option, comment or empty line."""
    found = _NAME.match(line)
    return re.sub(r"[-_.]+", "-", found[1]).lower() if found and not line.lstrip().startswith("#") else None


def pinned_version(requirements: str | None, packages: tuple[str, ...]) -> str | None:
    """Give the version that requirements.txt pins one of some packages to (``==``); None for no pin."""
    for line in (requirements or "").splitlines():
        if requirement_name(line) in packages:
            pin = re.search(r"===?\s*([0-9][^\s;,]*)", line)
            if pin:
                return pin[1]
    return None


def _read(source: ArtifactSource, path: str) -> str:
    try:
        with closing(source.open(path)) as stream:
            content = stream.read(_MOST_TEXT + 1)
    except OSError as error:
        message = f"{path} of the artifact could not be read ({error}); run again"
        raise ArtifactError(message) from error
    if len(content) > _MOST_TEXT:
        message = f"{path} of the artifact is over {_MOST_TEXT} bytes, far more than MLflow writes; log the model again"
        raise ArtifactError(message)
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        message = f"{path} of the artifact is not text in UTF-8; log the model again"
        raise ArtifactError(message) from error
