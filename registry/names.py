"""Names of endpoints: plain rules, stable for ever, since callers use the names and Pulumi's state holds them."""

import hashlib
import re
from collections.abc import Iterable

from registry.errors import NameCollisionError

# https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateEndpoint.html (read 2026-11)
ENDPOINT_NAME_LIMIT = 63
_HASH_LENGTH = 8


def endpoint_name(group: str, environment: str, version: str | None = None) -> str:
    """Name the endpoint of a model package group.

    Args:
        group: name of the model package group.
        environment: ``Staging`` or ``Production``.
        version: version of the model, for an endpoint of its own; None for the stable endpoint of the group.

    Returns:
        ``<group>-<environment in lower case>``, or ``<group>-<version>-<Environment>`` with a version, as the
        predecessor named them. Where that is longer than 63 characters or holds what AWS does not allow, the nearest
        legal name with a hash of the whole name at its end.
    """
    if version is None:
        return shorten(f"{group}-{environment.lower()}", ENDPOINT_NAME_LIMIT)
    return shorten(f"{group}-{version}-{environment}", ENDPOINT_NAME_LIMIT)


def shorten(text: str, limit: int) -> str:
    """Give ``text`` as a name of letters, digits and hyphens, which starts and ends with a letter or digit.

    Args:
        text: any text.
        limit: most characters of the result, at least 9.

    Returns:
        ``text`` itself where it is such a name. Otherwise illegal characters become ``-``, the end is cut, and a hash
        of the whole text follows, so that two texts do not become one name. The same text gives the same name for ever.
    """
    legal = re.sub(r"[^a-zA-Z0-9-]", "-", text).strip("-")
    if legal == text and 0 < len(text) <= limit:
        return text
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:_HASH_LENGTH]
    kept = legal[: limit - _HASH_LENGTH - 1].rstrip("-")
    return f"{kept}-{digest}" if kept else digest


def refuse_collisions(claims: Iterable[tuple[str, str]]) -> None:
    """Refuse endpoint names that two different owners claim.

    SageMaker compares names without regard to case when it creates an endpoint, so ``churn-staging`` and
    ``Churn-Staging`` are one name
    (https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateEndpoint.html, read 2026-11).

    Args:
        claims: pairs of endpoint name and who wants it, as the user knows it.

    Raises:
        NameCollisionError: two owners claim one name; the text names all such owners.
    """
    owners: dict[str, tuple[str, str]] = {}
    problems = []
    for name, owner in claims:
        first = owners.setdefault(name.lower(), (name, owner))
        if first != (name, owner):
            problems.append(f"{first[1]} and {owner} would both be served as endpoint {first[0]}")
    if problems:
        advice = "rename one of the model package groups, or deploy them in different accounts or regions"
        raise NameCollisionError("; ".join([*problems, advice]))
