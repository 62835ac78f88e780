"""Lanes: groups of threads that answer requests, each with a bounded number of requests that wait for it.

Requests of different kinds have lanes of their own, so that those that take long hold up only their like.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


class LaneFullError(Exception):
    """As many requests wait for the lane as may wait, or this one has waited as long as one may."""


class ThreadLane:
    """At most ``threads`` requests at once, and at most ``most_waiting`` that wait, each for ``patience`` seconds.

    It is used from one event loop.
    """

    def __init__(self, name: str, threads: int, most_waiting: int = 256, patience: float = 10.0) -> None:
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._most = threads + most_waiting
        self._taken = 0
        self._patience = patience

    async def run(self, work: Callable[[], T]) -> T:
        """What ``work`` returns, done by a thread of the lane.

        Raises:
            LaneFullError: it was not done, and will not be.
            Exception: as ``work``.
        """
        if self._taken >= self._most:
            raise LaneFullError
        ends = time.monotonic() + self._patience

        def in_time() -> T:
            if time.monotonic() > ends:  # whoever asked has long given up
                raise LaneFullError
            return work()

        self._taken += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, in_time)
        finally:
            self._taken -= 1
