"""Which calls a token was used for: a token serves one call and the retries of that call (SEC-14, Z28)."""

from __future__ import annotations

import hashlib
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Protocol

from cds_service.trust.token_journal import TokenJournal, TokenUse

_MAX_TOKENS = 200_000


class UsedTokens(Protocol):
    """Remembers which call each token was used for, until the token expires."""

    def accept_use(self, issuer: str, jti: str, fingerprint: str, expires_at: float) -> bool:
        """Records that a token is used for a call; whether it may be, because it is new or the call is a retry.

        ``issuer`` and ``jti`` name the token, ``fingerprint`` the call. ``expires_at`` is when the token may be
        forgotten, in seconds since 1970.
        """
        ...


def fingerprint(path: str, body: bytes) -> str:
    """What tells one call from another and is the same for a retry; the body holds the ``hookInstance``."""
    return hashlib.sha256(path.encode("utf-8", "surrogatepass") + b"\0" + body).hexdigest()


class UsedTokensInMemory:
    """Used tokens of one process and of those before it that wrote to the same ``journal``, see ``UsedTokens``.

    When more than ``max_tokens`` are held the oldest one is forgotten, even if it has not expired: that is better than
    refusing calls. ``clock`` gives seconds since 1970.
    """

    def __init__(
        self,
        max_tokens: int = _MAX_TOKENS,
        clock: Callable[[], float] = time.time,
        journal: TokenJournal | None = None,
    ) -> None:
        self._max_tokens, self._clock, self._journal = max_tokens, clock, journal
        self._lock = threading.Lock()
        self._used: OrderedDict[bytes, tuple[bytes, float]] = OrderedDict()  # call and end, the oldest first
        for use in journal.uses(clock()) if journal is not None else ():
            self._used.setdefault(use.token, (use.call, use.expires_at))

    def accept_use(self, issuer: str, jti: str, fingerprint: str, expires_at: float) -> bool:
        token = hashlib.sha256(f"{issuer}\0{jti}".encode("utf-8", "surrogatepass")).digest()
        call = hashlib.sha256(fingerprint.encode()).digest()
        now = self._clock()
        with self._lock:
            used = self._used.get(token)
            if used is not None and used[1] > now:
                return used[0] == call
            self._used.pop(token, None)
            self._used[token] = (call, expires_at)
            if self._journal is not None:
                self._journal.write(TokenUse(token, call, expires_at))
            while len(self._used) > self._max_tokens or next(iter(self._used.values()))[1] <= now:
                self._used.popitem(last=False)
                if not self._used:
                    break
            return True

    def __len__(self) -> int:
        return len(self._used)
