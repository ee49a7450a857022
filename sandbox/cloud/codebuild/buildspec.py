"""Reads a buildspec.

Source: https://docs.aws.amazon.com/codebuild/latest/userguide/build-spec-ref.html
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

PHASES = ("install", "pre_build", "build", "post_build")
TOP = ("version", "env", "phases", "artifacts", "cache", "reports", "proxy")
SHELLS = {"/bin/sh": "sh", "sh": "sh", "bash": "bash", "/bin/bash": "bash"}


class BadBuildspec(Exception):
    """It cannot be used; the text says why."""


@dataclass(frozen=True, slots=True)
class Phase:
    """What a phase runs. `lasting`: commands that run at its end, however it went."""

    commands: tuple[str, ...] = ()
    lasting: tuple[str, ...] = ()
    on_failure: str = "ABORT"


@dataclass(frozen=True, slots=True)
class Buildspec:
    """A buildspec; `parameters` and `secrets` lead from variables to what holds their values."""

    phases: Mapping[str, Phase]
    shell: str = "sh"
    variables: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)
    exported: tuple[str, ...] = ()


def read_buildspec(text: str) -> Buildspec:
    """Read a buildspec of version 0.2.

    Raises:
        BadBuildspec: it is no such thing, or uses what this cloud does not emulate.
    """
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        msg = f"it is not YAML: {' '.join(str(error).split())}"
        raise BadBuildspec(msg) from None
    content = _mapping(content, "the buildspec")
    if str(content.get("version")) != "0.2":
        msg = f"version is {content.get('version')!r}; this cloud knows 0.2"
        raise BadBuildspec(msg)
    _only(content, TOP, "the buildspec")
    env = _mapping(content.get("env"), "env")
    _only(
        env,
        (
            "shell",
            "variables",
            "parameter-store",
            "secrets-manager",
            "exported-variables",
            "git-credential-helper",
        ),
        "env",
    )
    shell = SHELLS.get(str(env.get("shell", "sh")))
    if shell is None:
        msg = f"env.shell is {env['shell']!r}; this cloud knows sh and bash"
        raise BadBuildspec(msg)
    phases = _mapping(content.get("phases"), "phases")
    _only(phases, PHASES, "phases")
    if not phases:
        raise BadBuildspec("it has no phases")
    return Buildspec(
        phases={name: _phase(name, phases[name]) for name in PHASES if name in phases},
        shell=shell,
        variables=_texts(env.get("variables"), "env.variables"),
        parameters=_texts(env.get("parameter-store"), "env.parameter-store"),
        secrets=_texts(env.get("secrets-manager"), "env.secrets-manager"),
        exported=_commands(env.get("exported-variables"), "env.exported-variables"),
    )


def _phase(name: str, content: Any) -> Phase:
    where = f"phases.{name}"
    content = _mapping(content, where)
    _only(content, ("commands", "finally", "on-failure", "runtime-versions"), where)
    on_failure = str(content.get("on-failure", "CONTINUE" if name == "build" else "ABORT"))
    if on_failure not in ("ABORT", "CONTINUE"):
        msg = f"{where}.on-failure is {on_failure!r}; this cloud knows ABORT and CONTINUE"
        raise BadBuildspec(msg)
    return Phase(
        _commands(content.get("commands"), f"{where}.commands"),
        _commands(content.get("finally"), f"{where}.finally"),
        on_failure,
    )


def _mapping(content: Any, where: str) -> Mapping[str, Any]:
    if content is None:
        return {}
    if not isinstance(content, Mapping):
        msg = f"{where} must be a mapping"
        raise BadBuildspec(msg)
    return content


def _only(content: Mapping[str, Any], known: tuple[str, ...], where: str) -> None:
    unknown = sorted(str(name) for name in content if name not in known)
    if unknown:
        msg = f"{where} has {', '.join(unknown)}; this cloud knows {', '.join(known)}"
        raise BadBuildspec(msg)


def _texts(content: Any, where: str) -> dict[str, str]:
    return {str(name): _text(value) for name, value in _mapping(content, where).items()}


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _commands(content: Any, where: str) -> tuple[str, ...]:
    if content is None:
        return ()
    if isinstance(content, str):
        return (content,)
    if not isinstance(content, list) or not all(isinstance(item, str | int | float) for item in content):
        msg = f"{where} must be a list of texts"
        raise BadBuildspec(msg)
    return tuple(_text(item) for item in content)
