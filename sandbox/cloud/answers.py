"""Writes errors in the way that each of AWS's protocols has."""

from __future__ import annotations

import json
import struct
import uuid
from xml.sax.saxutils import escape

from sandbox.cloud.errors import AwsError
from sandbox.cloud.http import Response


def error_response(error: AwsError, protocol: str) -> Response:
    """Make the response for an error.

    Args:
        error: what to say.
        protocol: `json`, `rest-json`, `query`, `cbor` or `s3`.
    """
    headers = [("x-amzn-RequestId", str(uuid.uuid4()))]
    if protocol in ("query", "s3"):
        inner = f"<Code>{escape(error.code)}</Code><Message>{escape(error.message)}</Message>"
        text = (
            f"<Error>{inner}</Error>"
            if protocol == "s3"
            else f"<ErrorResponse><Error><Type>Sender</Type>{inner}</Error></ErrorResponse>"
        )
        return Response(error.status, text.encode(), [*headers, ("Content-Type", "text/xml")])
    if protocol == "cbor":
        body = b"\xa2" + b"".join(
            _cbor_text(text) for text in ("__type", error.code, "message", error.message)
        )
        return Response(
            error.status,
            body,
            [*headers, ("Content-Type", "application/cbor"), ("smithy-protocol", "rpc-v2-cbor")],
        )
    message_key = "Message" if protocol == "rest-json" else "message"
    content = {"__type": error.code, "code": error.code, message_key: error.message, **error.extra}
    kind = "application/json" if protocol == "rest-json" else "application/x-amz-json-1.1"
    return Response(
        error.status,
        json.dumps(content).encode(),
        [*headers, ("x-amzn-ErrorType", error.code), ("Content-Type", kind)],
    )


def _cbor_text(text: str) -> bytes:
    """Encode a text as CBOR, RFC 8949 major type 3, with its length in four bytes."""
    encoded = text.encode()
    return b"\x7a" + struct.pack(">I", len(encoded)) + encoded
