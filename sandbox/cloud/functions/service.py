"""Lambda's Invoke, asked by a client or by another service."""

from __future__ import annotations

import base64
import json
import logging
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import unquote

from sandbox.cloud.delivery import queue_url
from sandbox.cloud.errors import AwsError
from sandbox.cloud.functions.found import Function, find
from sandbox.cloud.functions.pool import FunctionPool
from sandbox.cloud.functions.process import TAIL, Outcome
from sandbox.cloud.http import Request, Response
from sandbox.cloud.inside import Inside

LOG = logging.getLogger(__name__)
SYNCHRONOUS, ASYNCHRONOUS = 6 * 1024**2, 1024**2
"""Most bytes of an event."""

RETRY_SECONDS = 0.2
"""The wait before an asynchronous event is tried again; AWS waits one minute, then two."""


class Functions:
    """Invokes functions.

    Args:
        pool: runs them.
        inside: makes the clients that reach dead-letter queues.
        later: runs something when so many seconds have passed.
    """

    def __init__(
        self, pool: FunctionPool, inside: Inside, later: Callable[[float, Callable[[], None]], None]
    ) -> None:
        self.pool, self._inside, self._later = pool, inside, later
        self._events = ThreadPoolExecutor(max_workers=8, thread_name_prefix="function")

    def answer(self, account: str, region: str, request: Request) -> Response:
        """Answer the call Invoke.

        Raises:
            AwsError: no such function, an event that is too large or no JSON, or too many at once.
        """
        name = unquote(request.raw_path.split("/functions/")[1].removesuffix("/invocations"))
        function = find(account, region, name, request.query.get("Qualifier", [None])[0])
        kind = request.header("X-Amz-Invocation-Type", "RequestResponse")
        check_event(request.body, SYNCHRONOUS if kind == "RequestResponse" else ASYNCHRONOUS)
        request_id = str(uuid.uuid4())
        headers = [("x-amzn-RequestId", request_id), ("X-Amz-Executed-Version", function.version)]
        if kind == "DryRun":
            return Response(204, b"", headers)
        if kind == "Event":
            self.enqueue(function, request.body.decode() or "{}", request_id)
            return Response(202, b"", headers)
        outcome = self.run(function, request.body.decode() or "{}", request_id)
        if outcome.failed:
            headers.append(("X-Amz-Function-Error", "Unhandled"))
        if request.header("X-Amz-Log-Type") == "Tail":
            headers.append(("X-Amz-Log-Result", base64.b64encode(outcome.log.encode()[-TAIL:]).decode()))
        return Response(200, outcome.payload.encode(), [*headers, ("Content-Type", "application/json")])

    def run(self, function: Function, event: str, request_id: str | None = None) -> Outcome:
        """Let a function handle an event, and wait for it."""
        return self.pool.run(function, event, request_id or str(uuid.uuid4()))

    def enqueue(self, function: Function, event: str, request_id: str | None = None) -> None:
        """Let a function handle an event later; a failure is tried again, then a dead letter."""
        self._events.submit(self._handle, function, event, request_id or str(uuid.uuid4()), function.retries)

    def _handle(self, function: Function, event: str, request_id: str, retries: int) -> None:
        try:
            outcome = self.run(function, event, request_id)
        except AwsError as error:
            if error.status == 429:  # waiting for its turn is no try
                self._later(RETRY_SECONDS, self._again(function, event, request_id, retries))
                return
            said = {"errorType": error.code, "errorMessage": error.message}
            outcome = Outcome(json.dumps(said), failed=True, log="")
        except Exception:
            LOG.exception("an event of %s broke", function.arn)
            return
        if outcome.failed and retries:
            wait = RETRY_SECONDS * 2 ** (function.retries - retries)
            self._later(wait, self._again(function, event, request_id, retries - 1))
        elif outcome.failed and function.dead_letter:
            self._bury(function.dead_letter, event, request_id, json.loads(outcome.payload))

    def _again(self, function: Function, event: str, request_id: str, retries: int) -> Callable[[], None]:
        def submit() -> None:
            self._events.submit(self._handle, function, event, request_id, retries)

        return submit

    def _bury(self, arn: str, event: str, request_id: str, error: dict[str, Any]) -> None:
        """Send an event to a function's dead-letter queue or topic.

        Source: https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html
        """
        service, region, account = arn.split(":")[2:5]
        said = {
            "RequestID": request_id,
            "ErrorCode": "200",
            "ErrorMessage": str(error.get("errorMessage"))[:1024],
        }
        attributes = {name: {"DataType": "String", "StringValue": value} for name, value in said.items()}
        client = self._inside.client(service, account, region)
        try:
            if service == "sqs":
                client.send_message(QueueUrl=queue_url(arn), MessageBody=event, MessageAttributes=attributes)
            else:
                client.publish(TopicArn=arn, Message=event, MessageAttributes=attributes)
        except Exception:
            LOG.exception("a dead letter could not be sent to %s", arn)


def check_event(body: bytes, most: int) -> None:
    """Refuse an event that Lambda refuses.

    Raises:
        AwsError: it is too large, or no JSON.
    """
    if len(body) > most:
        msg = f"Request must be smaller than {most} bytes for the InvokeFunction operation"
        raise AwsError("RequestTooLargeException", msg, 413)
    try:
        json.loads(body or b"{}")
    except ValueError as error:
        msg = f"Could not parse request body into json: {error}"
        raise AwsError("InvalidRequestContentException", msg) from None
