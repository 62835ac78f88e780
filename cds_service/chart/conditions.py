"""Facts from lists: problems, allergies, operations."""

from __future__ import annotations

from typing import cast

import msgspec

from cds_service.chart.record import Chart, Results, not_read
from cds_service.chart.statuses import ACTIVE, NOT_GIVEN, REFUTED
from cds_service.fhir import lenient
from cds_service.fhir.dates import day_of, read_date
from cds_service.fhir.lenient import many
from cds_service.vocabulary.declarations import Concept, FactDeclaration, Search
from cds_service.vocabulary.facts import PRESENT, Evidence, Fact, Reason


def _status(concept: lenient.CodeableConcept | None) -> str:
    """The first code of a status; ``""`` if it has none."""
    return next((code for _, code in concept.pairs()), "") if concept else ""


def _is_current(resource: lenient.Condition | lenient.AllergyIntolerance) -> bool:
    """Whether an entry is active and not refuted.

    Without a clinicalStatus a Condition counts only as an encounter diagnosis (Z32). An AllergyIntolerance without
    one counts, so that no allergy is overlooked.
    """
    if _status(resource.verificationStatus) in REFUTED:
        return False
    status = _status(resource.clinicalStatus)
    if status or isinstance(resource, lenient.AllergyIntolerance):
        return status in ACTIVE or not status
    return any(code == "encounter-diagnosis" for c in many(resource.category) for _, code in c.pairs())


def condition(declaration: FactDeclaration, chart: Chart) -> Fact:
    """``present`` if a current problem or encounter diagnosis is in the value set.

    With ``naming`` only entries count whose text or display holds one of those words (Z3, E53.8).
    """
    return _listed(declaration, chart)


def allergy(declaration: FactDeclaration, chart: Chart) -> Fact:
    """``present`` if an allergy or intolerance that is active and not refuted is in the value set (Z5)."""
    return _listed(declaration, chart)


def _listed(declaration: FactDeclaration, chart: Chart) -> Fact:
    """``present`` if a current entry of the list is in the value set; unusable if the only ones are flawed."""
    results = chart.results(declaration.searches[0])
    matches = []
    for entry, code, codings in chart.once(_current, declaration.searches[0]):
        known = declaration.match(codings)
        if known is None:
            continue
        words = code.all_words().casefold()
        if declaration.naming and not any(name.casefold() in words for name in declaration.naming):
            continue
        entry_evidence = _entry_evidence(entry, code, known, chart)
        subject = entry.patient if isinstance(entry, lenient.AllergyIntolerance) else entry.subject
        matches.append((_flaw(subject, entry.modifierExtension), entry_evidence))
    return _presence(declaration, results, matches)


def _flaw(subject: lenient.Reference | None, modifier: msgspec.Raw) -> Reason | None:
    """Why an entry cannot be used; ``None`` if it can."""
    if subject is None or not subject.reference:
        return Reason("subjectMissing")
    return Reason("modifierExtension") if bytes(modifier) else None


def _presence(declaration: FactDeclaration, results: Results, matches: list[tuple[Reason | None, Evidence]]) -> Fact:
    """``present`` by the entries without a flaw; else unusable by the first that has one; else what was not found."""
    evidence = [shown for flaw, shown in matches if flaw is None]
    if evidence:
        return Fact.of(PRESENT, *evidence)
    for flaw, shown in matches:
        if flaw is not None:
            return Fact.unusable(flaw, shown)
    return Fact.absent() if results.complete else not_read(declaration, [results])


_Listed = tuple["lenient.Condition | lenient.AllergyIntolerance", lenient.CodeableConcept, list[tuple[str, str]]]


def _current(chart: Chart, search: Search) -> list[_Listed]:
    """The current entries under a key, each with its code and codings.

    Kept by the chart for all facts that are read from the same key.
    """
    entries = cast("tuple[lenient.Condition | lenient.AllergyIntolerance, ...]", chart.results(search).resources)
    return [
        (entry, entry.code, entry.code.pairs()) for entry in entries if entry.code is not None and _is_current(entry)
    ]


def _entry_evidence(
    entry: lenient.Condition | lenient.AllergyIntolerance,
    concept: lenient.CodeableConcept,
    known: Concept,
    chart: Chart,
) -> Evidence:
    words = concept.words() or known.display
    began = None
    if isinstance(entry, lenient.Condition):
        began = entry.onsetDateTime or (entry.onsetPeriod.start if entry.onsetPeriod else None)
    span = read_date(began or entry.recordedDate, chart.zone)
    return Evidence(entry.own_reference(), f"{words} ({known.code})", day_of(span, chart.zone))


def procedure(declaration: FactDeclaration, chart: Chart) -> Fact:
    """``present`` if a procedure of the value set was done, at any time."""
    results = chart.results(declaration.searches[0])
    value_set = next(iter(declaration.value_sets.values()))
    matches = []
    for resource in results.resources:
        entry = cast(lenient.Procedure, resource)
        if (entry.status or "unknown") in NOT_GIVEN or entry.code is None:
            continue
        known = value_set.match(entry.code.pairs())
        if known is None:
            continue
        entry_evidence = Evidence(
            entry.own_reference(),
            f"{entry.code.words() or known.display} ({known.code})",
            day_of(read_date(entry.when(), chart.zone), chart.zone),
        )
        matches.append((_flaw(entry.subject, entry.modifierExtension), entry_evidence))
    return _presence(declaration, results, matches)
