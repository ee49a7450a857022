"""The receiver of registry webhooks: verifies a delivery, claims its change, hands it on to the bus, and answers at once.

An HTTP API (payload 2.0) calls it with deliveries; an EventBridge rule may call it with the events of managed MLflow.
What it answers to whom is in docs/webhook.md. Environment: SECRET_ARN, TABLE_NAME, MODELS (JSON list of the served models),
EVENT_BUS (default ``default``), TOLERANCE_S (default 300).
"""

import base64
import binascii
import json
import os
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from handlers.aws import Claim, Claims, Clients, HandedOn, InWork, Secrets, Unavailable, put_event
from registry.events import (
    IgnoredEvent,
    RefusedEvent,
    RegistryEvent,
    SignatureMismatch,
    check_headers,
    read_managed,
    read_webhook,
)

LARGEST_BODY = 256 * 1024
"""Bytes; MLflow's and Databricks' deliveries have some hundred, with descriptions and tags some thousand."""

RETRY_AFTER_S = 5
"""What a sender is told to wait after a failure; MLflow tries three times more, and its delivery is fresh for 300 s."""

_UNKNOWN_LIFETIME_S = 30.0  # where the context does not tell how long this invocation may live
_NOT_PROVED = (
    "not taken: the signature, its time or a header of it is missing or wrong; the receiver's log tells which. "
    "Set the same secret at the sender and here, and see that both clocks are right"
)


class SettingsError(Exception):
    """The function's environment is not what it needs."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the sender gets, and what the log says of it.

    Attributes:
        status: of HTTP.
        result: one word for a machine.
        reason: a sentence for a person.
        event: the change, where it is one.
        wait_s: after so many seconds the sender should try again; None where it should not.
        private: what only the log says.
    """

    status: int
    result: str
    reason: str
    event: RegistryEvent | None = None
    wait_s: int | None = None
    private: str = ""

    def to_http(self) -> dict[str, Any]:
        """The answer as an HTTP API wants it."""
        headers = {"content-type": "application/json", "cache-control": "no-store"}
        if self.wait_s is not None:
            headers["retry-after"] = str(self.wait_s)
        body = json.dumps({"result": self.result, "reason": self.reason})
        return {"statusCode": self.status, "headers": headers, "body": body, "isBase64Encoded": False}


@dataclass(frozen=True, slots=True)
class Receiver:
    """Takes deliveries.

    Attributes:
        secrets: of the webhook.
        claims: on changes.
        clients: of AWS.
        bus: name or ARN of the event bus.
        models: that are served; changes of others are answered and go no further.
        tolerance_s: largest age of a delivery.
        clock: gives unix seconds.
    """

    secrets: Secrets
    claims: Claims
    clients: Clients
    bus: str
    models: frozenset[str]
    tolerance_s: float
    clock: Callable[[], float] = time.time

    def take_request(self, request: Mapping[str, Any], lease_s: float) -> Answer:
        """Take a webhook's delivery as an HTTP API gives it; never raises for what the sender did."""
        try:
            body = _body(request)
            if body is None:
                return Answer(413, "refused", f"the body is larger than {LARGEST_BODY} bytes: send less")
            read = self._read(request.get("headers") or {}, body)
        except RefusedEvent as error:
            if error.status == 401:  # the same words for all, so that they teach a forger nothing
                return Answer(401, "refused", _NOT_PROVED, private=str(error))
            return Answer(error.status, "refused", str(error))
        except Unavailable as error:
            return _unavailable(error)
        return self.hand_on(read, lease_s)

    def hand_on(self, read: RegistryEvent | IgnoredEvent, lease_s: float) -> Answer:
        """Put a change on the bus, unless it was put there before or is nothing to us."""
        if isinstance(read, IgnoredEvent):
            return Answer(200, "ignored", read.reason)
        if read.model not in self.models:
            return Answer(200, "unknown-model", "this receiver serves other models: add it to them", read)
        try:
            claim = self.claims.take(read.key(), uuid.uuid4().hex, self.clock(), lease_s)
            if isinstance(claim, HandedOn):
                return Answer(200, "duplicate", "this change was handed on before", read)
            if isinstance(claim, InWork):
                text = "this change is in work, or was left half-way: send again"
                return Answer(503, "in-work", text, read, wait_s=claim.wait_s)
            return self._put(claim, read)
        except Unavailable as error:
            return _unavailable(error, read)

    def _read(self, headers: Mapping[str, str], body: bytes) -> RegistryEvent | IgnoredEvent:
        now = self.clock()
        check_headers(
            headers, now=now, tolerance_s=self.tolerance_s
        )  # no secret is read for what cannot be right
        secrets = self.secrets.get(now)
        try:
            return read_webhook(headers, body, secrets=secrets, now=now, tolerance_s=self.tolerance_s)
        except SignatureMismatch:
            newer = self.secrets.get_newer(now, secrets)
            if newer is None:
                raise
            return read_webhook(headers, body, secrets=newer, now=now, tolerance_s=self.tolerance_s)

    def _put(self, claim: Claim, event: RegistryEvent) -> Answer:
        try:
            put_event(self.clients, self.bus, event)
        except Unavailable as error:
            return self._take_back(claim, event, error)
        try:
            self.claims.finish(claim, self.clock())
        except (
            Unavailable
        ) as error:  # the change is on the bus; at worst it is put there twice, which harms nothing
            return Answer(202, "accepted", "handed on", event, private=f"not noted as done: {error}")
        return Answer(202, "accepted", "handed on", event)

    def _take_back(self, claim: Claim, event: RegistryEvent, error: Unavailable) -> Answer:
        try:
            self.claims.release(claim, self.clock())
        except Unavailable:  # then it runs out by itself, and the sender is told to come back after that
            return _unavailable(error, event, wait_s=max(1, int(claim.until - self.clock()) + 2))
        return _unavailable(error, event)


