"""handlers/webhook.py: its secrets, their rotation, and what the log shows of them and of deliveries."""

import ast
import json
from pathlib import Path

import pytest

from handlers import webhook
from handlers.aws import SECRETS_LIFETIME_S, SECRETS_PAUSE_S
from tests.support.deliveries import OTHER_SECRET, SECRET, alias_set, mlflow_headers
from tests.support.receiver import BODY, GOOD, aws_error, signed


def test_defect_27_no_secret_and_no_variable_is_read_at_import():
    tree = ast.parse(Path(webhook.__file__).read_text())
    at_import = [node for node in tree.body if not isinstance(node, ast.FunctionDef | ast.ClassDef)]
    assert not any("environ" in ast.unparse(node) or "Clients(" in ast.unparse(node) for node in at_import)


def test_defect_27_a_rotation_loses_no_delivery_in_a_process_that_knows_the_old_secret(receive):
    assert receive(signed(alias_set(version="1"))).status == 202
    receive.clock.now += 0.1
    receive.aws.stages = {"AWSCURRENT": OTHER_SECRET.decode(), "AWSPREVIOUS": SECRET.decode()}
    now = receive.clock.now
    assert receive(signed(alias_set(version="2"), OTHER_SECRET, now)).status == 202
    assert receive(signed(alias_set(version="3"), SECRET, now)).status == 202
    assert [hint["version"] for hint in receive.aws.hints] == ["1", "2", "3"]


def test_a_thousand_deliveries_during_a_rotation_are_all_taken_and_none_with_the_old_secret_later(receive):
    for number in range(1000):
        if number == 400:
            receive.aws.stages = {"AWSCURRENT": OTHER_SECRET.decode(), "AWSPREVIOUS": SECRET.decode()}
        secret = SECRET if number < 400 or number % 2 else OTHER_SECRET
        receive.clock.now += 0.1
        body = alias_set(version=str(number))
        assert receive(signed(body, secret, receive.clock.now)).status == 202
    receive.aws.stages = {"AWSCURRENT": OTHER_SECRET.decode()}
    receive.clock.now += SECRETS_LIFETIME_S
    assert receive(signed(alias_set(version="1000"), SECRET, receive.clock.now)).status == 401


def test_secrets_are_read_once_for_many_deliveries_and_again_after_their_lifetime(receive):
    for _ in range(50):
        receive()
    assert receive.aws.calls["get_secret_value"] == 2
    receive.clock.now += SECRETS_LIFETIME_S
    receive()
    assert receive.aws.calls["get_secret_value"] == 4


def test_forged_deliveries_do_not_hammer_secrets_manager(receive):
    for _ in range(1000):
        receive.clock.now += 0.01
        assert receive(signed(BODY, b"a forger's own secret")).status == 401
    assert receive.aws.calls["get_secret_value"] <= 2 * (10 / SECRETS_PAUSE_S + 2)


def test_a_failing_secrets_manager_is_503_never_401_and_is_not_hammered(receive):
    receive.aws.faults["get_secret_value"] = [aws_error("ThrottlingException")] * 1000
    for _ in range(100):
        receive.clock.now += 0.01
        assert receive().status == 503
    assert receive.aws.calls["get_secret_value"] == 1
    receive.aws.faults.clear()
    receive.clock.now += SECRETS_PAUSE_S
    assert receive().status == 202


def test_a_signature_that_may_be_of_a_new_secret_is_503_while_the_secret_cannot_be_read(receive):
    receive()
    receive.aws.faults["get_secret_value"] = [aws_error("ThrottlingException")]
    assert receive(signed(BODY, OTHER_SECRET)).status == 503


@pytest.mark.parametrize("secret", ["", "   ", " " * 40, "short"])
def test_nothing_is_verified_with_a_blank_or_short_secret(receive, secret, capsys):
    receive.aws.stages = {"AWSCURRENT": secret}
    body = alias_set()
    assert receive(signed(body, secret.encode())).status == 503
    assert "the secret has no value of 16 bytes or more" in capsys.readouterr().out


# Log


def test_defect_26_a_line_of_the_log_has_what_happened_and_no_signature_secret_or_body(receive, capsys):
    forged = signed(BODY, OTHER_SECRET)
    broken = signed(b'{"secret canary"')
    canary = signed(alias_set()[:-1] + b', "canary": "canary"}')
    for request in (GOOD, forged, broken, canary):
        receive(request)
    shown = capsys.readouterr()
    logged = [json.loads(line) for line in shown.out.splitlines()]
    assert [line["status"] for line in logged] == [202, 401, 400, 200]
    assert logged[0] | {"milliseconds": 0} == {
        "level": "INFO",
        "status": 202,
        "result": "accepted",
        "reason": "handed on",
        "request": "request-1",
        "milliseconds": 0,
        "dialect": "mlflow",
        "action": "alias_set",
        "model": "churn",
        "version": "3",
        "alias": "champion",
        "delivery": mlflow_headers(BODY)["X-MLflow-Delivery-Id"],
        "key": receive.aws.hints[0]["key"],
    }
    assert "no valid secret gives this signature" in logged[1]["reason"]
    signatures = [request["headers"]["x-mlflow-signature"][3:] for request in (GOOD, forged, broken, canary)]
    for secret in (SECRET.decode(), OTHER_SECRET.decode(), "canary", *signatures):
        assert secret not in shown.out + shown.err


def test_a_model_name_cannot_write_a_line_of_its_own_into_the_log(receive, capsys):
    receive(signed(alias_set(model='churn"}\n{"level": "INFO"')))
    assert len(capsys.readouterr().out.splitlines()) == 1


def test_a_receiver_shows_no_secret_when_it_is_printed(receive):
    receive()
    assert SECRET.decode() not in repr(receive.processes)
