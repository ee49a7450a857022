"""Errors as AWS answers them."""

from __future__ import annotations


class AwsError(Exception):
    """An answer that is an error.

    Args:
        code: AWS's error code, for example `ValidationException`.
        message: what the client shows.
        status: HTTP status, 400 to 599.
        extra: further members of the error's shape, for example `OriginalStatusCode` of a ModelError.
    """

    def __init__(
        self, code: str, message: str, status: int = 400, extra: dict[str, object] | None = None
    ) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status
        self.extra = extra or {}


def refused(message: str) -> AwsError:
    """Make SageMaker's usual refusal; it answers `ValidationException` even for what does not exist."""
    return AwsError("ValidationException", message)


def not_emulated(what: str) -> AwsError:
    """Make the answer to a call that this cloud does not know. 501 is not retried by AWS's clients."""
    return AwsError(
        "NotEmulated",
        f"The local cloud does not emulate {what}. docs/local-cloud.md lists what it emulates and how to add a call.",
        501,
    )
