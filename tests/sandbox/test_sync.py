"""The sync from MLflow against the local cloud's Model Registry; MLflow itself is plain values here."""

from concurrent.futures import ThreadPoolExecutor
from itertools import permutations
from unittest.mock import Mock

import pytest

from registry import RegistryError, SageMakerRegistry, UnavailableError
from registry.package_writer import PackageWriter
from registry.sync import Sync, SyncRequest, results
from tests.support.mlflow import FakeMlflow, FakePacker

REQUEST = SyncRequest("churn", "churn")


@pytest.fixture
def mlflow():
    return FakeMlflow()


@pytest.fixture
def sync(aws, mlflow):
    clients = Mock()
    clients.get.side_effect = aws.client
    return Sync(mlflow, SageMakerRegistry(clients), PackageWriter(clients), FakePacker(), lambda _line: None)


def metadata(sync):
    """Metadata of the group's packages by package version."""
    return {each.version: dict(each.metadata) for each in sync.packages.read_all_packages("churn")}


def environments(sync):
    return {entry["mlflow_version"]: entry["deploy_environments"] for entry in metadata(sync).values()}


def actions(done):
    return [(each.step.action, each.step.version) for each in done]


def test_a_promoted_version_becomes_an_approved_package_with_its_whole_story(sync, mlflow, aws):
    mlflow.put(1)
    mlflow.put(2, "Staging", description='it said "yes"', run_id="abc")
    (done,) = sync.run(REQUEST)
    found = aws.sagemaker.describe_model_package(ModelPackageName=done.package_arn)
    assert found["ModelApprovalStatus"] == "Approved"
    assert found["ModelPackageDescription"] == "mlflow churn-v2"
    (container,) = found["InferenceSpecification"]["Containers"]
    assert container["Environment"] == {"SAGEMAKER_PROGRAM": "inference.py"}
    entries = found["CustomerMetadataProperties"]
    assert entries["mlflow_description"] == "it said -yes-"
    assert entries["artifact_sha256"] == "0" * 64
    assert '"it said \\"yes\\""' in sync.packer.texts[entries["metadata_url"]]
    assert mlflow.versions["2"].tags["sagemaker.package_arn"] == done.package_arn
    assert mlflow.versions["2"].tags["sagemaker.status"] == "registered"
    assert mlflow.versions["1"].tags == {}


def test_a_second_run_changes_nothing_and_writes_nothing(sync, mlflow):
    mlflow.put(1, "Staging")
    sync.run(REQUEST)
    written = mlflow.written
    before = metadata(sync)
    assert actions(sync.run(REQUEST)) == [("keep", "1")]
    sync.run(REQUEST)
    assert metadata(sync) == before
    assert sync.packer.packed == 1
    assert mlflow.written <= written + 1  # the reason, once: it was registered, and now it is equal


def test_teams_that_approve_in_sagemaker_get_packages_that_wait(sync, mlflow, aws):
    mlflow.put(1, "Staging")
    (done,) = sync.run(SyncRequest("churn", "churn", approval="PendingManualApproval"))
    found = aws.sagemaker.describe_model_package(ModelPackageName=done.package_arn)
    assert found["ModelApprovalStatus"] == "PendingManualApproval"


def test_defect_9_what_cannot_be_packed_is_not_registered_and_keeps_no_other_back(sync, mlflow):
    mlflow.put(1, "Staging")
    sync.run(REQUEST)
    mlflow.put(1, "None")
    mlflow.put(2, "Staging")
    sync.packer.fails = UnavailableError("S3 failed in the middle of the upload")
    done = sync.run(REQUEST)
    assert [(each.step.action, bool(each.problem)) for each in done] == [
        ("update", False),
        ("register", True),
    ]
    assert list(metadata(sync)) == [1]
    assert mlflow.versions["2"].tags["sagemaker.status"] == "failed"
    assert "S3 failed" in mlflow.versions["2"].tags["sagemaker.reason"]


@pytest.mark.parametrize("what", ["mlflow", "page two", "described"])
def test_defect_1_a_read_that_fails_removes_nothing(sync, mlflow, aws, what):
    mlflow.put(1, "Staging")
    sync.run(REQUEST)
    before = metadata(sync)
    mlflow.versions.clear()
    if what == "mlflow":
        mlflow.down = UnavailableError("MLflow is down")
    elif what == "page two":
        aws.sandbox.inject("ListModelPackages", status=500, error="InternalFailure")
    else:
        aws.sandbox.inject("DescribeModelPackage", status=400, error="AccessDeniedException")
    with pytest.raises(RegistryError):
        sync.run(REQUEST)
    aws.sandbox.control.clear_faults()
    mlflow.down = None
    assert metadata(sync) == before


