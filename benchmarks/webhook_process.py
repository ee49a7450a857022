"""One process of the receiver, as Lambda has it: ``python -I -S webhook_process.py ZIP LIBRARIES DELIVERIES AT_ONCE``.

Prints JSON: the process's CPU seconds up to the end of its first delivery, and each further delivery's seconds. The
receiver is that of the zip; nothing of this project is on its path.
"""

import base64
import hashlib
import hmac
import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

SECRET = "the-benchmark's-own-secret"  # of deliveries between two processes of one benchmark
MODEL = "churn"
_STARTED_S = time.process_time()  # of Python's own start, and of this file's imports


def delivery(number: int) -> dict[str, Any]:
    """Give the request of an HTTP API with one delivery of MLflow, signed; each number is another change."""
    data = {"name": MODEL, "alias": "champion", "version": str(number)}
    body = json.dumps(
        {
            "entity": "model_version_alias",
            "action": "created",
            "timestamp": datetime.now(UTC).isoformat(),
            "data": data,
        }
    )
    sent, name = str(int(time.time())), f"delivery-{number}"
    digest = hmac.new(SECRET.encode(), f"{name}.{sent}.{body}".encode(), hashlib.sha256).digest()
    headers = {
        "x-mlflow-delivery-id": name,
        "x-mlflow-timestamp": sent,
        "x-mlflow-signature": f"v1,{base64.b64encode(digest).decode()}",
    }
    return {"version": "2.0", "headers": headers, "body": body, "isBase64Encoded": False}


def main(archive: str, libraries: str, count: int, at_once: int) -> None:
    """Deliver once, and then so many times more, so many of them at once."""
    requests = [delivery(number) for number in range(count + 1)]
    before_s = time.process_time()  # making deliveries is the sender's work
    sys.path[:0] = [archive, libraries]
    from handlers.webhook import handler

    def timed(request: dict[str, Any]) -> float:
        began = time.perf_counter()
        answer = handler(request, None)
        if not answer or answer["statusCode"] != 202:
            message = f"a delivery was answered {answer}"
            raise RuntimeError(message)
        return time.perf_counter() - began

    timed(requests[0])
    cpu_s = _STARTED_S + time.process_time() - before_s
    if at_once == 1:
        seconds = [timed(request) for request in requests[1:]]
    else:
        with ThreadPoolExecutor(at_once) as pool:
            seconds = list(pool.map(timed, requests[1:]))
    print(json.dumps({"cpu_s": cpu_s, "seconds": seconds}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
