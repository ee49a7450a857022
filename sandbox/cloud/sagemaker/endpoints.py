"""Endpoints and their life: Creating, Updating, RollingBack, InService, Failed, Deleting, each at its time."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable

from sandbox.cloud.errors import refused
from sandbox.cloud.faults import Fault
from sandbox.cloud.sagemaker.configs import find_config, is_serverless
from sandbox.cloud.sagemaker.models import runnable_containers
from sandbox.cloud.sagemaker.state import Call, Endpoint, Record, State, now, page, tag_map
from sandbox.cloud.scoring.container import Container

UPDATABLE = ("InService", "UpdateRollbackFailed", "OutOfService")
KEEPABLE = {"DesiredInstanceCount": "InitialInstanceCount", "DesiredWeight": "InitialVariantWeight"}


def create_endpoint(call: Call) -> Record:
    """CreateEndpoint: InService after the transition's time, or Failed when its container does not answer the ping."""
    request, state = call.request, call.state
    name = request["EndpointName"]
    arn = state.arn("endpoint", name)
    if name in state.endpoints:
        msg = f'Cannot create already existing endpoint "{arn}".'
        raise refused(msg)
    config = copy.deepcopy(find_config(state, request["EndpointConfigName"]))
    containers = _containers(state, config)
    endpoint = Endpoint(
        name,
        arn,
        config,
        _variant_summaries(config),
        "Creating",
        created=now(),
        modified=now(),
        pending=config,
    )
    endpoint.deployment = request.get("DeploymentConfig")
    state.endpoints[name] = endpoint
    state.tags[arn] = tag_map(request.get("Tags"))
    _announce(call, endpoint)

    def finish(reason: str | None) -> None:
        endpoint.failure_reason = reason
        endpoint.pending = None
        _enter(call, endpoint, "Failed" if reason else "InService")

    _after_check(call, endpoint, containers, finish, forced=_reason(call.outcome))
    return {"EndpointArn": arn}


def update_endpoint(call: Call) -> Record:
    """UpdateEndpoint: serves the old configuration until the new one is healthy; rolls back to it otherwise."""
    request, state = call.request, call.state
    endpoint = find_endpoint(state, request["EndpointName"])
    _check_updatable(endpoint)
    new = copy.deepcopy(find_config(state, request["EndpointConfigName"]))
    if endpoint.config["EndpointConfigName"] not in state.configs:
        find_config(state, endpoint.config["EndpointConfigName"])  # refuses: AWS needs the old one too
    if is_serverless(new) and not is_serverless(endpoint.config):
        msg = f'Cannot update endpoint "{endpoint.arn}" from an instance-based to a serverless configuration.'
        raise refused(msg)
    containers = _containers(state, new)
    variants = _kept_properties(request, endpoint.variants, _variant_summaries(new))
    if not request.get("RetainDeploymentConfig"):
        endpoint.deployment = request.get("DeploymentConfig")
    endpoint.pending, endpoint.failure_reason = new, None
    _enter(call, endpoint, "Updating")

    def finish(reason: str | None) -> None:
        if reason:
            _roll_back(call, endpoint, reason)
            return
        if scorer_owner(endpoint) != scorer_owner(endpoint, new):
            call.around.scorers.release(scorer_owner(endpoint))
        endpoint.config, endpoint.variants, endpoint.pending = new, variants, None
        _enter(call, endpoint, "InService")

    _after_check(call, endpoint, containers, finish, forced=_reason(call.outcome))
    return {"EndpointArn": endpoint.arn}


def _roll_back(call: Call, endpoint: Endpoint, reason: str) -> None:
    """End an update on the old configuration, as the outcome asked for says; silently when none was."""
    new = endpoint.pending
    if new is not None and scorer_owner(endpoint) != scorer_owner(endpoint, new):
        call.around.scorers.release(scorer_owner(endpoint, new))
    endpoint.pending, endpoint.failure_reason = None, reason
    outcome = call.outcome.outcome if call.outcome else None
    if outcome == "UpdateRollbackFailed":
        _enter(call, endpoint, "UpdateRollbackFailed")
    elif outcome == "RollingBack":
        _enter(call, endpoint, "RollingBack")
        _later(call, endpoint, call.around.endpoint_seconds, lambda: _enter(call, endpoint, "InService"))
    else:
        _enter(call, endpoint, "InService")


