"""The manifest: what one environment must serve, resolved once and pinned for preview, up and verification."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from registry.errors import ManifestError
from registry.names import refuse_collisions
from registry.sagemaker import SageMakerRegistry
from registry.selection import Selection, select
from registry.values import GroupRequest, IgnoredPackage, LiveEndpoint, WantedEndpoint

_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What one environment must serve, sorted, and every package that it does not serve with the reason."""

    version: int = _VERSION
    environment: str
    endpoints: tuple[WantedEndpoint, ...] = ()
    ignored: tuple[IgnoredPackage, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "endpoints", tuple(sorted(self.endpoints, key=lambda wanted: wanted.name)))
        object.__setattr__(self, "ignored", tuple(sorted(self.ignored, key=_by_version)))

    def to_json(self) -> str:
        """Write the manifest as JSON, the same text for the same manifest."""
        return json.dumps(asdict(self), indent=2, sort_keys=True) + "\n"

    @staticmethod
    def from_json(text: str) -> "Manifest":
        """Read what `to_json` wrote.

        Raises:
            ManifestError: the text is not exactly such a document; a broken manifest is never an empty one.
        """
        try:
            document = json.loads(text)
        except ValueError as error:
            raise ManifestError(_again(f"the manifest is not JSON ({error})")) from error
        read = _read_manifest(document)
        refuse_collisions((wanted.name, wanted.package_arn) for wanted in read.endpoints)
        return read

    def digest(self) -> str:
        """SHA-256 of what must be served. Live values and ignored packages have no part in it."""
        wanted = [
            {key: value for key, value in asdict(endpoint).items() if key != "live"}
            for endpoint in self.endpoints
        ]
        document = {"version": self.version, "environment": self.environment, "endpoints": wanted}
        return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()


def resolve(environment: str, requests: Sequence[GroupRequest], registry: SageMakerRegistry) -> Manifest:
    """Read the registry and decide what an environment must serve.

    Args:
        environment: ``Staging`` or ``Production``.
        requests: what each group is asked for.
        registry: where to read.

    Returns:
        The manifest, with what is live now under each wanted name.

    Raises:
        RegistryError: any read failed, a group does not exist, or two groups claim one endpoint name.
    """
    packages = registry.read_groups([request.group for request in requests])
    selections = [
        (request.group, select(request, environment, packages[request.group])) for request in requests
    ]
    claims = _claims(selections)
    refuse_collisions((name, f"model package group {group}") for name, group in claims)
    live = registry.read_live([name for name, _ in claims])
    endpoints = tuple(
        WantedEndpoint(
            name=name,
            group=group,
            package_arn=package.arn,
            package_version=package.version,
            mlflow_version=package.metadata.get("mlflow_version"),
            images=package.images,
            model_data_urls=package.model_data_urls,
            live=live[name],
        )
        for group, selection in selections
        for name, package in selection.chosen.items()
    )
    ignored = tuple(entry for _, selection in selections for entry in selection.ignored)
    return Manifest(environment=environment, endpoints=endpoints, ignored=ignored)


def load_manifest(path: Path) -> Manifest:
    """Read a manifest file. One that its writer holds locked is waited for: its content is on the way.

    Raises:
        ManifestError: the file cannot be read or is not a manifest; the text names the file.
    """
    import fcntl  # not on Windows, where a program without a manifest file does without

    try:
        with path.open(encoding="utf-8") as file:
            fcntl.flock(file, fcntl.LOCK_SH)
            return Manifest.from_json(file.read())
    except (OSError, UnicodeDecodeError) as error:
        raise ManifestError(_again(f"{path}: the manifest cannot be read ({error})")) from error
    except ManifestError as error:
        message = f"{path}: {error}"
        raise ManifestError(message) from error


def _claims(selections: Sequence[tuple[str, Selection]]) -> list[tuple[str, str]]:
    return [(name, group) for group, selection in selections for name in selection.chosen]


def _by_version(entry: IgnoredPackage) -> tuple[str, int, str]:
    group, _, version = entry.package_arn.rpartition("/")
    return group, int(version) if version.isdecimal() else 0, entry.reason


def _read_manifest(document: Any) -> Manifest:
    found = _entries(
        document, "manifest", {"version": int, "environment": str, "endpoints": list, "ignored": list}
    )
    if found["version"] != _VERSION:
        message = (
            f"the manifest has version {found['version']}, this program reads {_VERSION}; resolve it again"
        )
        raise ManifestError(message)
    return Manifest(
        environment=found["environment"],
        endpoints=tuple(
            _read_endpoint(entry, f"endpoints[{i}]") for i, entry in enumerate(found["endpoints"])
        ),
        ignored=tuple(_read_ignored(entry, f"ignored[{i}]") for i, entry in enumerate(found["ignored"])),
    )


def _read_endpoint(document: Any, where: str) -> WantedEndpoint:
    found = _entries(
        document,
        where,
        {
            "name": str,
            "group": str,
            "package_arn": str,
            "package_version": int,
            "mlflow_version": str | None,
            "images": list,
            "model_data_urls": list,
            "live": dict | None,
        },
    )
    for key in ("images", "model_data_urls"):
        found[key] = tuple(_typed(text, f"{where}.{key}", str) for text in found[key])
    if found["live"] is not None:
        found["live"] = _read_live(found["live"], f"{where}.live")
    return WantedEndpoint(**found)


def _read_live(document: Any, where: str) -> LiveEndpoint:
    allowed = {
        "status": str,
        "config": str,
        "kind": str,
        "instance_counts": dict,
        "failure_reason": str | None,
    }
    found = _entries(document, where, allowed)
    if found["kind"] not in ("instance", "serverless"):
        raise ManifestError(_again(f"{where}.kind is {found['kind']!r}, not instance or serverless"))
    for count in found["instance_counts"].values():
        _typed(count, f"{where}.instance_counts", int)
    return LiveEndpoint(**found)


def _read_ignored(document: Any, where: str) -> IgnoredPackage:
    return IgnoredPackage(**_entries(document, where, {"package_arn": str, "reason": str}))


def _entries(document: Any, where: str, allowed: Mapping[str, Any]) -> dict[str, Any]:
    """Take a JSON object that has exactly the allowed keys, each of its type."""
    found = _typed(document, where, dict)
    if found.keys() != allowed.keys():
        odd = ", ".join(sorted(found.keys() ^ allowed.keys()))
        raise ManifestError(_again(f"{where} has missing or unknown keys ({odd})"))
    return {key: _typed(found[key], f"{where}.{key}", kind) for key, kind in allowed.items()}


def _typed(value: Any, where: str, kind: Any) -> Any:
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is int):
        name = getattr(kind, "__name__", str(kind))
        raise ManifestError(_again(f"{where} is {type(value).__name__}, not {name}"))
    return value


def _again(found: str) -> str:
    return f"{found}; resolve the manifest again"
