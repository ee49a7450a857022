"""Builds the zip that Lambda runs: ``python -m handlers.package FILE``. The same sources give the same bytes anywhere."""

import io
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

FILES = ("handlers/__init__.py", "handlers/aws.py", "handlers/webhook.py", "registry/events.py")
"""What is in the zip, by its place in the repository; libraries are in Lambda's Python already."""

EMPTY = ("registry/__init__.py",)
"""In the zip these are empty: the real one imports the whole registry, which the receiver does without."""

ENTRY = "handlers.webhook.handler"
"""Lambda's ``handler`` setting."""

_MOMENT = (1980, 1, 1, 0, 0, 0)  # the first one that a zip can hold


def build() -> bytes:
    """Give the zip's bytes: files in order, without times, stored as they are, since compressors differ."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted((*FILES, *EMPTY)):
            entry = zipfile.ZipInfo(name, _MOMENT)
            entry.create_system = 3  # Unix, on every machine: the rights below are its
            entry.external_attr = 0o100644 << 16
            archive.writestr(entry, b"" if name in EMPTY else (ROOT / name).read_bytes())
    return buffer.getvalue()


def write(path: Path) -> Path:
    """Write the zip, and leave a file that has these bytes already as it is; the path."""
    content = build()
    if not path.is_file() or path.read_bytes() != content:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return path


def main(arguments: Sequence[str]) -> int:
    """Write the zip where the command line says; the exit code."""
    if len(arguments) != 1:
        print("usage: python -m handlers.package FILE", file=sys.stderr)
        return 2
    print(write(Path(arguments[0])))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
