"""Facts of the person: age and sex."""

from __future__ import annotations

from typing import cast

from cds_service.chart.record import Chart, not_read
from cds_service.fhir import lenient
from cds_service.fhir.dates import years_between
from cds_service.vocabulary.declarations import FactDeclaration
from cds_service.vocabulary.facts import Evidence, Fact, Interval, Reason


def _person(declaration: FactDeclaration, chart: Chart) -> lenient.Patient | Fact:
    """The Patient resource; the fact that stands in for it if there is none."""
    results = chart.results(declaration.searches[0])
    if not results.resources:
        return not_read(declaration, [results]) if not results.complete else Fact.absent()
    return cast(lenient.Patient, results.resources[0])


def age(declaration: FactDeclaration, chart: Chart) -> Fact:
    """Age in completed years at ``chart.now``; a partial birth date gives a range."""
    person = _person(declaration, chart)
    if isinstance(person, Fact):
        return person
    if person.birthDate is None:
        return Fact.absent()
    years = years_between(person.birthDate, chart.now)
    if years is None:
        return Fact.unusable(Reason("dateNotReadable"))
    number = str(years[0])
    evidence = Evidence("Patient", f"{number} {declaration.unit}", "", number, declaration.unit)
    return Fact.of(Interval(*years), evidence)


def sex(declaration: FactDeclaration, chart: Chart) -> Fact:
    """``female`` or ``male``, as ``Patient.gender`` says; absent for any other gender."""
    person = _person(declaration, chart)
    if isinstance(person, Fact):
        return person
    if person.gender not in ("female", "male"):
        return Fact.absent()
    return Fact.of(person.gender, Evidence("Patient", person.gender))
