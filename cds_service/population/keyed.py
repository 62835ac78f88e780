"""Names of patients, prescribers and events that tell nothing to whoever has no key, and are the same in every run."""

from __future__ import annotations

import hmac

import msgspec

_LETTERS = 32  # of a digest in hexadecimal: 128 bits, so that of a billion names no two are alike


class KeyedNames:
    """The names that one key gives; what depends on the key alone is worked out once."""

    def __init__(self, key: bytes) -> None:
        self._begun = hmac.new(key, digestmod="sha256")

    def of(self, use: str, *parts: str) -> str:
        """The name of what ``parts`` tell from everything else that is named for the same ``use``."""
        digest = self._begun.copy()
        digest.update(msgspec.json.encode((use, *parts)))
        return digest.hexdigest()[:_LETTERS]


def as_uuid(name: str) -> str:
    """A name as a UUID (RFC 9562, version 8), for what has to be one."""
    return f"{name[:8]}-{name[8:12]}-8{name[13:16]}-8{name[17:20]}-{name[20:32]}"
