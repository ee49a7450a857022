from __future__ import annotations

import json
import threading
from typing import Any

import pytest

from sandbox.cloud import moto_services
from sandbox.cloud.events import Publisher, render

EVENT = {"source": "aws.sagemaker", "detail": {"name": 'say "hi"', "version": 7}, "time": "t"}
RULE = "arn:aws:events:us-east-1:123456789012:rule/r"


@pytest.fixture
def listen(aws: Any) -> Any:
    """Make a queue and a rule for events of a detail type; gives a function that waits for the next of them."""

    def make(detail_type: str, **rule: Any) -> Any:
        sqs, events = aws.client("sqs"), aws.client("events")
        url = sqs.create_queue(QueueName="queue")["QueueUrl"]
        events.put_rule(
            Name="rule",
            EventPattern=json.dumps({"source": ["aws.sagemaker"], "detail-type": [detail_type]}),
            **rule,
        )
        arn = "arn:aws:sqs:us-east-1:123456789012:queue"
        assert events.put_targets(Rule="rule", Targets=[{"Id": "1", "Arn": arn}])["FailedEntryCount"] == 0

        def received() -> list[dict[str, Any]]:
            answer = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)
            for message in answer.get("Messages", []):
                sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            return [json.loads(message["Body"]) for message in answer.get("Messages", [])]

        return received

    return make


def register(aws: Any) -> str:
    aws.sagemaker.create_model_package_group(ModelPackageGroupName="iris")
    return aws.sagemaker.create_model_package(ModelPackageGroupName="iris")["ModelPackageArn"]


def test_an_approval_is_an_event_with_account_package_and_changed_fields(
    aws: Any, listen: Any, until: Any
) -> None:
    arn = register(aws)
    received = listen("SageMaker Model Package State Change")
    aws.sagemaker.update_model_package(ModelPackageArn=arn, ModelApprovalStatus="Approved")
    (event,) = until(received)
    assert (event["account"], event["region"], event["resources"]) == ("123456789012", "us-east-1", [arn])
    assert event["time"].endswith("Z")
    detail = event["detail"]
    assert (detail["ModelPackageGroupName"], detail["ModelPackageVersion"]) == ("iris", 1)
    assert (detail["ModelApprovalStatus"], detail["UpdatedModelPackageFields"]) == (
        "Approved",
        ["ModelApprovalStatus"],
    )


def test_an_endpoint_tells_each_status_in_the_spelling_of_events(aws: Any, listen: Any, until: Any) -> None:
    received = listen("SageMaker Endpoint State Change")
    aws.model()
    aws.config("old")
    aws.config("new")
    aws.endpoint(config="old")
    aws.sandbox.inject("UpdateEndpoint", outcome="RollingBack", count=1)
    aws.sagemaker.update_endpoint(EndpointName="endpoint", EndpointConfigName="new")
    aws.settled()
    seen: list[str] = []
    until(lambda: seen.extend(event["detail"]["EndpointStatus"] for event in received()) or len(seen) == 5)
    assert seen == ["CREATING", "IN_SERVICE", "UPDATING", "ROLLING_BACK", "IN_SERVICE"]


def test_a_disabled_rule_is_silent(aws: Any, listen: Any, until: Any) -> None:
    arn = register(aws)
    received = listen("SageMaker Model Package State Change", State="DISABLED")
    aws.sagemaker.update_model_package(ModelPackageArn=arn, ModelApprovalStatus="Approved")
    aws.client("events").enable_rule(Name="rule")
    aws.sagemaker.update_model_package(ModelPackageArn=arn, ModelApprovalStatus="Rejected")
    (event,) = until(received)
    assert event["detail"]["ModelApprovalStatus"] == "Rejected"


def test_a_change_of_a_rule_waits_until_what_happened_before_has_met_the_old_one(
    monkeypatch: pytest.MonkeyPatch, until: Any
) -> None:
    met, go_on = threading.Event(), threading.Event()

    def is_loaded(_service: str) -> bool:
        met.set()
        return not go_on.wait(30)  # no rules: the event ends here

    monkeypatch.setattr(moto_services, "is_loaded", is_loaded)
    publisher = Publisher()
    publisher.publish("123456789012", "us-east-1", "Change", {}, "arn")
    assert met.wait(30)
    changing = threading.Thread(target=publisher.settle)
    changing.start()
    changing.join(0.2)
    assert changing.is_alive()
    go_on.set()
    until(lambda: not changing.is_alive())


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ({}, json.dumps(EVENT)),
        ({"Input": '{"a": 1}'}, '{"a": 1}'),
        ({"InputPath": "$.detail.version"}, "7"),
        (
            {
                "InputTransformer": {
                    "InputPathsMap": {"n": "$.detail.name", "v": "$.detail.version"},
                    "InputTemplate": '{"name": <n>, "text": "version <v> of <n>"}',
                }
            },
            '{"name": "say \\"hi\\"", "text": "version 7 of say \\"hi\\""}',
        ),
        ({"InputTransformer": {"InputTemplate": '"<aws.events.rule-name> fired"'}}, "r fired"),
    ],
)
def test_a_target_gets_the_event_its_input_path_or_template(target: dict[str, Any], expected: str) -> None:
    assert render(target, EVENT, RULE) == expected
