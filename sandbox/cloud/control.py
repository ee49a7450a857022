"""The control API of the local cloud, JSON under `/sandbox/`: for tests, benchmarks and trials by hand.

| request | what it does |
|---|---|
| GET /sandbox/health | who answers: home, pid, url, and MLflow's url or null |
| GET, POST, DELETE /sandbox/faults | list, add (a Fault's members), clear |
| GET, DELETE /sandbox/calls | number of calls by operation; forget them |
| GET, PUT /sandbox/endpoint-seconds | how long an endpoint's transitions take: `{"seconds": 2}` |
| POST /sandbox/fire | send the event of a rule with a schedule now: `{"rule": "name"}` |
| PUT /sandbox/source | the folder that stands for every repository that a build wants: `{"folder": "/path"}` |
| POST, DELETE /sandbox/mlflow | start MLflow's server and answer when it does; stop it, with all that it holds |
| POST /sandbox/reset | forget all resources, faults and counters |
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sandbox.cloud.faults import Fault
from sandbox.cloud.http import Request, Response
from sandbox.cloud.mlflow_server import MlflowError
from sandbox.cloud.moto_services import ACCOUNT
from sandbox.cloud.operations import name_problem
from sandbox.environment import REGION

if TYPE_CHECKING:
    from sandbox.cloud.router import Cloud


class BadRequest(Exception):
    """The request of the control API cannot be used; the text says why."""


def answer(cloud: Cloud, request: Request) -> Response:
    """Answer a request of the control API."""
    action = _ACTIONS.get((request.method, request.path))
    if action is None:
        known = ", ".join(sorted(f"{method} {path}" for method, path in _ACTIONS))
        return _json(404, {"error": f"{request.method} {request.path} is not known. Known: {known}"})
    try:
        return _json(200, action(cloud, request))
    except BadRequest as error:
        return _json(400, {"error": str(error)})


def _json(status: int, content: object) -> Response:
    return Response(status, json.dumps(content).encode(), [("Content-Type", "application/json")])


def _body(request: Request) -> dict[str, Any]:
    try:
        content = json.loads(request.body)
    except ValueError:
        raise BadRequest("the body is not JSON") from None
    if not isinstance(content, dict):
        raise BadRequest("the body is not a JSON object")
    return content


def _health(cloud: Cloud, _: Request) -> object:
    return cloud.health()


def _list_faults(cloud: Cloud, _: Request) -> object:
    return cloud.faults.listed()


def _add_fault(cloud: Cloud, request: Request) -> object:
    try:
        fault = Fault(**_body(request))
        problems = [*filter(None, [name_problem(fault.operation)]), *fault.problems()]
    except (AttributeError, TypeError) as error:
        msg = f"not a fault: {error}"
        raise BadRequest(msg) from error
    if problems:
        raise BadRequest("; ".join(problems))
    cloud.faults.add(fault)
    return cloud.faults.listed()


def _clear_faults(cloud: Cloud, _: Request) -> object:
    cloud.faults.clear()
    return []


def _calls(cloud: Cloud, _: Request) -> object:
    return cloud.faults.calls()


def _forget_calls(cloud: Cloud, _: Request) -> object:
    cloud.faults.forget_calls()
    return {}


def _endpoint_seconds(cloud: Cloud, _: Request) -> object:
    return {"seconds": cloud.around.endpoint_seconds}


def _set_endpoint_seconds(cloud: Cloud, request: Request) -> object:
    seconds = _body(request).get("seconds")
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 <= seconds <= 3600:
        msg = f"seconds is {seconds!r}; allowed are 0 to 3600"
        raise BadRequest(msg)
    cloud.around.endpoint_seconds = float(seconds)
    return {"seconds": seconds}


def _fire(cloud: Cloud, request: Request) -> object:
    content = _body(request)
    name = content.get("rule")
    if not cloud.schedules.fire(content.get("account", ACCOUNT), content.get("region", REGION), str(name)):
        msg = f"there is no enabled rule {name!r} with a schedule; make one with PutRule, ScheduleExpression rate(...)"
        raise BadRequest(msg)
    return {"rule": name}


def _set_source(cloud: Cloud, request: Request) -> object:
    folder = _body(request).get("folder")
    if not isinstance(folder, str) or not Path(folder).is_dir():
        msg = f"folder is {folder!r}; allowed is a folder of this machine"
        raise BadRequest(msg)
    cloud.codebuild.local = Path(folder).absolute()
    return {"folder": folder}


def _start_mlflow(cloud: Cloud, _: Request) -> object:
    try:
        return {"url": cloud.mlflow.start()}
    except MlflowError as error:
        raise BadRequest(str(error)) from error


def _stop_mlflow(cloud: Cloud, _: Request) -> object:
    return {"stopped": cloud.mlflow.stop()}


def _reset(cloud: Cloud, _: Request) -> object:
    cloud.reset()
    return {}


_ACTIONS: dict[tuple[str, str], Callable[[Cloud, Request], object]] = {
    ("GET", "/sandbox/health"): _health,
    ("GET", "/sandbox/faults"): _list_faults,
    ("POST", "/sandbox/faults"): _add_fault,
    ("DELETE", "/sandbox/faults"): _clear_faults,
    ("GET", "/sandbox/calls"): _calls,
    ("DELETE", "/sandbox/calls"): _forget_calls,
    ("GET", "/sandbox/endpoint-seconds"): _endpoint_seconds,
    ("PUT", "/sandbox/endpoint-seconds"): _set_endpoint_seconds,
    ("POST", "/sandbox/fire"): _fire,
    ("PUT", "/sandbox/source"): _set_source,
    ("POST", "/sandbox/mlflow"): _start_mlflow,
    ("DELETE", "/sandbox/mlflow"): _stop_mlflow,
    ("POST", "/sandbox/reset"): _reset,
}
