"""``make test``: every tier that this machine can run, in parallel, and an exit code that says how it went.

``ENGINE=none`` runs the tiers that need no Pulumi engine and says what it left out.
"""

import os
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TESTS = ROOT / "tests"
GO_MODULES = ("tools/engine/cli", "tools/engine/aws")
CHOICES = ("auto", "none")
PYTEST = (sys.executable, "-m", "pytest")


class RunError(Exception):
    """The tests cannot be run as asked; the text is one line for the user."""


def main() -> int:
    """Run the tests; 0 only when all that was asked for ran and passed."""
    started = time.monotonic()
    try:
        choice = os.environ.get("ENGINE", CHOICES[0])
        kind = engine_kind(choice)
        counts = Counter(_tier(item) for item in collected())
        print("tests: " + ", ".join(f"{tier} {count}" for tier, count in sorted(counts.items())), flush=True)
        code = run_pytest(choice)
        go_code = run_go() if kind == "built" else 0
    except RunError as error:
        print(f"tests: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    if choice == "none":
        print("tests: ENGINE=none left out every test marked `engine` and the tests of the Go modules")
    how = "all passed" if code == go_code == 0 else "FAILED"
    print(f"tests: {how} after {time.monotonic() - started:.0f} s")
    return code or go_code


def engine_kind(choice: str) -> str | None:
    """Give ``built`` or ``official``, or None where no engine was asked for.

    Args:
        choice: ``auto`` or ``none``.

    Raises:
        RunError: another choice, or no engine is installed.
    """
    if choice not in CHOICES:
        text = f"ENGINE={choice} is neither of {', '.join(CHOICES)}"
        raise RunError(text)
    if choice == "none":
        return None
    from tools import engine

    try:
        return engine.installed().kind
    except engine.EngineError as error:
        text = f"{error} `make test ENGINE=none` runs what needs no engine."
        raise RunError(text) from error


def collected() -> list[str]:
    """Give the ids of all tests, engine or not, after a check that every file with tests is among them.

    Raises:
        RunError: pytest cannot collect, or never looks at a file that has tests.
    """
    command = [*PYTEST, "--collect-only", "-q", "-p", "no:randomly", str(TESTS)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        listed = [line for line in done.stdout.splitlines() if "::" not in line]
        print("\n".join([*listed, done.stderr]))
        raise RunError("pytest cannot collect the tests; see above")
    items = [line for line in done.stdout.splitlines() if "::" in line]
    forgotten = never_collected(items, files_with_tests())
    if forgotten:
        text = f"pytest collects nothing from {', '.join(forgotten)}: name test files test_*.py, in a folder of tests/"
        raise RunError(text)
    return items


def files_with_tests() -> list[str]:
    """List the Python files of the checkout that define tests, wherever they are, as pytest's ids name them."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.py"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [
        name
        for name in listed.stdout.splitlines()
        if (ROOT / name).is_file() and has_tests((ROOT / name).read_text())
    ]


def has_tests(source: str) -> bool:
    """Whether a module defines a function or a class that is meant as a test."""
    starts = ("def test_", "async def test_", "class Test")
    return any(line.lstrip().startswith(starts) for line in source.splitlines())


def never_collected(items: Iterable[str], files: Iterable[str]) -> list[str]:
    """Give the files that define tests and have no collected one."""
    return sorted(set(files) - {item.split("::", 1)[0] for item in items})


def _tier(item: str) -> str:
    parts = item.split("::", 1)[0].split("/")
    return parts[1] if len(parts) > 2 else parts[0]


def run_pytest(choice: str) -> int:
    """Run pytest on all cores; gives its exit code."""
    workers = max(
        2, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 2
    )
    command = [*PYTEST, "-n", str(workers), "--dist", "worksteal", "-q", str(TESTS)]
    if choice == "none":
        command += ["-m", "not engine"]
    return subprocess.run(command, cwd=ROOT, check=False).returncode


def run_go() -> int:
    """Vet and test the Go modules of a built engine; gives 0 or the first failing command's exit code.

    Raises:
        RunError: Go is gone since the engine was built.
    """
    go = shutil.which("go")
    if go is None:
        raise RunError(
            "the engine was built from Go modules, and Go is no longer on PATH: their tests cannot run"
        )
    for module in GO_MODULES:
        for what in (["vet", "-mod=readonly", "./..."], ["test", "-mod=readonly", "./..."]):
            print(f"tests: go {' '.join(what)} in {module}", flush=True)
            code = subprocess.run([go, *what], cwd=ROOT / module, check=False).returncode
            if code:
                return code
    return 0


if __name__ == "__main__":
    sys.exit(main())
