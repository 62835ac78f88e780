"""Content-Encoding of request bodies (RFC 9110): gzip, and none. Imports this room only."""

from __future__ import annotations

import zlib

from cds_service.protocol.faults import Fault

ACCEPTED = "gzip"  # what Accept-Encoding tells a client whose coding is not known
_GZIP = ("gzip", "x-gzip")  # RFC 9110, 8.4.1.3: the same
_SIZE_BYTES = 4
_MOST_GROWTH = 1032  # times what was sent, which is all that deflate can do
_GZIP_WINDOW = zlib.MAX_WBITS | 16  # a gzip header and trailer are expected


class TooLongError(Exception):
    """The body is longer than it may be once it is decoded."""


def decoded(body: bytes, encoding: str, limit: int) -> bytes:
    """The body as it was before ``encoding``, the value of its Content-Encoding (``""`` without one).

    Never holds more than ``limit`` bytes of it, whatever a small body would grow to.

    Raises:
        Fault: 415 for a coding that is not known, 400 for bytes that are not one whole gzip member.
        TooLongError: it would be longer than ``limit`` bytes.
    """
    coding = encoding.strip().lower()
    if coding in ("", "identity"):
        return body
    if coding not in _GZIP:
        raise Fault(415, "not-supported", "expected Content-Encoding gzip or none")
    if limit < _told_size(body) <= len(body) * _MOST_GROWTH:
        raise TooLongError  # a bomb costs nothing, unless it lies
    inflate = zlib.decompressobj(wbits=_GZIP_WINDOW)
    try:
        plain = inflate.decompress(body, limit + 1)
    except zlib.error:
        raise Fault(400, "structure", "the body is not gzip, as its Content-Encoding says") from None
    if len(plain) > limit:
        raise TooLongError
    if not inflate.eof or inflate.unused_data:
        raise Fault(400, "structure", "the body is not one whole gzip member")
    return plain


def _told_size(body: bytes) -> int:
    """What a gzip member says at its end about its length (RFC 1952, 2.3.1)."""
    return int.from_bytes(body[-_SIZE_BYTES:], "little")
