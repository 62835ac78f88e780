"""The history of a patient, read from resources as they were sent: what is drawn, and that nothing sent breaks it."""

import json
import time
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cds_service.console.record_events import history_of, record_events
from cds_service.console.timeline import timeline_of

UNTIL = date(2026, 11, 23)
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
PATIENT = {"reference": "Patient/x"}
DRUG = {"coding": [{"system": "http://www.nlm.nih.gov/research/umls/rxnorm", "code": "317106"}], "text": "The drug"}
MONTHLY = {"text": "monthly", "timing": {"repeat": {"frequency": 1, "period": 1, "periodUnit": "mo"}}}


def resource(kind, **members):
    return {"resourceType": kind, "id": "one", "status": "active", "subject": PATIENT, **members}


def read(prepared, *resources, drafts=()):
    return record_events(prepared, resources, drafts, UNTIL)


def test_an_order_runs_to_its_end_and_its_doses_fall_due(prepared):
    order = resource(
        "MedicationRequest", medicationCodeableConcept=DRUG, authoredOn="2026-08-01", dosageInstruction=[MONTHLY]
    )
    (runs, *due), left_out = read(prepared, order)
    assert (runs.lane, runs.first, runs.goes_on, runs.source) == (
        "Orders",
        date(2026, 8, 1),
        True,
        "MedicationRequest/one",
    )
    assert runs.label == "The drug, monthly"
    assert [d.first for d in due] == [date(2026, month, 1) for month in (8, 9, 10, 11)]
    assert {(d.lane, d.kind) for d in due} == {("Doses ordered", "due")} and left_out == []


@pytest.mark.parametrize(("status", "last", "doses"), [("stopped", date(2026, 9, 15), 2), ("on-hold", None, 2)])
def test_an_order_that_was_stopped_or_held_has_no_doses_afterwards(prepared, status, last, doses):
    order = resource(
        "MedicationRequest", medicationCodeableConcept=DRUG, authoredOn="2026-08-01", dosageInstruction=[MONTHLY]
    )
    (runs, *due), _ = read(prepared, order | {"status": status, "meta": {"lastUpdated": "2026-09-15T08:00:00Z"}})
    assert (runs.last, runs.goes_on, len(due)) == (last, last is None, doses)
    assert status in runs.label


def test_a_daily_order_is_one_period_of_doses(prepared):
    daily = {"timing": {"repeat": {"frequency": 1, "period": 1, "periodUnit": "d"}}}
    order = resource(
        "MedicationRequest", medicationCodeableConcept=DRUG, authoredOn="2026-01-01", dosageInstruction=[daily]
    )
    (_, doses), _ = read(prepared, order)
    assert (doses.kind, doses.first, doses.last) == ("doses", date(2026, 1, 1), UNTIL)
    assert doses.label.startswith("more than 60 doses")


def test_other_entries_have_their_lanes(prepared):
    dose = resource(
        "MedicationAdministration", status="completed", medicationCodeableConcept=DRUG, effectiveDateTime="2026-09-01"
    )
    handed = resource(
        "MedicationDispense", status="completed", medicationCodeableConcept=DRUG, whenHandedOver="2026-08-02"
    )
    stated = resource(
        "MedicationStatement", medicationCodeableConcept=DRUG, effectivePeriod={"start": "2020-01", "end": "2024"}
    )
    problem = resource("Condition", code={"text": "A problem"}, recordedDate="2020-02-02")
    done = resource(
        "Procedure", status="completed", code={"text": "An operation"}, performedPeriod={"start": "2026-01-01"}
    )
    quantity = {"value": Decimal("21.5"), "unit": "10*9/L"}
    result = resource(
        "Observation", status="final", code={"text": "A count"}, effectiveDateTime="2026-10-01", valueQuantity=quantity
    )
    events, _ = read(prepared, dose, handed, stated, problem, done, result)
    assert [event.lane for event in events] == [
        "Doses given",
        "Dispensed",
        "Stated",
        "Problems",
        "Procedures",
        "A count, 10*9/L",
    ]
    assert (events[2].first, events[2].last) == (date(2020, 1, 1), date(2024, 1, 1))
    assert (events[5].value, events[5].label) == (21.5, "21.5 10*9/L")


