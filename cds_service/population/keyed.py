"""Names of patients, prescribers and events that tell nothing to whoever has no key, and are the same in every run."""

from __future__ import annotations

import hmac

import msgspec

_LETTERS = 32  # of a digest in hexadecimal: 128 bits, so that of a billion names no two are alike


def keyed_name(key: bytes, use: str, *parts: str) -> str:
    """The name of what ``parts`` tell from everything else that is named for the same ``use``."""
    return hmac.digest(key, msgspec.json.encode((use, *parts)), "sha256").hex()[:_LETTERS]
