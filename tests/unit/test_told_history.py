"""The history as a person reads it: every event once, with its dosage, and what was set aside with the reason."""

import pytest

from cds_service.chart.overview import Overview, overview
from cds_service.content.compile import compile_dosage_words
from cds_service.content.inherited import common_words
from cds_service.judge.told_history import as_data
from tests.support.events import (
    CYANOCOBALAMIN,
    INJECTION_OF_B12,
    INTO_MUSCLE,
    J3420,
    chart_of,
    day,
    dispensed,
    done,
    dosage,
    given,
    ordered,
    stated,
)

SAID = compile_dosage_words(common_words())
EVERY_2_DAYS = "every 2 days for 5 doses"
FOLATE = {"text": "Folic acid 5 mg"}
OF_ORDER = {"request": {"reference": "MedicationRequest/o"}}


@pytest.fixture
def told(pack):
    """What is told of a record."""

    def read(*resources):
        return overview(pack.readers, pack.searches.values(), chart_of(resources))

    return read


def in_short(past):
    """Each event as its kind, its id and those of what is one with it."""
    return [
        (entry["kind"], *(each.partition("/")[2] for each in (entry["reference"], *entry.get("one-with", ()))))
        for entry in as_data(SAID, past.events)
    ]


def test_an_order_is_told_with_its_steps_in_words_and_in_the_calendar(told):
    steps = [dosage(2, "d", count=5, route={"text": "IM"}), dosage(1, "mo", route={"text": "IM"})]
    (entry,) = as_data(SAID, told(ordered("o", 20, *steps)).events)
    assert entry == {
        "kind": "ordered",
        "reference": "MedicationRequest/o",
        "drug": "hydroxocobalamin",
        "status": "active",
        "period": {"start": day(20)},
        "dosage": [
            {
                "dose": "1000 ug",
                "route": "IM",
                "interval": "every 2 days for 5 doses",
                "start": day(20),
                "end": day(10),
            },
            {"dose": "1000 ug", "route": "IM", "interval": "monthly", "start": day(10)},
        ],
    }


def test_what_no_words_can_be_made_of_is_told_as_it_was_written(told):
    (entry,) = as_data(SAID, told(ordered("o", 20, {"text": "as the ward says"})).events)
    assert entry["dosage"] == [{"text": "as the ward says", "start": day(20)}]


def test_an_order_begins_with_the_first_dose_that_was_given_of_it(told):
    step = dosage(2, "d", count=5, route=INTO_MUSCLE)
    order = as_data(SAID, told(ordered("o", 20, step), given("g", 15, **OF_ORDER)).events)[0]
    assert (order["period"], order["dosage"][0]["start"], order["dosage"][0]["end"]) == (
        {"start": day(20), "end": day(5)},
        day(15),
        day(5),
    )


@pytest.mark.parametrize(
    ("resource", "kind", "when"),
    [
        (given("a", 30), "given", {"date": day(30)}),
        (dispensed("a", 30), "dispensed", {"date": day(30)}),
        (done("a", 30, INJECTION_OF_B12), "given", {"date": day(30)}),
        (stated("a", 30), "stated", {"period": {"start": day(30)}}),
        (
            stated("a", 30, status="completed", effectivePeriod={"start": day(90), "end": day(70)}),
            "stated",
            {"period": {"start": day(90), "end": day(70)}},
        ),
        (
            stated("a", 30, status="completed", dateAsserted=None, effectivePeriod={"end": day(70)}),
            "stated",
            {"period": {"start": day(70), "end": day(70)}},
        ),
        (ordered("a", 30, intent="plan", reportedBoolean=True), "stated", {"period": {"start": day(30)}}),
        (ordered("a", 30, status="stopped"), "stopped", {"period": {"start": day(30), "end": day(30)}}),
        (ordered("a", 30, status="on-hold"), "ordered", {"period": {"start": day(30), "end": day(30)}}),
        (given("a", 30, effectiveDateTime="2026-09"), "given", {"date": "2026-09-01"}),
    ],
)
def test_each_kind_has_its_day_or_its_days(told, resource, kind, when):
    (entry,) = as_data(SAID, told(resource).events)
    assert entry["kind"] == kind
    assert {name: entry[name] for name in ("date", "period") if name in entry} == when


