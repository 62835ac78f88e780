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
from cds_service.fhir.schedule import read_schedule
from cds_service.fhir.schedule_facts import days, doses, interval
from cds_service.vocabulary.facts import Interval, Reason, State

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


V3 = "http://terminology.hl7.org/CodeSystem/v3-GTSAbbreviation"
V2 = "http://terminology.hl7.org/CodeSystem/v2-0335"
SNOMED = "http://snomed.info/sct"
HOUSE = "urn:example:frequencies"


def coded(*codings, text=None, **repeat):
    """The schedule of a Timing with these codes, each a pair of system and code."""
    code = {"coding": [{"system": system, "code": code} for system, code in codings]}
    return of({"code": {**code, **({"text": text} if text else {})}, "repeat": repeat})


@pytest.mark.parametrize(
    ("system", "code", "low", "high"),
    [
        (V3, "MO", 28, 31),
        (V3, "Q6H", Fraction(1, 4), Fraction(1, 4)),
        (V2, "Q28D", 28, 28),
        (V2, "Q12W", 84, 84),
        (V2, "5ID", Fraction(1, 5), Fraction(1, 5)),
        (V2, "QHS", 1, 1),
        (SNOMED, "225769003", 7, 7),
        (SNOMED, "445547001", 56, 62),
        (SNOMED, "396131002", 2, 2),
        (SNOMED, "396107007", Fraction(1, 2), 1),
    ],
)
def test_codes_of_hl7_and_snomed_say_how_often(system, code, low, high):
    assert interval(coded((system, code))).value == Interval(low, high)


@pytest.mark.parametrize(("system", "code"), [(HOUSE, "QOD"), (V3, "Q28D"), (V2, "MO"), (V2, "Q2L"), (V2, "Once")])
def test_a_code_means_something_in_its_own_system_only(system, code):
    assert interval(coded((system, code))).state is State.UNUSABLE


@pytest.mark.parametrize(
    ("words", "low", "high"),
    [
        ("every 30 days", 30, 30),
        ("Every 4 Weeks.", 28, 28),
        ("3 times a week", Fraction(7, 3), Fraction(7, 3)),
        ("three times weekly", Fraction(7, 3), Fraction(7, 3)),
        ("3x/week", Fraction(7, 3), Fraction(7, 3)),
        ("2-3 times per week", Fraction(7, 3), Fraction(7, 2)),
        ("alternate days", 2, 2),
        ("every other  day", 2, 2),
        ("monthly", 28, 31),
        ("once a month", 28, 31),
        ("every 2 to 3 months", 56, 93),
        ("once every three months", 84, 93),
        ("12-weekly", 84, 84),
        ("q4w", 28, 28),
        ("Q 90 days", 90, 90),
        ("b.i.d.", Fraction(1, 2), Fraction(1, 2)),
        ("fortnightly", 14, 14),
    ],
)
def test_a_text_that_is_nothing_but_a_schedule_is_read(words, low, high):
    assert interval(of({"code": {"text": words}})).value == Interval(low, high)
    assert interval(coded((HOUSE, "A7"), text=words)).value == Interval(low, high)
    assert interval(read_schedule({"text": words}, UTC, {})).value == Interval(low, high)


@pytest.mark.parametrize(
    "words",
    [
        "1000 mcg IM every 30 days",
        "every 30 days for a year",
        "weekly, then monthly",
        "biweekly",
        "bimonthly",
        "2 weekly",
        "od",
        "q1m",
        "every 0 days",
        "every 4-2 weeks",
        "every",
        "as directed",
        "x" * 5000,
    ],
)
def test_a_text_that_says_more_or_could_mean_two_things_is_not_read(words):
    assert interval(of({"code": {"text": words}})).state is State.UNUSABLE
    assert interval(read_schedule({"text": words}, UTC, {})).state is State.UNUSABLE


def test_the_display_of_a_code_counts_where_no_code_is_known():
    house = {"system": HOUSE, "code": "A7", "display": "Every 4 weeks"}
    assert interval(of({"code": {"coding": [house]}})).value == Interval.point(28)
    assert interval(of({"code": {"coding": [house, {"system": V3, "code": "WK"}]}})).value == Interval.point(7)


