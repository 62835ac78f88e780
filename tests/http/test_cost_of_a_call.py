"""Guards the shape of speed, not the clock: how many Python and C functions the code of each room enters in a call.

The counts are the same on every machine for one Python version. A change that makes one of them a fifth larger fails
here; one that makes it smaller should lower the bound. ``make bench`` measures the time.
"""

import gc
import sys
from collections import Counter
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest
import requests

import cds_service
from cds_service.judge.evaluate import evaluate
from cds_service.protocol.faults import Fault
from cds_service.vocabulary.json_text import encode
from tests.support.bodies import SERVICE, bodies, many
from tests.support.loaded import floor
from tests.support.scenarios import request_of, scenarios

ALLOWED = 1.2
PACKAGE = Path(cds_service.__file__).parent


def counted(prepared, body):
    """Function calls of one evaluation by the room whose code made them; the second one, when all is warm."""
    service, now = prepared.pack.services[SERVICE], datetime.now(UTC)
    cards = evaluate(prepared, service, body, now).body["cards"]
    calls = Counter()

    def note(frame, event, argument):
        if event in ("call", "c_call"):
            path = Path(frame.f_code.co_filename)
            calls[path.relative_to(PACKAGE).parts[0] if path.is_relative_to(PACKAGE) else "libraries"] += 1

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        evaluate(prepared, service, body, now)
    finally:
        sys.setprofile(before)
    return calls, cards


@pytest.fixture(scope="module")
def sent():
    return bodies()


# Measured with Python 3.11; other versions count comprehensions differently. Content with more
# rules may need more calls: then measure again.
COUNTS = {
    "irrelevant 80 KB": {"chart": 34, "fhir": 52, "judge": 30, "libraries": 7, "protocol": 43},
    "relevant 8 KB": {
        "chart": 915,
        "content": 1173,
        "fhir": 531,
        "judge": 212,
        "libraries": 50,
        "protocol": 68,
        "vocabulary": 367,
    },
    "relevant with two suggestions, 11 KB": {
        "chart": 1717,
        "content": 1902,
        "fhir": 1630,
        "judge": 372,
        "libraries": 47,
        "protocol": 78,
        "vocabulary": 719,
    },
    "relevant 80 KB": {
        "chart": 1445,
        "content": 1173,
        "fhir": 827,
        "judge": 212,
        "libraries": 50,
        "protocol": 68,
        "vocabulary": 419,
    },
}


@pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason="the counts are those of Python 3.11")
@pytest.mark.parametrize("name", COUNTS)
def test_no_room_costs_a_fifth_more(prepared, sent, name):
    calls, cards = counted(prepared, sent[name])
    assert bool(cards) is name.startswith("relevant")
    too_many = {room: count for room, count in calls.items() if count > ALLOWED * COUNTS[name].get(room, 0)}
    assert too_many == {}
    too_low = {room: calls[room] for room, bound in COUNTS[name].items() if calls[room] < bound / ALLOWED}
    assert too_low == {}, "cheaper now: lower the counts, so that it stays so"


def test_calls_leave_nothing_behind(prepared):
    """What refers to itself and is hidden from the collector of garbage would stay for ever."""
    requests_made = [(case, encode(request_of(prepared, case))) for case in scenarios()[::40]]

    def left():
        for case, body in requests_made:
            with suppress(Fault):
                evaluate(prepared, prepared.pack.service_for(case.hook), body, case.now)
        gc.collect()
        return len(gc.get_objects())

    left()  # what is kept of the content for all calls
    settled = left()
    assert left() - settled < 5 * len(requests_made)  # other threads make some too


def test_an_order_of_something_else_costs_the_same_whatever_was_prefetched(prepared, sent):
    small, large = (counted(prepared, sent[f"irrelevant {size}"])[0].total() for size in ("8 KB", "80 KB"))
    assert small == large


def test_cost_grows_with_the_number_of_results_and_no_faster(prepared):
    """Z35: the slope of 1,000 to 4,000 results is that of 100 to 1,000."""
    few, some, more = (counted(prepared, many(number))[0].total() for number in (100, 1000, 4000))
    first, second = (some - few) / 900, (more - some) / 3000
    assert second <= first * 1.05


@pytest.mark.parametrize("name", ["irrelevant 80 KB", "relevant 8 KB", "relevant 2.4 MB"])
def test_a_call_leaves_no_garbage_behind(prepared, sent, name):
    """What a call decoded is freed with its answer: no cycle keeps a patient's record until a collection."""
    service, now = prepared.pack.services[SERVICE], datetime.now(UTC)
    evaluate(prepared, service, sent[name], now)
    left = []
    gc.collect()
    gc.freeze()  # what other tests of the process keep need not be looked through each time
    gc.disable()
    try:
        for _ in range(5):  # other threads of the tests may leave something in one of them
            gc.collect()
            evaluate(prepared, service, sent[name], now)
            left.append(gc.collect())
    finally:
        gc.enable()
        gc.unfreeze()
    assert min(left) == 0


@pytest.mark.skipif(sys.platform != "linux", reason="make bench reads /proc")
def test_the_floors_of_the_bench_are_served():
    with floor("echo", 1) as echo, floor("raw", 1) as raw:
        for server in (echo, raw):
            assert requests.post(f"{server.url}/cds-services/any", b"{}", timeout=10).json()["cards"]