def update_endpoint_weights_and_capacities(call: Call) -> Record:
    """UpdateEndpointWeightsAndCapacities: what autoscaling and people change beside the configuration."""
    endpoint = find_endpoint(call.state, call.request["EndpointName"])
    _check_updatable(endpoint)
    by_name = {variant["VariantName"]: variant for variant in endpoint.variants}
    wanted = call.request["DesiredWeightsAndCapacities"]
    for change in wanted:
        if change["VariantName"] not in by_name:
            msg = f'Could not find variant "{change["VariantName"]}" of endpoint "{endpoint.arn}".'
            raise refused(msg)
    for change in wanted:
        for member in KEEPABLE:
            if change.get(member) is not None:
                by_name[change["VariantName"]][member] = change[member]
    _enter(call, endpoint, "Updating")

    def finish() -> None:
        for variant in endpoint.variants:
            for what in ("Weight", "InstanceCount"):
                if f"Desired{what}" in variant:
                    variant[f"Current{what}"] = variant[f"Desired{what}"]
        _enter(call, endpoint, "InService")

    _later(call, endpoint, call.around.endpoint_seconds, finish)
    return {"EndpointArn": endpoint.arn}


def delete_endpoint(call: Call) -> Record:
    """DeleteEndpoint: Deleting for the transition's time, then gone."""
    state = call.state
    endpoint = find_endpoint(state, call.request["EndpointName"])
    if endpoint.in_progress:
        msg = f'Cannot update in-progress endpoint "{endpoint.arn}".'
        raise refused(msg)
    call.around.scorers.release(scorer_owner(endpoint))
    _enter(call, endpoint, "Deleting")

    def finish() -> None:
        del state.endpoints[endpoint.name]
        state.tags.pop(endpoint.arn, None)

    _later(call, endpoint, call.around.endpoint_seconds, finish)
    return {}


def find_endpoint(state: State, name: str) -> Endpoint:
    """Look an endpoint up.

    Raises:
        AwsError: there is none of this name.
    """
    if name not in state.endpoints:
        msg = f'Could not find endpoint "{state.arn("endpoint", name)}".'
        raise refused(msg)
    return state.endpoints[name]


def describe_endpoint(call: Call) -> Record:
    """DescribeEndpoint. While an update runs, EndpointConfigName is still the old one."""
    endpoint = find_endpoint(call.state, call.request["EndpointName"])
    answer: Record = {
        "EndpointName": endpoint.name,
        "EndpointArn": endpoint.arn,
        "EndpointConfigName": endpoint.config["EndpointConfigName"],
        "EndpointStatus": endpoint.status,
        "CreationTime": endpoint.created,
        "LastModifiedTime": endpoint.modified,
    }
    if endpoint.status not in ("Creating", "Failed"):
        answer["ProductionVariants"] = endpoint.variants
    capture = endpoint.config.get("DataCaptureConfig")
    if capture:
        answer["DataCaptureConfig"] = {
            "EnableCapture": bool(capture.get("EnableCapture")),
            "CaptureStatus": "Started" if capture.get("EnableCapture") else "Stopped",
            "CurrentSamplingPercentage": capture["InitialSamplingPercentage"],
            "DestinationS3Uri": capture["DestinationS3Uri"],
            "KmsKeyId": capture.get("KmsKeyId", ""),
        }
    if endpoint.pending:
        answer["PendingDeploymentSummary"] = {
            "EndpointConfigName": endpoint.pending["EndpointConfigName"],
            "StartTime": endpoint.modified,
        }
    optional = {
        "FailureReason": endpoint.failure_reason,
        "LastDeploymentConfig": endpoint.deployment,
        "AsyncInferenceConfig": endpoint.config.get("AsyncInferenceConfig"),
    }
    return answer | {name: value for name, value in optional.items() if value}


def list_endpoints(call: Call) -> Record:
    """ListEndpoints."""
    status = call.request.get("StatusEquals")
    summaries = [
        {
            "EndpointName": endpoint.name,
            "EndpointArn": endpoint.arn,
            "CreationTime": endpoint.created,
            "LastModifiedTime": endpoint.modified,
            "EndpointStatus": endpoint.status,
        }
        for endpoint in call.state.endpoints.values()
    ]
    return page(
        call,
        summaries,
        name="EndpointName",
        arn="EndpointArn",
        answer="Endpoints",
        keep=lambda summary: status in (None, summary["EndpointStatus"]),
    )


def _check_updatable(endpoint: Endpoint) -> None:
    if endpoint.in_progress:
        msg = f'Cannot update in-progress endpoint "{endpoint.arn}".'
        raise refused(msg)
    if endpoint.status not in UPDATABLE:
        msg = f'Cannot update endpoint "{endpoint.arn}" in status {endpoint.status}; delete it.'
        raise refused(msg)


