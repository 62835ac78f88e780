# ruff: noqa: E501 (a row of a table is one line)
"""How hospitals write schedules and doses (Z57), asked about by what they decide.

A man with B12 deficiency and good platelets is to get hydroxocobalamin three times a week for two weeks, which is in
line and silent; a schedule that means the same is silent too, one that means something else is not, and one that
cannot be read says so and is never taken for another.
"""

from dataclasses import replace

from cds_service.judge.evaluate import evaluate
from cds_service.vocabulary.json_text import encode
from tests.support.hospital_calls import (
    LOCAL,
    NO_CARD,
    NOW,
    UCUM,
    assert_right,
    changed_call,
    coding,
    concept,
    dosage,
    order,
    quantity,
    row,
    shown,
    silent,
    table,
    wordless,
)
from tests.support.not_understood import explained

PLENTY = quantity(220, "10*9/L", "10*9/L")
TWO_WEEKS = {"boundsDuration": {"value": 2, "unit": "wk", "system": UCUM, "code": "wk"}}
THREE_A_WEEK = {"frequency": 3, "period": 1, "periodUnit": "wk"}
DIFFERS = shown("loadingRegimen")
NOT_CALLED_WRONG = silent("loadingRegimen")


def timing(**repeat):
    return dosage(timing={"repeat": repeat})


def dose(value, unit=None, code=None):
    members = {"value": value, "unit": unit, "system": UCUM if code else None, "code": code}
    return dosage(doseAndRate=[{"doseQuantity": {k: v for k, v in members.items() if v is not None}}])


@table(
    row("as it is", "three times a week for two weeks", NO_CARD, PLENTY),
    row("days of the week", "Monday, Wednesday, Friday", NO_CARD, PLENTY, timing(**TWO_WEEKS, dayOfWeek=["mon", "wed", "fri"], frequency=1, period=1, periodUnit="wk")),
    row("days of the week, unit a day", "Monday, Wednesday, Friday", NO_CARD, PLENTY, timing(**TWO_WEEKS, dayOfWeek=["mon", "wed", "fri"], frequency=1, period=1, periodUnit="d")),
    row("days of the week and how often", "both say three", NO_CARD, PLENTY, timing(**TWO_WEEKS, **THREE_A_WEEK, dayOfWeek=["mon", "wed", "fri"])),
    row("period of the bounds", "from and to", NO_CARD, PLENTY, timing(**THREE_A_WEEK, boundsPeriod={"start": "2026-11-23", "end": "2026-12-06"})),
    row("bounds in days", "14 days", NO_CARD, PLENTY, timing(**THREE_A_WEEK, boundsDuration={"value": 14, "unit": "d", "system": UCUM, "code": "d"})),
    row("bounds in words of a unit", "weeks", NO_CARD, PLENTY, timing(**THREE_A_WEEK, boundsDuration={"value": 2, "unit": "weeks"})),
    row("count", "six doses", NO_CARD, PLENTY, timing(**THREE_A_WEEK, count=6)),
    row("dose in milligrams", "1 mg", NO_CARD, PLENTY, dose(1, "mg", "mg")),
    row("dose in mcg", "safe writing of micro", NO_CARD, PLENTY, dose(1000, "mcg")),
    row("dose in µg", "as people write it", NO_CARD, PLENTY, dose(1000, "µg")),
    row("dose in micrograms", "a whole word", NO_CARD, PLENTY, dose(1000, "micrograms")),
    row("dose in millilitres", "the product has 1 mg in 1 mL", NO_CARD, PLENTY, dose(1, "mL", "mL")),
)  # fmt: skip
def test_what_means_the_regimen_is_silent(prepared, case):
    assert_right(prepared, case)


@table(
    row("two days of the week", "Monday and Friday", DIFFERS, PLENTY, wordless, timing(**TWO_WEEKS, dayOfWeek=["mon", "fri"], frequency=1, period=1, periodUnit="wk")),
    row("dose of one microgram", "a slip of a thousand", shown("doseUnit"), PLENTY, wordless, dose(1, "mcg")),
    row("once a week", "a third of it", DIFFERS, PLENTY, wordless, timing(**TWO_WEEKS, frequency=1, period=1, periodUnit="wk")),
)  # fmt: skip
def test_what_differs_is_said(prepared, case):
    assert_right(prepared, case)


@table(
    row("dose with a thousands separator", "1,000 or 1.000?", NOT_CALLED_WRONG, PLENTY, wordless, dose("1,000", "mcg")),
    row("dose in words", "no number", NOT_CALLED_WRONG, PLENTY, wordless, dosage(doseAndRate=[{"doseQuantity": {"unit": "one ampoule"}}])),
    row("dose in a unit of a house", "nobody knows it", NOT_CALLED_WRONG, PLENTY, wordless, dose(1, "zorkmid", "zorkmid")),
    row("schedule by a code of a house", "nobody knows it", NOT_CALLED_WRONG, PLENTY, wordless, dosage(timing={"code": concept(coding(LOCAL, "ZZ3"))})),
    row("schedule in words that nobody reads", "at full moon", NOT_CALLED_WRONG, PLENTY, wordless, dosage(timing={"code": concept(text="at full moon")})),
    row("a unit of time that nobody knows", "a fortnight", NOT_CALLED_WRONG, PLENTY, wordless, timing(**TWO_WEEKS, frequency=6, period=1, periodUnit="fortnight")),
)  # fmt: skip
def test_what_cannot_be_read_is_not_called_wrong_and_stands_in_explain(prepared, case):
    """The tables do not judge a dose or interval that cannot be read; so explain must have the line (Z54, Z57)."""
    assert_right(prepared, case)
    call = changed_call(prepared, case)
    service = prepared.pack.service_for(case.hook)
    answer = evaluate(prepared, service, encode(call.body), NOW)
    lines = explained(prepared, service, answer, NOW)
    assert {"dose", "schedule", "unit"} & {line["kind"] for line in lines}, f"{case.name}: explain says only {lines}"


@table(
    row("frequency above three months", "every 120 days", shown("maintenance", "warning"), timing(frequency=1, period=120, periodUnit="d")),
    row("weeks above three months", "every 16 weeks", shown("maintenance", "warning"), timing(frequency=1, period=16, periodUnit="wk")),
    row("quarterly", "every 3 months is in line", shown("monthlyMaintenance", "info"), timing(frequency=1, period=3, periodUnit="mo")),
    row("quantity dispensed", "never an end of the order", shown("monthlyMaintenance", "info"), timing(frequency=1, period=3, periodUnit="mo"), order(dispenseRequest={"expectedSupplyDuration": {"value": 5, "unit": "d", "system": UCUM, "code": "d"}})),
)  # fmt: skip
def test_maintenance(prepared, case):
    assert_right(prepared, replace(case, patient="priya-raman", drafts=("hydroxocobalamin-im-two-monthly",)))
