"""The judging of a population: batches in and out, what the rows hide, and what it costs."""

import dataclasses
import gc
import pickle
import random
import weakref
from datetime import datetime
from hashlib import blake2b
from uuid import RFC_4122, UUID

import msgspec
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cds_service.population import judging, records
from cds_service.population.judging import Task, judge
from cds_service.population.keyed import KeyedNames, as_uuid
from cds_service.population.run_tables import JUDGED, LINES
from tests.support.population import (
    DAY,
    EVERY_HOOK,
    MINUTE,
    NOW,
    ORDER_HOOKS,
    SAMPLE,
    STORIES,
    batches,
    events,
    exported,
    judged,
    of_patient,
    of_sample,
    order,
    person,
    prepared,
    problems,
    result,
    rows_of,
    task_of,
)

# --- batches


def population(number=12):
    """The records of some scenarios, each as that of a patient of its own, as pairs of patient and resource."""
    chosen = [story for story in STORIES if story.hook == "order-sign"][:number]
    return [
        (f"p{place:02}", resource)
        for place, story in enumerate(chosen)
        for resource in of_patient(exported(story), story.patient, f"p{place:02}")
    ]


def wide_task(**others):
    return task_of(EVERY_HOOK, NOW - 400 * DAY, NOW + DAY, **others)


@given(st.randoms(use_true_random=False), st.integers(1, 40))
@settings(max_examples=10)
def test_neither_the_order_of_lines_nor_how_they_are_cut_into_batches_changes_a_row(chance, size):
    lines = population()
    shuffled = sorted(lines, key=lambda line: (line[0], chance.random()))
    expected = rows_of(judge(wide_task(), batches(lines)))
    assert len(events(expected)) > 20
    assert rows_of(judge(wide_task(), batches(shuffled, size))) == expected


def test_the_rows_are_those_of_the_schema_whatever_the_type_of_the_text():
    lines = population(3)
    (batch,) = batches(lines)
    large = batch.cast(pa.schema([("patient", pa.large_string()), ("line", pa.large_string())]))
    tables = list(judge(wide_task(), [large]))
    assert [table.schema for table in tables] == [JUDGED]
    assert rows_of(tables) == rows_of(judge(wide_task(), [batch]))
    assert list(judge(wide_task(), [])) == []
    assert (
        list(judge(wide_task(), [LINES.empty_table().to_batches()[0]] if LINES.empty_table().to_batches() else []))
        == []
    )


def test_a_task_goes_to_another_process_and_judges_the_same_there():
    lines = batches(population(3))
    there = pickle.loads(pickle.dumps(wide_task()))  # noqa: S301  (ours)
    assert rows_of(judge(there, lines)) == rows_of(judge(wide_task(), lines))


def test_two_contents_are_judged_side_by_side_on_the_same_events():
    lines = batches(population(6))
    both = rows_of(judge(wide_task(contents={"old": prepared(), "new": prepared()}), lines))
    alone = events(rows_of(judge(wide_task(), lines)))
    for name in ("old", "new"):
        assert [row | {"content": "content"} for row in events(both) if row["content"] == name] == alone


def test_a_task_that_cannot_be_done_is_refused():
    good = wide_task()
    for wrong in ({"contents": {}}, {"hooks": ("encounter-start",)}, {"patients": "name"}):
        with pytest.raises(ValueError, match="a task needs"):
            dataclasses.replace(good, **wrong)
    with pytest.raises(ValueError, match="time zone"):
        Task(good.contents, good.hooks, datetime(2026, 1, 1), good.until, b"")  # noqa: DTZ001


def test_a_fault_of_the_software_costs_its_event_and_no_other():
    """Content without the lines that its cards are grounded on, so that no card can be made."""
    broken = dataclasses.replace(prepared(), grounds={})
    silent = [(p, r) for p, r in population(12)]
    sample = [("zz", one) for one in of_patient([*exported(SAMPLE)], SAMPLE.patient, "zz")]
    last = [("zzz", one) for one in of_patient([person(), order("o", NOW)], SAMPLE.patient, "zzz")]
    rows = rows_of(
        judge(
            task_of(["order-sign"], NOW, NOW + MINUTE, contents={"content": broken}, patients="id"),
            batches([*silent, *sample, *last]),
        )
    )
    outcomes = {row["patient"]: row["outcome"] for row in events(rows)}
    assert (outcomes["zz"], outcomes["zzz"]) == ("defect", "silent")
    told = problems([row for row in rows if row["patient"] == "zz"])
    assert told == {("defect", "KeyError"): 1}


def test_a_fault_of_the_input_ends_the_run():
    """A patient whose lines did not all come is not judged on the rest."""

    def failing():
        yield from batches(population(1))
        raise OSError("the disk failed")

    with pytest.raises(OSError, match="the disk failed"):
        list(judge(wide_task(), failing()))


# --- what rows hide


def values(rows):
    """Every text in rows."""
    if isinstance(rows, dict):
        return {text for value in rows.values() for text in values(value)}
    if isinstance(rows, list):
        return {text for value in rows for text in values(value)}
    return {rows} if isinstance(rows, str) else set()


