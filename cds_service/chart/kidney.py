"""Kidney function: eGFR by CKD-EPI 2021, and which of two results is the newer."""

from __future__ import annotations

from fractions import Fraction
from typing import cast

from cds_service.fhir.quantities import in_digits
from cds_service.vocabulary.declarations import FactDeclaration
from cds_service.vocabulary.facts import Evidence, Exact, Fact, Interval, Reason, State


def estimated_gfr(declaration: FactDeclaration, creatinine: Fact, age_fact: Fact, sex_fact: Fact) -> Fact:
    """eGFR in mL/min/{1.73_m2} from creatinine in mg/dL, age in years and sex, by CKD-EPI 2021.

    The form of the equation is here, its constants are in ``facts.yaml`` (Z20). Where sex is not stated the equation
    is computed for both, and the fact is the range between the two, so that a band of a table counts only if both
    agree. Unusable if the creatinine is no single positive value, or the age is under the declared least age.
    Source: Inker et al., NEJM 2021;385:1737-1749.
    """
    for fact in (creatinine, age_fact):
        if fact.state is not State.VALUE:
            return fact
    scr, years = cast(Interval, creatinine.value), cast(Interval, age_fact.value)
    constants = declaration.constants
    if not scr.is_point or not scr.low or years.low is None or years.low < constants["least-age"]:
        return Fact.unusable(Reason("notComputed"), *creatinine.evidence)
    sexes = [cast(str, sex_fact.value)] if sex_fact.state is State.VALUE else ["female", "male"]

    def estimate(of_sex: str, at_age: Exact) -> float:
        kappa, alpha = (float(constants[f"{name}-{of_sex}"]) for name in ("kappa", "alpha"))
        ratio = float(cast(Exact, scr.low)) / kappa
        result = (
            float(constants["factor"])
            * min(ratio, 1.0) ** alpha
            * max(ratio, 1.0) ** float(constants["exponent"])
            * float(constants["age-base"]) ** float(at_age)
        )
        return float(result * float(constants["female-factor"]) if of_sex == "female" else result)

    values = [Fraction(estimate(s, y)) for s in sexes for y in {years.low, cast(Exact, years.high)}]
    read = creatinine.evidence[0]
    shown = in_digits(Fraction(round(min(values), 2)))
    computed = Evidence(read.reference, f"{shown} {declaration.unit_written}", read.date, shown, declaration.unit)
    return Fact.of(Interval(min(values), max(values)), computed, *creatinine.evidence)


def creatinine_at(declaration: FactDeclaration, gfr: float, age_fact: Fact, sex_fact: Fact) -> float | None:
    """The creatinine in mg/dL at which ``estimated_gfr`` comes to ``gfr`` for a person; no rule reads it.

    ``None`` if age or sex is not known, or the age is under the declared least age.
    """
    constants = {name: float(value) for name, value in declaration.constants.items()}
    years = age_fact.value if age_fact.state is State.VALUE else None
    if not isinstance(years, Interval) or years.low is None or years.low < constants["least-age"]:
        return None
    if sex_fact.state is not State.VALUE:
        return None
    sex = cast(str, sex_fact.value)
    at_kappa = constants["factor"] * constants["age-base"] ** float(years.low)
    at_kappa *= constants["female-factor"] if sex == "female" else 1.0
    exponent = constants["exponent"] if gfr <= at_kappa else constants[f"alpha-{sex}"]
    return float(constants[f"kappa-{sex}"] * (gfr / at_kappa) ** (1 / exponent))


def newer(_: FactDeclaration, reported: Fact, computed: Fact) -> Fact:
    """The newer of two facts by the date of their evidence; the reported one on the same day (Z11)."""
    if reported.state is not State.VALUE or computed.state is not State.VALUE:
        if reported.state is State.VALUE:
            return reported
        if computed.state is State.VALUE:
            return computed
        return computed if reported.state is State.ABSENT else reported
    return computed if computed.evidence[0].date > reported.evidence[0].date else reported
