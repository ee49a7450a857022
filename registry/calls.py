"""Calls to AWS: what fails becomes an error of ours, and lists are read to their end."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

from registry.errors import RegistryError
from registry.failures import is_missing, translate

_Page = TypeVar("_Page")


class MissingError(RegistryError):
    """What was asked for does not exist, and the caller knows what that means."""


def call(
    operation: str, subject: str, ask: Callable[[], Any], *, missing: RegistryError | None = None
) -> Mapping[str, Any]:
    """Ask AWS; ``missing`` is raised when what was asked for does not exist.

    Raises:
        RegistryError: the call failed, after botocore's retries, or its answer is none of the operation's.
    """
    from botocore.exceptions import BotoCoreError, ClientError
    from botocore.parsers import ResponseParserError

    try:
        answer: Mapping[str, Any] = ask()
    except (BotoCoreError, ClientError) as error:
        if missing is not None and is_missing(error):
            raise missing from error
        raise translate(error, operation, subject) from error
    except (ResponseParserError, AttributeError, TypeError, ValueError) as error:
        # All that botocore's parser raises over a body that is not what its operation answers.
        message = f"{operation} of {subject} gave a broken answer ({type(error).__name__}); nothing was changed. Run again"
        raise RegistryError(message) from error
    return answer


def all_pages(
    ask: Callable[[str | None], _Page], token_of: Callable[[_Page], str | None], where: str
) -> Iterator[_Page]:
    """Read a list page by page.

    Args:
        ask: gives the page of a token, the first one for None.
        token_of: a page's NextToken; nothing on the last page.
        where: the call, for the error's text.

    Raises:
        RegistryError: a token came twice.
    """
    token: str | None = None
    seen: set[str] = set()
    while True:
        page = ask(token)
        yield page
        token = token_of(page)
        if not token:
            return
        if token in seen:
            message = f"{where} gave the same NextToken twice, so its list has no end; nothing was changed. Run again"
            raise RegistryError(message)
        seen.add(token)
