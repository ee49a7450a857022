"""The Pulumi program: one stack's endpoints, from its settings and from what the model registry says.

``pulumi up --stack staging`` runs it, by hand or through the runner. The runner resolves the registry once and hands the
answer over as a file, named by MODEL_DEPLOYMENT_MANIFEST; without it the program resolves the registry itself.
"""

import asyncio
import functools
import gc
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pulumi
import pulumi_aws as aws

from components import NAME_LIMIT, ModelEndpoint, ModelEndpointArgs
from registry import (
    ENDPOINT_TAG,
    Clients,
    Manifest,
    ManifestError,
    RegistryError,
    SageMakerRegistry,
    WantedEndpoint,
    load_manifest,
    owner_tags,
    refusal,
    resolve,
    shorten,
)
from settings import InferenceConfig, Settings, SettingsError, load

_DELETION_S = 900.0
_FIRST_PAUSE_S = 1.0


async def main() -> dict[str, Any]:
    """Build the components of this stack; what it returns becomes the stack's outputs."""
    # What this short program makes lives to its end: looking for garbage often costs 7 % of it with 1,000 endpoints.
    gc.set_threshold(200_000, 30, 30)
    if os.environ.get("MODEL_DEPLOYMENT_QUIET_SDK"):
        keep_debug_lines_back()
    try:
        stack = load()
        manifest = wanted_endpoints(stack)
    except (SettingsError, RegistryError) as error:
        raise pulumi.RunError(str(error)) from None
    provider = aws.Provider("aws", region=stack.region, allowed_account_ids=[stack.allowed_account])
    # A client takes a fifth of a second to make, and most runs need none.
    reader = functools.cache(lambda: SageMakerRegistry(Clients(stack.region)))
    guard, waits = delete_guard(reader), deletion_waits(reader)
    outputs = {}
    for wanted in manifest.endpoints:
        made = ModelEndpoint(
            shorten(wanted.name, NAME_LIMIT),
            endpoint_args(stack, wanted),
            pulumi.ResourceOptions(providers=[provider]),
            delete_guard=guard,
            deletion_waits=waits,
        )
        outputs[wanted.name] = {
            "arn": made.endpoint_arn,
            "config": made.config_name,
            "package": wanted.package_arn,
        }
        # Registration begins while the next one is built. Without any such pause the SDK's wait at the end of the program
        # looks at every unfinished output at every step: quadratic, minutes with 1,000 endpoints.
        await asyncio.sleep(0)
    return {"endpoints": outputs}


def keep_debug_lines_back() -> None:
    """Keep the SDK's debug lines from the engine, which shows them only with `pulumi --debug`.

    The SDK sends about five for each resource, one after another, and waits for each: a third of the program's time with
    100 endpoints (docs/performance.md). The runner asks for this; a `pulumi up` by hand keeps them.
    """
    pulumi.log.debug = lambda *_args, **_options: None


def wanted_endpoints(stack: Settings) -> Manifest:
    """The runner's manifest where there is one, otherwise the registry's answer now.

    Raises:
        RegistryError: the file or the registry cannot be read, or the file is of another stack (one that a shell still
            names); never an empty answer instead.
    """
    path = os.environ.get("MODEL_DEPLOYMENT_MANIFEST")
    if not path:
        return resolve(stack.environment, stack.requests(), SageMakerRegistry(Clients(stack.region)))
    manifest = load_manifest(Path(path))
    groups = {wanted.group for wanted in manifest.endpoints}
    if manifest.environment != stack.environment or not groups <= set(stack.models):
        message = (
            f"{path}: the manifest is not this stack's: it serves {', '.join(sorted(groups)) or 'nothing'} in "
            f"{manifest.environment}, {stack.stack} serves {', '.join(stack.models)} in {stack.environment}; nothing was "
            "changed. Unset MODEL_DEPLOYMENT_MANIFEST, or resolve it again"
        )
        raise ManifestError(message)
    return manifest


def delete_guard(reader: Callable[[], SageMakerRegistry]) -> pulumi.ResourceHook:
    """Make the hook that refuses to delete a model or configuration while a live endpoint uses it.

    AWS rolls a failed update back silently and the provider does not notice
    (https://github.com/hashicorp/terraform-provider-aws/issues/46663): without this, the configuration that still
    serves would be deleted next. Any doubt, such as a refused read, keeps the resource.
    """

    async def refuse_delete_in_use(args: pulumi.ResourceHookArgs) -> None:
        endpoint = ((args.old_inputs or {}).get("tags") or {}).get(ENDPOINT_TAG)
        if not endpoint:
            message = (
                f"{args.id} is not deleted: it has lost its tag {ENDPOINT_TAG}, so nobody knows which endpoint may use it. "
                "Tag it with its endpoint's name in AWS, run `pulumi refresh`, and try again"
            )
            raise pulumi.RunError(message)
        used = await asyncio.to_thread(reader().in_use, endpoint)  # deletions wait for their reads together
        reason = refusal(endpoint, args.id, used)
        if reason:
            raise pulumi.RunError(reason)

    return pulumi.ResourceHook("refuse-delete-in-use", refuse_delete_in_use)


