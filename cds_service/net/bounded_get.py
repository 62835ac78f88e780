"""One GET over a guarded connection, with a bound on its time and on the size of its answer."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from http import HTTPStatus

import requests

from cds_service.net.connections import OutboundCall

_CHUNK = 65_536  # bytes


class TooLargeError(Exception):
    """The body of an answer has more bytes than are read."""


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """The answer to a GET. ``body`` is ``None`` where it was not read: the status or the media type is another."""

    status: int
    body: bytes | None = None


def bounded_get(
    session: requests.Session,
    call: OutboundCall,
    url: str,
    *,
    headers: Mapping[str, str],
    seconds: float,
    max_bytes: int,
    media_types: Collection[str] = (),
) -> HttpAnswer:
    """Sends a GET and reads the body of a 200 answer; a redirect is an answer like any other and is not followed.

    ``session`` is one of ``open_session``, and ``call`` must be entered in this thread. ``seconds`` bounds each wait
    for the server, while the deadline of ``call`` bounds them all together. ``media_types`` are in lower case; without
    any, every media type is read.

    Raises:
        TooLargeError: the body, decompressed, has more than ``max_bytes``.
        OutOfTimeError: the deadline of the call has passed, or the call was abandoned.
        NotAllowedError: the name of the server stands for an address that is not permitted.
        requests.RequestException, urllib3.exceptions.HTTPError, OSError: no answer, or a broken one.
    """
    with session.get(url, headers=headers, timeout=seconds, stream=True, allow_redirects=False) as response:
        call.status = response.status_code
        media_type = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if response.status_code != HTTPStatus.OK or (media_types and media_type not in media_types):
            return HttpAnswer(response.status_code)
        body = bytearray()
        for chunk in response.iter_content(_CHUNK):
            call.seconds_left()
            body += chunk
            if len(body) > max_bytes:
                raise TooLargeError
        return HttpAnswer(response.status_code, bytes(body))
