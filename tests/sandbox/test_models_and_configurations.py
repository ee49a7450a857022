from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore.exceptions import ClientError

ROLE = "arn:aws:iam::123456789012:role/execution"


def refusal(call: Any, **arguments: Any) -> str:
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    error = caught.value.response["Error"]
    return f"{error['Code']}: {error['Message']}"


def test_a_model_is_described_as_it_was_given(aws: Any) -> None:
    container = {"Image": "repository:1", "ModelDataUrl": "s3://b/k.tar.gz", "Environment": {"A": "b"}}
    vpc = {"Subnets": ["subnet-1"], "SecurityGroupIds": ["sg-1"]}
    aws.sagemaker.create_model(
        ModelName="m",
        ExecutionRoleArn=ROLE,
        PrimaryContainer=container,
        VpcConfig=vpc,
        EnableNetworkIsolation=True,
    )
    answer = aws.sagemaker.describe_model(ModelName="m")
    assert answer["PrimaryContainer"] == {**container, "Mode": "SingleModel"}
    assert (answer["VpcConfig"], answer["EnableNetworkIsolation"]) == (vpc, True)


def test_what_was_not_given_is_not_described(aws: Any) -> None:
    aws.model()
    aws.config()
    model = aws.sagemaker.describe_model(ModelName="model")
    config = aws.sagemaker.describe_endpoint_config(EndpointConfigName="config")
    assert not {"VpcConfig", "Containers", "InferenceExecutionConfig"} & model.keys()
    assert (
        not {"DataCaptureConfig", "KmsKeyId", "AsyncInferenceConfig", "ShadowProductionVariants"}
        & config.keys()
    )


def test_a_second_model_configuration_or_endpoint_of_one_name_is_refused(aws: Any) -> None:
    aws.model()
    aws.config()
    aws.endpoint()
    assert "ValidationException: Cannot create already existing model" in refusal(aws.model)
    assert "Cannot create already existing endpoint configuration" in refusal(aws.config)
    assert 'Cannot create already existing endpoint "arn:aws:sagemaker' in refusal(
        aws.sagemaker.create_endpoint, EndpointName="endpoint", EndpointConfigName="config"
    )


def test_of_fifty_creations_of_one_name_at_once_one_succeeds(aws: Any) -> None:
    def create(_: int) -> str:
        try:
            return aws.model("same")
        except ClientError as error:
            return str(error)

    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(create, range(50)))
    assert answers.count("same") == 1
    assert sum("already existing" in answer for answer in answers) == 49


@pytest.mark.parametrize("name", ["under_score", "-dash", "dash-", "dot.dot", "slash/slash", "ä"])
def test_a_name_that_breaks_the_pattern_is_refused(aws: Any, name: str) -> None:
    assert "at 'modelName' failed to satisfy constraint: Member must satisfy regular expression" in refusal(
        aws.model, name=name
    )


def test_a_name_of_63_characters_is_taken_and_one_of_64_is_refused(aws: Any) -> None:
    aws.model("m" * 63)
    assert "Member must have length less than or equal to 63" in refusal(aws.model, name="m" * 64)


def test_two_broken_constraints_are_told_in_one_answer(aws: Any) -> None:
    text = refusal(
        aws.sagemaker.create_endpoint_config,
        EndpointConfigName="c_",
        ProductionVariants=[{"VariantName": "main", "ModelName": "m", "InstanceType": "ml.nothing"}],
    )
    assert text.startswith("ValidationException: 2 validation errors detected: ")
    assert "'productionVariants.1.member.instanceType'" in text
    assert "enum value set" in text


def test_a_configuration_of_an_unknown_model_is_refused(aws: Any) -> None:
    assert 'Could not find model "arn:aws:sagemaker:us-east-1:123456789012:model/model"' in refusal(
        aws.config
    )


@pytest.mark.parametrize(
    ("serverless", "said"),
    [
        ({"MemorySizeInMB": 1500, "MaxConcurrency": 1}, "1024, 2048, 3072, 4096, 5120, 6144"),
        ({"MemorySizeInMB": 1024, "MaxConcurrency": 2, "ProvisionedConcurrency": 3}, "MaxConcurrency"),
        ({"MemorySizeInMB": 7168, "MaxConcurrency": 1}, "less than or equal to 6144"),
        ({"MemorySizeInMB": 1024, "MaxConcurrency": 201}, "less than or equal to 200"),
    ],
)
def test_serverless_ranges_are_held(aws: Any, serverless: dict[str, int], said: str) -> None:
    aws.model()
    assert said in refusal(aws.config, ServerlessConfig=serverless)