def test_a_model_that_is_gone_leaves_the_selection_and_then_the_group(sync, mlflow):
    mlflow.put(1, "Staging")
    sync.run(REQUEST)
    mlflow.exists = False
    assert actions(sync.run(REQUEST)) == [("update", "1")]
    assert environments(sync) == {"1": "None"}
    assert actions(sync.run(REQUEST)) == [("retire", "1")]
    assert metadata(sync) == {}


def test_a_package_that_an_endpoint_serves_is_not_retired(sync, mlflow, aws):
    mlflow.put(1, "Staging")
    (done,) = sync.run(REQUEST)
    aws.sagemaker.create_model(
        ModelName="served",
        ExecutionRoleArn="arn:aws:iam::123456789012:role/execution",
        PrimaryContainer={"ModelPackageName": done.package_arn},
    )
    aws.config("served", "served")
    aws.endpoint("any-name", "served")
    mlflow.versions.clear()
    sync.run(REQUEST)
    (kept,) = sync.run(REQUEST)
    assert (kept.step.action, kept.step.reason) == (
        "keep",
        "the version is gone from MLflow; an endpoint still serves it",
    )
    assert list(metadata(sync)) == [1]


def test_more_retirements_than_allowed_are_all_held_until_a_person_looks(sync, mlflow):
    for number in (1, 2, 3):
        mlflow.put(number, "Staging")
    sync.run(REQUEST)
    mlflow.versions.clear()
    sync.run(REQUEST)
    done = sync.run(SyncRequest("churn", "churn", max_removals=2))
    assert {each.step.action for each in done} == {"keep"}
    assert "more than maxRemovals (2) would go" in done[0].step.reason
    assert len(metadata(sync)) == 3


def test_a_version_that_is_promoted_again_after_it_was_retired_gets_a_new_package(sync, mlflow):
    mlflow.put(1, "Staging")
    sync.run(REQUEST)
    mlflow.put(1, "Archived")
    sync.run(REQUEST)
    sync.run(REQUEST)
    assert metadata(sync) == {}
    mlflow.put(1, "Staging")
    (done,) = sync.run(REQUEST)
    assert done.problem is None
    assert environments(sync) == {"1": "Staging"}


def test_runs_at_the_same_time_never_register_a_version_twice(sync, mlflow):
    mlflow.put(1, "Staging")
    sync.writer.ensure_group("churn")
    with ThreadPoolExecutor(8) as pool:
        runs = [pool.submit(sync.run, REQUEST) for _ in range(8)]
        done = [each for run in runs for each in run.result()]
    assert len({each.package_arn for each in done}) == 1
    assert list(metadata(sync)) == [1]


def test_defect_14_packages_of_others_are_left_alone(sync, mlflow, aws):
    sync.writer.ensure_group("churn")
    aws.sagemaker.create_model_package(
        ModelPackageGroupName="churn",
        InferenceSpecification={
            "Containers": [{"Image": "image:1"}],
            "SupportedContentTypes": ["text/csv"],
            "SupportedResponseMIMETypes": ["text/csv"],
        },
    )
    mlflow.put(1, "Staging")
    done = sync.run(REQUEST)
    assert actions(done) == [("register", "1"), ("ignore", None)]
    assert sorted(metadata(sync)) == [1, 2]


def test_a_rollback_by_moving_the_alias_back_registers_nothing(sync, mlflow):
    mlflow.put(1, "None", "champion")
    sync.run(REQUEST)
    mlflow.put(2, "None", "champion")
    sync.run(REQUEST)
    assert environments(sync) == {"1": "None", "2": "Production"}
    mlflow.put(1, "None", "champion")
    sync.run(REQUEST)
    assert environments(sync) == {"1": "Production", "2": "None"}
    assert sync.packer.packed == 2


CHANGES = (
    lambda it: it.put(1, "Staging"),
    lambda it: it.put(2, "None", "champion"),
    lambda it: it.put(1, "Archived"),
    lambda it: it.put(3, "Staging", "challenger"),
    lambda it: it.versions.pop("2", None),
)


@pytest.mark.parametrize("order", list(permutations(range(5)))[::17])
def test_whatever_is_lost_or_reordered_the_last_run_reaches_the_same(sync, mlflow, order):
    """Each event only says: look again. One of five is lost; the last run, as the schedule starts it, sees it all."""
    for number, change in enumerate(CHANGES):
        change(mlflow)
        if order[number] != 0:  # the lost one
            sync.run(REQUEST)
        if order[number] == 1:  # one delivered twice
            sync.run(REQUEST)
    for _ in range(3):
        done = sync.run(REQUEST)
    assert {each.step.action for each in done} == {"keep"}
    assert environments(sync) == {"3": "Staging"}


def test_what_a_data_scientist_reads_is_the_newest_truth_of_each_version(sync, mlflow):
    mlflow.put(1, "Staging", status="PENDING_REGISTRATION")
    told = results(sync.run(REQUEST))
    assert told["1"]["sagemaker.status"] == "waiting"
    assert mlflow.versions["1"].tags["sagemaker.package_arn"] == ""