def test_the_text_of_a_dosage_counts_only_where_there_is_no_timing():
    assert interval(of({"repeat": {"boundsPeriod": {"start": "2026-11-02"}}}, text="weekly")).state is State.UNUSABLE


def test_code_and_times_that_agree_are_one_schedule_and_others_are_unusable():
    assert interval(coded((V3, "MO"), frequency=1, period=30, periodUnit="d")).value == Interval.point(30)
    assert interval(coded((V3, "QOD"), count=7)).value == Interval.point(2)
    for apart in (
        coded((V3, "QD"), frequency=1, period=1, periodUnit="wk"),
        coded((V3, "QD"), (SNOMED, "225769003")),
        coded((V3, "WK"), text="monthly"),
        schedule(when=["MORN", "EVE"], frequency=1, period=1, periodUnit="d"),
    ):
        assert interval(apart).reason == Reason("schedulesDisagree")


@pytest.mark.parametrize(
    ("repeat", "every"),
    [
        ({"dayOfWeek": ["mon", "wed", "fri"], "frequency": 1, "period": 1, "periodUnit": "wk"}, Fraction(7, 3)),
        ({"dayOfWeek": ["mon", "wed", "fri"], "frequency": 1, "period": 1, "periodUnit": "d"}, Fraction(7, 3)),
        ({"dayOfWeek": ["mon", "thu"], "frequency": 2, "period": 1, "periodUnit": "d"}, Fraction(7, 4)),
        ({"dayOfWeek": ["mon", "thu"], "period": 12, "periodUnit": "h"}, Fraction(7, 4)),
        ({"dayOfWeek": ["tue"], "frequency": 1, "period": 2, "periodUnit": "wk"}, 14),
        ({"dayOfWeek": ["TUE", "tue"]}, 7),
        ({"dayOfWeek": "tue"}, 7),
        ({"dayOfWeek": ["tue"], "when": ["MORN", "EVE"]}, Fraction(7, 2)),
        ({"when": ["MORN"]}, 1),
        ({"when": ["AC"]}, 1),
        ({"when": ["MORN", "NOON", "HS"]}, Fraction(1, 3)),
        ({"timeOfDay": ["08:00:00", "20:00:00"]}, Fraction(1, 2)),
        ({"when": ["MORN"], "frequency": 1, "period": 1, "periodUnit": "wk"}, 7),
        ({"frequency": 1, "period": 2, "periodUnit": "WK"}, 14),
        ({"frequency": 1, "period": 2, "periodUnit": "weeks"}, 14),
    ],
)
def test_days_of_the_week_and_times_of_the_day(repeat, every):
    assert interval(schedule(**repeat)).value == Interval.point(every)


@pytest.mark.parametrize(
    "repeat",
    [
        {"dayOfWeek": ["mon", "funday"]},
        {"dayOfWeek": ["mon", 3]},
        {"dayOfWeek": ["mon"], "frequency": 1, "period": 1, "periodUnit": "mo"},
        {"dayOfWeek": ["mon"], "frequency": 1, "period": 10, "periodUnit": "d"},
        {"dayOfWeek": ["mon", "tue", "wed"], "frequency": 1, "period": 2, "periodUnit": "wk"},
        {"when": ["SOMETIME"]},
        {"when": ["MORN"], "timeOfDay": ["08:00:00"]},
        {"timeOfDay": ["morning"]},
        {"frequency": Decimal("1.5"), "period": 1, "periodUnit": "d"},
        {"periodMax": 3, "periodUnit": "d"},
        {"frequencyMax": 3, "period": 1, "periodUnit": "d"},
    ],
)
def test_what_is_not_understood_of_a_repeat_is_not_left_out(repeat):
    assert interval(schedule(**repeat)).reason == Reason("scheduleNotReadable")


@pytest.mark.parametrize("timing", ["weekly", 3, [{}, {}], ["weekly"], {"code": {"coding": []}}, {"event": ["soon"]}])
def test_a_timing_of_another_shape_is_there_and_not_read(timing):
    assert interval(of(timing)).state is State.UNUSABLE


@pytest.mark.parametrize("dosage", [{"timing": "weekly"}, {"timing": {"repeat": "x"}}, {"text": "weekly for a year"}])
def test_what_is_not_read_at_all_may_have_an_end_as_well(dosage):
    read = read_schedule(dosage, UTC, {})
    assert {fact(read).state for fact in (interval, doses, days)} == {State.UNUSABLE}


