"""Long steps that show they are alive."""

import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryFile

from tools.engine.errors import EngineError

HEARTBEAT_S = 15.0
TAIL_LINES = 6
LEASH = Path(__file__).resolve().with_name("leash.py")


def say(text: str) -> None:
    """Print one line of progress on stderr."""
    print(f"engine: {text}", file=sys.stderr, flush=True)


def run(
    what: str,
    command: Sequence[str],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    heartbeat_s: float = HEARTBEAT_S,
) -> None:
    """Run one step to its end, quietly, with a line of progress at its start and every 15 seconds.

    The step ends with this function, also when an exception ends that (Ctrl-C, SIGTERM) or SIGKILL the whole process: no
    compiler outlives its installation.

    Args:
        what: the step in a user's words, such as ``building the AWS plugin``.
        command: program and arguments.
        cwd: where to run it; here when left out.
        env: its whole environment; this process's when left out.
        heartbeat_s: seconds between two lines of progress.

    Raises:
        EngineError: the program is missing or ended with another code than 0; has the end of what it printed.
    """
    started = time.monotonic()
    say(f"{what} …")
    with TemporaryFile() as output:
        try:
            process = subprocess.Popen(
                [sys.executable, "-I", LEASH, *command],
                cwd=cwd,
                env=env,
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        except OSError as error:
            text = f"{what} failed: {error}"
            raise EngineError(text) from error
        try:
            _wait(process, what, started, heartbeat_s)
        finally:
            process.communicate()  # closes the pipe, at which a step that still runs is killed, and waits for its end
        if process.returncode:
            output.seek(0)
            tail = output.read().decode(errors="replace").strip().splitlines()[-TAIL_LINES:]
            raise EngineError(f"{what} failed ({process.returncode}): " + "\n  ".join(tail))


def _wait(process: subprocess.Popen[bytes], what: str, started: float, heartbeat_s: float) -> None:
    while True:
        try:
            process.wait(timeout=heartbeat_s)
        except subprocess.TimeoutExpired:
            say(f"{what} … {time.monotonic() - started:.0f} s")
        else:
            return
