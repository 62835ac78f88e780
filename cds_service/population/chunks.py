"""Lines of an export in chunks of whole patients, each as a stream of Arrow that can be sent to a process."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

import pyarrow as pa

Judge = Callable[[Iterable[pa.RecordBatch]], Iterable[pa.RecordBatch]]
_ROWS = 4_096  # lines of one chunk, a patient more or less


def chunks(batches: Iterable[pa.RecordBatch], rows: int = _ROWS) -> Iterator[bytes]:
    """Batches, sorted by their column ``patient``, in parts of about so many rows; no patient is parted."""
    held: list[pa.RecordBatch] = []
    number = 0
    for batch in batches:
        if not batch.num_rows:
            continue
        if number >= rows and batch["patient"][0] != held[-1]["patient"][-1]:
            yield as_stream(held)
            held, number = [], 0
        held.append(batch)
        number += batch.num_rows
        if number >= rows and (begin := _last_patient_begins(batch)):
            held[-1] = batch.slice(0, begin)
            yield as_stream(held)
            held, number = [batch.slice(begin)], batch.num_rows - begin
    if held:
        yield as_stream(held)


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


def of_stream(judge: Judge, chunk: bytes) -> bytes:
    """What ``judge`` makes of a chunk, as a stream too."""
    return as_stream(list(judge(batches_of(chunk))))


def as_stream(batches: Sequence[pa.RecordBatch]) -> bytes:
    """Batches as a stream of Arrow; nothing if there are none."""
    if not batches:
        return b""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batches[0].schema) as writer:
        for batch in batches:
            writer.write_batch(batch)
    return bytes(memoryview(sink.getvalue()))


def batches_of(stream: bytes) -> Iterator[pa.RecordBatch]:
    """The batches of a stream."""
    if stream:
        with pa.ipc.open_stream(stream) as reader:
            yield from reader
