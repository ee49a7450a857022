"""Lambda: functions run from their real zip."""

from __future__ import annotations

import base64
import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sandbox.cloud.functions.found import allows
from tests.support.functions import zipped

ECHO = "def handler(event, context):\n    return event\n"
COUNTER = "calls = 0\ndef handler(event, context):\n    global calls\n    calls += 1\n    return calls\n"


def invoke(aws: Any, event: object = None, name: str = "f", **more: Any) -> Any:
    answer = aws.client("lambda").invoke(FunctionName=name, Payload=json.dumps(event), **more)
    return json.loads(answer["Payload"].read() or b"null"), answer


def test_a_function_gets_the_event_its_variables_and_its_context(aws: Any, make: Any) -> None:
    source = (
        "import os\n"
        "def handler(event, context):\n"
        "    return [event['n'], os.environ['MODE'], os.environ['AWS_REGION'], context.function_name,\n"
        "            context.invoked_function_arn, 0 < context.get_remaining_time_in_millis() <= 3000,\n"
        "            os.environ.get('PULUMI_CONFIG_PASSPHRASE'), os.environ.get('SANDBOX_HOME')]\n"
    )
    arn = make(source, Environment={"Variables": {"MODE": "fast"}})
    result, answer = invoke(aws, {"n": 7})
    assert result == [7, "fast", "us-east-1", "f", arn, True, None, None]
    assert (answer["StatusCode"], answer["ExecutedVersion"]) == (200, "$LATEST")
    assert "FunctionError" not in answer


def test_a_function_calls_aws_in_the_local_cloud(aws: Any, make: Any) -> None:
    make(
        "import boto3\n"
        "def handler(event, context):\n"
        "    secrets = boto3.client('secretsmanager')\n"
        "    return secrets.get_secret_value(SecretId='webhook')['SecretString']\n",
        Timeout=30,
    )
    aws.client("secretsmanager").create_secret(Name="webhook", SecretString="s3cr3t")
    assert invoke(aws, {})[0] == "s3cr3t"


def test_a_process_stays_warm_until_code_or_variables_change(aws: Any, make: Any) -> None:
    make(COUNTER)
    assert [invoke(aws)[0] for _ in range(3)] == [1, 2, 3]
    aws.client("lambda").update_function_configuration(
        FunctionName="f", Environment={"Variables": {"A": "b"}}
    )
    assert invoke(aws)[0] == 1
    aws.client("lambda").update_function_code(FunctionName="f", ZipFile=zipped(ECHO))
    assert invoke(aws, {"a": [1]})[0] == {"a": [1]}


def test_events_at_once_run_beside_each_other_and_none_is_lost(aws: Any, make: Any) -> None:
    make(ECHO)
    with ThreadPoolExecutor(20) as pool:
        assert list(pool.map(lambda n: invoke(aws, n)[0], range(40))) == list(range(40))


@pytest.mark.parametrize(
    ("source", "settings", "kind", "said"),
    [
        ("def handler(e, c):\n    raise ValueError('no')\n", {}, "ValueError", "no"),
        ("import nothing_like_this\n", {}, "Runtime.ImportModuleError", "Unable to import module 'app'"),
        ("x = 1\n", {}, "Runtime.HandlerNotFound", "Handler 'handler' missing on module 'app'"),
        ("def handler(e, c):\n    return {1, 2}\n", {}, "Runtime.MarshalError", "Unable to marshal response"),
        ("import os\ndef handler(e, c):\n    os._exit(3)\n", {}, "Runtime.ExitError", "exit status 3"),
        (
            "import threading\ndef handler(e, c):\n    threading.Event().wait()\n",
            {"Timeout": 1},
            "Sandbox.Timedout",
            "timed out after 1.00 seconds",
        ),
    ],
)
def test_a_function_that_fails_answers_what_went_wrong_and_the_next_event_is_served(
    aws: Any, make: Any, source: str, settings: Any, kind: str, said: str
) -> None:
    make(source, **settings)
    for _ in range(2):
        error, answer = invoke(aws)
        assert (answer["FunctionError"], error["errorType"]) == ("Unhandled", kind)
        assert said in error["errorMessage"]


