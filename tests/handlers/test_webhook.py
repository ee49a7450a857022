"""handlers/webhook.py: what each delivery is answered, and what is on the bus afterwards."""

import base64
import itertools
import json
import random
import re
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from botocore.exceptions import EndpointConnectionError

from handlers import webhook
from handlers.aws import KEEP_S, Unavailable
from handlers.webhook import LARGEST_BODY, SettingsError, handler
from tests.support.deliveries import (
    NOW,
    OTHER_SECRET,
    alias_set,
    databricks_headers,
    lines,
    mlflow_headers,
    recorded,
)
from tests.support.receiver import (
    BODY,
    CONTEXT,
    GOOD,
    LIFETIME_MS,
    Died,
    Lambda,
    aws_error,
    http_request,
    make_receiver,
    signed,
)

LATER_S = LIFETIME_MS / 1000 + 3


def test_a_delivery_is_handed_on_to_the_bus_and_answered_at_once(receive):
    answer = receive()
    assert (answer.status, answer.result) == (202, "accepted")
    entry = receive.aws.bus[0]
    assert {name: entry[name] for name in ("Source", "DetailType", "EventBusName")} == {
        "Source": "model-deployment.registry",
        "DetailType": "Model Registry Changed",
        "EventBusName": "default",
    }
    key = next(iter(receive.aws.table))
    assert json.loads(entry["Detail"]) == {
        "model": "churn",
        "version": "3",
        "action": "alias_set",
        "dialect": "mlflow",
        "key": key,
    }
    assert receive.aws.table[key]["expires"]["N"] == str(int(NOW + KEEP_S))


def test_a_databricks_delivery_is_handed_on(receive):
    body = json.dumps(
        {
            **lines("databricks-webhook-bodies.jsonl")[0],
            "event_timestamp": int(NOW * 1000),
            "model_name": "iris",
        }
    )
    assert receive(http_request(databricks_headers(body.encode()), body)).status == 202
    assert receive.aws.hints[0]["action"] == "stage_changed"


def test_defect_25_a_body_in_base64_is_verified_over_its_bytes(receive):
    body = alias_set(model="iris")
    request = http_request(mlflow_headers(body), base64.b64encode(body).decode(), encoded=True)
    assert receive(request).status == 202


@pytest.mark.parametrize("text", ["%%%", "abc", "é", "YWJj\n"])
def test_a_body_that_only_claims_to_be_base64_is_refused(receive, text):
    assert receive(http_request(mlflow_headers(b""), text, encoded=True)).status == 400


@pytest.mark.parametrize("encoded", [False, True])
@pytest.mark.parametrize(("size", "status"), [(LARGEST_BODY, 400), (LARGEST_BODY + 1, 413)])
def test_the_size_of_a_body_is_limited_in_bytes_before_anything_is_done_with_it(
    receive, size, status, encoded
):
    body = b"x" * size
    text = base64.b64encode(body).decode() if encoded else body.decode()
    assert receive(http_request(mlflow_headers(body), text, encoded=encoded)).status == status
    assert receive.aws.calls["get_secret_value"] == (2 if status == 400 else 0)


