"""The runner's short way: a deploy after a verified deploy, when nothing has changed."""

import http.client
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import botocore.session
from botocore.config import Config

from benchmarks.commands import BenchmarkError, say
from benchmarks.engine_path import DEPLOY
from benchmarks.results import Limit, Result
from benchmarks.workspace import REGION, Setting, Workspace, groups_of, workspace

NAME = "no-change"

_LIMITS = {1: Limit(2.0, "seconds"), 100: Limit(4.0, "seconds")}

# How to ask each thing that such a deploy asks: service, method, and which parameter takes the name.
_REQUESTS: Mapping[str, tuple[str, str, Mapping[str, str]]] = {
    "GetCallerIdentity": ("sts", "get_caller_identity", {}),
    "ListModelPackages": ("sagemaker", "list_model_packages", {"ModelPackageGroupName": "{group}"}),
    "DescribeModelPackage": ("sagemaker", "describe_model_package", {"ModelPackageName": "{package}"}),
    "DescribeEndpoint": ("sagemaker", "describe_endpoint", {"EndpointName": "{group}-staging"}),
    "GetParameter": ("ssm", "get_parameter", {"Name": "/model-deployment/staging/last-verified-deploy"}),
}


@dataclass(frozen=True, slots=True)
class RawRequest:
    """A signed request as it goes over the wire."""

    method: str
    path: str
    body: bytes
    headers: dict[str, str]


def run(setting: Setting) -> Iterator[Result]:
    """Measure `deploy` with nothing to do, for 1 and for many endpoints, with the cloud's own time for its calls.

    Raises:
        Skipped: no engine, which is needed to deploy first.
        BenchmarkError: a command failed, or the deploy did not take the short way.
    """
    setting.require_engine()
    for size in (1, setting.many):
        with workspace() as place:
            say(f"  a cloud with {size} deployed endpoints")
            packages = {group: place.register(group) for group in groups_of(size)}
            project = place.make_project(list(packages))
            place.sandbox.control.set_endpoint_seconds(0)
            place.commands.seconds(DEPLOY, project.folder)
            _check_short_way(place.commands.output((*DEPLOY, "--json"), project.folder))
            seconds = []
            for _ in range(setting.rounds):
                place.sandbox.control.forget_calls()
                seconds.append(place.commands.seconds(DEPLOY, project.folder))
                say(f"  deploy, {size}: {seconds[-1]:.2f} s")
            calls = place.sandbox.control.calls()
            group, arn = next(iter(packages.items()))
            raw_s = sum(
                _answering_seconds(place, raw_request(place, operation, group=group, package=arn), count)
                for operation, count in calls.items()
            )
            profile = place.commands.profile(DEPLOY, project.folder)
            facts = {"calls": sum(calls.values()), "the same calls alone (s)": round(raw_s, 3)}
            yield Result(
                NAME,
                "deploy, no change",
                size,
                tuple(seconds),
                limit=_LIMITS.get(size),
                facts=facts,
                profiles=(profile,),
            )


def raw_request(place: Workspace, operation: str, *, group: str, package: str) -> RawRequest:
    """Let botocore make and sign a request, and keep it instead of sending it.

    Args:
        place: whose cloud is asked.
        operation: AWS's name.
        group: model package group.
        package: ARN of a version of it.

    Raises:
        BenchmarkError: the deploy made a call that is not known here.
    """
    if operation not in _REQUESTS:
        message = (
            f"the deploy called {operation}, which benchmarks/no_change.py has no request for; add one there"
        )
        raise BenchmarkError(message)
    service, method, parameters = _REQUESTS[operation]
    kept: list[RawRequest] = []

    def keep(request: Any, **_: Any) -> Any:
        headers = {name: _text(value) for name, value in request.headers.items()}
        url = urlsplit(request.url)
        kept.append(RawRequest(request.method, url.path or "/", request.body or b"", headers))
        raise _KeptError

    client: Any = botocore.session.Session().create_client(
        service,
        region_name=REGION,
        endpoint_url=place.variables["AWS_ENDPOINT_URL"],
        aws_access_key_id=place.variables["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=place.variables["AWS_SECRET_ACCESS_KEY"],
        config=Config(retries={"total_max_attempts": 1}),
    )
    client.meta.events.register("before-send", keep)
    with suppress(_KeptError):
        getattr(client, method)(
            **{key: value.format(group=group, package=package) for key, value in parameters.items()}
        )
    return kept[0]


class _KeptError(Exception):
    """The request is made, and must not be sent."""


def _answering_seconds(place: Workspace, request: RawRequest, count: int) -> float:
    """Seconds in which the cloud answers a request so many times, one after another over one connection."""
    address = urlsplit(place.variables["AWS_ENDPOINT_URL"])
    connection = http.client.HTTPConnection(str(address.hostname), address.port, timeout=30)
    try:
        started = time.monotonic()
        for _ in range(count):
            connection.request(request.method, request.path, request.body, request.headers)
            answer = connection.getresponse()
            answer.read()
            if answer.status != 200:
                message = f"the cloud answered {answer.status} to {request.headers.get('X-Amz-Target')}"
                raise BenchmarkError(message)
        return time.monotonic() - started
    finally:
        connection.close()


def _check_short_way(report: str) -> None:
    if "no changes since the last verified deploy" not in report:
        message = f"a deploy after a verified one did not take the short way; it said: {report[:300]}"
        raise BenchmarkError(message)


def _text(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