def test_what_is_one_is_told_once_and_what_was_done_of_an_order_beside_it(told):
    record = [
        ordered("o", 100, dosage(1, "mo"), status="active"),
        ordered("p", 60, dosage(1, "mo"), priorPrescription={"reference": "MedicationRequest/o"}),
        given("g", 90, **OF_ORDER),
        done("d", 90, INJECTION_OF_B12),
        done("e", 90, J3420),
        dispensed("h", 50, authorizingPrescription=[{"reference": "MedicationRequest/p"}]),
        stated("s", 40, basedOn=[{"reference": "MedicationRequest/p"}]),
        given("f", 30),
        done("f", 30, INJECTION_OF_B12),
    ]
    expected = [
        ("ordered", "p", "o"),
        ("given", "g", "d"),
        ("given", "e"),
        ("dispensed", "h"),
        ("stated", "s"),
        ("given", "f", "f"),
    ]
    assert in_short(told(*record)) == expected
    assert in_short(told(*record, *record)) == expected
    assert as_data(SAID, told(*record).events)[0]["period"] == {"start": day(100)}


def test_a_plan_and_the_statement_that_names_it_are_one(told):
    plan = ordered("o", 200, intent="plan")
    assert in_short(told(plan, stated("s", 100, basedOn=[{"reference": "MedicationRequest/o"}]))) == [
        ("stated", "o", "s")
    ]
    assert in_short(told(plan)) == []


def test_drugs_of_two_treatments_are_never_one(told):
    """Both are given on one day, and the procedure does not state its agent."""
    both = [given("f", 10, drug=FOLATE), done("d", 10, INJECTION_OF_B12)]
    assert in_short(told(ordered("o", 20, drug=FOLATE), *both)) == [("ordered", "o"), ("given", "d")]
    folate = {"authorizingPrescription": [{"reference": "MedicationRequest/o"}]}
    assert in_short(told(ordered("o", 20), dispensed("h", 10, drug={"text": "Methotrexate"}, **folate))) == [
        ("ordered", "o"),
        ("dispensed", "h"),
    ]


def test_what_is_no_event_is_set_aside_with_the_reason_of_the_accounts(told, pack):
    past = told(
        ordered("plan", 30, intent="plan"),
        ordered("proposal", 30, intent="proposal"),
        ordered("future", -30),
        ordered("undated", 0, authoredOn=None),
        ordered("others", 30, subject={"reference": "Patient/q"}),
        ordered("other-drug", 30, drug={"text": "Atorvastatin 20 mg"}, status="cancelled"),
        given("not-done", 30, status="not-done"),
        given("nobody", 30, subject=None),
        ordered("status", 30, status="unheard-of"),
        done("words", 30, {"text": "Vitamin B12 injection"}),
        done("operation", 30, {"text": "Removal of something"}),
        {
            "resourceType": "Immunization",
            "id": "i",
            "status": "completed",
            "patient": {"reference": "Patient/p"},
            "vaccineCode": {"text": "Vitamin B12 injection"},
        },
    )
    assert past.events == ()
    assert {aside.reference.partition("/")[2]: aside.reason.key for aside in past.set_aside} == {
        "plan": "planNotCounted",
        "proposal": "onlyProposed",
        "future": "dateInFuture",
        "undated": "dateMissing",
        "others": "otherPatient",
        "not-done": "notGiven",
        "nobody": "subjectMissing",
        "status": "statusNotKnown",
        "words": "toldByWordsOnly",
        "i": "toldByWordsOnly",
    }
    assert {aside.reason.key for aside in past.set_aside} <= set(pack.reasons)
    assert "hydroxocobalamin" in {aside.words for aside in past.set_aside}


def test_entries_of_other_drugs_are_counted(told):
    rxnorm = "http://www.nlm.nih.gov/research/umls/rxnorm"
    other = {"coding": [{"system": rxnorm, "code": "83367"}], "text": "Atorvastatin"}
    past = told(ordered("a", 30, drug=other), ordered("b", 30, drug={"text": "Wonder drug"}), ordered("o", 20))
    assert (in_short(past), past.elsewhere, past.not_known) == ([("ordered", "o")], 1, 1)


def test_what_is_told_does_not_depend_on_the_order_of_entries(told):
    record = [given("b", 10), given("a", 10), ordered("o", 10, dosage(1), drug=CYANOCOBALAMIN)]
    expected = [("given", "a"), ("given", "b"), ("ordered", "o")]
    assert in_short(told(*record)) == expected
    assert in_short(told(*record[::-1])) == expected


def test_nothing_is_told_of_nothing(told):
    assert told() == Overview()
    assert (told().events, told().set_aside, told().older) == ((), (), 0)


def test_only_the_newest_are_told_where_there_are_too_many(pack):
    chart = chart_of([given(f"g{days}", days) for days in range(10, 20)])
    past = overview(pack.readers, pack.searches.values(), chart, most=3)
    assert ([entry["date"] for entry in as_data(SAID, past.events)], past.older) == ([day(12), day(11), day(10)], 7)
