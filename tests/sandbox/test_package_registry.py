from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from sandbox.cloud.errors import AwsError
from sandbox.cloud.sagemaker.packages import merged_metadata

PLAIN = st.dictionaries(st.text(max_size=3), st.text(max_size=3), max_size=8)


def code(call: Any, **arguments: Any) -> str:
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    return str(caught.value.response["Error"]["Code"])


@pytest.fixture
def group(aws: Any) -> str:
    aws.sagemaker.create_model_package_group(ModelPackageGroupName="iris")
    return "iris"


@given(PLAIN, PLAIN, st.lists(st.text(max_size=3), max_size=4))
def test_merged_metadata_keeps_what_is_not_named_and_drops_what_is_removed(
    present: dict[str, str], given: dict[str, str], remove: list[str]
) -> None:
    merged = merged_metadata(present, given, remove)
    assert merged.keys() == (present.keys() | given.keys()) - set(remove)
    assert all(merged[key] == given.get(key, present.get(key)) for key in merged)


def test_more_than_fifty_metadata_entries_are_refused_also_when_they_come_by_merging() -> None:
    forty = {f"k{number}": "v" for number in range(40)}
    with pytest.raises(AwsError, match="51 entries; at most 50"):
        merged_metadata(forty, {f"n{number}": "v" for number in range(11)}, [])


def test_an_approval_keeps_the_metadata_and_metadata_keep_the_approval(aws: Any, group: str) -> None:
    arn = aws.sagemaker.create_model_package(
        ModelPackageGroupName=group, CustomerMetadataProperties={"a": "1", "b": "2"}
    )["ModelPackageArn"]
    aws.sagemaker.update_model_package(
        ModelPackageArn=arn, ModelApprovalStatus="Approved", ApprovalDescription="by me"
    )
    aws.sagemaker.update_model_package(
        ModelPackageArn=arn,
        CustomerMetadataProperties={"b": "3", "c": "4"},
        CustomerMetadataPropertiesToRemove=["a"],
    )
    answer = aws.sagemaker.describe_model_package(ModelPackageName=arn)
    assert answer["CustomerMetadataProperties"] == {"b": "3", "c": "4"}
    assert (answer["ModelApprovalStatus"], answer["ApprovalDescription"]) == ("Approved", "by me")


def test_metadata_can_be_removed_without_giving_any(aws: Any, group: str) -> None:
    arn = aws.sagemaker.create_model_package(
        ModelPackageGroupName=group, CustomerMetadataProperties={"a": "1"}
    )["ModelPackageArn"]
    aws.sagemaker.update_model_package(ModelPackageArn=arn, CustomerMetadataPropertiesToRemove=["a"])
    assert "CustomerMetadataProperties" not in aws.sagemaker.describe_model_package(ModelPackageName=arn)


@pytest.mark.parametrize("value", ["x" * 257, "tab\there", "brace{", "quote'"])
def test_metadata_values_outside_of_length_and_characters_are_refused(
    aws: Any, group: str, value: str
) -> None:
    create = aws.sagemaker.create_model_package
    metadata = {"a": value}
    assert (
        code(create, ModelPackageGroupName=group, CustomerMetadataProperties=metadata)
        == "ValidationException"
    )


@pytest.mark.parametrize("value", ["x" * 256, "Ünïcode/ok: 1.2_3=+-@", "日本"])
def test_metadata_values_inside_of_length_and_characters_are_kept(aws: Any, group: str, value: str) -> None:
    arn = aws.sagemaker.create_model_package(
        ModelPackageGroupName=group, CustomerMetadataProperties={"a": value}
    )["ModelPackageArn"]
    assert aws.sagemaker.describe_model_package(ModelPackageName=arn)["CustomerMetadataProperties"] == {
        "a": value
    }


def test_a_group_may_be_given_by_name_or_arn(aws: Any, group: str) -> None:
    arn = aws.sagemaker.describe_model_package_group(ModelPackageGroupName=group)["ModelPackageGroupArn"]
    first = aws.sagemaker.create_model_package(ModelPackageGroupName=arn)["ModelPackageArn"]
    assert first.endswith(":model-package/iris/1")
    for name in (group, arn):
        listed = aws.sagemaker.list_model_packages(ModelPackageGroupName=name)["ModelPackageSummaryList"]
        assert [package["ModelPackageArn"] for package in listed] == [first]


def test_an_unknown_group_is_an_error_and_not_an_empty_list(aws: Any) -> None:
    for call in (aws.sagemaker.list_model_packages, aws.sagemaker.describe_model_package_group):
        with pytest.raises(ClientError, match=r"ModelPackageGroup arn:aws:sagemaker:.*/none does not exist"):
            call(ModelPackageGroupName="none")


