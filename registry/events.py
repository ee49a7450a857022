"""What the three kinds of MLflow tell about their registry, as one plain value. Standard library only, for use in a Lambda.

An event is a hint that a model changed, never the truth about it: whoever gets one reads the registry again. So what cannot
change which versions are wanted is ignored, and nothing of an event is used as a path, an address or a program.

- ``mlflow``: open-source MLflow from 3.3 on (https://mlflow.org/docs/latest/ml/webhooks/, read 2026-11)
- ``databricks``: workspace registry (https://docs.databricks.com/aws/en/mlflow/model-registry-webhooks, read 2026-11)
- ``sagemaker``: managed MLflow, through EventBridge
  (https://docs.aws.amazon.com/eventbridge/latest/ref/events-ref-sagemaker.html, read 2026-11)
"""

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from datetime import UTC, datetime
from math import isfinite
from typing import Any, NoReturn

MLFLOW_SIGNATURE, MLFLOW_TIMESTAMP = "X-MLflow-Signature", "X-MLflow-Timestamp"
MLFLOW_DELIVERY_ID, MLFLOW_VERSION = "X-MLflow-Delivery-Id", "v1"
DATABRICKS_SIGNATURE = "X-Databricks-Signature"

MLFLOW_ACTIONS = {
    ("model_version", "created"): "version_created",
    ("model_version_tag", "set"): "tag_set",
    ("model_version_tag", "deleted"): "tag_deleted",
    ("model_version_alias", "created"): "alias_set",
    ("model_version_alias", "deleted"): "alias_deleted",
}
"""MLflow's entity and action, and what we call it. Setting and moving an alias are both ``created``."""

DATABRICKS_ACTIONS = {
    "MODEL_VERSION_CREATED": "version_created",
    "MODEL_VERSION_TAG_SET": "tag_set",
    "MODEL_VERSION_TRANSITIONED_STAGE": "stage_changed",
    "MODEL_VERSION_TRANSITIONED_TO_STAGING": "stage_changed",
    "MODEL_VERSION_TRANSITIONED_TO_PRODUCTION": "stage_changed",
    "MODEL_VERSION_TRANSITIONED_TO_ARCHIVED": "stage_changed",
}

MANAGED_ACTIONS = {
    "SageMaker MLFlow Tracking Server Creating ModelVersion": "version_created",
    "SageMaker MLFlow Tracking Server Transitioning ModelVersion Stage": "stage_changed",
    "SageMaker MLFlow Tracking Server Setting Registered Model Alias": "alias_set",
}

OWN_TAGS = "sagemaker."
"""Tags of this prefix are written by the sync itself, and by managed MLflow: their events would make it run for ever."""

EXAMPLE_MODEL = "example_model"
"""The model in the deliveries that MLflow sends to test a webhook."""

_LONGEST_TEXT = 1024
_TRANSITIONED_TO = "MODEL_VERSION_TRANSITIONED_TO_"


