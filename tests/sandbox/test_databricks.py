"""The stand-in for a Databricks workspace: its registry, and webhooks that are really signed."""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest

from tests.support.webhook_sink import WebhookSink

SECRET = "shared secret"


class Workspace:
    def __init__(self, url: str) -> None:
        self.url = url

    def ask(self, method: str, path: str, /, **content: Any) -> tuple[int, Any]:
        query = f"?{urlencode(content)}" if method == "GET" else ""
        connection = http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=30)
        try:
            body = None if method == "GET" else json.dumps(content)
            headers = {"Authorization": "Bearer any"}
            connection.request(method, f"/api/2.0/mlflow/{path}{query}", body=body, headers=headers)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()

    def call(self, method: str, path: str, /, **content: Any) -> Any:
        status, answer = self.ask(method, path, **content)
        assert status == 200, answer
        return answer

    def version(self) -> None:
        self.call("POST", "registered-models/create", name="iris")
        self.call("POST", "model-versions/create", name="iris", source="dbfs:/m", run_id="r")

    def transition(self, stage: str, version: str = "1") -> Any:
        path = "databricks/model-versions/transition-stage"
        archive = {"archive_existing_versions": True}
        return self.call("POST", path, name="iris", version=version, stage=stage, **archive)

    def webhook(self, receiver: WebhookSink, *events: str, **more: Any) -> Any:
        spec = {"url": f"http://127.0.0.1:{receiver.server_port}/hook", "secret": SECRET}
        made = self.call("POST", "registry-webhooks/create", events=list(events), http_url_spec=spec, **more)
        return made["webhook"]


@pytest.fixture
def workspace(aws: Any) -> Workspace:
    return Workspace(aws.environment["AWS_ENDPOINT_URL"])


def test_a_transition_is_delivered_signed_over_the_raw_body(
    workspace: Workspace, receiver: WebhookSink, until: Any
) -> None:
    made = workspace.webhook(receiver, "MODEL_VERSION_TRANSITIONED_STAGE")
    workspace.version()
    workspace.transition("Production")
    until(lambda: receiver.deliveries)
    ((headers, body),) = receiver.deliveries
    assert headers["x-databricks-signature"] == hmac.digest(SECRET.encode(), body, hashlib.sha256).hex()
    said = json.loads(body)
    assert (said["event"], said["webhook_id"]) == ("MODEL_VERSION_TRANSITIONED_STAGE", made["id"])
    assert (said["model_name"], said["version"], said["from_stage"], said["to_stage"]) == (
        "iris",
        "1",
        "None",
        "Production",
    )
    assert said["event_timestamp"] > 1_600_000_000_000
    assert "secret" not in json.dumps(workspace.call("GET", "registry-webhooks/list"))


def test_a_webhook_hears_its_model_its_events_and_only_while_it_is_active(
    workspace: Workspace, receiver: WebhookSink, until: Any
) -> None:
    workspace.webhook(receiver, "MODEL_VERSION_TRANSITIONED_TO_ARCHIVED", model_name="iris")
    workspace.webhook(receiver, "MODEL_VERSION_TRANSITIONED_TO_ARCHIVED", model_name="other")
    silent = workspace.webhook(receiver, "MODEL_VERSION_TRANSITIONED_TO_ARCHIVED")
    workspace.call("PATCH", "registry-webhooks/update", id=silent["id"], status="DISABLED")
    workspace.version()
    workspace.call("POST", "model-versions/create", name="iris", source="dbfs:/m2")
    workspace.transition("Production")
    workspace.transition("Production", "2")
    until(lambda: receiver.deliveries)
    workspace.call("POST", "registry-webhooks/test", id=silent["id"])
    archived, test = (json.loads(body) for _, body in receiver.deliveries)
    assert (archived["version"], archived["to_stage"], test["text"]) == ("1", "Archived", "test")


def test_versions_are_found_by_model_and_stage(workspace: Workspace) -> None:
    workspace.version()
    workspace.transition("Staging")
    workspace.call("POST", "model-versions/set-tag", name="iris", version="1", key="a", value="b")
    (found,) = workspace.call("GET", "model-versions/search", filter="name='iris'")["model_versions"]
    assert (found["version"], found["current_stage"], found["tags"]) == (
        "1",
        "Staging",
        [{"key": "a", "value": "b"}],
    )
    assert workspace.call("GET", "model-versions/search", filter="name='x'")["model_versions"] == []
    latest = workspace.call("POST", "registered-models/get-latest-versions", name="iris", stages=["Staging"])
    assert latest["model_versions"] == [found]
    assert workspace.call("GET", "registered-models/get", name="iris")["registered_model"]["name"] == "iris"


@pytest.mark.parametrize(
    ("method", "path", "content", "status", "code"),
    [
        ("GET", "registered-models/get", {"name": "x"}, 404, "RESOURCE_DOES_NOT_EXIST"),
        ("POST", "registered-models/create", {"name": "iris"}, 400, "RESOURCE_ALREADY_EXISTS"),
        ("POST", "registered-models/create", {}, 400, "INVALID_PARAMETER_VALUE"),
        ("DELETE", "model-versions/delete", {"name": "iris", "version": "1"}, 400, "INVALID_STATE"),
        (
            "POST",
            "registry-webhooks/create",
            {"events": ["X"], "http_url_spec": {"url": "u"}},
            400,
            "INVALID_PARAMETER_VALUE",
        ),
        ("POST", "registry-webhooks/create", {"job_spec": {"job_id": "1"}}, 501, "NOT_IMPLEMENTED"),
        ("GET", "model-versions/search", {"filter": "run_id = 'x'"}, 501, "NOT_IMPLEMENTED"),
        ("GET", "runs/search", {}, 501, "NOT_IMPLEMENTED"),
    ],
)
def test_what_is_wrong_or_not_emulated_is_an_error_of_databricks(
    workspace: Workspace, method: str, path: str, content: Any, status: int, code: str
) -> None:
    workspace.version()
    workspace.transition("Staging")
    found, answer = workspace.ask(method, path, **content)
    assert (found, answer["error_code"]) == (status, code)
    assert answer["message"]


def test_a_fault_hits_a_call_by_its_method_and_path(aws: Any, workspace: Workspace) -> None:
    path = "registered-models/search"
    aws.sandbox.inject(f"GET mlflow/{path}", error="TEMPORARILY_UNAVAILABLE", status=503, count=1)
    assert workspace.ask("GET", path)[0] == 503
    assert workspace.ask("GET", path) == (200, {"registered_models": []})
    assert aws.control.calls() == {f"GET mlflow/{path}": 2}
