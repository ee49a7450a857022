"""Where events go: rules, targets, tries, schedules."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sandbox import SandboxError
from sandbox.cloud import schedules


def queue_named(aws: Any, name: str, **attributes: str) -> tuple[str, str, Any]:
    """Make a queue; gives its ARN, its URL, and a function that takes what waits in it."""
    sqs = aws.client("sqs")
    url = sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]

    def received() -> list[dict[str, Any]]:
        answer = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["All"])
        for message in answer.get("Messages", []):
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return list(answer.get("Messages", []))

    return f"arn:aws:sqs:us-east-1:123456789012:{name}", url, received


def put_rule(aws: Any, *targets: dict[str, Any], **rule: Any) -> None:
    events = aws.client("events")
    rule.setdefault("EventPattern", json.dumps({"source": ["mine"]}))
    events.put_rule(Name="rule", **rule)
    numbered = [{"Id": str(number), **target} for number, target in enumerate(targets)]
    assert events.put_targets(Rule="rule", Targets=numbered)["FailedEntryCount"] == 0


def put_event(aws: Any, **detail: Any) -> None:
    entry = {"Source": "mine", "DetailType": "Told", "Detail": json.dumps(detail)}
    assert aws.client("events").put_events(Entries=[entry])["FailedEntryCount"] == 0


def test_an_event_reaches_queue_topic_log_group_and_another_bus_though_one_target_is_gone(
    aws: Any, until: Any
) -> None:
    direct, _, from_rule = queue_named(aws, "direct")
    of_topic, _, from_topic = queue_named(aws, "of-topic")
    of_bus, _, from_bus = queue_named(aws, "of-bus")
    topic = aws.client("sns").create_topic(Name="topic")["TopicArn"]
    aws.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=of_topic)
    logs, events = aws.client("logs"), aws.client("events")
    logs.create_log_group(logGroupName="/aws/events/all")
    bus = events.create_event_bus(Name="other")["EventBusArn"]
    events.put_rule(Name="far", EventBusName="other", EventPattern='{"detail": {"n": [7]}}')
    events.put_targets(Rule="far", EventBusName="other", Targets=[{"Id": "1", "Arn": of_bus}])
    group = "arn:aws:logs:us-east-1:123456789012:log-group:/aws/events/all"
    gone = "arn:aws:sqs:us-east-1:123456789012:gone"
    put_rule(aws, *({"Arn": arn} for arn in (gone, direct, topic, group, bus)))
    put_event(aws, n=7)
    for received in (from_rule, from_bus):
        (message,) = until(received)
        event = json.loads(message["Body"])
        assert (event["account"], event["source"], event["detail"]) == ("123456789012", "mine", {"n": 7})
    (message,) = until(from_topic)
    assert json.loads(json.loads(message["Body"])["Message"])["detail"] == {"n": 7}
    found = until(lambda: logs.filter_log_events(logGroupName="/aws/events/all")["events"])
    assert json.loads(found[0]["message"])["detail"] == {"n": 7}


def test_a_delivery_that_is_throttled_is_tried_again(aws: Any, until: Any) -> None:
    arn, _, received = queue_named(aws, "queue")
    put_rule(aws, {"Arn": arn})
    aws.sandbox.inject("SendMessage", error="ThrottlingException", status=400, count=2)
    put_event(aws, n=1)
    assert len(until(received)) == 1
    assert aws.control.calls()["SendMessage"] == 3


def test_what_cannot_be_delivered_ends_in_the_dead_letter_queue_with_its_reason(aws: Any, until: Any) -> None:
    dead, _, received = queue_named(aws, "dead")
    gone = "arn:aws:sqs:us-east-1:123456789012:gone"
    put_rule(aws, {"Arn": gone, "DeadLetterConfig": {"Arn": dead}})
    put_event(aws, n=1)
    (message,) = until(received)
    said = {name: value["StringValue"] for name, value in message["MessageAttributes"].items()}
    assert json.loads(message["Body"])["detail"] == {"n": 1}
    assert (said["TARGET_ARN"], said["RETRY_ATTEMPTS"]) == (gone, "0")
    assert "NonExistentQueue" in said["ERROR_CODE"]


def test_a_retry_policy_ends_the_tries(aws: Any, until: Any) -> None:
    topic = aws.client("sns").create_topic(Name="topic")["TopicArn"]
    dead, _, received = queue_named(aws, "dead")
    policy = {"MaximumRetryAttempts": 1}
    put_rule(aws, {"Arn": topic, "RetryPolicy": policy, "DeadLetterConfig": {"Arn": dead}})
    aws.sandbox.inject("Publish", error="InternalError")
    put_event(aws, n=1)
    (message,) = until(received)
    said = {name: value["StringValue"] for name, value in message["MessageAttributes"].items()}
    assert (said["RETRY_ATTEMPTS"], said["ERROR_CODE"]) == ("1", "InternalError")
    assert said["EXHAUSTED_RETRY_CONDITION"] == "MaximumRetryAttempts"


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ({"Arn": "arn:aws:codepipeline:us-east-1:123456789012:pipe"}, "NotEmulated.*codepipeline"),
        ({"Arn": "arn:aws:states:us-east-1:123456789012:stateMachine:m"}, "NotEmulated.*states"),
        ({"Arn": "arn:aws:codebuild:us-east-1:123456789012:project/p"}, "RoleArn is required"),
        ({"Arn": "arn:aws:sqs:us-east-1:123456789012:q", "Input": "{}", "InputPath": "$.detail"}, "Only one"),
    ],
)
def test_a_target_that_is_not_emulated_or_is_wrong_is_refused(aws: Any, target: Any, said: str) -> None:
    with pytest.raises(ClientError, match=said):
        put_rule(aws, target)


def test_a_rule_with_a_rate_sends_its_event_when_it_is_fired_and_never_matches_others(
    aws: Any, until: Any
) -> None:
    arn, _, received = queue_named(aws, "queue")
    put_rule(
        aws, {"Arn": arn, "Input": '{"all": true}'}, ScheduleExpression="rate(15 minutes)", EventPattern=""
    )
    put_event(aws, n=1)
    aws.control.fire("rule")
    (message,) = until(received)
    assert message["Body"] == '{"all": true}'
    aws.client("events").disable_rule(Name="rule")
    with pytest.raises(SandboxError, match="no enabled rule 'rule' with a schedule"):
        aws.control.fire("rule")


@pytest.mark.parametrize("expression", ["cron(0 * * * ? *)", "rate(1 minutes)", "rate(0 minutes)", "hourly"])
def test_a_schedule_that_is_wrong_or_never_carried_out_is_refused(aws: Any, expression: str) -> None:
    with pytest.raises(ClientError, match=r"NotEmulated|not valid"):
        put_rule(aws, ScheduleExpression=expression, EventPattern="")


def test_a_rate_comes_again_and_again_until_its_rule_is_disabled(monkeypatch: pytest.MonkeyPatch) -> None:
    rule = SimpleNamespace(
        account_id="1",
        region_name="r",
        event_bus_name="default",
        name="rule",
        scheduled_expression="rate(15 minutes)",
        state="ENABLED",
        arn="arn:rule",
    )
    monkeypatch.setattr(schedules, "_rules", lambda *_: [rule])
    waiting: list[tuple[float, Any]] = []
    sent: list[Any] = []
    timer = SimpleNamespace(after=lambda seconds, action: waiting.append((seconds, action)))
    kept = schedules.Schedules(timer, lambda _, event: sent.append(event))
    kept.arm("1", "r")
    kept.arm("1", "r")
    for _ in range(3):
        ((seconds, action),) = waiting
        waiting.clear()
        action()
        assert seconds == 900
    rule.state = "DISABLED"
    waiting.pop()[1]()
    assert (len(sent), waiting) == (3, [])
    assert (sent[0]["source"], sent[0]["resources"]) == ("aws.events", ["arn:rule"])
