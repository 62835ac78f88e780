"""The events of a timeline, of what the service itself read of a record: the picture has no reading of its own.

Whoever has events already needs only ``timeline``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime
from itertools import islice
from typing import Any

from cds_service.chart.conditions import known_entries
from cds_service.chart.events import EventKind
from cds_service.chart.order import NO_ORDER, Order
from cds_service.chart.overview import Overview, ToldEvent
from cds_service.chart.progress import Stretch
from cds_service.chart.record import Chart
from cds_service.console.bands import bands_of, in_unit
from cds_service.console.result_lane import Ruler
from cds_service.console.shown_units import ShownUnit, unit_shown
from cds_service.console.timeline import Timeline, TimelineEvent, timeline_of
from cds_service.content.model import Pack, Service
from cds_service.content.prepared import Prepared
from cds_service.content.render import in_words, plain
from cds_service.fhir.dates import day_of, read_date
from cds_service.fhir.dose_dates import dose_dates
from cds_service.fhir.lenient import Condition, Listed
from cds_service.judge.evaluate import Answer
from cds_service.judge.ordered import steps_in_words
from cds_service.judge.told_history import history_of
from cds_service.vocabulary.declarations import Search
from cds_service.vocabulary.facts import Fact

LANES = ("Problems", "Procedures", "Orders", "Doses ordered", "Doses given", "Dispensed", "Stated")
_LISTS = ("Condition", "Procedure")
_OF_KIND: Mapping[EventKind, tuple[str, str]] = {
    EventKind.ORDERED: ("Orders", "order"),
    EventKind.STOPPED: ("Orders", "order"),
    EventKind.STATED: ("Stated", "statement"),
    EventKind.DISPENSED: ("Dispensed", "dispense"),
    EventKind.GIVEN: ("Doses given", "dose"),
}
_MANY_DOSES = 60
_MOST_ORDERS, _MOST_STEPS = 60, 64  # whose doses are drawn, so that no record takes long
MOST_TOLD = 400  # of one treatment
_LONGEST_LABEL = 200  # characters of a drug with all its steps
NO_WORDS = "a drug without words"
_MOST_NAMED = 5  # resources that tell of the same


def answered_history(
    prepared: Prepared, service: Service, answer: Answer, results: Iterable[Mapping[str, Any]], now: datetime
) -> Timeline | None:
    """The history behind an answer of ``service`` at ``now`` as a picture; ``None`` if nothing of it was read.

    ``results`` are the ``results`` of ``explain``.
    """
    if answer.chart is None:
        return None
    found = list(results)
    known = answer.judged[0].facts.order if answer.judged else None
    past = history_of(prepared, service, answer, MOST_TOLD)
    until = now.astimezone(prepared.zone).date()
    events, left_out = record_events(prepared, prepared.searches[service.id], answer.chart, past, until)
    drafts = draft_events(prepared.pack, (judged.order for judged in answer.judged), until)
    events += [*result_events(prepared, found), *drafts]
    return timeline_of(
        "The history of the patient as it was read",
        events,
        until,
        LANES,
        left_out,
        rulers=rulers_of(prepared.pack, service.decisions, found, known),
        months=prepared.pack.months,
    )


def record_events(
    prepared: Prepared, searches: Iterable[Search], chart: Chart, past: Overview, until: date
) -> tuple[list[TimelineEvent], list[str]]:
    """The problems, procedures and treatments of a chart up to ``until``, and what is to be said of what is left out.

    ``past`` is what the ``searches`` tell of treatment. What was set aside has the reason why as its flaw.
    """
    told = {reference for event in past.events for reference in (event.event.reference, *event.one_with)}
    events = [
        event
        for search in searches
        if search.resource in _LISTS
        for event in _listed(search, chart)
        if event.source not in told
    ]
    orders = [event for event in past.events if event.kind in (EventKind.ORDERED, EventKind.STOPPED)]
    with_doses = {id(event) for event in orders[-_MOST_ORDERS:]}
    for event in past.events:
        events.append(_treatment(prepared.pack, event))
        if id(event) in with_doses:
            events += _due(prepared.pack, event, until)
    for aside in past.set_aside:
        words = aside.words or "an entry"
        flaw = in_words(prepared.pack, aside.reason)
        events.append(TimelineEvent("Set aside", plain(words), "order", plain(aside.reference), None, flaw=flaw))
    return events, list(_left_out(past, len(orders)))


def result_events(prepared: Prepared, results: Iterable[Mapping[str, Any]]) -> Iterator[TimelineEvent]:
    """The results of ``explain`` with their flags, each in the lane of its fact, its number in the unit of the lane.

    One that cannot be used says why, and has no number.
    """
    for series in results:
        lane, unit = _lane_of(prepared.pack, series)
        for result in series["results"]:
            day = datetime.fromisoformat(result["at"]).astimezone(prepared.zone).date()
            label = ", ".join(filter(None, [result["said"] or "no value", result.get("flag")]))
            label = f"{label}: {result['because']}" if "because" in result else label
            canonical = result.get("high", result.get("low"))
            value = None if canonical is None else canonical / unit.factor
            yield TimelineEvent(lane, label, "result", result["reference"], day, value=value)


def rulers_of(
    pack: Pack, decisions: Iterable[str], results: Iterable[Mapping[str, Any]], known: Mapping[str, Fact] | None
) -> dict[str, Ruler]:
    """The unit of each lane of ``result_events``, and the bands that the tables of ``decisions`` have for it.

    ``known`` are facts of the patient, by which the limits of a formula are reckoned back.
    """
    own, rulers = list(decisions), {}
    for series in results:
        lane, unit = _lane_of(pack, series)
        bands = bands_of(pack, own, series["fact"], known)
        if bands or lane not in rulers:  # two facts of one analyte are one lane
            rulers[lane] = Ruler(unit.written, tuple(in_unit(band, unit.factor) for band in bands))
    return rulers


def _lane_of(pack: Pack, series: Mapping[str, Any]) -> tuple[str, ShownUnit]:
    """The lane of the results of one fact, and the unit of its numbers."""
    unit = unit_shown(pack.facts[series["fact"]].analyte, series)
    return f"{series['label']}, {unit.written}", unit


def draft_events(pack: Pack, orders: Iterable[Order], until: date) -> Iterator[TimelineEvent]:
    """The orders that were judged, at the end of the picture."""
    for order in orders:
        if order is not NO_ORDER:
            label = f"draft: {with_dosage(pack, order.name, order)}"
            yield TimelineEvent("Orders", label, "draft", order.reference or order.path, until)


def _listed(search: Search, chart: Chart) -> Iterator[TimelineEvent]:
    """The problems, or the procedures, that some fact knows."""
    for resource, is_past in known_entries(search, chart):
        words = (resource.code.words() if resource.code is not None else "") or "an entry without words"
        written = resource.dated() if isinstance(resource, Listed) else resource.when()
        first = _day(written, chart)
        flaw = "" if first or not written else "its date cannot be read"
        name = resource.own_reference()
        if isinstance(resource, Condition):
            last = _day(resource.abated(), chart) if is_past else None
            label = f"{plain(words)} (over)" if is_past and last is None else plain(words)
            yield TimelineEvent("Problems", label, "problem", name, first, last, goes_on=not is_past, flaw=flaw)
        else:
            yield TimelineEvent("Procedures", plain(words), "procedure", name, first, flaw=flaw)


def _day(written: str | None, chart: Chart) -> date | None:
    span = read_date(written, chart.zone)
    return date.fromisoformat(day_of(span, chart.zone)) if span is not None else None


def _treatment(pack: Pack, told: ToldEvent) -> TimelineEvent:
    """What was ordered, given, dispensed, stated or stopped."""
    lane, kind = _OF_KIND[told.kind]
    drug = told.words
    if told.kind in (EventKind.ORDERED, EventKind.STOPPED, EventKind.STATED) and not told.event.under_way:
        status = told.event.status.replace("-", " ") if told.event.is_status else told.event.status
        drug = f"{drug or NO_WORDS} ({status})"
    label = with_dosage(pack, drug, told.event.as_order())
    named = [told.event.reference, *told.one_with[:_MOST_NAMED]]
    more = len(told.one_with) - _MOST_NAMED
    source = plain(", ".join(named) + (f" and {more} more" if more > 0 else ""))
    return TimelineEvent(lane, label, kind, source, told.first, told.last, goes_on=told.goes_on)


def with_dosage(pack: Pack, drug: str, order: Order) -> str:
    """A drug with the steps of its dosage as they are understood, or as they are worded where they are not."""
    steps = [
        " ".join(filter(None, [step.dose, step.route, step.how_often, step.how_long, step.written]))
        for step in steps_in_words(pack, order)
    ]
    return plain(", ".join(filter(None, [drug or NO_WORDS, "; ".join(filter(None, steps))])), _LONGEST_LABEL)


def _due(pack: Pack, told: ToldEvent, until: date) -> Iterator[TimelineEvent]:
    """The days up to ``until`` on which doses of an order fall due; one period if they are too many to tell apart.

    Each day names the drug alone: the whole dosage stands at the order.
    """
    label, reference = plain(told.words or NO_WORDS), plain(told.event.reference)
    last = min(told.last or until, until)
    days = [day for step in (*told.before, *told.steps)[:_MOST_STEPS] for day in _days_of(step, last)]
    if len(days) > _MANY_DOSES:
        many = f"more than {_MANY_DOSES} doses, {with_dosage(pack, told.words, told.event.as_order())}"
        yield TimelineEvent("Doses ordered", many, "doses", reference, days[0], last)
    else:
        yield from (TimelineEvent("Doses ordered", label, "due", reference, day) for day in days)


def _days_of(step: Stretch, last: date) -> Iterator[date]:
    dates = dose_dates(step.schedule, step.start) or ()
    yield from (day for day in islice(dates, _MANY_DOSES + 1) if day <= last and (step.end is None or day < step.end))


def _left_out(past: Overview, orders: int) -> Iterator[str]:
    """What was read and makes no event of the picture."""
    if past.elsewhere:
        yield f"Not drawn: {_entries(past.elsewhere)} of drugs that the content is not about."
    if past.not_known:
        yield f"Not drawn: {_entries(past.not_known)} of drugs that are not known."
    if past.older:
        yield f"Not drawn: {_entries(past.older)} that are older than those shown."
    if orders > _MOST_ORDERS:
        yield f"Not drawn: the doses ordered by {orders - _MOST_ORDERS} of {orders} orders."


def _entries(number: int) -> str:
    return "1 entry" if number == 1 else f"{number} entries"