def test_other_drugs_are_counted_and_what_did_not_happen_is_left_out(prepared):
    other = resource("MedicationRequest", medicationCodeableConcept={"text": "Aspirin"}, authoredOn="2026-08-01")
    wrong = resource("MedicationAdministration", status="entered-in-error", medicationCodeableConcept=DRUG)
    events, (said,) = read(prepared, other, wrong)
    assert (events, said) == ([], "Not drawn: 1 entry of drugs that the content is not about, or does not know.")


def test_a_draft_stands_at_the_end(prepared):
    (draft,), _ = read(prepared, drafts=[resource("MedicationRequest", medicationCodeableConcept=DRUG)])
    assert (draft.kind, draft.first, draft.label) == ("draft", UNTIL, "draft: The drug")


@pytest.mark.parametrize(
    ("written", "reason"), [({}, "it has no date"), ({"authoredOn": "soon"}, "its date, 'soon', cannot be read")]
)
def test_an_order_without_a_date_is_said(prepared, written, reason):
    body = {"prefetch": {"orders": resource("MedicationRequest", medicationCodeableConcept=DRUG, **written)}}
    picture = history_of(prepared, body, NOW)
    assert picture.not_drawn == (("MedicationRequest/one", "The drug", reason),)


NAMES = ["resourceType", "id", "entry", "resource", "status", "code", "text", "coding", "subject", "value", "unit"]
DATES = ["authoredOn", "effectiveDateTime", "effectivePeriod", "start", "end", "meta", "lastUpdated", "onsetDateTime"]
DOSES = ["dosageInstruction", "timing", "repeat", "period", "valueQuantity", "medicationCodeableConcept"]
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.decimals() | st.text(max_size=12),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from([*NAMES, *DATES, *DOSES]),
            inner
            | st.sampled_from(["Bundle", "Observation", "Condition", "MedicationRequest", "9999-12-31", "0001-01-01"]),
            max_size=6,
        )
    ),
    max_leaves=30,
)


@given(
    st.dictionaries(st.sampled_from(["prefetch", "context", "draftOrders"]), ANYTHING) | ANYTHING,
    st.datetimes(timezones=st.just(UTC)),
)
@settings(max_examples=200, deadline=None)
def test_whatever_was_sent_the_history_does_not_break(prepared, body, now):
    history_of(prepared, body, now)


@pytest.mark.parametrize("kind", ["MedicationRequest", "Observation", "Condition", "MedicationStatement", "Procedure"])
@pytest.mark.parametrize(
    "when", ["9999-12-30", "0001-01-02", "9999-12-31T23:59:59Z", "2026-13-45", 5, None, {"start": 3}]
)
@pytest.mark.parametrize("now", ["9999-12-31T12:00:00+00:00", "0001-01-01T12:00:00+00:00", "2026-11-23T12:00:00+00:00"])
def test_the_ends_of_the_calendar_do_not_break_it(prepared, kind, when, now):
    dates = dict.fromkeys(
        ["authoredOn", "effectiveDateTime", "onsetDateTime", "effectivePeriod", "performedDateTime"], when
    )
    sent = resource(kind, code={"text": "x"}, medicationCodeableConcept=DRUG, dosageInstruction=[MONTHLY], **dates)
    body = json.loads(json.dumps({"prefetch": {"x": sent}}), parse_float=Decimal)
    history_of(prepared, body, datetime.fromisoformat(now))


def test_results_of_two_units_are_not_joined(prepared):
    def count(value, unit):
        quantity = {"value": Decimal(value), "unit": unit}
        return resource(
            "Observation", status="final", code={"text": "A count"}, issued="2026-10-01", valueQuantity=quantity
        )

    events, _ = read(prepared, count("22", "10*9/L"), count("22000", "/uL"))
    assert [event.lane for event in events] == ["A count, 10*9/L", "A count, /uL"]


def test_a_record_of_thousands_of_orders_is_drawn_in_a_moment(prepared):
    daily = {"timing": {"repeat": {"frequency": 1, "period": 1, "periodUnit": "d"}}}
    order = {"medicationCodeableConcept": DRUG, "authoredOn": "2001-01-01", "dosageInstruction": [daily] * 60}
    began = time.process_time()
    events, (said,) = read(prepared, *(resource("MedicationRequest", **order, id=str(n)) for n in range(3000)))
    assert time.process_time() - began < 10
    assert said == "Not drawn: the doses ordered by 2940 of 3000 orders."
    picture = timeline_of("x", events, UNTIL)
    assert len(picture.rows) == 400
