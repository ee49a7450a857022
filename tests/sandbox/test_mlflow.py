"""The MLflow server beside the local cloud, asked over HTTP as any client asks it.

It takes some ten seconds to start, so one serves all tests of a worker.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import http.client
import json
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from handlers.package import ENTRY, build
from sandbox.cloud import guard
from sandbox.cloud.mlflow_server import MlflowError, MlflowServer, restore
from tests.sandbox.conftest import Aws
from tests.support.builds import ROLE, Builds, spec
from tests.support.http_api import Api
from tests.support.processes import eventually
from tests.support.webhook_sink import WebhookSink

SECRET = "s3cr3t-webhook-key"


@pytest.fixture(scope="module")
def _server(_running: Aws) -> Iterator[str]:
    yield _running.control.start_mlflow()
    _running.control.stop_mlflow()


@pytest.fixture
def mlflow(_server: str, aws: Aws) -> str:
    """Give the URL of a server whose store is empty."""
    return _server


def ask(url: str, method: str, path: str, content: object = None) -> Any:
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)
    try:
        body = content if isinstance(content, bytes) else json.dumps(content or {})
        connection.request(method, path, body=body, headers={"Content-Type": "application/json"})
        answer = connection.getresponse()
        text = answer.read()
        assert answer.status == 200, text
        return json.loads(text or b"null")
    finally:
        connection.close()


def api(url: str, method: str, path: str, /, **content: object) -> Any:
    return ask(url, method, f"/api/2.0/mlflow/{path}", content)


def promote(url: str) -> None:
    api(url, "POST", "registered-models/create", name="iris")
    api(url, "POST", "model-versions/create", name="iris", source="s3://mlflow/m")
    api(url, "POST", "registered-models/alias", name="iris", alias="champion", version="1")


def test_an_alias_fires_a_signed_webhook_to_this_machine_at_once(
    mlflow: str, receiver: WebhookSink, until: Any
) -> None:
    url = f"http://127.0.0.1:{receiver.server_port}/webhook"
    events = [{"entity": "MODEL_VERSION_ALIAS", "action": "CREATED"}]
    api(mlflow, "POST", "webhooks", name="w", url=url, events=events, secret=SECRET)
    promote(mlflow)
    until(lambda: receiver.deliveries)
    ((headers, body),) = receiver.deliveries
    assert json.loads(body)["data"] == {"name": "iris", "alias": "champion", "version": "1"}
    signed = f"{headers['x-mlflow-delivery-id']}.{headers['x-mlflow-timestamp']}.".encode() + body
    digest = base64.b64encode(hmac.digest(SECRET.encode(), signed, hashlib.sha256)).decode()
    assert headers["x-mlflow-signature"] == f"v1,{digest}"


def test_a_promotion_reaches_a_build_through_the_real_receiver(aws: Aws, make: Any, mlflow: str) -> None:
    builds = Builds(aws)
    project = builds.project(spec(build=['echo "promoted: $MODEL"']))["arn"]
    transformer = {
        "InputPathsMap": {"model": "$.detail.model"},
        "InputTemplate": '{"environmentVariablesOverride": [{"name": "MODEL", "value": <model>}]}',
    }
    events = aws.client("events")
    events.put_rule(Name="changed", EventPattern='{"source": ["model-deployment.registry"]}')
    target = {"Id": "1", "Arn": project, "RoleArn": ROLE, "InputTransformer": transformer}
    events.put_targets(Rule="changed", Targets=[target])
    receiver = Api(aws, partial(make_receiver_function, aws, make)).permit(aws)
    entities = [{"entity": "MODEL_VERSION_ALIAS", "action": "CREATED"}]
    api(mlflow, "POST", "webhooks", name="w", url=f"{receiver.url}/webhook", events=entities, secret=SECRET)
    promote(mlflow)
    build_id = eventually(lambda: aws.client("codebuild").list_builds()["ids"])[0]
    assert "promoted: iris" in builds.printed(builds.ended(build_id))


def make_receiver_function(aws: Aws, make: Any, _: str) -> str:
    """Make the receiver's function with its secret and its table; gives its ARN."""
    secret = aws.client("secretsmanager").create_secret(Name="webhook", SecretString=SECRET)["ARN"]
    aws.client("dynamodb").create_table(
        TableName="seen",
        KeySchema=[{"AttributeName": "key", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "key", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    variables = {"SECRET_ARN": secret, "TABLE_NAME": "seen", "MODELS": '["iris"]'}
    return str(make(build(), Handler=ENTRY, Timeout=30, Environment={"Variables": variables}))


def test_artifacts_go_through_the_server_into_the_local_s3(aws: Aws, mlflow: str) -> None:
    ask(mlflow, "PUT", "/api/2.0/mlflow-artifacts/artifacts/0/m/model.txt", b"hello")
    s3 = aws.client("s3")
    (found,) = s3.list_objects_v2(Bucket="mlflow")["Contents"]
    assert s3.get_object(Bucket="mlflow", Key=found["Key"])["Body"].read() == b"hello"


def test_a_reset_empties_the_store_too_and_the_server_goes_on(aws: Aws, mlflow: str) -> None:
    promote(mlflow)
    aws.sandbox.reset()
    assert api(mlflow, "GET", "registered-models/search") == {}
    promote(mlflow)
    found = api(mlflow, "GET", "registered-models/search")["registered_models"]
    assert [model["name"] for model in found] == ["iris"]
    assert aws.sandbox.environment()["MLFLOW_TRACKING_URI"] == mlflow == aws.sandbox.status().mlflow
    assert "Uvicorn running" in (aws.sandbox.files.logs / "mlflow.log").read_text()


def test_without_a_server_there_is_no_address_of_one(aws: Aws) -> None:
    if aws.sandbox.status().mlflow is None:
        assert "MLFLOW_TRACKING_URI" not in aws.sandbox.environment()


def test_a_store_gets_the_content_of_another_also_with_generated_columns(tmp_path: Path) -> None:
    for name, count in (("store", 3), ("empty", 1)):
        with contextlib.closing(sqlite3.connect(tmp_path / name)) as connection:
            connection.execute("CREATE TABLE t (a INTEGER PRIMARY KEY AUTOINCREMENT, b INTEGER AS (a + 1))")
            connection.executemany(
                "INSERT INTO t (a) VALUES (?)", [(10 + number,) for number in range(count)]
            )
            connection.commit()
    restore(tmp_path / "store", tmp_path / "empty")
    with contextlib.closing(sqlite3.connect(tmp_path / "store")) as connection:
        assert connection.execute("SELECT a, b FROM t").fetchall() == [(10, 11)]


def test_what_a_guard_has_started_ends_when_the_standard_input_does(until: Any) -> None:
    program = "import threading; print('ready', flush=True); threading.Event().wait()"
    with subprocess.Popen(
        [sys.executable, guard.__file__, sys.executable, "-c", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        process.stdin.close()
        assert process.stdout.read() == b""  # its end: nobody holds it any more
    assert process.returncode == -signal.SIGKILL


def test_a_machine_without_mlflow_is_told_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    server = MlflowServer(tmp_path, "127.0.0.1", 1, {}, lambda _: None)
    with pytest.raises(MlflowError, match=r"not installed.*tools/setup\.py"):
        server.start()
