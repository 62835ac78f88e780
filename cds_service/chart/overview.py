"""The whole history of treatment for people to read: every event once, and what was set aside (Z41, Z55).

It is made of what the facts of the history are read from, in the same reading, and no rule looks at it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

from msgspec.structs import replace

from cds_service.chart.doubled import Counted, as_one
from cds_service.chart.drug import Drug
from cds_service.chart.events import TELLING, Event, EventKind, events_of
from cds_service.chart.medication_accounts import no_treatment, sorted_events
from cds_service.chart.progress import Stretch, end_of_event, given_days, last_day, stretches_of
from cds_service.chart.recognised import NOT_KNOWN, ReadBy, read_by
from cds_service.chart.record import Chart
from cds_service.fhir.dates import Span, day_of
from cds_service.fhir.medications import Naming
from cds_service.vocabulary.accounting import Aside, Kind
from cds_service.vocabulary.declarations import FactDeclaration, Search
from cds_service.vocabulary.facts import Reason

_ORDERED = (EventKind.ORDERED, EventKind.STOPPED)
_AS_PERIOD = (*_ORDERED, EventKind.STATED)


@dataclass(frozen=True, slots=True)
class ToldEvent:
    """One event as a person reads it, with what is one with it.

    ``kind`` is never a plan: one that counts is ``stated``. What was ordered or stated has ``last``, the day on which
    it ended, or ``goes_on``; ``steps`` are those of its dosage in the calendar, ``before`` those of the orders whose
    place it took, up to that day. ``one_with`` are the resources that tell of the same, as ``Type/id``.
    """

    kind: EventKind
    event: Event
    drug: Drug
    first: date
    last: date | None = None
    goes_on: bool = False
    steps: tuple[Stretch, ...] = ()
    before: tuple[Stretch, ...] = ()
    one_with: tuple[str, ...] = ()

    @property
    def words(self) -> str:
        """The drug as it is worded there, or else as the content calls it."""
        return self.event.words or self.drug.concept.display


class Overview(NamedTuple):
    """The events of a record in the order of their days, and what else was sent under the keys of treatments.

    ``set_aside`` are entries of the drugs that facts ask for, or of nobody knows what, that are no events.
    ``elsewhere`` is the number of entries of other drugs, ``not_known`` that of entries whose drug nobody knows, and
    ``older`` that of events that are not told because there are too many.
    """

    events: tuple[ToldEvent, ...] = ()
    set_aside: tuple[Aside, ...] = ()
    elsewhere: int = 0
    not_known: int = 0
    older: int = 0


def overview(
    readers: Mapping[str, Sequence[FactDeclaration]],
    searches: Iterable[Search],
    chart: Chart,
    most: int | None = None,
) -> Overview:
    """What the searches tell of treatment with the drugs that facts ask for.

    ``readers`` are, by the key of a search, the facts that are read from it. With ``most`` only so many of the newest
    are told of each treatment, with what was done of them.
    """
    asked = {
        search: declared
        for search in searches
        if search.resource in TELLING and not chart.results(search).is_empty
        if (declared := [fact for fact in readers.get(search.key, ()) if fact.events])
    }
    families = _families(fact for declared in asked.values() for fact in declared)
    found: list[list[Counted]] = [[] for _ in families]
    set_aside: list[Aside] = []
    elsewhere = not_known = 0
    for search, declared in asked.items():
        known_by = list(dict.fromkeys(read_by(fact, search) for fact in declared))
        set_aside += _not_of_treatment(search, known_by, chart)
        for each in sorted_events(search, declared, known_by, chart):
            event, aside = each.event, each.aside
            if aside is not None and aside.reason.key == NOT_KNOWN:
                not_known += search.resource != "Procedure"  # most are operations, and have an account of their own
            elif aside is not None:
                set_aside.append(replace(aside, words=event.words))
            elif each.drugs:
                place, drug = _family_of(event.naming, families, known_by, each.drugs[0])
                found[place].append(Counted(event, drug, len(found[place])))
            else:
                elsewhere += search.resource != "Procedure"
    any_fact = [fact for declared in asked.values() for fact in declared][:1]  # all read steps alike
    told: list[ToldEvent] = []
    older = 0
    for items in found:
        each_once = as_one(items, chart)
        newest = _newest(each_once, most, chart)
        older += len(each_once) - len(newest)
        told += _told(any_fact[0], newest, given_days(each_once, chart), chart)
    told.sort(key=lambda each: (each.first, each.event.reference))
    return Overview(tuple(told), tuple(set_aside), elsewhere, not_known, older)


def _families(declarations: Iterable[FactDeclaration]) -> list[frozenset[str]]:
    """The ids of the value sets that are of one treatment, because some fact asks for them together."""
    families: list[frozenset[str]] = []
    for declared in declarations:
        ids = frozenset(value_set.id for value_set in declared.value_sets.values())
        ids = ids.union(*(family for family in families if family & ids))
        families = [*(family for family in families if not family & ids), ids]
    return families


def _family_of(
    naming: Naming, families: Sequence[frozenset[str]], readers: Iterable[ReadBy], drug: Drug
) -> tuple[int, Drug]:
    """The place of the family that an event is of, and its drug."""
    for reader in readers:
        known, _ = reader.recognise(naming)
        if known is not None:
            return next(place for place, family in enumerate(families) if reader.value_set_ids <= family), known
    return 0, drug


def _not_of_treatment(search: Search, readers: Sequence[ReadBy], chart: Chart) -> Iterator[Aside]:
    """What came under a key and tells of no treatment: of others, unreadable, not given, or told by words only."""
    if search.resource != "Procedure":
        yield from chart.results(search).set_aside
    for resource, naming, reason in chart.once(events_of, search).no_treatment:
        if any(reader.recognise(naming)[0] is not None for reader in readers):
            yield replace(no_treatment(resource, reason), words=next(iter(naming.texts), ""))
    told = {id(item): item for reader in readers for item in chart.once(reader, search).immunizations}
    for item in told.values():
        words = next(iter(item.naming().texts), "")
        yield Aside(Kind.DRUG, Reason("toldByWordsOnly", {"words": words}), f"Immunization/{item.id or '-'}")


def _newest(items: list[Counted], most: int | None, chart: Chart) -> list[Counted]:
    if most is None or len(items) <= most:
        return items
    return sorted(items, key=lambda item: last_day(item, chart) or date.min, reverse=True)[:most]


def _told(
    declaration: FactDeclaration, items: Iterable[Counted], given: Sequence[date], chart: Chart
) -> Iterator[ToldEvent]:
    """Events of one treatment: what was done of an order stands beside it. ``given`` are the days of all its doses."""
    for item in items:
        apart = [item]
        alike: dict[int, list[Counted]] = {}
        for each in item.joined:
            if each.repeats is None and _kind(each) is not _kind(item):
                apart.append(each)
            else:
                alike.setdefault(id(each.repeats or item), []).append(each)
        for each in _each_once(apart):
            told = _as_told(declaration, each, alike.get(id(each), ()), given, chart)
            if told is not None:
                yield told


def _each_once(items: Iterable[Counted]) -> Iterable[Counted]:
    """The events without those that came twice."""
    once: dict[str | int, Counted] = {}
    for item in items:
        once.setdefault(item.event.reference if item.event.resource.id else id(item), item)
    return once.values()


def _kind(item: Counted) -> EventKind:
    """What kind an event is of among those that tell of the same: an order, a dose, and so on."""
    kind = item.event.kind
    return EventKind.ORDERED if kind in _ORDERED else EventKind.STATED if kind is EventKind.PLANNED else kind


def _as_told(
    declaration: FactDeclaration, item: Counted, alike: Sequence[Counted], given: Sequence[date], chart: Chart
) -> ToldEvent | None:
    """An event with those that are one with it; ``None`` if it has no date that can be read."""
    event = item.event
    kind = EventKind.STATED if event.kind is EventKind.PLANNED else event.kind
    days = [_day(each.event.first(chart) or each.event.last(chart), chart) for each in (item, *alike)]
    first = min(filter(None, days), default=None)
    if first is None:
        return None
    others = dict.fromkeys(each.event.reference for each in alike if each.event.reference != event.reference)
    if kind not in _AS_PERIOD:
        return ToldEvent(kind, event, item.drug, first, one_with=tuple(others))
    steps = stretches_of(declaration, item, given, chart)
    last = end_of_event(item, steps, chart)
    begins = steps[0].start if steps else None
    before = _before(declaration, [each for each in alike if each.event.reference in others], begins, given, chart)
    return ToldEvent(kind, event, item.drug, first, last, last is None, tuple(steps), before, tuple(others))


def _before(
    declaration: FactDeclaration, orders: Iterable[Counted], begins: date | None, given: Sequence[date], chart: Chart
) -> tuple[Stretch, ...]:
    """The steps of orders up to the day on which the one that took their place ``begins``, in their order."""
    found: list[Stretch] = []
    laid_out = [steps for each in orders if (steps := stretches_of(declaration, each, given, chart))]
    for steps in sorted(laid_out, key=lambda steps: steps[0].start, reverse=True):
        if begins is None:
            break
        cut = [step._replace(end=min(step.end or begins, begins)) for step in steps if step.start < begins]
        found, begins = [*cut, *found], steps[0].start
    return tuple(found)


def _day(span: Span | None, chart: Chart) -> date | None:
    return date.fromisoformat(day_of(span, chart.zone)) if span is not None else None
