"""A head start for previews: the provider plugin loads its schema while the runner still reads the registry.

The engine starts a plugin only when the first resource reaches it, after the program's imports; a plugin that runs already
is attached to instead (PULUMI_DEBUG_PROVIDERS). Only previews use it: an update's plugin must live as long as its engine,
also when the runner is killed. Without it everything works the same, later.
"""

import os
import select
import subprocess
from importlib.metadata import version
from pathlib import Path

# A plugin that listens before it has loaded says its port at once, and ends with this process or with the engines that
# attached. Another one, such as the official, is not used: it would live on when this process is killed.
_PORT_WAIT_S = 0.3
_END_WAIT_S = 5.0


class WarmPlugin:
    """The `aws` plugin, started beside the engine. It ends with `close`, or by itself when this process ends."""

    def __init__(self) -> None:
        """Start the installed plugin of the SDK's version; harmless where there is none."""
        home = Path(os.environ.get("PULUMI_HOME") or Path.home() / ".pulumi")
        path = home / "plugins" / f"resource-aws-v{version('pulumi-aws')}" / "pulumi-resource-aws"
        self._child: subprocess.Popen[bytes] | None = None
        if path.is_file():
            self._child = subprocess.Popen(
                [str(path)],
                stdin=subprocess.PIPE,  # its end tells the plugin that this process is gone
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        self._port = self._said_port()
        if self._port is None:
            self.close()

    def variables(self) -> dict[str, str]:
        """What makes an engine attach to this plugin; nothing where it did not listen at once."""
        return {"PULUMI_DEBUG_PROVIDERS": f"aws:{self._port}"} if self._port else {}

    def close(self) -> None:
        """End the plugin and wait until it is gone."""
        child, self._child, self._port = self._child, None, None
        if child is None:
            return
        child.terminate()
        try:
            child.wait(_END_WAIT_S)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
        for pipe in (child.stdin, child.stdout):
            if pipe:
                pipe.close()

    def _said_port(self) -> int | None:
        if self._child is None or self._child.stdout is None:
            return None
        ready, _, _ = select.select([self._child.stdout], [], [], _PORT_WAIT_S)
        line = self._child.stdout.readline().strip() if ready else b""
        return int(line) if line.isdigit() else None
