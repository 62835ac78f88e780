"""What an order of a test or of nutrition orders: which of a pack's it is, how often, how many times and from when."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import date, timedelta
from functools import lru_cache
from typing import Any, NamedTuple

from cds_service.chart.order import Order
from cds_service.chart.record import Chart
from cds_service.fhir import schedule_facts
from cds_service.fhir.codes import speaks_in
from cds_service.fhir.dates import read_date
from cds_service.fhir.names import folded
from cds_service.fhir.order_types import Item
from cds_service.fhir.quantities import in_signs
from cds_service.fhir.schedule import NOT_READABLE, Schedule, read_schedule
from cds_service.fhir.tree import Node, node, pairs, text, texts, words
from cds_service.fhir.wording import how_often_in_words
from cds_service.vocabulary.accounting import Aside, Kind
from cds_service.vocabulary.declarations import Concept, FactDeclaration, ValueSet
from cds_service.vocabulary.facts import Evidence, Fact, Interval, Reason, State

_INSTANT = timedelta(microseconds=1)


class KnownItem(NamedTuple):
    """One thing that is ordered and what it was recognised as; ``by_name`` when only words said so."""

    item: Item
    concept: Concept
    by_name: bool

    @property
    def recognised_by(self) -> str:
        """``code`` or ``name``."""
        return "name" if self.by_name else "code"


def known_items(order: Order, value_sets: Collection[ValueSet]) -> list[KnownItem]:
    """The things that an order orders and that are in the value sets, those that are known by their code first.

    A name counts where the whole of a text is one, and none of the codes is of a system in which the value sets list
    any: such a code says that it is something else (Z41).
    """
    known = [found for item in order.items if (found := _known(item, value_sets)) is not None]
    return sorted(known, key=lambda found: found.by_name)


def _known(item: Item, value_sets: Collection[ValueSet]) -> KnownItem | None:
    codings = pairs(item.concept)
    for value_set in value_sets:
        concept = value_set.match(codings)
        if concept is not None:
            return KnownItem(item, concept, by_name=False)
    if speaks_in(_systems(value_sets), codings):
        return None
    for written in filter(None, map(folded, texts(item.concept))):
        for value_set in value_sets:
            name = _names(frozenset(value_set.names)).get(written) if value_set.names else None
            if name is not None:
                return KnownItem(item, value_set.names[name], by_name=True)
    return None


def _systems(value_sets: Collection[ValueSet]) -> frozenset[str]:
    return frozenset().union(*(value_set.systems for value_set in value_sets))


@lru_cache(maxsize=64)
def _names(names: frozenset[str]) -> Mapping[str, str]:
    """The names of a value set by what they are folded to."""
    return {folded(name): name for name in sorted(names)}


def not_understood(order: Order, value_sets: Collection[ValueSet]) -> tuple[Aside, ...]:
    """Why an order orders nothing of ``value_sets``, or that only its name tells that it does (Z54).

    Nothing if it does by its code, or if all that it orders is something else, which it is if it has a code of a system
    in which the value sets list codes.
    """
    known = known_items(order, value_sets)
    if known and not known[0].by_name:
        return ()
    if known:
        return (_aside(order, known[0].item.concept, "knownByName"),)
    systems = _systems(value_sets)
    concepts = [item.concept for item in order.items] or [{}]
    unknown = [concept for concept in concepts if not speaks_in(systems, pairs(concept))]
    return (_aside(order, unknown[0], "orderNotKnown"),) if unknown else ()


def _aside(order: Order, concept: Node, reason: str) -> Aside:
    system, code = next(iter(pairs(concept)), ("", ""))
    return Aside(Kind.ORDER, Reason(reason), order.reference or order.path, system, code, words(concept))


# --- when it is to be done


def interval(declared: FactDeclaration, order: Order, chart: Chart) -> Fact:
    """Days between two times that it is to be done; absent if no schedule says so."""
    return _of_schedules(declared, order, chart, schedule_facts.interval)


def times(declared: FactDeclaration, order: Order, chart: Chart) -> Fact:
    """How many times its schedule has it done; absent if that has no end, or if it has no schedule."""
    fact = _of_schedules(declared, order, chart, schedule_facts.doses)
    if not isinstance(fact.value, Interval):
        return fact
    return Fact.of(fact.value, Evidence(_place(order), in_signs(fact.value)))


def _of_schedules(
    declared: FactDeclaration, order: Order, chart: Chart, read: Callable[[Schedule, Sequence[Evidence]], Fact]
) -> Fact:
    """What all schedules of what is in the value sets say alike, with how often they have it in words; unusable if one
    cannot be read, or two differ.
    """
    assert declared.dosage_words is not None  # noqa: S101  (every fact of a schedule is compiled with them)
    made: dict[Fact, Evidence] = {}
    for known in known_items(order, declared.value_sets.values()):
        for schedule in known.item.schedules:
            evidence = Evidence(_place(order), how_often_in_words(declared.dosage_words, schedule))
            fact = read(read_schedule(schedule, chart.zone, declared.schedules), [evidence])
            if fact.state is State.UNUSABLE:
                return Fact.unusable(fact.reason or NOT_READABLE, evidence)
            made.setdefault(Fact(fact.state, fact.value), evidence)
    if len(made) > 1:
        return Fact.unusable(Reason("schedulesDisagree"), *made.values())
    for fact, evidence in made.items():
        return Fact.of(fact.value, evidence) if fact.value is not None else fact
    return Fact.absent()


def begins_in(declared: FactDeclaration, order: Order, chart: Chart) -> Fact:
    """Days until it is to be done for the first time, below 0 for a day that is over; absent if no day is stated.

    The day is that of a date, the start of a period, or the first day of a schedule. A partial date gives a range.
    """
    today = chart.today
    begins: list[tuple[date, date]] = []
    for known in known_items(order, declared.value_sets.values()):
        for stated in [*known.item.days, *known.item.schedules]:
            first = _first_day(stated, declared, chart)
            if isinstance(first, Reason):
                return Fact.unusable(first)
            begins += [first] if first is not None else []
    if not begins:
        return Fact.absent()
    earliest, latest = min(first for first, _ in begins), min(last for _, last in begins)
    days = Interval((earliest - today).days, (latest - today).days)
    return Fact.of(days, Evidence(_place(order), earliest.isoformat()))


def _first_day(stated: Any, declared: FactDeclaration, chart: Chart) -> tuple[date, date] | Reason | None:
    """The first day that a date, a Period or a schedule gives, as the first and the last that it can be."""
    if isinstance(stated, dict) and "timing" in stated:
        schedule = read_schedule(stated, chart.zone, declared.schedules)
        day = schedule.first or next(iter(schedule.events), None)
        if day is not None:
            return day, day
        repeat = node(node(stated, "timing"), "repeat")
        is_stated = "event" in node(stated, "timing") or node(repeat, "boundsPeriod").get("start") is not None
        return NOT_READABLE if is_stated or isinstance(schedule.bounds, Reason) else None
    if isinstance(stated, dict):
        if stated.get("start") is None:
            return None
        stated = text(stated, "start")
    span = read_date(stated, chart.zone) if isinstance(stated, str) else None
    if span is None:
        return Reason("dateNotReadable")
    last = max(span.start, span.end - _INSTANT)
    return span.start.astimezone(chart.zone).date(), last.astimezone(chart.zone).date()


def _place(order: Order) -> str:
    return f"{order.reference} timing"


def not_read(order: Order, fact: Fact) -> Iterator[Aside]:
    """What of the times of an order could not be read, by a fact of them."""
    if fact.state is not State.UNUSABLE or fact.reason is None:
        return
    if fact.reason.key == "dateNotReadable":
        yield Aside(Kind.DATE, fact.reason, _place(order))
        return
    codes = [node(node(schedule, "timing"), "code") for item in order.items for schedule in item.schedules]
    concept = next(filter(None, codes), {})
    system, code = next(iter(pairs(concept)), ("", ""))
    yield Aside(Kind.SCHEDULE, fact.reason, _place(order), system, code, words(concept))
