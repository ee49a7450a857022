"""The cloud as one function from request to response."""

from __future__ import annotations

import logging
import os
import time
from dataclasses import dataclass
from pathlib import Path

from sandbox.cloud import control
from sandbox.cloud.answers import error_response
from sandbox.cloud.checks import check
from sandbox.cloud.codebuild.service import CodeBuild
from sandbox.cloud.databricks.service import Databricks
from sandbox.cloud.delivery import Delivery
from sandbox.cloud.errors import AwsError
from sandbox.cloud.events import Publisher
from sandbox.cloud.faults import Fault, FaultTable
from sandbox.cloud.functions.found import find, permitted
from sandbox.cloud.functions.pool import FunctionPool
from sandbox.cloud.functions.service import Functions
from sandbox.cloud.gateway.service import PREFIX, Gateway
from sandbox.cloud.http import Request, Response
from sandbox.cloud.inside import ACCOUNT_HEADER, Inside
from sandbox.cloud.logs import write_function_log
from sandbox.cloud.mlflow_server import MlflowServer
from sandbox.cloud.moto_mends import SEAMS
from sandbox.cloud.moto_services import (
    ACCOUNT,
    access_key_of,
    account_of,
    call_moto,
    read_object,
    reset_moto,
)
from sandbox.cloud.operations import INVOCATION, Target, identify
from sandbox.cloud.sagemaker.runtime import invoke_endpoint
from sandbox.cloud.sagemaker.service import SageMaker
from sandbox.cloud.sagemaker.state import Surroundings
from sandbox.cloud.scheduler import Scheduler
from sandbox.cloud.schedules import Schedules
from sandbox.cloud.scoring.pool import ScorerPool
from sandbox.environment import REGION
from sandbox.files import read_source

LOG = logging.getLogger(__name__)
RULE_CHANGES = frozenset(
    {"PutRule", "EnableRule", "DisableRule", "DeleteRule", "PutTargets", "RemoveTargets"}
)


@dataclass(frozen=True, slots=True)
class Place:
    """Where the cloud lives: its folder and its address."""

    home: Path
    host: str
    port: int

    @property
    def url(self) -> str:
        """What AWS_ENDPOINT_URL is set to."""
        return f"http://{self.host}:{self.port}"


