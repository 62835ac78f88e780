"""Rate, volume and concentration: what an order states of them, and why nothing is read where it is not clear."""

import shutil
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cds_service.chart.order import read_order
from cds_service.chart.rate import concentration, rate, volume
from cds_service.chart.revise import with_dosage, with_route, without_end
from cds_service.content.compile import compile_dosage_words
from cds_service.content.inherited import common_words
from cds_service.content.load import load_pack
from cds_service.fhir.wording import dosages_in_words
from cds_service.vocabulary.facts import Fact, Interval, State
from tests.support.places import SECOND_PACK

SAID = compile_dosage_words(common_words())
UCUM = "http://unitsofmeasure.org"
AMOUNTS = st.decimals("0.001", "9999", places=3, allow_nan=False)
DRUG = {"coding": [{"system": "http://example.org/drugs", "code": "EX"}]}


@pytest.fixture(scope="module")
def facts():
    return load_pack(SECOND_PACK / "cards").facts


def quantity(value, unit, **more):
    return {"value": value, "unit": unit, "code": unit, "system": UCUM, **more}


def stated(**members):
    return {"doseAndRate": [members]}


@given(value=AMOUNTS)
def test_a_rate_is_the_same_in_each_of_its_units_and_forms(facts, value):
    exactly = Interval.point(Fraction(value) * 60)
    forms = [
        stated(rateQuantity=quantity(value, "mL/min")),
        stated(rateRatio={"numerator": quantity(value * 2, "mL"), "denominator": quantity(2, "min")}),
        stated(rateRange={"low": quantity(value, "mL/min"), "high": quantity(value, "mL/min")}),
        {"rateQuantity": quantity(value, "mL/min")},
    ]
    assert [rate(facts["step.speed"], form).value for form in forms] == [exactly] * 4


@pytest.mark.parametrize(
    ("unit", "states"),
    [
        ("mL/h", [State.VALUE, State.ABSENT]),
        ("meq/h", [State.ABSENT, State.VALUE]),
        ("[drp]/min", [State.UNUSABLE] * 2),
    ],
)
def test_a_rate_in_the_unit_of_another_rate_of_the_pack_is_that_one_and_what_neither_knows_is_told_by_both(
    tmp_path, unit, states
):
    shutil.copytree(SECOND_PACK / "cards" / "examplol", tmp_path / "examplol")
    with (tmp_path / "examplol" / "facts.yaml").open("a", encoding="utf-8") as declared:
        declared.write("  step.current: {kind: dosage, element: rate, label: Current, analyte: current, unit: meq/h}\n")
    with (tmp_path / "examplol" / "units.yaml").open("a", encoding="utf-8") as declared:
        declared.write('current: {canonical: "meq/h", written: {"meq/h": mEq/h}, units: {"meq/h": "1"}}\n')
    pack = load_pack(tmp_path / "examplol")
    dosage = stated(rateQuantity=quantity(3, unit))
    assert [rate(pack.facts[name], dosage).state for name in ("step.speed", "step.current")] == states


@given(numerator=AMOUNTS, denominator=AMOUNTS)
def test_a_ratio_is_its_quotient_exactly(facts, numerator, denominator):
    ratio = {"numerator": quantity(numerator, "mL"), "denominator": quantity(denominator, "h")}
    found = rate(facts["step.speed"], stated(rateRatio=ratio))
    assert found.value == Interval.point(Fraction(numerator) / Fraction(denominator))


ML, HOURS = quantity(24, "mL"), quantity(8, "h")


@pytest.mark.parametrize(
    ("dosage", "reason"),
    [
        (stated(rateQuantity=quantity(3, "[drp]/min")), "unitNotKnown"),
        (stated(rateQuantity={"value": 3}), "unitMissing"),
        (stated(rateQuantity=quantity("3", "mL/h")), "valueNotNumber"),
        (stated(rateRatio={"numerator": ML, "denominator": quantity(0, "h")}), "valueNotNumber"),
        (stated(rateRatio={"numerator": ML}), "valueNotNumber"),
        (
            stated(rateRatio={"numerator": quantity(1, "mL", comparator="<"), "denominator": HOURS}),
            "comparatorNotKnown",
        ),
        (stated(rateRatio={"numerator": ML, "denominator": quantity(8, "bag")}), "unitNotKnown"),
        (stated(rateQuantity=quantity(3, "mL/h"), rateRatio={"numerator": ML, "denominator": HOURS}), "severalRates"),
        (stated(rateQuantity="3 mL/h"), "rateNotReadable"),
        (stated(rateRange={"low": None, "high": "5"}), "rateNotReadable"),
        ({"text": "at 3 mL an hour"}, "rateNotReadable"),
    ],
)
def test_a_rate_that_is_not_clear_is_unusable_with_its_reason(facts, dosage, reason):
    fact = rate(facts["step.speed"], dosage)
    assert (fact.state, fact.reason.key) == (State.UNUSABLE, reason)


def test_a_dosage_without_a_rate_has_none(facts):
    assert rate(facts["step.speed"], {**stated(doseQuantity=ML), "text": "24 mL"}) == Fact.absent()


