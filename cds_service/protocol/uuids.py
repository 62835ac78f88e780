"""uuids of cards and suggestions that carry what they are about under a keyed tag (Z18, RFC 9562 version 8).

122 free bits: 24 of finding number, 48 of nonce, 50 of tag. The same call gives the same uuid, a new hookInstance
a new one; feedback is attributed without a database write per card, and a forged uuid is noticed. Imports nothing
of ours.
"""

from __future__ import annotations

import hashlib
import hmac
from uuid import UUID

_FINDING_BITS, _NONCE_BITS, _TAG_BITS = 24, 48, 50


def make_uuid(key: bytes, finding: int, *about: str) -> str:
    """The uuid of one card or suggestion.

    ``finding`` is the number of ``cards/lock.json``; ``about`` is issuer, hookInstance, order, finding and
    suggestion index, whatever tells this uuid from every other.
    """
    digest = hashlib.sha256("\0".join(about).encode()).digest()
    nonce = int.from_bytes(digest[:6], "big")
    payload = (finding & (1 << _FINDING_BITS) - 1) << _NONCE_BITS | nonce
    bits = payload << _TAG_BITS | _tag(key, payload)
    return str(_version8(bits))


def read_uuid(key: bytes, text: str) -> int | None:
    """The finding number in a uuid of ours; ``None`` if it is none or its tag does not fit the key."""
    try:
        number = UUID(text).int
    except ValueError:
        return None
    if number >> 76 & 0xF != 8 or number >> 62 & 0x3 != 2:
        return None
    bits = (number >> 80) << 74 | (number >> 64 & 0xFFF) << 62 | number & (1 << 62) - 1
    payload, tag = bits >> _TAG_BITS, bits & (1 << _TAG_BITS) - 1
    return payload >> _NONCE_BITS if hmac.compare_digest(str(tag), str(_tag(key, payload))) else None


def _tag(key: bytes, payload: int) -> int:
    digest = hmac.new(key, payload.to_bytes(9, "big"), "sha256").digest()
    return int.from_bytes(digest[:7], "big") >> 6


def _version8(bits: int) -> UUID:
    high, middle, low = bits >> 74, bits >> 62 & 0xFFF, bits & (1 << 62) - 1
    return UUID(int=high << 80 | 8 << 76 | middle << 64 | 2 << 62 | low)
