"""What MLflow itself calls its webhooks' headers, entities and actions, and how it signs: ours are held against that."""

import json
import subprocess
import sys
from types import SimpleNamespace

import pytest

from registry import events
from registry.events import IgnoredEvent, RegistryEvent, read_webhook
from tests.support.deliveries import DELIVERY_ID, NOW, SECRET, recorded

PROGRAM = """
import json, sys
from mlflow.entities import webhook
from mlflow.webhooks import constants, delivery, types

pairs = [(entity, action) for entity, actions in webhook.VALID_ENTITY_ACTIONS.items() for action in sorted(actions)]
deliveries = {}
for entity, action in pairs:
    event = webhook.WebhookEvent(entity, action)
    body = json.dumps({
        "entity": entity.value,
        "action": action.value,
        "timestamp": "2026-11-23T13:12:23.485383+00:00",
        "data": types.get_example_payload_for_event(event),
    })
    signature = delivery._generate_hmac_signature(sys.argv[1], sys.argv[2], sys.argv[3], body)
    deliveries[f"{entity.value}.{action.value}"] = [body, signature]
print(json.dumps({
    "headers": [
        constants.WEBHOOK_SIGNATURE_HEADER,
        constants.WEBHOOK_TIMESTAMP_HEADER,
        constants.WEBHOOK_DELIVERY_ID_HEADER,
        constants.WEBHOOK_SIGNATURE_VERSION,
    ],
    "pairs": [(entity.value, action.value) for entity, action in pairs],
    "deliveries": deliveries,
}))
"""


@pytest.fixture(scope="module")
def mlflow() -> SimpleNamespace:
    """MLflow's answers, from a process of its own: it takes seconds to import, and what it warns of is not ours."""
    command = [sys.executable, "-c", PROGRAM, SECRET.decode(), DELIVERY_ID, str(int(NOW))]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return SimpleNamespace(**json.loads(done.stdout.splitlines()[-1]))


def test_the_headers_have_mlflows_names_and_the_signature_its_version(mlflow):
    ours = [
        events.MLFLOW_SIGNATURE,
        events.MLFLOW_TIMESTAMP,
        events.MLFLOW_DELIVERY_ID,
        events.MLFLOW_VERSION,
    ]
    assert ours == mlflow.headers
    headers, _body = recorded()[0]
    assert set(ours[:3]) <= set(headers)


def test_every_entity_and_action_that_we_take_is_one_of_mlflows(mlflow):
    assert set(events.MLFLOW_ACTIONS) <= {tuple(pair) for pair in mlflow.pairs}


def test_no_entity_or_action_of_model_versions_is_left_out(mlflow):
    of_versions = {tuple(pair) for pair in mlflow.pairs if pair[0].startswith("model_version")}
    assert of_versions == set(events.MLFLOW_ACTIONS)


def test_what_mlflow_signs_is_genuine_to_us_and_each_of_its_test_deliveries_is_ignored(mlflow):
    assert len(mlflow.deliveries) >= len(events.MLFLOW_ACTIONS)
    for body, signature in mlflow.deliveries.values():
        found = read_webhook(headers(signature), body.encode(), secrets=[SECRET], now=NOW)
        assert isinstance(found, IgnoredEvent), body


def test_the_fields_that_we_read_are_those_of_mlflows_own_payloads(mlflow, monkeypatch):
    monkeypatch.setattr(events, "EXAMPLE_MODEL", "no model")
    for entity, action in events.MLFLOW_ACTIONS:
        body, signature = mlflow.deliveries[f"{entity}.{action}"]
        found = read_webhook(headers(signature), body.encode(), secrets=[SECRET], now=NOW)
        assert isinstance(found, RegistryEvent)
        assert found.model == "example_model"


def headers(signature: str) -> dict[str, str]:
    return {
        events.MLFLOW_SIGNATURE: signature,
        events.MLFLOW_TIMESTAMP: str(int(NOW)),
        events.MLFLOW_DELIVERY_ID: DELIVERY_ID,
    }
