"""The server process: `python -m sandbox.cloud HOME LISTENER_FD LOCK_FD`. Only `sandbox.process` starts it.

It inherits a socket that listens already and a lock that says "alive": the kernel gives the lock back however this
process ends, so nobody needs to trust a process id from a file.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
import threading
from pathlib import Path

from sandbox.cloud.http import LocalServer
from sandbox.cloud.moto_services import load_early
from sandbox.cloud.router import Cloud, Place
from sandbox.files import Files, read_endpoint_seconds


def main(home: str, listener_fd: int, lock_fd: int) -> None:
    """Serve until SIGTERM or SIGINT, then take everything along that was started."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    os.set_inheritable(lock_fd, False)  # noqa: FBT003 -- takes no keyword
    files = Files(Path(home))
    listener = socket.socket(fileno=listener_fd)
    listener.set_inheritable(False)
    host, port = listener.getsockname()[:2]
    cloud = Cloud(Place(files.home, host, port), read_endpoint_seconds())
    server = LocalServer(listener, cloud.answer)
    for number in (signal.SIGTERM, signal.SIGINT):
        # shutdown() waits for serve_forever(), which this signal interrupts: so from another thread
        signal.signal(number, lambda *_: threading.Thread(target=server.shutdown).start())
    threading.Thread(target=load_early, name="early", daemon=True).start()
    try:
        server.serve_forever(poll_interval=0.1)
    finally:
        cloud.close()
        files.pid_file.unlink(missing_ok=True)
        logging.info("stopped")
        if os.getpgrp() == os.getpid():  # true when `sandbox.process` started it
            # The last act takes along whatever the models' code may have started.
            os.killpg(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
