"""What `python -m runner` does with a real engine: the way of a model from registry to endpoint, and what is refused."""

import json

import pytest


def rows(done):
    assert done.code == 0, done.err
    return {row["endpoint"]: row for row in done.json["rows"]}


def test_a_promoted_version_becomes_a_live_endpoint_that_answers(deployment, aws):
    deployment.register()
    row = rows(deployment.runner("deploy", "staging", "--json"))["iris-staging"]
    assert (row["package_version"], row["note"], row["status"]) == (1, "created", "InService")
    answer = aws("sagemaker-runtime").invoke_endpoint(
        EndpointName="iris-staging", Body=b"[1, 2]", ContentType="application/json"
    )
    assert json.loads(answer["Body"].read()) == [2, 4]


def test_a_new_version_keeps_the_endpoint_and_replaces_only_model_and_configuration(deployment):
    deployment.register()
    first = rows(deployment.runner("deploy", "staging", "--json"))["iris-staging"]
    made = deployment.live()["CreationTime"]
    deployment.register()
    done = deployment.runner("deploy", "staging", "--json")
    row = rows(done)["iris-staging"]
    assert row["note"] == "package 1 → 2"
    assert row["config"] != first["config"]
    assert sorted(done.json["changes"]) == [
        "replace EndpointConfiguration iris-staging-config",
        "replace Model iris-staging-model",
        "update Endpoint iris-staging",
    ]
    assert deployment.live()["CreationTime"] == made
    assert deployment.configurations() == {row["config"]}


def test_pulumi_up_by_hand_does_the_same_as_the_runner(deployment):
    deployment.register()
    done = deployment.pulumi("up", "--yes", "--stack", "staging")
    assert done.code == 0, done.out + done.err
    by_hand = deployment.live()
    assert by_hand["EndpointStatus"] == "InService"
    done = deployment.runner("deploy", "staging", "--json")
    assert rows(done)["iris-staging"]["note"] == "unchanged"
    assert done.json["changes"] == []
    assert deployment.live()["EndpointConfigName"] == by_hand["EndpointConfigName"]
    preview = deployment.pulumi("preview", "--stack", "staging", "--expect-no-changes")
    assert preview.code == 0, preview.out


def test_preview_tells_what_deploy_would_do_and_changes_nothing(deployment, cloud):
    deployment.register()
    cloud.control.forget_calls()
    done = deployment.runner("preview", "staging", "--json")
    assert done.json["result"] == "5 changes planned", done.err
    assert rows(done)["iris-staging"]["note"] == "created"
    assert not {
        call for call in cloud.control.calls() if call.startswith(("Create", "Update", "Delete", "Put"))
    }


def test_production_serves_serverless_as_its_section_says(deployment):
    assert deployment.pulumi("stack", "init", "production").code == 0
    deployment.register(stage="Production")
    row = rows(deployment.runner("deploy", "production", "--json"))["iris-production"]
    assert row["status"] == "InService"
    assert deployment.live("iris-production")["ProductionVariants"][0]["CurrentServerlessConfig"] == {
        "MemorySizeInMB": 1024,
        "MaxConcurrency": 2,
    }


def test_verify_and_status_tell_of_a_deployed_stack(deployment):
    deployment.register()
    assert deployment.runner("verify", "staging").code == 4
    assert deployment.runner("deploy", "staging").code == 0
    assert rows(deployment.runner("verify", "staging", "--json"))["iris-staging"]["note"] == "as deployed"
    assert rows(deployment.runner("status", "staging", "--json"))["iris-staging"]["note"] == "deployed"


def test_destroy_leaves_no_endpoint_no_configuration_and_no_record(deployment, aws):
    deployment.register()
    deployment.runner("deploy", "staging")
    done = deployment.runner("destroy", "staging")
    assert done.code == 0, done.err
    sagemaker = aws("sagemaker")
    assert sagemaker.list_endpoints()["Endpoints"] == []
    assert sagemaker.list_models()["Models"] == []
    assert deployment.configurations() == set()
    assert aws("iam").list_roles()["Roles"] == []
    assert aws("ssm").describe_parameters()["Parameters"] == []


