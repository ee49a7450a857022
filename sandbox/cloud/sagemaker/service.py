"""The table of emulated operations, and the way a call takes: check, lock, do, answer."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from datetime import datetime

from sandbox.cloud.errors import AwsError, not_emulated
from sandbox.cloud.faults import Fault
from sandbox.cloud.sagemaker import configs, endpoints, models, packages, tags
from sandbox.cloud.sagemaker.state import Call, Record, State, Surroundings
from sandbox.cloud.validation import check_request

OPERATIONS: dict[str, Callable[[Call], Record]] = {
    "AddTags": tags.add_tags,
    "CreateEndpoint": endpoints.create_endpoint,
    "CreateEndpointConfig": configs.create_endpoint_config,
    "CreateModel": models.create_model,
    "CreateModelPackage": packages.create_model_package,
    "CreateModelPackageGroup": packages.create_model_package_group,
    "DeleteEndpoint": endpoints.delete_endpoint,
    "DeleteEndpointConfig": configs.delete_endpoint_config,
    "DeleteModel": models.delete_model,
    "DeleteModelPackage": packages.delete_model_package,
    "DeleteModelPackageGroup": packages.delete_model_package_group,
    "DeleteModelPackageGroupPolicy": packages.delete_model_package_group_policy,
    "DeleteTags": tags.delete_tags,
    "DescribeEndpoint": endpoints.describe_endpoint,
    "DescribeEndpointConfig": configs.describe_endpoint_config,
    "DescribeModel": models.describe_model,
    "DescribeModelPackage": packages.describe_model_package,
    "DescribeModelPackageGroup": packages.describe_model_package_group,
    "GetModelPackageGroupPolicy": packages.get_model_package_group_policy,
    "ListEndpointConfigs": configs.list_endpoint_configs,
    "ListEndpoints": endpoints.list_endpoints,
    "ListModelPackageGroups": packages.list_model_package_groups,
    "ListModelPackages": packages.list_model_packages,
    "ListModels": models.list_models,
    "ListTags": tags.list_tags,
    "PutModelPackageGroupPolicy": packages.put_model_package_group_policy,
    "UpdateEndpoint": endpoints.update_endpoint,
    "UpdateEndpointWeightsAndCapacities": endpoints.update_endpoint_weights_and_capacities,
    "UpdateModelPackage": packages.update_model_package,
}


class SageMaker:
    """SageMaker of all accounts and regions."""

    def __init__(self, around: Surroundings) -> None:
        self.around = around
        self._lock = threading.Lock()
        self._states: dict[tuple[str, str], State] = {}

    def state(self, account: str, region: str) -> State:
        """Give the resources of an account and region; empty at first."""
        with self._lock:
            return self._states.setdefault((account, region), State(account, region))

    def call(self, account: str, region: str, operation: str, body: bytes, fault: Fault | None) -> bytes:
        """Answer one call.

        Args:
            account: 12 digits.
            region: for example `us-east-1`.
            operation: AWS's name, for example `CreateModel`.
            body: the request, JSON.
            fault: may ask for an outcome.

        Returns:
            The answer, JSON; times are seconds since 1970, as AWS's JSON protocol has them.

        Raises:
            AwsError: the call is refused or not emulated.
        """
        if operation not in OPERATIONS:
            msg = f"SageMaker's {operation}"
            raise not_emulated(msg)
        try:
            request = json.loads(body or b"{}")
        except ValueError:
            raise AwsError("SerializationException", "The request is not JSON.") from None
        if not isinstance(request, dict):
            raise AwsError("SerializationException", "The request is not a JSON object.")
        check_request("sagemaker", operation, request)
        state = self.state(account, region)
        with state.lock:
            answer = OPERATIONS[operation](Call(request, state, self.around, fault))
            return json.dumps(answer, default=_seconds).encode()

    def reset(self) -> None:
        """Forget everything, also what was to happen later."""
        self.around.scheduler.forget()
        with self._lock:
            self._states = {}
        self.around.scorers.release_all()


def _seconds(value: object) -> float:
    if isinstance(value, datetime):
        return value.timestamp()
    msg = f"{type(value).__name__} does not belong in an answer"
    raise TypeError(msg)