@dataclass(frozen=True, slots=True)
class RegistryEvent:
    """One change of a registry, as a hint.

    Attributes:
        dialect: ``databricks``, ``mlflow`` or ``sagemaker``.
        action: ``version_created``, ``stage_changed``, ``alias_set``, ``alias_deleted``, ``tag_set`` or ``tag_deleted``.
        model: the registered model's name, 1 to 1,024 characters.
        version: the model version's number; None where the event names none (a deleted alias).
        alias: that was set or deleted, else None.
        stage: that the version moved to, else None.
        occurred_at: unix seconds by the sender's clock.
        delivery_id: the sender's id of this delivery, for logs; empty where it gives none.
    """

    dialect: str
    action: str
    model: str
    version: str | None
    alias: str | None
    stage: str | None
    occurred_at: float
    delivery_id: str

    def key(self) -> str:
        """Give what tells this change from others: 64 hexadecimal digits, the same for each delivery of it.

        By meaning and not by id, as two webhooks on one URL deliver one change twice, each at its own fraction of a second
        (MLflow dates the delivery, not the change). So what happens to one version within one second is one hint; whoever
        gets it reads the registry later than that.
        """
        meaning = json.dumps([*astuple(self)[:6], int(self.occurred_at)])
        return hashlib.sha256(meaning.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class IgnoredEvent:
    """A genuine delivery that changes nothing for us; the reason is for logs and for the sender."""

    reason: str


class RefusedEvent(Exception):
    """A delivery that is not taken. Its text never repeats a secret, a signature or the body.

    Attributes:
        status: 400 for a broken delivery, 401 for one that is not proved to be the sender's, and fresh.
    """

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class SignatureMismatch(RefusedEvent):
    """A fresh, well-formed delivery that none of the secrets signed: a forgery, or a secret that was rotated just now."""


@dataclass(frozen=True, slots=True)
class _Envelope:
    """What the headers say; ``prefix`` is signed in front of the body."""

    dialect: str
    signature: str
    prefix: bytes
    delivery_id: str


def check_headers(headers: Mapping[str, str], *, now: float, tolerance_s: float = 300.0) -> None:
    """Refuse what no secret can make good, so that secrets need not be read for it.

    Args:
        headers: as they came, names in any case.
        now: unix seconds.
        tolerance_s: largest age, and largest lead of the sender's clock.

    Raises:
        RefusedEvent: as `read_webhook`, for the headers alone.
    """
    _open(headers, now, tolerance_s)


def read_webhook(
    headers: Mapping[str, str],
    body: bytes,
    *,
    secrets: Sequence[bytes],
    now: float,
    tolerance_s: float = 300.0,
) -> RegistryEvent | IgnoredEvent:
    """Read a delivery of a webhook after it is proved to be the sender's.

    Args:
        headers: as they came, names in any case.
        body: the raw bytes: signatures are over these, never over parsed and written JSON.
        secrets: all that are valid now, as the sender has them, in UTF-8. Never written to any text.
        now: unix seconds.
        tolerance_s: largest age, and largest lead of the sender's clock.

    Raises:
        RefusedEvent: with status 401 where the signature is missing, doubled, malformed or wrong, or the time is too far
            from ours; with 400 where what was signed is not an event.
        ValueError: no secret, or a blank one: nothing may be verified with it.
    """
    if not secrets or any(not secret.strip() for secret in secrets):
        message = "a delivery can only be verified with secrets, none of them blank: set the webhook's secret"
        raise ValueError(message)
    envelope = _open(headers, now, tolerance_s)
    if not _is_signed(envelope, body, secrets):
        raise SignatureMismatch(
            401, "no valid secret gives this signature: set the same secret at the sender"
        )
    values = _parse(body)
    if envelope.dialect == "mlflow":
        return _read_mlflow(values, envelope)
    return _read_databricks(values, now, tolerance_s)


def read_managed(event: Mapping[str, Any]) -> RegistryEvent | IgnoredEvent:
    """Read an EventBridge event of SageMaker's managed MLflow; EventBridge itself vouches for its sender.

    AWS documents the events' names, not what is in ``detail``; so model, version, alias and stage are taken from the
    fields that may hold them, in any writing (``modelName``, ``registered_model_name``, …), at most one level deep.

    Raises:
        RefusedEvent: with status 400 where it is not from AWS or names no model.
    """
    if event.get("source") != "aws.sagemaker":
        raise RefusedEvent(400, "the event's source is not aws.sagemaker: match that in the rule")
    action = {name.lower(): act for name, act in MANAGED_ACTIONS.items()}.get(
        str(event.get("detail-type")).lower()
    )
    if action is None:
        return IgnoredEvent("this event changes no version, alias or stage")
    fields = _flat(event.get("detail"))
    return RegistryEvent(
        "sagemaker",
        action,
        _required(fields, "registeredmodelname", "modelname", "registeredmodel", "model", "name"),
        _version(_first(fields, "modelversion", "modelversionnumber", "version")),
        _text(fields, "alias", "aliasname", "registeredmodelalias"),
        _text(fields, "tostage", "newstage", "stage", "currentstage"),
        _instant(event.get("time")),
        _text(event, "id") or "",
    )


def _open(headers: Mapping[str, str], now: float, tolerance_s: float) -> _Envelope:
    mlflow, databricks = _header(headers, MLFLOW_SIGNATURE), _header(headers, DATABRICKS_SIGNATURE)
    if mlflow is not None and databricks is not None:
        raise RefusedEvent(401, "the delivery has two kinds of signature: a sender gives one")
    if databricks is not None:
        _match(DATABRICKS_SIGNATURE, databricks, r"[0-9a-f]{64}", "64 hexadecimal digits")
        return _Envelope("databricks", databricks, b"", "")
    if mlflow is None:
        text = f"neither {MLFLOW_SIGNATURE} nor {DATABRICKS_SIGNATURE} is there: set a secret at the sender's webhook"
        raise RefusedEvent(401, text)
    _match(MLFLOW_SIGNATURE, mlflow, MLFLOW_VERSION + ",[A-Za-z0-9+/]{43}=", "v1 and 44 characters of base64")
    delivery, sent = _header(headers, MLFLOW_DELIVERY_ID), _header(headers, MLFLOW_TIMESTAMP)
    # A dot in the id would make it unclear where it ends in what is signed.
    _match(MLFLOW_DELIVERY_ID, delivery, r"[A-Za-z0-9_-]{1,128}", "letters, digits and hyphens")
    _match(MLFLOW_TIMESTAMP, sent, r"[0-9]{1,12}", "unix seconds in decimal digits")
    _refuse_stale(float(sent or 0), now, tolerance_s)
    return _Envelope("mlflow", mlflow, f"{delivery}.{sent}.".encode(), delivery or "")


def _header(headers: Mapping[str, str], name: str) -> str | None:
    """One header's value by its name in any case; None where it is missing or no text."""
    found = [value for key, value in headers.items() if str(key).lower() == name.lower()]
    if len(found) > 1:
        raise RefusedEvent(401, f"{name} is there {len(found)} times: a sender gives it once")
    return found[0] if found and isinstance(found[0], str) else None


def _match(name: str, value: str | None, pattern: str, allowed: str) -> None:
    if value is None or not re.fullmatch(pattern, value, re.ASCII):
        found = "is missing" if value is None else f"has {len(value)} characters of another form"
        raise RefusedEvent(401, f"{name} {found}; it is {allowed}: send the delivery as MLflow makes it")


def _refuse_stale(sent: float, now: float, tolerance_s: float) -> None:
    if not abs(now - sent) <= tolerance_s:  # so that no comparison with NaN passes
        age = f"{now - sent:.0f} s from this clock, where {tolerance_s:.0f} s are allowed"
        raise RefusedEvent(
            401, f"the delivery's time is {age}: correct the sender's clock, or let it send anew"
        )


def _is_signed(envelope: _Envelope, body: bytes, secrets: Sequence[bytes]) -> bool:
    given, matches = envelope.signature.encode(), False
    for secret in secrets:
        digest = hmac.digest(secret, envelope.prefix + body, "sha256")
        if envelope.dialect == "mlflow":
            expected = f"{MLFLOW_VERSION},".encode() + base64.b64encode(digest)
        else:
            expected = digest.hex().encode()
        matches |= hmac.compare_digest(expected, given)  # every secret, so that the time tells nothing
    return matches


def _read_mlflow(values: Mapping[str, Any], envelope: _Envelope) -> RegistryEvent | IgnoredEvent:
    entity, kind = _required(values, "entity"), _required(values, "action")
    data = values.get("data")
    if not isinstance(data, Mapping):
        raise _broken("data is not an object")
    action = MLFLOW_ACTIONS.get((entity, kind))
    if action is None:
        return IgnoredEvent("this event changes no version, alias or tag")
    model = _required(data, "name")
    if model == EXAMPLE_MODEL:
        return IgnoredEvent("a test delivery of MLflow: the signature is right, and nothing follows")
    if entity == "model_version_tag" and _required(data, "key").startswith(OWN_TAGS):
        return IgnoredEvent("a tag that the sync itself writes")
    return RegistryEvent(
        "mlflow",
        action,
        model,
        _version(data.get("version"), required=action != "alias_deleted"),
        _required(data, "alias") if entity == "model_version_alias" else None,
        None,
        _instant(values.get("timestamp")),
        envelope.delivery_id,
    )


def _read_databricks(
    values: Mapping[str, Any], now: float, tolerance_s: float
) -> RegistryEvent | IgnoredEvent:
    event = _required(values, "event")
    if event.upper().startswith("TEST") or values.get("status") == "TEST_MODE":
        return IgnoredEvent("a test delivery of Databricks: the signature is right, and nothing follows")
    milliseconds = values.get("event_timestamp")
    if type(milliseconds) is not int or not 0 < milliseconds < 10**15:
        raise _broken("event_timestamp is not a number of milliseconds")
    _refuse_stale(milliseconds / 1000, now, tolerance_s)  # no header has a time; this one is signed
    action = DATABRICKS_ACTIONS.get(event)
    if action is None:
        return IgnoredEvent("this event changes no version, stage or tag")
    if action == "tag_set" and _has_only_own_tags(values.get("tags")):
        return IgnoredEvent("a tag that the sync itself writes")
    stage = None
    if action == "stage_changed":
        # A change of stage is told as both kinds of event where the webhook has both; they are one change.
        named = event.startswith(_TRANSITIONED_TO)
        stage = event.removeprefix(_TRANSITIONED_TO).title() if named else _required(values, "to_stage")
    return RegistryEvent(
        "databricks",
        action,
        _required(values, "model_name"),
        _version(values.get("version"), required=True),
        None,
        stage,
        milliseconds / 1000,
        "",
    )


def _has_only_own_tags(tags: object) -> bool:
    if not isinstance(tags, list) or not tags:
        return False
    return all(isinstance(tag, Mapping) and str(tag.get("key")).startswith(OWN_TAGS) for tag in tags)


def _parse(body: bytes) -> Mapping[str, Any]:
    """Read an object from JSON, and nothing that two readers could understand differently."""
    try:
        values = json.loads(
            body.decode("utf-8"),
            object_pairs_hook=_unique,
            parse_constant=_no_number,
            parse_int=_whole,
            parse_float=_finite,
        )
    except RefusedEvent:
        raise
    except (ValueError, RecursionError):
        raise _broken("it is not JSON in UTF-8") from None
    if not isinstance(values, Mapping):
        raise _broken("it is not an object")
    return values


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) != len(pairs):
        raise _broken("a name is there twice")
    return values