def test_a_range_may_have_one_end(facts):
    limits = [{"low": quantity(1, "mL/h")}, {"high": quantity(1, "mL/h")}]
    found = [rate(facts["step.speed"], stated(rateRange=limit)).value for limit in limits]
    assert found == [Interval(1, None), Interval(0, 1)]


@pytest.mark.parametrize(
    ("dosage", "expected"),
    [
        (stated(doseQuantity=quantity(2, "L")), Interval.point(2000)),
        (stated(doseRange={"low": quantity(1, "mL"), "high": quantity(2, "mL")}), Interval(1, 2)),
        ({"doseQuantity": ML}, Interval.point(24)),
        (stated(doseQuantity=quantity(500, "ug")), State.ABSENT),
        (stated(doseQuantity={"value": 1, "unit": "tablet"}), State.ABSENT),
        (stated(doseQuantity={"value": 1, "unit": "mcg"}), State.ABSENT),
        ({}, State.ABSENT),
        (stated(doseQuantity={"value": 1, "unit": "bag"}), State.UNUSABLE),
        ({"doseAndRate": [{"doseQuantity": ML}, {"doseQuantity": ML}]}, State.UNUSABLE),
    ],
)
def test_a_volume_is_a_dose_that_is_one(facts, dosage, expected):
    fact = volume(facts["step.liquid"], dosage)
    assert (fact.value or fact.state) == expected


def order(*strengths, code="EX"):
    ingredients = [
        {"itemCodeableConcept": DRUG, **({"strength": strength} if strength else {})} for strength in strengths
    ]
    medication = {"resourceType": "Medication", "id": "m", "ingredient": ingredients}
    medication["code"] = {"coding": [{"system": "http://example.org/drugs", "code": code}]}
    resource = {"resourceType": "MedicationRequest", "id": "1", "contained": [medication]}
    return read_order("", {**resource, "medicationReference": {"reference": "#m"}}, {})


def per(amount, unit, millilitres, of="mL"):
    return {"numerator": quantity(amount, unit), "denominator": quantity(millilitres, of)}


@pytest.mark.parametrize(
    ("draft", "expected"),
    [
        (order(per(2, "mg", 100)), Interval.point(20)),
        (order(per(50, "ug", 1), code="EX-I"), Interval.point(50)),
        (order(None, code="EX-I"), Interval.point(50)),
        (order(None), State.ABSENT),
        (order(per(2, "mg", 1, of="1")), State.ABSENT),
        (order(code="nothing"), State.ABSENT),
        (order(per(51, "ug", 1), code="EX-I"), State.UNUSABLE),
        (order(per(2, "mg", 100), per(2, "mg", 100)), State.UNUSABLE),
        (order(per(2, "mmol", 100)), State.UNUSABLE),
    ],
)
def test_a_concentration_is_what_the_ingredient_or_the_code_of_the_product_says(facts, draft, expected):
    fact = concentration(facts["strength"], draft)
    assert (fact.value or fact.state) == expected


# --- what suggestions leave of it -----------------------------------------------------------------------------------

REPEAT = {"frequency": 1, "period": 1, "periodUnit": "d", "count": 3}
RATED = {"timing": {"repeat": REPEAT}, **stated(doseQuantity=ML, rateQuantity=quantity(3, "mL/h"))}
DRAFT = {
    "resourceType": "MedicationRequest",
    "id": "1",
    "status": "draft",
    "intent": "order",
    "subject": {"reference": "Patient/1"},
    "medicationCodeableConcept": DRUG,
    "dosageInstruction": [RATED, RATED],
}


def rates(revision):
    return [[item.get("rateQuantity", {}).get("value") for item in step["doseAndRate"]] for step in steps(revision)]


def steps(revision):
    assert revision.problem == ""
    return revision.resource["dosageInstruction"]


def test_an_order_without_an_end_runs_as_fast_as_before_and_says_so():
    revision = without_end(SAID, DRAFT)
    assert rates(revision) == [[3], [3]]
    assert steps(revision)[1]["text"] == "24 mL at 3 mL/h daily"


def test_the_steps_before_the_last_keep_their_rate_and_the_last_has_the_template_s():
    slow = {"timing": {"repeat": REPEAT}, **stated(doseQuantity=ML, rateQuantity=quantity(2, "mL/h"))}
    assert rates(with_dosage(SAID, DRAFT, {"dosageInstruction": [slow]}, "", kept=1)) == [[3], [2]]


def test_by_another_route_there_is_no_rate_until_somebody_states_one():
    revision = with_route(SAID, DRAFT, {"system": "s", "code": "c", "display": "By mouth", "text": "by mouth"})
    assert rates(revision) == [[None], [None]]
    assert "mL/h" not in steps(revision)[0]["text"]


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ({"rateQuantity": quantity(3, "mL/h")}, "24 mL at 3 mL/h"),
        ({"rateRatio": {"numerator": ML, "denominator": HOURS}}, "24 mL at 24 mL/8 h"),
        ({"rateRange": {"low": quantity(1, "mL/h"), "high": quantity(2, "mL/h")}}, "24 mL at 1-2 mL/h"),
    ],
)
def test_a_rate_stands_in_words_behind_the_dose(members, words):
    assert dosages_in_words(SAID, [stated(doseQuantity=ML, **members)]) == words