def test_three_hundred_versions_registered_at_once_have_three_hundred_numbers(aws: Any, group: str) -> None:
    with ThreadPoolExecutor(32) as pool:
        arns = list(
            pool.map(
                lambda _: aws.sagemaker.create_model_package(ModelPackageGroupName=group)["ModelPackageArn"],
                range(300),
            )
        )
    assert sorted(int(arn.rsplit("/", 1)[1]) for arn in arns) == list(range(1, 301))
    pages = aws.sagemaker.get_paginator("list_model_packages").paginate(
        ModelPackageGroupName=group, PaginationConfig={"PageSize": 100}
    )
    listed = [package["ModelPackageArn"] for page in pages for package in page["ModelPackageSummaryList"]]
    assert sorted(listed) == sorted(arns)


def test_lists_filter_by_approval_and_leave_groups_out_when_none_is_named(aws: Any, group: str) -> None:
    create = aws.sagemaker.create_model_package
    approved = create(ModelPackageGroupName=group, ModelApprovalStatus="Approved")["ModelPackageArn"]
    create(ModelPackageGroupName=group, ModelApprovalStatus="Rejected")
    alone = create(ModelPackageName="alone")["ModelPackageArn"]

    def listed(**arguments: str) -> list[str]:
        answer = aws.sagemaker.list_model_packages(**arguments)["ModelPackageSummaryList"]
        return [package["ModelPackageArn"] for package in answer]

    assert listed(ModelPackageGroupName=group, ModelApprovalStatus="Approved") == [approved]
    assert listed() == [alone]
    assert len(listed(ModelPackageType="Both")) == 3


def test_a_deleted_version_number_is_not_used_again(aws: Any, group: str) -> None:
    create = aws.sagemaker.create_model_package
    second = [create(ModelPackageGroupName=group)["ModelPackageArn"] for _ in range(2)][1]
    aws.sagemaker.delete_model_package(ModelPackageName=second)
    assert create(ModelPackageGroupName=group)["ModelPackageArn"].endswith("/3")
    assert code(aws.sagemaker.describe_model_package, ModelPackageName=second) == "ValidationException"


def test_a_group_with_packages_cannot_be_deleted(aws: Any, group: str) -> None:
    arn = aws.sagemaker.create_model_package(ModelPackageGroupName=group)["ModelPackageArn"]
    delete = aws.sagemaker.delete_model_package_group
    assert code(delete, ModelPackageGroupName=group) == "ConflictException"
    aws.sagemaker.delete_model_package(ModelPackageName=arn)
    delete(ModelPackageGroupName=group)
    assert aws.sagemaker.list_model_package_groups()["ModelPackageGroupSummaryList"] == []


def test_a_group_name_is_used_once(aws: Any, group: str) -> None:
    assert (
        code(aws.sagemaker.create_model_package_group, ModelPackageGroupName=group) == "ValidationException"
    )


def test_a_group_policy_is_kept_until_it_is_deleted(aws: Any, group: str) -> None:
    sagemaker = aws.sagemaker
    sagemaker.put_model_package_group_policy(ModelPackageGroupName=group, ResourcePolicy='{"a": 1}')
    assert (
        sagemaker.get_model_package_group_policy(ModelPackageGroupName=group)["ResourcePolicy"] == '{"a": 1}'
    )
    sagemaker.delete_model_package_group_policy(ModelPackageGroupName=group)
    assert (
        code(sagemaker.get_model_package_group_policy, ModelPackageGroupName=group) == "ValidationException"
    )


def test_a_client_token_makes_a_repeated_registration_harmless(aws: Any, group: str) -> None:
    create = aws.sagemaker.create_model_package
    first = create(ModelPackageGroupName=group, ClientToken="t-1")["ModelPackageArn"]
    assert create(ModelPackageGroupName=group, ClientToken="t-1")["ModelPackageArn"] == first
    assert code(create, ModelPackageName="other", ClientToken="t-1") == "ConflictException"


def test_life_cycle_and_source_are_kept(aws: Any, group: str) -> None:
    stage = {"Stage": "Staging", "StageStatus": "Approved"}
    arn = aws.sagemaker.create_model_package(
        ModelPackageGroupName=group, ModelLifeCycle=stage, SourceUri="models:/iris/1"
    )["ModelPackageArn"]
    answer = aws.sagemaker.describe_model_package(ModelPackageName=arn)
    assert (answer["ModelLifeCycle"], answer["SourceUri"]) == (stage, "models:/iris/1")


def test_tags_on_a_version_and_both_kinds_of_name_are_refused(aws: Any, group: str) -> None:
    create = aws.sagemaker.create_model_package
    tags = [{"Key": "a", "Value": "b"}]
    assert code(create, ModelPackageGroupName=group, Tags=tags) == "ValidationException"
    assert code(create, ModelPackageGroupName=group, ModelPackageName="x") == "ValidationException"
    assert code(create) == "ValidationException"
