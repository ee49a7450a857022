"""Command line of the benchmarks: measures, prints, and writes build/benchmarks.json."""

import argparse
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NoReturn

from benchmarks import engine_path, growth, machine, no_change, registry_read, repack, webhook
from benchmarks.commands import BenchmarkError, Skipped, say
from benchmarks.report import Report, show
from benchmarks.results import Result, Unmeasured
from benchmarks.workspace import ROOT, Setting
from sandbox import SandboxError
from tools import engine

FILE = ROOT / "build" / "benchmarks.json"
_MODULES = (engine_path, no_change, registry_read, repack, webhook, growth)
BENCHMARKS: Mapping[str, Callable[[Setting], Iterator[Result]]] = {
    module.NAME: module.run for module in _MODULES
}
_ROUNDS = 5

_EPILOG = """benchmarks:
{names}

each benchmark has a local cloud and a project of its own; nothing of this checkout is touched.
exit code: 0 everything was measured or left out with a reason (targets are shown, not enforced), 1 something failed
"""


def main(argv: Sequence[str]) -> int:
    """Measure what was asked for; the exit code."""
    args = _parser().parse_args(argv)
    if not machine.is_supported():
        print("the benchmarks watch processes by Linux's /proc; this is another system", file=sys.stderr)
        return 1
    signal.signal(signal.SIGTERM, _stop)
    report = measure(args.only or list(BENCHMARKS), rounds=args.rounds, quick=args.quick, argv=argv)
    FILE.parent.mkdir(exist_ok=True)
    FILE.write_text(report.to_json() + "\n")
    if args.json:
        print(report.to_json())
    else:
        show(report)
    say(f"written: {FILE}")
    return int(any(missing.failed for missing in report.unmeasured))


def measure(names: Sequence[str], *, rounds: int, quick: bool, argv: Sequence[str]) -> Report:
    """Run benchmarks by name, one after the other; one that fails does not keep the others from being measured."""
    setting = Setting(_engine(), 1 if quick else rounds, quick)
    load_before, started = machine.load(), time.monotonic()
    results: list[Result] = []
    unmeasured: list[Unmeasured] = []
    for name in names:
        say(f"{name}:")
        try:
            results.extend(BENCHMARKS[name](setting))  # keeps what was measured before a failure
        except Skipped as missing:
            unmeasured.append(Unmeasured(name, str(missing), failed=False))
        except (BenchmarkError, SandboxError) as error:
            unmeasured.append(Unmeasured(name, str(error), failed=True))
            say(f"  failed: {error}")
        except (KeyboardInterrupt, _StoppedError):
            unmeasured.append(Unmeasured(name, "stopped by a signal; so were those after it", failed=True))
            break
    return Report(
        command=" ".join(["python -m benchmarks", *argv]),
        quick=quick,
        rounds=setting.rounds,
        machine=machine.describe(setting.engine, _terraform_version()),
        load_before=load_before,
        load_after=machine.load(),
        seconds=round(time.monotonic() - started, 1),
        results=tuple(results),
        unmeasured=tuple(unmeasured),
    )


class _StoppedError(Exception):
    """SIGTERM came."""


def _stop(_number: int, _frame: object) -> NoReturn:
    raise _StoppedError


def _engine() -> engine.Engine | None:
    try:
        return engine.installed()
    except engine.EngineError:
        return None


def _terraform_version() -> str | None:
    environment = {**os.environ, "TF_CLI_CONFIG_FILE": os.devnull, "CHECKPOINT_DISABLE": "1"}
    try:
        done = subprocess.run(
            ("terraform", "version"), env=environment, capture_output=True, text=True, timeout=60, check=False
        )
    except FileNotFoundError:
        return None
    found = re.search(r"v(\d+\.\d+\.\d+\S*)", done.stdout)
    return found[1] if found else None


def _parser() -> argparse.ArgumentParser:
    names = "\n".join(f"  {module.NAME:<14} {str(module.__doc__).splitlines()[0]}" for module in _MODULES)
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measure speed and memory on local clouds of their own.",
        epilog=_EPILOG.format(names=names),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--json", action="store_true", help="print the JSON document instead of tables")
    parser.add_argument(
        "--only",
        action="append",
        choices=list(BENCHMARKS),
        metavar="NAME",
        help="only this benchmark; may be repeated",
    )
    parser.add_argument(
        "--rounds",
        type=_positive,
        default=_ROUNDS,
        metavar="N",
        help=f"pairs of each comparison (default {_ROUNDS})",
    )
    parser.add_argument(
        "--quick", action="store_true", help="one round of small sizes: see that everything works"
    )
    return parser


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        message = f"{text!r} is not a number of rounds: 1 or more"
        raise argparse.ArgumentTypeError(message)
    return int(text)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
