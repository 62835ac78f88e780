"""Units as they are spelled: thousands made from parts, those met in public data, and those that stay refused.

``tests/content/test_unit_mutants.py`` shows that they hold every row and rule of the grammar.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from functools import cache

import pytest
from ucumvert import PintUcumRegistry

from cds_service.fhir import units
from cds_service.fhir.quantities import read_quantity, read_unit
from cds_service.fhir.unit_spellings import SPELLINGS
from cds_service.fhir.units import LONGEST_UNIT, Grammar, ucum_of
from cds_service.vocabulary.facts import Interval, Reason
from tests.support.spelled_units import spellings
from tests.unit.test_units import MOLAR, UNITS, analyte_of

ENOUGH = 500
ANALYTES = tuple(name for name, entry in UNITS.items() if "grammar" in entry)  # the others are read as they are listed

# Met in public data, all of one count: 22 x10^9/L. Value, unit text, code.
SEEN_COUNTS = [
    ("22", "/nanoliter", "/nL"),
    ("22", "/nl", ""),
    ("22", "1/nl", ""),
    ("22", "giga.l-1", ""),
    ("22", "x10^3/µL", ""),
    ("22", "x10*3/uL", ""),
    ("22", "10E9/L", ""),
    ("22", "x10E9/L", ""),
    ("22", "10³/µL", ""),
    ("22", "10x3/uL", ""),
    ("22", "10^3/mm3", ""),
    ("22000", "/mm^3", ""),
    ("22000", "/cumm", ""),
    ("22000", "cells/mm3", ""),
    ("22000", "cells/µL", ""),
    ("22000", "cells/cu.mm", ""),
    ("22000", "/µL", ""),
    ("22000", "1/µl", ""),
    ("22000", "/mcL", ""),
    ("22000", "#/uL", ""),
    ("22", "K/CMM", ""),
    ("22", "K/mm^3", ""),
    ("22", "k/mm3", ""),
    ("22", "k/ul", ""),
    ("22", "THOU/MM3", ""),
    ("22", "THOUS/MCL", ""),
    ("22", "THOUSAND/UL", ""),
    ("22", "Thousands/uL", ""),
    ("22", "Thousands Per MicroLiter", ""),
    ("22", "1000/uL", ""),
    ("22", "x1000/uL", ""),
    ("22", "x 10*9/L", ""),
    ("22", "*10^9/L", ""),
    ("22", "10+3/ul", "10+3/ul"),
    ("22", "x10~3/uL", ""),
    ("22", "10**3/uL", ""),
    ("2.2", "10*4/uL", ""),
    ("22", "Tsd/µl", ""),
    ("22", "Tsd./µl", ""),
    ("22", "Mrd/l", ""),
    ("22", "Gpt/l", ""),
    ("22", "G/l", ""),
    ("22", "10^9/l", ""),
    ("22000", "cells per microliter", "{cells}/uL"),
    ("22", "10*3/ul", "10*3/ul"),
    ("22", "10*3/microL", ""),
    ("22", "10*9 cells/L", "10*9{cells}/L"),
    ("22", "K/uL", "K/uL"),
    ("0.22", "lakhs/cumm", ""),
    ("0.22", "Lakhs/Cumm", ""),
]
SEEN_SURFACES = [
    "(ckd-epi)ml/min/1.73m2",
    "(ml/min/1.73)",
    "ml/min/1.73",
    "ml/min/1.73/m2",
    "ml/min/1.73^2",
    "ml/min/1.73_m2",
    "ml/min/1.73m*2",
    "ml/min/1.73m²",
    "ml/min/1.73m^2",
    "ml/min/1.73meterssquared",
    "ml/min/1.73msquared",
    "ml/min/1.73sq.m",
    "ml/min/1.73sqm",
    "ml/min/1.73squaremeters",
    "ml/min/{1.73m2}",
    "{ml/min/1.73m^2}",
    "mL/min/1.73m**2",
    "ml/min/1.73msq",
    "milliliter per minute per 1.73 square meter",
]
# What could be read in two ways, or is in a unit that no such result has.
REFUSED = {
    "platelets": [
        *("g/L", "M/uL", "m/uL", "T/L", "mil/mm3", "K/L", "k/l", "/HPF", "10-3/uL", "10^-3/uL", "10*3/L", "10^9/mL"),
        *("10^12/L", "10^3", "10*3", "K", "k", "G", "thousand", "10*9", "/", "L", "uL", "cells", "#", "22", "1", "10"),
        *("M/UL", "MIL/MM3", "T/l", "K/mL", "G/uL", "G/mL", "lakhs/L", "lakhs", "10*6/uL", "10*9/uL", "10*3/nL"),
        *(
            "103/uL",
            "10.3/uL",
            "10*03/uL",
            "10*33/uL",
            "10^2/uL",
            "10*5/L",
            "10*4/L",
            "100/uL",
            "x100/uL",
            "2/uL",
            "x/uL",
        ),
        *("/L", "/mL", "/dL", "10*3/uL/uL", "10*3/uL.uL", "K/uL per L", "K-uL", "/hpf", "K/field", "billion/L"),
        *("x K/uL", "KK/uL", "K K/uL", "Mio/uL", "mg/dL", "%", "fL", "pg/mL", "uL-2", "L-3", "/uL-1", "kelvin/uL"),
        *("{10*3}/uL", "{K}/uL", "{thousand_cells}/uL", "{K/uL}", "10*3{/uL", "10*3}/uL", "{{x}}/uL", "10*3/{uL}"),
        *("m L", "10*3/ML", "/ML", "10*3/mm2", "10*3/mm", "10*3/m3", "1.000/uL", "1,000/uL", "1 000/uL", "x 1/uL"),
    ],
    "vitamin-b12": [
        *("g/L", "mg/mL", "mg/L", "Pg/mL", "pg/ML", "PG/mL", "pg", "/mL", "pmol", "nmol/L", "mmol/L", "U/L", "IU/mL"),
        *("ng", "ng/", "ng/ng", "pg/mL/mL", "{pg}/mL", "pg{/mL", "pg/uL", "pg.mL", "pg mL", "p g/mL", "10 pg/mL"),
    ],
    "creatinine": ["Mg/dL", "MG/dL", "g/L", "mol/L", "Mmol/L", "mmol", "mg", "mg/g", "mg/kg", "mg%", "u/L", "ummol/L"],
    "homocysteine": ["mmol/L", "umol", "umol/mL", "nmol/L", "Umol/L", "ug/L", "mol/L", "umol/mol", "umol/g"],
    "egfr": [
        *("mL/min", "ml/min", "ml/min/1", "ml/min/1.7", "ml/min/1.72", "ml/min/1.72m2", "/1.73m2", "1.73m2", "ml-min"),
        *("ml/min/1.732", "ml/min/1.730m2", "ml/min/1.73m3", "ml/min/m2", "mL/min/kg", "mL/h/1.73m2", "ml/min/1.7 3m2"),
        *("L/min/1.73m2", "mL/min/173m2", "ml/min/1.73m2/m2", "ckd-epi", "mL/min/1.73cm2", "mL/1.73m2", "min/1.73m2"),
    ],
    "dose": ["U", "IU", "mL", "Mg", "mcG/mL", "kg", "ng", "tablet", "M", "mm", "mol", "m g", "{mg}", "{mg", "mg}", "G"],
    "international-dose": [
        *("U", "u", "unit", "units", "UNT", "E", "MIU", "mIU", "kIU", "M[iU]", "m[iU]", "Mio. IE", "I U", "I.U", "IU."),
        *("IU/d", "IU/mL", "[IU", "iU]", "U.S.P.", "[USP'U]", "international", "mg", "ug", "{IU}", "mL", "tablet"),
    ],
    "length": ["in", "[in_i]", "inches", "cm2", "km", "um", "M", "mg", "{cm}", "Cm", "ft"],
}


@pytest.fixture(scope="module")
def registry():
    return PintUcumRegistry()


@pytest.mark.parametrize(
    ("analyte", "code"), [(name, code) for name, entry in UNITS.items() for code in entry["units"]]
)
def test_every_factor_agrees_with_ucum(registry, analyte, code):
    entry = UNITS[analyte]
    if "1.73" in code:
        pytest.skip("the annotation is not a unit to UCUM; the factor is one")
    theirs = registry.from_ucum(code)
    canonical = registry.from_ucum(entry["canonical"])
    ours = Fraction(entry["units"][code])
    ratio = (1 * theirs / canonical).to_base_units()
    if not ratio.dimensionless:
        grams_per_mole = MOLAR[analyte] * registry.from_ucum("g/mol")
        canonical_is_molar = (1 * canonical).is_compatible_with(registry.from_ucum("mol/L"))
        into_canonical = 1 / grams_per_mole if canonical_is_molar else grams_per_mole
        ratio = (1 * theirs * into_canonical / canonical).to_base_units()
        assert ratio.dimensionless
        assert float(ratio.magnitude) == pytest.approx(float(ours), rel=5e-4)
    else:
        assert float(ratio.magnitude) == pytest.approx(float(ours), rel=1e-12)


@cache
def made(analyte: str) -> dict[str, str]:
    return spellings(analyte)


@pytest.mark.parametrize("analyte", ANALYTES)
def test_every_spelling_made_from_parts_is_worth_what_ucum_says(registry, analyte):
    """The library reads the code beside the spelling, we read the spelling; both must come to the same amount."""
    cases = made(analyte)
    assert len(cases) >= ENOUGH
    expected = {code: _worth(registry, analyte, code) for code in set(cases.values())}
    declared = analyte_of(analyte)
    wrong = {}
    for spelling, code in cases.items():
        read = read_quantity(declared, "2", "", "", spelling)
        if not isinstance(read, Interval) or float(read.low) != pytest.approx(2 * expected[code], rel=5e-4):
            wrong[spelling] = code, read
    assert wrong == {}


@pytest.mark.parametrize("analyte", ANALYTES)
def test_the_grammar_reads_a_unit_that_the_content_lists_as_that_unit(analyte):
    declared = analyte_of(analyte)
    for code, factor in declared.factors.items():
        if code != "10*5/uL":  # UCUM for lakhs, sent by nobody; the exponent 5 is not among those that are met
            assert declared.factors[Grammar().read(declared.grammar, code)] == factor
        assert ucum_of(declared, code) == code


@pytest.mark.parametrize(("value", "unit", "code"), SEEN_COUNTS)
@pytest.mark.parametrize("system", ["", "http://mimic.mit.edu/fhir/mimic/CodeSystem/mimic-units"])
def test_a_count_as_it_was_met(value, unit, code, system):
    assert read_quantity(analyte_of("platelets"), value, code, system, unit) == Interval.point(22)


@pytest.mark.parametrize("unit", SEEN_SURFACES)
def test_an_egfr_as_it_was_met(unit):
    assert read_quantity(analyte_of("egfr"), "45", "", "", unit) == Interval.point(45)
    assert read_quantity(analyte_of("egfr"), "45", unit, "http://unitsofmeasure.org", unit) == Interval.point(45)


@pytest.mark.parametrize(("analyte", "unit"), [(name, unit) for name, listed in REFUSED.items() for unit in listed])
def test_what_could_be_read_in_two_ways_is_refused_by_name(analyte, unit):
    assert unit not in made(analyte)
    for code, text in ((unit, ""), ("", unit), (unit, unit)):
        assert read_unit(analyte_of(analyte), code, "", text) == Reason("unitNotKnown", {"unit": unit})


@pytest.mark.parametrize("analyte", ANALYTES)
def test_no_spelling_of_one_analyte_means_anything_in_another_dimension(analyte):
    """A count spelled for a mass, a mass for a count: the grammar of an analyte knows only its own kind."""
    kinds = {name: UNITS[name]["grammar"] for name in ANALYTES}
    declared = analyte_of(analyte)
    for other in ANALYTES:
        if kinds[other] != kinds[analyte]:
            assert [spelling for spelling in made(other) if ucum_of(declared, spelling)] == []


def test_code_and_text_of_one_size_agree_however_they_are_spelled():
    platelets = analyte_of("platelets")
    assert read_quantity(platelets, "22", "10*9{cells}/L", "", "Tsd./µl") == Interval.point(22)
    assert read_unit(platelets, "K/uL", "", "/uL") == Reason("unitsDisagree", {"code": "K/uL", "unit": "/uL"})
    assert read_unit(platelets, "lakhs/cumm", "", "k/ul").key == "unitsDisagree"


@pytest.mark.parametrize("value", ['"22"', '"22,000"', "22,000", "22 000", "22.000,0"])
def test_a_value_with_a_separator_or_in_quotes_is_unreadable(value):
    assert read_quantity(analyte_of("platelets"), value, "", "", "/uL") == Reason("valueNotNumber")


# --- what hostile input costs


@pytest.mark.parametrize(
    "unit", ["x" * 10**6, "{" * 64, "10*" * 30, "per " * 16, "/" * 64, "(" * 10**5 + "ml/min", " " * 500]
)
@pytest.mark.parametrize("analyte", ANALYTES)
def test_a_long_or_repeating_unit_is_refused_and_quoted_short(analyte, unit):
    reason = read_unit(analyte_of(analyte), "", "", unit)
    assert reason.key == "unitNotKnown"
    assert len(reason.values["unit"]) <= LONGEST_UNIT + len("...")


def test_what_is_remembered_is_bounded():
    platelets = analyte_of("platelets")
    limit = units._read.cache_info().maxsize
    assert limit is not None
    for number in range(limit + 100):
        ucum_of(platelets, f"unit-{number}")
    assert units._read.cache_info().currsize == limit
    before = units._read.cache_info()
    assert ucum_of(platelets, "x" * (LONGEST_UNIT + 1)) == ""
    assert ucum_of(platelets, "10*9/L") == "10*9/L"  # listed, so never asked for
    assert units._read.cache_info() == before


# --- what the content says


def test_what_is_counted_is_named_by_the_content():
    """Other cells are not for this analyte, and its own are not for another."""
    platelets = analyte_of("platelets")
    assert ucum_of(platelets, "10*9 platelets/L") == "10*9/L"
    assert ucum_of(platelets, "10*9 reticulocytes/L") == ""
    assert ucum_of(replace(platelets, counted=("reticulocytes",)), "10*9 reticulocytes/L") == "10*9/L"
    assert ucum_of(replace(platelets, counted=()), "10*9 platelets/L") == ""


def test_two_rows_that_become_one_spelling_are_refused_when_the_grammar_is_made():
    with pytest.raises(ValueError, match="'k' means"):
        Grammar(replace(SPELLINGS, power_symbols={**SPELLINGS.power_symbols, "k": 9}))


def test_the_grammars_are_those_that_the_content_can_name(tmp_path):
    from cds_service.content.files import schema

    named = schema("units").schema["additionalProperties"]["properties"]["grammar"]["enum"]
    assert sorted(named) == sorted(Grammar()._as_written._grammars)
    assert {UNITS[name]["grammar"] for name in ANALYTES} == set(named)


def _worth(registry: PintUcumRegistry, analyte: str, code: str) -> float:
    """What the UCUM library makes of one of ``code``, in the analyte's canonical unit."""
    canonical = UNITS[analyte]["canonical"]
    if analyte == "egfr":
        assert code == canonical  # an annotation is no unit to UCUM; there is nothing to convert
        return 1.0
    theirs, ours = registry.from_ucum(code), registry.from_ucum(canonical)
    ratio = (1 * theirs / ours).to_base_units()
    if not ratio.dimensionless:
        grams_per_mole = MOLAR[analyte] * registry.from_ucum("g/mol")
        is_molar = (1 * ours).is_compatible_with(registry.from_ucum("mol/L"))
        ratio = (1 * theirs * (1 / grams_per_mole if is_molar else grams_per_mole) / ours).to_base_units()
    assert ratio.dimensionless
    return float(ratio.magnitude)
