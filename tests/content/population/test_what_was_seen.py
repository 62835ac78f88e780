"""What is seen at which moment, what is one event, and what an export cannot say of the past."""

import json
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cds_service.judge.evaluate import judge_request
from cds_service.population import judging
from tests.support.population import (
    DAY,
    EVERY_HOOK,
    MINUTE,
    NOW,
    ORDER_HOOKS,
    PLATELETS,
    SAMPLE,
    STORIES,
    events,
    exported,
    judged,
    of_patient,
    of_sample,
    order,
    person,
    problems,
    result,
    signed,
    task_for,
    task_of,
    topics,
)
from tests.support.scenarios import by_name

# --- what is seen at a moment


def ids_handed(monkeypatch, key):
    """The ids of what every judging from now on is handed under a key."""
    handed = []

    def watched(content, service, request, chart):
        handed.extend(json.loads(raw)["id"] for raw in chart.undecoded(content.pack.searches[key]))
        return judge_request(content, service, request, chart)

    monkeypatch.setattr(judging, "judge_request", watched)
    return handed


def test_a_result_is_seen_when_it_is_issued_and_not_when_it_was_taken():
    taken = NOW - 3 * DAY
    before = result("a", taken, issued=(NOW - MINUTE).isoformat())
    after = result("a", taken, issued=NOW.isoformat())
    (seen,), (unseen,) = (events(of_sample([order("o", NOW), one])) for one in (before, after))
    assert topics(seen) == [PLATELETS]
    assert topics(unseen) == []


def test_of_a_search_for_the_newest_results_the_newest_that_were_seen_count():
    """Ten are asked for: the newest by when they were taken, of those that had been issued."""
    low = result("low", NOW - 2 * DAY)
    normal = {**low, "valueQuantity": {**low["valueQuantity"], "value": 250}}
    later = [
        {
            **normal,
            "id": f"n{n}",
            "effectiveDateTime": (NOW - DAY + n * MINUTE).isoformat(),
            "issued": issued.isoformat(),
        }
        for n, issued in enumerate([NOW] * 15)
    ]
    older = [{**normal, "id": f"o{n}", "effectiveDateTime": (NOW - (3 + n) * DAY).isoformat()} for n in range(15)]
    first, second = order("first", NOW), order("second", NOW + 60 * MINUTE)
    rows = events(of_sample([first, second, low, *later, *older]))
    assert [topics(row) for row in rows] == [[PLATELETS], []]


def test_a_result_with_several_codes_is_found_once_by_each_search_that_asks_for_one_of_them(monkeypatch):
    """A laboratory sends its own code beside that of LOINC, which may be there twice in two spellings."""
    handed = ids_handed(monkeypatch, "platelets")
    several = result("several", NOW - DAY)
    known = next(one for one in several["code"]["coding"] if one.get("system") == "http://loinc.org")
    own = {"system": "urn:oid:1.2.3", "code": known["code"]}
    spelled = {**known, "system": "urn:oid:2.16.840.1.113883.6.1"}
    several["code"] = {"coding": [own, {"display": "no code"}, known, spelled]}
    others = {**result("others", NOW - DAY), "code": {"coding": [own, {"code": known["code"]}]}}
    assert topics(events(of_sample([order("o", NOW), several, others]))[0]) == [PLATELETS]
    assert handed == ["several"]


@pytest.mark.parametrize("kind", ["Observation", "Condition", "MedicationRequest"])
def test_what_is_undated_or_of_the_future_is_counted_and_never_seen(kind):
    resource = next(one for one in SAMPLE.resources if one["resourceType"] == kind)
    dates = ("issued", "effectiveDateTime", "recordedDate", "onsetDateTime", "authoredOn")
    undated = {**{key: value for key, value in resource.items() if key not in dates}, "id": "undated"}
    date = {"Observation": "issued", "Condition": "recordedDate", "MedicationRequest": "authoredOn"}[kind]
    future = {**undated, "id": "future", date: (NOW + 500 * DAY).isoformat()}
    rows = of_sample([order("o", NOW), undated, undated | {"id": "another"}, future])
    assert problems(rows) == {("undated", kind): 2, ("future", kind): 1}
    assert events(rows) == events(of_sample([order("o", NOW)]))


