"""The short way of `deploy`, which ends without the engine: taken only when nothing at all has changed."""

import json

import pytest

SHORT = "no changes since the last verified deploy"


@pytest.fixture
def verified(deployment):
    """A stack that was deployed and verified, and whose next deploy would take the short way."""
    deployment.register()
    assert deployment.runner("deploy", "staging").code == 0
    return deployment


def deploy(deployment, *options):
    done = deployment.runner("deploy", "staging", "--json", *options)
    assert done.code == 0, done.err
    return done.json["result"]


def test_nothing_changed_ends_without_the_engine_and_full_forces_it(verified, cloud):
    cloud.control.forget_calls()
    assert deploy(verified) == SHORT
    assert "GetCallerIdentity" in cloud.control.calls()
    assert deploy(verified, "--full") == "no changes"
    assert deploy(verified) == SHORT


def test_a_new_version_is_seen(verified):
    verified.register()
    assert deploy(verified) == "deployed"


def test_another_setting_is_seen(verified):
    verified.serve({"InstanceType": "ml.m5.xlarge", "InstanceCount": 1})
    assert deploy(verified) == "deployed"


def test_another_key_of_the_stack_file_is_seen(verified):
    verified.configure(tags={"team": "blue"})
    assert deploy(verified) == "deployed"


@pytest.mark.parametrize("name", ["__main__.py", "requirements.txt", "Pulumi.yaml"])
def test_another_program_or_lock_is_seen(verified, name):
    path = verified.folder / name
    content = path.read_text()
    path.unlink()
    path.write_text(content + "\n# changed\n")
    assert deploy(verified) == "no changes"
    assert deploy(verified) == SHORT


def test_a_state_changed_by_hand_is_seen(verified):
    verified.register()
    assert verified.pulumi("up", "--yes", "--stack", "staging").code == 0
    assert deploy(verified) == "no changes"
    assert deploy(verified) == SHORT


def test_a_resource_taken_out_of_the_state_by_hand_is_seen(verified):
    urn = next(each["urn"] for each in verified.state()["resources"] if each["type"].endswith(":RolePolicy"))
    assert (
        verified.pulumi("state", "delete", urn, "--yes", "--target-dependents", "--stack", "staging").code
        == 0
    )
    assert deploy(verified) == "deployed"


def test_drift_of_the_live_endpoint_is_seen(verified, aws):
    sagemaker = aws("sagemaker")
    sagemaker.update_endpoint_weights_and_capacities(
        EndpointName="iris-staging",
        DesiredWeightsAndCapacities=[{"VariantName": "main", "DesiredInstanceCount": 3}],
    )
    assert deploy(verified) != SHORT


def test_a_record_that_is_lost_broken_or_refused_only_costs_time(verified, aws, cloud):
    ssm = aws("ssm")
    (parameter,) = (each["Name"] for each in ssm.describe_parameters()["Parameters"])
    assert set(json.loads(ssm.get_parameter(Name=parameter)["Parameter"]["Value"])) == {
        "version",
        "inputs",
        "state",
        "live",
    }
    ssm.delete_parameter(Name=parameter)
    assert deploy(verified) == "no changes"
    ssm.put_parameter(Name=parameter, Value="not json", Type="String", Overwrite=True)
    assert deploy(verified) == "no changes"
    cloud.inject("GetParameter", error="AccessDeniedException", status=400)
    done = verified.runner("deploy", "staging")
    assert done.code == 0
    assert "nothing is skipped" in done.err
