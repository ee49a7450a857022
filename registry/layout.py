"""What goes where in model.tar.gz: a plain decision on what MLmodel says and which files there are. Nothing is opened here.

Layouts are the predecessor's: TensorFlow and Keras get their SavedModel as ``model/1``; scikit-learn, XGBoost and
``python_function`` the whole directory at the root; other flavours the content of ``data/model`` at the root. What the
containers need beside it (the program, its requirements) lies in ``code/``, where AWS's framework containers look for it:
https://docs.aws.amazon.com/sagemaker/latest/dg/adapt-inference-container.html (read 2026-11).
"""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from registry.errors import ArtifactError
from registry.mlmodel import PYFUNC, flavours, main_flavour
from registry.paths import ArtifactFile, clashes, path_problem, refuse_odd_files
from registry.program_needs import handler_input, needed_requirements

OWN_CODE = "sagemaker/"
"""The folder of an artifact whose content becomes the container's code."""

WITH_HANDLER = ("sklearn", "xgboost")
"""Flavours whose containers have no default program; ours is added."""

_MODEL_DIR = "/opt/ml/model"
_PROGRAM, _REQUIREMENTS, _SHARED = "inference.py", "requirements.txt", "mlflow_payloads.py"
# At the root, as the containers copy the code elsewhere before they run it.
_INPUT = "sagemaker_model.json"
_SAVED_MODEL = "model/1/"


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of the archive.

    Attributes:
        path: its name there.
        size: bytes.
        artifact: path of the artifact's file that it is; None for a file of ours.
        content: bytes of a file of ours; None for one of the artifact.
    """

    path: str
    size: int
    artifact: str | None = None
    content: bytes | None = None


@dataclass(frozen=True, slots=True)
class ArchivePlan:
    """What an archive holds, sorted by name, and what its container must be told.

    Attributes:
        flavour: that is served.
        entries: the files.
        environment: the container's variables.
    """

    flavour: str
    entries: tuple[Entry, ...]
    environment: Mapping[str, str] = field(default_factory=dict)


def plan_archive(
    mlmodel: Mapping[str, Any],
    files: Sequence[ArtifactFile],
    *,
    flavour: str | None = None,
    requirements: str | None = None,
    is_exact: bool = True,
) -> ArchivePlan:
    """Decide what goes where in model.tar.gz.

    Args:
        mlmodel: the MLmodel file, parsed.
        files: all files of the artifact.
        flavour: that is served, as the image was chosen for it (`ImageChoice.flavour`); by default the model's main one.
        requirements: the artifact's requirements.txt; None where there is none.
        is_exact: whether the image has the framework's version that the model was saved with (`ImageChoice.is_exact`);
            otherwise the model's own versions are installed when the container starts.

    Returns:
        The plan: the same for the same arguments, in whatever order the files are listed.

    Raises:
        ArtifactError: names, sizes or number of the files are refused, or files that MLmodel names are not there.
    """
    refuse_odd_files(files)
    chosen = flavour or main_flavour(mlmodel)
    sizes = {file.path: file.size for file in files}
    own = {path: path.removeprefix(OWN_CODE) for path in sizes if path.startswith(OWN_CODE)}
    places = _layout(chosen, mlmodel, [path for path in sizes if path not in own])
    entries = [Entry(place, sizes[path], artifact=path) for path, place in places.items()]
    ours = _defaults(
        chosen, own.values(), needed_requirements(chosen, mlmodel, requirements, is_exact=is_exact)
    )
    code = _code_folder({entry.path for entry in entries}, {*own.values(), *ours})
    entries += [Entry(f"{code}/{name}", sizes[path], artifact=path) for path, name in own.items()]
    entries += [_made(f"{code}/{name}", content) for name, content in ours.items()]
    if _PROGRAM in ours:
        words = json.dumps(handler_input(chosen, mlmodel, sizes), sort_keys=True, indent=1)
        entries.append(_made(_INPUT, words.encode()))
    if clash := clashes([entry.path for entry in entries]):
        message = f"the archive would hold two files of one name ({clash[0]}); rename one in the artifact's {OWN_CODE}"
        raise ArtifactError(message)
    has_program = _PROGRAM in own.values() or _PROGRAM in ours
    return ArchivePlan(
        chosen,
        tuple(sorted(entries, key=lambda entry: entry.path.encode())),
        _environment(code) if has_program else {},
    )


def _layout(flavour: str, mlmodel: Mapping[str, Any], paths: Sequence[str]) -> dict[str, str]:
    """Say of each file of the artifact that goes into the archive where it lies there."""
    if flavour in (*WITH_HANDLER, PYFUNC):
        return {path: path for path in paths}
    if flavour in ("tensorflow", "keras"):
        return _saved_model(flavour, flavours(mlmodel).get(flavour, {}), paths)
    return _below("data/model", paths, "") or {path: path for path in paths}


def _saved_model(flavour: str, content: Mapping[str, Any], paths: Sequence[str]) -> dict[str, str]:
    named = content.get("saved_model_dir")
    data = content.get("data")
    folders = [str(named)] if named else []
    folders += [f"{data}/model"] if isinstance(data, str) and data else []
    folders += ["tfmodel", "data/model"]
    for folder in folders:
        if path_problem(folder):
            message = f"MLmodel's flavour {flavour} names the folder {folder!r}, which leads elsewhere; log the model again"
            raise ArtifactError(message)
        found = _below(folder, paths, _SAVED_MODEL)
        if f"{_SAVED_MODEL}saved_model.pb" in found.values():
            return found
    message = (
        f"the {flavour} model has no SavedModel (saved_model.pb in {', '.join(dict.fromkeys(folders))}), which TensorFlow's "
        f"container serves; log it in that format, or serve it as {PYFUNC} by the tag sagemaker_deploy_flavor"
    )
    raise ArtifactError(message)


def _below(folder: str, paths: Sequence[str], place: str) -> dict[str, str]:
    prefix = folder.rstrip("/") + "/"
    return {path: place + path.removeprefix(prefix) for path in paths if path.startswith(prefix)}


def _defaults(flavour: str, own: Collection[str], requirements: bytes | None) -> dict[str, bytes]:
    """Give the files of ours beside the model's own code, by name: the model's own come first."""
    if flavour not in WITH_HANDLER:
        return {}
    made = {_REQUIREMENTS: requirements} if requirements and _REQUIREMENTS not in own else {}
    if _PROGRAM not in own:
        made |= {_PROGRAM: _shipped(flavour, _PROGRAM), _SHARED: _shipped("common", _SHARED)}
    return made


def _code_folder(taken: set[str], names: set[str]) -> str:
    """Name the folder of the code: ``code``, unless the model has files of its own under these names there."""
    number = 1
    while any(_folder(number) + "/" + name in taken for name in names) or _folder(number) in taken:
        number += 1
    return _folder(number)


def _folder(number: int) -> str:
    return "code" if number == 1 else f"code_{number}"


def _environment(code: str) -> dict[str, str]:
    return {"SAGEMAKER_PROGRAM": _PROGRAM, "SAGEMAKER_SUBMIT_DIRECTORY": f"{_MODEL_DIR}/{code}"}


def _made(path: str, content: bytes) -> Entry:
    return Entry(path, len(content), content=content)


@cache
def _shipped(folder: str, name: str) -> bytes:
    return (Path(__file__).parent / "containers" / folder / name).read_bytes()