def test_bytes_count_and_not_characters(receive):
    assert receive(http_request(mlflow_headers(b""), "é" * (LARGEST_BODY // 2 + 1))).status == 413


def test_defect_25_a_bad_signature_is_401_with_one_text_for_all_and_no_exception(receive):
    headers = mlflow_headers(BODY)
    requests = [
        http_request({}, BODY.decode()),
        http_request({**headers, "X-MLflow-Signature": "v1,x"}, BODY.decode()),
        signed(BODY, OTHER_SECRET),
        signed(BODY, sent=NOW - 301),
        http_request(headers, BODY.decode() + " "),
        http_request(headers, None),
        http_request(headers, "\ud800"),
    ]
    answers = [receive(request) for request in requests]
    assert {answer.status for answer in answers} == {401}
    assert len({answer.body for answer in answers}) == 1
    assert receive.aws.bus == []


def test_what_no_secret_can_make_good_costs_no_call_of_aws(receive):
    receive(http_request({}, BODY.decode()))
    receive(signed(BODY, sent=NOW + 301))
    receive(http_request({**mlflow_headers(BODY), "X-MLflow-Signature": "sha256=abc"}, BODY.decode()))
    assert not receive.aws.calls


def test_a_broken_delivery_is_400_and_tells_what_is_wrong(receive):
    answer = receive(signed(b'{"entity": 1}'))
    assert answer.status == 400
    assert "no event of a model registry" in answer.body


@pytest.mark.parametrize("request_", [{}, {"headers": None, "body": None}, {"version": "2.0", "headers": {}}])
def test_a_request_of_any_form_is_answered(receive, request_):
    assert receive(request_).status == 401


def test_an_unknown_model_is_refused_before_any_work_with_an_answer_that_is_not_repeated(receive):
    answer = receive(signed(alias_set(model="somebody-elses")))
    assert (answer.status, answer.result) == (200, "unknown-model")
    assert set(receive.aws.calls) == {"get_secret_value"}


def test_the_test_delivery_of_a_real_mlflow_is_answered_and_starts_nothing(receive):
    headers, body = recorded()[-1]
    answer = receive(http_request(headers, body.decode()))
    assert (answer.status, answer.result) == (200, "ignored")
    assert not receive.aws.bus
    assert not receive.aws.table


# Duplicates and replays


def test_a_thousand_duplicates_are_one_event(receive):
    results = Counter(receive().result for _ in range(1000))
    assert results == {"accepted": 1, "duplicate": 999}
    assert len(receive.aws.bus) == 1


def test_duplicates_at_the_same_time_in_many_processes_are_one_event(receive):
    receivers = [make_receiver(receive.aws, receive.clock) for _ in range(8)]
    start = threading.Barrier(8)

    def deliver(receiver):
        start.wait()
        return [receiver.take_request(GOOD, 10.0).result for _ in range(25)]

    with ThreadPoolExecutor(8) as pool:
        results = Counter(itertools.chain(*pool.map(deliver, receivers)))
    assert results["accepted"] == 1
    assert set(results) <= {"accepted", "duplicate", "in-work"}
    assert len(receive.aws.bus) == 1


@pytest.mark.parametrize("age", [0, 1, 150, 299, 300])
def test_a_replay_inside_the_window_has_no_effect(receive, age):
    receive()
    receive.clock.now += age
    receive.restart()
    assert receive().result == "duplicate"
    assert len(receive.aws.bus) == 1


def test_a_thousand_replays_outside_the_window_are_all_refused(receive):
    receive()
    refused = 0
    for number in range(1000):
        receive.clock.now = NOW + 301 + number * 3600
        refused += receive().status == 401
    assert refused == 1000
    assert len(receive.aws.bus) == 1


def test_what_was_handed_on_is_remembered_longer_than_any_delivery_of_it_is_fresh(receive):
    future = signed(BODY, sent=NOW + 300)
    receive(future)
    receive.clock.now = NOW + 600
    assert receive(future).result == "duplicate"
    assert KEEP_S > 2 * 3600  # twice the largest TOLERANCE_S


def test_a_change_delivered_by_two_webhooks_is_one_event_and_a_real_repetition_another(receive):
    first, twin = alias_set(at=NOW + 0.1), alias_set(at=NOW + 0.4)
    other = http_request(mlflow_headers(twin, delivery="another-webhook"), twin.decode())
    away, back = alias_set(version="4", at=NOW + 2), alias_set(at=NOW + 4)
    results = [receive(request).result for request in (signed(first), other, signed(away), signed(back))]
    assert results == ["accepted", "duplicate", "accepted", "accepted"]


EVENTS = [
    alias_set("churn", "champion", "3"),
    alias_set("churn", "champion", "4", NOW + 1),
    alias_set("churn", "champion", "3", NOW + 2),
    alias_set("iris", "challenger", "1"),
    alias_set("iris", "champion", "1"),
]


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5])
def test_in_any_order_with_a_fifth_lost_the_hints_are_those_of_what_arrived(count, monkeypatch):
    chance = random.Random(count)
    for order in itertools.permutations(EVENTS[:count]):
        receive = Lambda(monkeypatch)
        arrived = [body for body in order if chance.random() > 0.2]
        for body in [*arrived, *arrived]:
            receive(signed(body))
        hints = [(hint["model"], hint["version"]) for hint in receive.aws.hints]
        sent = [json.loads(body)["data"] for body in arrived]
        assert hints == [(each["name"], each["version"]) for each in sent]


# Failures on the way


def test_defect_08_a_failure_to_hand_on_is_503_and_the_senders_retry_is_not_taken_for_a_duplicate(receive):
    receive.aws.faults["put_events"] = [aws_error("InternalFailure")]
    answer = receive()
    assert (answer.status, answer.result, answer.headers["retry-after"]) == (503, "unavailable", "5")
    receive.clock.now += 5
    assert receive().result == "accepted"
    assert receive().result == "duplicate"
    assert len(receive.aws.bus) == 1


def test_an_entry_that_the_bus_refuses_inside_a_good_answer_is_a_failure(receive):
    receive.aws.refused_entries = 1
    assert receive().status == 503
    assert receive().status == 202


@pytest.mark.parametrize(
    "error",
    [
        aws_error("ProvisionedThroughputExceededException"),
        aws_error("AccessDeniedException"),
        aws_error("ResourceNotFoundException"),
        EndpointConnectionError(endpoint_url="https://nowhere"),
    ],
)
@pytest.mark.parametrize("operation", ["get_secret_value", "put_item", "put_events"])
def test_no_service_that_fails_loses_a_delivery(receive, operation, error):
    receive.aws.faults[operation] = [error]
    answer = receive()
    assert answer.status == 503
    receive.clock.now += int(answer.headers["retry-after"])
    assert receive().status == 202
    assert len(receive.aws.bus) == 1


def test_when_the_claim_cannot_be_given_back_the_sender_is_told_to_come_when_it_has_run_out(receive):
    receive.aws.faults = {
        "put_events": [aws_error("Throttling")],
        "put_item": [None, aws_error("Throttling")],
    }
    wait_s = int(receive().headers["retry-after"])
    assert wait_s < 300 - 10  # still fresh then
    assert receive().result == "in-work"
    receive.clock.now += wait_s
    assert receive().result == "accepted"


def test_a_done_that_cannot_be_noted_is_still_a_success_and_harms_nothing(receive, capsys):
    receive.aws.faults["put_item"] = [None, aws_error("Throttling")]
    assert receive().status == 202
    assert "not noted as done" in capsys.readouterr().out
    receive.clock.now += LATER_S
    assert receive().status == 202
    assert len(receive.aws.bus) == 2


CALLS = [("put_item", 1), ("put_events", 1), ("put_item", 2)]


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize(("operation", "number"), CALLS)
def test_a_process_that_dies_at_any_call_loses_no_delivery(receive, operation, number, after):
    kill = [None] * (number - 1) + [Died()]
    if not after:
        receive.aws.faults[operation] = kill
    else:  # AWS has done it, and the process dies before it knows
        inner = getattr(receive.aws, operation)

        def done_and_dead(**arguments):
            answer = inner(**arguments)
            if error := kill.pop(0) if kill else None:
                raise error
            return answer

        setattr(receive.aws, operation, done_and_dead)
        receive.restart()
    with pytest.raises(Died):
        receive()
    receive.restart()
    answer = receive()
    if answer.status == 503:
        assert answer.result == "in-work"
        receive.clock.now += int(answer.headers["retry-after"])
        answer = receive()
    assert answer.status in (200, 202)
    assert 1 <= len(receive.aws.bus) <= 2
    assert receive().result == "duplicate"


def test_an_invocation_that_outlives_its_claim_does_not_speak_for_the_one_that_has_it_now(receive):
    claims = receive.processes[0].claims
    slow = claims.take("key", "slow", NOW, 1.0)
    assert claims.take("key", "quick", NOW, 1.0).wait_s >= 1
    quick = claims.take("key", "quick", NOW + 3, 1.0)
    claims.release(slow, NOW + 3)
    claims.finish(slow, NOW + 3)
    assert receive.aws.table["key"]["owner"] == {"S": "quick"}
    claims.finish(quick, NOW + 3)
    assert receive.aws.table["key"]["state"] == {"S": "done"}


def test_an_error_that_nobody_thought_of_is_500_and_its_text_is_not_logged(receive, capsys):
    receive.aws.faults["put_item"] = [KeyError("canary")]
    answer = receive()
    assert (answer.status, answer.result) == (500, "failed")
    line = capsys.readouterr().out
    assert "KeyError at receiver.py:" in line
    assert "canary" not in line + answer.body


# Managed MLflow, and settings


def test_an_event_of_managed_mlflow_is_handed_on_once(receive):
    event = lines("managed-mlflow-events.jsonl")[4]
    assert handler(event, CONTEXT) is None
    handler(event, CONTEXT)
    assert [hint["dialect"] for hint in receive.aws.hints] == ["sagemaker"]


def test_an_event_of_managed_mlflow_that_cannot_be_handed_on_raises_so_that_lambda_repeats_it(receive):
    receive.aws.faults["put_events"] = [aws_error("InternalFailure")]
    event = lines("managed-mlflow-events.jsonl")[4]
    with pytest.raises(Unavailable, match="events put_events: InternalFailure"):
        handler(event, CONTEXT)
    handler(event, None)
    assert len(receive.aws.bus) == 1


def test_an_event_of_managed_mlflow_without_a_model_is_logged_and_not_repeated(receive, capsys):
    handler({**lines("managed-mlflow-events.jsonl")[4], "detail": {}}, CONTEXT)
    assert json.loads(capsys.readouterr().out)["status"] == 400


ENVIRONMENT = {"SECRET_ARN": "arn:secret", "TABLE_NAME": "claims", "MODELS": '["churn", "a b/c.d"]'}


def test_the_environment_is_read_with_its_defaults():
    made = webhook.make_receiver(ENVIRONMENT)
    assert (made.bus, made.tolerance_s, made.models) == ("default", 300.0, {"churn", "a b/c.d"})
    made = webhook.make_receiver({**ENVIRONMENT, "EVENT_BUS": "models", "TOLERANCE_S": "60"})
    assert (made.bus, made.tolerance_s) == ("models", 60.0)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"SECRET_ARN": ""}, "SECRET_ARN not set"),
        ({"MODELS": "churn"}, "MODELS is no JSON list of names"),
        ({"MODELS": '["churn", 3]'}, "MODELS is no JSON list of names"),
        ({"TOLERANCE_S": "nan"}, "write seconds from 1 to 3600"),
        ({"TOLERANCE_S": "soon"}, "write seconds from 1 to 3600"),
        ({"TOLERANCE_S": "1e9"}, "write seconds from 1 to 3600"),
    ],
)
def test_an_environment_that_cannot_be_understood_is_refused(change, said):
    with pytest.raises(SettingsError, match=said):
        webhook.make_receiver({**ENVIRONMENT, **change})


