from __future__ import annotations

import time
from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from sandbox import SandboxError
from sandbox.cloud.faults import Fault, FaultTable


@given(st.integers(0, 5), st.integers(1, 5), st.integers(0, 15))
def test_a_fault_hits_exactly_count_calls_after_those_it_skips(skip: int, count: int, calls: int) -> None:
    table = FaultTable()
    table.add(Fault("A", error="E", skip=skip, count=count))
    hits = [table.call("A") is not None for _ in range(calls)]
    assert hits == [skip <= index < skip + count for index in range(calls)]
    assert table.calls() == ({"A": calls} if calls else {})


def test_a_fault_of_one_operation_leaves_others_alone() -> None:
    table = FaultTable()
    table.add(Fault("A", error="E"))
    assert table.call("B") is None
    assert table.call("A") == Fault("A", error="E")


def test_the_second_page_of_a_list_can_fail(aws: Any) -> None:
    for number in range(3):
        aws.model(f"m{number}")
    aws.sandbox.inject("ListModels", error="InternalFailure", skip=1)
    pages = iter(aws.sagemaker.get_paginator("list_models").paginate(PaginationConfig={"PageSize": 2}))
    assert len(next(pages)["Models"]) == 2
    with pytest.raises(ClientError, match="InternalFailure") as caught:
        next(pages)
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 500


@pytest.mark.parametrize(
    ("service", "call", "operation"),
    [
        ("sagemaker", "list_models", "ListModels"),
        ("sts", "get_caller_identity", "GetCallerIdentity"),
        ("s3", "list_buckets", "ListBuckets"),
        ("kms", "list_keys", "ListKeys"),
        ("cloudwatch", "describe_alarms", "DescribeAlarms"),
        ("sqs", "list_queues", "ListQueues"),
    ],
)
def test_an_error_reaches_the_client_in_every_protocol(
    aws: Any, service: str, call: str, operation: str
) -> None:
    aws.sandbox.inject(operation, error="AccessDeniedException", status=403, message="not you", count=1)
    with pytest.raises(ClientError) as caught:
        getattr(aws.client(service), call)()
    error = caught.value.response
    assert (error["Error"]["Code"], error["Error"]["Message"]) == ("AccessDeniedException", "not you")
    assert error["ResponseMetadata"]["HTTPStatusCode"] == 403
    getattr(aws.client(service), call)()
    assert aws.control.calls()[operation] == 2


def test_a_delay_holds_the_answer_up(aws: Any) -> None:
    aws.sandbox.inject("ListModels", delay=0.3, count=1)
    started = time.monotonic()
    aws.sagemaker.list_models()
    assert time.monotonic() - started >= 0.3


def test_s3_calls_are_counted_under_their_own_names(aws: Any, tiny: bytes) -> None:
    aws.upload(tiny)
    s3 = aws.client("s3")
    s3.get_object(Bucket="models", Key="model.tar.gz")["Body"].read()
    s3.head_object(Bucket="models", Key="model.tar.gz")
    s3.list_objects_v2(Bucket="models")
    s3.get_bucket_versioning(Bucket="models")
    s3.copy_object(Bucket="models", Key="copy", CopySource="models/model.tar.gz")
    s3.delete_object(Bucket="models", Key="copy")
    expected = "CreateBucket PutObject GetObject HeadObject ListObjectsV2 GetBucketVersioning CopyObject DeleteObject"
    assert aws.control.calls() == dict.fromkeys(sorted(expected.split()), 1)


def test_faults_can_be_listed_and_cleared(aws: Any) -> None:
    aws.sandbox.inject("ListModels", error="X")
    assert [fault["operation"] for fault in aws.control.faults()] == ["ListModels"]
    aws.control.clear_faults()
    assert aws.sagemaker.list_models()["Models"] == []


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ({"outcome": "Exploded"}, "allowed: Failed"),
        ({"error": "X", "status": 200}, "allowed are 400 to 599"),
        ({"error": "X", "count": 0}, "allowed are 1 and more"),
        ({"error": "X", "outcome": "Failed"}, "not both"),
        ({}, "nothing to do"),
    ],
)
def test_a_fault_that_cannot_be_is_refused_with_what_is_allowed(
    aws: Any, fault: dict[str, Any], said: str
) -> None:
    with pytest.raises(SandboxError, match=said):
        aws.sandbox.inject("CreateEndpoint", **fault)


@pytest.mark.parametrize(
    ("operation", "said"),
    [
        ("DescribeEndpiont", "did you mean DescribeEndpoint"),
        ("sagemaker:DescribeEndpoint", "did you mean DescribeEndpoint"),
        ("describe-endpoint", "did you mean DescribeEndpoint"),
        ("InvokeEndpiont", "did you mean InvokeEndpoint"),
        ("GetParametr", "did you mean GetParameter"),
        ("CreateTrainingJob", "allowed are"),
        ("Qxz", "allowed are AWS's names of the emulated operations of apigateway, "),
    ],
)
def test_an_operation_that_no_call_can_have_is_refused_with_what_is_close_or_allowed(
    aws: Any, operation: str, said: str
) -> None:
    with pytest.raises(SandboxError) as refused:
        aws.sandbox.inject(operation, error="X")
    assert f"operation {operation!r} is not known" in str(refused.value)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)
    assert aws.control.faults() == []


@pytest.mark.parametrize("seconds", [-1, 3601])
def test_endpoint_seconds_have_a_range(aws: Any, seconds: float) -> None:
    with pytest.raises(SandboxError, match="allowed are 0 to 3600"):
        aws.control.set_endpoint_seconds(seconds)