def test_what_is_broken_or_unknown_is_counted_and_the_rest_is_judged():
    count = result("a", NOW - DAY)
    odd = {"resourceType": "Condition", "id": "c", "subject": count["subject"], "clinicalStatus": 5}
    lines = [
        order("o", NOW),
        count,
        {**odd, "recordedDate": "2026-01-01"},
        {"resourceType": "Basic", "id": "b"},
        {"id": "of no type"},
        '{"resourceType": "Observation", ',
        '{"a":' * 5000 + "1" + "}" * 5000,
    ]
    rows = of_sample(lines)
    assert problems(rows) == {
        ("type-not-known", "Basic"): 1,
        ("type-not-known", ""): 1,
        ("line-not-json", ""): 2,
    }
    (row,) = events(rows)
    assert topics(row)[0].startswith("imPlateletsTransfusion")
    assert row["not_understood"] == 1


def test_a_record_without_its_patient_is_told_and_nothing_is_known_of_the_person():
    task = task_of(["order-sign"], NOW, NOW + DAY)
    rows = judged(task, SAMPLE.patient, [order("o", NOW)])
    assert problems(rows) == {("record-without-patient", ""): 1}
    (row,) = events(rows)
    assert (row["age_band"], row["sex"]) == (None, None)
    (row,) = events(of_sample([order("o", NOW)]))
    assert row["age_band"] is not None
    assert row["sex"] == person()["gender"]


def test_of_a_type_that_the_export_does_not_have_nothing_is_known():
    every = {"Patient", "MedicationRequest", "Observation", "Condition", "AllergyIntolerance", "Procedure"}
    (whole,) = events(of_sample([order("o", NOW)]))
    (without,) = events(of_sample([order("o", NOW)], exported=frozenset(every - {"Observation"})))
    assert (whole["outcome"], whole["missing"]) == ("silent", [])
    assert without["outcome"] == "not-judged"
    assert "platelets" in without["missing"]


_AFTER = {
    "Observation": ("issued", "effectiveDateTime"),
    "Condition": ("recordedDate", "onsetDateTime"),
    "AllergyIntolerance": ("recordedDate", "onsetDateTime"),
    "MedicationRequest": ("authoredOn", ""),
    "MedicationAdministration": ("effectiveDateTime", ""),
    "MedicationStatement": ("dateAsserted", "effectiveDateTime"),
    "MedicationDispense": ("whenHandedOver", "whenPrepared"),
    "Procedure": ("performedDateTime", ""),
}


def moved_behind(story, other, later, earlier):
    """The resources of another record, each begun before the moment of ``story`` and seen then or later.

    What the same prescriber signs within minutes is part of what was signed, and of two orders of one moment either may
    be told as the second, so these orders are of another prescriber and a minute later.
    """
    dates = {name for names in _AFTER.values() for name in names} | {
        "effectivePeriod",
        "performedPeriod",
        "onsetPeriod",
    }
    for place, resource in enumerate(exported(other)):
        if resource["resourceType"] in _AFTER:
            seen, began = _AFTER[resource["resourceType"]]
            bare = {key: value for key, value in resource.items() if key not in dates}
            bare |= {"id": f"added-{place}", "requester": {"reference": "Practitioner/another"}}
            bare |= {began: (story.now - earlier).isoformat()} if began else {}
            delay = later + (MINUTE if seen == "authoredOn" else timedelta())
            yield bare | {seen: (story.now + delay).isoformat()}


