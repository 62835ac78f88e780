"""Events that tell of the same doses are one event, and none is counted twice (Z55).

The same dose may be recorded as an administration and as a procedure; an order follows a plan or another order; a
dispense, an administration or a statement names the order that it rests on. What is joined keeps the dates of all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from cds_service.chart.drug import Drug
from cds_service.chart.events import Event, EventKind
from cds_service.chart.record import Chart
from cds_service.fhir.dates import Span, day_of, last_day_of
from cds_service.fhir.treatments import MedicationRequest, Procedure
from cds_service.vocabulary.declarations import NOT_STATED
from cds_service.vocabulary.facts import Evidence

_PRESCRIBED = (EventKind.ORDERED, EventKind.PLANNED, EventKind.STOPPED)


@dataclass(slots=True)
class Counted:
    """An event that counts for a fact, with its drug, and its ``place`` among all that count.

    ``joined`` are others that tell of the same doses; ``repeats`` is the record of a dose that this one repeats.
    """

    event: Event
    drug: Drug
    place: int = 0
    joined: list[Counted] = field(default_factory=list)
    repeats: Counted | None = None

    def told_by(self) -> list[Counted]:
        """The event, and what of it was done: the dispenses, administrations and statements of an order."""
        if self.event.kind not in _PRESCRIBED:
            return [self]
        return [self, *(item for item in self.joined if item.event.kind not in _PRESCRIBED)]

    def last(self, chart: Chart) -> Span | None:
        """The latest date of which it tells."""
        spans = [span for span in self._spans(chart, first=False) if span is not None]
        return max(spans, key=lambda span: span.end) if spans else None

    def first(self, chart: Chart) -> Span | None:
        """The earliest date of which it tells."""
        spans = [span for span in self._spans(chart, first=True) if span is not None]
        return min(spans, key=lambda span: span.start) if spans else None

    def _spans(self, chart: Chart, *, first: bool) -> list[Span | None]:
        own = self.event.first(chart) if first else self.event.last(chart)
        return [own, *(other.first(chart) if first else other.last(chart) for other in self.joined)]


def evidence_of(event: Event, drug: Drug, span: Span | None, chart: Chart) -> Evidence:
    """What a person reads of an event."""
    notes = ("by-name",) if drug.by_name else ()
    day, last_day = day_of(span, chart.zone), last_day_of(span, chart.zone)
    return Evidence(event.reference, event.words or drug.concept.display, day, notes=notes, last_day=last_day)


def as_one(counted: Sequence[Counted], chart: Chart) -> list[Counted]:
    """The events of which each tells of other doses than the rest, in the order in which they came."""
    if len(counted) < 2:
        return list(counted)
    by_reference: dict[str, Counted] = {}
    same: dict[int, Counted] = {}  # by the id of what is joined to another: that other
    for item in counted:
        known = by_reference.setdefault(item.event.reference, item) if item.event.resource.id else item
        if known is not item:
            same[id(item)] = known
    for item in _latest_first(counted, same, chart):
        _join_by_reference(item, by_reference, same)
    _join_by_day(counted, same, chart)
    for item in counted:
        if id(item) in same:
            item.repeats = _repeated(item, same)
            _root(item, same).joined.append(item)
    return [item for item in counted if id(item) not in same]


def _latest_first(counted: Sequence[Counted], same: Mapping[int, Counted], chart: Chart) -> list[Counted]:
    """The events that name another, the latest first: of two that name the same one, that takes its place."""
    naming = [item for item in counted if id(item) not in same and (item.event.stands_for() or item.event.follows())]
    return sorted(
        naming, key=lambda item: (day_of(item.event.last(chart), chart.zone), item.event.reference), reverse=True
    )


def _join_by_reference(item: Counted, by_reference: Mapping[str, Counted], same: dict[int, Counted]) -> None:
    """Joins an event and those that it names; of two orders the later one stays, which names the earlier one."""
    for reference in item.event.stands_for():
        named = by_reference.get(reference)
        if named is not None:
            _join(named, item, same) if isinstance(item.event.resource, MedicationRequest) else _join(item, named, same)
    for reference in item.event.follows():
        prior = by_reference.get(reference)
        if prior is not None and prior.event.under_way:  # one that is over tells of doses of its own
            _join(prior, item, same)


def _join_by_day(counted: Sequence[Counted], same: dict[int, Counted], chart: Chart) -> None:
    """Joins each procedure to an administration of the same drug on the same day, each to one of its own.

    Procedures whose agent is stated come first, so that one whose agent may be any leaves them theirs; where several
    ways are left, the references decide, not the order of the entries.
    """
    given = [item for item in counted if item.event.kind is EventKind.GIVEN and _repeated(item, same) is None]
    given.sort(key=lambda item: (_agent(item.drug) == "", item.event.reference))
    administrations: dict[str, dict[str, list[Counted]]] = {}  # by day and agent
    for item in given:
        if not isinstance(item.event.resource, Procedure):
            of_day = administrations.setdefault(day_of(item.event.last(chart), chart.zone), {})
            of_day.setdefault(_agent(item.drug), []).append(item)
    for item in given:
        day = day_of(item.event.last(chart), chart.zone)
        if day and isinstance(item.event.resource, Procedure) and day in administrations:
            agent, of_day = _agent(item.drug), administrations[day]
            like = next((key for key in (of_day if not agent else (agent, "")) if of_day.get(key)), None)
            if like is not None:
                _join(item, of_day[like].pop(), same)


def _agent(drug: Drug) -> str:
    """The agent of a drug, ``""`` if it is not stated, and then it may be any."""
    return "" if drug.agent == NOT_STATED else drug.agent


def _root(item: Counted, same: Mapping[int, Counted]) -> Counted:
    while id(item) in same:
        item = same[id(item)]
    return item


def _repeated(item: Counted, same: Mapping[int, Counted]) -> Counted | None:
    """The record of the same dose to which a dose is joined; ``None`` if it is joined to its order, or to nothing."""
    other = same.get(id(item))
    if other is None or item.event.kind is not EventKind.GIVEN or other.event.kind is not EventKind.GIVEN:
        return None
    return _repeated(other, same) or other


def _join(item: Counted, other: Counted, same: dict[int, Counted]) -> None:
    """Notes that ``item`` is one with ``other``, unless they are already, in whatever order."""
    if id(item) not in same and _root(other, same) is not item:
        same[id(item)] = other