def _no_number(_text: str) -> NoReturn:
    raise _broken("NaN and Infinity are no numbers of JSON")


def _whole(text: str) -> int:
    if len(text) > 20:
        raise _broken("a number has more than 20 digits")
    return int(text)


def _finite(text: str) -> float:
    value = float(text)
    return value if isfinite(value) else _no_number(text)


def _flat(detail: object) -> dict[str, Any]:
    """The fields of an event by their names in lower case without separators, outer ones before inner ones."""
    outer = detail if isinstance(detail, Mapping) else {}
    inner = [each for each in outer.values() if isinstance(each, Mapping)]
    fields: dict[str, Any] = {}
    for each in (outer, *inner):
        for name, value in each.items():
            if not isinstance(value, Mapping):
                fields.setdefault(re.sub(r"[^a-z0-9]", "", str(name).lower()), value)
    return fields


def _first(values: Mapping[str, Any], *names: str) -> Any:
    return next((values[name] for name in names if values.get(name) is not None), None)


def _required(values: Mapping[str, Any], *names: str) -> str:
    text = _text(values, *names)
    if text is None:
        problem = f"it has no {' or '.join(names)}"
        raise _broken(problem)
    return text


def _text(values: Mapping[str, Any], *names: str) -> str | None:
    value = _first(values, *names)
    if value is None or value == "":
        return None
    if not isinstance(value, str) or len(value) > _LONGEST_TEXT:
        problem = f"{names[0]} is not a text of at most {_LONGEST_TEXT} characters"
        raise _broken(problem)
    if any("\ud800" <= character <= "\udfff" for character in value):
        problem = f"{names[0]} has half a character"
        raise _broken(problem)
    return value


def _version(value: object, *, required: bool = False) -> str | None:
    if value is None and not required:
        return None
    text = str(value) if type(value) is int else value
    if not isinstance(text, str) or not re.fullmatch(r"[0-9]{1,19}", text, re.ASCII):
        raise _broken("the version is not a whole number")
    return text


def _instant(value: object) -> float:
    try:
        moment = datetime.fromisoformat(value if isinstance(value, str) else "")
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except ValueError:
        raise _broken("its time is not in the form of ISO 8601") from None


def _broken(problem: str) -> RefusedEvent:
    return RefusedEvent(400, f"the delivery is no event of a model registry: {problem}")
