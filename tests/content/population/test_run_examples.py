"""Examples of a run: which events they are, and what is kept of them for a page."""

import json

import pytest

from cds_service.population.examples import EXAMPLES, example_of, headings_of
from cds_service.population.summary import read_summary
from tests.support.judged_rows import card, event, run_of

FACT = {"name": "platelets", "state": "value", "value": "22", "because": None}
FACT |= {"sources": [{"type": "Observation", "times": 1, "latest": 3, "earliest": 3}], "set_aside": None}
ASKED = {"name": "platelets", "value": "22", "behind": []}


def names_in(run):
    return [json.loads(line)["event"] for line in (run / EXAMPLES).read_text().splitlines()]


def test_of_each_rule_on_each_hook_the_ten_events_whose_names_come_first_are_examples(tmp_path):
    often = [event(f"{n:02}", card("often")) for n in range(90, 60, -1)]
    seldom = [event("zz", card("seldom"), card("often")), event("silent")]
    views = [event(f"v{n}", card("often"), hook="patient-view") for n in range(3)]
    run = run_of(tmp_path / "run", [*often, *seldom, *views])
    (content,) = read_summary(run).counted.contents
    assert {(rule.topic, rule.hook): rule.examples for rule in content.rules} == {
        ("often", "order-sign"): tuple(f"{n:02}" for n in range(61, 71)),
        ("seldom", "order-sign"): ("zz",),
        ("often", "patient-view"): ("v0", "v1", "v2"),
    }
    assert names_in(run) == [*(f"{n:02}" for n in range(61, 71)), "v0", "v1", "v2", "zz"]


def test_an_example_has_its_reasons_and_neither_patient_nor_prescriber(tmp_path):
    made = card("a", "critical", asked=[ASKED], facts=[FACT])
    rows = [event("e", card("b"), made, card("c", "critical", shown=False), prescriber="somebody", unit="3B")]
    run = run_of(tmp_path / "run", [*rows, *(event(f"silent-{n}", unit="3B") for n in range(4))])
    example = example_of(run, "e")
    assert (example.hook, example.unit, example.orders) == ("order-sign", "3B", 1)
    answer = example.answers["content"]
    assert [(fired.topic, fired.shown) for fired in answer.fired] == [("a", True), ("b", True), ("c", False)]
    assert [[source.latest for source in fact.sources] for fact in answer.fired[0].facts] == [[3]]
    assert [asked.value for asked in answer.fired[0].asked] == ["22"]
    text = (run / EXAMPLES).read_text()
    assert "of-e" not in text and "somebody" not in text


def test_an_example_has_the_day_of_its_event_and_no_time(tmp_path):
    run = run_of(tmp_path / "run", [event("e", card("a"))])
    (told,) = map(json.loads, (run / EXAMPLES).read_text().splitlines())
    assert told["day"] == "2026-01-05" and "moment" not in told and "09:00" not in json.dumps(told)


def test_an_example_names_its_unit_only_where_five_patients_have_it(tmp_path):
    rows = [event(f"e{n}", card("a"), unit=unit) for n, unit in enumerate(["3B"] * 5 + ["Home of Mrs Doe"] * 4)]
    run = run_of(tmp_path / "run", rows)
    assert [example_of(run, f"e{n}").unit for n in range(9)] == ["3B"] * 5 + [None] * 4
    assert "Doe" not in (run / EXAMPLES).read_text()


def test_events_that_could_not_be_judged_and_those_that_are_answered_otherwise_are_examples_too(tmp_path):
    rows = [
        event("same", content="old"),
        event("same", content="new"),
        event("other", card("a"), content="old"),
        event("other", content="new"),
        event("open", content="old", outcome="not-judged", missing=["platelets"]),
        event("open", content="new", outcome="not-judged", missing=["platelets"]),
    ]
    run = run_of(tmp_path / "run", rows, "old", "new")
    assert names_in(run) == ["open", "other"]
    assert [len(answer.fired) for answer in example_of(run, "other").answers.values()] == [0, 1]
    assert example_of(run, "open").answers["new"].missing == ("platelets",)


def test_which_events_the_examples_are_can_be_told_without_their_reasons(tmp_path):
    run = run_of(tmp_path / "run", [event("e", card("a")), event("v", card("a"), hook="patient-view")])
    assert {name: heading.hook for name, heading in headings_of(run).items()} == {
        "e": "order-sign",
        "v": "patient-view",
    }


def test_an_example_that_an_earlier_software_kept_can_still_be_read(tmp_path):
    """It named one source of a fact, which is left out."""
    run = run_of(tmp_path / "run", [event("e", card("a", asked=[ASKED], facts=[FACT]))])
    kept = json.loads((run / EXAMPLES).read_text())
    (fact,) = kept["answers"]["content"]["fired"][0]["facts"]
    del fact["sources"], fact["set_aside"]
    fact |= {"source": "Observation", "days": 3}
    (run / EXAMPLES).write_text(json.dumps(kept, separators=(",", ":")) + "\n")
    (told,) = example_of(run, "e").answers["content"].fired[0].facts
    assert (told.value, told.sources) == ("22", ())


@pytest.mark.parametrize("name", ["", "none", "e1", '"', '","hook', "../../etc/passwd", "\0", "é" * 99])
def test_what_is_no_example_is_none(tmp_path, name):
    run = run_of(tmp_path / "run", [event("e12", card("a"))])
    assert example_of(run, "e12") is not None
    assert example_of(run, name) is None


def test_a_run_without_the_file_or_with_one_that_is_broken_has_no_examples(tmp_path):
    run = run_of(tmp_path / "run", [event("e", card("a"))])
    (run / EXAMPLES).write_text('{"event":"e","hook":\n')
    assert example_of(run, "e") is None and headings_of(run) == {}
    (run / EXAMPLES).unlink()
    assert example_of(run, "e") is None and headings_of(run) == {}
