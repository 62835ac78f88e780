"""The history of a patient as a picture: what is drawn of what the service read, and that nothing sent breaks it."""

import copy
import json
import time
from datetime import UTC, date, datetime
from functools import cache

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cds_service.chart.overview import overview
from cds_service.chart.record import Chart
from cds_service.console.answer import shown_answer
from cds_service.console.record_events import MOST_TOLD, record_events, result_events
from cds_service.console.timeline import timeline_of
from cds_service.content.prepared import Prepared
from cds_service.judge.explanation import results_of
from tests.support.scenarios import by_name, request_of
from tests.support.shipped import shipped_pack

UNTIL = date(2026, 11, 23)
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
PATIENT = {"reference": "Patient/x"}
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
DRUG = {"coding": [{"system": RXNORM, "code": "317106"}], "text": "The drug"}
MONTHLY = {"text": "monthly", "timing": {"repeat": {"frequency": 1, "period": 1, "periodUnit": "mo"}}}
DAILY = {"timing": {"repeat": {"frequency": 1, "period": 1, "periodUnit": "d"}}}
SAMPLE = "platelets-and-im/sample"
SNOMED = "http://snomed.info/sct"
DEFICIENCY = {"coding": [{"system": SNOMED, "code": "190634004"}], "text": "B12 deficiency"}
PLATELETS = {"coding": [{"system": "http://loinc.org", "code": "777-3"}], "text": "A count"}


def resource(kind, **members):
    return {"resourceType": kind, "id": "one", "status": "active", "subject": PATIENT, **members}


def order(**members):
    defaults = {"intent": "order", "medicationCodeableConcept": DRUG, "authoredOn": "2026-08-01"}
    return resource("MedicationRequest", **{**defaults, "dosageInstruction": [MONTHLY], **members})


def count(value, unit="10*9/L", **members):
    quantity = {"value": value, "unit": unit}
    return resource(
        "Observation", status="final", code=PLATELETS, effectiveDateTime="2026-11-01", valueQuantity=quantity, **members
    )


def answered(asked, resources):
    """What a server answers that looks at the type only."""
    entries = [{"resource": each} for each in resources if each["resourceType"] == asked.resource]
    return {"resourceType": "Bundle", "entry": entries}


def read(prepared, *resources, now=NOW):
    """What is drawn of a record: its events, and what is said of those left out."""
    pack = prepared.pack
    searches = list(pack.searches.values())
    sent = {each.key: msgspec.Raw(json.dumps(answered(each, resources)).encode()) for each in searches}
    chart = Chart("x", sent, now, UTC)
    past = overview(pack.readers, searches, chart, MOST_TOLD)
    events, left_out = record_events(prepared, searches, chart, past, now.date())
    return [*events, *result_events(prepared, results_of(pack, pack.decisions, chart))], left_out


def test_an_order_runs_to_its_end_and_its_doses_fall_due(prepared):
    (runs, *due), left_out = read(prepared, order())
    assert (runs.lane, runs.first, runs.goes_on, runs.source) == (
        "Orders",
        date(2026, 8, 1),
        True,
        "MedicationRequest/one",
    )
    assert runs.label == "The drug, monthly"
    assert [d.first for d in due] == [date(2026, month, 1) for month in (8, 9, 10, 11)]
    assert {(d.lane, d.kind) for d in due} == {("Doses ordered", "due")} and left_out == []
    assert {d.label for d in due} == {"The drug"}


def test_the_steps_of_an_order_follow_each_other(prepared):
    loading = {"timing": {"repeat": {"frequency": 1, "period": 2, "periodUnit": "d", "count": 3}}}
    (runs, *due), _ = read(prepared, order(authoredOn="2026-10-01", dosageInstruction=[loading, MONTHLY]))
    assert runs.label == "The drug, every 2 days for 3 doses; monthly"
    assert [d.first for d in due] == [
        *(date(2026, 10, day) for day in (1, 3, 5, 7)),
        date(2026, 11, 7),
    ]


def test_a_dose_is_worded_as_the_service_understands_it(prepared):
    given = resource(
        "MedicationAdministration",
        status="completed",
        medicationCodeableConcept=DRUG,
        effectiveDateTime="2026-09-15",
        dosage={
            "route": {"coding": [{"system": SNOMED, "code": "78421000", "display": "Intramuscular route"}]},
            "dose": {"value": 1000, "unit": "ug", "system": "http://unitsofmeasure.org", "code": "ug"},
        },
    )
    (dose,), _ = read(prepared, given)
    assert (dose.lane, dose.label) == ("Doses given", "The drug, 1000 mcg IM")


def test_a_result_has_the_flag_of_the_laboratory(prepared):
    flagged = count(120, interpretation=[{"coding": [{"code": "L"}]}])
    (result,), _ = read(prepared, flagged)
    assert result.label == "120 ×10⁹/L, low"


