"""Facts of the history of treatment: each is a declared filter over its events, and what is asked of them (Z55)."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from functools import partial
from typing import cast

from cds_service.chart import progress
from cds_service.chart.doubled import Counted, as_one, evidence_of
from cds_service.chart.drug import Drug
from cds_service.chart.events import Event, EventKind, events_of
from cds_service.chart.observations import CLOCK_SKEW
from cds_service.chart.order import Order
from cds_service.chart.recognised import NOT_RESOLVED, WORDS_ONLY, KnownAs, found_by, is_all_read
from cds_service.chart.record import Chart, not_read
from cds_service.chart.results import low_flagged
from cds_service.chart.sent_entries import Results, Sent
from cds_service.chart.statuses import FINAL_RESULT
from cds_service.chart.steps import fits
from cds_service.chart.ways import is_in_way
from cds_service.fhir import lenient
from cds_service.fhir.dates import Span, day_of, last_day_of, read_date
from cds_service.fhir.treatments import MedicationStatement
from cds_service.vocabulary.declarations import NOT_STATED, FactDeclaration, Search
from cds_service.vocabulary.facts import ABSENT, PRESENT, Evidence, Fact, Interval, Reason, State

NOT_UNDERSTOOD: Mapping[str, str] = {
    "MedicationRequest": "medicationsNotUnderstood",
    "MedicationDispense": "medicationsNotUnderstood",
    "MedicationAdministration": "medicationsNotUnderstood",
    "MedicationStatement": "medicationsNotUnderstood",
    "Procedure": "proceduresNotUnderstood",
}
"""By the type of an entry, the reason that says how many were not understood."""

_PRESCRIBED = (EventKind.ORDERED, EventKind.STATED)  # what has a status that a fact may ask for
_PLANNED = EventKind.PLANNED  # asked of every event for every fact, and Python 3.11 is slow to look it up


class Remainder:
    """What the searches of one fact came to beside the events that count for it.

    ``unusable`` is an event that would count but cannot be trusted, and why; ``reason`` why it is not known whether
    another would. ``counts`` are, by the reason that says so, the entries that nobody can tell what they are, and all
    of which they are some. ``blind`` if a search brought nothing else. ``planned`` if a plan was found, which does not
    count.
    """

    __slots__ = ("blind", "counts", "planned", "reason", "unusable")

    def __init__(self) -> None:
        self.unusable: tuple[Reason, Evidence] | None = None
        self.reason: Reason | None = None
        self.counts: dict[str, tuple[int, int]] = {}
        self.blind = False
        self.planned = False

    def count(self, key: str, not_understood: int, entries: int) -> None:
        """Adds one search."""
        n, m = self.counts.get(key, (0, 0))
        self.counts[key] = (n + not_understood, m + entries)
        self.blind = self.blind or 0 < not_understood == entries

    def fact(self) -> Fact:
        """The fact, where no event counts for it (Z41)."""
        if self.unusable is not None:
            return Fact.unusable(*self.unusable)
        if self.reason is not None:
            return Fact.unknown(reason=self.reason)
        for key, (n, m) in self.counts.items():
            if n:
                reason = Reason(key, {"n": str(n), "m": str(m)})
                return Fact.unknown(reason=reason) if self.blind else Fact.absent(reason=reason)
        return Fact.absent(reason=Reason("planNotCounted") if self.planned else None)


def history(declaration: FactDeclaration, chart: Chart) -> Fact:
    """What the declared element asks of the events that pass the declared filter.

    Where all was read and nothing of it can be of the drug, whatever is asked is absent; so are most facts.
    """
    return ABSENT if found_by(declaration, chart).is_nothing else _ELEMENTS[declaration.element](declaration, chart)


# --- the filter


def counted(declaration: FactDeclaration, chart: Chart, remainder: Remainder) -> list[Counted]:
    """The events of all searches of a fact that count for it, each once; ``remainder`` takes up the rest.

    A possible combination does not count, but with it the fact is unknown, and so it is beside a medication that is
    named only by a reference to what was not sent (Z48), and beside what only its words tell (Z55).
    """
    found: list[Counted] = []
    for resource, recognised in found_by(declaration, chart).recognised:
        asked = not_understood = 0
        for known in recognised.known:
            event = known.event
            if _asked_for(declaration, event, chart, remainder if known.drug is not None else None):
                asked += 1
                if known.drug is not None:
                    _sort_in(declaration, event, known.drug, chart, remainder, found)
                elif known.why == NOT_RESOLVED:
                    remainder.reason = remainder.reason or Reason("medicationNotResolved")
                elif known.why == WORDS_ONLY:
                    remainder.reason = remainder.reason or _by_words(known)
                else:
                    not_understood += 1
        if recognised.immunizations and EventKind.GIVEN in declaration.events:
            words = next(iter(recognised.immunizations[0].naming().texts), "")
            remainder.reason = remainder.reason or Reason("toldByWordsOnly", {"words": words})
        if not_understood:
            asked += sum(_asked_for(declaration, event, chart) for event in recognised.others)
            remainder.count(NOT_UNDERSTOOD[resource], not_understood, asked)
    return as_one(found, chart)


def _by_words(known: KnownAs) -> Reason:
    return Reason("toldByWordsOnly", {"words": known.event.words})


def _asked_for(declaration: FactDeclaration, event: Event, chart: Chart, told: Remainder | None = None) -> bool:
    """Whether an event is of a kind and of a status that a fact asks for; a plan that is none is noted in ``told``."""
    kind = event.kind
    if kind is _PLANNED:
        if not is_stated_plan(declaration, event, chart):
            if told is not None and EventKind.STATED in declaration.events:
                told.planned = True
            return False
        kind = EventKind.STATED
    if kind not in declaration.events:
        return False
    statuses = declaration.statuses if kind in _PRESCRIBED else ()
    return not statuses or event.status in statuses or not event.is_status


def _sort_in(
    declaration: FactDeclaration, event: Event, drug: Drug, chart: Chart, remainder: Remainder, found: list[Counted]
) -> None:
    """Puts an event of a drug where it belongs: among those that count, into the remainder, or nowhere."""
    if declaration.agents and drug.agent not in declaration.agents:
        return
    if (declaration.way or declaration.other_than) and not is_in_way(
        declaration, event.as_order(), drug, _prescriptions(declaration, event, chart)
    ):
        return
    subject = event.resource.subject
    if subject is None or not subject.reference:
        remainder.unusable = Reason("subjectMissing"), evidence_of(event, drug, None, chart)
    elif drug.possible_combination:
        remainder.reason = Reason("possibleCombination")
    elif not event.is_status:
        remainder.reason = Reason("statusNotKnown", {"status": event.status or "-"})
    elif is_in_future(event.first(chart), chart):
        remainder.unusable = Reason("dateInFuture"), evidence_of(event, drug, event.first(chart), chart)
    elif declaration.steps:
        fit = fits(declaration, event.as_order(), chart.zone, only_doses=event.kind is EventKind.GIVEN)
        if isinstance(fit, Reason):
            remainder.reason = fit
        elif fit:
            found.append(Counted(event, drug, len(found)))
    else:
        found.append(Counted(event, drug, len(found)))


def _prescriptions(declaration: FactDeclaration, event: Event, chart: Chart) -> Iterator[Order]:
    """The orders on record that an event rests on, where the fact is read from them too."""
    for search in declaration.searches:
        if search.resource == "MedicationRequest" and event.stands_for():
            orders = chart.once(_by_reference, search)
            yield from (orders[name].as_order() for name in event.stands_for() if name in orders)


def _by_reference(chart: Chart, search: Search) -> Mapping[str, Event]:
    return {event.reference: event for event in chart.once(events_of, search).events}


def is_stated_plan(declaration: FactDeclaration, event: Event, chart: Chart) -> bool:
    """Whether an active plan tells what the patient takes, because a statement names it or the site says so (Z55)."""
    if event.status != "active":
        return False
    if declaration.plans_stated:
        return True
    return any(
        event.reference in chart.once(_named_by_statements, search)
        for search in declaration.searches
        if search.resource == "MedicationStatement"
    )


def _named_by_statements(chart: Chart, search: Search) -> frozenset[str]:
    statements = [item for item in chart.results(search).resources if isinstance(item, MedicationStatement)]
    return frozenset(reference for statement in statements for reference in statement.stands_for())


def is_in_future(span: Span | None, chart: Chart) -> bool:
    """Whether something is dated later than now by more than clocks differ."""
    return span is not None and span.start > chart.now + CLOCK_SKEW


def _is_all_read(declaration: FactDeclaration, chart: Chart) -> bool:
    """Whether nothing that was searched for is missing."""
    found = found_by(declaration, chart)
    results = [is_all_read(search, chart.results(search)) for search in found.of_results]
    return found.is_whole and all(results)


def evidence_in(item: Counted, chart: Chart) -> Evidence:
    """What a person reads of an event that counts, with its last date."""
    return evidence_of(item.event, item.drug, item.event.last(chart), chart)


def none_counts(declaration: FactDeclaration, chart: Chart, remainder: Remainder) -> Fact:
    """The fact where no event counts for it: it was not read, or what the remainder says."""
    if _is_all_read(declaration, chart):
        return remainder.fact()
    return not_read(declaration, [chart.results(search) for search in declaration.searches])


# --- what is asked


def _present(declaration: FactDeclaration, chart: Chart) -> Fact:
    """``present`` if an event is under way or within the look-back (D7, Z8, Z14).

    What is under way counts whatever its date; anything else needs a date. What would count but has no date, a date
    in the future or no patient makes the fact unusable, unless something else counts.
    """
    remainder = Remainder()
    told = [each for item in _recent(declaration, chart, remainder) for each in item.told_by()]
    told.sort(key=lambda item: item.place)
    evidence = [partial(evidence_in, item, chart) for item in told if _is_recent(item, declaration, chart)]
    return Fact.shown_by(PRESENT, evidence) if evidence else none_counts(declaration, chart, remainder)


def _recent(declaration: FactDeclaration, chart: Chart, remainder: Remainder) -> list[Counted]:
    """The events that count and are under way or within the look-back."""
    recent = []
    for item in counted(declaration, chart, remainder):
        span = item.last(chart)
        if not item.event.under_way and span is None:
            remainder.unusable = Reason("dateMissing"), evidence_of(item.event, item.drug, span, chart)
        elif _is_recent(item, declaration, chart):
            recent.append(item)
    return recent


def _is_recent(item: Counted, declaration: FactDeclaration, chart: Chart) -> bool:
    """Whether an event is under way or within the look-back, if there is one."""
    if item.event.under_way or declaration.look_back_days is None:
        return True
    span = item.last(chart)
    return span is not None and span.end >= chart.now - timedelta(days=declaration.look_back_days)


def _count(declaration: FactDeclaration, chart: Chart) -> Fact:
    """How many events there are within the look-back; absent if none is on record, which does not say that none was."""
    remainder = Remainder()
    recent = _recent(declaration, chart, remainder)
    if not recent:
        return none_counts(declaration, chart, remainder)
    most = len(recent) if _is_all_read(declaration, chart) else None
    return Fact.shown_by(Interval(len(recent), most), [partial(evidence_in, item, chart) for item in recent])


def _agent(declaration: FactDeclaration, chart: Chart) -> Fact:
    """The agent of the newest event, of those that are under way if there are any."""
    remainder = Remainder()
    recent = _recent(declaration, chart, remainder)
    if not recent:
        return none_counts(declaration, chart, remainder)
    chosen = [item for item in recent if item.event.under_way] or recent
    newest = max(chosen, key=lambda item: (day_of(item.last(chart), chart.zone), item.event.reference))
    evidence = partial(evidence_of, newest.event, newest.drug, newest.last(chart), chart)
    return Fact.shown_by(newest.drug.agent or NOT_STATED, [evidence])


def _days(declaration: FactDeclaration, chart: Chart) -> Fact:
    """Whole days from the newest (``element: newest``) or the oldest event, or final result, to ``chart.now``.

    Each needs a date that is not in the future. A partial date gives a range of days. If not everything was read the
    fact is unknown, unless they are results, of which the newest is wanted: results are sent newest first (Z22).
    """
    read = [chart.results(search) for search in declaration.searches]
    remainder = Remainder()
    newest_first = declaration.element == "newest"
    dated: list[tuple[Span, Callable[[], Evidence]]] = []
    for search, results in zip(declaration.searches, read, strict=True):
        if search.resource == "Observation":
            dated += _dated_results(declaration, results, chart)
    joined = [each for item in counted(declaration, chart, remainder) for each in (item, *item.joined)]
    for item in sorted(joined, key=lambda item: item.place):
        event = item.event
        span = event.last(chart) if newest_first else event.first(chart)
        shown = partial(evidence_of, event, item.drug, span, chart)
        if bytes(event.resource.modifierExtension):
            remainder.unusable = Reason("modifierExtension"), shown()
        elif span is None:
            remainder.unusable = Reason("dateMissing"), shown()
        else:
            dated.append((span, shown))
    for search, results in zip(declaration.searches, read, strict=True):
        sorted_so_far = newest_first and search.resource == "Observation" and results.sent is Sent.READ
        optional = search.optional and results.sent is not Sent.READ
        if not results.complete and not optional and not (sorted_so_far and dated):
            return not_read(declaration, read)
    if not dated:
        return remainder.fact()
    span, evidence = (max if newest_first else min)(dated, key=lambda item: (item[0].start, item[0].end))
    return Fact.shown_by(progress.days_since(span, chart), [evidence])


def _dated_results(
    declaration: FactDeclaration, results: Results, chart: Chart
) -> Iterator[tuple[Span, Callable[[], Evidence]]]:
    """The date and the evidence of each final result of the value sets."""
    for resource in cast("tuple[lenient.Observation, ...]", results.resources):
        if resource.status not in FINAL_RESULT:
            continue
        if resource.subject is None or not resource.subject.reference or bytes(resource.modifierExtension):
            continue
        known = declaration.match(resource.code.pairs()) if resource.code is not None else None
        span = read_date(resource.when(), chart.zone)
        if known is None or resource.code is None or span is None or is_in_future(span, chart):
            continue
        yield span, partial(_evidence_of_result, resource, resource.code.words() or known.display, span, chart)


def _evidence_of_result(resource: lenient.Observation, words: str, span: Span, chart: Chart) -> Evidence:
    day, last_day = day_of(span, chart.zone), last_day_of(span, chart.zone)
    return Evidence(resource.own_reference(), words, day, last_day=last_day)


_Course = Callable[[FactDeclaration, Sequence[Counted], Chart], Fact | None]


def _of_course(of_events: _Course, declaration: FactDeclaration, chart: Chart) -> Fact:
    """What ``progress`` makes of the events that count and have a date; where it makes nothing, what the rest says."""
    remainder = Remainder()
    fact = of_events(declaration, _recent(declaration, chart, remainder), chart)
    return none_counts(declaration, chart, remainder) if fact is None else fact


def _low_before(declaration: FactDeclaration, chart: Chart) -> Fact:
    """``low`` if a result that the laboratory flagged as low was followed by treatment soon enough (Z58).

    Treatment must have begun on the day of the result or within ``began-within`` days after it, and must be under way
    or have ended within ``ended-within`` days.
    """
    remainder = Remainder()
    events = _recent(declaration, chart, remainder)
    ended = progress.ended(declaration, events, chart)
    flagged = declaration.flagged
    if ended is None or flagged is None:
        return none_counts(declaration, chart, remainder)
    longest, since = declaration.constants, ended.value
    if isinstance(since, Interval) and since.low is not None and since.low > longest["ended-within"]:
        return Fact.absent()
    dated = [(day, item) for item in events if (day := progress.first_day(item, chart)) is not None]
    dated.sort(key=lambda pair: (pair[0], pair[1].event.reference))
    for result, day in low_flagged(flagged, chart):
        place = bisect_left(dated, day, key=lambda pair: pair[0])
        if place < len(dated) and (dated[place][0] - day).days <= longest["began-within"]:
            item = dated[place][1]
            return Fact.of("low", result.evidence, evidence_of(item.event, item.drug, item.first(chart), chart))
    return none_counts(declaration, chart, remainder)


_ELEMENTS: Mapping[str, Callable[[FactDeclaration, Chart], Fact]] = {
    "": _present,
    "count": _count,
    "agent": _agent,
    "newest": _days,
    "oldest": _days,
    "course": partial(_of_course, progress.course),
    "doses-given": partial(_of_course, progress.doses_given),
    "doses-left": partial(_of_course, progress.doses_left),
    "next-due": partial(_of_course, progress.next_due),
    "ended": partial(_of_course, progress.ended),
    "regimen": partial(_of_course, progress.regimen_days),
    "low-before": _low_before,
}


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
