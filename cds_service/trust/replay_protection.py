"""Tokens that were used before (SEC-14, Z28). Imports nothing of ours."""

from __future__ import annotations

import hashlib
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Protocol

_MOST = 200_000


class Replays(Protocol):
    """Remembers what each token was used for."""

    def seen(self, issuer: str, jti: str, fingerprint: str, expires_at: float) -> bool:
        """Whether a token may be used: it was not seen before, or with this very call, which is then a retry.

        ``expires_at`` is when it may be forgotten, in seconds since 1970.
        """
        ...


def fingerprint(path: str, body: bytes) -> str:
    """What tells one call from another; the body holds the hookInstance."""
    return hashlib.sha256(path.encode("utf-8", "surrogatepass") + b"\0" + body).hexdigest()


class ReplaysInMemory:
    """For one process. With ``most`` tokens held the oldest is forgotten, valid or not, rather than a call refused."""

    def __init__(self, most: int = _MOST, clock: Callable[[], float] = time.time) -> None:
        self._most, self._clock = most, clock
        self._lock = threading.Lock()
        self._used: OrderedDict[bytes, tuple[str, float]] = OrderedDict()

    def seen(self, issuer: str, jti: str, fingerprint: str, expires_at: float) -> bool:
        """As ``Replays`` says."""
        token = hashlib.sha256(f"{issuer}\0{jti}".encode("utf-8", "surrogatepass")).digest()
        now = self._clock()
        with self._lock:
            used = self._used.get(token)
            if used is not None and used[1] > now:
                return used[0] == fingerprint
            self._used.pop(token, None)
            self._used[token] = (fingerprint, expires_at)
            while len(self._used) > self._most or next(iter(self._used.values()))[1] <= now:
                self._used.popitem(last=False)
                if not self._used:
                    break
            return True

    def __len__(self) -> int:
        return len(self._used)
