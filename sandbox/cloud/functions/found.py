"""What moto knows of a function, read under its lock."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from sandbox.cloud.errors import AwsError


@dataclass(frozen=True, slots=True)
class Function:
    """A function as it is at the time of a call. `timeout` in seconds; `concurrency` None: not limited."""

    account: str
    region: str
    name: str
    arn: str
    version: str
    handler: str
    timeout: float
    memory: int
    runtime: str
    log_group: str
    environment: tuple[tuple[str, str], ...]
    code: bytes
    code_sha: str
    concurrency: int | None
    dead_letter: str | None
    retries: int

    @property
    def fingerprint(self) -> str:
        """Differs when a running process no longer is this function."""
        said = repr((self.arn, self.version, self.handler, self.environment, self.code_sha, self.timeout))
        return hashlib.sha256(said.encode()).hexdigest()[:16]


def find(account: str, region: str, name: str, qualifier: str | None = None) -> Function:
    """Find a function by its name or ARN.

    Raises:
        AwsError: there is none.
    """
    from sandbox.cloud.moto_services import is_loaded, locked

    name, qualifier, account, region = _plain(name, qualifier, account, region)
    arn = f"arn:aws:lambda:{region}:{account}:function:{name}" + (f":{qualifier}" if qualifier else "")
    missing = AwsError("ResourceNotFoundException", f"Function not found: {arn}", 404)
    if not is_loaded("lambda"):
        raise missing
    from moto.awslambda.models import lambda_backends
    from moto.core.exceptions import JsonRESTError

    with locked("lambda"):
        try:
            found = lambda_backends[account][region].get_function(name, qualifier)
        except JsonRESTError:
            raise missing from None
        return _read(found, account, region, name, arn)


def _plain(name: str, qualifier: str | None, account: str, region: str) -> tuple[str, str | None, str, str]:
    parts = name.split(":")
    if name.startswith("arn:"):
        return parts[6], qualifier or (parts[7] if len(parts) > 7 else None), parts[4], parts[3]
    if len(parts) == 2:
        return parts[0], qualifier or parts[1], account, region
    return name, qualifier, account, region


def _read(found: Any, account: str, region: str, name: str, arn: str) -> Function:
    invoking = found.event_invoke_config[-1].config if found.event_invoke_config else {}
    kept: Mapping[str, Any] = getattr(found, "kept", {})
    return Function(
        account=account,
        region=region,
        name=name,
        arn=arn,
        version="$LATEST"
        if str(found.version) == "$LATEST" or arn.endswith(f":{name}")
        else str(found.version),
        handler=str(found.handler),
        timeout=float(found.timeout),
        memory=int(found.memory_size),
        runtime=str(found.run_time),
        log_group=(kept.get("LoggingConfig") or {}).get("LogGroup") or found.logs_group_name,
        environment=tuple(sorted((key, str(value)) for key, value in found.environment_vars.items())),
        code=bytes(found.code_bytes),
        code_sha=str(found.code_sha_256),
        concurrency=None if found.reserved_concurrency is None else int(found.reserved_concurrency),
        dead_letter=(kept.get("DeadLetterConfig") or {}).get("TargetArn"),
        retries=int(invoking.get("MaximumRetryAttempts", 2)),
    )


def permitted(arn: str, service: str, source_arn: str) -> bool:
    """Say whether a function's policy lets a service of AWS invoke it for a source; False when there is no function."""
    from sandbox.cloud.moto_services import is_loaded, locked

    if not is_loaded("lambda"):
        return False
    from moto.awslambda.models import lambda_backends
    from moto.core.exceptions import JsonRESTError

    name, qualifier, account, region = _plain(arn, None, "", "")
    with locked("lambda"):
        try:
            found = lambda_backends[account][region].get_function(name, qualifier)
        except JsonRESTError:
            return False
        statements = json.loads(json.dumps(found.policy.statements))
    return allows(statements, service, source_arn)


def allows(statements: Iterable[Mapping[str, Any]], service: str, source_arn: str) -> bool:
    """Say whether a policy's statements let a service of AWS in for a source."""
    for statement in statements:
        principal = statement.get("Principal")
        named = principal.get("Service") if isinstance(principal, Mapping) else principal
        condition = statement.get("Condition") or {}
        patterns = [
            pattern
            for operator in ("ArnLike", "StringEquals", "ArnEquals")
            for key, pattern in (condition.get(operator) or {}).items()
            if key.lower() == "aws:sourcearn"
        ]
        wanted = statement.get("Effect", "Allow") == "Allow" and named == service
        if wanted and all(fnmatchcase(source_arn, pattern) for pattern in patterns):
            return True
    return False
