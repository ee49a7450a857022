from __future__ import annotations

import http.client
import json
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.exceptions import ClientError

TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "sagemaker.amazonaws.com"}}
    ],
}


def test_the_caller_is_the_local_clouds_account(aws: Any) -> None:
    assert aws.client("sts").get_caller_identity()["Account"] == "123456789012"


def test_a_role_assumed_in_another_account_sees_that_accounts_resources(aws: Any) -> None:
    aws.model()
    given = aws.client("sts").assume_role(
        RoleArn="arn:aws:iam::999999999999:role/deploy", RoleSessionName="test"
    )["Credentials"]
    other = {
        "endpoint_url": aws.environment["AWS_ENDPOINT_URL"],
        "region_name": "us-east-1",
        "aws_access_key_id": given["AccessKeyId"],
        "aws_secret_access_key": given["SecretAccessKey"],
        "aws_session_token": given["SessionToken"],
    }
    sts, sagemaker = boto3.client("sts", **other), boto3.client("sagemaker", **other)
    try:
        assert sts.get_caller_identity()["Account"] == "999999999999"
        assert sagemaker.list_models()["Models"] == []
    finally:
        sts.close()
        sagemaker.close()


def test_regions_are_apart(aws: Any) -> None:
    aws.model()
    west = boto3.client(
        "sagemaker",
        endpoint_url=aws.environment["AWS_ENDPOINT_URL"],
        region_name="eu-west-1",
        aws_access_key_id="local",
        aws_secret_access_key="local",
    )
    try:
        assert west.list_models()["Models"] == []
    finally:
        west.close()


def test_objects_keep_bytes_and_metadata_with_underscores(aws: Any) -> None:
    s3 = aws.client("s3")
    s3.create_bucket(Bucket="bucket")
    body = bytes(range(256)) * 5000
    s3.put_object(Bucket="bucket", Key="a folder/ä+b", Body=body, Metadata={"mlflow_version": "7"})
    answer = s3.get_object(Bucket="bucket", Key="a folder/ä+b")
    assert (answer["Body"].read(), answer["Metadata"]) == (body, {"mlflow_version": "7"})


def test_a_role_keeps_its_description_when_only_the_session_length_changes(aws: Any) -> None:
    iam = aws.client("iam")
    iam.create_role(RoleName="r", AssumeRolePolicyDocument=json.dumps(TRUST), Description="kept")
    iam.update_role(RoleName="r", MaxSessionDuration=7200)
    role = iam.get_role(RoleName="r")["Role"]
    assert (role["Description"], role["MaxSessionDuration"]) == ("kept", 7200)


def test_a_policy_of_aws_can_be_attached_and_one_that_is_not_there_cannot(aws: Any) -> None:
    iam = aws.client("iam")
    iam.create_role(RoleName="r", AssumeRolePolicyDocument=json.dumps(TRUST))
    arn = "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"
    iam.attach_role_policy(RoleName="r", PolicyArn=arn)
    attached = iam.list_attached_role_policies(RoleName="r")["AttachedPolicies"]
    assert [policy["PolicyArn"] for policy in attached] == [arn]
    with pytest.raises(ClientError, match="NoSuchEntity"):
        iam.attach_role_policy(RoleName="r", PolicyArn=arn + "Not")


def test_keys_parameters_and_alarms_work(aws: Any) -> None:
    kms, ssm, cloudwatch = aws.client("kms"), aws.client("ssm"), aws.client("cloudwatch")
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    sealed = kms.encrypt(KeyId=key, Plaintext=b"secret")["CiphertextBlob"]
    assert kms.decrypt(CiphertextBlob=sealed)["Plaintext"] == b"secret"
    ssm.put_parameter(Name="/x", Value="y", Type="SecureString")
    assert ssm.get_parameter(Name="/x", WithDecryption=True)["Parameter"]["Value"] == "y"
    cloudwatch.put_metric_alarm(
        AlarmName="a",
        ComparisonOperator="GreaterThanThreshold",
        EvaluationPeriods=1,
        MetricName="ModelLatency",
        Namespace="AWS/SageMaker",
        Period=60,
        Statistic="Average",
        Threshold=1.0,
    )
    cloudwatch.set_alarm_state(AlarmName="a", StateValue="ALARM", StateReason="test")
    assert cloudwatch.describe_alarms()["MetricAlarms"][0]["StateValue"] == "ALARM"


@pytest.mark.parametrize("dimension", ["DesiredInstanceCount", "DesiredProvisionedConcurrency"])
def test_scalable_targets_of_variants_can_be_registered_and_their_tags_read(aws: Any, dimension: str) -> None:
    scaling = aws.client("application-autoscaling")
    arn = scaling.register_scalable_target(
        ServiceNamespace="sagemaker",
        ResourceId="endpoint/e/variant/main",
        ScalableDimension=f"sagemaker:variant:{dimension}",
        MinCapacity=1,
        MaxCapacity=4,
        Tags={},
    )["ScalableTargetARN"]
    assert scaling.list_tags_for_resource(ResourceARN=arn)["Tags"] == {}


@pytest.mark.parametrize(
    ("service", "call", "arguments"),
    [
        ("sagemaker", "list_training_jobs", {}),
        ("ec2", "describe_instances", {}),
        ("ecs", "list_clusters", {}),
        ("events", "list_archives", {}),
        ("cloudwatch", "list_metrics", {}),
        ("logs", "describe_queries", {}),
        ("kms", "derive_shared_secret", {"KeyId": "k", "KeyAgreementAlgorithm": "ECDH", "PublicKey": b"0"}),
    ],
)
def test_what_is_not_emulated_answers_with_an_error_that_says_so(
    aws: Any, service: str, call: str, arguments: dict[str, Any]
) -> None:
    with pytest.raises(ClientError) as caught:
        getattr(aws.client(service), call)(**arguments)
    error = caught.value.response
    assert error["ResponseMetadata"]["HTTPStatusCode"] == 501
    assert "NotEmulated" in str(error) or "does not emulate" in str(caught.value)


def test_an_unsigned_request_is_refused_and_the_connection_lives_on(aws: Any) -> None:
    connection = http.client.HTTPConnection(urlsplit(aws.environment["AWS_ENDPOINT_URL"]).netloc, timeout=10)
    try:
        for _ in range(2):
            connection.request("POST", "/", body=b"{}")
            answer = connection.getresponse()
            assert (answer.status, b"not signed" in answer.read()) == (403, True)
            port = connection.sock.getsockname()[1]
        assert connection.sock.getsockname()[1] == port
    finally:
        connection.close()


def test_a_reset_empties_cloud_state_folder_faults_and_counters(aws: Any, tiny: bytes) -> None:
    aws.serve(tiny)
    aws.sandbox.inject("ListModels", error="X")
    (aws.sandbox.files.state / "stack.json").write_text("{}")
    aws.sandbox.reset()
    assert aws.control.calls() == {}
    assert aws.sagemaker.list_models()["Models"] == []
    assert aws.sagemaker.list_endpoints()["Endpoints"] == []
    assert aws.client("s3").list_buckets()["Buckets"] == []
    assert list(aws.sandbox.files.state.iterdir()) == []
