"""What UCUM codes measure, as a library of UCUM has it too."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ucumvert import PintUcumRegistry

from cds_service.fhir.ucum import Measure, measure

ATOMS = [
    "g",
    "mg",
    "ug",
    "kg",
    "ng",
    "L",
    "mL",
    "dL",
    "uL",
    "mol",
    "mmol",
    "umol",
    "m2",
    "cm",
    "s",
    "min",
    "h",
    "d",
    "wk",
]
DIMENSIONS = {"g": "g", "m": "m", "s": "s", "mol": "mol"}


@pytest.fixture(scope="module")
def registry():
    return PintUcumRegistry()


def agrees(registry, code):
    theirs = registry.from_ucum(code)
    ours = measure(code)
    base = 1 * registry.from_ucum("1")
    for name, exponent in ours.dimensions.items():
        base = base * registry.from_ucum(DIMENSIONS[name]) ** exponent
    return (1 * theirs / base).to("dimensionless").magnitude == pytest.approx(float(ours.factor))


@pytest.mark.parametrize("code", [*ATOMS, "mo", "a", "1", "%", "10*9", "10*-3", "s-1", "/uL", "10*3/uL"])
def test_each_unit_is_worth_what_a_library_says(registry, code):
    assert agrees(registry, code)


@given(
    parts=st.lists(st.sampled_from(ATOMS), min_size=2, max_size=4), signs=st.lists(st.sampled_from("./"), min_size=3)
)
def test_products_and_quotients_go_from_left_to_right(registry, parts, signs):
    code = parts[0] + "".join(sign + part for sign, part in zip(signs, parts[1:], strict=False))
    assert agrees(registry, code)


def test_factors_are_exact():
    assert measure("mg/kg/d") == Measure(Fraction(1, 10**6 * 86400), {"s": -1})
    assert measure("mL/min/{1.73_m2}").dimensions == {"m": 3, "s": -1, "{1.73_m2}": -1}
    assert measure("m[Hg]") != measure("m")


@pytest.mark.parametrize(
    "one, other", [("mmol/L", "meq/L"), ("[IU]", "ug"), ("U/L", "umol/L"), ("mL/min", "mL/min/{1.73_m2}")]
)
def test_kinds_of_units_that_are_no_multiples_of_each_other_stay_apart(one, other):
    assert measure(one).dimensions != measure(other).dimensions


@pytest.mark.parametrize(
    "code", ["", "years", "mg//kg", ".g", "mg kg", "g.", "Cel", "(g)", "mg/", "{a", "10*", "0", "kmin", "µg"]
)
def test_what_is_not_known_is_refused(code):
    with pytest.raises(ValueError, match="is no "):
        measure(code)
