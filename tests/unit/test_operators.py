"""Facts that an operator derives: their values, their evidence, and what becomes of operands without a value."""

from fractions import Fraction

import pytest

from cds_service.chart.operators import reckoned
from cds_service.content.compile_operators import operands_of
from cds_service.fhir.quantities import in_signs
from cds_service.vocabulary.declarations import FactDeclaration
from cds_service.vocabulary.facts import Evidence, Fact, Interval, Reason, State

DECLARED = {
    "weight": {"kind": "observation", "label": "Weight", "unit": "kg"},
    "dose": {"kind": "dosage", "label": "Dose", "unit": "ug"},
    "calcium": {"kind": "observation", "label": "Calcium", "unit": "mg/dL"},
    "albumin": {"kind": "observation", "label": "Albumin", "unit": "g/L"},
    "problem": {"kind": "condition", "label": "Problem"},
}
WEIGHT = Fact.of(Interval.point(70), Evidence("Observation/w", "70 kg", "2026-11-01"))
DOSE = Fact.of(Interval.point(1000), Evidence("dosageInstruction", "1000 mcg"))


def declared(element, unit, inputs, constants=None, kind="derived"):
    fact = {"kind": kind, "element": element, "unit": unit, "inputs": inputs, "constants": constants or {}}
    operands, scale = operands_of(fact, DECLARED)
    return FactDeclaration("it", kind, "It", element, unit=unit, operands=operands, scale=scale)


PER_KILOGRAM = declared("per-kilogram", "mg/kg", {"weight": "weight", "amount": "dose"})


def test_units_are_reckoned_with_exactly():
    fact = reckoned(PER_KILOGRAM, {"dose": DOSE, "weight": WEIGHT})
    assert fact.value == Interval.point(Fraction(1, 70))
    shown = declared("product", "d", {"a": "weight"}, {"b": {"value": 0.5, "unit": "wk/kg"}})
    assert reckoned(shown, {"weight": WEIGHT}).value == Interval.point(245)


def test_a_constant_has_a_unit_of_its_own():
    # the form in which calcium is corrected for albumin; the numbers are chosen for the test
    gap = declared("difference", "g/dL", {"subtrahend": "albumin"}, {"minuend": {"value": 5, "unit": "g/dL"}})
    fact = reckoned(gap, {"albumin": Fact.of(Interval(None, 30, high_open=True), Evidence("Observation/a", "<30 g/L"))})
    assert fact.value == Interval(2, None, low_open=True)
    assert fact.evidence[0].display == ">2 g/dL"


def test_evidence_is_the_result_and_then_each_operand_by_its_own_label():
    fact = reckoned(PER_KILOGRAM, {"dose": DOSE, "weight": WEIGHT})
    assert [(item.reference, item.label, item.display) for item in fact.evidence] == [
        ("dosageInstruction", "", "0.0143 mg/kg"),
        ("dosageInstruction", "Dose", "1000 mcg"),
        ("Observation/w", "Weight", "70 kg"),
    ]


@pytest.mark.parametrize(("other_day", "expected"), [("2026-11-01", "2026-11-01"), ("2026-11-02", "")])
def test_the_result_has_a_day_only_if_its_operands_are_of_one_day(other_day, expected):
    total = declared("sum", "mg/dL", {"a": "calcium", "b": "albumin"})
    calcium = Fact.of(Interval.point(9), Evidence("Observation/c", "9 mg/dL", "2026-11-01"))
    albumin = Fact.of(Interval.point(1), Evidence("Observation/a", "1 g/L", other_day))
    fact = reckoned(total, {"calcium": calcium, "albumin": albumin})
    assert (fact.value, fact.evidence[0].date) == (Interval.point(109), expected)


ABSENT, UNKNOWN = Fact.absent(), Fact.unknown("weights", reason=Reason("notSent"))
UNUSABLE = Fact.unusable(Reason("unitMissing"), Evidence("Observation/w", "70"))