@settings(max_examples=40)
@given(
    st.integers(0, len(STORIES) - 1),
    st.integers(0, len(STORIES) - 1),
    st.one_of(st.just(timedelta()), st.timedeltas(timedelta(), 300 * DAY)),
    st.timedeltas(MINUTE, 20 * DAY),
)
def test_what_is_seen_later_changes_no_event(one, another, later, earlier):
    story, other = STORIES[one], STORIES[another]
    added = of_patient(list(moved_behind(story, other, later, earlier)), other.patient, story.patient)
    is_view = story.hook == "patient-view"
    hooks, until = (["patient-view"], story.now) if is_view else (ORDER_HOOKS, story.now + 400 * DAY)
    task = task_of(hooks, story.now, until)
    before = events(judged(task, story.patient, exported(story)))
    after = {row["event"]: row for row in events(judged(task, story.patient, [*exported(story), *added]))}
    assert [after[row["event"]] for row in before] == before


# --- what is one event


def test_what_one_prescriber_signs_in_a_quarter_of_an_hour_is_one_event():
    of = {"encounter": {"reference": "Encounter/e"}, "requester": {"reference": "Practitioner/p"}}
    orders = [order("a", NOW, **of), order("b", NOW + 15 * MINUTE, **of), order("c", NOW + 16 * MINUTE, **of)]
    rows = events(of_sample(orders))
    assert [(row["moment"] - NOW, row["orders"]) for row in rows] == [(15 * MINUTE, 2), (16 * MINUTE, 1)]
    assert len({row["event"] for row in rows}) == 2


@pytest.mark.parametrize(
    ("element", "other"), [("encounter", "Encounter/other"), ("requester", "Practitioner/other"), ("requester", None)]
)
def test_what_is_signed_elsewhere_or_by_another_is_another_event(element, other):
    of = {"encounter": {"reference": "Encounter/e"}, "requester": {"reference": "Practitioner/p"}}
    elsewhere = of | {element: {"reference": other} if other else None}
    rows = events(of_sample([order("a", NOW, **of), order("b", NOW, **elsewhere)]))
    assert [row["orders"] for row in rows] == [1, 1]


def test_orders_of_a_session_are_drafts_beside_each_other_and_no_history():
    """Folic acid beside B12 that is signed with it is silent; that which was signed long before is history."""
    alone = by_name("folate-first/b12Stopped")
    record = [one for one in alone.resources if one["resourceType"] != "MedicationRequest"]
    folate, b12 = (
        signed(alone.drafts[0], NOW),
        {**order("b12", NOW + 5 * MINUTE), "subject": alone.drafts[0]["subject"]},
    )
    task = task_of(["order-sign"], NOW - DAY, NOW + DAY)
    (row,) = events(judged(task, alone.patient, [*record, folate]))
    assert any(topic.startswith("folateFirst") for topic in topics(row))
    (row,) = events(judged(task, alone.patient, [*record, folate, b12]))
    assert row["orders"] == 2
    assert not any(topic.startswith("folateFirst") for topic in topics(row))


def test_what_was_signed_in_the_session_is_not_yet_on_record(monkeypatch):
    handed = ids_handed(monkeypatch, "medicationRequests")
    assert len(
        events(of_sample([order("long-ago", NOW - 300 * DAY), order("a", NOW), order("b", NOW + MINUTE)], days=1))
    )
    assert handed == ["long-ago"]


@pytest.mark.parametrize(
    "change",
    [
        {"status": "entered-in-error"},
        {"status": "cancelled"},
        {"status": "draft"},
        {"status": "unknown"},
        {"intent": "plan"},
        {"intent": "instance-order"},
        {"reportedBoolean": True},
        {"authoredOn": (NOW - 500 * DAY).isoformat()},
        {"authoredOn": (NOW + 400 * DAY).isoformat()},
        {"doNotPerform": True},
    ],
    ids=str,
)
def test_what_nobody_signed_in_the_window_is_no_event(change):
    assert events(of_sample([order("o", NOW) | change])) == []


