"""ModelEndpoint: one model package, live behind one endpoint name."""

import json
from typing import NotRequired, TypedDict

import pulumi
from pulumi_aws import iam, sagemaker

from components import _iam

# AWS ends names at 63; Pulumi appends "-" and 7 characters to "<name>-config", the longest child that AWS ends there.
# https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateEndpointConfig.html
NAME_LIMIT = 63 - len("-config") - 8

# The name is part of every alarm and scaling target on the variant; a constant keeps them over updates.
VARIANT_NAME = "main"


class ServerlessArgs(TypedDict):
    """Serverless inference: memory and concurrency instead of instances."""

    max_concurrency: int
    """Invocations at once, 1-200. New configuration."""
    memory_size_in_mb: int
    """1024 to 6144 in steps of 1024. New configuration."""
    provisioned_concurrency: NotRequired[int]
    """Invocations kept warm, 1 to ``max_concurrency``. None are kept warm when left out. New configuration."""


class DataCaptureArgs(TypedDict):
    """Requests and responses, written to S3."""

    destination_s3_uri: str
    """``s3://bucket/prefix`` that gets the captured data. New configuration."""
    sampling_percentage: int
    """Share of requests that is captured, 0-100. New configuration."""


class ExecutionRoleArgs(TypedDict):
    """What an execution role of the endpoint's own is limited to. Plain values, known before the program runs."""

    partition: str
    """Partition of the ARNs, such as ``aws``. In place."""
    region: str
    """Region of the endpoint. In place."""
    account_id: str
    """Account of the endpoint, 12 digits. In place."""
    images: list[str]
    """Image URIs of the package; their ECR repositories may be pulled. In place."""
    model_data_urls: list[str]
    """``s3://`` URIs of the package's artifacts; their buckets may be read. In place."""
    permissions_boundary_arn: NotRequired[str]
    """Managed policy that bounds the role. No boundary when left out. In place."""


class ModelEndpointArgs(TypedDict):
    """What to serve and how. Give either ``instance_type`` or ``serverless``, and one of the two roles."""

    endpoint_name: str
    """Name that callers invoke, at most 63 characters. Another name is another endpoint: replaces the endpoint."""
    model_package_arn: pulumi.Input[str]
    """Versioned package of the SageMaker Model Registry, approved. New model and new configuration."""
    instance_type: NotRequired[pulumi.Input[str]]
    """Such as ``ml.m5.large``. New configuration."""
    initial_instance_count: NotRequired[pulumi.Input[int]]
    """Instances, 1 or more; 1 when left out. New configuration."""
    serverless: NotRequired[ServerlessArgs]
    """Serverless instead of instances. New configuration; AWS refuses to move an instance endpoint to serverless."""
    execution_role_arn: NotRequired[pulumi.Input[str]]
    """Role that the containers run as. New model and new configuration."""
    execution_role: NotRequired[ExecutionRoleArgs]
    """Make a role of the endpoint's own, with the least that it needs."""
    kms_key_arn: NotRequired[str]
    """Key, by its ARN or its alias's, of volumes and captured data. AWS's own when left out. New configuration."""
    subnets: NotRequired[list[str]]
    """Subnets of the containers, 1-16, with ``security_group_ids``. SageMaker's own network when left out. New model."""
    security_group_ids: NotRequired[list[str]]
    """Security groups of the containers, 1-5. New model."""
    network_isolation: NotRequired[bool]
    """Cut the containers off any network. Off when left out. New model."""
    environment: NotRequired[dict[str, str]]
    """Variables of the container, over the package's own. None when left out. New model."""
    data_capture: NotRequired[DataCaptureArgs]
    """Capture requests and responses. Nothing is captured when left out. New configuration."""
    tags: NotRequired[dict[str, str]]
    """Tags of every resource, at most 50. In place."""


