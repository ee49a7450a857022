"""``python -m tools.engine``: the command line."""

import argparse
import signal
import sys
from types import FrameType
from typing import NoReturn

from tools.engine import cache, installer
from tools.engine.errors import EngineError

EXAMPLE = """\
example:
  python -m tools.engine install          # harmless to repeat
  eval "$(python -m tools.engine env)"
  pulumi version
"""


def main(arguments: list[str] | None = None) -> int:
    """Run one command; 0 when it is done, 1 with the reason on stderr when not, 130 when interrupted."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.engine",
        description="Get a Pulumi engine (CLI, Python language host, aws plugin), pinned and cached outside the checkout.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser(
        "install", help="get the engine where it is not there: official release, else built from Go modules"
    )
    commands.add_parser("env", help="print the variables by which a shell uses it, as `export NAME='VALUE'`")
    commands.add_parser("status", help="say what is installed, where, and how large it is")
    command = parser.parse_args(arguments).command
    signal.signal(signal.SIGTERM, _terminated)
    try:
        {"install": installer.install, "env": _print_environment, "status": _print_status}[command]()
    except EngineError as error:
        print(f"engine: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("engine: interrupted; nothing half-made is left, the next run begins anew", file=sys.stderr)
        return 130
    return 0


def _terminated(_signal: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def _print_environment() -> None:
    for name, value in installer.environment().items():
        quoted = value.replace("'", "'\\''")
        print(f"export {name}='{quoted}'")


def _print_status() -> None:
    engine = installer.installed()
    size = sum(
        path.stat().st_size for path in engine.folder.rglob("*") if path.is_file() and not path.is_symlink()
    )
    print(f"{engine.kind} engine in {engine.folder} ({size / 1e6:.0f} MB)")
    print(f"Pulumi CLI {engine.cli}, aws plugin {engine.aws_plugin}")
    if engine.terraform_provider:
        print(f"over {engine.terraform_provider}")
    others = [path for path in cache.root().iterdir() if path.is_dir() and path != engine.folder]
    if others:
        print(f"{len(others)} more in {cache.root()}, of other versions; remove what no checkout uses")


if __name__ == "__main__":
    sys.exit(main())
