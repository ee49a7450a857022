"""AWS clients: one way to make them, and one rule for repeating failed calls."""

from typing import Any

from registry.errors import AccessRefusedError

CALLS_AT_ONCE = 16
"""Calls in flight at most: calls of some 0.1 s are waited for together, and SageMaker does not throttle so few."""

_ATTEMPTS = 8


def make_client(service: str, region: str) -> Any:
    """Make a client from the environment's credentials; botocore alone, as boto3 adds only time to import.

    Failed calls are repeated with botocore's adaptive mode (back-off, and a rate that falls when AWS throttles), 8 attempts
    unless AWS_MAX_ATTEMPTS or the AWS profile says otherwise.

    Args:
        service: botocore's name, such as ``sagemaker``.
        region: where to call it.

    Raises:
        AccessRefusedError: the environment names an AWS profile or a configuration that is not there.
    """
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError
    from botocore.session import Session

    try:
        session = Session()
        attempts = session.get_config_variable("max_attempts") or _ATTEMPTS
        config = Config(
            retries={"mode": "adaptive", "total_max_attempts": attempts},
            max_pool_connections=CALLS_AT_ONCE,
            connect_timeout=10,
            read_timeout=30,
        )
        return session.create_client(service, region_name=region, config=config)
    except (BotoCoreError, ValueError) as error:
        message = f"no {service} client can be made: {error}. Correct AWS_PROFILE or the AWS configuration, then run again"
        raise AccessRefusedError(message) from error
