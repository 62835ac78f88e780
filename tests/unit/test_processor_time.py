"""A call that has had its processor time is stopped where it may be, and nowhere else."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from random import Random

import pytest

from cds_service.protocol.faults import Fault
from cds_service.service.processor_time import ProcessorTime


def spin(seconds):
    ends = time.thread_time() + seconds
    while time.thread_time() < ends:
        pass


def test_a_call_without_end_is_stopped_with_503():
    with pytest.raises(Fault) as refusal:
        ProcessorTime(0.05).bounded(lambda call: spin(float("inf")))
    assert (refusal.value.status, refusal.value.code) == (503, "too-costly")


def test_a_handler_of_exceptions_does_not_keep_it_going():
    def stubborn(call):
        while True:
            try:
                spin(float("inf"))
            except Exception:  # noqa: S112
                continue

    with pytest.raises(Fault):
        ProcessorTime(0.05).bounded(stubborn)


def test_time_that_is_only_waited_does_not_count():
    assert ProcessorTime(0.2).bounded(lambda call: time.sleep(0.5) or "done") == "done"


def test_it_is_not_stopped_where_it_says_so_and_is_right_after():
    seen = []

    def work(call):
        call.unstopped(spin)(0.3)
        seen.append("whole")
        spin(float("inf"))

    with pytest.raises(Fault):
        ProcessorTime(0.05).bounded(work)
    assert seen == ["whole"]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_call_goes_on_no_longer_where_the_first_word_was_lost():
    """What is raised in a finalizer is ignored by Python."""

    class Last:
        def __del__(self):
            spin(0.4)

    def work(call):
        held = [Last()]
        held.clear()
        spin(float("inf"))

    with pytest.raises(Fault):
        ProcessorTime(0.1).bounded(work)


def test_many_threads_that_are_stopped_at_any_moment_leave_nothing_behind():
    """Each call ends right or is refused, what it must not be stopped in is whole, and nothing is raised afterwards."""
    held = threading.Lock()
    limits = [ProcessorTime(seconds) for seconds in (0.0, 0.001, 0.02, 0.1)]

    def step():
        assert held.acquire(timeout=20)
        spin(0.0005)
        held.release()

    def call(number):
        random = Random(number)  # noqa: S311
        mine = random.choice(limits)
        steps = random.randrange(1, 8)

        def work(running):
            for _ in range(steps):
                running.unstopped(step)()
                spin(0.012)  # longer than another thread waits for its turn
            return number

        try:
            said = mine.bounded(work)
        except Fault as fault:
            said = fault.status
        sum(range(2000))  # where an exception that came late would be raised
        return said

    with ThreadPoolExecutor(4) as threads:
        said = list(threads.map(call, range(1000, 1100)))
    assert all(told in (number, 503) for number, told in enumerate(said, 1000))
    assert 503 in said and set(said) - {503}
    assert not held.locked()
