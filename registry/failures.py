"""A failed AWS read as an error that says what was read, what AWS said, and what to do next."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from registry.errors import AccessRefusedError, RegistryError, UnavailableError

_REFUSED = (
    "AccessDenied",
    "UnauthorizedOperation",
    "NotAuthorized",
    "ExpiredToken",
    "UnrecognizedClient",
    "InvalidClientTokenId",
    "SignatureDoesNotMatch",
    "IncompleteSignature",
    "MissingAuthenticationToken",
    "OptInRequired",
)
# SageMaker, IAM and SSM.
_MISSING_CODES = frozenset({"ResourceNotFound", "NoSuchEntity", "ParameterNotFound"})
_MISSING_WORDS = ("could not find", "does not exist", "recordnotfound")
_THROTTLED = ("Throttl", "TooManyRequests", "RequestLimitExceeded", "SlowDown")


def is_missing(error: Exception) -> bool:
    """Whether AWS says that what was asked for does not exist; SageMaker says so in a ValidationException's text."""
    details = _details(error)
    if details.get("Code") in _MISSING_CODES:
        return True
    text = str(details.get("Message", "")).lower()
    return details.get("Code") == "ValidationException" and any(words in text for words in _MISSING_WORDS)


def translate(error: Exception, operation: str, subject: str, *, right: str | None = None) -> RegistryError:
    """Say what a failed call means.

    Args:
        error: what botocore raised, after all its retries.
        operation: the API call, such as ``ListModelPackages``.
        subject: what was read, such as ``model package group churn``.
        right: the IAM action that the call needs; by default the operation's own name in SageMaker, or in STS.
    """
    details = _details(error)
    code = str(details.get("Code") or type(error).__name__)
    status = _response(error).get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    said = f"{code}: {details.get('Message') or _first_line(error)}"
    if code.startswith(_REFUSED) or code in (
        "NoCredentialsError",
        "PartialCredentialsError",
        "CredentialRetrievalError",
    ):
        return AccessRefusedError(
            _text(operation, subject, "was refused", said, _advice_on_access(operation, code, right))
        )
    if code.startswith(_THROTTLED):
        advice = "Run again later, or ask AWS for a higher request rate"
        return UnavailableError(_text(operation, subject, "was throttled, also when repeated", said, advice))
    if status >= 500 or _is_connection_error(error):
        advice = "Check the network, AWS_ENDPOINT_URL if it is set, and https://health.aws.amazon.com, then run again"
        return UnavailableError(_text(operation, subject, "got no answer, also when repeated", said, advice))
    return RegistryError(_text(operation, subject, "failed", said, "Correct what AWS names, then run again"))


@contextmanager
def translated(operation: str, subject: str, right: str) -> Iterator[None]:
    """Raise what botocore raises inside as a `RegistryError`; the arguments are those of `translate`."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except (BotoCoreError, ClientError) as error:
        raise translate(error, operation, subject, right=right) from error
    except (KeyError, TypeError) as error:  # an answer without what its operation answers
        message = f"{operation} of {subject} gave a broken answer ({error!r}); nothing was changed. Run again"
        raise RegistryError(message) from error


def _details(error: Exception) -> dict[str, Any]:
    return dict(_response(error).get("Error", {}))


def _response(error: Exception) -> dict[str, Any]:
    return getattr(error, "response", None) or {}  # None: a time-out


def _is_connection_error(error: Exception) -> bool:
    from botocore import exceptions

    # EndpointConnectionError and time-outs; connections that broke; bodies that ended early.
    broken = (exceptions.ConnectionError, exceptions.HTTPClientError, exceptions.IncompleteReadError)
    return isinstance(error, broken)


def _advice_on_access(operation: str, code: str, right: str | None) -> str:
    if code.startswith(("AccessDenied", "UnauthorizedOperation", "NotAuthorized")):
        service = "sts" if operation == "GetCallerIdentity" else "sagemaker"
        return f"Allow {right or f'{service}:{operation}'} to these credentials, then run again"
    return "Give valid AWS credentials (see `aws sts get-caller-identity`), then run again"


def _text(operation: str, subject: str, verdict: str, said: str, advice: str) -> str:
    return f"{operation} of {subject} {verdict} ({said}). Nothing was changed. {advice}"


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
