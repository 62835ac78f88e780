"""The body of a request as bytes: a JSON media type, within its limits, and decoded from its Content-Encoding."""

from __future__ import annotations

from flask import request
from werkzeug.exceptions import RequestEntityTooLarge

from cds_service.protocol.encodings import TooLongError, decoded
from cds_service.protocol.faults import Fault
from cds_service.protocol.json_tokens import refuse_too_many_tokens

_JSON_TYPES = ("application/json", "application/fhir+json")


def json_body(limit: int) -> bytes:
    """The bytes of the request's JSON body, at most ``limit`` as sent and at most ``limit`` when decoded.

    Raises:
        Fault: 415 for another media type or an unknown coding, 400 for bytes that are not what their coding says, that
            grow too far, or whose JSON has too many tokens (Z94).
        RequestEntityTooLarge: the body is longer than ``limit``, sent or decoded.
    """
    if request.mimetype not in _JSON_TYPES:
        raise Fault(415, "not-supported", "expected Content-Type application/json")
    request.max_content_length = limit
    body = request.get_data(cache=False)
    if request.content_length is None and len(body) >= limit:
        raise RequestEntityTooLarge  # Werkzeug cuts a stream without a length off at the limit and says nothing
    try:
        plain = decoded(body, request.headers.get("Content-Encoding", ""), limit)
    except TooLongError:
        raise RequestEntityTooLarge from None
    refuse_too_many_tokens(plain)
    return plain