def _variant_summaries(config: Record) -> list[Record]:
    summaries = []
    for variant in config["ProductionVariants"]:
        weight = variant["InitialVariantWeight"]
        summary: Record = {
            "VariantName": variant["VariantName"],
            "CurrentWeight": weight,
            "DesiredWeight": weight,
        }
        if variant.get("ServerlessConfig"):
            summary["CurrentServerlessConfig"] = variant["ServerlessConfig"]
            summary["DesiredServerlessConfig"] = variant["ServerlessConfig"]
            summary |= {"CurrentInstanceCount": 0, "DesiredInstanceCount": 0}
        else:
            count = variant.get("InitialInstanceCount", 0)
            summary |= {"CurrentInstanceCount": count, "DesiredInstanceCount": count}
        summaries.append(summary)
    return summaries


def _kept_properties(request: Record, old: list[Record], new: list[Record]) -> list[Record]:
    """Carry live counts and weights over when RetainAllVariantProperties asks for it."""
    if not request.get("RetainAllVariantProperties"):
        return new
    excluded = {prop["VariantPropertyType"] for prop in request.get("ExcludeRetainedVariantProperties") or []}
    by_name = {variant["VariantName"]: variant for variant in old}
    for variant in new:
        for member in KEEPABLE:
            if member not in excluded and variant["VariantName"] in by_name:
                kept = by_name[variant["VariantName"]][member]
                variant[member] = variant[member.replace("Desired", "Current")] = kept
    return new


def _containers(state: State, config: Record) -> dict[str, tuple[Container, ...]]:
    """Give what each variant that names a model runs, by variant name."""
    return {
        variant["VariantName"]: runnable_containers(state, variant["ModelName"])
        for variant in config["ProductionVariants"]
        if variant.get("ModelName")
    }


def scorer_owner(endpoint: Endpoint, config: Record | None = None) -> str:
    """Name what keeps containers: this endpoint with this configuration, by default the one that it serves."""
    config = config or endpoint.config
    return f"{endpoint.arn} {config['EndpointConfigName']} {config['CreationTime'].isoformat()}"


def _reason(outcome: Fault | None) -> str | None:
    if outcome is None or outcome.outcome is None:
        return None
    return outcome.message or f"Asked for by a fault of the local cloud: {outcome.outcome}."


def _after_check(
    call: Call,
    endpoint: Endpoint,
    containers: dict[str, tuple[Container, ...]],
    finish: Callable[[str | None], None],
    *,
    forced: str | None,
) -> None:
    """Ping the containers in the background; then, not before the transition's time, finish with the reason."""
    config = endpoint.pending or endpoint.config
    due = time.monotonic() + call.around.endpoint_seconds
    owner = scorer_owner(endpoint, config)

    def checked(reason: str | None) -> None:
        _later(call, endpoint, due - time.monotonic(), lambda: finish(reason))

    if forced is not None:
        checked(forced)
    else:
        call.around.scorers.check(owner, containers, checked)


def _later(call: Call, endpoint: Endpoint, seconds: float, action: Callable[[], None]) -> None:
    """Run `action` under the lock, unless the endpoint (by identity) is gone by then."""

    def run() -> None:
        with call.state.lock:
            if call.state.endpoints.get(endpoint.name) is endpoint:
                action()

    call.around.scheduler.after(seconds, run)


def _enter(call: Call, endpoint: Endpoint, status: str) -> None:
    endpoint.status, endpoint.modified = status, now()
    _announce(call, endpoint)


def _announce(call: Call, endpoint: Endpoint) -> None:
    """Send the event of a change. Events spell statuses IN_SERVICE, ROLLING_BACK, ….

    Source: https://docs.aws.amazon.com/sagemaker/latest/dg/automating-sagemaker-with-eventbridge.html
    """
    spelled = "".join(
        f"_{letter}" if index and letter.isupper() else letter for index, letter in enumerate(endpoint.status)
    )
    detail = {
        "EndpointName": endpoint.name,
        "EndpointArn": endpoint.arn,
        "EndpointConfigName": endpoint.config["EndpointConfigName"],
        "ProductionVariants": copy.deepcopy(endpoint.variants),
        "EndpointStatus": spelled.upper(),
        "CreationTime": int(endpoint.created.timestamp() * 1000),
        "LastModifiedTime": int(endpoint.modified.timestamp() * 1000),
        "Tags": dict(call.state.tags.get(endpoint.arn, {})),
    }
    if endpoint.failure_reason:
        detail["FailureReason"] = endpoint.failure_reason
    call.around.events.publish(
        call.state.account, call.state.region, "SageMaker Endpoint State Change", detail, endpoint.arn
    )
