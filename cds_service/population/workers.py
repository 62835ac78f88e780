"""Processes that work side by side: each item is handed to one of them, and what comes back keeps the order.

Effects: starts processes and ends them. A worker ends by itself when the process that started it is gone, however that
ended.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import pickle
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from queue import SimpleQueue
from threading import Thread
from typing import Any, NamedTuple, TypeVar

_T = TypeVar("_T")
_R = TypeVar("_R")
OBJECTS_BEFORE_COLLECTION = 100_000  # as the command itself has it
_AHEAD = 2  # items for each worker that are taken before they are needed


class WorkerEndedError(Exception):
    """Work was not done: a worker was ended from outside, or failed by a fault of this software."""


class _Task(NamedTuple):
    """What a worker is to do from now on, and which errors it tells as they are, pickled once for all workers."""

    pickled: bytes


class _Item(NamedTuple):
    """What a worker is to work on."""

    item: Any


@dataclass(slots=True)
class _Worker:
    """Our end of the pipe to a worker, and the number of the work that it was told to do."""

    connection: Connection
    work: int = 0


class Workers:
    """So many processes, for one kind of work after another."""

    def __init__(self, idle: SimpleQueue[_Worker], threads: ThreadPoolExecutor, number: int) -> None:
        self._idle = idle
        self._threads = threads
        self._number = number
        self._works = 0

    def map(self, work: Callable[[_T], _R], items: Iterable[_T], told: type[Exception] = OSError) -> Iterator[_R]:
        """What ``work`` makes of each item, in the order of the items, of which only a few are taken ahead.

        ``work`` and what it gives must pickle; it is sent to each worker once. An error of the type ``told`` is raised
        here as it was there, and what the operating system refused with its words. Of any other error only the type is
        told, because its words may be a patient's.

        Raises:
            OSError: the operating system refused something, such as to write on a disk that is full.
            WorkerEndedError: a worker was ended before it was done, or met an error of another type.
        """
        self._works += 1
        number, pickled = self._works, pickle.dumps((work, told))
        waiting: deque[Future[_R]] = deque()
        try:
            for item in items:
                waiting.append(self._threads.submit(self._ask, number, pickled, item))
                if len(waiting) > self._number * _AHEAD:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()

    def _ask(self, number: int, work: bytes, item: Any) -> Any:
        worker = self._idle.get()
        try:
            if worker.work != number:
                worker.connection.send(_Task(work))
                worker.work = number
            worker.connection.send(_Item(item))
            is_done, answer = worker.connection.recv()
        except (EOFError, OSError):
            raise WorkerEndedError("a worker ended before it was done; was it killed, or was memory short?") from None
        finally:
            self._idle.put(worker)
        if not is_done:
            raise answer
        return answer


@contextmanager
def started(number: int) -> Iterator[Workers]:
    """So many workers, until the end of the block."""
    with ExitStack() as stack:
        idle: SimpleQueue[_Worker] = SimpleQueue()
        for _ in range(number):
            idle.put(_Worker(stack.enter_context(_process())))
        threads = stack.enter_context(ThreadPoolExecutor(number))
        yield Workers(idle, threads, number)


@contextmanager
def _process() -> Iterator[Connection]:
    """A worker, and our end of its pipe."""
    context = multiprocessing.get_context("spawn")  # a forked child would hold the pipes of its siblings
    ours, theirs = context.Pipe()
    process = context.Process(target=_work, args=(theirs,), daemon=True)
    process.start()
    theirs.close()
    try:
        yield ours
    finally:
        ours.close()
        process.join(timeout=1)
        if process.is_alive():
            process.kill()
            process.join()


def _work(connection: Connection) -> None:
    """What a worker does: it is told what to do, and does it with one item after another, until nobody asks."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that hands out
    gc.set_threshold(OBJECTS_BEFORE_COLLECTION)
    Thread(target=_end_with_parent, daemon=True).start()
    work: Callable[[Any], Any]
    told: type[Exception]
    try:
        while True:
            received = connection.recv()
            if isinstance(received, _Task):
                work, told = pickle.loads(received.pickled)  # noqa: S301  (from the process that started this one)
            else:
                connection.send(_done(work, told, received.item))
    except (EOFError, OSError):
        return


def _done(work: Callable[[Any], Any], told: type[Exception], item: Any) -> tuple[bool, Any]:
    """Whether an item was worked on, and what came of it, or the error."""
    try:
        return True, work(item)
    except told as error:
        return False, error
    except Exception as error:
        if isinstance(error, OSError) and error.errno:
            return False, OSError(error.errno, os.strerror(error.errno), error.filename)
        return False, WorkerEndedError(f"failed by a fault of this software: {type(error).__name__}")


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)
