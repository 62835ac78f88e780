"""Key sets of clients: read when needed, kept for a while, and read anew without burdening their source (SEC-10 to 13).

A set is read again when it has grown old, and when a key is asked for that it does not hold, but at most once in a
while, and after failures more and more seldom. While its source fails, its old keys serve for a bounded time.
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
from cds_service.net.download import DownloadError, download

_log = logging.getLogger("cds_service")

Key = RSAKey | ECKey | OKPKey
Keys = Mapping[tuple[str, str], Key]  # by kid and kty: two keys may share a kid (RFC 7517 section 4.5)

_KEY_TYPES: dict[str, type[RSAKey] | type[ECKey] | type[OKPKey]] = {"RSA": RSAKey, "EC": ECKey, "OKP": OKPKey}
_RSA_BITS = range(2048, 8193)  # RFC 7518 section 3.3; longer keys only cost time
_MAX_KEYS = 100


class KeySetBusyError(Exception):
    """The set is being read, and another call waits for that: whether it holds the key is not known yet."""


class KeySetError(Exception):
    """A document that is not a usable key set. The message holds nothing of the document."""


@dataclass(frozen=True, slots=True)
class KeySetLimits:
    """How long keys are kept and what reading them may cost, in seconds and bytes.

    A set older than ``fresh`` is read again before it is used, and some time earlier without a request waiting for it.
    While its source fails it is used for ``stale`` longer. ``again`` is the shortest time between two readings. After
    a failure the next reading waits for ``first_retry``, after each further failure twice as long, up to
    ``last_retry``. ``wait`` bounds one reading. ``patience`` is how long a request waits for a reading if the old set
    holds its key.
    """

    fresh: float = 600.0
    stale: float = 3600.0
    again: float = 4.0
    first_retry: float = 1.0
    last_retry: float = 300.0
    wait: float = 2.0
    patience: float = 0.2
    max_bytes: int = 262_144


@dataclass(frozen=True, slots=True)
class _KeysRead:
    keys: Keys = field(default_factory=dict)
    read_at: float = float("-inf")


class KeySet:
    """The keys at one URL or in one file. It may be used from many threads, of which one at a time reads.

    ``name`` stands in the log. ``read`` returns the document or raises ``DownloadError`` or ``OSError``. ``clock``
    gives seconds. ``waiting`` is held by the one thread that waits for a reading; sets that share it share that thread.
    """

    def __init__(
        self,
        name: str,
        read: Callable[[], bytes],
        limits: KeySetLimits,
        clock: Callable[[], float] = time.monotonic,
        waiting: threading.Lock | None = None,
    ) -> None:
        self._waiting = waiting or threading.Lock()
        self._name, self._read, self._limits, self._clock = name, read, limits, clock
        self._held = _KeysRead()
        self._lock = threading.Lock()
        self._under_way: threading.Event | None = None
        self._next_at = float("-inf")
        self._failures = 0

    def find(self, kid: str, kty: str, *, may_wait: bool = True) -> Key | None:
        """The key with this ``kid`` and ``kty``; ``None`` if the set does not hold it or cannot be read.

        One thread at most waits for a reading: callers with unknown keys, or a set that is slow, must not hold all.

        Raises:
            KeySetBusyError: the key is not held, and another thread waits for the reading that is under way; or this
                one would, and must not.
        """
        held, limits = self._held, self._limits
        age = self._clock() - held.read_at
        key = held.keys.get((kid, kty))
        if key is not None and age < limits.fresh:
            if age >= limits.fresh * 0.75:
                self._refresh()  # before the set is too old, so that no request has to wait
            return key
        reading = self._refresh()
        if reading is not None and not may_wait:
            raise KeySetBusyError
        seconds = limits.wait if key is None else min(limits.patience, limits.wait)
        is_told = reading is None or self._wait_for(reading, seconds)
        held = self._held
        is_usable = self._clock() - held.read_at < limits.fresh + limits.stale
        key = held.keys.get((kid, kty)) if is_usable else None
        if key is None and not is_told:
            raise KeySetBusyError
        return key

    def read_ahead(self, seconds: float = 0.0) -> None:
        """Starts reading the set if it is due, so that the first callers need not wait for it.

        Waits for the end of the reading, for so many seconds at most.
        """
        reading = self._refresh()
        if reading is not None and seconds > 0:
            reading.wait(seconds)

    def _wait_for(self, reading: threading.Event, seconds: float) -> bool:
        """Waits for the end of a reading, unless another thread waits; whether it did."""
        if not self._waiting.acquire(blocking=False):
            return False
        try:
            reading.wait(seconds)
        finally:
            self._waiting.release()
        return True

    def _refresh(self) -> threading.Event | None:
        """Starts a reading if one is due; returns what is set when the reading under way ends, ``None`` without one."""
        with self._lock:
            if self._under_way is None and self._clock() >= self._next_at:
                self._under_way = threading.Event()
                threading.Thread(target=self._take, args=(self._under_way,), name="key set", daemon=True).start()
            return self._under_way

    def _take(self, done: threading.Event) -> None:
        """Reads the set, in a thread of its own because the look-up of a name cannot be hurried."""
        limits, wait = self._limits, 0.0
        try:
            keys = parse_key_set(self._read())
            self._held = _KeysRead(keys, self._clock())
            if self._failures:
                _log.warning("the key set of %s can be read again", self._name)
            self._failures, wait = 0, limits.again
        except (DownloadError, KeySetError, OSError) as error:
            reason = (error.strerror or type(error).__name__) if isinstance(error, OSError) else str(error)
            self._failures += 1
            wait = min(limits.first_retry * 2 ** min(self._failures - 1, 30), limits.last_retry)
            _log.error("the key set of %s cannot be read: %s; again in %.0f s", self._name, reason, wait)
        except Exception as error:  # a defect of ours must not end the reading for ever
            self._failures, wait = self._failures + 1, limits.last_retry
            _log.error("defect %s in reading the key set of %s", type(error).__name__, self._name)
        finally:
            with self._lock:
                self._next_at = self._clock() + wait
                self._under_way = None
            done.set()


def parse_key_set(document: bytes) -> Keys:
    """The keys of a JWK set that can verify signatures; all others are ignored (RFC 7517 section 5).

    Raises:
        KeySetError: the document is not a JWK set, or holds no such key.
    """
    try:
        entries = json.loads(document.decode("utf-8"))["keys"]
        if not isinstance(entries, list):
            raise TypeError
    except (ValueError, KeyError, TypeError, RecursionError):
        raise KeySetError("it is not a JWK set") from None
    keys: dict[tuple[str, str], Key] = {}
    for entry in entries[:_MAX_KEYS]:
        key = _verification_key(entry)
        if key is not None and key.kid:
            keys.setdefault((key.kid, key.key_type), key)
    if not keys:
        raise KeySetError("it holds no key to verify signatures with")
    return keys


def _verification_key(entry: Any) -> Key | None:
    """The public key in an entry of a JWK set; ``None`` if the entry is a shared secret (SEC-09) or not usable."""
    if not isinstance(entry, dict) or not isinstance(entry.get("kty"), str) or entry["kty"] not in _KEY_TYPES:
        return None
    if "d" in entry or not isinstance(entry.get("kid"), str):
        return None  # a private key that is published lets anybody sign
    try:
        key = _KEY_TYPES[entry["kty"]].import_key(entry)
        if isinstance(key, RSAKey) and key.public_key.key_size not in _RSA_BITS:
            return None
        return key
    except (JoseError, SecurityWarning, ValueError, TypeError, KeyError, AttributeError, OverflowError):
        return None


def key_set_at(
    url: str,
    reach: Reach,
    limits: KeySetLimits,
    clock: Callable[[], float] = time.monotonic,
    waiting: threading.Lock | None = None,
) -> KeySet:
    """The key set at a URL, whose server may have addresses within ``reach``."""

    def read() -> bytes:
        return download(url, reach=reach, seconds=limits.wait, max_bytes=limits.max_bytes)

    return KeySet(urlsplit(url).netloc, read, limits, clock, waiting)


def key_set_in(path: Path, limits: KeySetLimits, clock: Callable[[], float] = time.monotonic) -> KeySet:
    """The key set in a file."""
    return KeySet(path.name, path.read_bytes, limits, clock)
