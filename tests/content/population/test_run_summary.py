"""What a run says: counts against a naive count of the same rows, and what may be shown outside."""

import time
from collections import Counter
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cds_service.population.counting import attention
from cds_service.population.examples import example_of
from cds_service.population.shared_counts import Shown
from cds_service.population.summary import read_summary
from cds_service.population.words import sentence_of
from tests.support.judged_rows import MOMENT, card, event, record, run_of

TOPICS = ("imPlateletsTransfusionFirst", "folateFirst", "doseDiffers")
cards = st.builds(
    card,
    st.sampled_from(TOPICS),
    st.sampled_from(["critical", "warning", "info"]),
    shown=st.booleans(),
    nth=st.integers(1, 3),
    unknown=st.lists(st.sampled_from(["platelets", "egfr"]), max_size=2, unique=True),
)
events = st.lists(
    st.tuples(
        st.lists(cards, max_size=3, unique_by=lambda row: row["topic"]),
        st.sampled_from(["order-sign", "patient-view"]),
        st.sampled_from(["3B", "3C", "4A", None]),
        st.integers(0, 40),
        st.sampled_from("abcdef"),
        st.integers(0, 2),
    ),
    min_size=1,
    max_size=30,
)


def rows_of(drawn):
    return [
        event(
            str(place),
            *made,
            hook=hook,
            unit=unit,
            moment=MOMENT + timedelta(days=days),
            patient=patient,
            not_understood=not_understood,
        )
        for place, (made, hook, unit, days, patient, not_understood) in enumerate(drawn)
    ]


@settings(max_examples=40, deadline=None)
@given(events)
def test_counts_are_those_of_a_naive_count(tmp_path_factory, drawn):
    rows = rows_of(drawn)
    (content,) = read_summary(run_of(tmp_path_factory.mktemp("run") / "out", rows)).counted.contents
    hook = "order-sign" if any(row["hook"] == "order-sign" for row in rows) else ""
    orders = [row for row in rows if row["hook"] == hook]
    spoken = [(row, made) for row in orders for made in row["cards"] if made["shown"]]
    assert content.hook == hook
    assert content.orders == len(orders)
    assert content.patients == len({row["patient"] for row in orders})
    assert content.funnel.events == len(orders)
    assert content.funnel.with_card == sum(row["outcome"] == "cards" for row in orders)
    grave = [row["event"] for row, made in spoken if made["indicator"] != "info"]
    assert content.funnel.interrupting == len(set(grave))
    first = {row["event"] for row, made in spoken if made["indicator"] != "info" and made["nth"] == 1}
    assert content.funnel.first == len(first)
    weeks = Counter((row["moment"] - timedelta(days=row["moment"].weekday())).date() for row, _ in spoken)
    assert {week.monday: week.cards for week in content.weeks} == weeks
    by_rule = Counter((row["hook"], made["topic"]) for row in rows for made in row["cards"] if made["shown"])
    counted = Counter()
    for rule in content.rules:
        counted[rule.hook, rule.topic] += rule.shown
        assert rule.first <= rule.shown <= rule.fired
    assert +counted == by_rule
    assert content.view.with_card == sum(row["outcome"] == "cards" for row in rows if row["hook"] == "patient-view")
    not_understood = [row for row in orders if row["not_understood"]]
    assert content.funnel.not_understood == len(not_understood)
    assert [unit.events for unit in content.units] == sorted((unit.events for unit in content.units), reverse=True)
    of_units = {unit: {row["patient"] for row in rows if row["unit"] == unit} for unit in ("3B", "3C", "4A")}
    named = {None: "not said"} | {unit: unit for unit, patients in of_units.items() if len(patients) > 4}
    others = {row["unit"] for row in orders} - set(named)
    units = Counter(named.get(row["unit"], f"other units ({len(others)})") for row, _ in spoken)
    assert {unit.told: unit.cards for unit in content.units if unit.cards} == units
    assert sum(unit.events for unit in content.units) == len(orders)
    unknown = Counter((made["topic"], fact) for row in rows for made in row["cards"] for fact in made["unknown"])
    assert {(row.topic, row.fact): row.times for row in content.unread} == unknown


def test_what_the_new_content_answers_otherwise_is_counted_by_old_and_new_answer(tmp_path):
    shown = card("a", "warning")
    rows = [
        event("same", shown, content="old"),
        event("same", shown, content="new"),
        *[event(f"silenced-{n}", shown, content="old") for n in range(2)],
        *[event(f"silenced-{n}", content="new") for n in range(2)],
        event("refused", content="old", outcome="not-judged", missing=["platelets"]),
        event("refused", card("b"), content="new"),
    ]
    changes = read_summary(run_of(tmp_path / "run", rows, "old", "new")).counted.changes
    assert [(change.old, change.new, change.events) for change in changes] == [
        (("a",), (), 2),
        (("not-judged",), ("b",), 1),
    ]
    assert changes[0].examples == ("silenced-0", "silenced-1")


