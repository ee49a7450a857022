"""SageMaker's runtime: InvokeEndpoint, which really scores."""

from __future__ import annotations

import random

from sandbox.cloud.errors import AwsError
from sandbox.cloud.http import Request, Response
from sandbox.cloud.sagemaker.configs import is_serverless
from sandbox.cloud.sagemaker.endpoints import scorer_owner
from sandbox.cloud.sagemaker.state import Endpoint, Record, State
from sandbox.cloud.scoring.pool import ScorerPool
from sandbox.cloud.scoring.process import Refusal

MIB = 1024**2
PAYLOAD_LIMIT = {"instance": 6 * MIB, "serverless": 4 * MIB}
"""Bytes. https://docs.aws.amazon.com/general/latest/gr/sagemaker.html, read in November 2026."""

SERVING = ("InService", "Updating", "RollingBack", "SystemUpdating", "UpdateRollbackFailed")


def invoke_endpoint(state: State, scorers: ScorerPool, name: str, request: Request) -> Response:
    """Answer InvokeEndpoint with what the model behind the endpoint's current variant says.

    Raises:
        AwsError: ValidationError (no such endpoint or variant, payload too large), ModelError (the container
            refused or failed).
    """
    with state.lock:
        endpoint = state.endpoints.get(name)
        if endpoint is None or endpoint.status not in SERVING:
            raise AwsError("ValidationError", f"Endpoint {name} of account {state.account} not found.")
        _check_size(endpoint, request.body)
        variant = _choose(endpoint, request.header("X-Amzn-SageMaker-Target-Variant"))
        owner = scorer_owner(endpoint)
    try:
        prediction = scorers.score(
            owner,
            variant,
            request.body,
            content_type=request.header("Content-Type") or "application/json",
            accept=request.header("Accept"),
        )
    except Refusal as refusal:
        raise _model_error(state, name, refusal) from refusal
    headers = [("Content-Type", prediction.content_type), ("x-Amzn-Invoked-Production-Variant", variant)]
    return Response(200, prediction.body, headers)


def _check_size(endpoint: Endpoint, body: bytes) -> None:
    limit = PAYLOAD_LIMIT["serverless" if is_serverless(endpoint.config) else "instance"]
    if len(body) > limit:
        raise AwsError(
            "ValidationError",
            "1 validation error detected: Value at 'body' failed to satisfy constraint: "
            f"Member must have length less than or equal to {limit}",
            413,
        )


def _choose(endpoint: Endpoint, target: str) -> str:
    """Pick the variant: the one asked for, else by weight."""
    variants: list[Record] = endpoint.variants
    names = [str(variant["VariantName"]) for variant in variants]
    if target:
        if target not in names:
            raise AwsError("ValidationError", f"Variant {target} of endpoint {endpoint.name} not found.")
        return target
    weights = [float(variant["CurrentWeight"]) for variant in variants]
    return random.choices(names, weights if any(weights) else None)[0]


def _model_error(state: State, name: str, refusal: Refusal) -> AwsError:
    kind = "client" if refusal.status < 500 else "server"
    group = f"/aws/sagemaker/Endpoints/{name}"
    message = (
        f'Received {kind} error ({refusal.status}) from primary with message "{refusal.message}". '
        f"See {refusal.log} for what the container said (on AWS: log group {group} in account {state.account})."
    )
    return AwsError(
        "ModelError",
        message,
        424,
        {"OriginalStatusCode": refusal.status, "OriginalMessage": refusal.message, "LogStreamArn": group},
    )
