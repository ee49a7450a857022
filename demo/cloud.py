"""Whose local cloud it is: the demo empties one that an earlier demo left, and never one that the user started."""

from demo.console import DemoError
from sandbox import Sandbox

MARK = "cloud-of-the-demo"
"""A file in Pulumi's state folder, since whatever empties a cloud (a new start, a reset by the user) empties it, too."""


def take(sandbox: Sandbox) -> str:
    """Give the demo an empty cloud: a new one, or the one of an earlier demo, emptied.

    Returns:
        What was done.

    Raises:
        DemoError: one runs that the user started; it is left as it is.
        SandboxError: none can be started.
    """
    mark = sandbox.files.state / MARK
    if sandbox.start():
        done = "started"
    elif mark.exists():
        sandbox.reset()
        done = "that of an earlier demo ran already: emptied (python -m sandbox reset)"
    else:
        status = sandbox.status()
        message = (
            f"a local cloud that is not the demo's runs already at {status.url} (folder {status.home}), and the demo would "
            "empty it. Stop it: python -m sandbox stop; or let the demo have another in this shell: "
            "export SANDBOX_HOME=/tmp/demo SANDBOX_PORT=0"
        )
        raise DemoError(message)
    mark.touch()
    return done
