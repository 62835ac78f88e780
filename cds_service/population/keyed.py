"""Names of patients, prescribers and events that tell nothing to whoever has no key, and are the same in every run."""

from __future__ import annotations

from hashlib import blake2b, sha256

import msgspec

_BYTES = 16  # of a digest: 128 bits, so that of a billion names no two are alike


class KeyedNames:
    """The names that one key gives: keyed digests of BLAKE2b (RFC 7693), which takes a third of the time of an HMAC."""

    def __init__(self, key: bytes) -> None:
        fitting = key if len(key) <= blake2b.MAX_KEY_SIZE else sha256(key).digest()
        self._begun = blake2b(key=fitting, digest_size=_BYTES)

    def of(self, use: str, *parts: str) -> str:
        """The name of what ``parts`` tell from everything else that is named for the same ``use``."""
        digest = self._begun.copy()
        digest.update(msgspec.json.encode((use, *parts)))
        return digest.hexdigest()


def as_uuid(name: str) -> str:
    """A name as a UUID (RFC 9562, version 8), for what has to be one."""
    return f"{name[:8]}-{name[8:12]}-8{name[13:16]}-8{name[17:20]}-{name[20:32]}"
