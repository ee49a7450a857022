"""Endpoint configurations, and the rules between their members that the published model does not hold."""

from __future__ import annotations

from sandbox.cloud.errors import refused
from sandbox.cloud.sagemaker.models import find_model, model_containers
from sandbox.cloud.sagemaker.state import Call, Record, State, now, page, tag_map, without

SERVERLESS_MEMORY_MIB = (1024, 2048, 3072, 4096, 5120, 6144)
"""https://docs.aws.amazon.com/sagemaker/latest/dg/serverless-endpoints-create-config.html, read in November 2026."""

INSTANCE_ONLY = ("InstanceType", "InitialInstanceCount", "AcceleratorType", "ManagedInstanceScaling")


def create_endpoint_config(call: Call) -> Record:
    """CreateEndpointConfig."""
    request, state = call.request, call.state
    name = request["EndpointConfigName"]
    arn = state.arn("endpoint-config", name)
    if name in state.configs:
        msg = f'Cannot create already existing endpoint configuration "{arn}".'
        raise refused(msg)
    _check_variants(state, request)
    record = without(request, "Tags")
    for variant in record["ProductionVariants"] + (record.get("ShadowProductionVariants") or []):
        variant.setdefault("InitialVariantWeight", 1.0)
    record |= {"EndpointConfigArn": arn, "CreationTime": now()}
    record.setdefault("EnableNetworkIsolation", False)
    state.configs[name] = record
    state.tags[arn] = tag_map(request.get("Tags"))
    return {"EndpointConfigArn": arn}


def _check_variants(state: State, request: Record) -> None:
    shadows = request.get("ShadowProductionVariants") or []
    variants = request["ProductionVariants"] + shadows
    names = [variant["VariantName"] for variant in variants]
    if len(set(names)) < len(names):
        raise refused("Production variant names must be unique within an endpoint configuration.")
    for variant in variants:
        if not variant.get("ModelName") and not request.get("ExecutionRoleArn"):
            msg = f"ModelName is required for production variant {variant['VariantName']}."
            raise refused(msg)
        model = find_model(state, variant["ModelName"]) if variant.get("ModelName") else None
        if variant.get("ServerlessConfig"):
            _check_serverless(request, variant, model, others=len(variants) - 1)
        elif not variant.get("InstanceType") or (model and variant.get("InitialInstanceCount") is None):
            msg = (
                f"Production variant {variant['VariantName']} needs either ServerlessConfig, "
                "or InstanceType and InitialInstanceCount."
            )
            raise refused(msg)


def _check_serverless(request: Record, variant: Record, model: Record | None, *, others: int) -> None:
    """Refuse what serverless inference excludes, as its page of exclusions lists it.

    Source: https://docs.aws.amazon.com/sagemaker/latest/dg/serverless-endpoints.html, read in November 2026.
    """
    name, config = variant["VariantName"], variant["ServerlessConfig"]
    given = [member for member in INSTANCE_ONLY if variant.get(member) is not None]
    if given:
        msg = f"ServerlessConfig of production variant {name} cannot be given with {', '.join(given)}."
        raise refused(msg)
    if config["MemorySizeInMB"] not in SERVERLESS_MEMORY_MIB:
        msg = (
            f"MemorySizeInMB {config['MemorySizeInMB']} of production variant {name} is not one of "
            f"{', '.join(map(str, SERVERLESS_MEMORY_MIB))}."
        )
        raise refused(msg)
    if config.get("ProvisionedConcurrency", 0) > config["MaxConcurrency"]:
        msg = f"ProvisionedConcurrency of production variant {name} cannot exceed its MaxConcurrency."
        raise refused(msg)
    excluded = {
        "several production variants": others > 0,
        "DataCaptureConfig": bool((request.get("DataCaptureConfig") or {}).get("EnableCapture")),
        "AsyncInferenceConfig": bool(request.get("AsyncInferenceConfig")),
        "VpcConfig": bool(request.get("VpcConfig") or (model or {}).get("VpcConfig")),
        "network isolation": bool(
            request.get("EnableNetworkIsolation") or (model or {}).get("EnableNetworkIsolation")
        ),
        "inference pipelines": model is not None and len(model_containers(model)) > 1,
    }
    refusals = [what for what, present in excluded.items() if present]
    if refusals:
        msg = f"Serverless inference does not support {', '.join(refusals)} (production variant {name})."
        raise refused(msg)


def find_config(state: State, name: str) -> Record:
    """Look an endpoint configuration up.

    Raises:
        AwsError: there is none of this name.
    """
    if name not in state.configs:
        msg = f'Could not find endpoint configuration "{state.arn("endpoint-config", name)}".'
        raise refused(msg)
    return state.configs[name]


def is_serverless(config: Record) -> bool:
    """Say whether a configuration is of the serverless kind."""
    return any(variant.get("ServerlessConfig") for variant in config["ProductionVariants"])


def describe_endpoint_config(call: Call) -> Record:
    """DescribeEndpointConfig."""
    return find_config(call.state, call.request["EndpointConfigName"])


def delete_endpoint_config(call: Call) -> Record:
    """DeleteEndpointConfig. AWS does not look whether an endpoint uses it; the next UpdateEndpoint then fails.

    Source: https://github.com/hashicorp/terraform-provider-aws/issues/40048
    """
    record = find_config(call.state, call.request["EndpointConfigName"])
    del call.state.configs[record["EndpointConfigName"]]
    call.state.tags.pop(record["EndpointConfigArn"], None)
    return {}


def list_endpoint_configs(call: Call) -> Record:
    """ListEndpointConfigs."""
    summaries = [
        {key: record[key] for key in ("EndpointConfigName", "EndpointConfigArn", "CreationTime")}
        for record in call.state.configs.values()
    ]
    return page(call, summaries, name="EndpointConfigName", arn="EndpointConfigArn", answer="EndpointConfigs")
