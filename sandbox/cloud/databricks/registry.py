"""Registered models and versions of a workspace registry; each change tells what its webhooks send.

Source: https://docs.databricks.com/api/workspace/modelregistry
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

STAGES = ("None", "Staging", "Production", "Archived")
Record = dict[str, Any]
Tell = Callable[[str, Record], None]
"""Takes an event's name and its members."""


class Refused(Exception):
    """The call is refused, with the error code of Databricks and the HTTP status."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code, self.message, self.status = code, message, status


@dataclass(slots=True)
class Registry:
    """What a workspace holds. The caller holds a lock."""

    tell: Tell
    models: dict[str, Record] = field(default_factory=dict)
    versions: dict[str, dict[str, Record]] = field(default_factory=dict)

    def create_model(self, given: Record) -> Record:
        """Make a registered model."""
        name = needed(given, "name")
        if name in self.models:
            msg = f"Registered Model (name={name}) already exists."
            raise Refused("RESOURCE_ALREADY_EXISTS", msg)
        self.models[name] = {
            **_dated(),
            "name": name,
            "description": given.get("description", ""),
            "tags": _tags(given),
        }
        self.versions[name] = {}
        self.tell("REGISTERED_MODEL_CREATED", {"model_name": name})
        return {"registered_model": self._shown(name)}

    def get_model(self, given: Record) -> Record:
        """Describe a registered model."""
        return {"registered_model": self._shown(self._model(given)["name"])}

    def search_models(self, given: Record) -> Record:
        """List all registered models; a filter may name one."""
        wanted = _filtered(given, "name")
        return {
            "registered_models": [self._shown(name) for name in sorted(self.models) if wanted in (None, name)]
        }

    def delete_model(self, given: Record) -> Record:
        """Delete a registered model whose versions are all unstaged or archived."""
        name = self._model(given)["name"]
        if any(each["current_stage"] in STAGES[1:3] for each in self.versions[name].values()):
            msg = f"Registered Model (name={name}) has versions in Staging or Production."
            raise Refused("INVALID_STATE", msg)
        del self.models[name], self.versions[name]
        return {}

    def create_version(self, given: Record) -> Record:
        """Make the next version of a model."""
        model = self._model(given)
        number = str(max((int(each) for each in self.versions[model["name"]]), default=0) + 1)
        version = {
            **_dated(),
            "name": model["name"],
            "version": number,
            "source": needed(given, "source"),
            "run_id": given.get("run_id", ""),
            "description": given.get("description", ""),
            "current_stage": "None",
            "status": "READY",
            "tags": _tags(given),
        }
        self.versions[model["name"]][number] = version
        self.tell("MODEL_VERSION_CREATED", {"model_name": model["name"], "version": number})
        return {"model_version": version}

    def get_version(self, given: Record) -> Record:
        """Describe a version."""
        return {"model_version": self._version(given)}

    def search_versions(self, given: Record) -> Record:
        """List the versions of a model, the newest first, or of all models."""
        wanted = _filtered(given, "name")
        found = [
            each
            for name, versions in self.versions.items()
            for each in reversed(versions.values())
            if wanted in (None, name)
        ]
        return {"model_versions": found}

    def latest_versions(self, given: Record) -> Record:
        """List the newest version of each stage."""
        return {"model_versions": self._latest(self._model(given)["name"], given.get("stages"))}

    def update_version(self, given: Record) -> Record:
        """Change a version's description."""
        version = self._version(given)
        version.update(description=given.get("description", ""), last_updated_timestamp=_now())
        return {"model_version": version}

    def delete_version(self, given: Record) -> Record:
        """Delete a version that is unstaged or archived."""
        version = self._version(given)
        if version["current_stage"] in STAGES[1:3]:
            msg = f"Model Version is in {version['current_stage']}; archive it first."
            raise Refused("INVALID_STATE", msg)
        del self.versions[version["name"]][version["version"]]
        return {}

    def transition(self, given: Record) -> Record:
        """Move a version to a stage; the others of that stage are archived when asked."""
        version, stage = self._version(given), str(given.get("stage"))
        if stage not in STAGES:
            msg = f"Invalid Model Version stage: {stage}. Value must be one of {', '.join(STAGES)}."
            raise Refused("INVALID_PARAMETER_VALUE", msg)
        if str(given.get("archive_existing_versions", False)).lower() == "true":
            for other in self.versions[version["name"]].values():
                if other is not version and other["current_stage"] == stage:
                    self._move(other, "Archived")
        self._move(version, stage)
        return {"model_version": version}

    def set_tag(self, given: Record) -> Record:
        """Set a tag of a version."""
        version, key = self._version(given), needed(given, "key")
        value = str(given.get("value", ""))
        version["tags"] = [tag for tag in version["tags"] if tag["key"] != key] + [
            {"key": key, "value": value}
        ]
        said = {"model_name": version["name"], "version": version["version"], "tags": {key: value}}
        self.tell("MODEL_VERSION_TAG_SET", said)
        return {}

    def delete_tag(self, given: Record) -> Record:
        """Delete a tag of a version."""
        version = self._version(given)
        version["tags"] = [tag for tag in version["tags"] if tag["key"] != needed(given, "key")]
        return {}

    def download_uri(self, given: Record) -> Record:
        """Give where a version's artifacts are."""
        return {"artifact_uri": self._version(given)["source"]}

    def _move(self, version: Record, stage: str) -> None:
        before = version["current_stage"]
        version.update(current_stage=stage, last_updated_timestamp=_now())
        said = {
            "model_name": version["name"],
            "version": version["version"],
            "from_stage": before,
            "to_stage": stage,
        }
        self.tell("MODEL_VERSION_TRANSITIONED_STAGE", said)
        if stage != "None":
            self.tell(f"MODEL_VERSION_TRANSITIONED_TO_{stage.upper()}", said)

    def _latest(self, name: str, stages: Any = None) -> list[Record]:
        newest = {each["current_stage"]: each for each in self.versions[name].values()}
        return [each for stage, each in newest.items() if not stages or stage in stages]

    def _shown(self, name: str) -> Record:
        return {**self.models[name], "latest_versions": self._latest(name)}

    def _model(self, given: Record) -> Record:
        name = needed(given, "name")
        if name not in self.models:
            msg = f"Registered Model with name={name} not found"
            raise Refused("RESOURCE_DOES_NOT_EXIST", msg, 404)
        return self.models[name]

    def _version(self, given: Record) -> Record:
        name, version = self._model(given)["name"], str(needed(given, "version"))
        if version not in self.versions[name]:
            msg = f"Model Version (name={name}, version={version}) not found"
            raise Refused("RESOURCE_DOES_NOT_EXIST", msg, 404)
        return self.versions[name][version]


def needed(given: Mapping[str, Any], name: str) -> str:
    """Give a member that must be there.

    Raises:
        Refused: it is not.
    """
    value = given.get(name)
    if value in (None, ""):
        msg = f"Missing value for required parameter '{name}'."
        raise Refused("INVALID_PARAMETER_VALUE", msg)
    return str(value)


def _now() -> int:
    return int(time.time() * 1000)


def _dated() -> Record:
    now = _now()
    return {"creation_timestamp": now, "last_updated_timestamp": now, "user_id": "local"}


def _tags(given: Record) -> list[Record]:
    return [{"key": tag["key"], "value": tag["value"]} for tag in given.get("tags") or []]


def _filtered(given: Record, member: str) -> str | None:
    """Read a filter of the form `name='iris'`; None when there is none."""
    text = given.get("filter")
    if not text:
        return None
    found = re.fullmatch(rf"\s*{member}\s*=\s*(['\"])(.*)\1\s*", str(text))
    if found is None:
        msg = f"The local cloud knows the filter {member}='…' only, not {text!r}."
        raise Refused("NOT_IMPLEMENTED", msg, 501)
    return found[2]
