"""Processes that judge: what comes back and in which order, and that none of them outlives what started it."""

import errno
import os
import signal
import subprocess
import sys
import time
from functools import partial

import pyarrow as pa
import pytest

from cds_service.population.chunks import batches_of, chunks, of_stream
from cds_service.population.run_tables import LINES
from cds_service.population.workers import WorkerEndedError, started
from tests.support.places import ROOT
from tests.support.processes import is_alive, wait_for, workers_of

PATIENTS = 3_000


def lines(*, rows_of=lambda number: 1 + number % 9, rows_at_once=1_000):
    """Batches of lines of many patients, a different number each."""
    rows = [
        {"patient": f"p{number:05}", "line": str(place)}
        for number in range(PATIENTS)
        for place in range(rows_of(number))
    ]
    return [
        pa.RecordBatch.from_pylist(rows[start : start + rows_at_once], schema=LINES)
        for start in range(0, len(rows), rows_at_once)
    ]


def judged(judge, batches, number, told=OSError):
    """What workers make of the batches."""
    with started(number) as workers:
        for stream in workers.map(partial(of_stream, judge), chunks(batches), told):
            yield from batches_of(stream)


def counts(batches):
    """A stand-in for judging: each patient with how many lines came in one piece."""
    of_patient: dict[str, int] = {}
    for batch in batches:
        for patient in batch["patient"].to_pylist():
            of_patient[patient] = of_patient.get(patient, 0) + 1
    made = [{"patient": patient, "lines": count, "process": os.getpid()} for patient, count in of_patient.items()]
    yield pa.RecordBatch.from_pylist(made)


def fails(batches):
    raise ValueError("Amara Okafor")


def ends(batches):
    os.kill(os.getpid(), signal.SIGKILL)
    yield


def sleeps(batches):
    time.sleep(60)
    yield from batches


def full(batches):
    raise OSError(errno.ENOSPC, "of Amara Okafor", "/disk/aside")


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("rows_at_once", [700, 100_000])
def test_every_patient_is_judged_once_in_one_piece_and_in_order(workers, rows_at_once):
    rows = [row for batch in judged(counts, lines(rows_at_once=rows_at_once), workers) for row in batch.to_pylist()]
    expected = [(f"p{number:05}", 1 + number % 9) for number in range(PATIENTS)]
    assert [(row["patient"], row["lines"]) for row in rows] == expected
    assert len({row["process"] for row in rows}) == min(workers, 2)
    assert os.getpid() not in {row["process"] for row in rows}


def test_a_patient_of_more_lines_than_a_chunk_is_not_parted():
    batches = lines(rows_of=lambda number: 40_000 if number == 7 else 1, rows_at_once=9_000)
    rows = [row for batch in judged(counts, batches, 2) for row in batch.to_pylist()]
    assert [row["lines"] for row in rows if row["patient"] == "p00007"] == [40_000]
    assert len(rows) == PATIENTS


def test_nothing_to_judge_gives_nothing():
    assert list(judged(counts, [], 2)) == []


def test_what_fails_in_a_worker_is_told_without_its_words():
    with pytest.raises(WorkerEndedError, match="ValueError") as told:
        list(judged(fails, lines(), 2))
    assert "Okafor" not in str(told.value)


def test_what_the_system_refuses_is_told_with_its_own_words_and_its_file():
    with pytest.raises(OSError) as told:
        list(judged(full, lines(), 2, told=ValueError))
    assert (told.value.errno, told.value.filename) == (errno.ENOSPC, "/disk/aside")
    assert told.value.strerror == os.strerror(errno.ENOSPC)


def test_an_error_that_may_be_told_is_raised_as_it_was():
    with pytest.raises(ValueError, match="Amara Okafor"):
        list(judged(fails, lines(), 2, told=ValueError))


def test_workers_do_one_kind_of_work_after_another():
    with started(2) as workers:
        assert list(workers.map(str, range(9))) == [str(number) for number in range(9)]
        assert list(workers.map(hex, range(9))) == [hex(number) for number in range(9)]


def test_a_worker_that_is_killed_ends_the_run_with_a_reason():
    with pytest.raises(WorkerEndedError, match="was it killed"):
        list(judged(ends, lines(), 2))


MAIN = """
import sys
sys.path.insert(0, {root!r})
from tests.content.population.test_workers import lines, sleeps
from functools import partial
from cds_service.population.chunks import chunks, of_stream
from cds_service.population.workers import started
if __name__ == "__main__":
    print("begun", flush=True)
    with started(2) as workers:
        list(workers.map(partial(of_stream, sleeps), chunks(lines())))
"""


def test_killing_what_started_them_leaves_no_worker(tmp_path):
    script = tmp_path / "main.py"
    script.write_text(MAIN.format(root=str(ROOT)))
    main = subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE)
    workers = wait_for(lambda: workers_of(main.pid), lambda found: len(found) == 2)
    main.kill()
    main.wait()
    main.stdout.close()
    wait_for(lambda: [pid for pid in workers if is_alive(pid)], lambda alive: not alive)