def test_what_a_function_prints_is_in_its_answer_its_log_group_and_a_file(
    aws: Any, make: Any, until: Any
) -> None:
    make(
        "import logging\n"
        "def handler(event, context):\n"
        "    print('hello from print')\n"
        "    logging.getLogger().warning('hello from logging')\n"
    )
    _, answer = invoke(aws, LogType="Tail")
    tail = base64.b64decode(answer["LogResult"]).decode()
    events = aws.client("logs").filter_log_events(logGroupName="/aws/lambda/f")["events"]
    printed = "\n".join(event["message"] for event in events)
    files = "".join(path.read_text() for path in aws.sandbox.files.logs.glob("function-f-*.log"))
    for text in (tail, printed, files):
        assert "hello from print" in text
        assert "[WARNING]" in text
    request_id = answer["ResponseMetadata"]["RequestId"]
    assert f"START RequestId: {request_id}" in printed
    assert request_id in tail


def test_an_asynchronous_event_is_answered_at_once_tried_three_times_and_then_a_dead_letter(
    aws: Any, make: Any, until: Any
) -> None:
    sqs = aws.client("sqs")
    url = sqs.create_queue(QueueName="dead")["QueueUrl"]
    source = "def handler(event, context):\n    print('tried')\n    raise ValueError('never')\n"
    make(source, DeadLetterConfig={"TargetArn": "arn:aws:sqs:us-east-1:123456789012:dead"})
    _, answer = invoke(aws, {"n": 1}, InvocationType="Event")
    assert answer["StatusCode"] == 202
    (message,) = until(
        lambda: sqs.receive_message(QueueUrl=url, MessageAttributeNames=["All"]).get("Messages")
    )
    assert json.loads(message["Body"]) == {"n": 1}
    assert message["MessageAttributes"]["ErrorMessage"]["StringValue"] == "never"
    printed = aws.client("logs").filter_log_events(logGroupName="/aws/lambda/f", filterPattern="tried")
    assert len(printed["events"]) == 3


def test_an_event_of_a_rule_invokes_a_function_that_lets_it(aws: Any, make: Any, until: Any) -> None:
    sqs, events = aws.client("sqs"), aws.client("events")
    url = sqs.create_queue(QueueName="told")["QueueUrl"]
    dead = sqs.create_queue(QueueName="dead")["QueueUrl"]
    source = (
        "import boto3, json\n"
        "def handler(event, context):\n"
        f"    boto3.client('sqs').send_message(QueueUrl='{url}', MessageBody=json.dumps(event))\n"
    )
    arn = make(source, Timeout=60)
    rule = events.put_rule(Name="rule", EventPattern='{"source": ["mine"]}')["RuleArn"]
    target = {"Id": "1", "Arn": arn, "InputPath": "$.detail"}
    letters = {"Arn": "arn:aws:sqs:us-east-1:123456789012:dead"}
    events.put_targets(Rule="rule", Targets=[{**target, "DeadLetterConfig": letters}])
    entry = {"Source": "mine", "DetailType": "Told", "Detail": '{"n": 7}'}
    events.put_events(Entries=[entry])
    (refused,) = until(
        lambda: sqs.receive_message(QueueUrl=dead, MessageAttributeNames=["All"]).get("Messages")
    )
    assert refused["MessageAttributes"]["ERROR_CODE"]["StringValue"] == "AccessDeniedException"
    aws.client("lambda").add_permission(
        FunctionName="f",
        StatementId="events",
        Action="lambda:InvokeFunction",
        Principal="events.amazonaws.com",
        SourceArn=rule,
    )
    events.put_events(Entries=[entry])
    (message,) = until(lambda: sqs.receive_message(QueueUrl=url).get("Messages"))
    assert json.loads(message["Body"]) == {"n": 7}


def test_a_topic_invokes_its_functions_after_it_has_answered(aws: Any, make: Any, until: Any) -> None:
    arn = make("def handler(event, context):\n    print(event['Records'][0]['Sns']['Message'])\n")
    sns = aws.client("sns")
    topic = sns.create_topic(Name="topic")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="lambda", Endpoint=arn)
    sns.publish(TopicArn=topic, Message="hello topic")
    logs = aws.client("logs")
    until(
        lambda: (
            logs.describe_log_groups()["logGroups"]
            and logs.filter_log_events(logGroupName="/aws/lambda/f", filterPattern='"hello topic"')["events"]
        )
    )


