"""Warnings that strangers can bring about: so many in a while, and then how many were not said."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable


class BoundedWarnings:
    """Writes at most ``most`` warnings in ``seconds`` into ``log``; it may be used from many threads.

    How many more there were is said with the first one after that; metrics count every one. ``clock`` gives seconds.
    """

    def __init__(
        self, log: logging.Logger, most: int = 20, seconds: float = 10.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._log, self._most, self._seconds, self._clock = log, most, seconds, clock
        self._lock = threading.Lock()
        self._began, self._said, self._unsaid = clock(), 0, 0

    def warn(self, message: str) -> None:
        """Writes a warning, unless there were too many lately."""
        with self._lock:
            now, unsaid = self._clock(), 0
            if now - self._began >= self._seconds:
                unsaid, self._began, self._said, self._unsaid = self._unsaid, now, 0, 0
            if self._said >= self._most:
                self._unsaid += 1
                return
            self._said += 1
        if unsaid:
            self._log.warning("%d more calls were refused or put off, of which nothing was said", unsaid)
        self._log.warning("%s", message)
