"""The neighbour of moto: which of its services this cloud lets through, and what is mended in them.

moto (pinned) is not thread-safe, so each service is called by one thread at a time. Its imports are slow; a service
is loaded when it is first called.
"""

from __future__ import annotations

import functools
import io
import json
import sys
import threading
from collections import defaultdict
from enum import Enum
from typing import Any

from sandbox.cloud.errors import not_emulated
from sandbox.cloud.events import refused_targets, send_to_targets
from sandbox.cloud.http import Request, Response

ALARMS = frozenset(
    {
        "PutMetricAlarm",
        "DescribeAlarms",
        "DescribeAlarmsForMetric",
        "DeleteAlarms",
        "SetAlarmState",
        "EnableAlarmActions",
        "DisableAlarmActions",
        "ListTagsForResource",
        "TagResource",
        "UntagResource",
    }
)
SERVICES: dict[str, frozenset[str] | None] = {
    "application-autoscaling": None,
    "events": None,
    "iam": None,
    "kms": None,
    "logs": frozenset(
        {
            "CreateLogGroup",
            "DeleteLogGroup",
            "DescribeLogGroups",
            "PutRetentionPolicy",
            "ListTagsForResource",
            "TagResource",
            "UntagResource",
        }
    ),
    "monitoring": ALARMS,
    "s3": None,
    "sqs": None,
    "ssm": None,
    "sts": None,
}
"""Signing name of each service that moto answers, and which of its operations; None: all that moto has."""

ACCOUNT = "123456789012"
"""The local cloud's account."""

MODULES = {"application-autoscaling": "applicationautoscaling", "monitoring": "cloudwatch"}
"""moto's name of a service, where it is not the signing name."""

_LOADING = threading.RLock()
_LOADED: set[str] = set()
_LOCKS: defaultdict[str, threading.RLock] = defaultdict(threading.RLock)
_LOCKS_LOCK = threading.Lock()


def locked(service: str) -> threading.RLock:
    """Give the lock of a moto service. Take `events` before `sqs`, never the other way round."""
    with _LOCKS_LOCK:
        return _LOCKS[service]


def account_of(access_key: str) -> str:
    """Give the account of an access key: that of an assumed role, else the local cloud's own."""
    if not is_loaded("iam"):
        return ACCOUNT
    from moto.iam.models import get_account_id_from

    return str(get_account_id_from(access_key))


def call_moto(
    account: str, service: str, operation: str, request: Request, address: tuple[str, int]
) -> Response:
    """Let moto answer a call.

    Raises:
        AwsError: neither this cloud nor moto emulates it.
    """
    _check_emulated(service, operation, request)
    load(service)
    with locked(service):
        if service == "iam" and (operation == "ListPolicies" or b"%3Aiam%3A%3Aaws%3Apolicy" in request.body):
            _give_managed_policies(account)
        return _call_wsgi(_application(), service, operation, request, address)


def _check_emulated(service: str, operation: str, request: Request) -> None:
    operations = SERVICES.get(service, frozenset())
    if operations is not None and operation not in operations:
        msg = f"{service} {operation}"
        raise not_emulated(msg)
    if (service, operation) == ("events", "PutTargets"):
        targets = refused_targets(json.loads(request.body or b"{}").get("Targets") or [])
        if targets:
            msg = f"events rules with targets other than SQS queues ({', '.join(targets)})"
            raise not_emulated(msg)
    if (service, operation) == ("events", "TestEventPattern"):
        raise not_emulated("events TestEventPattern")


def load(service: str) -> None:
    """Import and mend a service once; one at a time, as moto's modules import each other in circles."""
    if is_loaded(service):
        return
    with _LOADING:
        if is_loaded(service):
            return
        from moto.moto_server.werkzeug_app import create_backend_app

        create_backend_app(MODULES.get(service, service))
        mend = {"events": _mend_events, "application-autoscaling": _mend_autoscaling, "iam": _mend_iam}
        mend.get(service, lambda: None)()
        _LOADED.add(service)


def is_loaded(service: str) -> bool:
    """Say whether a service was called or loaded; one that was not holds nothing."""
    return service in _LOADED


def load_early() -> None:
    """Load what every run calls first, so that the first call does not wait a second for it."""
    for service in ("sts", "s3", "iam"):
        load(service)


@functools.cache
def _application() -> Any:
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

    return DomainDispatcherApplication(create_backend_app)


def _call_wsgi(
    application: Any, service: str, operation: str, request: Request, address: tuple[str, int]
) -> Response:
    status, headers = 500, list[tuple[str, str]]()

    def start_response(line: str, given: list[tuple[str, str]], *_: object) -> None:
        nonlocal status, headers
        status, headers = int(line.split()[0]), given

    environ = _environ(request, address)
    try:
        answer = application.get_application(environ)(environ, start_response)
        body = b"".join(answer)
        if hasattr(answer, "close"):
            answer.close()
    except NotImplementedError as error:
        msg = f"{service} {operation} ({error})"
        raise not_emulated(msg) from error
    return Response(status, body, [(name, value) for name, value in headers if name.lower() != "connection"])


