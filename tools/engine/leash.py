"""Runs a command that must not outlive whoever asked for it: ``python leash.py COMMAND…``, with a pipe as its stdin.

The kernel closes the asker's end of the pipe however the asker ends, also by SIGKILL. Then the command is killed with all
that it started. Linux's PR_SET_PDEATHSIG would reach the command alone, and must be set in the child between fork and exec.
"""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress

_NOT_STARTED = 127
"""A shell's exit code for a command that is not there."""


def main(command: Sequence[str]) -> int:
    """Run the command to its end; its exit code, 128 and the signal's number when a signal ended it, as a shell has it."""
    try:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, process_group=0)
    except OSError as error:
        print(error, file=sys.stderr)
        return _NOT_STARTED
    threading.Thread(target=_kill_when_let_go, args=(process.pid,), daemon=True).start()
    code = process.wait()
    return code if code >= 0 else 128 - code


def _kill_when_let_go(group: int) -> None:
    os.read(sys.stdin.fileno(), 1)  # nobody writes: it returns at the end of the pipe
    with suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
