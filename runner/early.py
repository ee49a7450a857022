"""A preview that is begun before it is known what is wanted: engine and program load while the runner reads the registry.

The program's manifest is a file that stays locked until its content is there; whoever loads it waits for that. The lock ends
with this process, however it ends, so that no program waits for a runner that is gone.
"""

import fcntl
from collections.abc import Callable
from concurrent.futures import Executor
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from runner.stack import Outcome


class EarlyPreview:
    """A preview that runs in the background and waits for its manifest."""

    def __init__(self, pool: Executor, run: Callable[[], "Outcome"], manifest: Path) -> None:
        """Begin.

        Args:
            pool: has a free thread.
            run: the preview; its program loads ``manifest``.
            manifest: the file, made here.
        """
        self._file = manifest.open("w", encoding="utf-8")
        fcntl.flock(self._file, fcntl.LOCK_EX)
        self._ran = pool.submit(run)

    def outcome(self, manifest: str) -> "Outcome":
        """Hand the manifest over, as JSON, and give what the preview says.

        Raises:
            RunnerError: the preview failed.
        """
        self._file.write(manifest)
        self._file.close()
        return self._ran.result()

    def give_up(self) -> None:
        """End without a manifest: the program refuses the empty file. Harmless to repeat, and after `outcome`."""
        self._file.close()
        self._ran.exception()  # waits for the end; the failure is the wish
