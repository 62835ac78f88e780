"""What a run keeps of the reasons of each rule that fired: enough to tell why, and nothing that tells who."""

import json
import re

import pytest

from tests.support.population import (
    DAY,
    NOW,
    PLATELETS,
    STORIES,
    events,
    exported,
    judged,
    of_sample,
    order,
    prepared,
    result,
    task_for,
)
from tests.support.scenarios import by_name

BANDS = {"0-17", "18-39", "40-64", "65-79", "80+"}
PLANTED = "Zebedee"
SOME = STORIES[::7]


def fired(rows):
    return [card for row in events(rows) for card in row["cards"]]


def planted(resources):
    """Resources in which every text, and every id, is one that could be told from all others."""
    text = json.dumps(resources)
    text = re.sub(r'"(text|display|family|div)": "', rf'"\1": "{PLANTED} ', text)
    text = re.sub(r'"id": "', rf'"id": "{PLANTED}-', text)
    return json.loads(re.sub(r'"reference": "([A-Za-z]+)/', rf'"reference": "\1/{PLANTED}-', text))


def test_a_rule_is_kept_with_what_it_asked_for_and_with_the_facts_that_it_rests_on():
    rows = of_sample([order("o", NOW), result("r", NOW - 3 * DAY)])
    (card,) = [card for card in fired(rows) if card["topic"] == PLATELETS]
    facts = {fact["name"]: fact for fact in card["facts"]}
    assert facts["platelets"] | {"value": ""} == {
        "name": "platelets",
        "state": "value",
        "value": "",
        "because": None,
        "sources": [{"type": "Observation", "times": 1, "latest": 3, "earliest": 3}],
        "set_aside": None,
    }
    assert re.fullmatch(r"\d+ ×10⁹/L", facts["platelets"]["value"])
    asked = {one["name"]: one["value"] for one in card["asked"]}
    assert asked["platelets"] == facts["platelets"]["value"]
    assert set(asked) <= {*facts, *prepared().pack.decisions}


def test_a_fact_names_all_that_it_was_read_from_by_type():
    """Treatment in the last year is told by an order that is still active and by five doses."""
    story = by_name("patient-view/overdue")
    (card,) = fired(judged(task_for(story), story.patient, exported(story)))
    facts = {fact["name"]: fact for fact in card["facts"]}
    assert facts["b12-treatment"]["sources"] == [
        {"type": "MedicationRequest", "times": 1, "latest": 300, "earliest": 300},
        {"type": "MedicationAdministration", "times": 5, "latest": 120, "earliest": 307},
    ]


def test_a_newer_result_that_was_not_used_is_told_from_the_one_that_was():
    unreadable = result("n", NOW - DAY, valueQuantity={"value": 180, "unit": "buckets"})
    rows = of_sample([order("o", NOW), result("r", NOW - 3 * DAY), unreadable])
    (card,) = [card for card in fired(rows) if card["topic"] == PLATELETS]
    (count,) = [fact for fact in card["facts"] if fact["name"] == "platelets"]
    assert [source["latest"] for source in count["sources"]] == [3] and count["state"] == "value"
    assert count["set_aside"] == {"type": "Observation", "times": 1, "latest": 1, "earliest": 1}
    assert count["because"] == "The unit … is not known for it."


def test_whole_numbers_are_told_whole():
    """A dose was due 58 days ago, or three years and 58 days."""
    story = by_name("patient-view/overdue")
    older = json.loads(json.dumps(exported(story)).replace("2026-", "2023-").replace("2025-", "2022-"))
    due = [
        fact["value"]
        for record in (exported(story), older)
        for card in fired(judged(task_for(story), story.patient, record))
        for fact in card["facts"]
        if fact["name"] == "b12-due-days"
    ]
    assert due == ["-58 days", "-1154 days"]


@pytest.mark.parametrize("story", SOME, ids=lambda story: story.name)
def test_what_is_asked_is_told_by_the_facts_beside_it(story):
    for card in fired(judged(task_for(story), story.patient, exported(story))):
        facts = {fact["name"]: fact for fact in card["facts"]}
        assert {name for one in card["asked"] for name in one["behind"]} <= set(facts)
        for state in ("unknown", "unusable"):
            assert card[state] == sorted(name for name, fact in facts.items() if fact["state"] == state)
        for fact in facts.values():
            assert fact["value"] and (fact["state"] == "value" or fact["because"] or fact["state"] != "unusable")


def test_an_age_is_told_by_its_band_alone():
    told = [
        one["value"]
        for story in STORIES[::3]
        for card in fired(judged(task_for(story), story.patient, exported(story)))
        for one in (*card["facts"], *card["asked"])
        if one["name"] == "patient-age"
    ]
    assert len(set(told)) > 2 and set(told) <= BANDS


def test_no_text_and_no_id_of_a_record_is_in_what_is_kept_of_a_rule():
    found = []
    for story in SOME:
        name = f"{PLANTED}-{story.patient}"
        rows = judged(task_for(story), name, planted(exported(story)))
        found += fired(rows)
    assert len({card["topic"] for card in found}) > 20
    assert PLANTED.casefold() not in json.dumps(found).casefold()
