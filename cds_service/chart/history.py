"""Facts from treatments: whether something was ordered or given, how long ago, and what came later."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import cast

import msgspec

from cds_service.chart.observations import CLOCK_SKEW
from cds_service.chart.record import Chart, Sent, not_read
from cds_service.chart.statuses import FINAL_RESULT, NOT_GIVEN
from cds_service.fhir import lenient
from cds_service.fhir.dates import Span, day_of, read_date
from cds_service.vocabulary.declarations import Concept, FactDeclaration, Search, ValueSet
from cds_service.vocabulary.facts import PRESENT, Evidence, Fact, Interval, Reason, State

_Treatment = lenient.MedicationRequest | lenient.MedicationAdministration | lenient.Procedure


def treatment(declaration: FactDeclaration, chart: Chart) -> Fact:
    """``present`` if a dose was ordered, given or recorded within the look-back (D7, Z8, Z14).

    An active order is under way whatever its date; anything else needs a date within the look-back.
    Orders, administrations and procedures count with every status but those in ``NOT_GIVEN``; ``statuses`` and ``form``
    narrow the orders further. If a medication is named only by a reference to what was not sent, the fact is unknown.
    """
    earliest = None
    if declaration.look_back_days is not None:
        earliest = chart.now - timedelta(days=declaration.look_back_days)
    read = [chart.results(search) for search in declaration.searches]
    evidence: list[Evidence] = []
    unresolved = False
    for search in declaration.searches:
        for entry, concept, codings in chart.once(_treatments, search):
            if concept is None:
                unresolved = True
                continue
            if entry.subject is None or not entry.subject.reference:
                continue
            known = recognise(concept, codings, declaration.value_sets.values())
            if known is None or (declaration.form and known.form != declaration.form):
                continue
            span = read_date(entry.when(), chart.zone)
            under_way = isinstance(entry, lenient.MedicationRequest) and entry.status == "active"
            if not under_way and (span is None or (earliest is not None and span.end < earliest)):
                continue
            if (
                declaration.statuses
                and isinstance(entry, lenient.MedicationRequest)
                and entry.status not in declaration.statuses
            ):
                continue
            words = concept.words() or known.display
            evidence.append(Evidence(entry.own_reference(), words, day_of(span, chart.zone)))
    if evidence:
        return Fact.of(PRESENT, *evidence)
    if any(not results.complete for results in read):
        return not_read(declaration, read)
    return Fact.unknown(reason=Reason("medicationNotResolved")) if unresolved else Fact.absent()


def _treatments(
    chart: Chart, search: Search
) -> list[tuple[_Treatment, lenient.CodeableConcept | None, list[tuple[str, str]]]]:
    """The entries under a key that were given or ordered, each with its concept and codings.

    Kept by the chart for all facts that are read from the same key. The concept is ``None`` if it was not sent.
    """
    entries = []
    for resource in chart.results(search).resources:
        entry = cast("_Treatment", resource)
        if (entry.status or "unknown") not in NOT_GIVEN and not getattr(entry, "doNotPerform", None):
            concept = entry.concept()
            entries.append((entry, concept, concept.pairs() if concept is not None else []))
    return entries


def recognise(
    concept: lenient.CodeableConcept, codings: Sequence[tuple[str, str]], value_sets: Iterable[ValueSet]
) -> Concept | None:
    """The concept a medication's codings name, or, where nothing is coded, its exact name (Z29)."""
    for value_set in value_sets:
        known = value_set.match(codings) if codings else value_set.names.get(concept.words().strip().casefold())
        if known is not None:
            return known
    return None


def recency(declaration: FactDeclaration, chart: Chart) -> Fact:
    """Whole days from the newest (``element: newest``) or the oldest entry to ``chart.now``.

    Entries are final results, and orders, administrations and procedures whose status is not in ``NOT_GIVEN``, with a
    code of the value sets and a date; ``statuses`` and ``form`` narrow the orders. A partial date gives a range of
    days. If not every entry was read the fact is unknown, unless they are results, of which the newest is wanted:
    results are sent newest first (Z22).
    """
    read = [chart.results(search) for search in declaration.searches]
    dated: list[tuple[Span, Evidence]] = []
    for results in read:
        for resource in results.resources:
            entry = _dated_entry(declaration, resource, chart)
            if entry is not None:
                dated.append(entry)
    newest_first = declaration.element == "newest"
    for search, results in zip(declaration.searches, read, strict=True):
        sorted_so_far = newest_first and search.resource == "Observation" and results.sent is Sent.READ
        if not results.complete and not (sorted_so_far and dated):
            return not_read(declaration, read)
    if not dated:
        return Fact.absent()
    span, evidence = (max if newest_first else min)(dated, key=lambda item: item[0].start)
    today = chart.now.astimezone(chart.zone).date()
    first = span.start.astimezone(chart.zone).date()
    last = (span.end - timedelta(microseconds=1)).astimezone(chart.zone).date() if span.end > span.start else first
    days = Interval(max((today - last).days, 0), max((today - first).days, 0))
    return Fact.of(days, evidence)


def _dated_entry(declaration: FactDeclaration, resource: msgspec.Struct, chart: Chart) -> tuple[Span, Evidence] | None:
    """The date and the evidence of an entry that counts for ``recency``; ``None`` if it does not count."""
    entry = cast("lenient.Observation | _Treatment", resource)
    if entry.subject is None or not entry.subject.reference or bytes(entry.modifierExtension):
        return None
    if isinstance(entry, lenient.Observation):
        if entry.status not in FINAL_RESULT:
            return None
        concept = entry.code
    else:
        if (entry.status or "unknown") in NOT_GIVEN or getattr(entry, "doNotPerform", None):
            return None
        if isinstance(entry, lenient.MedicationRequest) and entry.status not in (
            declaration.statuses or (entry.status,)
        ):
            return None
        concept = entry.concept()
    known = recognise(concept, concept.pairs(), declaration.value_sets.values()) if concept is not None else None
    if concept is None or known is None or (declaration.form and known.form != declaration.form):
        return None
    span = read_date(entry.when(), chart.zone)
    if span is None or span.start > chart.now + CLOCK_SKEW:
        return None
    return span, Evidence(entry.own_reference(), concept.words() or known.display, day_of(span, chart.zone))


def later(_: FactDeclaration, event: Fact, since: Fact) -> Fact:
    """``later`` if the newest evidence of ``event`` has a later day than that of ``since``, else ``not-later``.

    If either fact has no value, the result is that fact. On the same day the order is not known: ``not-later``.
    """
    for fact in (event, since):
        if fact.state is not State.VALUE:
            return fact
    days = [max((item.date for item in fact.evidence), default="") for fact in (event, since)]
    if not all(days):
        return Fact.unusable(Reason("dateMissing"), *event.evidence)
    return Fact.of("later" if days[0] > days[1] else "not-later", *event.evidence, *since.evidence)
