"""Where engines live: outside the checkout, one folder an engine, named by what it is made from.

A folder that has its final name is whole, because it got that name by a rename after all else was done. What an
interrupted installation left has another name and is removed by the next one. So a SIGKILL at any point does no harm.
"""

import fcntl
import hashlib
import json
import os
import platform
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import mkdtemp

from tools.engine import progress, versions

SOURCES = Path(__file__).resolve().parent
UNFINISHED = ".unfinished-"
LABEL = "engine.json"


@dataclass(frozen=True, slots=True)
class Engine:
    """An installed engine, as its label says.

    Attributes:
        folder: holds ``bin/`` (to be put on PATH) and ``home/`` (its PULUMI_HOME, with the aws plugin).
        kind: ``official`` (downloaded) or ``built`` (from Go modules).
        cli: version of the Pulumi CLI.
        aws_plugin: version of the aws plugin.
        terraform_provider: path of the provider binary under a built plugin; None for an official one.
    """

    folder: Path
    kind: str
    cli: str
    aws_plugin: str
    terraform_provider: str | None

    @property
    def home(self) -> Path:
        """The PULUMI_HOME of this engine."""
        return self.folder / "home"

    def is_usable(self) -> bool:
        """Whether all that it needs outside its folder is still there."""
        return self.terraform_provider is None or os.access(self.terraform_provider, os.X_OK)


def root() -> Path:
    """Give the folder of all engines: ``$MODEL_DEPLOYMENT_CACHE``, else below the user's cache folder."""
    own = os.environ.get("MODEL_DEPLOYMENT_CACHE")
    if own:
        return Path(own).expanduser().resolve() / "engine"
    user = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(user) / "model-deployment" / "engine"


def source_files(sources: Path = SOURCES) -> list[Path]:
    """List what an engine is made from: the Go modules without their tests, the versions, and how it is put together."""
    go = (path for module in ("cli", "aws") for path in (sources / module).rglob("*"))
    wanted = [
        path
        for path in go
        if path.suffix in {".go", ".mod", ".sum", ".json"} and not path.name.endswith("_test.go")
    ]
    return sorted([*wanted, sources / "versions.py", sources / "build.py"])


def key(sources: Path = SOURCES) -> str:
    """Give the name of the engine that these sources make on this kind of machine, 16 hexadecimal digits."""
    digest = hashlib.sha256(f"{platform.system()} {platform.machine()}\n".encode())
    for path in source_files(sources):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(sources)} {len(content)}\n".encode() + content)
    return digest.hexdigest()[:16]


def find() -> Engine | None:
    """Give the engine of this checkout's sources, or None where it is not installed or no longer usable."""
    folder = root() / key()
    try:
        label = json.loads((folder / LABEL).read_text())
    except FileNotFoundError:
        return None
    engine = Engine(folder=folder, **label)
    return engine if engine.is_usable() else None


@contextmanager
def lock() -> Iterator[None]:
    """Hold the cache's lock, waiting with a message while another installation has it. The kernel frees a dead one's."""
    root().mkdir(parents=True, exist_ok=True)
    with (root() / ".lock").open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            progress.say(
                f"another installation is at work ({file.read().strip() or 'unknown process'}); waiting for it …"
            )
            fcntl.flock(file, fcntl.LOCK_EX)
        file.truncate(0)
        file.write(f"process {os.getpid()}")
        file.flush()
        yield


def remove_unfinished() -> None:
    """Remove what interrupted installations left. Only for the holder of the lock."""
    for path in root().glob(UNFINISHED + "*"):
        shutil.rmtree(path, ignore_errors=True)


@contextmanager
def unfinished() -> Iterator[Path]:
    """Give a new folder beside the engines; removed at the end unless it became one. Only for the holder of the lock."""
    folder = Path(mkdtemp(prefix=UNFINISHED, dir=root()))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def finish(folder: Path, kind: str, cli: str, terraform_provider: str | None = None) -> Engine:
    """Make the folder the engine of this checkout's sources: label it and give it its final name."""
    final = root() / key()
    engine = Engine(final, kind, cli, versions.AWS_PLUGIN, terraform_provider)
    label = {name: value for name, value in asdict(engine).items() if name != "folder"}
    (folder / LABEL).write_text(json.dumps(label, indent=1) + "\n")
    folder.chmod(0o755)
    if final.exists():  # no longer usable, or it would have been found
        final.rename(mkdtemp(prefix=UNFINISHED, dir=root()))
    folder.rename(final)
    return engine
