"""A circuit that opens when a server is dead, so that it costs nothing until it is tried again. Imports nothing."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


class Circuit:
    """Closed at first. After ``failures`` in a row it is open for ``seconds``, then lets one through to try.

    A pass is what one request does with a server, however many calls that takes.
    """

    def __init__(self, failures: int, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = failures
        self._seconds = seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._failed = 0
        self._opened = 0.0
        self._trying = False

    def enter(self) -> bool:
        """Whether the server may be called now; who is let through must ``leave``."""
        with self._lock:
            if self._failed < self._most:
                return True
            if self._trying or self._clock() - self._opened < self._seconds:
                return False
            self._trying = True
            return True

    def leave(self, reached: bool | None) -> None:
        """What became of a pass: the server answered, or not; ``None`` if nothing was learnt."""
        with self._lock:
            self._trying = False
            if reached:
                self._failed = 0
            elif reached is False:
                self._failed += 1
                if self._failed >= self._most:
                    self._opened = self._clock()
