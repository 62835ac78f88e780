"""What became of every entry of a search for medications: read, about something else, or set aside (Z41)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from cds_service.chart import dosage_accounts
from cds_service.chart.drug import Drug
from cds_service.chart.events import Event, EventKind, events_of
from cds_service.chart.history import is_in_future, is_stated_plan
from cds_service.chart.recognised import NOT_RESOLVED, KnownAs, ReadBy, readers_of
from cds_service.chart.record import Chart
from cds_service.fhir.medications import Naming
from cds_service.fhir.treatments import Treatment
from cds_service.vocabulary.accounting import Account, Aside, Kind
from cds_service.vocabulary.declarations import FactDeclaration, Search
from cds_service.vocabulary.facts import Reason


def account(search: Search, declarations: Sequence[FactDeclaration], chart: Chart, *, whole: bool) -> Account:
    """What became of every entry of a search for medications.

    ``declarations`` are the facts that are read from it. An entry is read if it is what one of them is about, about
    something else if it is known to be, and set aside otherwise: for its status or its intent, for want of a patient
    or of a date that can be, because its reference was not sent, or because its drug is not known.
    """
    results = chart.results(search)
    if results.is_empty:
        return Account(results.elsewhere, elsewhere=results.elsewhere)
    readers = readers_of(declarations, search)
    if not whole:
        readers = [reader for reader in readers if chart.has_made(reader, search)]
        if not readers:
            return Account()
    told = chart.once(events_of, search)
    set_aside = [no_treatment(resource, reason) for resource, _, reason in told.no_treatment]
    in_part: list[Aside] = []
    read = 0
    for each in sorted_events(search, declarations, readers, chart):
        if each.aside is not None:
            set_aside.append(each.aside)
        elif each.drugs:
            read += 1
            if all(drug.by_name for drug in each.drugs):
                in_part.append(_aside(each.event, Kind.DRUG, "knownByName"))
            in_part += dosage_accounts.of_event(declarations, each.event, chart, whole=whole)
    asides = (*results.set_aside, *set_aside)
    entries = len(results.resources) + results.elsewhere + len(results.set_aside)
    return Account(entries, read, entries - read - len(asides), asides, tuple(in_part))


class SortedEvent(msgspec.Struct, frozen=True):
    """One event of a search with the drugs that it may be of, the first that is known first.

    ``aside`` says why it is not read. It has neither if it is about something else.
    """

    event: Event
    drugs: Sequence[Drug] = ()
    aside: Aside | None = None


def sorted_events(
    search: Search, declarations: Sequence[FactDeclaration], readers: Sequence[ReadBy], chart: Chart
) -> Iterator[SortedEvent]:
    """What becomes of each event of a search.

    ``declarations`` are facts that are read from it, and ``readers`` recognise drugs for them.
    """
    made = [chart.once(reader, search) for reader in readers]
    open_to: dict[int, list[KnownAs]] = {}
    drugs_of: dict[int, list[Drug]] = {}
    for recognised in made:
        for known in recognised.known:
            open_to.setdefault(id(known.event), []).append(known)
            if known.drug is not None:
                drugs_of.setdefault(id(known.event), []).append(known.drug)
    stopped = EventKind.STOPPED
    is_stop_told = any(stopped in declared.events for declared in declarations)
    for event in chart.once(events_of, search).events:
        known_as, drugs = open_to.get(id(event), ()), drugs_of.get(id(event), ())
        if event.kind is stopped and not is_stop_told:
            yield SortedEvent(event, drugs, Aside(Kind.STATUS, Reason("notGiven"), event.reference))
        elif known_as and (len(known_as) == len(made) or drugs):
            yield SortedEvent(event, drugs, _set_aside(event, known_as, drugs, declarations, chart))
        else:
            yield SortedEvent(event)


def no_treatment(resource: Treatment, reason: str) -> Aside:
    """A resource that tells of no treatment, for its status or its intent."""
    return Aside(Kind.STATUS, Reason(reason), resource.own_reference())


def _set_aside(
    event: Event,
    known_as: Sequence[KnownAs],
    drugs: Sequence[Drug],
    declarations: Sequence[FactDeclaration],
    chart: Chart,
) -> Aside | None:
    """Why an event that is of a drug that facts ask for, or may be, is not read; ``None`` if it is."""
    subject = event.resource.subject
    span = event.last(chart)
    if not drugs:
        why = known_as[0].why
        kind = Kind.REFERENCE if why == NOT_RESOLVED else Kind.DRUG
        return Aside(kind, Reason(why), event.reference) if why == NOT_RESOLVED else _aside(event, kind, why)
    if subject is None or not subject.reference:
        return _aside(event, Kind.SUBJECT, "subjectMissing")
    if all(drug.possible_combination for drug in drugs):
        return _aside(event, Kind.DRUG, "possibleCombination")
    if not event.is_status:
        reason = Reason("statusNotKnown", {"status": event.status or "-"})
        return Aside(Kind.STATUS, reason, event.reference, code=event.status)
    if event.kind is EventKind.PLANNED and not any(is_stated_plan(fact, event, chart) for fact in declarations):
        return _aside(event, Kind.STATUS, "planNotCounted")
    if span is None:
        return _aside(event, Kind.DATE, "dateNotReadable" if event.resource.when() else "dateMissing")
    return _aside(event, Kind.DATE, "dateInFuture") if is_in_future(event.first(chart), chart) else None


def _aside(event: Event, kind: Kind, reason: str) -> Aside:
    naming: Naming = event.naming
    system, code = naming.codings[0] if naming.codings else ("", "")
    words = next(iter(naming.texts), "")
    values = {"words": words} if reason == "toldByWordsOnly" else {}
    return Aside(kind, Reason(reason, values), event.reference, system, code, words)