@pytest.mark.parametrize(("status", "doses"), [("stopped", 2), ("on-hold", 2), ("completed", 2)])
def test_an_order_that_is_over_and_says_no_end_has_no_doses_after_the_last_that_is_known(prepared, status, doses):
    dose = resource(
        "MedicationAdministration",
        status="completed",
        medicationCodeableConcept=DRUG,
        effectiveDateTime="2026-09-15",
        request={"reference": "MedicationRequest/one"},
    )
    events, _ = read(prepared, order(status=status), dose)
    (runs,) = [event for event in events if event.lane == "Orders"]
    assert (runs.last, runs.goes_on) == (date(2026, 9, 15), False)
    assert runs.label == f"The drug ({status.replace('-', ' ')}), monthly"
    assert [event.first for event in events if event.lane == "Doses ordered"] == [date(2026, 9, 15)]


def test_an_order_that_took_the_place_of_another_goes_on_with_its_doses(prepared):
    """Those of the first fall on the first of the month up to the day of the second, then on the tenth."""
    follower = order(id="two", authoredOn="2026-10-10", priorPrescription={"reference": "MedicationRequest/one"})
    (runs, *due), _ = read(prepared, order(), follower)
    assert (runs.first, runs.goes_on, runs.source) == (
        date(2026, 8, 1),
        True,
        "MedicationRequest/two, MedicationRequest/one",
    )
    days = [(8, 1), (9, 1), (10, 1), (10, 10), (11, 10)]
    assert [d.first for d in due] == [date(2026, month, day) for month, day in days]


def test_a_daily_order_is_one_period_of_doses(prepared):
    (_, doses), _ = read(prepared, order(authoredOn="2026-01-01", dosageInstruction=[DAILY]))
    assert (doses.kind, doses.first, doses.last) == ("doses", date(2026, 1, 1), UNTIL)
    assert doses.label.startswith("more than 60 doses")


def test_other_entries_have_their_lanes(prepared):
    given_ = resource(
        "MedicationAdministration", status="completed", medicationCodeableConcept=DRUG, effectiveDateTime="2026-09-01"
    )
    handed = resource(
        "MedicationDispense", status="completed", medicationCodeableConcept=DRUG, whenHandedOver="2026-08-02"
    )
    stated = resource(
        "MedicationStatement", medicationCodeableConcept=DRUG, effectivePeriod={"start": "2020-01", "end": "2024"}
    )
    problem = resource("Condition", code=DEFICIENCY, recordedDate="2020-02-02")
    over = problem | {"id": "over", "onsetDateTime": "2019", "abatementDateTime": "2020-03-04"}
    done = {"coding": [{"system": SNOMED, "code": "307193005"}], "text": "An operation"}
    operation = resource("Procedure", status="completed", code=done, performedPeriod={"start": "2026-01-01"})
    injection = {"coding": [{"system": SNOMED, "code": "308752009"}], "text": "An injection"}
    injected = resource("Procedure", id="two", status="completed", code=injection, performedDateTime="2026-09-01")
    events, _ = read(prepared, given_, handed, stated, problem, over, operation, injected, count(21.5))
    found = {event.lane: event for event in events}
    assert [event.lane for event in events].count("Problems") == 2
    assert found.keys() == {
        "Problems",
        "Procedures",
        "Doses given",
        "Dispensed",
        "Stated",
        "Platelet count, ×10⁹/L",
    }
    stated_, result, dose = found["Stated"], found["Platelet count, ×10⁹/L"], found["Doses given"]
    assert (stated_.first, stated_.last) == (date(2020, 1, 1), date(2024, 12, 31))
    assert (result.value, result.label, result.first) == (21.5, "21.5 ×10⁹/L", date(2026, 11, 1))
    assert dose.source == "MedicationAdministration/one, Procedure/two"
    assert found["Procedures"].source == "Procedure/one"
    assert (found["Problems"].label, found["Problems"].last) == ("B12 deficiency", date(2020, 3, 4))


