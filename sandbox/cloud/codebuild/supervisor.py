"""The parent of a build's shell: `python -I -S supervisor.py STEPS_FD RESULTS_FD SHELL DRIVER`.

It leads the build's own process group. When the server is gone, however it ended, its end of the standard input
closes and the whole group is killed: a build outlives nothing.
"""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import threading


def _end_with_the_server() -> None:
    while os.read(0, 1):
        pass
    os.killpg(0, signal.SIGKILL)


def main(steps: int, results: int, shell: str, driver: str) -> int:
    """Run the shell with the steps on descriptor 4 and the results on 3; a POSIX shell knows one digit only."""
    signal.signal(
        signal.SIGTERM, lambda *_: None
    )  # meant for the commands; unlike SIG_IGN they do not inherit it
    steps = fcntl.fcntl(steps, fcntl.F_DUPFD, 10)
    results = fcntl.fcntl(results, fcntl.F_DUPFD, 10)
    os.dup2(results, 3)
    os.dup2(steps, 4)
    child = subprocess.Popen([shell, driver], stdin=subprocess.DEVNULL, pass_fds=(3, 4))
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in (1, 2, 3, 4, steps, results):
        os.dup2(nothing, descriptor)  # or the server would wait for this process to close them
    threading.Thread(target=_end_with_the_server, daemon=True).start()
    code = child.wait()
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4]))
