"""A circuit breaker: after some failures in a row a server is not called for a while, so that it costs no time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


class Circuit:
    """Closed at first, which lets every request call the server.

    After ``failures`` failed requests in a row it opens for ``seconds``. Then one request is let through to try the
    server: the circuit closes if the server was reached and opens again if not. A request counts once, however many
    calls it makes. ``clock`` gives seconds.
    """

    def __init__(self, failures: int, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._max_failures = failures
        self._open_seconds = seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._failures = 0
        self._opened_at = 0.0
        self._is_trying = False

    def enter(self) -> bool:
        """Whether this request may call the server; if so it must ``leave`` afterwards."""
        with self._lock:
            if self._failures < self._max_failures:
                return True
            if self._is_trying or self._clock() - self._opened_at < self._open_seconds:
                return False
            self._is_trying = True
            return True

    def leave(self, reached: bool | None) -> None:
        """Ends a request: ``reached`` is whether the server answered, ``None`` if that was not learnt."""
        with self._lock:
            self._is_trying = False
            if reached:
                self._failures = 0
            elif reached is False:
                self._failures += 1
                if self._failures >= self._max_failures:
                    self._opened_at = self._clock()