def test_rows_name_nobody():
    """Names and ids are planted wherever a record may have them, in what is not understood too."""
    secret = "Planted-Zyx"  # noqa: S105
    of = {"encounter": {"reference": f"Encounter/{secret}"}, "requester": {"reference": f"Practitioner/{secret}"}}
    patient = {**person(), "name": [{"family": secret}], "gender": secret}
    encounter = {"resourceType": "Encounter", "id": secret, "subject": {"display": secret}}
    condition = {"resourceType": "Condition", "id": secret, "code": {"text": secret}, "recordedDate": "2026-01-01"}
    odd = {"resourceType": secret, "id": secret}
    record = of_patient(
        [patient, order(secret, NOW, **of), result(secret, NOW - DAY), condition, encounter, odd],
        SAMPLE.patient,
        secret,
    )
    for how in ("hash", "none"):
        rows = judged(task_of(EVERY_HOOK, NOW, NOW + DAY, patients=how), secret, record)
        assert len(events(rows)) == 3
        assert any(row["cards"] for row in rows)
        assert [text for text in values(rows) if secret.casefold() in text.casefold()] == []
    rows = judged(task_of(EVERY_HOOK, NOW, NOW + DAY, patients="id"), secret, record)
    assert {row["patient"] for row in rows} == {secret}


def test_the_same_key_gives_the_same_names_and_another_key_others():
    lines = batches(population(4))
    first, again, other = (
        events(rows_of(judge(wide_task(key=key), lines))) for key in (b"one key", b"one key", b"another")
    )
    assert first == again
    for column in ("event", "patient"):
        there, here = ({row[column] for row in rows} for rows in (first, other))
        assert len(there) == len(here)
        assert there.isdisjoint(here)
    assert {row["patient"] for row in first if row["patient"]} != set()


def test_a_name_is_the_keyed_hash_of_what_it_names_whatever_was_named_before():
    names = KeyedNames(b"a key")
    for parts in (["p1"], ["p1", "p2"], ["p1"]):
        text = msgspec.json.encode(["event", *parts])
        assert names.of("event", *parts) == blake2b(text, key=b"a key", digest_size=16).hexdigest()
    assert names.of("event", "p1") != KeyedNames(b"another").of("event", "p1")


def test_all_of_a_key_counts_however_long_it_is():
    keys = [b"k" * 64, b"k" * 65, b"k" * 65 + b"l", b"k" * 66]
    assert len({KeyedNames(key).of("patient", "p1") for key in keys}) == len(keys)


@given(st.text("0123456789abcdef", min_size=32, max_size=32))
def test_a_name_can_be_written_as_a_uuid(name):
    made = UUID(as_uuid(name))
    assert (made.version, made.variant) == (8, RFC_4122)
    assert str(made) == as_uuid(name)


# --- what it costs


def test_each_resource_is_decoded_once_however_many_events_there_are(monkeypatch):
    read = []
    real = records.elements_of

    def counted(raw, kind):
        read.append(raw)
        return real(raw, kind)

    monkeypatch.setattr(records, "elements_of", counted)
    orders = [order(f"o{n}", NOW + n * DAY) for n in range(30)]
    results = [result(f"r{n}", NOW - n * DAY) for n in range(20)]
    rows = events(of_sample([*orders, *results], hooks=ORDER_HOOKS))
    assert len(rows) == 60
    assert len(read) == len(set(read)) == 1 + 30 + 20


def test_a_hundred_thousand_results_are_looked_at_once_and_ten_at_a_time(monkeypatch):
    """What is handed to each judging is bounded, so the whole grows with the results and not with their square."""
    handed = []
    real = judging.judge_request

    def counted(content, service, request, chart):
        handed.append(sum(len(chart.undecoded(search)) for search in content.pack.searches.values()))
        return real(content, service, request, chart)

    monkeypatch.setattr(judging, "judge_request", counted)
    text = msgspec.json.encode(result("r-", NOW)).decode()
    start = NOW - 1000 * DAY
    lines = [
        text.replace('"r-"', f'"r-{n}"').replace(NOW.isoformat(), (start + n * 10 * MINUTE).isoformat())
        for n in range(100_000)
    ]
    random.Random(1).shuffle(lines)  # noqa: S311
    orders = [order(f"o{n}", NOW + n * DAY) for n in range(5)]
    rows = of_sample([*lines, *orders])
    assert len(events(rows)) == 5
    assert problems(rows) == {}
    assert max(handed) < 100
    assert {row["outcome"] for row in events(rows)} <= {"cards", "silent"}


def test_nothing_of_a_patient_is_held_when_the_next_begins(monkeypatch):
    held, still_there = [], []
    real = judging.read_record

    def watched(patient, lines, reading):
        still_there.extend(before for before in held if before() is not None)
        record = real(patient, lines, reading)
        held.append(weakref.ref(record))
        return record

    monkeypatch.setattr(judging, "read_record", watched)
    gc.disable()
    try:
        rows = rows_of(judge(wide_task(), batches(population(8))))
    finally:
        gc.enable()
    assert len(held) == 8
    assert still_there == []
    assert events(rows)