def test_other_drugs_are_counted_and_what_is_no_treatment_is_said_with_its_reason(prepared):
    known = {"coding": [{"system": RXNORM, "code": "83367"}], "text": "Another drug"}
    others = [order(id="a", medicationCodeableConcept=known), order(id="b", medicationCodeableConcept={"text": "Odd"})]
    wrong = resource("MedicationAdministration", status="entered-in-error", medicationCodeableConcept=DRUG)
    (aside,), said = read(prepared, *others, wrong)
    assert (aside.source, aside.label, aside.flaw) == (
        "MedicationAdministration/one",
        "The drug",
        "Its status says that it was not given.",
    )
    assert said == [
        "Not drawn: 1 entry of drugs that the content is not about.",
        "Not drawn: 1 entry of drugs that are not known.",
    ]


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        ({"authoredOn": None}, "It has no date."),
        ({"authoredOn": "soon"}, "The date could not be read."),
        ({"authoredOn": "2027-01-01"}, "Its date lies in the future."),
        ({"subject": None}, "It names no patient."),
    ],
)
def test_what_was_set_aside_is_said_beside_the_picture(prepared, written, reason):
    events, _ = read(prepared, order(**written))
    picture = timeline_of("x", events, UNTIL)
    assert picture.not_drawn == (("MedicationRequest/one", "The drug", reason),)


def test_a_result_that_cannot_be_used_says_why(prepared):
    events, _ = read(prepared, count(22), count(22, "g/L", id="two"))
    assert {event.label: event.value for event in events} == {
        "22 ×10⁹/L": 22.0,
        "22 g/L: The unit g/L is not known for it.": None,
    }


def test_a_number_above_or_below_a_limit_is_drawn_at_the_limit(prepared):
    below = count(22)
    below["valueQuantity"]["comparator"] = "<"
    (event,), _ = read(prepared, below)
    assert (event.value, event.label) == (22.0, "<22 ×10⁹/L")


# --- nothing that was sent breaks the page

KINDS = ["MedicationRequest", "MedicationAdministration", "MedicationStatement", "MedicationDispense"]
KINDS += ["Observation", "Condition", "Procedure"]
DATES = ["authoredOn", "effectiveDateTime", "effectivePeriod", "onsetDateTime", "abatementDateTime", "performedPeriod"]
OTHERS = ["code", "status", "clinicalStatus", "dosageInstruction", "dosage", "valueQuantity", "request", "basedOn"]
ODD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["start", "end", "text", "coding", "timing", "repeat", "value"]), inner)
    ),
    max_leaves=8,
)
SENT = st.sampled_from(["9999-12-30", "0001-01-02", "9999-12-31T23:59:59Z", "2026-13-45", "2026-05", {"start": 3}])
GOOD = {"MedicationRequest": {"dosageInstruction": [MONTHLY], "intent": "order"}, "Condition": {"code": DEFICIENCY}}


@st.composite
def entries(draw):
    kind = draw(st.sampled_from(KINDS))
    coded = {"medicationCodeableConcept": DRUG, "code": PLATELETS, "status": draw(st.sampled_from(["active", "final"]))}
    members = draw(st.dictionaries(st.sampled_from(DATES), SENT)) | draw(
        st.dictionaries(st.sampled_from([*DATES, *OTHERS]), ODD, max_size=2)
    )
    return resource(kind, id=draw(st.text(max_size=3)), **{**coded, **GOOD.get(kind, {}), **members})


@cache
def shipped():
    """A fixture would be printed whole with an example that fails."""
    return Prepared.of(shipped_pack(), zone=UTC, key=b"a key for tests")


YEARS = st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


@given(st.lists(entries(), max_size=5), YEARS)
@settings(max_examples=200, deadline=None)
def test_whatever_was_sent_the_history_does_not_break(resources, now):
    events, _ = read(shipped(), *resources, now=now)
    picture = timeline_of("x", events, now.date())
    assert picture is None or len(picture.rows) + len(picture.not_drawn) <= len(events)


def test_an_answer_to_nothing_that_was_read_has_no_history(prepared):
    request = copy.deepcopy(request_of(prepared, by_name(SAMPLE)))
    for entry in request["context"]["draftOrders"]["entry"]:
        entry["resource"]["medicationCodeableConcept"] = {"text": "Another drug"}
    answer = shown_answer(prepared, json.dumps(request).encode(), NOW, "2.0")
    assert (answer.fault, answer.timeline) == (None, None)


def test_a_draft_stands_at_the_end(prepared):
    request = copy.deepcopy(request_of(prepared, by_name(SAMPLE)))
    answer = shown_answer(prepared, json.dumps(request).encode(), NOW, "2.0")
    (row,) = [row for row in answer.timeline.rows if row.kind == "draft order"]
    assert row.label.startswith("draft: ") and row.days == str(UNTIL)


def test_a_record_of_thousands_of_orders_is_drawn_in_a_moment(prepared):
    orders = [order(id=str(n), authoredOn="2001-01-01", dosageInstruction=[DAILY] * 60) for n in range(3000)]
    began = time.process_time()
    events, said = read(prepared, *orders)
    assert time.process_time() - began < 10
    assert said == [
        "Not drawn: 2600 entries that are older than those shown.",
        "Not drawn: the doses ordered by 340 of 400 orders.",
    ]
    picture = timeline_of("x", events, UNTIL)
    assert len(picture.rows) == 400
