"""Key sets of clients: read, kept for a while, and read anew with restraint (SEC-10 to SEC-13). Imports this room.

A set is read again when it grows old, and when a key is asked for that it does not hold, but not more often than once
in a while, and after a failure more and more seldom. While its source is down the old keys serve for a bounded time.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from joserfc.errors import JoseError, SecurityWarning
from joserfc.jwk import ECKey, OKPKey, RSAKey

from cds_service.net.addresses import Reach
from cds_service.trust.fetch import FetchError, fetch

_log = logging.getLogger("cds_service")

Key = RSAKey | ECKey | OKPKey
Keys = Mapping[tuple[str, str], Key]  # by kid and kty, which may share a kid (RFC 7517 section 4.5)

_KINDS: dict[str, type[RSAKey] | type[ECKey] | type[OKPKey]] = {"RSA": RSAKey, "EC": ECKey, "OKP": OKPKey}
_RSA_BITS = range(2048, 8193)  # RFC 7518 section 3.3; longer ones only cost time
_MOST_KEYS = 100


@dataclass(frozen=True, slots=True)
class Limits:
    """How long keys are kept and what reading them may cost; seconds and bytes.

    From ``fresh`` on a set is read again before it is used, and some time earlier beside the requests. ``stale`` is
    how much longer it serves while its source is down, ``again`` the least time between two readings, and after
    failures the time doubles from ``first_retry`` to ``last_retry``. ``wait`` is the longest that one reading takes,
    ``patience`` the longest that a call whose key is known waits for news of it.
    """

    fresh: float = 600.0
    stale: float = 3600.0
    again: float = 4.0
    first_retry: float = 1.0
    last_retry: float = 300.0
    wait: float = 2.0
    patience: float = 0.2
    most_bytes: int = 262_144


@dataclass(frozen=True, slots=True)
class _Held:
    keys: Keys = field(default_factory=dict)
    read_at: float = float("-inf")


class KeySet:
    """The keys at one URL or in one file. May be asked from many threads; one at a time reads."""

    def __init__(
        self,
        name: str,
        read: Callable[[], bytes],
        limits: Limits,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._name, self._read, self._limits, self._clock = name, read, limits, clock
        self._held = _Held()
        self._lock = threading.Lock()
        self._under_way: threading.Event | None = None
        self._next_at = float("-inf")
        self._failures = 0

    def find(self, kid: str, kind: str) -> Key | None:
        """The key of this ``kid`` and ``kty``, ``None`` if there is none or none can be had."""
        held, limits = self._held, self._limits
        age = self._clock() - held.read_at
        key = held.keys.get((kid, kind))
        if key is not None and age < limits.fresh:
            if age >= limits.fresh * 0.75:
                self._refresh()  # in good time, so that no request waits
            return key
        reading = self._refresh()
        if reading is not None:
            reading.wait(limits.wait if key is None else min(limits.patience, limits.wait))
        held = self._held
        if self._clock() - held.read_at >= limits.fresh + limits.stale:
            return None
        return held.keys.get((kid, kind))

    def _refresh(self) -> threading.Event | None:
        """Has the set read, unless it was lately; what to wait for, ``None`` if nothing is under way."""
        with self._lock:
            if self._under_way is None and self._clock() >= self._next_at:
                self._under_way = threading.Event()
                threading.Thread(target=self._take, args=(self._under_way,), name="key set", daemon=True).start()
            return self._under_way

    def _take(self, done: threading.Event) -> None:
        """Reads the set; in a thread of its own, because looking up a name cannot be hurried."""
        limits, wait = self._limits, 0.0
        try:
            keys = read_keys(self._read())
            self._held = _Held(keys, self._clock())
            if self._failures:
                _log.warning("the key set of %s can be read again", self._name)
            self._failures, wait = 0, limits.again
        except (FetchError, OSError) as error:
            why = str(error) if isinstance(error, FetchError) else error.strerror or type(error).__name__
            self._failures += 1
            wait = min(limits.first_retry * 2 ** min(self._failures - 1, 30), limits.last_retry)
            _log.error("the key set of %s cannot be read: %s; again in %.0f s", self._name, why, wait)
        except Exception as error:  # a defect of ours must not end the reading for ever
            self._failures, wait = self._failures + 1, limits.last_retry
            _log.error("defect %s in reading the key set of %s", type(error).__name__, self._name)
        finally:
            with self._lock:
                self._next_at = self._clock() + wait
                self._under_way = None
            done.set()


def read_keys(document: bytes) -> Keys:
    """The keys of a JWK set that can verify signatures; others are passed over (RFC 7517 section 5).

    Raises:
        FetchError: it is no JWK set, or holds no such key.
    """
    try:
        entries = json.loads(document.decode("utf-8"))["keys"]
        if not isinstance(entries, list):
            raise TypeError
    except (ValueError, KeyError, TypeError, RecursionError):
        raise FetchError("it is not a JWK set") from None
    keys: dict[tuple[str, str], Key] = {}
    for entry in entries[:_MOST_KEYS]:
        key = _key(entry)
        if key is not None and key.kid:
            keys.setdefault((key.kid, key.key_type), key)
    if not keys:
        raise FetchError("it holds no key to verify signatures with")
    return keys


def _key(entry: Any) -> Key | None:
    """A public key that can be told by its ``kid``; symmetric keys never (SEC-09)."""
    if not isinstance(entry, dict) or not isinstance(entry.get("kty"), str) or entry["kty"] not in _KINDS:
        return None
    if "d" in entry or not isinstance(entry.get("kid"), str):
        return None  # whoever publishes a private key gives its signatures away
    try:
        key = _KINDS[entry["kty"]].import_key(entry)
        if isinstance(key, RSAKey) and key.public_key.key_size not in _RSA_BITS:
            return None
        return key
    except (JoseError, SecurityWarning, ValueError, TypeError, KeyError, AttributeError, OverflowError):
        return None


def key_set_at(url: str, reach: Reach, limits: Limits, clock: Callable[[], float] = time.monotonic) -> KeySet:
    """The key set at a URL."""

    def read() -> bytes:
        return fetch(url, reach=reach, seconds=limits.wait, most_bytes=limits.most_bytes)

    return KeySet(urlsplit(url).netloc, read, limits, clock)


def key_set_in(path: Path, limits: Limits, clock: Callable[[], float] = time.monotonic) -> KeySet:
    """The key set in a file."""
    return KeySet(path.name, path.read_bytes, limits, clock)