def test_a_run_that_would_delete_more_endpoints_than_allowed_stops_and_names_them(deployment):
    deployment.configure(models=["iris", "wine"], maxRemovals=0)
    deployment.register("iris")
    deployment.register("wine")
    assert deployment.runner("deploy", "staging").code == 0
    deployment.configure(models=["iris"])
    done = deployment.runner("deploy", "staging")
    assert done.code == 5
    assert "wine-staging" in done.err
    assert "--allow-removals" in done.err
    assert deployment.live("wine-staging")["EndpointStatus"] == "InService"
    assert deployment.runner("deploy", "staging", "--allow-removals").code == 0
    assert set(rows(deployment.runner("status", "staging", "--json"))) == {"iris-staging"}


def test_defect_1_a_registry_that_fails_on_page_two_deletes_nothing(deployment, cloud):
    deployment.register()
    for _ in range(100):
        deployment.register(stage="Archived")
    assert deployment.runner("deploy", "staging").code == 0
    before = deployment.state()["resources"]
    cloud.inject("ListModelPackages", status=500, error="InternalFailure", skip=1)
    done = deployment.runner("deploy", "staging", "--full")
    assert done.code == 4
    assert "ListModelPackages" in done.err
    assert "Traceback" not in done.err
    by_hand = deployment.pulumi("up", "--yes", "--stack", "staging")
    assert by_hand.code != 0
    assert "ListModelPackages" in by_hand.out
    assert deployment.live()["EndpointStatus"] == "InService"
    assert [resource["urn"] for resource in deployment.state()["resources"]] == [
        resource["urn"] for resource in before
    ]


def test_another_account_is_refused_by_the_runner_and_by_the_program(deployment):
    deployment.register()
    deployment.configure(allowedAccount="999999999999")
    done = deployment.runner("deploy", "staging")
    assert done.code == 5
    assert "123456789012" in done.err
    assert "999999999999" in done.err
    by_hand = deployment.pulumi("up", "--yes", "--stack", "staging")
    assert by_hand.code != 0
    assert "123456789012" in by_hand.out
    assert deployment.configurations() == set()


@pytest.mark.parametrize(
    ("serve", "said"),
    [
        ({"InstanceType": "ml.m5.large", "InstanceCont": 1}, "InstanceCont"),
        ({"ServerlessMaxConcurrency": 2, "NetworkIsolation": True}, "NetworkIsolation"),
    ],
)
def test_wrong_settings_are_refused_before_anything_is_touched(deployment, cloud, serve, said):
    deployment.register()
    deployment.serve(serve)
    cloud.control.forget_calls()
    done = deployment.runner("deploy", "staging")
    assert done.code == 2
    assert said in done.err
    assert cloud.control.calls() == {}
    by_hand = deployment.pulumi("up", "--yes", "--stack", "staging")
    assert by_hand.code != 0
    assert said in by_hand.out
    assert "Traceback" not in by_hand.out


def test_a_stack_that_was_never_made_is_told_with_its_own_exit_code(deployment):
    deployment.register(stage="Production")
    done = deployment.runner("deploy", "production")
    assert done.code == 6
    assert "pulumi stack init" in done.err


def test_a_move_from_instances_to_serverless_is_refused_until_a_person_allows_it(deployment):
    deployment.register()
    assert deployment.runner("deploy", "staging").code == 0
    deployment.serve({"ServerlessMaxConcurrency": 1})
    done = deployment.runner("deploy", "staging")
    assert done.code == 5
    assert "serverless" in done.err
    assert deployment.live()["EndpointStatus"] == "InService"
    row = rows(deployment.runner("deploy", "staging", "--allow-removals", "--json"))["iris-staging"]
    assert row["status"] == "InService"
    assert "CurrentServerlessConfig" in deployment.live()["ProductionVariants"][0]
