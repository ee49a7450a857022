from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

SERVERLESS = {"ServerlessConfig": {"MemorySizeInMB": 1024, "MaxConcurrency": 2}}
LONG = 600


@pytest.fixture
def two(aws: Any) -> Any:
    """A cloud with a model and two configurations."""
    aws.model()
    aws.config("old")
    aws.config("new")
    return aws


def update(aws: Any, config: str = "new", **more: Any) -> None:
    aws.sagemaker.update_endpoint(EndpointName="endpoint", EndpointConfigName=config, **more)


def test_an_endpoint_is_creating_first_and_then_in_service(two: Any) -> None:
    two.sagemaker.create_endpoint(EndpointName="endpoint", EndpointConfigName="old")
    assert two.describe()["EndpointStatus"] == "Creating"
    assert two.settled()["EndpointStatus"] == "InService"
    variant = two.describe()["ProductionVariants"][0]
    assert (variant["VariantName"], variant["CurrentInstanceCount"]) == ("main", 1)


def test_an_endpoint_needs_a_known_configuration(aws: Any) -> None:
    with pytest.raises(ClientError, match="Could not find endpoint configuration"):
        aws.sagemaker.create_endpoint(EndpointName="endpoint", EndpointConfigName="none")


def test_an_update_shows_the_old_configuration_until_it_is_done(two: Any) -> None:
    two.endpoint(config="old")
    update(two)
    during = two.describe()
    assert (during["EndpointStatus"], during["EndpointConfigName"]) == ("Updating", "old")
    assert during["PendingDeploymentSummary"]["EndpointConfigName"] == "new"
    after = two.settled()
    assert (after["EndpointStatus"], after["EndpointConfigName"]) == ("InService", "new")
    assert "PendingDeploymentSummary" not in after


def test_an_endpoint_in_progress_can_neither_be_updated_nor_deleted(two: Any) -> None:
    two.control.set_endpoint_seconds(LONG)
    two.sagemaker.create_endpoint(EndpointName="endpoint", EndpointConfigName="old")
    with pytest.raises(ClientError, match='Cannot update in-progress endpoint "arn:'):
        update(two)
    with pytest.raises(ClientError, match='Cannot update in-progress endpoint "arn:'):
        two.sagemaker.delete_endpoint(EndpointName="endpoint")


def test_an_instance_endpoint_does_not_become_serverless_but_the_other_way_round_it_does(two: Any) -> None:
    two.config("serverless", **SERVERLESS)
    two.endpoint(config="old")
    with pytest.raises(ClientError, match=r"ValidationException.*serverless"):
        update(two, "serverless")
    two.endpoint("other", config="serverless")
    two.sagemaker.update_endpoint(EndpointName="other", EndpointConfigName="new")
    assert two.settled("other")["EndpointConfigName"] == "new"


def test_a_deleted_endpoint_is_deleting_and_then_gone(two: Any, until: Any) -> None:
    two.endpoint(config="old")
    two.sagemaker.delete_endpoint(EndpointName="endpoint")
    assert two.describe()["EndpointStatus"] == "Deleting"
    until(lambda: two.sagemaker.list_endpoints()["Endpoints"] == [])
    with pytest.raises(ClientError, match='Could not find endpoint "arn:'):
        two.describe()
    assert two.endpoint(config="new")["EndpointStatus"] == "InService"


def test_weights_and_capacities_change_beside_the_configuration(two: Any) -> None:
    two.endpoint(config="old")
    change = {"VariantName": "main", "DesiredInstanceCount": 3, "DesiredWeight": 0.5}
    two.sagemaker.update_endpoint_weights_and_capacities(
        EndpointName="endpoint", DesiredWeightsAndCapacities=[change]
    )
    variant = two.settled()["ProductionVariants"][0]
    assert (variant["CurrentInstanceCount"], variant["CurrentWeight"]) == (3, 0.5)
    update(two, RetainAllVariantProperties=True)
    assert two.settled()["ProductionVariants"][0]["CurrentInstanceCount"] == 3
    update(two, "old")
    assert two.settled()["ProductionVariants"][0]["CurrentInstanceCount"] == 1


def test_a_creation_asked_to_fail_ends_failed_and_then_only_deletion_is_possible(
    two: Any, until: Any
) -> None:
    two.sandbox.inject("CreateEndpoint", outcome="Failed", message="no capacity", count=1)
    answer = two.endpoint(config="old")
    assert (answer["EndpointStatus"], answer["FailureReason"]) == ("Failed", "no capacity")
    with pytest.raises(ClientError, match="in status Failed"):
        update(two)
    two.sagemaker.delete_endpoint(EndpointName="endpoint")
    until(lambda: two.sagemaker.list_endpoints()["Endpoints"] == [])
    assert two.endpoint(config="old")["EndpointStatus"] == "InService"


def test_a_silent_rollback_ends_in_service_on_the_old_configuration_and_never_shows_rolling_back(
    two: Any, until: Any
) -> None:
    two.endpoint(config="old")
    two.sandbox.inject("UpdateEndpoint", outcome="RolledBack", count=1)
    update(two)
    seen = set()
    until(lambda: seen.add(two.describe()["EndpointStatus"]) or "InService" in seen)
    assert seen <= {"Updating", "InService"}
    assert two.describe()["EndpointConfigName"] == "old"


def test_a_visible_rollback_passes_rolling_back(two: Any, until: Any) -> None:
    two.endpoint(config="old")
    two.sandbox.inject("UpdateEndpoint", outcome="RollingBack", message="alarm", count=1)
    update(two)
    until(lambda: two.describe()["EndpointStatus"] == "RollingBack")
    after = two.settled()
    assert (after["EndpointStatus"], after["EndpointConfigName"], after["FailureReason"]) == (
        "InService",
        "old",
        "alarm",
    )


def test_an_endpoint_whose_rollback_failed_can_be_updated(two: Any) -> None:
    two.endpoint(config="old")
    two.sandbox.inject("UpdateEndpoint", outcome="UpdateRollbackFailed", count=1)
    update(two)
    assert two.settled()["EndpointStatus"] == "UpdateRollbackFailed"
    update(two)
    after = two.settled()
    assert (after["EndpointStatus"], after["EndpointConfigName"]) == ("InService", "new")


def test_endpoints_are_listed_by_status_and_name(two: Any) -> None:
    two.endpoint("first-a", config="old")
    two.endpoint("second-b", config="old")
    two.control.set_endpoint_seconds(LONG)
    two.sagemaker.create_endpoint(EndpointName="third-a", EndpointConfigName="old")

    def names(**filters: str) -> list[str]:
        return [found["EndpointName"] for found in two.sagemaker.list_endpoints(**filters)["Endpoints"]]

    assert names(StatusEquals="InService", SortBy="Name", SortOrder="Ascending") == ["first-a", "second-b"]
    assert sorted(names(NameContains="-a")) == ["first-a", "third-a"]
