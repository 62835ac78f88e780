"""uuids of cards and suggestions, which say under a keyed tag what they are about (Z18, RFC 9562 version 8).

Of 122 free bits, 24 hold the number of a finding, 48 a nonce and 50 the tag. The same call gives the same uuid, and a
new hookInstance a new one. So feedback is attributed without writing each card to a database, and a forged uuid is
noticed.
"""

from __future__ import annotations

import hashlib
import hmac
from uuid import UUID

_FINDING_BITS, _NONCE_BITS, _TAG_BITS = 24, 48, 50


def make_uuid(key: bytes, finding: int, *about: str) -> str:
    """The uuid of one card or suggestion.

    ``finding`` is its number in the lock of its pack. ``about`` is what tells this uuid from every other: issuer,
    hookInstance, order, finding and index of the suggestion.
    """
    digest = hashlib.sha256("\0".join(about).encode()).digest()
    nonce = int.from_bytes(digest[:6], "big")
    payload = (finding & (1 << _FINDING_BITS) - 1) << _NONCE_BITS | nonce
    bits = payload << _TAG_BITS | _tag(key, payload)
    return _version8(bits)


def read_uuid(key: bytes, text: str) -> int | None:
    """The number of the finding in a uuid; ``None`` if the text is no such uuid, or was made with another key."""
    try:
        number = UUID(text).int
    except ValueError:
        return None
    if number >> 76 & 0xF != 8 or number >> 62 & 0x3 != 2:
        return None
    bits = (number >> 80) << 74 | (number >> 64 & 0xFFF) << 62 | number & (1 << 62) - 1
    payload, tag = bits >> _TAG_BITS, bits & (1 << _TAG_BITS) - 1
    return payload >> _NONCE_BITS if hmac.compare_digest(str(tag), str(_tag(key, payload))) else None


def key_of_pack(key: bytes, prefix: str) -> bytes:
    """The key for a pack whose topic codes begin with ``prefix``: numbers of findings are those of the lock of one
    pack,
    and the cards of another must neither have the same uuid nor be taken for its own.
    """
    return hmac.new(key, prefix.encode(), "sha256").digest() if prefix else key


def _tag(key: bytes, payload: int) -> int:
    digest = hmac.digest(key, payload.to_bytes(9, "big"), "sha256")
    return int.from_bytes(digest[:7], "big") >> 6


def _version8(bits: int) -> str:
    high, middle, low = bits >> 74, bits >> 62 & 0xFFF, bits & (1 << 62) - 1
    digits = f"{high << 80 | 8 << 76 | middle << 64 | 2 << 62 | low:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
