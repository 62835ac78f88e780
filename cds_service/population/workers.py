"""Processes that judge: patients are handed out in chunks, and what comes back keeps their order.

Effects: starts processes and ends them. A worker ends by itself when the process that started it is gone, however that
ended.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from multiprocessing.connection import Connection, wait
from queue import SimpleQueue
from threading import Thread

import pyarrow as pa

Judge = Callable[[Iterable[pa.RecordBatch]], Iterable[pa.RecordBatch]]
_ROWS_AT_ONCE = 8_192  # lines of one chunk, a patient more or less
_AHEAD = 2  # chunks read ahead of each worker


class WorkerEndedError(Exception):
    """A worker was ended from outside, for instance because memory was short."""


def judged(judge: Judge, batches: Iterable[pa.RecordBatch], workers: int) -> Iterator[pa.RecordBatch]:
    """What ``judge`` makes of the batches, in their order, whatever the number of workers.

    ``batches`` are sorted by their column ``patient``; no patient is parted. ``judge`` is sent to each worker once, so
    it must pickle, and what it raises is raised here.

    Raises:
        WorkerEndedError: a worker ended before its chunk was judged.
    """
    with ExitStack() as stack:
        idle: SimpleQueue[Connection] = SimpleQueue()
        for _ in range(workers):
            idle.put(stack.enter_context(_worker(judge)))
        threads = stack.enter_context(ThreadPoolExecutor(workers))
        waiting: deque[Future[bytes]] = deque()
        try:
            for chunk in _chunks(batches):
                waiting.append(threads.submit(_ask, idle, _as_bytes(chunk)))
                if len(waiting) > workers * _AHEAD:
                    yield from _batches_in(waiting.popleft().result())
            while waiting:
                yield from _batches_in(waiting.popleft().result())
        finally:
            for future in waiting:
                future.cancel()


def _chunks(batches: Iterable[pa.RecordBatch]) -> Iterator[list[pa.RecordBatch]]:
    """The batches in parts of about as many rows, parted between patients only."""
    held: list[pa.RecordBatch] = []
    rows = 0
    for batch in batches:
        held.append(batch)
        rows += batch.num_rows
        if rows < _ROWS_AT_ONCE:
            continue
        at = _last_patient_begins(batch)
        if at:
            held[-1] = batch.slice(0, at)
            yield held
            held, rows = [batch.slice(at)], batch.num_rows - at
        elif len(held) > 1 and batch["patient"][0] != held[-2]["patient"][-1]:
            yield held[:-1]
            held, rows = [batch], batch.num_rows
    if held:
        yield held


def _last_patient_begins(batch: pa.RecordBatch) -> int:
    """The row at which the last patient of a batch begins."""
    patients = batch["patient"]
    last = patients[-1].as_py()
    low, high = 0, batch.num_rows - 1
    while low < high:
        middle = (low + high) // 2
        if patients[middle].as_py() == last:
            high = middle
        else:
            low = middle + 1
    return low


@contextmanager
def _worker(judge: Judge) -> Iterator[Connection]:
    """A worker, and our end of its pipe."""
    context = multiprocessing.get_context("spawn")  # a forked child would hold the pipes of its siblings
    ours, theirs = context.Pipe()
    process = context.Process(target=_work, args=(theirs, judge), daemon=True)
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


def _ask(idle: SimpleQueue[Connection], chunk: bytes) -> bytes:
    connection = idle.get()
    try:
        connection.send_bytes(chunk)
        answer = connection.recv_bytes()
    except (EOFError, OSError):
        raise WorkerEndedError("a worker ended before it was done; was it killed, or was memory short?") from None
    finally:
        idle.put(connection)
    if answer[:1] == _FAILED:
        raise WorkerEndedError(answer[1:].decode())
    return answer[1:]


_DONE, _FAILED = b"\0", b"\1"


def _work(connection: Connection, judge: Judge) -> None:
    """What a worker does: it judges one chunk after another, until there is nobody who asks."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that hands out
    Thread(target=_end_with_parent, daemon=True).start()
    while True:
        try:
            chunk = connection.recv_bytes()
        except (EOFError, OSError):
            return
        try:
            answer = _DONE + _as_bytes(list(judge(_batches_in(chunk))))
        except Exception as error:
            answer = _FAILED + f"judging failed: {type(error).__name__}".encode()  # its words may be a patient's
        try:
            connection.send_bytes(answer)
        except OSError:
            return


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)


def _as_bytes(batches: list[pa.RecordBatch]) -> bytes:
    """Batches as an Arrow stream; nothing if there are none."""
    if not batches:
        return b""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batches[0].schema) as writer:
        for batch in batches:
            writer.write_batch(batch)
    return bytes(memoryview(sink.getvalue()))


def _batches_in(stream: bytes) -> Iterator[pa.RecordBatch]:
    if stream:
        with pa.ipc.open_stream(stream) as reader:
            yield from reader
