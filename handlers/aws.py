"""The three AWS services behind the receiver: its secrets, its claims on events, and the bus. Errors are translated here."""

import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import ceil
from typing import Any

from registry.events import RegistryEvent

SOURCE, DETAIL_TYPE = "model-deployment.registry", "Model Registry Changed"

SECRETS_LIFETIME_S = 60.0
"""So long secrets are used without another look; a secret that was withdrawn is accepted for as long at most."""

SECRETS_PAUSE_S = 5.0
"""Least time between two looks at the secrets after a wrong signature, and after a failed look."""

LEAST_SECRET_BYTES = 16

KEEP_S = 24 * 3600.0
"""So long a change that was handed on is remembered: as long as EventBridge repeats, and longer than a delivery is fresh."""


class Unavailable(Exception):
    """A service refused, or did not answer; the sender has to send again. The text names the call and AWS's code only."""


class Expected(Exception):
    """An answer with an error code that the caller asked for.

    Attributes:
        item: of DynamoDB, that was there instead.
    """

    def __init__(self, code: str, item: Mapping[str, Any]) -> None:
        super().__init__(code)
        self.item = item


def make_client_maker() -> Callable[[str], Any]:
    """Give what makes botocore's clients from the environment: a failed call is repeated once, each try takes 4 s at most.

    The sender waits 30 s for all calls together, and repeats the delivery as well.
    """
    from botocore.config import Config
    from botocore.session import Session

    session = Session()
    config = Config(connect_timeout=1, read_timeout=3, retries={"mode": "standard", "total_max_attempts": 2})
    return lambda service: session.create_client(service, config=config)


class Clients:
    """AWS clients, each made when it is first needed; may be used from several threads.

    Args:
        maker: gives the function that makes a client by botocore's name of the service.
    """

    def __init__(self, maker: Callable[[], Callable[[str], Any]] = make_client_maker) -> None:
        self._maker = maker
        self._make: Callable[[str], Any] | None = None
        self._made: dict[str, Any] = {}
        self._lock = threading.Lock()

    def call(self, service: str, operation: str, *, expect: str = "", **arguments: Any) -> Any:
        """Call an operation by botocore's name, such as ``put_item``.

        Raises:
            Expected: AWS answered with the error code ``expect``.
            Unavailable: it answered with another error, or not at all.
        """
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            return getattr(self._get(service), operation)(**arguments)
        except ClientError as error:
            code = str(error.response.get("Error", {}).get("Code"))
            if code == expect:
                response: Mapping[str, Any] = {**error.response}
                raise Expected(code, response.get("Item") or {}) from None
        except BotoCoreError as error:
            code = type(error).__name__
        message = f"{service} {operation}: {code}"
        raise Unavailable(message)

    def _get(self, service: str) -> Any:
        with self._lock:
            if service not in self._made:
                self._make = self._make or self._maker()
                self._made[service] = self._make(service)
            return self._made[service]