class ModelEndpoint(pulumi.ComponentResource):
    """A live endpoint: model from package, endpoint configuration, endpoint, and a role when none is given.

    Model and configuration have generated names, because each change makes a new one and the endpoint needs old and new
    at once; only the endpoint's own name is fixed. An update is: create model and configuration, move the endpoint over
    in place, delete the old ones.

    Example:
        >>> ModelEndpoint(
        ...     "churn-staging",
        ...     {
        ...         "endpoint_name": "churn-staging",
        ...         "model_package_arn": "arn:aws:sagemaker:us-east-1:123456789012:model-package/churn/7",
        ...         "instance_type": "ml.m5.large",
        ...         "execution_role_arn": role.arn,
        ...     },
        ... )
    """

    endpoint_arn: pulumi.Output[str]
    """ARN of the endpoint. Unknown in the preview that creates it."""
    config_name: pulumi.Output[str]
    """Name of the endpoint configuration that the endpoint was last told to use."""
    model_name: pulumi.Output[str]
    """Name of the SageMaker model behind the configuration."""
    role_arn: pulumi.Output[str]
    """Role that the containers run as."""

    def __init__(
        self,
        name: str,
        args: ModelEndpointArgs,
        opts: pulumi.ResourceOptions | None = None,
        *,
        delete_guard: pulumi.ResourceHook | None = None,
        deletion_waits: tuple[pulumi.ResourceHook, pulumi.ResourceHook] | None = None,
    ) -> None:
        """Wire the resources of one endpoint.

        Args:
            name: logical name, at most 48 characters; state depends on it, so it never holds a version.
            args: what to serve and how.
            opts: options of the component; children are parented to it.
            delete_guard: hook that runs before a model or a configuration is deleted and refuses while it serves.
            deletion_waits: hooks that run before the endpoint is created, and after it is deleted; each returns when no
                endpoint of its name is being deleted.

        Raises:
            ValueError: a name that is too long, or arguments that exclude each other.
        """
        super().__init__("model-deployment:index:ModelEndpoint", name, dict(args), opts)
        _check(name, args)
        self._name, self._args = name, args
        self._tags = args.get("tags")
        self._guard = pulumi.ResourceHookBinding(before_delete=[delete_guard] if delete_guard else [])
        self._waits = pulumi.ResourceHookBinding(
            before_create=[deletion_waits[0]] if deletion_waits else [],
            after_delete=[deletion_waits[1]] if deletion_waits else [],
        )

        role_arn, needs = self._role()
        model = self._model(role_arn, needs)
        config = self._configuration(model)
        endpoint = self._endpoint(config)

        self.role_arn = role_arn
        self.model_name = model.name
        self.config_name = config.name
        self.endpoint_arn = endpoint.arn
        self.register_outputs(
            {
                "role_arn": self.role_arn,
                "model_name": self.model_name,
                "config_name": self.config_name,
                "endpoint_arn": self.endpoint_arn,
            }
        )

    def _child(self, **options: object) -> pulumi.ResourceOptions:
        return pulumi.ResourceOptions(parent=self, **options)  # type: ignore[arg-type]

    def _role(self) -> tuple[pulumi.Output[str], list[pulumi.Resource]]:
        """The role's ARN, and what must exist before anything uses it."""
        given = self._args.get("execution_role_arn")
        if given is not None:
            return pulumi.Output.from_input(given), []
        limits = self._args["execution_role"]
        role = iam.Role(
            f"{self._name}-role",
            assume_role_policy=json.dumps(_iam.trust_policy()),
            permissions_boundary=limits.get("permissions_boundary_arn"),
            tags=self._tags,
            opts=self._child(),
        )
        capture = self._args.get("data_capture")
        document = _iam.execution_policy(
            partition=limits["partition"],
            region=limits["region"],
            account_id=limits["account_id"],
            endpoint_name=self._args["endpoint_name"],
            images=limits["images"],
            model_data_urls=limits["model_data_urls"],
            capture_destination_s3_uri=capture["destination_s3_uri"] if capture else None,
            kms_key_arn=self._args.get("kms_key_arn"),
            subnets=self._args.get("subnets", []),
            security_group_ids=self._args.get("security_group_ids", []),
        )
        policy = iam.RolePolicy(
            f"{self._name}-policy",
            role=role.id,
            policy=json.dumps(document),
            # Another policy is made beside the old one, which goes last: what serves until then keeps its rights.
            opts=self._child(replace_on_changes=["policy"]),
        )
        return role.arn, [policy]

    def _model(self, role_arn: pulumi.Output[str], needs: list[pulumi.Resource]) -> sagemaker.Model:
        args = self._args
        vpc = (
            {"subnets": args["subnets"], "security_group_ids": args["security_group_ids"]}
            if "subnets" in args
            else None
        )
        return sagemaker.Model(
            f"{self._name}-model",
            execution_role_arn=role_arn,
            primary_container={
                "model_package_name": args["model_package_arn"],
                "environment": args.get("environment"),
            },
            enable_network_isolation=args.get("network_isolation", False),
            vpc_config=vpc,
            tags=self._tags,
            opts=self._child(depends_on=needs, hooks=self._guard),
        )

    def _configuration(self, model: sagemaker.Model) -> sagemaker.EndpointConfiguration:
        args = self._args
        variant: dict[str, object] = {"variant_name": VARIANT_NAME, "model_name": model.name}
        if "serverless" in args:
            variant["serverless_config"] = dict(args["serverless"])
        else:
            variant["instance_type"] = args["instance_type"]
            variant["initial_instance_count"] = args.get("initial_instance_count", 1)
        return sagemaker.EndpointConfiguration(
            f"{self._name}-config",
            production_variants=[variant],
            kms_key_arn=args.get("kms_key_arn"),
            data_capture_config=self._data_capture(),
            tags=self._tags,
            opts=self._child(hooks=self._guard),
        )

    def _data_capture(self) -> dict[str, object] | None:
        capture = self._args.get("data_capture")
        if capture is None:
            return None
        return {
            "enable_capture": True,
            "initial_sampling_percentage": capture["sampling_percentage"],
            "destination_s3_uri": capture["destination_s3_uri"],
            "kms_key_id": self._args.get("kms_key_arn"),
            "capture_options": [{"capture_mode": mode} for mode in ("Input", "Output")],
            "capture_content_type_header": {
                "csv_content_types": ["text/csv"],
                "json_content_types": ["application/json", "application/jsonlines"],
            },
        }

    def _endpoint(self, config: sagemaker.EndpointConfiguration) -> sagemaker.Endpoint:
        return sagemaker.Endpoint(
            self._name,  # state name: changing it replaces the live endpoint
            name=self._args["endpoint_name"],
            endpoint_config_name=config.name,
            tags=self._tags,
            # Old and new have one name: made first, the new one would be what the deletion of the old one deletes.
            opts=self._child(delete_before_replace=True, hooks=self._waits),
        )


def _check(name: str, args: ModelEndpointArgs) -> None:
    """Refuse what cannot work, before any resource exists."""
    if len(name) > NAME_LIMIT:
        message = f"name {name!r} has {len(name)} characters; at most {NAME_LIMIT}, so that AWS names stay within 63"
        raise ValueError(message)
    for one, other in (("instance_type", "serverless"), ("execution_role_arn", "execution_role")):
        if (one in args) == (other in args):
            message = f"{name}: give exactly one of `{one}` and `{other}`"
            raise ValueError(message)
    if ("subnets" in args) != ("security_group_ids" in args):
        message = f"{name}: `subnets` and `security_group_ids` go together; give both or none"
        raise ValueError(message)
