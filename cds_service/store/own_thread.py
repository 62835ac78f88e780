"""A thread that does what has to do with the database, while others wait for it only as long as they can."""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Generic, TypeVar

from cds_service.store.database import StoreDown

J = TypeVar("J")
R = TypeVar("R")

_MOST_AT_ONCE = 100


class OwnThread(Generic[J, R]):
    """Hands jobs to ``do`` in a thread of its own, as many at once as have gathered. It may be used after a fork.

    ``do`` completes the future of each job. ``tick`` is called about every ``every`` seconds, by the same thread, from
    the first use on.
    """

    def __init__(
        self,
        name: str,
        do: Callable[[Sequence[tuple[J, Future[R]]]], None],
        tick: Callable[[], None],
        every: float,
    ) -> None:
        self._name, self._do, self._tick, self._every = name, do, tick, every
        self._jobs: queue.SimpleQueue[tuple[J, Future[R]] | None] = queue.SimpleQueue()
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None
        self._busy_since: float | None = None

    def ask(self, job: J, seconds: float) -> R:
        """The result of a job, waited for so many seconds; not at all while the one before takes longer than that.

        Raises:
            StoreDown: there was none in time. The job may still be done.
            Exception: as ``do`` has set it.
        """
        busy_since = self._busy_since
        if busy_since is not None and time.monotonic() - busy_since > seconds:
            raise StoreDown("the database does not answer")
        done: Future[R] = Future()
        self.start()
        self._jobs.put((job, done))
        try:
            return done.result(seconds)
        except TimeoutError:
            raise StoreDown("the database does not answer") from None

    def start(self) -> None:
        """Starts the thread at the first use and not before: a thread does not survive a fork of its process."""
        if self._thread is None or not self._thread.is_alive():
            with self._starting:
                if self._thread is None or not self._thread.is_alive():
                    self._busy_since = None
                    self._thread = threading.Thread(target=self._work, name=self._name, daemon=True)
                    self._thread.start()

    def end(self, seconds: float) -> bool:
        """Does what waits, within so many seconds, and ends the thread; whether that could be done."""
        thread, self._thread = self._thread, None
        if thread is None or not thread.is_alive():
            return True
        self._jobs.put(None)
        thread.join(seconds)
        return not thread.is_alive()

    def _work(self) -> None:
        tick_at = time.monotonic() + self._every
        while True:
            gathered: list[tuple[J, Future[R]] | None] = []
            with contextlib.suppress(queue.Empty):
                gathered.append(self._jobs.get(timeout=max(0.0, tick_at - time.monotonic())))
                while len(gathered) < _MOST_AT_ONCE:
                    gathered.append(self._jobs.get_nowait())
            self._busy_since = time.monotonic()
            if jobs := [job for job in gathered if job is not None]:
                self._do(jobs)
            if time.monotonic() >= tick_at:
                self._tick()
                tick_at = time.monotonic() + self._every
            self._busy_since = None
            if None in gathered:
                return
