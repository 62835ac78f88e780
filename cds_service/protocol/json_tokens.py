"""How many tokens the JSON of a body has, counted before it is decoded (Z94).

A body of a few megabytes can hold millions of empty objects, which take a hundred times as much memory when decoded.
"""

from __future__ import annotations

import msgspec

from cds_service.protocol.faults import Fault

# FHIR without spaces has a token in every five bytes, so this is ten megabytes of it.
_MOST_TOKENS = 2_000_000
_BEGINNINGS = (b"{", b"[", b":", b",")
_CHUNK_BYTES = 1_048_576


class _Drafts(msgspec.Struct):
    draftOrders: msgspec.Raw = msgspec.Raw()


class _Parts(msgspec.Struct):
    context: _Drafts = msgspec.field(default_factory=_Drafts)
    prefetch: msgspec.Raw = msgspec.Raw()


_parts = msgspec.json.Decoder(_Parts)


def refuse_too_many_tokens(body: bytes) -> None:
    """Refuses a body with more than 2,000,000 JSON tokens (Z94).

    What is too short to have so many is not looked through, and what has so few signs, those within its texts among
    them, only once.

    Raises:
        Fault: 400, with the path of the part of the request that has most of them.
    """
    if _at_most(len(body)) <= _MOST_TOKENS or _at_most(_beginnings(body)) <= _MOST_TOKENS:
        return
    if count_tokens(body, _MOST_TOKENS) > _MOST_TOKENS:
        raise Fault(400, "too-costly", f"expected at most {_MOST_TOKENS:,} JSON tokens", _costly_part(body))


def count_tokens(body: bytes, most: int | None = None) -> int:
    """The tokens of a JSON text (RFC 8259, 2): the six signs of its structure, strings, numbers and literal names.

    It stops where there are more than ``most``. Of a text that is no JSON some number is given.
    """
    if b"\\" in body:
        body = body.replace(b"\\\\", b"").replace(b'\\"', b"")  # now every quotation mark begins or ends a string
    tokens = _at_most(0)
    within = False
    for start in range(0, len(body), _CHUNK_BYTES):  # in pieces, because a list of all the strings would be large
        pieces = body[start : start + _CHUNK_BYTES].split(b'"')
        outside = b'"'.join(pieces[within::2]).translate(None, b" \t\r\n")
        tokens += 2 * _beginnings(outside) - outside.count(b"{}") - outside.count(b"[]")
        if most is not None and tokens > most:
            break
        within ^= len(pieces) % 2 == 0
    return tokens


def _beginnings(text: bytes) -> int:
    return sum(map(text.count, _BEGINNINGS))


def _at_most(beginnings: int) -> int:
    """The tokens of a text with so many of ``{``, ``[``, ``:`` and ``,``, if no object and no list of it is empty.

    Each bracket has a second one; behind each colon and each comma, and in each list or object, stands one more value
    or name, and one value is the whole.
    """
    return 2 * beginnings + 1


def _costly_part(body: bytes) -> str:
    try:
        parts = _parts.decode(body)
    except (msgspec.DecodeError, RecursionError):
        return ""  # what is wrong with it is not looked for in a body that is refused anyway
    signs = {
        "context.draftOrders": _beginnings(bytes(parts.context.draftOrders)),
        "prefetch": _beginnings(bytes(parts.prefetch)),
    }
    path = max(signs, key=signs.__getitem__)
    return path if 2 * signs[path] > _beginnings(body) else ""
