"""Tells the story to a person, and runs the commands that it shows."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import NoReturn

from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parent.parent


class DemoError(Exception):
    """A step failed, or something is not what it must be; the text says what was found."""


class Interrupted(BaseException):
    """SIGTERM came. No Exception: botocore would take it for a lost connection and go on."""


class Narrator:
    """Prints steps, commands and tables, aligned, and counts the steps."""

    def __init__(self) -> None:
        self._console = Console(file=sys.stdout, highlight=False, soft_wrap=True)
        self._steps = 0
        self._started = time.monotonic()

    @property
    def seconds(self) -> float:
        """Since the story began."""
        return time.monotonic() - self._started

    def step(self, title: str) -> None:
        """Announce the next step."""
        self._steps += 1
        self._console.print(f"\n[bold]{self._steps:2}. {title}[/bold]")

    def say(self, text: str) -> None:
        """Print one line under the step."""
        self._console.print(f"    {text}", markup=False)

    def command(self, text: str) -> None:
        """Show a command as a user would type it."""
        self._console.print(f"    $ {text}", markup=False, style="cyan")

    def table(self, headers: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Print rows under their headers."""
        table = Table(*headers, box=None, padding=(0, 3, 0, 0), header_style="dim")
        for row in rows:
            table.add_row(*row)
        for line in _lines(table):
            self._console.print(f"    {line}", markup=False)

    def heading(self, text: str) -> None:
        """Print a heading outside of the steps."""
        self._console.print(f"\n[bold]{text}[/bold]")


class Shell:
    """Runs commands with the local cloud's variables; what they print goes straight to the person.

    Args:
        variables: over those of this process.
        unset: names of variables that the commands must not see.
    """

    def __init__(self, variables: Mapping[str, str], unset: Sequence[str]) -> None:
        present = {name: value for name, value in os.environ.items() if name not in unset}
        self._environment = {**present, **variables}

    def run(self, command: Sequence[str], *, folder: Path = ROOT, code: int = 0) -> None:
        """Run a command to its end.

        Args:
            command: program and arguments; ``python`` is the one that runs this.
            folder: where it runs.
            code: the exit code that it must have.

        Raises:
            DemoError: another exit code.
        """
        program = [sys.executable, *command[1:]] if command[0] == "python" else list(command)
        sys.stdout.flush()
        with subprocess.Popen(program, cwd=folder, env=self._environment, stdin=subprocess.DEVNULL) as child:
            try:
                found = child.wait()
            except (KeyboardInterrupt, Interrupted) as stop:
                # The terminal sends Ctrl-C to both; SIGTERM came to this process alone.
                if isinstance(stop, Interrupted):
                    child.terminate()
                child.wait()
                raise
        if found != code:
            message = (
                f"`{' '.join(command)}` ended with exit code {found}, expected was {code}; it says why above"
            )
            raise DemoError(message)


def watch_sigterm() -> None:
    """Let SIGTERM end the story as Ctrl-C does: what runs is stopped gracefully first."""

    def stop(_number: int, _frame: FrameType | None) -> NoReturn:
        raise Interrupted

    signal.signal(signal.SIGTERM, stop)


def must(fact: bool, otherwise: str) -> None:  # noqa: FBT001  reads as a sentence where it is called
    """Hold the story to a fact.

    Raises:
        DemoError: it is not one.
    """
    if not fact:
        raise DemoError(otherwise)


def _lines(table: Table) -> list[str]:
    wide = Console(width=200, highlight=False)
    with wide.capture() as captured:
        wide.print(table)
    return [line.rstrip() for line in captured.get().splitlines()]
