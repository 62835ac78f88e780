"""One answer that is read with a bound on the size of its body and on the time of its call."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from http import HTTPStatus

from urllib3 import BaseHTTPResponse

from cds_service.net.connections import OutboundCall

_CHUNK = 65_536  # bytes


class TooLargeError(Exception):
    """The body of an answer has more bytes than are read."""


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """The answer to a GET. ``body`` is ``None`` where it was not read: the status or the media type is another."""

    status: int
    body: bytes | None = None


def bounded_answer(
    response: BaseHTTPResponse, call: OutboundCall, *, max_bytes: int, media_types: Collection[str] = ()
) -> HttpAnswer:
    """Reads the body of a 200 answer, and closes the connection where it reads none; a redirect is an answer like any
    other and is not followed.

    ``call`` must be entered in this thread; its deadline bounds all waits for the server together. ``media_types`` are
    in lower case; without any, every media type is read.

    Raises:
        TooLargeError: the body, decompressed, has more than ``max_bytes``.
        OutOfTimeError: the deadline of the call has passed, or the call was abandoned.
        urllib3.exceptions.HTTPError, OSError: the answer is broken, or it did not come to its end.
    """
    try:
        call.status = response.status
        media_type = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if response.status != HTTPStatus.OK or (media_types and media_type not in media_types):
            return HttpAnswer(response.status)
        body = bytearray()
        for chunk in response.stream(_CHUNK, decode_content=True):
            call.seconds_left()
            body += chunk
            if len(body) > max_bytes:
                raise TooLargeError
        return HttpAnswer(response.status, bytes(body))
    finally:
        response.close()  # a connection whose answer was read to its end has gone back to its pool before
        response.release_conn()
