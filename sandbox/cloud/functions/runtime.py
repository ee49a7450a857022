"""The program inside a function's process: loads the handler and answers events from the server's pipe.

Started as a file: `python runtime.py TASK_ROOT`. It imports nothing of this project, as the function must meet only what is
its own. Each request is one line of JSON (`event` as text, and what the context says), each answer one line too. The first
answer tells how the loading went.
"""

from __future__ import annotations

import importlib
import json
import logging
import os
import queue
import sys
import threading
import time
import traceback
from collections.abc import Callable
from typing import Any

Answer = dict[str, Any]


class Context:
    """What a handler sees as its second argument.

    Source: https://docs.aws.amazon.com/lambda/latest/dg/python-context.html
    """

    identity = None
    client_context = None

    def __init__(self, request: Answer) -> None:
        self.function_name = os.environ["AWS_LAMBDA_FUNCTION_NAME"]
        self.function_version = os.environ["AWS_LAMBDA_FUNCTION_VERSION"]
        self.memory_limit_in_mb = os.environ["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"]
        self.log_group_name = os.environ["AWS_LAMBDA_LOG_GROUP_NAME"]
        self.log_stream_name = os.environ["AWS_LAMBDA_LOG_STREAM_NAME"]
        self.invoked_function_arn = request["arn"]
        self.aws_request_id = request["id"]
        self._deadline = time.monotonic() + request["seconds"]

    def get_remaining_time_in_millis(self) -> int:
        """Give the time until the function is ended."""
        return max(int((self._deadline - time.monotonic()) * 1000), 0)


class _RequestId(logging.Filter):
    current = ""

    def filter(self, record: logging.LogRecord) -> bool:
        record.aws_request_id = self.current
        return True


def _failure(error: BaseException, kind: str | None = None, message: str | None = None) -> str:
    return json.dumps(
        {
            "errorMessage": str(error) if message is None else message,
            "errorType": kind or type(error).__name__,
            "requestId": _RequestId.current,
            "stackTrace": traceback.format_tb(error.__traceback__),
        }
    )


def load(name: str) -> Callable[[Any, Context], Any] | str:
    """Give the handler `module.function`; a text is the payload of the error that Lambda would answer."""
    module_name, _, function = name.rpartition(".")
    try:
        module = importlib.import_module(module_name.replace("/", "."))
        handler: Callable[[Any, Context], Any] = getattr(module, function)
    except ImportError as error:
        traceback.print_exc()
        return _failure(
            error, "Runtime.ImportModuleError", f"Unable to import module '{module_name}': {error}"
        )
    except AttributeError as error:
        traceback.print_exc()
        return _failure(
            error, "Runtime.HandlerNotFound", f"Handler '{function}' missing on module '{module_name}'"
        )
    except BaseException as error:  # noqa: BLE001 -- whatever the function's code raises is an answer
        traceback.print_exc()
        return _failure(error)
    return handler


def answer(handler: Callable[[Any, Context], Any], request: Answer) -> Answer:
    """Run the handler once."""
    _RequestId.current = request["id"]
    try:
        result = handler(json.loads(request["event"]), Context(request))
    except Exception as error:  # noqa: BLE001 -- as above
        traceback.print_exc()
        return {"ok": False, "payload": _failure(error)}
    try:
        return {"ok": True, "payload": json.dumps(result)}
    except (TypeError, ValueError) as error:
        text = f"Unable to marshal response: {error}"
        return {"ok": False, "payload": _failure(error, "Runtime.MarshalError", text)}


def _set_logging_up() -> None:
    shown = logging.StreamHandler(sys.stdout)
    shown.setFormatter(
        logging.Formatter(
            "[%(levelname)s]\t%(asctime)s.%(msecs)03dZ\t%(aws_request_id)s\t%(message)s", "%Y-%m-%dT%H:%M:%S"
        )
    )
    shown.addFilter(_RequestId())
    logging.Formatter.converter = time.gmtime
    logging.getLogger().addHandler(shown)


def _read(stream: Any, requests: queue.SimpleQueue[str]) -> None:
    """Feed requests. The end of the stream means that the server is gone, so this process goes too, busy or not."""
    for line in stream:
        requests.put(line)
    os._exit(0)


def main(task_root: str) -> None:
    """Load the handler, report, and answer events until the server is gone."""
    answers, questions = os.fdopen(os.dup(1), "w"), os.fdopen(os.dup(0))
    os.dup2(2, 1)  # what the function prints belongs into the log, not between the answers
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    requests: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(questions, requests), daemon=True).start()
    sys.path[0] = task_root
    _set_logging_up()
    handler = load(os.environ["_HANDLER"])
    ready = {"ok": not isinstance(handler, str), "payload": handler if isinstance(handler, str) else ""}

    def tell(said: Answer) -> None:
        sys.stdout.flush()
        sys.stderr.flush()
        answers.write(json.dumps(said) + "\n")
        answers.flush()

    tell(ready)
    while not isinstance(handler, str):
        tell(answer(handler, json.loads(requests.get())))


if __name__ == "__main__":
    main(sys.argv[1])
