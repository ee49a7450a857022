"""Deliveries of registry webhooks: recorded ones, and new ones signed as their senders sign."""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[1] / "events"
SECRET = b"s3cr3t-webhook-key"
OTHER_SECRET = b"the-next-webhook-key"
NOW = 1795439543.0
DELIVERY_ID = "36f91207-a998-46f8-af77-e1af979a0b8d"


def lines(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (FOLDER / name).read_text(encoding="utf-8").splitlines()]


def recorded() -> list[tuple[dict[str, str], bytes]]:
    """Headers and body of each delivery of a real MLflow server."""
    return [
        (each["headers"], each["body"].encode()) for each in lines("mlflow-3.17-webhook-deliveries.jsonl")
    ]


def mlflow_headers(
    body: bytes, secret: bytes = SECRET, sent: object = int(NOW), delivery: str = DELIVERY_ID
) -> dict[str, str]:
    digest = hmac.new(secret, f"{delivery}.{sent}.".encode() + body, hashlib.sha256).digest()
    return {
        "X-MLflow-Delivery-Id": delivery,
        "X-MLflow-Timestamp": str(sent),
        "X-MLflow-Signature": f"v1,{base64.b64encode(digest).decode()}",
    }


def databricks_headers(body: bytes, secret: bytes = SECRET) -> dict[str, str]:
    return {"X-Databricks-Signature": hmac.new(secret, body, hashlib.sha256).hexdigest()}


def alias_set(model: str = "churn", alias: str = "champion", version: str = "3", at: float = NOW) -> bytes:
    return mlflow_body(
        "model_version_alias", "created", at, {"name": model, "alias": alias, "version": version}
    )


def mlflow_body(entity: str, action: str, at: float, data: Mapping[str, Any]) -> bytes:
    timestamp = datetime.fromtimestamp(at, UTC).isoformat()
    return json.dumps({"entity": entity, "action": action, "timestamp": timestamp, "data": data}).encode()