def test_serverless_excludes_isolation_vpc_capture_instances_and_several_variants(aws: Any) -> None:
    serverless = {"ServerlessConfig": {"MemorySizeInMB": 1024, "MaxConcurrency": 1}}
    create_model, create = aws.sagemaker.create_model, aws.sagemaker.create_endpoint_config
    plain = {"ExecutionRoleArn": ROLE, "PrimaryContainer": {"Image": "x:1"}}
    aws.model()
    create_model(ModelName="isolated", EnableNetworkIsolation=True, **plain)
    create_model(ModelName="inside", VpcConfig={"Subnets": ["s-1"], "SecurityGroupIds": ["sg-1"]}, **plain)
    assert "network isolation" in refusal(aws.config, model="isolated", **serverless)
    assert "VpcConfig" in refusal(aws.config, model="inside", **serverless)
    assert "InstanceType" in refusal(aws.config, InstanceType="ml.m5.large", **serverless)
    variant = {"ModelName": "model", **serverless}
    one, two = ({"VariantName": name, **variant} for name in ("one", "two"))
    assert "several production variants" in refusal(
        create, EndpointConfigName="c", ProductionVariants=[one, two]
    )
    capture = {
        "EnableCapture": True,
        "InitialSamplingPercentage": 10,
        "DestinationS3Uri": "s3://b/c",
        "CaptureOptions": [{"CaptureMode": "Input"}],
    }
    assert "DataCaptureConfig" in refusal(
        create, EndpointConfigName="c", ProductionVariants=[one], DataCaptureConfig=capture
    )


def test_what_is_not_there_is_named_by_its_arn(aws: Any) -> None:
    calls = {
        "model": (aws.sagemaker.describe_model, {"ModelName": "none"}),
        "endpoint configuration": (aws.sagemaker.delete_endpoint_config, {"EndpointConfigName": "none"}),
        "endpoint": (aws.sagemaker.delete_endpoint, {"EndpointName": "none"}),
    }
    for kind, (call, arguments) in calls.items():
        assert f'ValidationException: Could not find {kind} "arn:aws:' in refusal(call, **arguments)


def test_a_configuration_in_use_can_be_deleted_as_on_aws_and_then_the_endpoint_cannot_be_updated(
    aws: Any,
) -> None:
    aws.model()
    aws.config("old")
    aws.config("new")
    aws.endpoint(config="old")
    aws.sagemaker.delete_endpoint_config(EndpointConfigName="old")
    text = refusal(aws.sagemaker.update_endpoint, EndpointName="endpoint", EndpointConfigName="new")
    assert 'Could not find endpoint configuration "arn:' in text
    assert 'endpoint-config/old"' in text


def test_a_model_takes_an_approved_package_only(aws: Any) -> None:
    aws.sagemaker.create_model_package_group(ModelPackageGroupName="iris")
    package = aws.sagemaker.create_model_package(ModelPackageGroupName="iris")["ModelPackageArn"]
    arguments = {"ExecutionRoleArn": ROLE, "PrimaryContainer": {"ModelPackageName": package}}
    assert "PendingManualApproval" in refusal(aws.sagemaker.create_model, ModelName="m", **arguments)
    aws.sagemaker.update_model_package(ModelPackageArn=package, ModelApprovalStatus="Approved")
    aws.sagemaker.create_model(ModelName="m", **arguments)
    arguments["PrimaryContainer"] = {"ModelPackageName": package[:-1] + "9"}
    assert "does not exist" in refusal(aws.sagemaker.create_model, ModelName="n", **arguments)


def test_tags_are_replaced_by_key_listed_and_removed(aws: Any) -> None:
    aws.model()
    arn = aws.sagemaker.describe_model(ModelName="model")["ModelArn"]
    aws.sagemaker.add_tags(ResourceArn=arn, Tags=[{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}])
    aws.sagemaker.add_tags(ResourceArn=arn, Tags=[{"Key": "a", "Value": "3"}])
    aws.sagemaker.delete_tags(ResourceArn=arn, TagKeys=["b"])
    assert aws.sagemaker.list_tags(ResourceArn=arn)["Tags"] == [{"Key": "a", "Value": "3"}]


def test_lists_are_cut_into_pages_of_ten_by_default(aws: Any) -> None:
    for number in range(23):
        aws.model(f"m{number}")
    pages = list(aws.sagemaker.get_paginator("list_models").paginate())
    names = [model["ModelName"] for page in pages for model in page["Models"]]
    assert [len(page["Models"]) for page in pages] == [10, 10, 3]
    assert names == [f"m{number}" for number in reversed(range(23))]
