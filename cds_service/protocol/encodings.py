"""Content-Encoding of request bodies (RFC 9110): gzip or none."""

from __future__ import annotations

import zlib

from cds_service.protocol.faults import Fault

ACCEPTED = "gzip"  # the Accept-Encoding in the answer to a client whose coding is not known
_GZIP = ("gzip", "x-gzip")  # RFC 9110, 8.4.1.3: both names mean gzip
_SIZE_BYTES = 4
_MOST_GROWTH = 1032  # the largest ratio that deflate can reach
# JSON of records is seldom 50 times its size in gzip. A small body may grow as it likes: it costs little (Z94).
_MOST_HONEST_GROWTH = 200
_SMALL_BYTES = 4_000_000
_GZIP_WINDOW = zlib.MAX_WBITS | 16  # tells zlib to expect a gzip header and trailer


class TooLongError(Exception):
    """The decoded body would be longer than it may be."""


def decoded(body: bytes, encoding: str, limit: int) -> bytes:
    """The body without its Content-Encoding; ``encoding`` is the value of that header, ``""`` if it is missing.

    Never decodes more than ``limit`` bytes, and never more than both 4 MB and 200 times the body as sent (Z94).

    Raises:
        Fault: 415 for a coding that is not known, 400 for bytes that are not one whole gzip member, or grow too far.
        TooLongError: the decoded body would be longer than ``limit`` bytes.
    """
    coding = encoding.strip().lower()
    if coding in ("", "identity"):
        return body
    if coding not in _GZIP:
        raise Fault(415, "not-supported", "expected Content-Encoding gzip or none")
    if limit < _declared_size(body) <= len(body) * _MOST_GROWTH:
        raise TooLongError  # a bomb that declares its size is never inflated
    most = min(limit, max(_SMALL_BYTES, len(body) * _MOST_HONEST_GROWTH))
    inflate = zlib.decompressobj(wbits=_GZIP_WINDOW)
    try:
        plain = inflate.decompress(body, most + 1)
    except zlib.error:
        raise Fault(400, "structure", "the body is not gzip, as its Content-Encoding says") from None
    if len(plain) > limit:
        raise TooLongError
    if len(plain) > most:
        raise Fault(400, "too-costly", f"the body grows to more than {_MOST_HONEST_GROWTH} times its size")
    if not inflate.eof or inflate.unused_data:
        raise Fault(400, "structure", "the body is not one whole gzip member")
    return plain


def grown_size(body: bytes, encoding: str) -> int:
    """The length that the body has without its Content-Encoding, as far as it says so itself, in bytes.

    ``encoding`` as for ``decoded``. What grows less than it says is refused by ``decoded``, and so is what grows more.
    """
    return max(len(body), _declared_size(body)) if encoding.strip().lower() in _GZIP else len(body)


def _declared_size(body: bytes) -> int:
    """The length that a gzip member declares at its end for what it holds (RFC 1952, 2.3.1)."""
    return int.from_bytes(body[-_SIZE_BYTES:], "little")
