"""Make the virtual environment of this checkout, from the locks, with uv. Standard library only: nothing is there yet.

Idempotent and safe to interrupt: the environment counts only when its stamp names the locks it was filled from, and the
stamp is written last. Run as ``python3 tools/setup.py`` from any folder.
"""

from __future__ import annotations  # an older Python must get as far as the line that refuses it

import hashlib
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
STAMP = VENV / "filled-from"
LOCKS = (ROOT / "tools" / "bootstrap.txt", ROOT / "requirements-dev.txt")
OLDEST_PYTHON = (3, 11, 4)  # the first 3.11 whose tarfile refuses archives that reach outside of their folder


# Not the Python of an environment that is active now: it may be the very one that is made anew.
OWN_PYTHON = getattr(sys, "_base_executable", sys.executable)


class SetupError(Exception):
    """A prerequisite is missing or a step failed; the text is one line for the user."""


def wanted_stamp() -> str:
    """Digest of the locks and of the Python that the environment is made from."""
    digest = hashlib.sha256(f"{sys.version_info[:2]} {sys.base_prefix}\n".encode())
    for lock in LOCKS:
        digest.update(lock.read_bytes())
    return digest.hexdigest()


def is_filled() -> bool:
    """Whether the environment was filled, to the end, from the locks as they are now."""
    return (VENV / "bin" / "python").exists() and STAMP.exists() and STAMP.read_text() == wanted_stamp()


def run(what: str, *command: str, env: dict[str, str] | None = None) -> None:
    """Run one step quietly; on failure show the end of its output.

    Raises:
        SetupError: the step ended with another code than 0.
    """
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=env)
    if done.returncode:
        tail = "\n".join((done.stderr or done.stdout).strip().splitlines()[-8:])
        text = f"{what} failed ({done.returncode}). What it said last:\n{tail}"
        raise SetupError(text)


def fill() -> None:
    """Make the environment anew and fill it from the locks."""
    shutil.rmtree(VENV, ignore_errors=True)
    run(
        "python3 -m venv .venv (on Debian: apt-get install python3-venv)",
        OWN_PYTHON,
        "-m",
        "venv",
        str(VENV),
    )
    python = str(VENV / "bin" / "python")
    pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    run("installing uv", *pip, "--require-hashes", "-r", str(LOCKS[0]))
    environment = {**os.environ, "VIRTUAL_ENV": str(VENV)}
    sync = [str(VENV / "bin" / "uv"), "pip", "install", "--quiet", "--compile-bytecode", "--require-hashes"]
    run("installing the locked dependencies", *sync, "-r", str(LOCKS[1]), env=environment)
    STAMP.write_text(wanted_stamp())


def main() -> int:
    """Fill the environment when it is not; 0 when it is good, 1 with one line of reason when not."""
    if sys.version_info[:3] < OLDEST_PYTHON:
        found = ".".join(map(str, sys.version_info[:3]))
        print(
            f"setup: Python {found} found, 3.11.4 or newer is needed: `make PYTHON=python3.11 …`, "
            "or install it from your package manager or https://www.python.org/downloads/",
            file=sys.stderr,
        )
        return 1
    if is_filled():
        return 0
    started = time.monotonic()
    print("setup: making .venv from the locks (about half a minute) …", file=sys.stderr, flush=True)
    try:
        fill()
    except (SetupError, OSError) as error:
        print(f"setup: {error}", file=sys.stderr)
        return 1
    print(f"setup: .venv is ready after {time.monotonic() - started:.0f} s", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
