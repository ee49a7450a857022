"""Registry webhooks of a workspace: kept, and their deliveries, really signed.

Source: https://docs.databricks.com/mlflow/model-registry-webhooks.html
"""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
import logging
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from sandbox.cloud.databricks.registry import Record, Refused, needed

LOG = logging.getLogger(__name__)
STATUSES = ("ACTIVE", "TEST_MODE", "DISABLED")
EVENTS = (
    "MODEL_VERSION_CREATED",
    "MODEL_VERSION_TRANSITIONED_STAGE",
    "MODEL_VERSION_TRANSITIONED_TO_STAGING",
    "MODEL_VERSION_TRANSITIONED_TO_PRODUCTION",
    "MODEL_VERSION_TRANSITIONED_TO_ARCHIVED",
    "MODEL_VERSION_TAG_SET",
    "REGISTERED_MODEL_CREATED",
    "TRANSITION_REQUEST_CREATED",
    "TRANSITION_REQUEST_TO_STAGING_CREATED",
    "TRANSITION_REQUEST_TO_PRODUCTION_CREATED",
    "TRANSITION_REQUEST_TO_ARCHIVED_CREATED",
    "COMMENT_CREATED",
)
SECONDS = 30.0


@dataclass(slots=True)
class Webhooks:
    """The webhooks of a workspace. The caller holds a lock; deliveries go out one after the other, in a thread."""

    kept: dict[str, Record] = field(default_factory=dict)
    specs: dict[str, Record] = field(default_factory=dict)
    _sender: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(max_workers=1, thread_name_prefix="databricks")
    )

    def create(self, given: Record) -> Record:
        """Keep a webhook; secret and authorization are never shown again."""
        spec = given.get("http_url_spec")
        if given.get("job_spec") or not spec:
            msg = "The local cloud knows webhooks with http_url_spec only."
            raise Refused("NOT_IMPLEMENTED", msg, 501)
        needed(spec, "url")
        webhook_id = uuid.uuid4().hex
        webhook: Record = {
            "id": webhook_id,
            "events": _events(given),
            "status": _status(given),
            "description": given.get("description", ""),
            "creation_timestamp": int(time.time() * 1000),
        }
        if given.get("model_name"):
            webhook["model_name"] = given["model_name"]
        self.kept[webhook_id] = webhook
        self._keep_spec(webhook_id, spec)
        return {"webhook": webhook}

    def update(self, given: Record) -> Record:
        """Change what is given."""
        webhook = self._find(given)
        changes = {"events": _events, "status": _status}
        webhook.update({name: read(given) for name, read in changes.items() if name in given})
        webhook.update({name: given[name] for name in ("description",) if name in given})
        if given.get("http_url_spec"):
            self._keep_spec(webhook["id"], {**self.specs[webhook["id"]], **given["http_url_spec"]})
        webhook["last_updated_timestamp"] = int(time.time() * 1000)
        return {"webhook": webhook}

    def list(self, given: Record) -> Record:
        """List webhooks, those of a model when one is named."""
        name = given.get("model_name")
        return {
            "webhooks": [each for each in self.kept.values() if not name or each.get("model_name") == name]
        }

    def delete(self, given: Record) -> Record:
        """Delete a webhook."""
        webhook = self._find(given)
        del self.kept[webhook["id"]], self.specs[webhook["id"]]
        return {}

    def test(self, given: Record) -> Record:
        """Deliver an example and tell what came back."""
        webhook = self._find(given)
        event = given.get("event") or webhook["events"][0]
        said = {"model_name": webhook.get("model_name", "example_model"), "version": "1"}
        status, text = send(
            self.specs[webhook["id"]], body_of(webhook["id"], event, {**said, "text": "test"})
        )
        return {"webhook": {"status_code": status, "body": text}}

    def tell(self, event: str, said: Record) -> None:
        """Deliver an event to the active webhooks that want it."""
        for webhook in self.kept.values():
            of_model = webhook.get("model_name") in (None, said["model_name"])
            if webhook["status"] == "ACTIVE" and event in webhook["events"] and of_model:
                body = body_of(webhook["id"], event, said)
                self._sender.submit(send, dict(self.specs[webhook["id"]]), body)

    def _keep_spec(self, webhook_id: str, spec: Record) -> None:
        self.specs[webhook_id] = dict(spec)
        shown = {name: spec[name] for name in ("url", "enable_ssl_verification") if name in spec}
        self.kept[webhook_id]["http_url_spec"] = shown

    def _find(self, given: Record) -> Record:
        webhook_id = needed(given, "id")
        if webhook_id not in self.kept:
            msg = f"Webhook with id={webhook_id} not found"
            raise Refused("RESOURCE_DOES_NOT_EXIST", msg, 404)
        return self.kept[webhook_id]


def body_of(webhook_id: str, event: str, said: Record) -> bytes:
    """Make the body of a delivery."""
    content = {"event": event, "webhook_id": webhook_id, "event_timestamp": int(time.time() * 1000), **said}
    return json.dumps(content).encode()


def signature(secret: str, body: bytes) -> str:
    """Sign a body: hex HMAC-SHA256 with the secret's bytes."""
    return hmac.digest(secret.encode(), body, hashlib.sha256).hex()


def send(spec: Record, body: bytes) -> tuple[int, str]:
    """Deliver a body once; gives status and answer, 0 when nobody answers."""
    address = urlsplit(spec["url"])
    headers = {"Content-Type": "application/json"}
    if spec.get("secret"):
        headers["X-Databricks-Signature"] = signature(spec["secret"], body)
    if spec.get("authorization"):
        headers["Authorization"] = spec["authorization"]
    kind: Any = http.client.HTTPSConnection if address.scheme == "https" else http.client.HTTPConnection
    connection = kind(address.netloc, timeout=SECONDS)
    try:
        connection.request("POST", address.path or "/", body=body, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read().decode("utf-8", "replace")[:1000]
    except (OSError, http.client.HTTPException) as error:
        LOG.warning("the webhook %s could not be called: %s", spec["url"], error)
        return 0, str(error)
    finally:
        connection.close()


def _events(given: Record) -> list[str]:
    events = list(given.get("events") or [])
    wrong = [event for event in events if event not in EVENTS]
    if wrong or not events:
        msg = f"Invalid events {wrong}; allowed are {', '.join(EVENTS)}."
        raise Refused("INVALID_PARAMETER_VALUE", msg)
    return events


def _status(given: Record) -> str:
    status = str(given.get("status", "ACTIVE"))
    if status not in STATUSES:
        msg = f"Invalid status {status}; allowed are {', '.join(STATUSES)}."
        raise Refused("INVALID_PARAMETER_VALUE", msg)
    return status