@dataclass
class Secrets:
    """The webhook's live secrets: the current one, and the one before it while a sender may still use that.

    Args:
        clients: of AWS.
        arn: the secret in Secrets Manager.
    """

    clients: Clients
    arn: str
    _known: tuple[bytes, ...] = field(default=(), repr=False)
    _read_at: float = float("-inf")
    _failed_at: float = float("-inf")
    _doubted_at: float = float("-inf")
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def get(self, now: float) -> tuple[bytes, ...]:
        """Give the secrets, at most `SECRETS_LIFETIME_S` old.

        Raises:
            Unavailable: they cannot be read, or could not less than `SECRETS_PAUSE_S` ago.
        """
        with self._lock:
            if now - self._read_at >= SECRETS_LIFETIME_S:
                self._read(now)
            return self._known

    def get_newer(self, now: float, than: tuple[bytes, ...]) -> tuple[bytes, ...] | None:
        """Give the secrets after another look, as a rotation may have just been; None where there is nothing newer to have.

        Forgers can ask for this look, so there is one in `SECRETS_PAUSE_S` at most.

        Raises:
            Unavailable: they cannot be read.
        """
        with self._lock:
            if self._known == than and now - self._doubted_at >= SECRETS_PAUSE_S:
                self._doubted_at = now
                self._read(now)
            return None if self._known == than else self._known

    def _read(self, now: float) -> None:
        if now - self._failed_at < SECRETS_PAUSE_S:
            raise Unavailable("secretsmanager get_secret_value: failed just now, and is not tried again yet")
        try:
            stages = (self._stage("AWSCURRENT"), self._stage("AWSPREVIOUS"))
            known = tuple(value for value in stages if len(value.strip()) >= LEAST_SECRET_BYTES)
            if not known:
                message = f"the secret has no value of {LEAST_SECRET_BYTES} bytes or more: put one there and at the sender"
                raise Unavailable(message)
        except Unavailable:
            self._failed_at = now
            raise
        self._known, self._read_at = known, now

    def _stage(self, stage: str) -> bytes:
        """The value of one stage; empty where there is none (before the first rotation there is no previous one)."""
        try:
            answer = self.clients.call(
                "secretsmanager",
                "get_secret_value",
                expect="ResourceNotFoundException",
                SecretId=self.arn,
                VersionStage=stage,
            )
        except Expected:
            return b""
        return answer.get("SecretBinary") or str(answer.get("SecretString") or "").encode()


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to hand one change on, until a moment; after it, whoever held it is dead and another may take it."""

    key: str
    owner: str
    until: int


@dataclass(frozen=True, slots=True)
class HandedOn:
    """The change was handed on before."""


@dataclass(frozen=True, slots=True)
class InWork:
    """Another invocation has the claim, or had it and died; ``wait_s`` seconds later it is known, or free."""

    wait_s: int


@dataclass(frozen=True, slots=True)
class Claims:
    """Claims on changes in DynamoDB, so that each is handed on once, and is not lost with an invocation that dies.

    A record says ``pending`` until its change is on the bus, and then ``done``. A pending one counts only until ``expires``,
    the moment after which its invocation cannot live; DynamoDB's own removal of expired items may be days late, so
    nothing leans on it. The only right that this needs is ``dynamodb:PutItem``.
    """

    clients: Clients
    table: str

    def take(self, key: str, owner: str, now: float, lease_s: float) -> Claim | HandedOn | InWork:
        """Claim a change.

        Args:
            key: of the event.
            owner: this invocation, as nobody else is called.
            now: unix seconds.
            lease_s: after so many seconds this invocation does not live any more.

        Raises:
            Unavailable: the table cannot be asked.
        """
        claim = Claim(key, owner, ceil(now + lease_s))
        try:
            self._put(
                claim, "pending", claim.until, "attribute_not_exists(#k) OR #e < :v", {"N": str(int(now))}
            )
        except Expected as there:
            if there.item.get("state", {}).get("S") == "done":
                return HandedOn()
            until = float(there.item.get("expires", {}).get("N", claim.until))
            return InWork(max(1, ceil(until - now) + 1))
        return claim

    def finish(self, claim: Claim, now: float) -> None:
        """Note that the change is on the bus."""
        self._put_own(claim, "done", ceil(now + KEEP_S))

    def release(self, claim: Claim, now: float) -> None:
        """Give the claim back, so that the sender's next try finds it free."""
        self._put_own(claim, "pending", int(now) - 1)

    def _put_own(self, claim: Claim, state: str, expires: int) -> None:
        try:
            self._put(claim, state, expires, "#o = :v", {"S": claim.owner})
        except Expected:
            return  # it ran out, and another invocation has it: theirs is to say what became of it

    def _put(self, claim: Claim, state: str, expires: int, condition: str, value: Mapping[str, str]) -> None:
        names = {"#k": "key", "#e": "expires", "#o": "owner"}
        self.clients.call(
            "dynamodb",
            "put_item",
            expect="ConditionalCheckFailedException",
            TableName=self.table,
            Item={
                "key": {"S": claim.key},
                "expires": {"N": str(expires)},
                "owner": {"S": claim.owner},
                "state": {"S": state},
            },
            ConditionExpression=condition,
            ExpressionAttributeNames={name: text for name, text in names.items() if name in condition},
            ExpressionAttributeValues={":v": value},
            ReturnValuesOnConditionCheckFailure="ALL_OLD",
        )


def put_event(clients: Clients, bus: str, event: RegistryEvent) -> None:
    """Put a change on the bus.

    Raises:
        Unavailable: the bus did not take it.
    """
    detail = {
        "model": event.model,
        "version": event.version,
        "action": event.action,
        "dialect": event.dialect,
        "key": event.key(),
    }
    entry = {
        "Source": SOURCE,
        "DetailType": DETAIL_TYPE,
        "Detail": json.dumps(detail),
        "EventBusName": bus,
    }
    answer = clients.call("events", "put_events", Entries=[entry])
    if answer.get("FailedEntryCount"):
        code = next(
            (each.get("ErrorCode") for each in answer.get("Entries", []) if each.get("ErrorCode")), ""
        )
        message = f"events put_events: {code or 'the entry failed'}"
        raise Unavailable(message)
