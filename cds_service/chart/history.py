"""Facts from treatments: whether something was ordered or given, how long ago, and what came later."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import NamedTuple, cast

from cds_service.chart.drug import Drug, drug_names_of, recognise
from cds_service.chart.observations import CLOCK_SKEW
from cds_service.chart.record import Chart, Results, Sent, not_read
from cds_service.chart.statuses import EVENT_STATUSES, FINAL_RESULT, NOT_GIVEN, REQUEST_STATUSES
from cds_service.fhir import lenient
from cds_service.fhir.codes import speaks_in
from cds_service.fhir.dates import Span, day_of, read_date
from cds_service.fhir.medications import MOST_KEPT, Naming, Recognition
from cds_service.vocabulary.accounting import Account, Aside, Kind
from cds_service.vocabulary.declarations import FactDeclaration, Search
from cds_service.vocabulary.facts import PRESENT, Evidence, Fact, Interval, Reason, State

_Treatment = lenient.MedicationRequest | lenient.MedicationAdministration | lenient.Procedure
_OTHERS_DRUG = (Recognition.DRUG, Recognition.NO_DRUG)


class _NamedTreatment(NamedTuple):
    """One order, administration or procedure, and how it names what was given."""

    resource: _Treatment
    naming: Naming


class _Recognised(NamedTuple):
    """The entries of a search, and those of them that are not known to be something else, each with its drug if known.

    Most entries are something else, so they are passed once.
    """

    entries: list[_NamedTreatment]
    drugs: list[tuple[_NamedTreatment, Drug | None]]


class _ReadBy:
    """Recognises the entries of a search by some value sets; equal to another that does so by the same ones.

    Most facts about treatments ask for the same value sets, so the chart keeps what one of these makes of a search.
    """

    __slots__ = ("_key", "_search", "_systems", "_value_sets")

    def __init__(self, declaration: FactDeclaration, search: Search) -> None:
        by_codes = search.resource == "Procedure"
        self._value_sets = tuple(
            value_set for value_set in declaration.value_sets.values() if by_codes or value_set.kind == "medication"
        )
        self._systems = declaration.systems
        self._search = search
        names = drug_names_of(self._value_sets)
        self._key = (names, search.key, declaration.systems, *[value_set.id for value_set in self._value_sets])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _ReadBy) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)

    def __call__(self, chart: Chart, search: Search) -> _Recognised:
        entries = chart.once(_treatments, search)
        recognise = self.recognise
        drugs = [(entry, drug) for entry in entries for drug, is_other in [recognise(entry.naming)] if not is_other]
        return _Recognised(entries, drugs)

    def recognise(self, naming: Naming) -> tuple[Drug | None, bool]:
        """What an entry is (Z48), and if it is none of these, whether it is known to be something else (Z41).

        That is so if it has a code of a system in which the value sets, or facts about operations of the same search,
        have codes, or the name of another drug that the pack knows.
        """
        kept: tuple[Drug | None, bool] | None = naming.kept.get(self._key)
        if kept is None:
            if len(naming.kept) >= MOST_KEPT:  # of content that is served no more
                naming.kept.clear()
            kept = naming.kept[self._key] = self._recognise(naming)
        return kept

    def _recognise(self, naming: Naming) -> tuple[Drug | None, bool]:
        drug = recognise(naming, self._value_sets)
        if drug is not None or not naming.resolved:
            return drug, False
        is_other = (
            self._covers(naming)
            or (bool(naming.ingredients) and all(map(self._covers, naming.ingredients)))
            or naming.read(drug_names_of(self._value_sets)).recognition in _OTHERS_DRUG
        )
        return None, is_other

    def _covers(self, naming: Naming) -> bool:
        return speaks_in(self._systems, naming.codings) or speaks_in(self._search.systems, naming.codings)


_KEPT: dict[tuple[str, str], tuple[FactDeclaration, _ReadBy]] = {}


def _read_by(declaration: FactDeclaration, search: Search) -> _ReadBy:
    """How a fact recognises the entries of a search, made once for each content that is served."""
    key = (declaration.name, search.key)
    kept = _KEPT.get(key)
    if kept is None or kept[0] is not declaration:
        kept = _KEPT[key] = declaration, _ReadBy(declaration, search)
    return kept[1]


_KEPT_READERS: dict[str, tuple[Sequence[FactDeclaration], frozenset[_ReadBy]]] = {}


def _readers(declarations: Sequence[FactDeclaration], search: Search) -> frozenset[_ReadBy]:
    """The different ways in which facts recognise the entries of a search."""
    kept = _KEPT_READERS.get(search.key)
    if kept is None or kept[0] is not declarations:
        readers = frozenset(_read_by(declared, search) for declared in declarations)
        kept = _KEPT_READERS[search.key] = declarations, readers
    return kept[1]


class _Remainder:
    """What the searches of one fact came to beside the entries that count for it.

    ``unusable`` is an entry that would count but cannot be trusted, and why; ``reason`` why it is not known whether
    another would. ``counts`` are, by the reason that says so, the entries that nobody can tell what they are, and all
    of which they are some. ``blind`` if a search brought nothing else.
    """

    __slots__ = ("blind", "counts", "reason", "unusable")

    def __init__(self) -> None:
        self.unusable: tuple[Reason, Evidence] | None = None
        self.reason: Reason | None = None
        self.counts: dict[str, tuple[int, int]] = {}
        self.blind = False

    def count(self, key: str, not_understood: int, entries: int) -> None:
        """Adds one search."""
        n, m = self.counts.get(key, (0, 0))
        self.counts[key] = (n + not_understood, m + entries)
        self.blind = self.blind or 0 < not_understood == entries

    def fact(self) -> Fact:
        """The fact, where no entry counts for it (Z41)."""
        if self.unusable is not None:
            return Fact.unusable(*self.unusable)
        if self.reason is not None:
            return Fact.unknown(reason=self.reason)
        for key, (n, m) in self.counts.items():
            if n:
                reason = Reason(key, {"n": str(n), "m": str(m)})
                return Fact.unknown(reason=reason) if self.blind else Fact.absent(reason=reason)
        return Fact.absent()


def treatment(declaration: FactDeclaration, chart: Chart) -> Fact:
    """``present`` if a dose was ordered, given or recorded within the look-back (D7, Z8, Z14).

    An active order is under way whatever its date; anything else needs a date within the look-back.
    Orders, administrations and procedures count with every status but those in ``NOT_GIVEN``; ``statuses`` and ``form``
    narrow the orders further. What would count but has no date or no patient makes the fact unusable, unless something
    else counts. A possible combination does not count either, but with it the fact is unknown, and so it is beside a
    medication that is named only by a reference to what was not sent (Z48).
    """
    earliest = None
    if declaration.look_back_days is not None:
        earliest = chart.now - timedelta(days=declaration.look_back_days)
    evidence: list[Evidence] = []
    remainder = _Remainder()
    for entry, drug in _counted(declaration, chart, remainder):
        span = read_date(entry.resource.when(), chart.zone)
        under_way = isinstance(entry.resource, lenient.MedicationRequest) and entry.resource.status == "active"
        if not under_way and span is None:
            remainder.unusable = Reason("dateMissing"), _evidence(entry, drug, span, chart)
        elif under_way or earliest is None or (span is not None and span.end >= earliest):
            evidence.append(_evidence(entry, drug, span, chart))
    if evidence:
        return Fact.of(PRESENT, *evidence)
    read = [chart.results(search) for search in declaration.searches]
    return not_read(declaration, read) if any(not results.complete for results in read) else remainder.fact()


def _counted(declaration: FactDeclaration, chart: Chart, remainder: _Remainder) -> list[tuple[_NamedTreatment, Drug]]:
    """The entries of all searches of a fact that count for it, each with its drug; ``remainder`` takes up the rest."""
    counted = []
    for search in declaration.searches:
        if search.resource == "Observation":
            continue
        recognised = chart.once(_read_by(declaration, search), search)
        statuses = declaration.statuses if search.resource == "MedicationRequest" else ()
        not_understood = 0
        for entry, drug in recognised.drugs:
            if statuses and entry.resource.status not in statuses and _is_status(entry.resource):
                continue
            if drug is None:
                if entry.naming.resolved:
                    not_understood += 1
                else:
                    remainder.reason = remainder.reason or Reason("medicationNotResolved")
            elif declaration.form and drug.form != declaration.form:
                continue
            elif entry.resource.subject is None or not entry.resource.subject.reference:
                remainder.unusable = Reason("subjectMissing"), _evidence(entry, drug, None, chart)
            elif drug.possible_combination:
                remainder.reason = Reason("possibleCombination")
            elif not _is_status(entry.resource):
                remainder.reason = Reason("statusNotKnown", {"status": entry.resource.status or "-"})
            else:
                counted.append((entry, drug))
        if not_understood:
            asked = sum(
                not statuses or entry.resource.status in statuses or not _is_status(entry.resource)
                for entry in recognised.entries
            )
            remainder.count(_NOT_UNDERSTOOD[search.resource], not_understood, asked)
    return counted


_NOT_UNDERSTOOD = {
    "MedicationRequest": "medicationsNotUnderstood",
    "MedicationAdministration": "medicationsNotUnderstood",
    "Procedure": "proceduresNotUnderstood",
}


def _is_status(entry: _Treatment) -> bool:
    """Whether FHIR knows the status of an entry; one without a status is as one whose status is ``unknown``."""
    known = REQUEST_STATUSES if isinstance(entry, lenient.MedicationRequest) else EVENT_STATUSES
    return (entry.status or "unknown") in known


def _evidence(entry: _NamedTreatment, drug: Drug, span: Span | None, chart: Chart) -> Evidence:
    code = entry.resource.code if isinstance(entry.resource, lenient.Procedure) else None
    words = code.words() if code is not None else next(iter(entry.naming.texts), "")
    notes = ("by-name",) if drug.by_name else ()
    return Evidence(
        entry.resource.own_reference(), words or drug.concept.display, day_of(span, chart.zone), notes=notes
    )


def _treatments(chart: Chart, search: Search) -> list[_NamedTreatment]:
    """The entries under a key that were given or ordered, each with all that names its drug.

    Kept by the chart for all facts that are read from the same key.
    """
    results = chart.results(search)
    sent = {medication.id: medication for medication in results.medications if medication.id}
    entries = []
    for resource in results.resources:
        entry = cast("_Treatment", resource)
        if (entry.status or "unknown") not in NOT_GIVEN and not getattr(entry, "doNotPerform", None):
            entries.append(_NamedTreatment(entry, entry.naming(sent)))
    return entries


def account(search: Search, declarations: Sequence[FactDeclaration], chart: Chart, *, whole: bool) -> Account:
    """What became of every entry of a search for medications (Z41).

    ``declarations`` are the facts that are read from it. An entry is read if it is what one of them is about, about
    something else if it is known to be, and set aside otherwise: for its status, for want of a patient, because its
    reference was not sent, or because its drug is not known.
    """
    results = chart.results(search)
    readers = _readers(declarations, search)
    if not whole:
        readers = frozenset(reader for reader in readers if chart.has_made(reader, search))
        if not readers:
            return Account()
    treatments = chart.once(_treatments, search)
    set_aside: list[Aside] = []
    if len(treatments) < len(results.resources):
        given = {id(entry.resource) for entry in treatments}
        others = [cast("_Treatment", resource) for resource in results.resources if id(resource) not in given]
        set_aside += [Aside(Kind.STATUS, Reason("notGiven"), entry.own_reference()) for entry in others]
    in_part: list[Aside] = []
    read = 0
    made = [chart.once(reader, search) for reader in readers]
    open_to: dict[int, list[Drug | None]] = {}
    for recognised in made:
        for entry_of, drug in recognised.drugs:
            open_to.setdefault(id(entry_of), []).append(drug)
    for item in treatments if open_to else ():
        known = open_to.get(id(item), [])
        drugs = [drug for drug in known if drug is not None]
        entry, naming = item
        if not drugs and len(known) < len(made):
            continue
        if not naming.resolved:
            set_aside.append(Aside(Kind.REFERENCE, Reason("medicationNotResolved"), entry.own_reference()))
        elif not drugs:
            set_aside.append(_aside(entry, naming, Kind.DRUG, "drugNotKnown"))
        elif entry.subject is None or not entry.subject.reference:
            set_aside.append(_aside(entry, naming, Kind.SUBJECT, "subjectMissing"))
        elif all(drug.possible_combination for drug in drugs):
            set_aside.append(_aside(entry, naming, Kind.DRUG, "possibleCombination"))
        elif not _is_status(entry):
            reason = Reason("statusNotKnown", {"status": entry.status or "-"})
            set_aside.append(Aside(Kind.STATUS, reason, entry.own_reference(), code=entry.status or ""))
        elif read_date(entry.when(), chart.zone) is None:
            set_aside.append(_aside(entry, naming, Kind.DATE, "dateNotReadable" if entry.when() else "dateMissing"))
        else:
            read += 1
            if all(drug.by_name for drug in drugs):
                in_part.append(_aside(entry, naming, Kind.DRUG, "knownByName"))
    asides = (*results.set_aside, *set_aside)
    entries = len(results.resources) + results.elsewhere + len(results.set_aside)
    return Account(entries, read, entries - read - len(asides), asides, tuple(in_part))


def _aside(entry: _Treatment, naming: Naming, kind: Kind, reason: str) -> Aside:
    system, code = naming.codings[0] if naming.codings else ("", "")
    words = next(iter(naming.texts), "")
    return Aside(kind, Reason(reason), entry.own_reference(), system, code, words)


def recency(declaration: FactDeclaration, chart: Chart) -> Fact:
    """Whole days from the newest (``element: newest``) or the oldest entry to ``chart.now``.

    Entries are final results with a code of the value sets, and the orders, administrations and procedures that
    ``treatment`` would count, each with a date that is not in the future. A partial date gives a range of days. If not
    every entry was read the fact is unknown, unless they are results, of which the newest is wanted: results are sent
    newest first (Z22).
    """
    read = [chart.results(search) for search in declaration.searches]
    remainder = _Remainder()
    dated = _dated_results(declaration, read, chart)
    for entry, drug in _counted(declaration, chart, remainder):
        span = read_date(entry.resource.when(), chart.zone)
        if bytes(entry.resource.modifierExtension):
            remainder.unusable = Reason("modifierExtension"), _evidence(entry, drug, span, chart)
        elif span is None:
            remainder.unusable = Reason("dateMissing"), _evidence(entry, drug, span, chart)
        elif span.start > chart.now + CLOCK_SKEW:
            remainder.unusable = Reason("dateInFuture"), _evidence(entry, drug, span, chart)
        else:
            dated.append((span, _evidence(entry, drug, span, chart)))
    newest_first = declaration.element == "newest"
    for search, results in zip(declaration.searches, read, strict=True):
        sorted_so_far = newest_first and search.resource == "Observation" and results.sent is Sent.READ
        if not results.complete and not (sorted_so_far and dated):
            return not_read(declaration, read)
    if not dated:
        return remainder.fact()
    span, evidence = (max if newest_first else min)(dated, key=lambda item: item[0].start)
    today = chart.now.astimezone(chart.zone).date()
    first = span.start.astimezone(chart.zone).date()
    last = (span.end - timedelta(microseconds=1)).astimezone(chart.zone).date() if span.end > span.start else first
    days = Interval(max((today - last).days, 0), max((today - first).days, 0))
    return Fact.of(days, evidence)


def _dated_results(declaration: FactDeclaration, read: Sequence[Results], chart: Chart) -> list[tuple[Span, Evidence]]:
    """The date and the evidence of each final result that counts for ``recency``."""
    dated = []
    for resource in (resource for results in read for resource in results.resources):
        if not isinstance(resource, lenient.Observation) or resource.status not in FINAL_RESULT:
            continue
        if resource.subject is None or not resource.subject.reference or bytes(resource.modifierExtension):
            continue
        known = declaration.match(resource.code.pairs()) if resource.code is not None else None
        span = read_date(resource.when(), chart.zone)
        if known is None or resource.code is None or span is None or span.start > chart.now + CLOCK_SKEW:
            continue
        words = resource.code.words() or known.display
        dated.append((span, Evidence(resource.own_reference(), words, day_of(span, chart.zone))))
    return dated


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
