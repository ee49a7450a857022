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
from contextlib import ExitStack
from typing import Any

from sandbox.cloud.errors import not_emulated
from sandbox.cloud.http import Request, Response
from sandbox.cloud.moto_mends import mend
from sandbox.cloud.moto_tables import SERVICES

REACHES: dict[str, tuple[str, ...]] = {
    "lambda": ("iam", "s3", "sns", "events", "sqs"),
    "s3": ("sns", "events", "sqs"),
    "sns": ("sqs",),
}
"""Services that moto enters while it answers another, past their locks."""

ACCOUNT = "123456789012"
"""The local cloud's account."""

MODULES = {
    "apigateway": "apigatewayv2",
    "application-autoscaling": "applicationautoscaling",
    "lambda": "awslambda",
    "monitoring": "cloudwatch",
}
"""moto's name of a service, where it is not the signing name."""

_LOADING = threading.RLock()
_LOADED: set[str] = set()
_LOCKS: defaultdict[str, threading.RLock] = defaultdict(threading.RLock)
_LOCKS_LOCK = threading.Lock()


def locked(service: str) -> threading.RLock:
    """Give the lock of a moto service. Of several, take them in the order of `REACHES`."""
    with _LOCKS_LOCK:
        return _LOCKS[service]


def access_key_of(account: str) -> str:
    """Give an access key that acts in an account, for what runs inside of this cloud."""
    return "local" if account == ACCOUNT else f"local-{account}"


def account_of(access_key: str) -> str:
    """Give the account of an access key: that of an assumed role, else the local cloud's own."""
    if access_key.startswith("local-"):
        return access_key.removeprefix("local-")
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
    _check_emulated(service, operation)
    load(service)
    with ExitStack() as held:
        for name in (service, *REACHES.get(service, ())):
            held.enter_context(locked(name))
        if service == "iam" and (operation == "ListPolicies" or b"%3Aiam%3A%3Aaws%3Apolicy" in request.body):
            _give_managed_policies(account)
        return _call_wsgi(_application(), f"{service} {operation}", request, account, address)


def _check_emulated(service: str, operation: str) -> None:
    operations = SERVICES.get(service, frozenset())
    if operations is not None and operation not in operations:
        msg = f"{service} {operation}"
        raise not_emulated(msg)


def load(service: str) -> None:
    """Import and mend a service once; one at a time, as moto's modules import each other in circles."""
    if is_loaded(service):
        return
    with _LOADING:
        if is_loaded(service):
            return
        from moto.moto_server.werkzeug_app import create_backend_app

        create_backend_app(MODULES.get(service, service))
        mend(service)
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
    application: Any, called: str, request: Request, account: str, address: tuple[str, int]
) -> Response:
    status, headers = 500, list[tuple[str, str]]()

    def start_response(line: str, given: list[tuple[str, str]], *_: object) -> None:
        nonlocal status, headers
        status, headers = int(line.split()[0]), given

    environ = {**_environ(request, address), "HTTP_X_MOTO_ACCOUNT_ID": account}
    try:
        answer = application.get_application(environ)(environ, start_response)
        body = b"".join(answer)
        if hasattr(answer, "close"):
            answer.close()
    except NotImplementedError as error:
        msg = f"{called} ({error})"
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