def _environ(request: Request, address: tuple[str, int]) -> dict[str, Any]:
    from moto.core.request import (
        PRESERVED_HEADER_NAMES_ENVIRON_KEY,
        environ_key_for_header,
        should_preserve_original_header_name,
    )

    environ: dict[str, Any] = {
        "REQUEST_METHOD": request.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": request.path.encode().decode("latin-1"),
        "QUERY_STRING": request.query_string,
        "RAW_URI": request.target,
        "REQUEST_URI": request.target,
        "SERVER_PROTOCOL": "HTTP/1.1",
        "SERVER_NAME": address[0],
        "SERVER_PORT": str(address[1]),
        "REMOTE_ADDR": "127.0.0.1",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(request.body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    spelled: dict[str, str] = {}
    for name, value in request.headers.items():
        if name.lower() == "transfer-encoding" or (
            "_" in name and not should_preserve_original_header_name(name)
        ):
            continue
        key = environ_key_for_header(name)
        if should_preserve_original_header_name(name):
            spelled.setdefault(key, name)
        environ[key] = f"{environ[key]},{value}" if key in environ else value
    environ["CONTENT_LENGTH"] = str(len(request.body))
    environ[PRESERVED_HEADER_NAMES_ENVIRON_KEY] = spelled
    return environ


def _mend_events() -> None:
    """Moto delivers for disabled rules, ignores Input and InputPath, and fails on usual InputTransformers."""
    from moto.events.models import Rule

    Rule.send_to_targets = send_to_targets


def _mend_autoscaling() -> None:
    """Moto lacks the tags that the AWS provider reads, and two dimensions of SageMaker."""
    import moto.applicationautoscaling.models as models
    import moto.applicationautoscaling.responses as responses

    known = {member.name: member.value for member in models.ScalableDimensionValueSet}
    known["SAGEMAKER_VARIANT_PROVISIONED_CONCURRENCY"] = "sagemaker:variant:DesiredProvisionedConcurrency"
    known["SAGEMAKER_COPY_COUNT"] = "sagemaker:inference-component:DesiredCopyCount"
    dimensions = Enum("ScalableDimensionValueSet", known)  # type: ignore[misc]
    models.ScalableDimensionValueSet = responses.ScalableDimensionValueSet = dimensions
    tags: dict[str, dict[str, str]] = {}

    def list_tags_for_resource(self: Any) -> str:
        return json.dumps({"Tags": tags.get(self._get_param("ResourceARN"), {})})

    def tag_resource(self: Any) -> str:
        tags.setdefault(self._get_param("ResourceARN"), {}).update(self._get_param("Tags"))
        return "{}"

    def untag_resource(self: Any) -> str:
        for key in self._get_param("TagKeys"):
            tags.get(self._get_param("ResourceARN"), {}).pop(key, None)
        return "{}"

    response = responses.ApplicationAutoScalingResponse
    response.list_tags_for_resource = list_tags_for_resource
    response.tag_resource = tag_resource
    response.untag_resource = untag_resource


def _mend_iam() -> None:
    """Moto's UpdateRole without a description removes the one that is there."""
    from moto.iam.models import IAMBackend

    original = IAMBackend.update_role

    def update_role(
        self: Any, role_name: str, role_description: str | None, max_session_duration: str
    ) -> Any:
        if role_description is None:
            role_description = self.get_role(role_name).description
        return original(self, role_name, role_description, max_session_duration)

    IAMBackend.update_role = update_role


def _give_managed_policies(account: str) -> None:
    """Give an account AWS's own policies. Only when one is named: the 1,582 cost a second after every reset."""
    from moto.iam.aws_managed_policies import aws_managed_policies_data
    from moto.iam.models import AWSManagedPolicy, iam_backends

    backend = iam_backends[account]["aws"]
    if not backend.aws_managed_policies:
        backend.aws_managed_policies = [
            AWSManagedPolicy.from_data(name, account, "aws", data)
            for name, data in json.loads(aws_managed_policies_data).items()
        ]
        backend.managed_policies |= {policy.arn: policy for policy in backend.aws_managed_policies}


def read_object(account: str, url: str) -> bytes:
    """Read an object of the local S3.

    Args:
        account: 12 digits.
        url: `s3://BUCKET/KEY`.

    Raises:
        LookupError: no such bucket or object.
    """
    bucket, _, key = url.removeprefix("s3://").partition("/")
    load("s3")
    from moto.s3.exceptions import MissingBucket
    from moto.s3.models import s3_backends

    with locked("s3"):
        try:
            found = s3_backends[account]["aws"].get_object(bucket, key)
        except MissingBucket:
            found = None
        if found is None:
            raise LookupError(url)
        return bytes(found.value)


def reset_moto() -> None:
    """Forget everything that moto holds."""
    with _LOADING:
        if not _LOADED:
            return
        from moto.core.base_backend import BackendDict
        from moto.core.model_instances import reset_model_data

        BackendDict.reset()
        reset_model_data()
