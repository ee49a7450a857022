"""The paths of the workspace's API. A request is Databricks's when it carries a bearer token, of whatever content."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from typing import Any

from sandbox.cloud.databricks.registry import Record, Refused, Registry
from sandbox.cloud.databricks.webhooks import Webhooks
from sandbox.cloud.faults import Fault, FaultTable
from sandbox.cloud.http import Request, Response

PREFIX = "/api/2.0/"


class Databricks:
    """One workspace.

    Args:
        faults: counts calls, under their method and path, and gives those that are to fail.
    """

    def __init__(self, faults: FaultTable) -> None:
        self._faults = faults
        self._lock = threading.RLock()
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        with self._lock:
            webhooks = Webhooks()
            self._calls = _table(Registry(webhooks.tell), webhooks)

    @staticmethod
    def is_asked(request: Request) -> bool:
        """Say whether a request is for the workspace and not for AWS."""
        bearer = request.header("Authorization").startswith("Bearer ")
        return bearer and request.path.startswith(PREFIX)

    def answer(self, request: Request) -> Response:
        """Answer a call."""
        name = f"{request.method} {request.path.removeprefix(PREFIX)}"
        try:
            _apply(self._faults.call(name))
            call = self._calls.get(name)
            if call is None:
                msg = f"The local cloud does not emulate Databricks's {name}. docs/local-cloud.md lists what it emulates."
                raise Refused("NOT_IMPLEMENTED", msg, 501)
            given = _given(request)
            with self._lock:
                return _json(200, call(given))
        except Refused as refused:
            return _json(refused.status, {"error_code": refused.code, "message": refused.message})


def _apply(fault: Fault | None) -> None:
    if fault is not None and fault.delay:
        time.sleep(fault.delay)
    if fault is not None and fault.error is not None:
        raise Refused(fault.error, fault.message or "Asked for by a fault of the local cloud.", fault.status)


def _given(request: Request) -> Record:
    query = {name: values[0] if len(values) == 1 else values for name, values in request.query.items()}
    try:
        body = json.loads(request.body or b"{}")
    except ValueError:
        raise Refused("MALFORMED_REQUEST", "The body is not JSON.") from None
    if not isinstance(body, dict):
        raise Refused("MALFORMED_REQUEST", "The body is not a JSON object.")
    return {**query, **body}


def _json(status: int, content: Any) -> Response:
    return Response(status, json.dumps(content).encode(), [("Content-Type", "application/json")])


def _table(registry: Registry, webhooks: Webhooks) -> dict[str, Callable[[Record], Record]]:
    return {
        "POST mlflow/registered-models/create": registry.create_model,
        "GET mlflow/registered-models/get": registry.get_model,
        "GET mlflow/databricks/registered-models/get": lambda given: {
            "registered_model_databricks": registry.get_model(given)["registered_model"]
        },
        "GET mlflow/registered-models/list": registry.search_models,
        "GET mlflow/registered-models/search": registry.search_models,
        "DELETE mlflow/registered-models/delete": registry.delete_model,
        "GET mlflow/registered-models/get-latest-versions": registry.latest_versions,
        "POST mlflow/registered-models/get-latest-versions": registry.latest_versions,
        "POST mlflow/model-versions/create": registry.create_version,
        "GET mlflow/model-versions/get": registry.get_version,
        "GET mlflow/model-versions/search": registry.search_versions,
        "PATCH mlflow/model-versions/update": registry.update_version,
        "DELETE mlflow/model-versions/delete": registry.delete_version,
        "POST mlflow/model-versions/set-tag": registry.set_tag,
        "DELETE mlflow/model-versions/delete-tag": registry.delete_tag,
        "GET mlflow/model-versions/get-download-uri": registry.download_uri,
        "POST mlflow/model-versions/transition-stage": registry.transition,
        "POST mlflow/databricks/model-versions/transition-stage": lambda given: {
            "model_version_databricks": registry.transition(given)["model_version"]
        },
        "POST mlflow/registry-webhooks/create": webhooks.create,
        "GET mlflow/registry-webhooks/list": webhooks.list,
        "PATCH mlflow/registry-webhooks/update": webhooks.update,
        "DELETE mlflow/registry-webhooks/delete": webhooks.delete,
        "POST mlflow/registry-webhooks/test": webhooks.test,
    }


OPERATIONS = tuple(_table(Registry(lambda *_: None), Webhooks()))
"""Method and path of each emulated call, as a fault names it."""
