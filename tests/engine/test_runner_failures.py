"""Endpoints that fail, roll back, or were changed by others: what the runner says, keeps and mends."""

import pytest


def test_an_endpoint_that_ends_failed_is_told_with_awss_reason_and_made_anew_by_the_next_deploy(deployment):
    deployment.register(good=False)
    done = deployment.runner("deploy", "staging")
    assert done.code == 4
    assert "did not pass the ping health check" in done.err
    assert "Traceback" not in done.err
    deployment.register()
    done = deployment.runner("deploy", "staging")
    assert done.code == 0, done.err
    assert "replacing endpoint iris-staging: it is Failed" in done.err
    assert deployment.live()["EndpointStatus"] == "InService"


def test_a_failed_endpoint_that_the_state_knows_is_made_anew_by_the_update(
    deployment, aws, cloud, wait_until
):
    deployment.register()
    assert deployment.runner("deploy", "staging").code == 0
    sagemaker, config = aws("sagemaker"), deployment.live()["EndpointConfigName"]
    sagemaker.delete_endpoint(EndpointName="iris-staging")
    wait_until(lambda: not sagemaker.list_endpoints()["Endpoints"])
    cloud.inject("CreateEndpoint", outcome="Failed", count=1, message="no capacity")
    sagemaker.create_endpoint(EndpointName="iris-staging", EndpointConfigName=config)
    wait_until(lambda: deployment.live()["EndpointStatus"] == "Failed")
    done = deployment.runner("deploy", "staging")
    assert done.code == 0, done.err
    assert "replaced Endpoint iris-staging" in done.err
    assert deployment.live()["EndpointStatus"] == "InService"


def test_a_stack_whose_endpoint_could_not_be_made_is_destroyed_whole(deployment):
    deployment.register(good=False)
    assert deployment.runner("deploy", "staging").code == 4
    done = deployment.runner("destroy", "staging", "--allow-removals")
    assert done.code == 0, done.err
    assert deployment.configurations() == set()
    with pytest.raises(Exception, match="Could not find"):
        deployment.live()


@pytest.mark.parametrize(
    "command", [("runner", "deploy", "staging"), ("pulumi", "up", "--yes", "--stack", "staging")]
)
def test_a_silent_rollback_fails_the_run_and_keeps_what_serves(deployment, cloud, command):
    deployment.register()
    assert deployment.runner("deploy", "staging").code == 0
    served = deployment.live()["EndpointConfigName"]
    deployment.register()
    cloud.inject("UpdateEndpoint", outcome="RolledBack", count=1, message="alarm 5xx is in ALARM")
    tool, *arguments = command
    done = getattr(deployment, tool)(*arguments)
    assert done.code == (4 if tool == "runner" else 1)
    said = done.out + done.err
    assert served in said
    assert "iris-staging still" in said.replace("the live endpoint iris-staging still", "iris-staging still")
    assert deployment.live()["EndpointConfigName"] == served
    assert served in deployment.configurations()
    again = deployment.runner("deploy", "staging")
    assert again.code == 0, again.err
    assert deployment.live()["EndpointConfigName"] != served
    assert deployment.configurations() == {deployment.live()["EndpointConfigName"]}


def test_the_runner_tells_awss_reason_for_a_silent_rollback(deployment, cloud):
    deployment.register()
    assert deployment.runner("deploy", "staging").code == 0
    deployment.register()
    cloud.inject("UpdateEndpoint", outcome="RolledBack", count=1, message="alarm 5xx is in ALARM")
    assert (
        "AWS rolled the update back. AWS's reason: alarm 5xx is in ALARM"
        in deployment.runner("deploy", "staging").err
    )


def test_an_endpoint_deleted_by_hand_is_made_again(deployment, aws):
    deployment.register()
    assert deployment.runner("deploy", "staging").code == 0
    aws("sagemaker").delete_endpoint(EndpointName="iris-staging")
    done = deployment.runner("deploy", "staging")
    assert done.code == 0, done.err
    assert "deleted outside Pulumi" in done.err
    assert deployment.live()["EndpointStatus"] == "InService"


def test_an_endpoint_moved_by_hand_is_moved_back(deployment, aws):
    deployment.register()
    assert deployment.runner("deploy", "staging").code == 0
    ours = deployment.live()["EndpointConfigName"]
    sagemaker = aws("sagemaker")
    variants = sagemaker.describe_endpoint_config(EndpointConfigName=ours)["ProductionVariants"]
    sagemaker.create_endpoint_config(EndpointConfigName="by-hand", ProductionVariants=variants)
    sagemaker.update_endpoint(EndpointName="iris-staging", EndpointConfigName="by-hand")
    done = deployment.runner("deploy", "staging")
    assert done.code == 0, done.err
    assert deployment.live()["EndpointConfigName"] == ours
    assert "by-hand" in deployment.configurations()


def test_an_endpoint_of_somebody_else_is_neither_adopted_nor_changed(deployment, aws):
    deployment.register()
    sagemaker = aws("sagemaker")
    sagemaker.create_model(
        ModelName="theirs",
        ExecutionRoleArn="arn:aws:iam::123456789012:role/theirs",
        PrimaryContainer={"Image": "theirs:1"},
    )
    variant = {
        "VariantName": "v",
        "ModelName": "theirs",
        "InstanceType": "ml.m5.large",
        "InitialInstanceCount": 1,
    }
    sagemaker.create_endpoint_config(EndpointConfigName="theirs", ProductionVariants=[variant])
    sagemaker.create_endpoint(EndpointName="iris-staging", EndpointConfigName="theirs")
    done = deployment.runner("deploy", "staging")
    assert done.code == 4
    assert "not this stack's" in done.err
    assert deployment.live()["EndpointConfigName"] == "theirs"
    assert deployment.configurations() == {"theirs"}
