"""Talks to the control API of a running local cloud."""

from __future__ import annotations

import http.client
import json
from pathlib import Path
from typing import Any

from sandbox.files import SandboxError

MLFLOW_SECONDS = 300.0


class Control:
    """The control API at one address; a connection for each call.

    Args:
        host: usually 127.0.0.1.
        port: of the local cloud.
    """

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port

    def health(self, timeout: float = 5.0) -> dict[str, Any]:
        """Ask who answers.

        Raises:
            SandboxError: nobody, or not a local cloud, within `timeout` seconds.
        """
        answer = self._call("GET", "health", timeout=timeout)
        if not isinstance(answer, dict) or "home" not in answer:
            msg = f"What answers at {self._host}:{self._port} is not a local cloud."
            raise SandboxError(msg)
        return answer

    def inject(self, operation: str, **fault: Any) -> None:
        """Add a fault; its members are those of `sandbox.cloud.faults.Fault`."""
        self._call("POST", "faults", {"operation": operation, **fault})

    def faults(self) -> list[dict[str, Any]]:
        """Give the faults that wait for calls."""
        answer = self._call("GET", "faults")
        return list(answer)

    def clear_faults(self) -> None:
        """Remove all faults."""
        self._call("DELETE", "faults")

    def calls(self) -> dict[str, int]:
        """Give the number of calls by operation since the last reset or `forget_calls`."""
        answer = self._call("GET", "calls")
        return dict(answer)

    def forget_calls(self) -> None:
        """Set all counters to zero."""
        self._call("DELETE", "calls")

    def set_endpoint_seconds(self, seconds: float) -> None:
        """Set how long each transition of an endpoint takes, 0 to 3600 seconds, until the next reset."""
        self._call("PUT", "endpoint-seconds", {"seconds": seconds})

    def fire(self, rule: str) -> None:
        """Send the event of a rule with a schedule now, whenever its time is.

        Raises:
            SandboxError: there is no such enabled rule.
        """
        self._call("POST", "fire", {"rule": rule})

    def set_source(self, folder: Path) -> None:
        """Set the folder that stands for every repository that a build wants, until the next reset."""
        self._call("PUT", "source", {"folder": str(folder)})

    def start_mlflow(self) -> str:
        """Start MLflow's server and give its URL when it answers; harmless when it runs.

        Raises:
            SandboxError: MLflow is not installed, or does not come up.
        """
        answer = self._call("POST", "mlflow", timeout=MLFLOW_SECONDS)
        return str(answer["url"])

    def stop_mlflow(self) -> None:
        """Stop MLflow's server, with all that it holds; harmless when none runs."""
        self._call("DELETE", "mlflow")

    def reset(self) -> None:
        """Forget all resources, faults and counters."""
        self._call("POST", "reset")

    def _call(self, method: str, path: str, content: object = None, timeout: float = 30.0) -> Any:
        connection = http.client.HTTPConnection(self._host, self._port, timeout=timeout)
        try:
            body = None if content is None else json.dumps(content)
            connection.request(method, f"/sandbox/{path}", body=body)
            response = connection.getresponse()
            text = response.read()
        except (OSError, http.client.HTTPException) as error:
            msg = (
                f"The local cloud at {self._host}:{self._port} does not answer ({error}). "
                "Start it: python -m sandbox start"
            )
            raise SandboxError(msg) from error
        finally:
            connection.close()
        try:
            answer = json.loads(text)
        except ValueError:
            msg = f"What answers at {self._host}:{self._port} is not a local cloud."
            raise SandboxError(msg) from None
        if response.status != 200:
            known = answer if isinstance(answer, dict) else {}
            raise SandboxError(str(known.get("error") or known.get("message") or answer))
        return answer
