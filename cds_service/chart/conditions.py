"""Facts from lists: problems, allergies, operations; and what of each list was not understood (Z41, Z49 to Z51)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import timedelta, tzinfo
from functools import partial
from typing import Any, cast

import msgspec

from cds_service.chart.record import Chart, not_read
from cds_service.chart.statuses import CLINICAL, EVENT_STATUSES, NOT_DONE, NOT_SO, NOT_SURE, PAST, VERIFICATION
from cds_service.fhir import lenient
from cds_service.fhir.codes import speaks_in
from cds_service.fhir.dates import day_of, last_day_of, read_date
from cds_service.fhir.lenient import many
from cds_service.fhir.names import FOLD_OF, LONGEST_NAME, head_of, says_nothing
from cds_service.fhir.treatments import Procedure
from cds_service.vocabulary.accounting import Account, Aside, Kind
from cds_service.vocabulary.declarations import Concept, FactDeclaration, Search
from cds_service.vocabulary.facts import ABSENT, PRESENT, Evidence, Fact, Reason

_UNKNOWN = "unknown"
_IN_PROGRESS = "in-progress"
_TOO_OLD = "too-old"
_UNDATED = "not-dated"
_NOT_UNDERSTOOD = {
    "Condition": "problemsNotUnderstood",
    "AllergyIntolerance": "allergiesNotUnderstood",
    "Procedure": "proceduresNotUnderstood",
}


class ListEntry(msgspec.Struct, gc=False):
    """One entry of a list that can bear on a fact.

    ``codings`` are those of every concept that says what it is about, ``names`` its folded texts that some fact of the
    search knows. ``unstated`` says that neither a status nor an end is stated, ``past`` that it is over. ``notes`` are
    why it is less than sure.
    """

    resource: lenient.Listed | Procedure
    codings: list[tuple[str, str]]
    names: tuple[str, ...] = ()
    unstated: bool = False
    past: bool = False
    notes: tuple[str, ...] = ()


class _List(msgspec.Struct, gc=False):
    """The list under one key. ``entries`` are those that a fact may know and that their status does not deny.

    ``elsewhere`` counts those about something else, ``denied`` are those that their status denies, such as refuted
    ones. Nobody knows what ``not_understood`` are, nor ``past_unknown``, which are over. ``is_covered`` says whether an
    entry has a code of a system that the facts know, ``reason`` how many were not understood. Of one that ``is_whole``
    all was read and understood, so what none of its entries bears on is absent.
    """

    entries: list[ListEntry]
    not_understood: list[lenient.Listed | Procedure]
    denied: list[lenient.Listed | Procedure]
    past_unknown: list[lenient.Listed | Procedure]
    elsewhere: int = 0
    is_covered: bool = False
    is_whole: bool = False
    reason: Reason | None = None


def condition(declaration: FactDeclaration, chart: Chart) -> Fact:
    """``present`` if a current problem or encounter diagnosis is in the value set, by code or, if declared, by name.

    With ``naming`` only entries count whose text or display holds one of those words (Z3, E53.8). An entry without a
    status, or one that only its name tells, makes of the fact what the declaration says of such entries (Z49, Z51).
    """
    return _listed(declaration, chart)


def allergy(declaration: FactDeclaration, chart: Chart) -> Fact:
    """``present`` if an allergy or intolerance that is active and not refuted is in the value set (Z5, Z50).

    An allergy without a status counts like an active one, so that none is overlooked.
    """
    return _listed(declaration, chart)


def procedure(declaration: FactDeclaration, chart: Chart) -> Fact:
    """``present`` if a procedure of the value set was done, at any time."""
    return _listed(declaration, chart)


def account(search: Search, declarations: Iterable[FactDeclaration], chart: Chart, *, whole: bool) -> Account:
    """What became of each entry under the key of a list (Z41); ``declarations`` are the facts that are read from it.

    An entry is read if a fact knows its code or its name. It is about something else if it is coded in a system that
    the facts know, or says that there is nothing to list. It is set aside if its status says that it is not so or is
    over, or if it is neither coded in such a system nor known by name.
    """
    results, listed = chart.results(search), chart.once(_read_list, search)
    facts = list(declarations)
    aside = [_aside(resource, Kind.STATUS, "statusNotCurrent") for resource in listed.denied]
    aside += [
        _aside(resource, Kind.CODE, "entryNotKnown") for resource in (*listed.not_understood, *listed.past_unknown)
    ]
    read = 0
    partly: list[Aside] = []
    for entry in listed.entries:
        if entry.past and not any(fact.any_status and _knows(fact, entry) for fact in facts):
            aside.append(_aside(entry.resource, Kind.STATUS, "statusNotCurrent"))
        else:
            read += 1
            partly += in_part(entry, search, chart.zone)
    set_aside = (*results.set_aside, *aside)
    entries = len(results.resources) + len(results.set_aside) + results.elsewhere
    return Account(entries, read, listed.elsewhere + results.elsewhere, set_aside, tuple(partly))


def in_part(entry: ListEntry, search: Search, zone: tzinfo) -> list[Aside]:
    """What of an entry that was read was not understood: its code, if a name tells what it is, its status, its date.

    ``zone`` is the hospital's time zone.
    """
    resource, asides = entry.resource, []
    if not search.known.has(entry.codings):
        asides.append(_aside(resource, Kind.CODE, "knownByName"))
    date = resource.when() if isinstance(resource, Procedure) else resource.dated()
    if date is not None and read_date(date, zone) is None:
        asides.append(Aside(Kind.DATE, Reason("dateNotReadable"), resource.own_reference()))
    for stated, known in _statuses(resource):
        if stated is not None and not _status(stated, known):
            written = stated if isinstance(stated, str) else stated.words() or next((c for _, c in stated.pairs()), "-")
            reason = Reason("statusNotKnown", {"status": written})
            asides.append(Aside(Kind.STATUS, reason, resource.own_reference(), code=written))
    return asides


def known_entries(search: Search, chart: Chart) -> list[tuple[lenient.Listed | Procedure, bool]]:
    """The entries under the key of a list that some fact knows and their status does not deny, each with whether it is
    over.
    """
    return [(entry.resource, entry.past) for entry in chart.once(_read_list, search).entries]


def clinical_status(resource: lenient.Listed) -> str:
    """The clinical status of a problem or an allergy as a code; ``""`` if it states none that is known."""
    return _status(resource.clinicalStatus, CLINICAL)


def _statuses(
    resource: lenient.Listed | Procedure,
) -> list[tuple[lenient.CodeableConcept | str | None, frozenset[str]]]:
    """What an entry says of its status, each with the codes that it can have."""
    if isinstance(resource, Procedure):
        return [(resource.status, EVENT_STATUSES)]
    return [(resource.clinicalStatus, CLINICAL), (resource.verificationStatus, VERIFICATION)]


def _knows(declaration: FactDeclaration, entry: ListEntry) -> bool:
    if declaration.match(entry.codings) is not None:
        return True
    return bool(declaration.by_name) and any(name in declaration.names for name in entry.names)


def _aside(resource: lenient.Listed | Procedure, kind: Kind, reason: str) -> Aside:
    concept = resource.code or lenient.CodeableConcept()
    coding = next(iter(many(concept.coding)), lenient.Coding())
    reference = resource.own_reference()
    return Aside(kind, Reason(reason), reference, coding.system or "", coding.code or "", concept.words())


# --- one list, read once for all of its facts


def _read_list(chart: Chart, search: Search) -> _List:
    """The list under a key. Kept by the chart for all facts that are read from the same key.

    Most entries are about something else: they are passed by as soon as their codes and texts say so, and their
    statuses are not read.
    """
    listed = _List([], [], [], [])
    results = chart.results(search)
    resources = cast("tuple[lenient.Listed | Procedure, ...]", results.resources)
    for resource in resources:
        subject = subject_of(resource, search)
        listed.is_covered = listed.is_covered or subject.is_covered
        if subject.is_known:
            entry = entry_of(resource, subject.codings, subject.names)
            if entry is None:
                listed.denied.append(resource)
            else:
                listed.entries.append(entry)
        elif subject.is_covered or subject.says_nothing:
            listed.elsewhere += 1
        else:
            entry = entry_of(resource, subject.codings, ())
            kind = listed.denied if entry is None else listed.past_unknown if entry.past else listed.not_understood
            kind.append(resource)
    if listed.not_understood:
        bearing = sum((entry := entry_of(resource, [], ())) is not None and not entry.past for resource in resources)
        counts = {"n": str(len(listed.not_understood)), "m": str(bearing)}
        listed.reason = Reason(_NOT_UNDERSTOOD[search.resource], counts)
    else:
        listed.is_whole = results.complete and (bool(resources) or not results.of_others)
    return listed


class Subject(msgspec.Struct, frozen=True):
    """What an entry says that it is about: its codings, and the names in it that some fact of its search knows.

    ``is_covered`` if a coding is of a system that the facts know, ``is_known`` if a fact knows a coding or a name.
    """

    codings: list[tuple[str, str]]
    names: tuple[str, ...]
    is_covered: bool
    is_known: bool
    says_nothing: bool


_MOST_KEPT = 4096  # subjects of one search


def subject_of(resource: lenient.Listed | Procedure, search: Search) -> Subject:
    """What an entry is about. Records repeat few concepts, so what was made of one is kept with the content."""
    kept, concepts = search.known.kept, concepts_of(resource)
    key = as_written(concepts)
    subject: Subject | None = kept.get(key)
    if subject is None:
        subject = _read_subject(resource, search)
        if len(kept) >= _MOST_KEPT:
            kept.clear()
        if all(len(concept.all_words()) <= LONGEST_NAME for concept in concepts):
            kept[key] = subject
    return subject


def as_written(concepts: list[lenient.CodeableConcept]) -> tuple[Any, ...]:
    """All that concepts say, as it was written. Most entries have one concept, and that has one coding."""
    if len(concepts) == 1:
        concept = concepts[0]
        codings = concept.coding
        if isinstance(codings, list) and len(codings) == 1:
            coding = codings[0]
            return concept.text, coding.system, coding.code, coding.display
    return tuple((concept.text, *((c.system, c.code, c.display) for c in many(concept.coding))) for concept in concepts)


def _read_subject(resource: lenient.Listed | Procedure, search: Search) -> Subject:
    codings = [pair for concept in concepts_of(resource) for pair in concept.pairs()]
    is_covered, has_code = speaks_in(search.known.systems, codings), search.known.has(codings)
    names = () if has_code else _names(resource, search)
    return Subject(codings, names, is_covered, has_code or bool(names), _says_nothing(resource, search))


def _names(resource: lenient.Listed | Procedure, search: Search) -> tuple[str, ...]:
    """The texts of an entry, folded, that are names which some fact of the search knows."""
    known = search.known
    if not known.names:
        return ()
    texts = [text for concept in concepts_of(resource) for text in concept.texts()]
    if known.heads:
        texts = [text for text in texts if not (head := head_of(text)) or head in known.heads]
    fold = FOLD_OF[search.resource]
    return tuple(name for name in map(fold, texts) if name in known.names)


def _says_nothing(resource: lenient.Listed | Procedure, search: Search) -> bool:
    """Whether an entry says that there is nothing to list."""
    fold = FOLD_OF[search.resource]
    return any(says_nothing(fold(text)) for concept in concepts_of(resource) for text in concept.texts())


def entry_of(
    resource: lenient.Listed | Procedure, codings: list[tuple[str, str]], names: tuple[str, ...]
) -> ListEntry | None:
    """An entry with how sure it is; ``None`` if its status says that it is not so."""
    if isinstance(resource, Procedure):
        return None if (resource.status or "unknown") in NOT_DONE else ListEntry(resource, codings)
    verification = _status(resource.verificationStatus, VERIFICATION)
    if verification in NOT_SO:
        return None
    notes = (verification,) if verification in NOT_SURE else ()
    clinical = _status(resource.clinicalStatus, CLINICAL)
    if isinstance(resource, lenient.AllergyIntolerance):
        return ListEntry(resource, codings, names, past=clinical in PAST, notes=notes)
    if clinical:
        past = clinical in PAST
        return ListEntry(resource, codings, names, past=past, notes=(clinical, *notes) if past else notes)
    if resource.has_abated():
        return ListEntry(resource, codings, names, past=True, notes=("ended", *notes))
    return ListEntry(resource, codings, names, unstated=True, notes=("status-not-stated", *notes))


def concepts_of(resource: lenient.Listed | Procedure) -> list[lenient.CodeableConcept]:
    """Every concept that says what an entry is about."""
    return resource.concepts()


def _status(stated: lenient.CodeableConcept | str | None, known: frozenset[str]) -> str:
    """The first of the known codes that a status has, or that its display or text spells; ``""`` if there is none."""
    if stated is None:
        return ""
    if isinstance(stated, str):
        written = [stated]
    else:
        codes = [coding.code for coding in many(stated.coding) if coding.code]
        if codes and codes[0] in known:
            return codes[0]
        written = [*codes, *stated.texts()]
    return next((code for text in written if (code := "-".join(text.casefold().split())) in known), "")


# --- one fact of a list


def _listed(declaration: FactDeclaration, chart: Chart) -> Fact:
    """What the entries of a list make of a fact: the surest value that one of them gives, and all that give it.

    An entry that is flawed gives no value; the fact is unusable if nothing else bears on it.
    """
    search = declaration.searches[0]
    listed = chart.once(_read_list, search)
    if listed.is_whole and not listed.entries:
        return ABSENT
    outcomes: dict[str, list[Callable[[], Evidence]]] = {}
    flaw: Reason | None = None
    flawed: list[Callable[[], Evidence]] = []
    for entry in listed.entries:
        if entry.past and not declaration.any_status:
            continue
        known = declaration.match(entry.codings)
        name = ""
        if known is None and entry.names and declaration.by_name:
            name = next((name for name in entry.names if name in declaration.names), "")
            known = declaration.names.get(name)
        if known is None or not _has_naming(declaration, entry):
            continue
        recorded = _recorded(declaration, entry, chart)
        if recorded is _TOO_OLD:
            continue
        shown = partial(_evidence, declaration, entry, known, name, recorded, chart)
        flaw_of_entry = _flaw(entry.resource)
        if flaw_of_entry is not None:
            flaw = flaw or flaw_of_entry
            flawed.append(shown)
            continue
        is_stated = declaration.any_status or (not entry.unstated and recorded is not _UNDATED)
        outcome = _weaker(declaration, PRESENT if is_stated else declaration.without_status, name)
        outcomes.setdefault(outcome, []).append(shown)
    if not outcomes:
        if flaw is not None:
            return Fact.unusable(flaw, flawed[0]())
        return ABSENT if listed.is_whole else _not_listed(declaration, chart, listed)
    value = min(outcomes, key=partial(_rank, declaration))
    if value == _UNKNOWN:
        return Fact.unknown(reason=Reason("notCertain", {"entry": outcomes[value][0]().display}))
    return Fact.shown_by(value, outcomes[value])


def _weaker(declaration: FactDeclaration, outcome: str, name: str) -> str:
    """What an entry makes of a fact, if it is known by ``name`` only and not by its code."""
    return max(outcome, declaration.by_name, key=partial(_rank, declaration)) if name else outcome


def _rank(declaration: FactDeclaration, outcome: str) -> int:
    """How sure an outcome is: ``present``, then the other values as declared, then ``unknown``."""
    if outcome == PRESENT:
        return 0
    return declaration.values.index(outcome) if outcome in declaration.values else len(declaration.values) + 1


def _has_naming(declaration: FactDeclaration, entry: ListEntry) -> bool:
    if not declaration.naming:
        return True
    words = " | ".join(concept.all_words() for concept in concepts_of(entry.resource)).casefold()
    return any(name.casefold() in words for name in declaration.naming)


def _recorded(declaration: FactDeclaration, entry: ListEntry, chart: Chart) -> str:
    """Whether an entry was recorded within the look-back of a fact: ``""``, or that it was not, or has no date.

    A procedure counts by the day on which it was done, and one that is in progress on every day (Z74). The day that
    lies so many days before the day of the call is the first that counts.
    """
    resource = entry.resource
    if declaration.look_back_days is None:
        return ""
    if isinstance(resource, Procedure):
        if resource.status == _IN_PROGRESS:
            return ""
        span = read_date(resource.when(), chart.zone)
    else:
        span = read_date(resource.recordedDate or resource.dated(), chart.zone)
    if span is None:
        return _UNDATED
    return _TOO_OLD if span.end < chart.now - timedelta(days=declaration.look_back_days) else ""


def _evidence(
    declaration: FactDeclaration, entry: ListEntry, known: Concept, name: str, recorded: str, chart: Chart
) -> Evidence:
    """What a person reads of an entry: its words, with the code that it is known by, or that only a name tells it."""
    resource = entry.resource
    date = resource.when() if isinstance(resource, Procedure) else resource.dated()
    span = read_date(date, chart.zone)
    dated = partial(
        Evidence, resource.own_reference(), date=day_of(span, chart.zone), last_day=last_day_of(span, chart.zone)
    )
    notes = (*entry.notes, *([recorded] if recorded else []))
    fold = FOLD_OF[type(resource).__name__]
    for concept in concepts_of(resource):
        if name and name in map(fold, concept.texts()):
            return dated(concept.words(), notes=("by-name", *notes))
        if not name and declaration.match(concept.pairs()) is known:
            words = concept.words() or known.display
            return dated(words, notes=notes, code=known.code)
    return dated(known.display, notes=notes)


def _flaw(resource: lenient.Listed | Procedure) -> Reason | None:
    """Why an entry cannot be used; ``None`` if it can."""
    whose = resource.subject if isinstance(resource, Procedure) else resource.whose()
    if whose is None or not whose.reference:
        return Reason("subjectMissing")
    return Reason("modifierExtension") if bytes(resource.modifierExtension) else None


def _as_it_stands(resource: lenient.Listed | Procedure) -> Evidence:
    """An entry that nobody understands, as people read it."""
    texts = (text for concept in concepts_of(resource) for text in (*concept.texts(), *(c for _, c in concept.pairs())))
    return Evidence(resource.own_reference(), next(texts, ""))


def _not_listed(declaration: FactDeclaration, chart: Chart, listed: _List) -> Fact:
    """A fact that no entry bears on: not read, absent, or unknown if no entry is of a kind that we understand (Z41)."""
    search = declaration.searches[0]
    results = chart.results(search)
    if not results.complete:
        return not_read(declaration, [results])
    if not results.resources and results.of_others:
        return Fact.unknown(reason=Reason("otherPatient"))
    if declaration.kind == "allergy":  # one that nobody understands may be this one
        return Fact.unusable(listed.reason or Reason("entryNotKnown"), *map(_as_it_stands, listed.not_understood))
    return Fact.absent(reason=listed.reason) if listed.is_covered else Fact.unknown(reason=listed.reason)
