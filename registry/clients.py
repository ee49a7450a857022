"""AWS clients of one region: one way to make them, and one rule for repeating failed calls."""

import threading
from typing import Any

from registry.errors import AccessRefusedError

CALLS_AT_ONCE = 16
"""Calls in flight at most: calls of some 0.1 s are waited for together, and SageMaker does not throttle so few."""

_ATTEMPTS = 8


class Clients:
    """Makes AWS clients from the environment's credentials, each once; may be used from several threads.

    Failed calls are repeated with botocore's adaptive mode (back-off, and a rate that falls when AWS throttles), 8 attempts
    unless AWS_MAX_ATTEMPTS or the AWS profile says otherwise. botocore alone, as boto3 adds only time to import.
    """

    def __init__(self, region: str) -> None:
        """Nothing is asked or read yet."""
        self.region = region
        self._lock = threading.Lock()
        self._session: Any = None
        self._made: dict[str, Any] = {}

    def get(self, service: str) -> Any:
        """Give the client of a service, by botocore's name, such as ``sagemaker``.

        Raises:
            AccessRefusedError: the environment names an AWS profile or a configuration that is not there.
        """
        with self._lock:
            if service not in self._made:
                self._made[service] = self._make(service)
            return self._made[service]

    def _make(self, service: str) -> Any:
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError
        from botocore.session import Session

        try:
            self._session = self._session or Session()  # one for all: each reads the list of services again
            config = Config(
                retries={
                    "mode": "adaptive",
                    "total_max_attempts": self._session.get_config_variable("max_attempts") or _ATTEMPTS,
                },
                max_pool_connections=CALLS_AT_ONCE,
                connect_timeout=10,
                read_timeout=30,
            )
            return self._session.create_client(service, region_name=self.region, config=config)
        except (BotoCoreError, ValueError) as error:
            message = f"no {service} client can be made: {error}. Correct AWS_PROFILE or the AWS configuration; run again"
            raise AccessRefusedError(message) from error