@pytest.mark.parametrize("repeat", [{"countMax": 7}, {"count": "6"}, {"count": Decimal("2.5")}, {"count": 0}])
def test_a_count_that_cannot_be_read_is_not_left_out(repeat):
    counted = schedule(frequency=1, period=1, periodUnit="d", **repeat)
    assert doses(counted).state is days(counted).state is State.UNUSABLE


def test_events_beside_a_rhythm_or_another_count_are_unusable():
    two = ["2026-11-02", "2026-11-09"]
    assert interval(of({"event": two, "repeat": {"period": 1, "periodUnit": "d"}})).state is State.UNUSABLE
    assert doses(of({"event": two, "repeat": {"count": 3}})).state is State.UNUSABLE
    assert doses(of({"event": two[:1]})).value == Interval.point(1)
    assert interval(of({"event": two[:1]})).state is State.UNUSABLE  # there is no interval in one dose
    uneven = of({"event": [*two, "2026-11-19"]})
    assert (interval(uneven).value, days(uneven).value) == (Interval(7, 10), Interval(24, 27))


def test_a_hospital_has_codes_and_texts_of_its_own():
    own = {f"{HOUSE}|Q3T": "every 3 d", "b12 load": "3 per wk"}
    assert interval(
        of({"code": {"coding": [{"system": HOUSE, "code": "Q3T"}]}}, own_words=own)
    ).value == Interval.point(3)
    assert interval(of({"code": {"text": "B12 Load"}}, own_words=own)).value == Interval.point(Fraction(7, 3))
    assert interval(of({"code": {"coding": [{"system": V3, "code": "Q3T"}]}}, own_words=own)).state is State.UNUSABLE


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


@pytest.mark.parametrize(
    ("repeat", "number", "length"),
    [
        ({"boundsDuration": {"value": 13, "code": "d"}, "period": 4, "periodUnit": "d"}, (4, 4), (13, 13)),
        ({"boundsDuration": {"value": 14, "unit": "days"}, "period": 2, "periodUnit": "d"}, (7, 7), (14, 14)),
        ({"boundsDuration": {"value": 1, "code": "a"}, "period": 1, "periodUnit": "mo"}, (12, 12), (365, 366)),
        ({"boundsDuration": {"value": 3, "code": "mo"}, "period": 1, "periodUnit": "wk"}, (13, 14), (89, 92)),
        (
            {
                "boundsRange": {"low": {"value": 2, "code": "wk"}, "high": {"value": 3, "code": "wk"}},
                "period": 3,
                "periodMax": 4,
                "periodUnit": "d",
            },
            (4, 7),
            (14, 21),
        ),
        ({"boundsPeriod": {"start": "2026-11-03", "end": "2026-11-12"}, "dayOfWeek": ["mon"]}, (1, 1), (10, 10)),
        ({"boundsDuration": {"value": 10, "code": "d"}, "dayOfWeek": ["mon"]}, (1, 2), (10, 10)),
        (
            {"boundsPeriod": {"start": "2026-01-31", "end": "2026-04-30"}, "period": 1, "periodUnit": "mo"},
            (4, 4),
            (90, 90),
        ),
        ({"count": 6, "boundsDuration": {"value": 2, "code": "wk"}, "period": 1, "periodUnit": "d"}, (6, 6), (6, 6)),
        ({"count": 6, "boundsDuration": {"value": 2, "code": "wk"}, "period": 1, "periodUnit": "wk"}, (2, 2), (14, 14)),
    ],
)
def test_whole_doses_fall_into_calendar_lengths(repeat, number, length):
    assert doses(schedule(**repeat)).value == Interval(*number)
    assert days(schedule(**repeat)).value == Interval(*length)


