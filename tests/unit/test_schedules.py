"""Doses and schedules are understood, whatever shape they come in (docs/decisions.md#timing)."""

from decimal import Decimal
from fractions import Fraction
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cds_service.chart.dosage import dose
from cds_service.chart.drug import recognise_drug
from cds_service.chart.order import read_order
from cds_service.fhir.schedule import days, doses, interval, read_schedule
from cds_service.vocabulary.facts import Interval, State

UTC = ZoneInfo("UTC")
TWO_WEEKS = {"boundsDuration": {"value": 2, "code": "wk"}}
FORTNIGHT_OF_DATES = {"boundsPeriod": {"start": "2026-11-02", "end": "2026-11-15"}}


def of(timing, zone=UTC, own_words=None, **elsewhere):
    """The schedule of a dosage with this Timing."""
    return read_schedule({"timing": timing, **elsewhere}, zone, own_words or {})


def schedule(zone=UTC, **repeat):
    return of({"repeat": repeat}, zone)


@pytest.mark.parametrize(
    ("repeat", "low", "high"),
    [
        ({"frequency": 3, "period": 1, "periodUnit": "wk"}, Fraction(7, 3), Fraction(7, 3)),
        ({"frequency": 1, "period": 2, "periodUnit": "d"}, 2, 2),
        ({"frequency": 1, "period": 48, "periodUnit": "h"}, 2, 2),
        ({"frequency": 1, "period": 1, "periodUnit": "mo"}, 28, 31),
        ({"frequency": 1, "period": 2, "periodMax": 3, "periodUnit": "mo"}, 56, 93),
        ({"frequency": 1, "period": 12, "periodUnit": "wk"}, 84, 84),
        ({"period": 3, "periodMax": 4, "periodUnit": "d"}, 3, 4),
        ({"dayOfWeek": ["mon", "wed", "fri"]}, Fraction(7, 3), Fraction(7, 3)),
        ({"dayOfWeek": ["mon", "wed", "fri"], "period": 1, "periodUnit": "wk"}, Fraction(7, 3), Fraction(7, 3)),
        ({"frequency": 1, "period": Decimal("0.5"), "periodUnit": "d"}, Fraction(1, 2), Fraction(1, 2)),
    ],
)
def test_interval_in_days(repeat, low, high):
    assert interval(schedule(**repeat)).value == Interval(Fraction(low), Fraction(high))


@pytest.mark.parametrize(("code", "every"), [("QOD", 2), ("QD", 1), ("WK", 7), ("BID", Fraction(1, 2))])
def test_timing_codes(code, every):
    system = "http://terminology.hl7.org/CodeSystem/v3-GTSAbbreviation"
    read = interval(of({"code": {"coding": [{"system": system, "code": code}]}}))
    assert read.value == Interval.point(Fraction(every))


@pytest.mark.parametrize(
    "repeat",
    [
        {"count": 6},
        {"frequency": 1, "period": 1, "periodUnit": "fortnight"},
        {"frequency": 1, "period": "2", "periodUnit": "d"},
        {"frequency": 0, "period": 1, "periodUnit": "d"},
        {"frequency": 1, "period": -1, "periodUnit": "d"},
        {"period": 3, "periodMax": 2, "periodUnit": "d"},
    ],
)
def test_a_schedule_that_says_no_interval_is_unusable_not_guessed(repeat):
    assert interval(schedule(**repeat)).state is State.UNUSABLE


def test_no_timing_is_absent():
    assert interval(read_schedule({}, UTC, {})).state is State.ABSENT


@pytest.mark.parametrize(
    ("repeat", "number", "length"),
    [
        ({"count": 6, "frequency": 3, "period": 1, "periodUnit": "wk"}, (6, 6), (14, 14)),
        (
            {"boundsDuration": {"value": 2, "code": "wk"}, "frequency": 3, "period": 1, "periodUnit": "wk"},
            (6, 6),
            (14, 14),
        ),
        ({"boundsDuration": {"value": 14, "unit": "d"}, "period": 2, "periodUnit": "d"}, (7, 7), (14, 14)),
        (
            {"boundsPeriod": {"start": "2026-11-02", "end": "2026-11-15"}, "period": 2, "periodUnit": "d"},
            (7, 7),
            (14, 14),
        ),
        ({"count": 6, "countMax": 7, "period": 1, "periodUnit": "d"}, (6, 7), (6, 7)),
    ],
)
def test_doses_and_days_follow_from_each_other(repeat, number, length):
    assert doses(schedule(**repeat)).value == Interval(*map(Fraction, number))
    assert days(schedule(**repeat)).value == Interval(*map(Fraction, length))


def test_an_unbounded_step_has_no_number_of_doses():
    step = schedule(frequency=1, period=2, periodUnit="d", boundsPeriod={"start": "2026-11-02"})
    assert doses(step).state is State.ABSENT
    assert days(step).state is State.ABSENT


@pytest.mark.parametrize("end", ["Invalid date", "2026-10-01", "0002"])
def test_bounds_that_cannot_be_meant_are_unusable(end):
    step = schedule(frequency=1, period=2, periodUnit="d", boundsPeriod={"start": "2026-11-02", "end": end})
    assert doses(step).state is State.UNUSABLE


@given(frequency=st.integers(1, 12), period=st.integers(1, 60), count=st.integers(1, 100))
def test_count_times_interval_is_length(frequency, period, count):
    step = schedule(frequency=frequency, period=period, periodUnit="d", count=count)
    assert days(step).value == Interval.point(Fraction(period * count, frequency))


def amount(pack, product, quantity):
    declared = pack.facts["dosage.dose"]
    concept = {"coding": [{"system": "http://www.nlm.nih.gov/research/umls/rxnorm", "code": product}]}
    order = read_order("", {"resourceType": "MedicationRequest", "medicationCodeableConcept": concept}, {})
    drug = recognise_drug(order, declared.value_sets.values())
    return dose(declared, drug, {"doseAndRate": [{"doseQuantity": quantity}]})


@pytest.mark.parametrize(
    ("code", "quantity", "expected"),
    [
        ("309594", {"value": 1, "unit": "mg"}, 1000),
        ("309594", {"value": 1000, "unit": "mcg"}, 1000),
        ("309594", {"value": 1000, "unit": "µg"}, 1000),
        ("309594", {"value": 1000, "unit": "μg"}, 1000),
        ("309594", {"value": Decimal("0.001"), "code": "g"}, 1000),
        ("309594", {"value": 1, "unit": "mL"}, 1000),
        ("309593", {"value": 2, "code": "{pill}"}, 2000),
    ],
)
def test_a_dose_in_every_unit_it_arrives_in(pack, code, quantity, expected):
    assert amount(pack, code, quantity).value == Interval.point(Fraction(expected))


@pytest.mark.parametrize(
    ("code", "quantity"),
    [
        ("309594", {"value": 1000, "unit": "U"}),
        ("309594", {"value": 1, "unit": "ampoule"}),
        ("309594", {"value": 1, "code": "{pill}"}),
        ("11248", {"value": 1, "unit": "mL"}),
        ("309594", {"value": "1000", "unit": "mcg"}),
        ("309594", {"value": 1000}),
    ],
)
def test_a_dose_without_a_known_strength_or_unit_is_unusable(pack, code, quantity):
    assert amount(pack, code, quantity).state is State.UNUSABLE