def handler(event: Mapping[str, Any], context: Any) -> dict[str, Any] | None:
    """Take a request of an HTTP API, or an event of EventBridge.

    Returns:
        The answer for the HTTP API; None for an event.

    Raises:
        Unavailable: an event of EventBridge could not be handed on: Lambda repeats it. A request never raises.
    """
    started = time.perf_counter()
    if "detail-type" in event:  # an HTTP API never gives this; nobody outside can choose it
        _take_event(event, context, started)
        return None
    request_id = str((event.get("requestContext") or {}).get("requestId") or "")
    try:
        answer = _receiver().take_request(event, _lifetime_s(context))
    except Exception as error:  # noqa: BLE001  the edge: whatever it is, the sender gets an answer and the log no content
        private = f"{type(error).__name__}: {error}" if isinstance(error, SettingsError) else _where(error)
        answer = Answer(500, "failed", "the receiver failed; its log tells how", private=private)
    _log(answer, started, request_id)
    return answer.to_http()


def _take_event(event: Mapping[str, Any], context: Any, started: float) -> None:
    try:
        answer = _receiver().hand_on(read_managed(event), _lifetime_s(context))
    except RefusedEvent as error:
        answer = Answer(error.status, "refused", str(error))
    _log(answer, started, str(event.get("id") or ""))
    if answer.wait_s is not None:
        raise Unavailable(answer.private or answer.reason)


_made: list[Receiver] = []
_making = threading.Lock()


def _receiver() -> Receiver:
    """The one of this process: nothing is read at import, and what is read once is read when it is needed."""
    with _making:
        if not _made:
            _made.append(make_receiver(os.environ))
        return _made[0]


def make_receiver(environment: Mapping[str, str]) -> Receiver:
    """Make a receiver from a function's environment; no call is made yet.

    Raises:
        SettingsError: a variable is missing or cannot be understood.
    """
    missing = [name for name in ("SECRET_ARN", "TABLE_NAME", "MODELS") if not environment.get(name)]
    if missing:
        message = f"{', '.join(missing)} not set: the function's environment must have them"
        raise SettingsError(message)
    clients = Clients()
    return Receiver(
        Secrets(clients, environment["SECRET_ARN"]),
        Claims(clients, environment["TABLE_NAME"]),
        clients,
        environment.get("EVENT_BUS") or "default",
        _models(environment["MODELS"]),
        _tolerance(environment.get("TOLERANCE_S") or "300"),
    )


def _models(text: str) -> frozenset[str]:
    try:
        names = json.loads(text)
    except ValueError:
        names = None
    if not isinstance(names, list) or not all(isinstance(name, str) and name for name in names):
        raise SettingsError('MODELS is no JSON list of names: write it as ["churn", "iris"]')
    return frozenset(names)


def _tolerance(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 1 <= seconds <= 3600:
        message = f"TOLERANCE_S is {text!r}: write seconds from 1 to 3600, such as 300"
        raise SettingsError(message)
    return seconds


def _body(request: Mapping[str, Any]) -> bytes | None:
    """The raw bytes; None where they are too many."""
    text = request.get("body") or ""
    if not request.get("isBase64Encoded"):
        raw = text.encode("utf-8", "surrogatepass")
        return raw if len(raw) <= LARGEST_BODY else None
    if len(text) > 4 * (LARGEST_BODY // 3 + 1):
        return None
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise RefusedEvent(
            400, "the body is not base64, though the gateway says so: send it as JSON"
        ) from None
    return raw if len(raw) <= LARGEST_BODY else None


def _lifetime_s(context: Any) -> float:
    """After so many seconds this invocation does not live any more."""
    remaining = getattr(context, "get_remaining_time_in_millis", None)
    return remaining() / 1000 + 1 if remaining else _UNKNOWN_LIFETIME_S


def _unavailable(
    error: Unavailable, event: RegistryEvent | None = None, wait_s: int = RETRY_AFTER_S
) -> Answer:
    text = "the change could not be handed on: send it again"
    return Answer(503, "unavailable", text, event, wait_s=wait_s, private=str(error))


def _where(error: Exception) -> str:
    """An unexpected error's kind and place; its text might hold what was sent."""
    trace = error.__traceback__
    while trace and trace.tb_next:
        trace = trace.tb_next
    place = f"{os.path.basename(trace.tb_frame.f_code.co_filename)}:{trace.tb_lineno}" if trace else "?"  # noqa: PTH119
    return f"{type(error).__name__} at {place}"


def _log(answer: Answer, started: float, request_id: str) -> None:
    """One line of JSON for each delivery: never a header, a secret or a body."""
    line: dict[str, Any] = {
        "level": "ERROR" if answer.status >= 500 else "WARN" if answer.status >= 400 else "INFO",
        "status": answer.status,
        "result": answer.result,
        "reason": answer.private or answer.reason,
        "request": request_id,
        "milliseconds": round((time.perf_counter() - started) * 1000, 1),
    }
    if answer.event:
        event = answer.event
        line |= {
            "dialect": event.dialect,
            "action": event.action,
            "model": event.model,
            "version": event.version,
            "alias": event.alias,
            "stage": event.stage,
            "delivery": event.delivery_id,
            "key": event.key(),
        }
    print(json.dumps({name: value for name, value in line.items() if value is not None}), flush=True)
