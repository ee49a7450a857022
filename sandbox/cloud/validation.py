"""Checks a request against botocore's model of the API: the lengths, ranges, patterns and enumerations AWS publishes."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from typing import Any

import botocore.session
import regex  # type: ignore[import-untyped]  # unlike `re` it knows \p{L}

from sandbox.cloud.errors import AwsError


@functools.cache
def service_model(service: str) -> Any:
    """Load botocore's model of a service; takes a tenth of a second the first time."""
    return botocore.session.get_session().get_service_model(service)


def check_request(service: str, operation: str, request: Mapping[str, Any]) -> None:
    """Refuse a request that breaks the published constraints, in AWS's own words.

    Raises:
        AwsError: ValidationException naming each broken constraint.
    """
    shape = service_model(service).operation_model(operation).input_shape
    problems = list(_problems(shape, request, "")) if shape is not None else []
    if problems:
        noun = "validation error" if len(problems) == 1 else "validation errors"
        raise AwsError("ValidationException", f"{len(problems)} {noun} detected: {'; '.join(problems)}")


def _problems(shape: Any, value: Any, path: str) -> Iterator[str]:
    if shape.type_name == "structure" and isinstance(value, Mapping):
        yield from _structure(shape, value, path)
    elif shape.type_name == "list" and isinstance(value, list):
        yield from _bounds(shape, len(value), value, path, "length")
        for number, item in enumerate(value, 1):
            yield from _problems(shape.member, item, f"{path}.{number}.member")
    elif shape.type_name == "map" and isinstance(value, Mapping):
        yield from _bounds(shape, len(value), value, path, "length")
        for key, item in value.items():
            yield from _problems(shape.key, key, f"{path}.{key}.key")
            yield from _problems(shape.value, item, f"{path}.{key}.member")
    elif shape.type_name == "string" and isinstance(value, str):
        yield from _text(shape, value, path)
    elif shape.type_name in ("integer", "long", "float", "double") and _is_number(value):
        yield from _bounds(shape, value, value, path, "value")
    elif not _fits(shape.type_name, value):
        yield _broken(value, path, f"be of type {shape.type_name}")


def _structure(shape: Any, value: Mapping[str, Any], path: str) -> Iterator[str]:
    for name in shape.required_members:
        if value.get(name) is None:
            yield f"Value null at '{_join(path, name)}' failed to satisfy constraint: Member must not be null"
    for name, item in value.items():
        if name in shape.members and item is not None:
            yield from _problems(shape.members[name], item, _join(path, name))


def _text(shape: Any, value: str, path: str) -> Iterator[str]:
    yield from _bounds(shape, len(value), value, path, "length")
    allowed = shape.metadata.get("enum")
    if allowed and value not in allowed:
        yield _broken(value, path, f"satisfy enum value set: [{', '.join(allowed)}]")
    pattern = shape.metadata.get("pattern")
    if pattern and not _compiled(pattern).fullmatch(value):
        yield _broken(value, path, f"satisfy regular expression pattern: {pattern}")


def _bounds(shape: Any, size: float, value: Any, path: str, what: str) -> Iterator[str]:
    low, high = shape.metadata.get("min"), shape.metadata.get("max")
    if low is not None and size < low:
        yield _broken(value, path, f"have {what} greater than or equal to {low}")
    if high is not None and size > high:
        yield _broken(value, path, f"have {what} less than or equal to {high}")


def _broken(value: Any, path: str, must: str) -> str:
    return f"Value '{value}' at '{path}' failed to satisfy constraint: Member must {must}"


@functools.cache
def _compiled(pattern: str) -> Any:
    # Published oddity: "(...)*${1,256}" repeats the end of the text; what is meant is the end.
    return regex.compile(regex.sub(r"\$\{\d+,\d+\}$", "$", pattern))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _fits(type_name: str, value: Any) -> bool:
    kinds: dict[str, type | tuple[type, ...]] = {
        "boolean": bool,
        "timestamp": (int, float, str),
        "blob": str,
        "structure": Mapping,
        "list": list,
        "map": Mapping,
        "string": str,
    }
    return type_name in kinds and isinstance(value, kinds[type_name])


def _join(path: str, name: str) -> str:
    member = name[:1].lower() + name[1:]
    return f"{path}.{member}" if path else member
