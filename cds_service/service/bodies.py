"""The body of a request as bytes: a JSON media type, within its limits, and decoded from its Content-Encoding."""

from __future__ import annotations

from io import BytesIO

from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.wsgi import get_content_length, get_input_stream

from cds_service.protocol.encodings import TooLongError, decoded
from cds_service.protocol.faults import Fault
from cds_service.protocol.json_tokens import refuse_too_many_tokens
from cds_service.service.environ import Environ
from cds_service.service.incoming import Incoming

_JSON_TYPES = ("application/json", "application/fhir+json")


def json_body(incoming: Incoming, limit: int) -> bytes:
    """The bytes of the request's JSON body, at most ``limit`` as sent and at most ``limit`` when decoded.

    Raises:
        Fault: 415 for another media type or an unknown coding, 400 for bytes that are not what their coding says, that
            grow too far, or whose JSON has too many tokens (Z94).
        RequestEntityTooLarge: the body is longer than ``limit``, sent or decoded.
    """
    environ = incoming.environ
    if environ.get("CONTENT_TYPE", "").partition(";")[0].strip().lower() not in _JSON_TYPES:
        raise Fault(415, "not-supported", "expected Content-Type application/json")
    try:
        plain = decoded(_as_sent(environ, limit), incoming.header("Content-Encoding") or "", limit)
    except TooLongError:
        raise RequestEntityTooLarge from None
    refuse_too_many_tokens(plain)
    return plain


def _as_sent(environ: Environ, limit: int) -> bytes:
    """The body as it was sent.

    Raises:
        RequestEntityTooLarge: it is longer than ``limit``.
    """
    stream = environ["wsgi.input"]
    if isinstance(stream, BytesIO):  # read already; Werkzeug would copy it piece by piece
        body = stream.getvalue()
        if environ.get("CONTENT_LENGTH") == str(len(body)) and len(body) <= limit:
            return body
    body = get_input_stream(environ, max_content_length=limit).read()
    if get_content_length(environ) is None and len(body) >= limit:
        raise RequestEntityTooLarge  # Werkzeug cuts a stream without a length off at the limit and says nothing
    return body
