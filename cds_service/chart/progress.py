"""How far a course of treatment has come: its steps in the calendar, its doses, its end, and the next dose (Z60).

A step of an order begins where the one before it ends. The first begins on the day that the order gives, or else with
the first dose on record since it was written, or on the day on which it was written.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any, NamedTuple

from cds_service.chart.doubled import Counted, evidence_of
from cds_service.chart.events import EventKind
from cds_service.chart.order import Order, StatedRoute
from cds_service.chart.record import Chart
from cds_service.chart.steps import step_fits, steps_of
from cds_service.fhir.dates import Span
from cds_service.fhir.dose_dates import end_of
from cds_service.fhir.quantities import read_number
from cds_service.fhir.schedule import Rhythm, Schedule
from cds_service.fhir.time_units import months_after
from cds_service.fhir.tree import Node, node, number_text, text
from cds_service.vocabulary.declarations import NOT_STATED, FactDeclaration
from cds_service.vocabulary.facts import Evidence, Fact, Facts, Interval, Reason, State

UNDER_WAY, WITHOUT_END, RUN_OUT = "under way", "without end", "run out"
_PRESCRIBED = (EventKind.ORDERED, EventKind.STATED, EventKind.STOPPED, EventKind.PLANNED)


class Stretch(NamedTuple):
    """One step of a dosage in the calendar: from ``start`` on, up to the day ``end``, ``None`` if it has no end."""

    facts: Facts
    schedule: Schedule
    start: date
    end: date | None


def stretches(declaration: FactDeclaration, order: Order, start: date, chart: Chart) -> list[Stretch]:
    """The steps of an order in the calendar. Steps of one number begin together; behind one without an end is nothing.

    ``start`` is the first day where the order does not say one.
    """
    found: list[Stretch] = []
    begin, end, number = start, start, None
    for step in steps_of(declaration, order, chart.zone):
        own_number = read_number(number_text(step.dosage, "sequence"))
        if number is None or own_number != number:
            begin = end
        number = own_number
        schedule = step.schedule()
        until = end_of(schedule, begin)
        found.append(Stretch(step.facts, schedule, schedule.first or begin, until))
        if until is None:
            break
        end = max(end, until)
    return found


# --- days


def days_since(span: Span, chart: Chart) -> Interval:
    """Whole days from a date to the day of the call; a partial date gives a range."""
    today, first, last = chart.today, _day(span, chart), _last_day(span, chart)
    return Interval(max((today - last).days, 0), max((today - first).days, 0))


def _day(span: Span, chart: Chart) -> date:
    return span.start.astimezone(chart.zone).date()


def _last_day(span: Span, chart: Chart) -> date:
    if span.end <= span.start:
        return _day(span, chart)
    return (span.end - timedelta(microseconds=1)).astimezone(chart.zone).date()


def first_day(item: Counted, chart: Chart) -> date | None:
    """The first day of which an event tells."""
    span = item.first(chart)
    return _day(span, chart) if span is not None else None


def _written(item: Counted, chart: Chart) -> date | None:
    """The day of an event itself, whatever it is joined with."""
    span = item.event.first(chart)
    return _day(span, chart) if span is not None else None


def last_day(item: Counted, chart: Chart) -> date | None:
    """The last day of which an event tells."""
    span = item.last(chart)
    return _last_day(span, chart) if span is not None else None


def _prescribed(items: Sequence[Counted]) -> list[Counted]:
    return [item for item in items if item.event.kind in _PRESCRIBED]


def _given(items: Sequence[Counted], chart: Chart) -> list[tuple[date, Counted]]:
    """The doses on record with their days, each once, those among them that are one with an order on record."""
    told = [each for item in items for each in (item, *item.joined)]
    doses = [each for each in told if each.event.kind is EventKind.GIVEN and each.repeats is None]
    dated = [(day, each) for each in doses if (day := _written(each, chart)) is not None]
    return sorted(dated, key=lambda pair: pair[0])


def given_days(items: Sequence[Counted], chart: Chart) -> list[date]:
    """The days of the doses on record, in their order."""
    return [day for day, _ in _given(items, chart)]


def _start_of(item: Counted, given: Sequence[date], chart: Chart) -> date | None:
    """The day on which an order begins where it does not say so itself; one whose place it took began before."""
    written = _written(item, chart)
    place = bisect_left(given, written) if written is not None else 0
    return given[place] if place < len(given) else written


def stretches_of(declaration: FactDeclaration, item: Counted, given: Sequence[date], chart: Chart) -> list[Stretch]:
    """The steps of an order of the history in the calendar; ``given`` are the days of the doses on record."""
    start = _start_of(item, given, chart)
    return stretches(declaration, item.event.as_order(), start, chart) if start is not None else []


def _shown(item: Counted, chart: Chart) -> Evidence:
    return evidence_of(item.event, item.drug, item.first(chart), chart)


# --- the course


class _Course(NamedTuple):
    value: str
    item: Counted
    stretch: Stretch


_PRECEDENCE = (UNDER_WAY, WITHOUT_END, RUN_OUT)


def _course_of(declaration: FactDeclaration, items: Sequence[Counted], chart: Chart) -> _Course | None:
    """The course of the steps that a fact asks for: one that is under way before one that has run out, the newest.

    An order that is on hold, or over before its end, is no course that is under way.
    """
    given, today = given_days(items, chart), chart.today
    courses = []
    for item in _prescribed(items):
        for stretch in stretches_of(declaration, item, given, chart):
            if not step_fits(declaration, stretch.facts):
                continue
            if stretch.end is not None and stretch.end <= today:
                courses.append(_Course(RUN_OUT, item, stretch))
            elif item.event.under_way:
                courses.append(_Course(UNDER_WAY if stretch.end else WITHOUT_END, item, stretch))
    newest_first = sorted(courses, key=lambda course: (course.stretch.start, course.item.event.reference), reverse=True)
    return min(newest_first, key=lambda course: _PRECEDENCE.index(course.value), default=None)


def course(declaration: FactDeclaration, items: Sequence[Counted], chart: Chart) -> Fact | None:
    """``under way`` before its end, ``without end``, or ``run out`` where its dates or its count have (Z60)."""
    known = _course_of(declaration, items, chart)
    return Fact.of(known.value, _shown(known.item, chart)) if known is not None else None


def _given_of(known: _Course, items: Sequence[Counted], chart: Chart) -> list[Counted]:
    """The doses on record since a course began."""
    return [item for day, item in _given(items, chart) if day >= known.stretch.start]


def doses_given(declaration: FactDeclaration, items: Sequence[Counted], chart: Chart) -> Fact | None:
    """How many doses were given since the course began; absent where none is on record, which says nothing (Z60)."""
    known = _course_of(declaration, items, chart)
    given = _given_of(known, items, chart) if known is not None else []
    if not given:
        return Fact.absent() if known is not None else None
    return Fact.of(Interval.point(len(given)), *(_shown(item, chart) for item in given))


def doses_left(declaration: FactDeclaration, items: Sequence[Counted], chart: Chart) -> Fact | None:
    """How many of the course's doses are left; none or fewer if they were given.

    Absent where no dose is on record, or the course has no number of doses.
    """
    known = _course_of(declaration, items, chart)
    if known is None:
        return None
    given = _given_of(known, items, chart)
    name = next((name for name, fact in declaration.of_steps.items() if fact.element == "doses"), "")
    planned = known.stretch.facts[name] if name else Fact.absent()
    if not given or not isinstance(planned.value, Interval):
        return Fact.absent() if planned.state is not State.UNUSABLE else planned
    low, high = planned.value.low, planned.value.high
    left = Interval(None if low is None else low - len(given), None if high is None else high - len(given))
    return Fact.of(left, _shown(known.item, chart), *(_shown(item, chart) for item in given))


# --- the next dose


def next_due(declaration: FactDeclaration, items: Sequence[Counted], chart: Chart) -> Fact | None:
    """Days until the next dose of what is under way, by the order's own interval from the last dose; negative if past.

    Of several orders the one that is due first counts. Unusable where an order is under way and no dose, or no
    interval, is on record: then nobody can say that none is due.
    """
    given, today = given_days(items, chart), chart.today
    due: list[tuple[Interval, Counted]] = []
    for item in _prescribed(items):
        if not item.event.under_way:
            continue
        steps = stretches_of(declaration, item, given or [today], chart)
        current = [step for step in steps if step.end is None or step.end > today]
        if steps and not current:
            continue  # its dates or its count have run out
        step = current[0] if current else None
        dates = _due_dates(step, given, today)
        if isinstance(dates, Reason):
            return Fact.unusable(dates, _shown(item, chart))
        due.append((Interval((dates[0] - today).days, (dates[1] - today).days), item))
    if not due:
        return None
    days, item = min(due, key=lambda pair: (pair[0].low or 0, pair[0].high or 0, pair[1].event.reference))
    return Fact.of(days, _shown(item, chart))


def _due_dates(step: Stretch | None, given: Sequence[date], today: date) -> tuple[date, date] | Reason:
    """The earliest and the latest day of the next dose of a step, or why nobody can tell."""
    if step is None or not isinstance(step.schedule.rhythm, Rhythm):
        return Reason("noIntervalOnRecord")
    if not given:
        if step.schedule.first is not None and step.schedule.first >= today:
            return step.schedule.first, step.schedule.first
        return Reason("noDoseOnRecord")
    last, rhythm = given[-1], step.schedule.rhythm
    low, high = rhythm.interval.low, rhythm.interval.high
    if low is None or high is None:
        return Reason("noIntervalOnRecord")
    try:
        if rhythm.in_months and rhythm.times == Interval.point(1):
            ends = [months_after(last, int(end or 1)) for end in (rhythm.period.low, rhythm.period.high)]
            return ends[0], ends[1]
        return last + timedelta(days=int(low)), last + timedelta(days=int(high))
    except (ValueError, OverflowError):
        return Reason("noIntervalOnRecord")


# --- the end


def end_of_event(item: Counted, steps: Sequence[Stretch], chart: Chart) -> date | None:
    """The day on which what an event tells ends; ``None`` if it goes on without an end.

    ``steps`` are those of an order. One that is over and says no end ends on the last day of which it tells.
    """
    end = steps[-1].end if steps else None
    if item.event.under_way:
        return end
    is_open = item.event.kind is EventKind.STOPPED or end is None or end > chart.today
    return last_day(item, chart) if is_open else end


def ended(declaration: FactDeclaration, items: Sequence[Counted], chart: Chart) -> Fact | None:
    """Days since the treatment ended; absent while some of it goes on, ``None`` if there is none.

    An order ends one interval after its last dose, or at the end of its bounds (Z57); one that is over and says no end,
    and what was given or dispensed, ends on the last day of which it tells.
    """
    given, today = given_days(items, chart), chart.today
    ends: list[tuple[date, Counted]] = []
    for item in items:
        steps = stretches_of(declaration, item, given, chart) if item.event.kind in _PRESCRIBED else []
        end = end_of_event(item, steps, chart)
        if item.event.under_way and (end is None or end > today):
            return Fact.absent()
        if end is not None:
            ends.append((end, item))
    if not ends:
        return None
    end, item = max(ends, key=lambda pair: (pair[0], pair[1].event.reference))
    days = Interval.point(max((today - end).days, 0))
    return Fact.of(days, Evidence(item.event.reference, _shown(item, chart).display, end.isoformat()))


# --- the regimen


def regimen_days(declaration: FactDeclaration, items: Sequence[Counted], chart: Chart) -> Fact | None:
    """Days since the current regimen began: an order of the same drug, doses and schedule before it continues it.

    The current one is the newest order that is under way; an unchanged renewal begins nothing new. Of one day those
    that are over come before those that are under way.
    """
    orders = _prescribed([each for item in items for each in (item, *item.joined)])
    active = [item for item in orders if item.event.under_way]
    if not active:
        return None
    dated = [(day, item) for item in orders if (day := _written(item, chart)) is not None]
    dated.sort(key=lambda pair: (pair[0], pair[1].event.under_way, pair[1].event.reference), reverse=True)
    current = next((place for place, (_, item) in enumerate(dated) if item.event.under_way), None)
    if current is None:
        return Fact.unusable(Reason("dateMissing"), _shown(active[0], chart))
    first = dated[current][1]
    regimen = _regimen(declaration, first, chart)
    for _, item in dated[current + 1 :]:
        if _regimen(declaration, item, chart) != regimen:
            break
        first = item
    span = first.event.first(chart)
    assert span is not None  # noqa: S101  (only what has a date was looked at)
    return Fact.of(days_since(span, chart), evidence_of(first.event, first.drug, span, chart))


def _regimen(declaration: FactDeclaration, item: Counted, chart: Chart) -> Any:
    """What is the same in an order and its unchanged renewal; what cannot be read is compared as it is worded."""
    routes = {name: value_set for way in declaration.ways.values() for name, value_set in way.routes.items()}
    order = item.event.as_order()
    steps = []
    for dosage, facts, _ in steps_of(declaration, order, chart.zone):
        route = StatedRoute.of(node(dosage, "route"))
        steps.append((tuple(route.named(routes) or route.codings), *_dose_and_interval(facts, declaration, dosage)))
    agent = "" if item.drug.agent == NOT_STATED else item.drug.agent
    return agent, tuple(steps)


def _dose_and_interval(facts: Facts, declaration: FactDeclaration, dosage: Node) -> tuple[Any, ...]:
    names = [name for name, fact in declaration.of_steps.items() if fact.element in ("dose", "interval")]
    values = [facts[name] for name in names]
    unread = any(fact.state is State.UNUSABLE for fact in values)
    return (*((str(fact.state), fact.value) for fact in values), text(dosage, "text") if unread else "")
