"""Writes lines in a thread of its own, so that whoever says something never waits for a disk, a pipe or a terminal."""

from __future__ import annotations

import atexit
import queue
import threading
import time
from collections.abc import Callable
from multiprocessing.util import Finalize

_MOST_WAITING = 10_000
_CLOSE_SECONDS = 1.0
_PAUSE_SECONDS = 0.01


class LineWriter:
    """Hands lines to ``write`` one after another, as they came. It may be used from many threads, and after a fork.

    ``on_loss`` is called for each line that is not written, because ``write`` raised an ``OSError`` or because
    about ``most_waiting`` lines wait already.
    """

    def __init__(
        self, write: Callable[[bytes], None], on_loss: Callable[[], None], most_waiting: int = _MOST_WAITING
    ) -> None:
        self._write, self._on_loss, self._most_waiting = write, on_loss, most_waiting
        # It takes no lock of Python, on which its callers and the thread would wait for each other.
        self._lines: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None
        # A worker of multiprocessing ends without calling atexit, any other process without calling Finalize.
        atexit.register(self.close)
        Finalize(self, self.close, exitpriority=5)

    def put(self, line: bytes) -> None:
        """Has a line written soon; it does not wait."""
        self._start()
        if self._lines.qsize() < self._most_waiting:
            self._lines.put(line)
        else:
            self._on_loss()

    def close(self) -> None:
        """Waits until what was put is written, for a second at most."""
        atexit.unregister(self.close)
        thread, self._thread = self._thread, None
        if thread is None or not thread.is_alive():
            return
        self._lines.put(None)
        thread.join(_CLOSE_SECONDS)

    def _start(self) -> None:
        """Starts the thread at the first line and not before: a thread does not survive a fork of its process."""
        if self._thread is None or not self._thread.is_alive():
            with self._starting:
                if self._thread is None or not self._thread.is_alive():
                    self._thread = threading.Thread(target=self._work, name="lines", daemon=True)
                    self._thread.start()

    def _work(self) -> None:
        while (line := self._lines.get()) is not None:
            try:
                self._write(line)
            except OSError:
                self._on_loss()
            if self._lines.empty():
                time.sleep(
                    _PAUSE_SECONDS
                )  # to wake this thread for each line would cost its callers more than the line