def test_a_function_without_its_environment_answers_500_and_logs_what_is_missing(monkeypatch, capsys):
    monkeypatch.setattr(webhook, "_made", [])
    for name in ENVIRONMENT:
        monkeypatch.delenv(name, raising=False)
    assert handler(GOOD, CONTEXT)["statusCode"] == 500
    assert "SECRET_ARN, TABLE_NAME, MODELS not set" in capsys.readouterr().out


# What docs/webhook.md says


def documented(header: str) -> list[list[str]]:
    page = (Path(webhook.__file__).parents[1] / "docs" / "webhook.md").read_text(encoding="utf-8")
    rows = page.partition(f"| {header} |")[2].partition("\n\n")[0].splitlines()[2:]
    return [[cell.strip().strip("`") for cell in row.split("|")[1:-1]] for row in rows]


def test_the_documented_answers_are_those_that_the_receiver_gives():
    source = Path(webhook.__file__).read_text()
    given = set(re.findall(r'Answer\(\s*(\d+|error\.status), "([a-z-]+)"', source))
    refused = {("400", "refused")}  # the status of a refusal is that of its error
    assert {(status, result) for status, result, *_ in documented("status")} == {
        pair for pair in given if pair[0].isdecimal()
    } | refused
    assert ("error.status", "refused") in given


def test_the_documented_environment_is_what_the_receiver_reads():
    source = Path(webhook.__file__).read_text()
    read = set(re.findall(r'environment(?:\.get\(|\[)"([A-Z_]+)"', source))
    assert {name for name, *_ in documented("variable")} == read
