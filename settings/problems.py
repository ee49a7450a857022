"""Problems of a file as lines for its user: which file, which key, what was found, what is allowed."""

import difflib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from settings.inference import Allowed
from settings.strict_yaml import YamlError, load_yaml

_Model = TypeVar("_Model", bound=BaseModel)
_LONGEST = 60  # characters of a found value that an error shows


def read_yaml(root: Path, name: str, problems: list[str]) -> dict[Any, Any] | None:
    """Read a YAML file that must hold a mapping; None, and a problem more, where it does not."""
    try:
        document = load_yaml((root / name).read_bytes().decode("utf-8-sig"))
    except FileNotFoundError:
        problems.append(f"{name}: there is no such file in {root.resolve()}")
    except (OSError, UnicodeDecodeError) as error:
        problems.append(f"{name}: cannot be read ({error}); allowed: a text file in UTF-8")
    except YamlError as error:
        problems.append(f"{name}: {error}")
    else:
        if isinstance(document, dict):
            return document
        found = "an empty file" if document is None else shown(document)
        problems.append(f"{name}: found {found}; allowed: a mapping of keys")
    return None


def checked(
    model: type[_Model], values: Mapping[Any, Any], file: str, problems: list[str], *, prefix: str = ""
) -> _Model | None:
    """Make a model of a file's values; None, and all their problems more, where they are wrong.

    Args:
        model: the pydantic model; its fields carry an `Allowed`.
        values: what the file holds, or what was made of it, by key or by field name.
        file: the file's name, and the section where the values are of one.
        problems: where problems are added.
        prefix: what the file writes before each key.
    """
    kept, empty = _without_empty(values)
    found = [
        f"{_place(file, path, prefix)}: found nothing; give it a value, or remove the key" for path in empty
    ]
    made = None
    try:
        made = model.model_validate(kept, by_alias=True, by_name=False)
    except ValidationError as error:
        for details in _distinct(error.errors(include_url=False), empty):
            found += _problems(details, model, file, prefix)
    problems += found
    return None if found else made


def wrong_keys(model: type[BaseModel], values: Mapping[Any, Any]) -> set[Any]:
    """First-level keys of the values that `checked` finds a problem at."""
    kept, empty = _without_empty(values)
    wrong = {path[0] for path in empty}
    try:
        model.model_validate(kept, by_alias=True, by_name=False)
    except ValidationError as error:
        wrong |= {details["loc"][0] for details in error.errors(include_url=False) if details["loc"]}
    return wrong


def shown(value: object) -> str:
    """A found value, short and as YAML would write it."""
    if value is None:
        return "nothing"
    if isinstance(value, dict):
        entries = [f"{key}: {inner}" for key, inner in value.items()]
        return (
            f"{{{entries[0]}}}"
            if len(entries) == 1 and len(entries[0]) < _LONGEST
            else f"a mapping of {len(entries)}"
        )
    if isinstance(value, list | tuple):
        return f"a list of {len(value)}"
    if isinstance(value, str | bool):
        text = json.dumps(value, ensure_ascii=False)
        return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}… ({len(text) - 2} characters)"
    return str(value)


def did_you_mean(found: str, allowed: Iterable[str]) -> str:
    """``; did you mean X?`` where an allowed word is near, upper and lower case apart; otherwise nothing."""
    words = {word.lower(): word for word in allowed}
    near = difflib.get_close_matches(found.lower(), words, n=1, cutoff=0.6)
    return f"; did you mean {words[near[0]]}?" if near else ""


def _without_empty(value: Any) -> tuple[Any, list[tuple[Any, ...]]]:
    """Take out what is None, and say where it was."""
    if isinstance(value, dict):
        kept, empty = {}, []
        for key, inner in value.items():
            if inner is None:
                empty.append((key,))
                continue
            kept[key], below = _without_empty(inner)
            empty += [(key, *path) for path in below]
        return kept, empty
    return value, []


def _distinct(errors: Sequence[ErrorDetails], empty: Sequence[tuple[Any, ...]]) -> Iterator[ErrorDetails]:
    """Leave out what only follows from another problem: a key missing for being empty, a list wrong for an entry of it."""
    for details in errors:
        place = details["loc"]
        inner = (other["loc"][: len(place)] == place for other in errors if len(other["loc"]) > len(place))
        if not any(inner) and not (details["type"] == "missing" and place in empty):
            yield details


def _problems(details: ErrorDetails, model: type[BaseModel], file: str, prefix: str) -> Iterator[str]:
    path, kind, value = details["loc"], details["type"], details["input"]
    if kind == "combination":
        yield from (f"{_place(file, path, prefix)}: {problem}" for problem in details["ctx"]["problems"])
        return
    keys, allowed = _rule(model, path)
    if kind in ("extra_forbidden", "invalid_key"):
        key = str(path[-1])
        place = _place(file, path[:-1], prefix if len(path) > 1 else "")
        known = [f"{prefix}{word}" if len(path) == 1 else word for word in keys]
        near = did_you_mean(f"{prefix}{key}" if len(path) == 1 else key, known)
        yield f"{place}: unknown key {prefix if len(path) == 1 else ''}{key}; allowed: {', '.join(known)}{near}"
    elif kind == "missing":
        yield f"{_place(file, path, prefix)}: is missing; allowed: {allowed}"
    else:
        # Container variables may hold what nobody should read in a log.
        found = (
            "text"
            if "Environment" in path and isinstance(value, str) and path[-1] != "[key]"
            else shown(value)
        )
        yield f"{_place(file, path, prefix)}: found {found}; allowed: {allowed}{_hint(kind, value)}"


def _hint(kind: str, value: object) -> str:
    if kind == "int_type" and isinstance(value, str) and value.strip().isdecimal():
        return "; remove the quotes"
    if kind == "string_type" and isinstance(value, bool | int | float):
        return "; put it in quotes"
    return ""


def _place(file: str, path: Iterable[Any], prefix: str) -> str:
    """Write ``file: Section: Key.Inner[0]``; what is wrong with a mapping's key is wrong with the entry."""
    parts = [f"[{part}]" if isinstance(part, int) else str(part) for part in path if part != "[key]"]
    if not parts:
        return file
    first, *rest = parts
    inner = ".".join(parts if prefix else rest).replace(".[", "[")
    place = f"{prefix}{inner}" if prefix else f"{first}: {inner}" if inner else first
    return f"{file}: {place}"


def _rule(model: type[BaseModel], path: Iterable[Any]) -> tuple[list[str], str]:
    """Find the keys that are allowed beside the last of the path, and what its own value may be."""
    current: type[BaseModel] | None = model
    keyed, keys, allowed = (
        False,
        [str(info.alias) for info in model.model_fields.values()],
        "a mapping of keys",
    )
    for part in path:
        if keyed or current is None:
            keyed = False
            continue
        fields = {info.alias: info for info in current.model_fields.values()}
        keys = [str(alias) for alias in fields]
        if part not in fields:
            break
        allowed = next((mark.text for mark in fields[part].metadata if isinstance(mark, Allowed)), allowed)
        current, keyed = _model_within(fields[part].annotation)
    return keys, allowed


def _model_within(annotation: Any) -> tuple[type[BaseModel] | None, bool]:
    """The model that a field holds, if any, and whether it stands behind keys of the user's choice."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation, False
    for argument in get_args(annotation):
        model, keyed = _model_within(argument)
        if model:
            return model, keyed or get_origin(annotation) is dict
    return None, False
