"""Finds out which operation of which service a request calls."""

from __future__ import annotations

import difflib
import functools
import re
from collections.abc import Collection
from dataclasses import dataclass
from urllib.parse import parse_qs

from sandbox.cloud.codebuild.service import OPERATIONS as BUILDS
from sandbox.cloud.databricks.service import OPERATIONS as CALLS
from sandbox.cloud.errors import AwsError
from sandbox.cloud.http import Request
from sandbox.cloud.moto_tables import SERVICES
from sandbox.cloud.rest import MODELS, rest_operation
from sandbox.cloud.sagemaker.service import OPERATIONS
from sandbox.cloud.validation import service_model

INVOCATION = re.compile(r"/endpoints/([^/]+)/invocations$")


@dataclass(frozen=True, slots=True)
class Target:
    """What a request calls. `protocol` is how an error is written: json, rest-json, query, cbor or s3."""

    service: str
    region: str
    access_key: str
    operation: str
    protocol: str


def identify(request: Request) -> Target:
    """Read service and region from the signature and the operation from wherever its protocol has it.

    Raises:
        AwsError: the request is not signed, or names no operation.
    """
    access_key, region, service = _scope(request)
    if service == "sagemaker" and INVOCATION.search(request.path):
        return Target("sagemaker-runtime", region, access_key, "InvokeEndpoint", "rest-json")
    target = request.header("X-Amz-Target")
    if target:
        return Target(service, region, access_key, target.rsplit(".", 1)[-1], "json")
    if request.header("smithy-protocol") == "rpc-v2-cbor":
        return Target(service, region, access_key, request.path.rsplit("/", 1)[-1], "cbor")
    if service == "s3":
        return Target(service, region, access_key, _s3_operation(request), "s3")
    if service in MODELS:
        operation = rest_operation(service, request) or f"{request.method} {request.path}"
        return Target(service, region, access_key, operation, "rest-json")
    action = parse_qs(request.body.decode("utf-8", "replace")).get("Action") or request.query.get("Action")
    if action:
        return Target(service, region, access_key, action[0], "query")
    operation = f"{request.method} {request.path}"
    return Target(service, region, access_key, operation, "rest-json")


def name_problem(operation: str) -> str | None:
    """Say why no emulated call has this operation, with the closest that there are; None when one may have it."""
    known = _emulated()
    if any(operation in names for names in known.values()):
        return None
    # IAM writes sagemaker:DescribeEndpoint, and the AWS CLI describe-endpoint.
    plain = operation.rpartition(":")[2].replace("-", "").lower()
    by_lower = {name.lower(): name for names in known.values() for name in names}
    close = ", ".join(by_lower[found] for found in difflib.get_close_matches(plain, by_lower))
    hint = f" (did you mean {close}?)" if close else ""
    return (
        f"operation {operation!r} is not known{hint}; "
        f"allowed are AWS's names of the emulated operations of {', '.join(sorted(known))}"
    )


@functools.cache
def _emulated() -> dict[str, Collection[str]]:
    """Give the operations that can be called, by service; reads the models of moto's services, in a tenth of a second."""
    of_moto = {
        service: names or service_model(service).operation_names for service, names in SERVICES.items()
    }
    own: dict[str, Collection[str]] = {
        "databricks": CALLS,
        "codebuild": BUILDS,
        "sagemaker": OPERATIONS,
        "sagemaker-runtime": ("InvokeEndpoint",),
    }
    return own | of_moto


def _scope(request: Request) -> tuple[str, str, str]:
    found = re.search(r"Credential=([^,\s]+)", request.header("Authorization"))
    scope = found[1] if found else request.query.get("X-Amz-Credential", [""])[0]
    parts = scope.split("/")
    if len(parts) < 5:
        raise AwsError(
            "MissingAuthenticationToken",
            "The request is not signed. The local cloud accepts any keys, but needs a signature (version 4) "
            "to know service and region.",
            403,
        )
    return "/".join(parts[:-4]), parts[-3], parts[-2].lower()


def _s3_operation(request: Request) -> str:
    """Match method, path and query with S3's published operations; the one with the most literal parts wins."""
    level = 0 if request.path.strip("/") == "" else 1 if request.path.strip("/").count("/") == 0 else 2
    query = request.query
    if "x-id" in query:
        return query["x-id"][0]
    copied = bool(request.header("x-amz-copy-source"))
    for needed, operation in _s3_table()[(request.method, level)]:
        if needed <= query.keys() and copied == ("Copy" in operation):
            return operation
    return f"{request.method} {request.path}"


@functools.cache
def _s3_table() -> dict[tuple[str, int], list[tuple[frozenset[str], str]]]:
    model = service_model("s3")
    table: dict[tuple[str, int], list[tuple[frozenset[str], str]]] = {
        (method, level): []
        for method in ("GET", "PUT", "POST", "DELETE", "HEAD", "PATCH", "OPTIONS")
        for level in range(3)
    }
    for name in model.operation_names:
        operation = model.operation_model(name)
        path, _, literal = operation.http["requestUri"].partition("?")
        level = 2 if "{Key" in path else 1 if "{Bucket}" in path else 0
        needed = {part.split("=")[0] for part in literal.split("&") if part}
        shape = operation.input_shape
        for member in shape.required_members if shape else ():
            if shape.members[member].serialization.get("location") == "querystring":
                needed.add(shape.members[member].serialization["name"])
        if not operation.deprecated and "/WriteGetObjectResponse" not in path:
            table[(operation.http["method"], level)].append((frozenset(needed), name))
    preferred = ("ListObjectsV2", "ListObjects", "GetObject", "PutObject", "CreateBucket", "DeleteBucket")
    for entries in table.values():
        entries.sort(key=lambda entry: (-len(entry[0]), entry[1] not in preferred, entry[1]))
    return table