@pytest.mark.parametrize(
    ("dose", "weight", "state", "reason", "missing"),
    [
        (DOSE, ABSENT, State.ABSENT, None, ()),
        (DOSE, UNUSABLE, State.UNUSABLE, Reason("unitMissing"), ()),
        (DOSE, UNKNOWN, State.UNKNOWN, Reason("notSent"), ("weights",)),
        (ABSENT, UNUSABLE, State.UNUSABLE, Reason("unitMissing"), ()),
        (ABSENT, UNKNOWN, State.UNKNOWN, Reason("notSent"), ("weights",)),
        (Fact.unknown("doses"), UNKNOWN, State.UNKNOWN, None, ("doses", "weights")),
    ],
)
def test_an_operand_without_a_value_carries_its_state_over_with_its_reason(dose, weight, state, reason, missing):
    fact = reckoned(PER_KILOGRAM, {"dose": dose, "weight": weight})
    assert (fact.state, fact.value, fact.reason, fact.missing) == (state, None, reason, missing)


@pytest.mark.parametrize("kilograms", [Interval.point(0), Interval(0, 5, high_open=True), Interval(None, 3)])
def test_nothing_is_divided_by_what_may_be_zero(kilograms):
    weight = Fact.of(kilograms, Evidence("Observation/w", "?"))
    fact = reckoned(PER_KILOGRAM, {"dose": DOSE, "weight": weight})
    assert (fact.state, fact.reason) == (State.UNUSABLE, Reason("divisorMayBeZero", {"divisor": "Weight"}))
    assert [item.label for item in fact.evidence] == ["Dose", "Weight"]


BETWEEN = declared("days-between", "d", {"to": "calcium", "from": "problem"})


def on(day, last_day=""):
    return Fact.of("present", Evidence("Condition/p", "it", day, last_day=last_day))


@pytest.mark.parametrize(
    ("start", "end", "days"),
    [
        (on("2026-02-27"), on("2026-03-01"), Interval.point(2)),
        (on("2026-03-01"), on("2026-02-27"), Interval.point(-2)),
        (on("2026-02-01", "2026-02-28"), on("2026-03-01"), Interval(1, 28)),
    ],
)
def test_days_between_are_days_of_the_calendar_and_a_partial_date_is_any_of_its_days(start, end, days):
    assert reckoned(BETWEEN, {"problem": start, "calcium": end}).value == days
    weeks = declared("days-between", "wk", {"from": "problem", "to": "calcium"})
    assert reckoned(weeks, {"problem": start, "calcium": end}).value == Interval(
        *(Fraction(n, 7) for n in (days.low, days.high))
    )


def test_days_between_need_a_day():
    fact = reckoned(BETWEEN, {"problem": on(""), "calcium": on("2026-03-01")})
    assert (fact.state, fact.reason) == (State.UNUSABLE, Reason("dateMissing"))


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (Interval.point(Fraction(1, 3)), "0.3333"),
        (Interval(1, 2), "1-2"),
        (Interval(-3, 2), "-3..2"),
        (Interval(None, 2, high_open=True), "<2"),
        (Interval(None, 2), "<=2"),
        (Interval(2, None), ">=2"),
        (Interval(None, None), "?"),
    ],
)
def test_a_range_in_signs(value, written):
    assert in_signs(value) == written


EITHER = declared("first-of", "mg", {"first": "dose", "second": "weight"})
GRAM = Fact.of(Interval.point(Fraction(1, 1000)), Evidence("Observation/w", "1 g"))


@pytest.mark.parametrize(
    ("first", "second", "value", "shown"),
    [
        (DOSE, GRAM, 1, ["1 mg", "1000 mcg"]),
        (DOSE, UNKNOWN, 1, ["1 mg", "1000 mcg"]),
        (ABSENT, GRAM, 1000, ["1000 mg", "1 g"]),
        (UNUSABLE, GRAM, 1000, ["1000 mg", "1 g"]),
    ],
)
def test_the_first_of_two_that_has_a_value_stands_for_both_and_nothing_is_said_of_the_other(
    first, second, value, shown
):
    fact = reckoned(EITHER, {"dose": first, "weight": second})
    assert fact.value == Interval.point(value)
    assert [item.display for item in fact.evidence] == shown


def test_where_neither_of_two_has_a_value_both_are_told():
    fact = reckoned(EITHER, {"dose": ABSENT, "weight": UNUSABLE})
    assert (fact.state, fact.reason) == (State.UNUSABLE, Reason("unitMissing"))
    assert [item.label for item in fact.evidence] == ["Weight"]
