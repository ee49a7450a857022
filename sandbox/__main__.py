"""The command line of the local cloud: `python -m sandbox start | stop | status | env | reset | fault`."""

from __future__ import annotations

import argparse
import dataclasses
import json
import shlex
import sys
from collections.abc import Callable, Sequence

from sandbox.environment import UNSET, engine_environment
from sandbox.files import SandboxError, default_home
from sandbox.process import Sandbox

EPILOG = """example:
  python -m sandbox start
  eval "$(python -m sandbox env)"
  aws s3 mb s3://models          # or boto3, terraform, pulumi: all of them use the local cloud now
  python -m sandbox start --mlflow   # and MLFLOW_TRACKING_URI leads to a real MLflow server
  python -m sandbox fault ListModelPackages --error InternalFailure --skip 1
  python -m sandbox stop

environment: SANDBOX_HOME (folder, default .sandbox in the checkout), SANDBOX_PORT (default 5566, 0: any free port),
SANDBOX_SOURCE (folder that stands for every repository that a build wants),
SANDBOX_ENDPOINT_SECONDS (how long an endpoint is Creating, Updating, ...; default 2)
"""


def _start(sandbox: Sandbox, arguments: argparse.Namespace) -> int:
    if arguments.mlflow:
        print("MLflow's server takes some ten seconds to start …", file=sys.stderr, flush=True)
    started = sandbox.start(mlflow=arguments.mlflow)
    status = sandbox.status()
    print(f"The local cloud {'is ready' if started else 'runs already'} at {status.url} (log: {status.log}).")
    if status.mlflow:
        print(f"MLflow is ready at {status.mlflow}.")
    print('Use it in this shell: eval "$(python -m sandbox env)"')
    return 0


def _stop(sandbox: Sandbox, _: argparse.Namespace) -> int:
    print("The local cloud is stopped." if sandbox.stop() else "The local cloud was not running.")
    return 0


def _status(sandbox: Sandbox, arguments: argparse.Namespace) -> int:
    status = sandbox.status()
    if arguments.json:
        print(json.dumps(dataclasses.asdict(status)))
    elif status.running:
        print(
            f"The local cloud of {status.home} runs at {status.url} (process {status.pid}, log {status.log})."
        )
        print(
            f"MLflow runs at {status.mlflow}." if status.mlflow else "MLflow does not run (start --mlflow)."
        )
    else:
        print(f"The local cloud of {status.home} does not run.")
    return 0 if status.running else 1


def _env(sandbox: Sandbox, _: argparse.Namespace) -> int:
    lines = [f"export {name}={shlex.quote(value)}" for name, value in sandbox.environment().items()]
    print("\n".join([f"unset {' '.join(UNSET)}", *lines]))
    if not engine_environment():
        print("No Pulumi engine is installed (make setup), so none is in these variables.", file=sys.stderr)
    return 0


def _reset(sandbox: Sandbox, _: argparse.Namespace) -> int:
    sandbox.reset()
    print(f"The local cloud and Pulumi's state folder ({sandbox.files.state}) are empty.")
    return 0


def _fault(sandbox: Sandbox, arguments: argparse.Namespace) -> int:
    if arguments.clear:
        sandbox.control.clear_faults()
        print("All faults are cleared.")
        return 0
    if arguments.operation is None:
        print(json.dumps(sandbox.control.faults(), indent=2))
        return 0
    plain = arguments.outcome is None and not arguments.delay
    sandbox.inject(
        arguments.operation,
        error=arguments.error or ("InternalFailure" if plain else None),
        status=arguments.status,
        message=arguments.message,
        count=arguments.count,
        skip=arguments.skip,
        delay=arguments.delay,
        outcome=arguments.outcome,
    )
    times = "every call" if arguments.count is None else f"{arguments.count} call(s)"
    print(f"The fault waits for {arguments.operation}: {times} after {arguments.skip} that pass.")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m sandbox",
        description="A local AWS for the demo and the tests. docs/local-cloud.md says what it emulates.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def add(name: str, run: Callable[..., int], text: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=text, description=text[:1].upper() + text[1:] + ".")
        command.set_defaults(run=run)
        return command

    start = add("start", _start, "start it and return when it answers; harmless when it runs")
    start.add_argument(
        "--mlflow", action="store_true", help="with a real MLflow server; also beside a cloud that runs"
    )
    add("stop", _stop, "stop it; nothing is left behind but its logs")
    status = add("status", _status, "say whether it runs; exit code 0 or 1")
    status.add_argument("--json", action="store_true", help="print one JSON document")
    add("env", _env, 'print export lines for eval "$(python -m sandbox env)"')
    add("reset", _reset, "empty the cloud, MLflow's store and Pulumi's state folder")
    fault = add("fault", _fault, "let calls of an operation fail; without OPERATION list what waits")
    fault.add_argument("operation", nargs="?", metavar="OPERATION", help="for example ListModelPackages")
    fault.add_argument("--error", metavar="CODE", help="AWS error code (default InternalFailure)")
    fault.add_argument("--status", type=int, default=500, help="HTTP status of the error (default 500)")
    fault.add_argument("--message", default="", help="text of the error, or failure reason of the outcome")
    fault.add_argument("--count", type=int, metavar="N", help="how many calls are hit (default: all)")
    fault.add_argument(
        "--skip", type=int, default=0, metavar="N", help="how many calls pass first (default 0)"
    )
    fault.add_argument("--delay", type=float, default=0.0, metavar="SECONDS", help="wait before the answer")
    fault.add_argument(
        "--outcome",
        metavar="OUTCOME",
        help="accept the call, but end it so: CreateEndpoint Failed; UpdateEndpoint RolledBack (silently), "
        "RollingBack (visibly) or UpdateRollbackFailed; StartBuild FAILED, FAULT, TIMED_OUT or STOPPED",
    )
    fault.add_argument("--clear", action="store_true", help="remove all faults")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit code is 0, or 1 with one message on stderr."""
    parsed = _parser().parse_args(arguments)
    try:
        code: int = parsed.run(Sandbox(default_home()), parsed)
    except SandboxError as error:
        print(error, file=sys.stderr)
        return 1
    return code


if __name__ == "__main__":
    sys.exit(main())