def test_a_unit_that_fewer_than_five_patients_have_is_in_no_file_that_is_shown(tmp_path):
    home = "Home of Erika Mustermann, 12 Elm St"
    rows = [event(f"a{n}", card("x"), unit=home, patient=f"p{n % 4}") for n in range(12)]
    rows += [event(f"b{n}", card("y"), unit="3B", patient=f"p{n}") for n in range(5)]
    run = run_of(tmp_path / "run", rows)
    (content,) = read_summary(run).counted.contents
    assert [(unit.told, unit.events) for unit in content.units] == [("other units (1)", 12), ("3B", 5)]
    for name in ("run.json", "summary.json", "examples.ndjson"):
        assert "Mustermann" not in (run / name).read_text()
    assert '"unit":"3B"' in (run / "examples.ndjson").read_text()


def test_a_run_that_tells_no_patients_apart_names_no_unit(tmp_path):
    rows = [event(f"a{n}", card("x"), unit="3B", patient=None) for n in range(12)]
    (content,) = read_summary(run_of(tmp_path / "run", rows)).counted.contents
    assert [(unit.told, unit.events) for unit in content.units] == [("other units (1)", 12)]


def test_a_week_begins_on_monday_in_utc_wherever_it_is_counted(tmp_path, monkeypatch):
    late = MOMENT.replace(hour=20) - timedelta(days=1)  # a Sunday, and in Tokyo the Monday after it
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        run = run_of(tmp_path / "run", [event("e", card("x"), moment=late)])
    finally:
        monkeypatch.undo()
        time.tzset()
    (content,) = read_summary(run).counted.contents
    assert [week.monday.isoformat() for week in content.weeks] == ["2025-12-29"]
    assert example_of(run, "e").day.isoformat() == "2026-01-04"


def test_shadow_and_withdrawn_rules_are_counted_apart_from_those_that_are_shown(tmp_path):
    rows = [event("a", card("x", status="shadow", shown=False)), event("b", card("x"))]
    (content,) = read_summary(run_of(tmp_path / "run", rows)).counted.contents
    assert {(rule.status, rule.fired, rule.shown) for rule in content.rules} == {("shadow", 1, 0), ("active", 1, 1)}


def test_problems_of_all_records_are_added_up(tmp_path):
    rows = [event("a"), record(undated=2), record(undated=3, future=1)]
    assert read_summary(run_of(tmp_path / "run", rows)).counted.problems == (
        ("future", "Observation", 1),
        ("undated", "Observation", 5),
    )


def test_those_who_need_attention_come_the_gravest_first_by_the_new_content(tmp_path):
    view = {"hook": "patient-view"}
    rows = [
        event("i", card("x", "info"), content="new", **view),
        event("c", card("y", "critical"), card("x", "info"), content="new", **view),
        event("silent", content="new", **view),
        event("o", card("z", "critical"), content="old", **view),
        event("signed", card("z", "critical"), content="new"),
    ]
    found = attention(run_of(tmp_path / "run", rows, "old", "new"), 10)
    assert [(row.patient, row.indicator, row.topics) for row in found.patients] == [
        ("of-c", "critical", ("y", "x")),
        ("of-i", "info", ("x",)),
    ]
    first = attention(tmp_path / "run", 1)
    assert (first.patients, first.total, found.total) == (found.patients[:1], 2, 2)


@pytest.mark.parametrize(
    ("count", "text", "number"),
    [(0, "0", 0), (1, "1 to 7", None), (7, "1 to 7", None), (8, "10", 10), (1_234, "1,235", 1_235)],
)
def test_small_counts_are_hidden_and_the_others_rounded(count, text, number):
    assert Shown(7).text(count) == text
    assert Shown(7).number(count) == number
    assert Shown().number(count) == count


def test_a_rate_does_not_tell_what_is_hidden():
    assert Shown(7).rate(3, 100) == "–"
    assert Shown(7).rate(50, 100) == "50.0"
    assert Shown().rate(3, 100) == "3.0"
    assert Shown().rate(0, 0) == "–"


def test_a_rate_that_is_not_none_is_not_written_as_none():
    assert Shown().each(2, 52) == "under 0.1"
    assert Shown().each(0, 52) == "0.0"
    assert Shown().each(3, 52) == "0.1"


def test_patients_whom_nobody_named_are_neither_counted_nor_taken_for_one(tmp_path):
    named = {"hook": "patient-view", "patient": None}
    rows = [event("a", card(TOPICS[0], "critical"), **named), event("b", card(TOPICS[1]), **named)]
    orders = [event(name, card(TOPICS[2]), patient=None) for name in "cd"]
    run = run_of(tmp_path / "run", [*rows, *orders])
    assert [one.topics for one in attention(run, 10).patients] == [(TOPICS[0],), (TOPICS[1],)]
    summary = read_summary(run)
    (content,) = summary.counted.contents
    assert sentence_of(summary, content, Shown()).startswith("2 orders in 365 days: ")
