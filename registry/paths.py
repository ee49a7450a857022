"""Which file names of an artifact may go into an archive. Strangers gave them; they are judged before anything is read."""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from registry.errors import ArtifactError

# A SageMaker variant's volume has at most 512 GB, and all files are unpacked to it:
# https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_ProductionVariant.html (read 2026-11)
MOST_BYTES = 512 * 10**9
MOST_FILES = 100_000
# An S3 key has at most 1,024 bytes (https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html, read 2026-11),
# a name on Linux's file systems 255.
LONGEST_PATH, LONGEST_NAME, DEEPEST = 1024, 255, 64

# Control and format characters (direction marks, zero width), line and paragraph separators, surrogates, unassigned.
_ODD_CATEGORIES = frozenset({"Cc", "Cf", "Zl", "Zp", "Cs", "Cn", "Co"})
_SHOWN = 5


@dataclass(frozen=True, slots=True)
class ArtifactFile:
    """A regular file of an artifact: its path from the artifact's root, with ``/`` between the parts, and its bytes."""

    path: str
    size: int


def refuse_odd_files(files: Sequence[ArtifactFile]) -> None:
    """Refuse files that could land elsewhere than they say, hide one another, or fill a disk.

    Raises:
        ArtifactError: some file is odd; the text shows the first five and says what is allowed.
    """
    if len(files) > MOST_FILES:
        message = (
            f"the artifact has {len(files)} files, at most {MOST_FILES} are packed. Log the model with fewer files, "
            "for example its data as one archive"
        )
        raise ArtifactError(message)
    problems = [problem for file in files if (problem := file_problem(file))]
    problems = problems or clashes([file.path for file in files]) or _too_much(files)
    if problems:
        more = f" and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""
        message = (
            f"the artifact is not packed: {'; '.join(problems[:_SHOWN])}{more}. Allowed are relative paths of printable "
            f"characters without `..` or backslash, at most {LONGEST_PATH} bytes long, different also without regard to "
            "case; log the model again with such names"
        )
        raise ArtifactError(message)


def file_problem(file: ArtifactFile) -> str | None:
    """Say what is wrong with one file, None for nothing."""
    if not isinstance(file.path, str):
        return f"a path is {type(file.path).__name__}, not text"
    if not isinstance(file.size, int) or isinstance(file.size, bool) or file.size < 0:
        return f"{_shown(file.path)} has the size {file.size!r}, not a number of bytes"
    problem = path_problem(file.path)
    return f"{_shown(file.path)} {problem}" if problem else None


def path_problem(path: str) -> str | None:
    """Say what is wrong with a path, None for nothing."""
    if odd := next((char for char in path if unicodedata.category(char) in _ODD_CATEGORIES), None):
        return f"holds the character U+{ord(odd):04X}"
    if "\\" in path:
        return "holds a backslash"
    if path.startswith("/") or (path[1:2] == ":" and path[:1].isalpha()):
        return "is absolute"
    if len(path.encode()) > LONGEST_PATH:
        return f"is {len(path.encode())} bytes long"
    parts = path.split("/")
    if len(parts) > DEEPEST:
        return f"is {len(parts)} folders deep, at most {DEEPEST} are allowed"
    return next((problem for part in parts if (problem := _part_problem(part))), None)


def clashes(paths: Sequence[str]) -> list[str]:
    """Name paths that are one file without regard to case or to the form of accents, or a file and a folder."""
    seen: dict[str, str] = {}
    problems = []
    for path in paths:
        if (folded := _folded(path)) in seen:
            problems.append(f"{_shown(path)} and {_shown(seen[folded])} are one name")
        seen.setdefault(folded, path)
    for path in paths:
        parts = _folded(path).split("/")
        parents = ("/".join(parts[:count]) for count in range(1, len(parts)))
        if clash := next((seen[parent] for parent in parents if parent in seen), None):
            problems.append(f"{_shown(clash)} is a file and the folder of {_shown(path)}")
    return problems


def _part_problem(part: str) -> str | None:
    if part in ("", ".", ".."):
        return f"has the part {part!r}"
    if part != part.strip():
        return "has a part that begins or ends with a space"
    if len(part.encode()) > LONGEST_NAME:
        return f"has a part of {len(part.encode())} bytes, at most {LONGEST_NAME} are allowed"
    return None


def _too_much(files: Sequence[ArtifactFile]) -> list[str]:
    total = sum(file.size for file in files)
    if total <= MOST_BYTES:
        return []
    return [f"its files have {total} bytes together, at most {MOST_BYTES} fit on an instance's volume"]


def _folded(path: str) -> str:
    # Folding can undo the normal form and the other way round, so both come twice.
    once = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", path).casefold())
    return unicodedata.normalize("NFKC", once.casefold())


def _shown(path: str) -> str:
    """Show a path without its own control characters, shortened."""
    text = ascii(path)
    return text if len(text) <= 90 else f"{text[:80]}…'"
