"""registry/events.py: the three dialects, and everything that is not a genuine, fresh, whole delivery."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry import events
from registry.events import IgnoredEvent, RefusedEvent, RegistryEvent, read_managed, read_webhook
from tests.support.deliveries import (
    NOW,
    OTHER_SECRET,
    SECRET,
    alias_set,
    databricks_headers,
    lines,
    mlflow_body,
    mlflow_headers,
    recorded,
)

DATABRICKS = [
    json.dumps({**body, "event_timestamp": int(NOW * 1000)})
    for body in lines("databricks-webhook-bodies.jsonl")
]
STAGE_CHANGE = DATABRICKS[0].encode()


def read(headers, body, secrets=(SECRET,), now=NOW, **more):
    return read_webhook(headers, body, secrets=secrets, now=now, **more)


def refused(headers, body, **more) -> RefusedEvent:
    with pytest.raises(RefusedEvent) as caught:
        read(headers, body, **more)
    return caught.value


# MLflow


def test_recorded_deliveries_of_a_real_mlflow_become_events():
    read_all = [read(headers, body) for headers, body in recorded()]
    assert [each.action if isinstance(each, RegistryEvent) else None for each in read_all] == [
        None,
        "version_created",
        "alias_set",
        "tag_set",
        "tag_deleted",
        "alias_deleted",
        None,
    ]
    assert read_all[2] == RegistryEvent(
        "mlflow",
        "alias_set",
        "iris probe.v1",
        "1",
        "champion",
        None,
        1795439543.730111,
        "c259c0d2-54ca-4f85-98c9-ad44edcc1a97",
    )
    assert read_all[5].version is None


def test_the_test_delivery_of_mlflow_is_genuine_and_ignored():
    headers, body = recorded()[-1]
    assert "test delivery" in read(headers, body).reason
    assert refused(headers, body, secrets=(OTHER_SECRET,)).status == 401


def test_a_registered_model_a_prompt_and_an_unknown_event_are_ignored():
    for entity, action in (("registered_model", "created"), ("prompt", "created"), ("moon", "landed")):
        body = mlflow_body(entity, action, NOW, {"name": "churn"})
        assert isinstance(read(mlflow_headers(body), body), IgnoredEvent)


@pytest.mark.parametrize(("key", "ignored"), [("sagemaker.status", True), ("sagemaker_deploy_image", False)])
@pytest.mark.parametrize("action", ["set", "deleted"])
def test_tags_that_the_sync_writes_start_no_other_sync_and_those_that_steer_it_do(key, ignored, action):
    body = mlflow_body(
        "model_version_tag", action, NOW, {"name": "churn", "version": "3", "key": key, "value": "x"}
    )
    assert isinstance(read(mlflow_headers(body), body), IgnoredEvent) is ignored
    tags = {"event": "MODEL_VERSION_TAG_SET", "tags": [{"key": key, "value": "x"}]}
    body = json.dumps({**json.loads(STAGE_CHANGE), **tags}).encode()
    assert isinstance(read(databricks_headers(body), body), IgnoredEvent) is ignored


# Databricks and managed MLflow


def test_databricks_events_become_events_with_the_stage_that_they_lead_to():
    read_all = {json.loads(body)["event"]: body.encode() for body in DATABRICKS}
    found = {name: read(databricks_headers(body), body) for name, body in read_all.items()}
    kept = {
        name: (each.action, each.stage) for name, each in found.items() if isinstance(each, RegistryEvent)
    }
    assert kept == {
        "MODEL_VERSION_CREATED": ("version_created", None),
        "MODEL_VERSION_TAG_SET": ("tag_set", None),
        "MODEL_VERSION_TRANSITIONED_STAGE": ("stage_changed", "Production"),
        "MODEL_VERSION_TRANSITIONED_TO_STAGING": ("stage_changed", "Staging"),
        "MODEL_VERSION_TRANSITIONED_TO_PRODUCTION": ("stage_changed", "Production"),
        "MODEL_VERSION_TRANSITIONED_TO_ARCHIVED": ("stage_changed", "Archived"),
    }
    assert (found["MODEL_VERSION_CREATED"].model, found["MODEL_VERSION_CREATED"].version) == (
        "Airline_Delay_SparkML",
        "8",
    )


def test_one_change_of_stage_told_by_both_kinds_of_databricks_event_is_one_change():
    found = [json.loads(body) for body in DATABRICKS]
    both = [
        json.dumps(each).encode()
        for each in found
        if each["event"].startswith("MODEL_VERSION_TRANSITIONED") and each["to_stage"] == "Production"
    ]
    keys = {read(databricks_headers(body), body).key() for body in both}
    assert (len(both), len(keys)) == (2, 1)


@pytest.mark.parametrize("mark", [{"event": "TEST_EVENT"}, {"status": "TEST_MODE"}])
def test_a_test_delivery_of_databricks_is_ignored(mark):
    body = json.dumps({**json.loads(STAGE_CHANGE), **mark}).encode()
    assert "test delivery" in read(databricks_headers(body), body).reason


def test_managed_mlflow_is_read_from_its_events():
    found = [read_managed(event) for event in lines("managed-mlflow-events.jsonl")]
    kept = [
        (each.action, each.model, each.version, each.alias, each.stage)
        for each in found
        if isinstance(each, RegistryEvent)
    ]
    assert kept == [
        ("version_created", "churn", "3", None, None),
        ("stage_changed", "churn", "3", None, "Production"),
        ("alias_set", "churn", "3", "champion", None),
    ]
    assert found[2].occurred_at == 1795439543.0


@pytest.mark.parametrize(
    "detail",
    [
        {"modelName": "churn", "modelVersion": 3, "newStage": "Production"},
        {"registered_model_name": "churn", "version": "3", "toStage": "Production"},
        {"ModelVersion": {"Name": "churn", "Version": "3", "CurrentStage": "Production"}},
    ],
)
def test_fields_of_managed_mlflow_are_found_in_any_writing(detail):
    event = {**lines("managed-mlflow-events.jsonl")[3], "detail": detail}
    found = read_managed(event)
    assert (found.model, found.version, found.stage) == ("churn", "3", "Production")


@pytest.mark.parametrize(
    "change",
    [{"source": "somebody.else"}, {"detail": {}}, {"detail": None}, {"detail": {"name": 3}}, {"time": 7}],
)
def test_a_managed_event_that_is_not_awss_or_names_no_model_is_refused(change):
    with pytest.raises(RefusedEvent) as caught:
        read_managed({**lines("managed-mlflow-events.jsonl")[2], **change})
    assert caught.value.status == 400


@pytest.mark.parametrize("event", [{}, {"source": "aws.sagemaker", "detail-type": ["x"]}])
def test_a_managed_event_of_any_form_ends_in_an_answer_or_a_refusal(event):
    try:
        found = read_managed(event)
    except RefusedEvent as error:
        found = error
    assert isinstance(found, IgnoredEvent | RefusedEvent)


def test_defect_30_all_three_kinds_of_mlflow_and_aliases_are_understood():
    body = alias_set()
    dialects = {
        read(mlflow_headers(body), body).dialect,
        read(databricks_headers(STAGE_CHANGE), STAGE_CHANGE).dialect,
        read_managed(lines("managed-mlflow-events.jsonl")[4]).dialect,
    }
    assert dialects == {"mlflow", "databricks", "sagemaker"}
    names = alias_set(model="main.prod catalog.churn (v2) ü")
    assert read(mlflow_headers(names), names).model == "main.prod catalog.churn (v2) ü"


# Signature


def test_either_of_two_live_secrets_is_taken_and_a_withdrawn_one_is_not():
    body = alias_set()
    for secret in (SECRET, OTHER_SECRET):
        assert read(mlflow_headers(body, secret), body, secrets=(OTHER_SECRET, SECRET)).model == "churn"
        assert read(databricks_headers(STAGE_CHANGE, secret), STAGE_CHANGE, secrets=(SECRET, OTHER_SECRET))
    assert refused(mlflow_headers(body, SECRET), body, secrets=(OTHER_SECRET,)).status == 401


@pytest.mark.parametrize("secrets", [(), (b"",), (SECRET, b"  ")])
def test_nothing_is_verified_without_a_secret_or_with_a_blank_one(secrets):
    body = alias_set()
    with pytest.raises(ValueError, match="set the webhook's secret"):
        read(mlflow_headers(body, b""), body, secrets=secrets)


@pytest.mark.parametrize("case", [str.lower, str.upper, str.title])
def test_defect_25_header_names_are_found_in_any_case(case):
    body = alias_set()
    for headers, content in (
        (mlflow_headers(body), body),
        (databricks_headers(STAGE_CHANGE), STAGE_CHANGE),
    ):
        assert isinstance(
            read({case(name): value for name, value in headers.items()}, content), RegistryEvent
        )


GOOD = mlflow_headers(alias_set())["X-MLflow-Signature"]


@pytest.mark.parametrize(
    "signature",
    [
        "",
        GOOD[3:],
        GOOD[:-1],
        GOOD + "=",
        GOOD + "\n",
        GOOD.replace("v1,", "v1a,"),
        GOOD.replace("v1,", "sha256="),
        GOOD.replace("v1,", "v2,"),
        GOOD.lower(),
        f"{GOOD},{GOOD}",
        f"{GOOD} {GOOD}",
        "v1," + "A" * 100_000,
        "v1,é" + GOOD[4:],
        "v1,\ud800",
        None,
        7,
        b"v1",
        [GOOD],
    ],
)
def test_a_signature_that_is_not_the_senders_is_refused(signature):
    body = alias_set()
    error = refused({**mlflow_headers(body), "X-MLflow-Signature": signature}, body)
    assert error.status == 401
    assert not signature or str(signature) not in str(error)


@pytest.mark.parametrize("name", ["X-MLflow-Signature", "X-MLflow-Timestamp", "X-MLflow-Delivery-Id"])
def test_a_missing_or_doubled_header_is_refused(name):
    body = alias_set()
    headers = mlflow_headers(body)
    without = {each: value for each, value in headers.items() if each != name}
    assert refused(without, body).status == 401
    assert refused({**headers, name.lower(): headers[name]}, body).status == 401
    assert refused({}, body).status == 401


def test_two_kinds_of_signature_at_once_are_refused():
    body = alias_set()
    assert refused({**mlflow_headers(body), **databricks_headers(body)}, body).status == 401


def test_what_is_signed_for_one_dialect_is_no_delivery_of_the_other():
    headers, body = mlflow_headers(alias_set()), alias_set()
    prefix = f"{headers['X-MLflow-Delivery-Id']}.{headers['X-MLflow-Timestamp']}.".encode()
    assert refused(databricks_headers(prefix + body), prefix + body).status == 400
    assert refused(mlflow_headers(STAGE_CHANGE), STAGE_CHANGE).status == 400


@pytest.mark.parametrize("delivery", ["", "with.a.dot", "ünïcode", "a" * 129, "new\nline"])
def test_an_id_that_blurs_what_is_signed_is_refused_even_when_signed(delivery):
    body = alias_set()
    assert refused(mlflow_headers(body, delivery=delivery), body).status == 401


# Time


@pytest.mark.parametrize(
    ("age", "accepted"), [(0, True), (300, True), (-300, True), (301, False), (-301, False)]
)
def test_defect_25_a_captured_delivery_is_refused_outside_the_window_in_both_directions(age, accepted):
    body = alias_set()
    deliveries = [(mlflow_headers(body, sent=int(NOW) - age), body)]
    moved = json.dumps({**json.loads(STAGE_CHANGE), "event_timestamp": int((NOW - age) * 1000)}).encode()
    deliveries.append((databricks_headers(moved), moved))
    for headers, content in deliveries:
        if accepted:
            assert read(headers, content)
        else:
            assert refused(headers, content).status == 401


def test_the_window_is_what_the_caller_says():
    body = alias_set()
    assert read(mlflow_headers(body), body, now=NOW + 20, tolerance_s=20)
    assert refused(mlflow_headers(body), body, now=NOW + 21, tolerance_s=20).status == 401


@pytest.mark.parametrize(
    "sent",
    [
        "NaN",
        "1e9",
        "-1",
        "",
        "+1795439543",
        "1_795_439_543",
        "\uff11\uff17\uff19",
        "9" * 400,
        "0x6b",
        " 1 ",
    ],
)
def test_a_time_that_is_no_plain_number_is_refused_even_when_signed(sent):
    body = alias_set()
    assert refused(mlflow_headers(body, sent=sent), body).status == 401


@pytest.mark.parametrize("stamp", [None, "1", 1.5, True, 0, -5, 10**18, [1]])
def test_a_databricks_event_without_a_usable_time_is_broken(stamp):
    body = json.dumps({**json.loads(STAGE_CHANGE), "event_timestamp": stamp}).encode()
    assert refused(databricks_headers(body), body).status == 400


# Content


def mlflow_with(**changes) -> bytes:
    return json.dumps({**json.loads(alias_set()), **changes}).encode()


BROKEN = {
    "nothing": b"",
    "no JSON": b"{",
    "no object": b"[1]",
    "a text": b'"x"',
    "null": b"null",
    "invalid UTF-8": b'{"entity": "\xff"}',
    "UTF-16": alias_set().decode().encode("utf-16"),
    "a byte order mark": b"\xef\xbb\xbf" + alias_set(),
    "a name twice": b'{"entity": "model_version_alias", ' + alias_set()[1:],
    "a name twice inside": alias_set().replace(b'"name"', b'"alias": "x", "name"'),
    "NaN": b'{"x": NaN, ' + alias_set()[1:],
    "Infinity": b'{"x": -Infinity, ' + alias_set()[1:],
    "a huge number": b'{"x": ' + b"9" * 100_000 + b", " + alias_set()[1:],
    "a huge exponent": b'{"x": 1e400, ' + alias_set()[1:],
    "deep nesting": b'{"x": ' + b"[" * 100_000 + b"]" * 100_000 + b", " + alias_set()[1:],
    "deep nesting, open": b"[" * 200_000,
    "deep objects": b'{"x":' * 30_000,
    "no entity": mlflow_with(entity=None),
    "an entity that is no text": mlflow_with(entity=["model_version_alias"]),
    "no data": mlflow_with(data=None),
    "data that is no object": mlflow_with(data=[]),
    "no name": mlflow_with(data={"alias": "champion", "version": "1"}),
    "an empty name": mlflow_with(data={"name": "", "alias": "champion", "version": "1"}),
    "a name that is no text": mlflow_with(data={"name": {"a": 1}, "alias": "champion", "version": "1"}),
    "a long name": mlflow_with(data={"name": "x" * 1025, "alias": "champion", "version": "1"}),
    "half a character": mlflow_with(data={"name": "\ud800", "alias": "champion", "version": "1"}),
    "no alias": mlflow_with(data={"name": "churn", "version": "1"}),
    "no version": mlflow_with(data={"name": "churn", "alias": "champion"}),
    "a version that is no number": mlflow_with(data={"name": "c", "alias": "a", "version": "../1"}),
    "a version of other digits": mlflow_with(data={"name": "c", "alias": "a", "version": "\uff11"}),
    "a version that is true": mlflow_with(data={"name": "c", "alias": "a", "version": True}),
    "no time": mlflow_with(timestamp=None),
    "a time of another form": mlflow_with(timestamp="yesterday"),
    "a time that is no text": mlflow_with(timestamp=1795439543),
}


@pytest.mark.parametrize("body", BROKEN.values(), ids=BROKEN.keys())
def test_a_signed_delivery_that_is_no_whole_event_is_refused_as_broken(body):
    error = refused(mlflow_headers(body), body)
    assert error.status == 400
    assert len(str(error)) < 200


def test_defect_10_nothing_of_an_event_is_executed_or_resolved():
    payload = {
        "py/object": "os.system",
        "py/reduce": [{"py/function": "os.system"}, {"py/tuple": ["exit 3"]}],
    }
    data = {"name": "churn", "version": "3", "source": "file:///etc/passwd", "run_id": None, "tags": payload}
    body = mlflow_body("model_version", "created", NOW, data)
    assert read(mlflow_headers(body), body) == RegistryEvent(
        "mlflow",
        "version_created",
        "churn",
        "3",
        None,
        None,
        NOW,
        mlflow_headers(body)["X-MLflow-Delivery-Id"],
    )


# Keys


def test_a_change_has_one_key_whatever_delivers_it_and_a_real_repetition_another():
    first = read(mlflow_headers(alias_set(at=NOW + 0.1)), alias_set(at=NOW + 0.1))
    same_by_another_webhook = replace(first, delivery_id="another", occurred_at=NOW + 0.7)
    moved_back = replace(first, occurred_at=NOW + 5)
    assert first.key() == same_by_another_webhook.key() != moved_back.key()
    assert len(first.key()) == 64


@given(st.tuples(*[st.text(max_size=4)] * 2), st.tuples(*[st.text(max_size=4)] * 2))
def test_keys_of_two_changes_are_equal_only_if_the_changes_are(one, other):
    event = RegistryEvent("mlflow", "alias_set", "churn", "1", "champion", None, NOW, "")
    keys = [replace(event, model=model, alias=alias).key() for model, alias in (one, other)]
    assert (keys[0] == keys[1]) == (one == other)


def test_two_fields_with_the_same_text_are_not_mistaken_for_one_another():
    event = RegistryEvent("databricks", "stage_changed", "churn", "1", None, "champion", NOW, "")
    assert event.key() != replace(event, alias="champion", stage=None).key()


# Forgeries

WHOLE = [
    (mlflow_headers(alias_set()), alias_set()),
    (databricks_headers(STAGE_CHANGE), STAGE_CHANGE),
    *recorded(),
]


def forge(choice: bytes) -> tuple[dict[str, str], bytes]:
    """A genuine delivery with its signature, time, id or body changed, chosen by six bytes (the quickest to draw)."""
    headers, body = WHOLE[choice[0] % len(WHOLE)]
    parts = ["body", *(name for name in headers if name.startswith("X-"))]
    name, place, flip = parts[choice[1] % len(parts)], choice[2] * 256 + choice[3], choice[4] or 1
    if name == "body":
        place %= len(body)
        return headers, body[:place] + bytes([body[place] ^ flip]) + body[place + 1 :]
    value = headers[name]
    place %= len(value)
    letter = chr(ord(value[place]) ^ flip)
    forged = (
        value[:place] + letter + value[place + 1 :],
        value[:place],
        value[place + 1 :],
        value + letter,
        value[:place] + letter + value[place:],
        value.swapcase() + letter,
    )
    return {**headers, name: forged[choice[5] % len(forged)]}, body


@given(st.binary(min_size=6, max_size=6))
@settings(max_examples=10_000, database=None)
def test_no_forged_or_mutated_delivery_of_ten_thousand_is_accepted_and_none_breaks_the_reader(choice):
    assert refused(*forge(choice), secrets=(SECRET, OTHER_SECRET)).status == 401


@given(st.dictionaries(st.text(), st.text()), st.binary())
def test_no_headers_and_body_whatever_break_the_reader(headers, body):
    assert refused({**mlflow_headers(body), **headers}, body).status in (400, 401)
    assert refused({**databricks_headers(body), **headers}, body).status in (400, 401)


def test_a_refusal_repeats_neither_secret_nor_signature_nor_body():
    canary = "canary-in-the-body"
    for body in (b'{"x": "' + canary.encode(), alias_set(model=canary)):
        for headers in (mlflow_headers(body), mlflow_headers(body, OTHER_SECRET), databricks_headers(body)):
            try:
                read(headers, body)
            except RefusedEvent as error:
                told = f"{error!r} {error.__cause__} {error.__context__ if not error.__suppress_context__ else ''}"
                for secret in (canary, SECRET.decode(), OTHER_SECRET.decode(), *headers.values()):
                    assert secret not in told


def test_it_runs_alone_with_the_standard_library():
    program = "import runpy, sys; runpy.run_path(sys.argv[1]); print([m for m in sys.modules if m.startswith('registry')])"
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", program, str(Path(events.__file__))],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "[]"