@pytest.mark.parametrize("status", ["active", "on-hold", "completed", "stopped"])
def test_whatever_became_of_an_order_it_was_a_draft_when_it_was_signed(status):
    (row,) = events(of_sample([order("o", NOW, status=status), result("a", NOW - DAY)]))
    assert topics(row) == [PLATELETS]


def test_a_drug_is_known_by_the_medication_that_its_order_refers_to():
    draft = {key: value for key, value in SAMPLE.drafts[0].items() if key != "medicationCodeableConcept"}
    referring = signed(draft | {"medicationReference": {"reference": "Medication/m"}}, NOW)
    medication = {"resourceType": "Medication", "id": "m", "code": SAMPLE.drafts[0]["medicationCodeableConcept"]}
    assert events(of_sample([referring])) == []
    (row,) = events(of_sample([referring, medication, result("a", NOW - DAY)]))
    assert topics(row) == [PLATELETS]
    assert row["drug"]


def test_each_hook_has_its_event_and_the_patient_is_looked_at_at_the_end():
    rows = events(of_sample([order("o", NOW)], hooks=EVERY_HOOK, days=1))
    assert [(row["hook"], row["moment"]) for row in rows] == [
        ("order-select", NOW),
        ("order-sign", NOW),
        ("patient-view", NOW + DAY),
    ]
    assert len({row["event"] for row in rows}) == 3


def test_a_row_tells_where_and_what_was_ordered():
    of = {"encounter": {"reference": "Encounter/e"}, "requester": {"reference": "Practitioner/p"}}
    wards = [
        {"location": {"display": "Ward 1"}, "period": {"start": (NOW - DAY).isoformat()}},
        {"location": {"display": "Ward 2"}, "period": {"start": (NOW + DAY).isoformat()}},
    ]
    encounter = {"resourceType": "Encounter", "id": "e", "location": wards, "serviceProvider": {"display": "Clinic"}}
    (row,) = events(of_sample([order("o", NOW, **of), encounter]))
    assert (row["unit"], row["route"], row["orders"]) == ("Ward 1", "IM", 1)
    assert row["drug"]
    assert row["agent"]
    assert row["prescriber"] not in (None, "Practitioner/p")
    (row,) = events(of_sample([order("o", NOW, **of), {**encounter, "location": []}]))
    assert row["unit"] == "Clinic"
    (row,) = events(of_sample([order("o", NOW)]))
    assert (row["unit"], row["prescriber"]) == (None, None)


# --- what is not known of the past


def test_cards_that_depend_on_when_an_order_ended_are_told():
    stopped = by_name("folate-first/b12Stopped")
    active = [
        {**one, "status": "active"} if one["resourceType"] == "MedicationRequest" else one for one in exported(stopped)
    ]
    (ended,), (never) = (
        events(judged(task_for(stopped), stopped.patient, record)) for record in (exported(stopped), active)
    )
    assert topics(ended) == ["folateFirstTreatFirst"]
    assert ended["status_dependent"]
    assert [(topics(row), row["status_dependent"]) for row in never] == [([], False)]


def test_the_third_card_of_a_rule_says_so_and_how_long_ago_the_second_was():
    orders = [order("a", NOW), order("b", NOW + 2 * DAY), order("c", NOW + 7 * DAY)]
    rows = events(of_sample([*orders, result("r", NOW - MINUTE)], hooks=ORDER_HOOKS, patients="none"))
    told = {
        hook: [
            (card["nth"], card["days_since"])
            for row in rows
            if row["hook"] == hook
            for card in row["cards"]
            if card["topic"] == PLATELETS
        ]
        for hook in ORDER_HOOKS
    }
    assert told == {hook: [(1, None), (2, 2), (3, 5)] for hook in ORDER_HOOKS}
    assert {row["patient"] for row in rows} == {None}
