"""Facts from lists: problems, allergies, operations. Imports the shared vocabulary and this room."""

from __future__ import annotations

from typing import cast

from cds_service.chart.history import when
from cds_service.chart.reading import NOT_GIVEN, PRESENT, day, not_read
from cds_service.chart.record import Chart
from cds_service.fhir import lenient
from cds_service.fhir.dates import read_date
from cds_service.fhir.lenient import many
from cds_service.vocabulary.declarations import Concept, FactDeclaration, Search
from cds_service.vocabulary.facts import Evidence, Fact, Reason

_ACTIVE = frozenset({"active", "recurrence", "relapse"})
_NOT_MEANT = frozenset({"refuted", "entered-in-error"})


def _status(concept: lenient.CodeableConcept | None) -> str:
    return next((code for _, code in concept.pairs()), "") if concept else ""


def _is_current(resource: lenient.Condition | lenient.AllergyIntolerance) -> bool:
    """Active and not refuted. Without a clinicalStatus a Condition counts only as an encounter
    diagnosis (Z32); an AllergyIntolerance without one counts, because missing it must not hide it."""
    if _status(resource.verificationStatus) in _NOT_MEANT:
        return False
    status = _status(resource.clinicalStatus)
    if status or isinstance(resource, lenient.AllergyIntolerance):
        return status in _ACTIVE or not status
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
    results = chart.results(declaration.searches[0])
    evidence, unusable = [], None
    for entry, code, codings in chart.once(_current, declaration.searches[0]):
        known = declaration.match(codings)
        if known is None:
            continue
        words = code.all_words().casefold()
        if declaration.naming and not any(name.casefold() in words for name in declaration.naming):
            continue
        evidence_of = _entry_evidence(entry, code, known, chart)
        subject = entry.patient if isinstance(entry, lenient.AllergyIntolerance) else entry.subject
        if subject is None or not subject.reference:
            unusable = unusable or Fact.unusable(Reason("subjectMissing"), evidence_of)
        elif bytes(entry.modifierExtension):
            unusable = unusable or Fact.unusable(Reason("modifierExtension"), evidence_of)
        else:
            evidence.append(evidence_of)
    if evidence:
        return Fact.of(PRESENT, *evidence)
    if unusable is not None:
        return unusable
    return Fact.absent() if results.complete else not_read(declaration, [results])


_Listed = tuple["lenient.Condition | lenient.AllergyIntolerance", lenient.CodeableConcept, list[tuple[str, str]]]


def _current(chart: Chart, search: Search) -> list[_Listed]:
    """The entries of a list that count, each with its code and codings, for all facts that are read from it."""
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
    kind = type(entry).__name__
    words = concept.words() or known.display
    began = None
    if isinstance(entry, lenient.Condition):
        began = entry.onsetDateTime or (entry.onsetPeriod.start if entry.onsetPeriod else None)
    span = read_date(began or entry.recordedDate, chart.zone)
    return Evidence(f"{kind}/{entry.id}" if entry.id else kind, f"{words} ({known.code})", day(span, chart.zone))


def procedure(declaration: FactDeclaration, chart: Chart) -> Fact:
    """``present`` if a procedure of the value set was done at any time."""
    results = chart.results(declaration.searches[0])
    value_set = next(iter(declaration.value_sets.values()))
    evidence, unusable = [], None
    for resource in results.resources:
        entry = cast(lenient.Procedure, resource)
        if (entry.status or "unknown") in NOT_GIVEN or entry.code is None:
            continue
        known = value_set.match(entry.code.pairs())
        if known is None:
            continue
        said = Evidence(
            f"Procedure/{entry.id}" if entry.id else "Procedure",
            f"{entry.code.words() or known.display} ({known.code})",
            day(read_date(when(entry), chart.zone), chart.zone),
        )
        if entry.subject is None or not entry.subject.reference:
            unusable = unusable or Fact.unusable(Reason("subjectMissing"), said)
        elif bytes(entry.modifierExtension):
            unusable = unusable or Fact.unusable(Reason("modifierExtension"), said)
        else:
            evidence.append(said)
    if evidence:
        return Fact.of(PRESENT, *evidence)
    if unusable is not None:
        return unusable
    return Fact.absent() if results.complete else not_read(declaration, [results])