def test_settings_that_moto_drops_are_read_back_and_a_function_is_active(aws: Any, make: Any) -> None:
    dead = {"TargetArn": "arn:aws:sqs:us-east-1:123456789012:dead"}
    logging = {"LogFormat": "Text", "LogGroup": "/mine"}
    make(ECHO, DeadLetterConfig=dead, LoggingConfig=logging)
    client = aws.client("lambda")
    found = client.get_function_configuration(FunctionName="f")
    assert (found["DeadLetterConfig"], found["LoggingConfig"], found["State"]) == (dead, logging, "Active")
    client.update_function_configuration(
        FunctionName="f", DeadLetterConfig={"TargetArn": dead["TargetArn"] + "2"}
    )
    assert client.get_function(FunctionName="f")["Configuration"]["DeadLetterConfig"]["TargetArn"].endswith(
        "2"
    )
    client.put_function_event_invoke_config(FunctionName="f", MaximumRetryAttempts=1)
    client.put_function_event_invoke_config(FunctionName="f", MaximumRetryAttempts=0)
    assert client.get_function_event_invoke_config(FunctionName="f")["MaximumRetryAttempts"] == 0
    invoke(aws)
    assert aws.client("logs").describe_log_groups()["logGroups"][0]["logGroupName"] == "/mine"


def test_a_zip_in_s3_runs_too(aws: Any, make: Any) -> None:
    make(ECHO)
    s3 = aws.client("s3")
    s3.create_bucket(Bucket="code")
    s3.put_object(Bucket="code", Key="f.zip", Body=zipped(COUNTER))
    aws.client("lambda").update_function_code(FunctionName="f", S3Bucket="code", S3Key="f.zip")
    assert invoke(aws)[0] == 1


def test_no_more_events_than_reserved_run_at_once(aws: Any, make: Any) -> None:
    make(ECHO)
    aws.client("lambda").put_function_concurrency(FunctionName="f", ReservedConcurrentExecutions=0)
    with pytest.raises(ClientError, match="TooManyRequestsException") as caught:
        invoke(aws)
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 429


@pytest.mark.parametrize(
    ("call", "arguments", "said"),
    [
        ("invoke", {"FunctionName": "nothing"}, r"Function not found: arn:aws:lambda:.*:function:nothing"),
        ("invoke", {"FunctionName": "f", "Payload": b"{no json"}, "Could not parse request body into json"),
        (
            "invoke",
            {"FunctionName": "f", "Payload": b'"' + b"x" * 6 * 1024**2 + b'"'},
            "must be smaller than",
        ),
        ("list_layers", {}, "NotEmulated"),
        (
            "create_event_source_mapping",
            {"FunctionName": "f", "EventSourceArn": "arn:aws:sqs:q"},
            "NotEmulated",
        ),
        (
            "update_function_configuration",
            {"FunctionName": "f", "Runtime": "nodejs22.x"},
            "emulated is python3",
        ),
    ],
)
def test_what_is_wrong_or_not_emulated_is_refused(
    aws: Any, make: Any, call: str, arguments: Any, said: str
) -> None:
    make(ECHO)
    with pytest.raises(ClientError, match=said):
        getattr(aws.client("lambda"), call)(**arguments)


def test_a_fault_hits_invoke_under_its_own_name(aws: Any, make: Any) -> None:
    make(ECHO)
    aws.sandbox.inject("Invoke", error="ServiceException", status=500, count=1)
    with pytest.raises(ClientError, match="ServiceException"):
        invoke(aws)
    assert invoke(aws, 1)[0] == 1
    assert aws.control.calls()["Invoke"] == 2


@pytest.mark.parametrize(
    ("statement", "let_in"),
    [
        ({"Principal": {"Service": "events.amazonaws.com"}}, True),
        ({"Principal": {"Service": "events.amazonaws.com"}, "Effect": "Deny"}, False),
        ({"Principal": {"Service": "sns.amazonaws.com"}}, False),
        ({"Principal": {"AWS": "arn:aws:iam::1:root"}}, False),
        (
            {
                "Principal": {"Service": "events.amazonaws.com"},
                "Condition": {"ArnLike": {"AWS:SourceArn": "arn:r/*"}},
            },
            True,
        ),
        (
            {
                "Principal": {"Service": "events.amazonaws.com"},
                "Condition": {"ArnLike": {"AWS:SourceArn": "arn:x"}},
            },
            False,
        ),
    ],
)
def test_a_policy_lets_in_whom_it_names(statement: dict[str, Any], let_in: bool) -> None:
    assert allows([statement], "events.amazonaws.com", "arn:r/1") is let_in
