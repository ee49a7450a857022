"""The program inside a container: loads the user's module and answers requests from the server's pipe.

Started as a file, by the pool: `python worker.py MODEL_DIR CODE_DIR MODULE`. It imports nothing of this project,
as the user's code must meet only what is its own. Frames in both directions: 4 bytes length of a JSON header,
the header (with `size`), then `size` bytes of body.

The contract is that of AWS's framework containers: `model_fn(model_dir)` (needed), `input_fn(body, content_type)`,
`predict_fn(data, model)`, `output_fn(prediction, accept)`, each with a default.
Source: https://sagemaker.readthedocs.io/en/stable/frameworks/sklearn/using_sklearn.html
"""

from __future__ import annotations

import importlib
import io
import json
import os
import queue
import struct
import sys
import threading
import traceback
from collections.abc import Callable
from typing import Any, BinaryIO

JSON, CSV, NPY = "application/json", "text/csv", "application/x-npy"
TEXT_TYPES = (JSON, CSV)
Frame = tuple[dict[str, Any], bytes]


class Unsupported(Exception):
    """A content type that the default handlers do not know: the container answers 415."""


def plain_type(content_type: str) -> str:
    """Cut parameters such as the charset off a content type."""
    return content_type.split(";")[0].strip().lower()


def default_input_fn(body: str | bytes, content_type: str) -> Any:
    """Decode JSON, CSV or NPY to an array; texts become 32-bit floats, as in the scikit-learn container."""
    import numpy as np

    kind = plain_type(content_type)
    if kind == NPY:
        return np.load(io.BytesIO(body if isinstance(body, bytes) else body.encode()), allow_pickle=False)
    text = body if isinstance(body, str) else body.decode()
    if kind == JSON:
        return np.array(json.loads(text)).astype(np.float32)
    if kind == CSV:
        return np.genfromtxt(io.StringIO(text), delimiter=",").astype(np.float32)
    msg = f"Content type {content_type} is not supported by this framework."
    raise Unsupported(msg)


def default_predict_fn(data: Any, model: Any) -> Any:
    """Ask the model's `predict`."""
    return model.predict(data)


def default_output_fn(prediction: Any, accept: str) -> tuple[bytes, str]:
    """Encode a prediction as JSON, CSV or NPY."""
    import numpy as np

    kind = plain_type(accept)
    if kind == JSON:
        return json.dumps(prediction, default=_to_list).encode(), JSON
    if kind == CSV:
        text = io.StringIO()
        np.savetxt(text, prediction, delimiter=",", fmt="%s")
        return text.getvalue().encode(), CSV
    if kind == NPY:
        binary = io.BytesIO()
        np.save(binary, prediction)
        return binary.getvalue(), NPY
    msg = f"Content type {accept} is not supported by this framework."
    raise Unsupported(msg)


def _to_list(value: Any) -> Any:
    if hasattr(value, "tolist"):
        return value.tolist()
    msg = f"Object of type {type(value).__name__} is not JSON serializable"
    raise TypeError(msg)


class Handlers:
    """The user's functions with defaults where there are none."""

    def __init__(self, module: Any, model_dir: str) -> None:
        if not hasattr(module, "model_fn"):
            msg = f"{module.__name__}.py has no model_fn(model_dir); this framework has no default for it"
            raise NotImplementedError(msg)
        self.input_fn: Callable[..., Any] = getattr(module, "input_fn", default_input_fn)
        self.predict_fn: Callable[..., Any] = getattr(module, "predict_fn", default_predict_fn)
        self.output_fn: Callable[..., Any] = getattr(module, "output_fn", default_output_fn)
        self.model = module.model_fn(model_dir)

    def answer(self, body: bytes, content_type: str, accept: str) -> tuple[bytes, str]:
        """Score one request."""
        given: str | bytes = body.decode() if plain_type(content_type) in TEXT_TYPES else body
        if not accept or accept.startswith("*/*"):
            accept = os.environ.get("SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT", JSON)
        data = self.input_fn(given, content_type)
        result = self.output_fn(self.predict_fn(data, self.model), accept)
        result, kind = result if isinstance(result, tuple) else (result, accept)
        if isinstance(result, str):
            result = result.encode()
        if not isinstance(result, bytes | bytearray):
            msg = f"output_fn returned {type(result).__name__}; it must return text, bytes or (body, content type)"
            raise TypeError(msg)
        return bytes(result), str(kind)


def read_frame(stream: BinaryIO) -> Frame | None:
    """Read one frame; None at the end of the stream."""
    head = stream.read(4)
    if len(head) < 4:
        return None
    header = json.loads(stream.read(struct.unpack(">I", head)[0]))
    return header, stream.read(header["size"])


def write_frame(stream: BinaryIO, header: dict[str, Any], body: bytes) -> None:
    """Write one frame and flush it."""
    text = json.dumps({**header, "size": len(body)}).encode()
    stream.write(struct.pack(">I", len(text)) + text + body)
    stream.flush()


def _read_requests(stream: BinaryIO, requests: queue.SimpleQueue[Frame]) -> None:
    """Feed requests. The end of the stream means that the server is gone, so this process goes too, busy or not."""
    while (frame := read_frame(stream)) is not None:
        requests.put(frame)
    os._exit(0)


def _one_line(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:1024]


def main(model_dir: str, code_dir: str, module_name: str) -> None:
    """Load the model, report, and answer requests until the server is gone."""
    answers, questions = os.fdopen(os.dup(1), "wb"), os.fdopen(os.dup(0), "rb")
    os.dup2(2, 1)  # what the user's code prints belongs into the log, not between the answers
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    requests: queue.SimpleQueue[Frame] = queue.SimpleQueue()
    threading.Thread(target=_read_requests, args=(questions, requests), daemon=True).start()
    sys.path[0] = code_dir
    try:
        handlers = Handlers(importlib.import_module(module_name), model_dir)
    except Exception as error:  # noqa: BLE001 -- whatever the user's code raises is an answer
        traceback.print_exc()
        write_frame(answers, {"status": 500, "message": _one_line(error)}, b"")
        return
    write_frame(answers, {"status": 200}, b"")
    while True:
        header, body = requests.get()
        try:
            result, kind = handlers.answer(body, header["content_type"], header["accept"])
            write_frame(answers, {"status": 200, "content_type": kind}, result)
        except Unsupported as error:
            write_frame(answers, {"status": 415, "message": str(error)}, b"")
        except Exception as error:  # noqa: BLE001 -- as above
            traceback.print_exc()
            write_frame(answers, {"status": 500, "message": _one_line(error)}, b"")


if __name__ == "__main__":
    main(*sys.argv[1:])
