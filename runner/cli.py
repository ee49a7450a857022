"""Command line: argv in, one report or one error out, and an exit code (runner.errors)."""

import argparse
import json
import math
import re
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from registry import (
    AccessRefusedError,
    NameCollisionError,
    RegistryError,
    UnavailableError,
    UnknownGroupError,
)
from runner import deploy, destroy, verify
from runner.deploy import Options
from runner.errors import (
    BackendAccessError,
    Cancelled,
    ResourceFailure,
    RunnerError,
    SettingsRefused,
    Unavailable,
)
from runner.process import Interrupted, PulumiProcess
from runner.redact import redact
from runner.report import Report, show
from runner.session import Session, find_root

Command = Callable[[Session, Options], Report]


@dataclass(frozen=True, slots=True)
class _Entry:
    run: Command
    help: str
    writes: bool = False


_COMMANDS: dict[str, _Entry] = {
    "check": _Entry(
        lambda session, _: verify.check(session), "check settings and config/inference.yaml, offline"
    ),
    "resolve": _Entry(
        lambda session, _: verify.resolve(session), "read the registry: what should be deployed, and what not"
    ),
    "preview": _Entry(deploy.preview, "say what deploy would do; changes nothing"),
    "deploy": _Entry(
        deploy.deploy, "make the endpoints equal to the registry, and see them serve", writes=True
    ),
    "verify": _Entry(
        lambda session, _: verify.verify(session), "see every endpoint InService on what was deployed"
    ),
    "status": _Entry(lambda session, _: verify.status(session), "say what is live, wanted and deployed"),
    "destroy": _Entry(destroy.destroy, "delete the stack's endpoints and all that is theirs", writes=True),
}

_EXAMPLES = """examples:
  python -m runner check staging
  python -m runner deploy staging
  python -m runner preview production --json

exit codes: 0 done, 1 other errors, 2 settings, 3 access, 4 AWS or an endpoint failed, 5 a guard refused, 6 no such stack,
8 stopped by a signal, 75 the stack is busy (try again)
"""
_STACK_NAME = re.compile(r"[A-Za-z0-9._-]{1,100}")


def main(argv: Sequence[str]) -> int:
    """Run one command; the exit code."""
    try:
        args = _parser().parse_args(argv)
    except SystemExit as stop:
        if stop.code and "--json" in argv:
            return _fail(SettingsRefused("wrong command line; stderr has the usage"), as_json=True)
        raise
    started = time.monotonic()
    process = PulumiProcess()
    process.watch_signals()
    try:
        with Session(find_root(Path.cwd()), args.stack, process=process, say=_say) as session:
            report = _COMMANDS[args.command].run(session, _options(args))
    except RunnerError as error:
        return _fail(error, as_json=args.json)
    except Interrupted as stopped:
        return _fail(Cancelled(str(stopped)), as_json=args.json)
    except RegistryError as error:
        return _fail(_translated(error), as_json=args.json)
    except Exception as error:  # noqa: BLE001  the last resort: a defect of ours must still end with a document and a code
        print(redact(traceback.format_exc()), file=sys.stderr)
        text = f"unexpected {type(error).__name__}: {error}. This is a defect of the runner; please report the lines above"
        return _fail(RunnerError(text), as_json=args.json)
    report = replace(report, seconds=round(time.monotonic() - started, 2))
    if args.json:
        print(report.to_json())
    else:
        show(report)
    return 0


def _parser() -> argparse.ArgumentParser:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(
        prog="python -m runner",
        description=__doc__,
        epilog=_EXAMPLES,
        formatter_class=raw,
        allow_abbrev=False,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, entry in _COMMANDS.items():
        example = f"example:\n  python -m runner {name} staging"
        command = commands.add_parser(
            name,
            help=entry.help,
            description=entry.help,
            epilog=example,
            formatter_class=raw,
            allow_abbrev=False,
        )
        command.add_argument("stack", type=_stack_name, help="the Pulumi stack: staging or production")
        command.add_argument("--json", action="store_true", help="print one JSON document instead of a table")
        if entry.writes or name == "preview":
            command.add_argument(
                "--allow-removals",
                action="store_true",
                help="let the run delete more endpoints than maxRemovals",
            )
        if entry.writes:
            command.add_argument(
                "--lock-timeout",
                type=_seconds,
                default=1800.0,
                metavar="SECONDS",
                help="wait for another update (default 1800)",
            )
        if name == "deploy":
            command.add_argument(
                "--full",
                action="store_true",
                help="take the full path although nothing seems to have changed",
            )
    return parser


def _stack_name(text: str) -> str:
    if not _STACK_NAME.fullmatch(text):
        message = f"{text!r} is no stack name: letters, digits, '.', '_' and '-' only"
        raise argparse.ArgumentTypeError(message)
    return text


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < math.inf:
        message = f"{text!r} is no time to wait: seconds, 0 or more"
        raise argparse.ArgumentTypeError(message)
    return seconds


def _options(args: argparse.Namespace) -> Options:
    return Options(
        full=getattr(args, "full", False),
        allow_removals=getattr(args, "allow_removals", False),
        lock_timeout_s=getattr(args, "lock_timeout", 0.0),
    )


def _translated(error: RegistryError) -> RunnerError:
    if isinstance(error, AccessRefusedError):
        return BackendAccessError(str(error))
    if isinstance(error, UnknownGroupError | NameCollisionError):
        return SettingsRefused(str(error))
    return Unavailable(str(error)) if isinstance(error, UnavailableError) else ResourceFailure(str(error))


def _fail(error: RunnerError, *, as_json: bool) -> int:
    text = redact(str(error))
    if as_json:
        document = {"ok": False, "error": text, "exit_code": error.exit_code, "retryable": error.retryable}
        print(json.dumps(document, indent=2))
    else:
        print(f"error: {text}", file=sys.stderr)
    return error.exit_code


def _say(line: str) -> None:
    print(redact(line), file=sys.stderr, flush=True)