def deletion_waits(
    reader: Callable[[], SageMakerRegistry],
) -> tuple[pulumi.ResourceHook, pulumi.ResourceHook]:
    """Make the hooks that wait for the end of an endpoint's deletion, which the provider does not (5.100).

    Returns:
        One for before an endpoint is created: one of its name that is being deleted must be gone, or the name is taken. One
        for after its deletion: until then SageMaker needs the role and its rights, which go next
        (https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_DeleteEndpoint.html, read 2026-11). What the second
        raises is only a warning to the engine.
    """

    async def wait(name: str) -> None:
        pause, deadline = _FIRST_PAUSE_S, time.monotonic() + _DELETION_S
        while time.monotonic() < deadline:
            live = (await asyncio.to_thread(reader().read_live, [name]))[name]
            if live is None or live.status != "Deleting":
                return
            await asyncio.sleep(pause)
            pause = min(pause * 1.5, 15.0)
        message = f"endpoint {name} is still being deleted after {_DELETION_S:.0f} s; run the update again when it is gone"
        raise pulumi.RunError(message)

    async def wait_for_name(args: pulumi.ResourceHookArgs) -> None:
        await wait(str((args.new_inputs or {})["name"]))

    async def wait_until_gone(args: pulumi.ResourceHookArgs) -> None:
        await wait(args.id)

    return pulumi.ResourceHook("wait-for-name", wait_for_name), pulumi.ResourceHook(
        "wait-until-gone", wait_until_gone
    )


def endpoint_args(stack: Settings, wanted: WantedEndpoint) -> ModelEndpointArgs:
    """Translate the settings of one endpoint's model package group into the component's words."""
    config = stack.inference_for(wanted.group)
    args: ModelEndpointArgs = {
        "endpoint_name": wanted.name,
        "model_package_arn": wanted.package_arn,
        "network_isolation": config.network_isolation,
        "environment": config.environment,
        "tags": {**config.tags, **owner_tags(stack.project, stack.stack, wanted.name)},
    }
    if config.vpc:
        args["subnets"] = list(config.vpc.subnets)
        args["security_group_ids"] = list(config.vpc.security_group_ids)
    if config.kms_key_id:
        args["kms_key_arn"] = key_arn(stack, wanted, config.kms_key_id)
    if config.capture_destination_s3_uri and config.capture_sampling_percentage is not None:
        args["data_capture"] = {
            "destination_s3_uri": config.capture_destination_s3_uri,
            "sampling_percentage": config.capture_sampling_percentage,
        }
    return with_role(with_serving(args, config), stack, wanted)


def with_serving(args: ModelEndpointArgs, config: InferenceConfig) -> ModelEndpointArgs:
    """Say what runs the model: serverless, or instances; settings have made certain that one of them is complete."""
    if config.serverless_max_concurrency is not None and config.serverless_size_in_mb is not None:
        args["serverless"] = {
            "max_concurrency": config.serverless_max_concurrency,
            "memory_size_in_mb": config.serverless_size_in_mb,
        }
        if config.serverless_provisioned_concurrency is not None:
            args["serverless"]["provisioned_concurrency"] = config.serverless_provisioned_concurrency
    elif config.instance_type is not None and config.instance_count is not None:
        args["instance_type"] = config.instance_type
        args["initial_instance_count"] = config.instance_count
    return args


def key_arn(stack: Settings, wanted: WantedEndpoint, key: str) -> str:
    """Name a KMS key by ARN, as the provider demands: settings may give its id or its alias."""
    if key.startswith("arn:"):
        return key
    kind = key if key.startswith("alias/") else f"key/{key}"
    return f"arn:{partition(wanted)}:kms:{stack.region}:{stack.allowed_account}:{kind}"


def partition(wanted: WantedEndpoint) -> str:
    """The partition of all ARNs, such as ``aws``: that of the package."""
    return wanted.package_arn.split(":")[1]


def with_role(args: ModelEndpointArgs, stack: Settings, wanted: WantedEndpoint) -> ModelEndpointArgs:
    """Name the given execution role, or say what a role of the endpoint's own is limited to."""
    if stack.execution_role_arn:
        args["execution_role_arn"] = stack.execution_role_arn
        return args
    args["execution_role"] = {
        "partition": partition(wanted),
        "region": stack.region,
        "account_id": stack.allowed_account,
        "images": list(wanted.images),
        "model_data_urls": list(wanted.model_data_urls),
    }
    if stack.permissions_boundary:
        args["execution_role"]["permissions_boundary_arn"] = stack.permissions_boundary
    return args


pulumi.run(main)
