"""The parent of a server that must not outlive the local cloud: `python -I -S guard.py COMMAND …`.

It leads the command's own process group. When the local cloud is gone, however it ended, its end of the standard input
closes and the whole group is killed.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading


def end_with_the_cloud() -> None:
    """Wait for the end of the standard input, then kill the group, this process too."""
    while os.read(0, 1):
        pass
    os.killpg(0, signal.SIGKILL)


def main(command: list[str]) -> int:
    """Run the command; gives its exit code."""
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    threading.Thread(target=end_with_the_cloud, daemon=True).start()
    return child.wait()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
