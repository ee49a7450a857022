"""The record of the last verified deploy, by which a deploy that would change nothing ends without the engine.

It lives in an SSM parameter, so that the next build machine finds it. It only ever saves work: with no record, an
unreadable one, or any difference, the full path runs.
"""

import hashlib
import json
import os
import shutil
import sys
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from registry import LiveEndpoint

_PROGRAM_FILES = ("__main__.py", "Pulumi.yaml", "requirements.txt")
_PROGRAM_FOLDERS = ("components", "registry", "settings")
_LIBRARIES = ("pulumi", "pulumi-aws", "pydantic", "pyyaml", "botocore")


@dataclass(frozen=True, slots=True)
class Record:
    """What a verified deploy was made from and what it left; each a SHA-256 in hex.

    Attributes:
        inputs: manifest, settings, program and dependencies.
        state: the stack's state when the deploy ended.
        live: what AWS said of each endpoint when the deploy was verified.
    """

    inputs: str
    state: str
    live: str

    def to_json(self) -> str:
        """The record as the parameter's value, well below SSM's 4 KB."""
        return json.dumps({"version": 1, **asdict(self)}, sort_keys=True)


def parse_record(text: str | None) -> Record | None:
    """The record, or None where there is none or it is of another version of the runner."""
    try:
        value = json.loads(text or "")
        if value.pop("version") == 1:
            return Record(**value)
    except (ValueError, KeyError, TypeError, AttributeError):
        pass
    return None


def parameter_name(project: str, stack: str) -> str:
    """Name of the stack's SSM parameter."""
    return f"/{project}/{stack}/last-verified-deploy"


def inputs_digest(root: Path, manifest: str, settings: str) -> str:
    """Digest of everything that decides what a deploy does.

    Args:
        root: the project's folder; the program's own files and its lock are read.
        manifest: digest of the wanted endpoints.
        settings: digest of the stack's settings.
    """
    digest = hashlib.sha256(f"{manifest}\n{settings}\n".encode())
    for path in _program(root):
        digest.update(f"{path.relative_to(root)}\n".encode() + hashlib.sha256(path.read_bytes()).digest())
    digest.update(f"python {sys.version}\n{_engine()}\n".encode())
    for library in _LIBRARIES:
        digest.update(f"{library}=={_installed(library)}\n".encode())
    return digest.hexdigest()


def live_digest(live: Mapping[str, LiveEndpoint | None]) -> str:
    """Digest of what AWS says of the endpoints: status, configuration, kind, instance counts."""
    plain = {name: asdict(endpoint) if endpoint else None for name, endpoint in live.items()}
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()


def _program(root: Path) -> Iterable[Path]:
    for name in _PROGRAM_FILES:
        yield root / name
    for folder in _PROGRAM_FOLDERS:
        yield from sorted((root / folder).glob("**/*.py"))


def _engine() -> list[tuple[str, int]]:
    """CLI and aws plugin by the sizes of their files, which tell versions apart without starting anything."""
    home = Path(os.environ.get("PULUMI_HOME") or Path.home() / ".pulumi")
    plugin = home / "plugins" / f"resource-aws-v{_installed('pulumi-aws')}"
    files = [Path(shutil.which("pulumi") or "pulumi"), *sorted(plugin.glob("pulumi-resource-aws*"))]
    return [(path.name, path.stat().st_size) for path in files if path.is_file()]


def _installed(library: str) -> str:
    try:
        return version(library)
    except PackageNotFoundError:
        return "none"