class Cloud:
    """All services, the faults, and the control API under `/sandbox/`."""

    def __init__(self, place: Place, endpoint_seconds: float) -> None:
        self.place = place
        self.faults = FaultTable()
        self.default_endpoint_seconds = endpoint_seconds
        self.scorers = ScorerPool(
            place.home / "models",
            place.home / "logs",
            lambda container: read_object(container.account, container.model_data_url or ""),
            {**self._variables(ACCOUNT), "AWS_REGION": REGION},
        )
        self.around = Surroundings(Scheduler(), Publisher(), self.scorers, endpoint_seconds)
        self.sagemaker = SageMaker(self.around)
        self.inside = Inside(self.answer)
        later = self.around.scheduler.after
        pool = FunctionPool(
            place.home / "functions", place.home / "logs", self._variables, write_function_log
        )
        self.functions = Functions(pool, self.inside, later)
        self.gateway = Gateway(self.functions, f"{place.host}:{place.port}")
        self.delivery = Delivery(self.inside, self.around.scheduler, permitted)
        self.schedules = Schedules(self.around.scheduler, self.delivery.send)
        self.codebuild = CodeBuild(
            place.home, self.inside, self._variables, self.around.events, read_source()
        )
        self.mlflow = MlflowServer(
            place.home, place.host, place.port, self._variables(ACCOUNT), self._make_bucket
        )
        self.databricks = Databricks(self.faults)
        SEAMS.url = place.url
        SEAMS.send_to_targets = self.delivery.send_to_targets
        SEAMS.enqueue = lambda arn, event: self.functions.enqueue(find("", "", arn), event)

    def answer(self, request: Request) -> Response:
        """Answer any request; never raises."""
        protocol, operation = "json", f"{request.method} {request.path}"
        try:
            if request.path.startswith("/sandbox/"):
                return control.answer(self, request)
            if request.path.startswith(PREFIX):
                return self.gateway.answer(request)
            if Databricks.is_asked(request):
                return self.databricks.answer(request)
            target = identify(request)
            protocol, operation = target.protocol, target.operation
            fault = self.faults.call(operation)
            _apply(fault)
            return self._dispatch(target, request, fault)
        except AwsError as error:
            LOG.info("%s: %s: %s", operation, error.code, error.message)
            return error_response(error, protocol)
        except Exception as error:
            LOG.exception("%s broke", operation)
            broken = (
                f"The local cloud broke on {operation}: {type(error).__name__}: {error}. Its log has more."
            )
            return error_response(AwsError("InternalFailure", broken, 500), protocol)

    def _dispatch(self, target: Target, request: Request, fault: Fault | None) -> Response:
        account = request.header(ACCOUNT_HEADER) or account_of(target.access_key)
        if target.service == "sagemaker":
            body = self.sagemaker.call(account, target.region, target.operation, request.body, fault)
            return Response(200, body, [("Content-Type", "application/x-amz-json-1.1")])
        if target.service == "codebuild":
            body = self.codebuild.call(account, target.region, target.operation, request, fault)
            return Response(200, body, [("Content-Type", "application/x-amz-json-1.1")])
        if target.service == "sagemaker-runtime":
            found = INVOCATION.search(request.path)
            assert found is not None
            state = self.sagemaker.state(account, target.region)
            return invoke_endpoint(state, self.scorers, found[1], request)
        if (target.service, target.operation) == ("lambda", "Invoke"):
            return self.functions.answer(account, target.region, request)
        check(target.service, target.operation, request)
        if target.service == "events" and target.operation in RULE_CHANGES:
            self.around.events.settle()
        address = (self.place.host, self.place.port)
        response = call_moto(account, target.service, target.operation, request, address)
        if target.service == "events" and target.operation in ("PutRule", "EnableRule"):
            self.schedules.arm(account, target.region)
        if (target.service, target.operation) == ("lambda", "DeleteFunction"):
            self.functions.pool.drop(request.path.rsplit("/", 1)[-1])
        return response

    def reset(self) -> None:
        """Forget all resources, faults and counters."""
        self.schedules.forget()
        self.codebuild.reset()
        self.functions.pool.release_all()
        self.gateway.throttle.forget()
        self.sagemaker.reset()
        self.around.events.settle()
        reset_moto()
        self.mlflow.reset()
        self.databricks.reset()
        self.faults.clear()
        self.faults.forget_calls()
        self.around.endpoint_seconds = self.default_endpoint_seconds

    def close(self) -> None:
        """End all containers, functions and builds, and MLflow's server."""
        self.mlflow.stop()
        self.codebuild.reset()
        self.functions.pool.release_all()
        self.scorers.release_all()

    def _make_bucket(self, name: str) -> None:
        self.inside.client("s3", ACCOUNT, REGION).create_bucket(Bucket=name)

    def _variables(self, account: str) -> dict[str, str]:
        """Give what tells a process of an account where the cloud is."""
        return {
            "AWS_ENDPOINT_URL": self.place.url,
            "AWS_ACCESS_KEY_ID": access_key_of(account),
            "AWS_SECRET_ACCESS_KEY": "local",
        }

    def health(self) -> dict[str, object]:
        """Say who answers here."""
        return {
            "home": str(self.place.home),
            "pid": os.getpid(),
            "url": self.place.url,
            "mlflow": self.mlflow.url,
        }


def _apply(fault: Fault | None) -> None:
    if fault is None:
        return
    if fault.delay:
        time.sleep(fault.delay)
    if fault.error is not None:
        message = fault.message or f"Asked for by a fault of the local cloud: {fault.error}."
        raise AwsError(fault.error, message, fault.status)