@pytest.mark.parametrize(
    "bounds",
    [
        {"boundsDuration": {"value": 2, "code": "wk", "unit": "days"}},
        {"boundsDuration": {"value": 2, "code": "fortnight"}},
        {"boundsDuration": {"value": 2, "code": "wk", "comparator": "<"}},
        {"boundsDuration": {"value": "2", "code": "wk"}},
        {"boundsDuration": [{"value": 2, "code": "wk"}]},
        {"boundsRange": {"low": {"value": 3, "code": "wk"}, "high": {"value": 2, "code": "wk"}}},
        {"boundsRange": {"high": {"value": 2, "code": "wk"}}},
        {"boundsDuration": {"value": 2, "code": "wk"}, "boundsPeriod": {"start": "2026-11-02", "end": "2026-11-15"}},
        {"boundsPeriod": {"end": "2026-11-15"}},
    ],
)
def test_bounds_that_are_not_understood_are_unusable(bounds):
    bounded = schedule(period=1, periodUnit="d", **bounds)
    assert doses(bounded).state is days(bounded).state is State.UNUSABLE
    assert interval(bounded).value == Interval.point(1)


def test_what_is_dispensed_bounds_nothing():
    dispensed = {"validityPeriod": {"end": "2026-12-01"}, "expectedSupplyDuration": {"value": 2, "code": "wk"}}
    read = of({"repeat": {"period": 1, "periodUnit": "d"}}, dispenseRequest=dispensed)
    assert doses(read).state is days(read).state is State.ABSENT


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


def amount(pack, product, quantity, system="http://www.nlm.nih.gov/research/umls/rxnorm"):
    declared = pack.facts["dosage.dose"]
    concept = {"coding": [{"system": system, "code": product}]}
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


AMPOULE_OF_1_MG = "39111511000001100"  # Hydroxocobalamin 1mg/1ml solution for injection ampoules, in SNOMED CT of dm+d
AMPOULE_OF_10_MG = "24856311000001103"  # Hydroxocobalamin 10mg/2ml solution for injection ampoules


@pytest.mark.parametrize(
    ("code", "quantity", "expected"),
    [
        (AMPOULE_OF_1_MG, {"value": 1, "unit": "ampoule"}, 1000),
        (AMPOULE_OF_1_MG, {"value": 1, "unit": "Ampoule", "system": SNOMED, "code": "house-code"}, 1000),
        (AMPOULE_OF_1_MG, {"value": 2, "code": "{ampule}", "system": "http://unitsofmeasure.org"}, 2000),
        (AMPOULE_OF_1_MG, {"value": Decimal("0.5"), "unit": "amp"}, 500),
        (AMPOULE_OF_10_MG, {"value": 1, "unit": "ampoule"}, 10000),
        (AMPOULE_OF_10_MG, {"value": 1, "unit": "mL"}, 5000),
    ],
)
def test_an_ampoule_is_a_dose_where_the_code_of_the_product_tells_what_it_holds(pack, code, quantity, expected):
    assert amount(pack, code, quantity, SNOMED).value == Interval.point(Fraction(expected))


@pytest.mark.parametrize(
    "quantity",
    [
        {"value": 1, "unit": "vial"},
        {"value": 1, "unit": "ampoule", "code": "mL"},
        {"value": 1, "unit": "ampoule", "code": "{vial}"},
        {"value": "1", "unit": "ampoule"},
        {"value": 1, "unit": "ampoule", "comparator": "<"},
        {"value": 1, "unit": "box"},
    ],
)
def test_a_package_that_the_code_does_not_tell_or_that_is_in_doubt_is_unusable(pack, quantity):
    assert amount(pack, AMPOULE_OF_1_MG, quantity, SNOMED).state is State.UNUSABLE


@pytest.mark.parametrize(
    "dosage",
    [
        {"text": "1,000 mcg IM"},
        {"doseAndRate": [{"doseQuantity": {"value": "1,000", "unit": "mcg"}}]},
        {"doseAndRate": [{"doseQuantity": {"value": "1 000", "unit": "mcg"}}]},
        {"doseAndRate": [{"doseQuantity": {"value": 1, "unit": ",000 mcg"}}]},
        {"doseAndRate": [{"doseQuantity": "1000 mcg"}]},
        {"doseAndRate": "1000 mcg"},
        {"doseQuantity": "1000 mcg"},
        {"doseRange": {"low": {"value": 1000}}},
        {"doseAndRate": [{"rateQuantity": {"value": 1, "unit": "mL/h"}}]},
    ],
)
def test_a_dose_as_text_is_there_and_not_read(pack, dosage):
    declared = pack.facts["dosage.dose"]
    assert dose(declared, None, dosage).state is State.UNUSABLE


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
