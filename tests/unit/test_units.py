"""Units are exact, and one amount is the same however it is spelled."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cds_service.content.files import read_yaml
from cds_service.content.inherited import units_with
from cds_service.fhir.quantities import implausible, read_quantity
from cds_service.packaged import packaged
from cds_service.vocabulary.declarations import Analyte
from cds_service.vocabulary.facts import Interval, Reason

OWN = read_yaml(packaged("cards") / "vitamin-b12/units.yaml", "units")
UNITS = units_with(OWN)
UCUM = "http://unitsofmeasure.org"
# grams per mole, computed from the molecular formula (docs/decisions.md#units)
MOLAR = {"vitamin-b12": 1355.39, "creatinine": 113.12, "homocysteine": 135.18}


@pytest.fixture(scope="module")
def platelets(pack):
    return pack.facts["platelets"].analyte


@pytest.mark.parametrize(
    ("value", "code", "unit"),
    [
        ("25", "10*3/uL", "10*3/uL"),
        ("25000", "/uL", "/uL"),
        ("25", "10*9/L", "10*9/L"),
        ("25", "K/uL", "K/uL"),
        ("25", "", "x10E3/uL"),
        ("25", "", "thou/mm3"),
        ("25.0", "G/L", "G/L"),
    ],
)
def test_one_and_the_same_count_in_every_spelling(platelets, value, code, unit):
    assert read_quantity(platelets, value, code, UCUM, unit) == Interval.point(25)


@pytest.mark.parametrize("unit", ["mg/dL", "fL", "%", "cells", "10*3"])
def test_a_unit_not_known_for_platelets_is_refused_with_its_name(platelets, unit):
    read = read_quantity(platelets, "25", unit, UCUM, unit)
    assert read == Reason("unitNotKnown", {"unit": unit})


def test_no_unit_a_negative_value_and_a_quoted_number_are_refused(platelets):
    assert read_quantity(platelets, "25", "", "", "") == Reason("unitMissing")
    assert read_quantity(platelets, "-1", "10*9/L", UCUM, "") == Reason("valueNegative")
    assert read_quantity(platelets, '"25"', "10*9/L", UCUM, "") == Reason("valueNotNumber")


def test_code_and_unit_text_that_disagree_are_refused(platelets):
    read = read_quantity(platelets, "25", "10*9/L", UCUM, "/uL")
    assert read == Reason("unitsDisagree", {"code": "10*9/L", "unit": "/uL"})


@pytest.mark.parametrize(
    ("value", "code", "unit", "micromoles"),
    [
        ("1.35", "mg/L", "mg/L", "9.98595"),
        ("0.135", "mg/dL", "", "9.98595"),
        ("10", "nmol/mL", "", "10"),
        ("10.0", "", "\u00b5mol/L", "10"),
        ("10.0", "", "\u03bcmol/l", "10"),
    ],
)
def test_homocysteine_is_exact_beside_its_target(value, code, unit, micromoles):
    read = read_quantity(analyte_of("homocysteine"), value, code, UCUM if code else "", unit)
    assert read == Interval.point(Fraction(micromoles))
    below = Interval(Fraction(0), Fraction(10), high_open=True)
    assert read.within(below) == (micromoles != "10")


@pytest.mark.parametrize(
    ("value", "code", "unit"),
    [("20", "cm", "cm"), ("200", "mm", ""), ("0.2", "m", ""), ("20", "", "centimetres"), ("20", "", "centimeter")],
)
def test_one_and_the_same_length_in_every_spelling(value, code, unit):
    assert read_quantity(analyte_of("length"), value, code, UCUM if code else "", unit) == Interval.point(20)


@pytest.mark.parametrize("unit", ["in", "[in_i]", "inches", "cm2"])
def test_a_unit_not_known_for_length_is_refused_with_its_name(unit):
    assert read_quantity(analyte_of("length"), "8", unit, UCUM, unit) == Reason("unitNotKnown", {"unit": unit})


def analyte_of(name):
    """An analyte as units.yaml has it, whether or not a fact uses it."""
    entry = UNITS[name]
    factors = {unit: Fraction(factor) for unit, factor in entry["units"].items()}
    grammar, counted = entry.get("grammar", ""), tuple(entry.get("counted", ()))
    return Analyte(entry["canonical"], factors, grammar=grammar, counted=counted)


def test_a_pack_says_what_an_international_unit_of_its_substance_is_worth_and_the_framework_how_it_is_spelled():
    entry = units_with({"international-dose": {"units": {"ug": "40"}, "written": {"ug": "mcg"}}})["international-dose"]
    factors = {unit: Fraction(factor) for unit, factor in entry["units"].items()}
    of_substance = Analyte(entry["canonical"], factors, grammar=entry["grammar"], written=entry["written"])
    for spelling in ("[iU]", "[IU]", "IU", "iu", "I.U.", "IE", "I.E.", "UI", "U.I.", "international units"):
        assert read_quantity(of_substance, "800", "", "", spelling) == Interval.point(800), spelling
    for spelling in ("ug", "mcg", "\u00b5g", "micrograms"):
        assert read_quantity(of_substance, "20", "", "", spelling) == Interval.point(800), spelling
    for spelling in ("mg", "units", "U", "MIU"):
        assert read_quantity(of_substance, "20", "", "", spelling) == Reason("unitNotKnown", {"unit": spelling})


@given(st.decimals(min_value=0, max_value=10**6, allow_nan=False, allow_infinity=False, places=4))
def test_scaling_is_exact_for_any_decimal(value):
    """A count in /uL is a thousandth of it in 10*9/L, never a rounding away from it."""
    analyte = analyte_of("platelets")
    per_litre = read_quantity(analyte, str(value), "10*9/L", UCUM, "")
    per_microlitre = read_quantity(analyte, str(value * 1000), "/uL", UCUM, "")
    assert per_litre == per_microlitre == Interval.point(Fraction(value))


@given(
    comparator=st.sampled_from(["<", "<=", "=", ">", ">="]),
    value=st.integers(0, 1000),
    probe=st.integers(0, 1000),
)
def test_a_comparator_holds_exactly_the_values_it_allows(comparator, value, probe):
    read = read_quantity(analyte_of("platelets"), str(value), "10*9/L", UCUM, "", comparator)
    allowed = {"=": probe == value, "<": probe < value, "<=": probe <= value, ">": probe > value, ">=": probe >= value}[
        comparator
    ]
    if not (comparator == "<" and value == 0):
        assert Interval.point(probe).within(read) == allowed


LIMITS = [
    ("platelets", "10*9/L", ["0", "1", "22", "3000"], ["0.022", "0.99", "3000.001", "3001"]),
    ("platelets", "/uL", ["0", "1000", "3000000"], ["22", "999", "3000001"]),
    ("b12-flag", "pg/mL", ["10", "20000"], ["0", "9.99", "20001"]),
    ("creatinine", "umol/L", ["10", "3000"], ["0", "9.9", "3000.1"]),
    ("creatinine", "mg/dL", ["0.114", "33.9"], ["0.113", "34"]),
    ("reported-egfr", "mL/min/{1.73_m2}", ["1", "250"], ["0", "0.9", "250.1"]),
    ("homocysteine", "umol/L", ["1", "500"], ["0", "0.99", "501"]),
]


@pytest.mark.parametrize(("fact", "unit", "plausible", "not_plausible"), LIMITS)
def test_a_number_that_no_patient_has_is_not_plausible(pack, fact, unit, plausible, not_plausible):
    """Both ends of the limits are in; no count at all is a count (Z44)."""
    for value in plausible:
        assert implausible_in(pack, fact, value, unit) is None
    for value in not_plausible:
        reason = implausible_in(pack, fact, value, unit)
        assert reason.key in ("notPlausible", "notPlausiblePerhaps")
        assert reason.values["sent"] == f"{value} {unit}"


@pytest.mark.parametrize(
    ("fact", "value", "unit", "perhaps"),
    [
        ("platelets", "250000", "10*9/L", "cells per µL"),
        ("platelets", "250000", "K/uL", "cells per µL"),
        ("platelets", "9000000", "10*9/L", ""),
        ("b12-flag", "300", "ng/mL", "pg/mL"),
        ("b12-flag", "0.3", "pg/mL", "ng/mL"),
        ("creatinine", "88", "mg/dL", "µmol/L"),
        ("creatinine", "0.9", "umol/L", "mg/dL"),
        ("homocysteine", "12", "mg/dL", "µmol/L"),
        ("homocysteine", "0.5", "umol/L", "mg/L"),
        ("reported-egfr", "300", "ml/min/1.73sqm", ""),
    ],
)
def test_a_number_in_the_wrong_unit_is_said_to_be_perhaps_in_another(pack, fact, value, unit, perhaps):
    reason = implausible_in(pack, fact, value, unit)
    assert reason.values.get("perhaps", "") == perhaps
    assert reason.key == ("notPlausiblePerhaps" if perhaps else "notPlausible")


def test_what_cannot_be_read_is_for_another_reason_than_its_size(pack):
    assert implausible_in(pack, "platelets", "250", "g/L") is None
    assert implausible_in(pack, "platelets", '"250"', "/uL") is None


def test_a_creatinine_around_dialysis_counts_whatever_its_value(pack):
    """It says that there is dialysis (D6); no limit stands at it."""
    assert pack.facts["dialysis-creatinine"].plausible is None


def implausible_in(pack, fact, value, unit):
    declared = pack.facts[fact]
    return implausible(declared.analyte, declared.plausible, value, "", "", unit, f"{value} {unit}")
