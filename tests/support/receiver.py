"""Fakes of Secrets Manager, DynamoDB and EventBridge at the level of botocore's clients, and a receiver on them."""

import json
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from handlers import webhook
from handlers.aws import Claims, Clients, Secrets
from handlers.webhook import Receiver
from tests.support.deliveries import NOW, SECRET, alias_set, mlflow_headers

MODELS = frozenset({"churn", "iris"})


def aws_error(code: str, operation: str = "", **more: Any) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": code}, **more}, operation)


class Died(BaseException):
    """The process was killed at this call: nothing after it runs."""


@dataclass
class FakeAws:
    """One account. ``faults`` maps an operation to what it raises, once each in order; None lets a call through."""

    stages: dict[str, str] = field(default_factory=lambda: {"AWSCURRENT": SECRET.decode()})
    table: dict[str, dict[str, Any]] = field(default_factory=dict)
    bus: list[dict[str, Any]] = field(default_factory=list)
    faults: dict[str, list[BaseException | None]] = field(default_factory=dict)
    refused_entries: int = 0
    calls: Counter[str] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def client(self, service: str) -> SimpleNamespace:
        operations = {
            "secretsmanager": {"get_secret_value": self.get_secret_value},
            "dynamodb": {"put_item": self.put_item},
            "events": {"put_events": self.put_events},
        }
        return SimpleNamespace(
            **{name: self._counted(name, call) for name, call in operations[service].items()}
        )

    def _counted(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(**arguments: Any) -> Any:
            with self.lock:
                self.calls[name] += 1
                fault = self.faults[name].pop(0) if self.faults.get(name) else None
                if fault:
                    raise fault
                return call(**arguments)

        return counted

    def get_secret_value(self, *, SecretId: str, VersionStage: str) -> dict[str, Any]:  # noqa: N803
        if VersionStage not in self.stages:
            raise aws_error("ResourceNotFoundException")
        return {"ARN": SecretId, "SecretString": self.stages[VersionStage]}

    def put_item(self, **arguments: Any) -> dict[str, Any]:
        """The two conditions that the receiver uses, by DynamoDB's rules."""
        item, names = arguments["Item"], arguments["ExpressionAttributeNames"]
        value, old = (
            arguments["ExpressionAttributeValues"][":v"],
            self.table.get(arguments["Item"]["key"]["S"]),
        )
        condition = arguments["ConditionExpression"]
        if condition == "attribute_not_exists(#k) OR #e < :v":
            assert names == {"#k": "key", "#e": "expires"}
            met = old is None or int(old["expires"]["N"]) < int(value["N"])
        else:
            assert (condition, names) == ("#o = :v", {"#o": "owner"})
            met = old is not None and old["owner"] == value
        if not met:
            assert arguments["ReturnValuesOnConditionCheckFailure"] == "ALL_OLD"
            raise aws_error("ConditionalCheckFailedException", **({"Item": old} if old else {}))
        self.table[item["key"]["S"]] = item
        return {}

    def put_events(self, *, Entries: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803
        assert len(Entries) == 1
        if self.refused_entries:
            self.refused_entries -= 1
            return {"FailedEntryCount": 1, "Entries": [{"ErrorCode": "InternalFailure"}]}
        self.bus.extend(Entries)
        return {"FailedEntryCount": 0, "Entries": [{"EventId": "1"}]}

    @property
    def hints(self) -> list[dict[str, Any]]:
        return [json.loads(entry["Detail"]) for entry in self.bus]


@dataclass
class Clock:
    now: float = NOW

    def __call__(self) -> float:
        return self.now


def make_receiver(aws: FakeAws, clock: Clock, models: frozenset[str] = MODELS) -> Receiver:
    """A receiver as a fresh Lambda has it."""
    clients = Clients(lambda: aws.client)
    return Receiver(
        Secrets(clients, "arn:secret"), Claims(clients, "claims"), clients, "default", models, 300.0, clock
    )


def http_request(headers: Mapping[str, str], body: str | None, *, encoded: bool = False) -> dict[str, Any]:
    """What an HTTP API gives a Lambda (payload 2.0)."""
    return {
        "version": "2.0",
        "routeKey": "POST /",
        "rawPath": "/",
        "rawQueryString": "",
        "headers": {name.lower(): value for name, value in headers.items()},
        "requestContext": {"http": {"method": "POST", "path": "/"}, "requestId": "request-1"},
        **({} if body is None else {"body": body}),
        "isBase64Encoded": encoded,
    }


LIFETIME_MS = 10_000
CONTEXT = SimpleNamespace(get_remaining_time_in_millis=lambda: LIFETIME_MS)
BODY = alias_set()
GOOD = http_request(mlflow_headers(BODY), BODY.decode())


def signed(body: bytes, secret: bytes = SECRET, sent: float = NOW) -> dict[str, Any]:
    return http_request(mlflow_headers(body, secret, int(sent)), body.decode())


class Lambda:
    """The function with one process; `restart` gives it a fresh one."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.aws, self.clock = FakeAws(), Clock()
        self.processes: list[Receiver] = []
        monkeypatch.setattr(webhook, "_made", self.processes)
        self.restart()

    def restart(self) -> None:
        self.processes[:] = [make_receiver(self.aws, self.clock)]

    def __call__(self, request: Mapping[str, Any] = GOOD) -> SimpleNamespace:
        answer = webhook.handler(request, CONTEXT)
        assert answer is not None
        return SimpleNamespace(
            status=answer["statusCode"],
            headers=answer["headers"],
            body=answer["body"],
            result=json.loads(answer["body"])["result"],
        )
