"""What the webhook receiver and the sync rely on in moto's services."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore.exceptions import ClientError


@pytest.fixture
def table(aws: Any) -> Any:
    """A table with the receiver's keys; gives its client."""
    dynamodb = aws.client("dynamodb")
    dynamodb.create_table(
        TableName="seen",
        KeySchema=[{"AttributeName": "key", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "key", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    return dynamodb


def claim(dynamodb: Any, key: str) -> bool:
    """Put a key that nobody has put; says whether this call was the first."""
    try:
        dynamodb.put_item(
            TableName="seen",
            Item={"key": {"S": key}, "expires": {"N": "1"}},
            ConditionExpression="attribute_not_exists(#key)",
            ExpressionAttributeNames={"#key": "key"},
        )
    except dynamodb.exceptions.ConditionalCheckFailedException:
        return False
    return True


def test_of_many_puts_on_one_condition_at_once_exactly_one_succeeds(table: Any) -> None:
    with ThreadPoolExecutor(16) as pool:
        assert sum(pool.map(lambda _: claim(table, "a"), range(60))) == 1
    assert claim(table, "b")


def test_a_table_keeps_its_time_to_live_but_nothing_expires_by_itself(table: Any) -> None:
    table.update_time_to_live(
        TableName="seen", TimeToLiveSpecification={"Enabled": True, "AttributeName": "expires"}
    )
    described = table.describe_time_to_live(TableName="seen")["TimeToLiveDescription"]
    assert described == {"TimeToLiveStatus": "ENABLED", "AttributeName": "expires"}
    claim(table, "a")
    assert table.get_item(TableName="seen", Key={"key": {"S": "a"}})["Item"]["expires"] == {"N": "1"}


def test_a_secret_that_is_rotated_keeps_its_previous_value(aws: Any) -> None:
    secrets = aws.client("secretsmanager")
    arn = secrets.create_secret(Name="webhook", SecretString="old")["ARN"]
    secrets.put_secret_value(SecretId=arn, SecretString="new")

    def value(**which: str) -> str:
        return str(secrets.get_secret_value(SecretId=arn, **which)["SecretString"])

    assert (value(), value(VersionStage="AWSCURRENT"), value(VersionStage="AWSPREVIOUS")) == (
        "new",
        "new",
        "old",
    )
    secrets.put_secret_value(SecretId=arn, SecretString="newest")
    assert (value(), value(VersionStage="AWSPREVIOUS")) == ("newest", "new")


def test_a_secret_without_a_previous_value_says_so(aws: Any) -> None:
    secrets = aws.client("secretsmanager")
    secrets.create_secret(Name="webhook", SecretString="only")
    with pytest.raises(secrets.exceptions.ResourceNotFoundException):
        secrets.get_secret_value(SecretId="webhook", VersionStage="AWSPREVIOUS")


def test_a_queue_hands_what_is_never_deleted_to_its_dead_letter_queue(aws: Any) -> None:
    sqs = aws.client("sqs")
    dead = sqs.create_queue(QueueName="dead")["QueueUrl"]
    policy = {"deadLetterTargetArn": "arn:aws:sqs:us-east-1:123456789012:dead", "maxReceiveCount": 1}
    url = sqs.create_queue(QueueName="q", Attributes={"RedrivePolicy": json.dumps(policy)})["QueueUrl"]
    kept = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]["RedrivePolicy"]
    assert kept == json.dumps(policy, separators=(",", ":"))
    sqs.send_message(QueueUrl=url, MessageBody="hello")
    for _ in range(2):
        sqs.receive_message(QueueUrl=url, VisibilityTimeout=0)
    (message,) = sqs.receive_message(QueueUrl=dead)["Messages"]
    assert message["Body"] == "hello"


def test_a_topic_fans_out_to_its_queues(aws: Any) -> None:
    sns, sqs = aws.client("sns"), aws.client("sqs")
    topic = sns.create_topic(Name="topic")["TopicArn"]
    for name in ("a", "b"):
        sqs.create_queue(QueueName=name)
        sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=f"arn:aws:sqs:us-east-1:123456789012:{name}")
    sns.subscribe(TopicArn=topic, Protocol="email", Endpoint="nobody@example.com")
    sns.publish(TopicArn=topic, Message="told", Subject="s")
    for name in ("a", "b"):
        url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
        (message,) = sqs.receive_message(QueueUrl=url)["Messages"]
        assert json.loads(message["Body"])["Message"] == "told"


def test_a_subscription_that_nobody_would_serve_is_refused(aws: Any) -> None:
    sns = aws.client("sns")
    topic = sns.create_topic(Name="topic")["TopicArn"]
    with pytest.raises(ClientError, match="protocol 'https'"):
        sns.subscribe(TopicArn=topic, Protocol="https", Endpoint="https://example.com")


def test_log_events_can_be_read_and_filtered(aws: Any) -> None:
    logs = aws.client("logs")
    logs.create_log_group(logGroupName="/g")
    logs.put_retention_policy(logGroupName="/g", retentionInDays=14)
    logs.create_log_stream(logGroupName="/g", logStreamName="s")
    lines = [{"timestamp": int(time.time() * 1000) + n, "message": f"line {n}"} for n in range(3)]
    logs.put_log_events(logGroupName="/g", logStreamName="s", logEvents=lines)
    got = logs.get_log_events(logGroupName="/g", logStreamName="s", startFromHead=True)["events"]
    assert [event["message"] for event in got] == ["line 0", "line 1", "line 2"]
    found = logs.filter_log_events(logGroupName="/g", filterPattern='"line 1"')["events"]
    assert [event["message"] for event in found] == ["line 1"]
    assert logs.describe_log_groups()["logGroups"][0]["retentionInDays"] == 14


@pytest.mark.parametrize(
    ("service", "call", "arguments", "operation"),
    [
        ("dynamodb", "list_tables", {}, "ListTables"),
        ("secretsmanager", "list_secrets", {}, "ListSecrets"),
        ("sns", "list_topics", {}, "ListTopics"),
        ("logs", "describe_log_groups", {}, "DescribeLogGroups"),
    ],
)
def test_faults_reach_these_services(
    aws: Any, service: str, call: str, arguments: Any, operation: str
) -> None:
    aws.sandbox.inject(operation, error="ServiceUnavailable", status=503, message="later", count=1)
    with pytest.raises(ClientError) as caught:
        getattr(aws.client(service), call)(**arguments)
    assert caught.value.response["Error"]["Code"] == "ServiceUnavailable"
    getattr(aws.client(service), call)(**arguments)
