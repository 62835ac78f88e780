"""The steps of a course for people: what was recorded since the step before, the order, its cards, what was done.

A step is answered by the content that is served, which need not be the one that its course was written for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any, NamedTuple

import msgspec

from cds_service.chart.overview import overview
from cds_service.chart.readers import patient_facts
from cds_service.chart.record import Chart
from cds_service.console.answer import ShownAnswer, shown_answer
from cds_service.console.plain_words import whole_day_in_words
from cds_service.console.record_events import MOST_TOLD, record_events, result_events, rulers_of
from cds_service.console.result_lane import Ruler
from cds_service.console.story_list import reason_of
from cds_service.console.timeline import TimelineEvent
from cds_service.content.model import INDICATORS
from cds_service.content.prepared import Prepared
from cds_service.content.render import plain
from cds_service.judge.explanation import results_of
from cds_service.replay.courses import Course
from cds_service.replay.run import in_process
from cds_service.replay.scenario import Scenario, search
from cds_service.vocabulary.json_text import encode

HOOKS: Mapping[str, str] = {
    "patient-view": "Chart opened",
    "order-select": "Order chosen",
    "order-sign": "Order to sign",
}
_HAPPENS: Mapping[str, tuple[str, str]] = {
    "patient-view": ("the chart is opened",) * 2,
    "order-select": ("an order is chosen", "orders are chosen"),
    "order-sign": ("an order is about to be signed", "orders are about to be signed"),
}
_AS_DRAFTED = "draft"
_OPENS_CHART = "patient-view"
_RECKONED = ("due", "doses")  # kinds of events that are reckoned from an order, and recorded by nobody
_IN_BANNER = ("problem", "result")


@dataclass(frozen=True, slots=True)
class Recorded:
    """What was recorded since the step before: a label, such as ``Doses given``, and what, with its days."""

    label: str
    what: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ShownStep:
    """One hook of a course. ``day`` counts from the first day of the course, ``date`` is that day in words.

    ``happens`` says in words what the clinician does, ``done`` what then became of it. ``severity`` is that of the
    gravest card, ``silence`` or ``refused``; ``differences`` are from what the course expects.
    """

    name: str
    title: str
    day: int
    date: str
    happens: str
    why: str
    recorded: tuple[Recorded, ...]
    answer: ShownAnswer
    severity: str
    done: str
    differences: tuple[str, ...]
    scenario: Scenario


def steps_of(course: Course, prepared: Prepared) -> list[ShownStep]:
    """The hooks of a course in their order, each answered by the content in ``prepared``."""
    fire = in_process(prepared)
    known: set[tuple[str, str]] = set()
    steps: list[ShownStep] = []
    for scenario in course.scenarios:
        result = fire(scenario)
        body = encode(result.request)
        answer = shown_answer(prepared, body, scenario.now, scenario.profile) if result.request else ShownAnswer()
        indicators = {card.indicator for card in answer.cards}
        is_refused = bool(answer.fault or not result.request)
        one, several = _HAPPENS[scenario.hook]
        steps.append(
            ShownStep(
                name=scenario.name.partition("/")[2],
                title=scenario.title,
                day=(scenario.now.date() - course.begins).days,
                date=whole_day_in_words(prepared.pack, scenario.now.date()),
                happens=several if len(scenario.drafts) > 1 else one,
                why=reason_of(scenario),
                recorded=tuple(_recorded(prepared, scenario, known, is_first=not steps)),
                answer=answer,
                severity=next(
                    (word for word in INDICATORS if word in indicators), "refused" if is_refused else "silence"
                ),
                done=_done(scenario, course.accepted.get(scenario.name, "")),
                differences=tuple(result.differences),
                scenario=scenario,
            )
        )
    return steps


class ToldRecord(NamedTuple):
    """A record as a picture of it needs it: its events, what is left out, and how the results of lanes are measured."""

    events: list[TimelineEvent]
    left_out: list[str]
    rulers: Mapping[str, Ruler]


def record_of(course: Course, prepared: Prepared) -> ToldRecord:
    """The whole record of a course as the service reads it on its last day; limits are those of any service."""
    pack, last_moment = prepared.pack, datetime.combine(course.ends, time.max, prepared.zone)
    chart = _chart(prepared, course.patient, course.record, last_moment)
    results = results_of(pack, pack.decisions, chart)
    rulers = rulers_of(pack, pack.decisions, results, patient_facts(pack.facts, chart))
    return ToldRecord(*_events(prepared, chart, results), rulers)


def _chart(prepared: Prepared, patient: str, resources: Sequence[Mapping[str, Any]], now: datetime) -> Chart:
    """The resources of a patient at ``now``, whatever service asks for them."""
    searches = prepared.pack.searches.values()
    sent = {each.key: msgspec.Raw(encode(search(each.template, resources))) for each in searches}
    return Chart(patient, sent, now, prepared.zone)


def _events(
    prepared: Prepared, chart: Chart, results: Sequence[Mapping[str, Any]]
) -> tuple[list[TimelineEvent], list[str]]:
    """What a chart tells, and what is left out of that."""
    searches = list(prepared.pack.searches.values())
    past = overview(prepared.pack.readers, searches, chart, MOST_TOLD)
    until = chart.now.astimezone(prepared.zone).date()
    events, left_out = record_events(prepared, searches, chart, past, until)
    return [*events, *result_events(prepared, results)], left_out


def _recorded(
    prepared: Prepared, scenario: Scenario, known: set[tuple[str, str]], *, is_first: bool
) -> Iterator[Recorded]:
    """What the record of a step holds that is not ``known`` yet, to which it is added; by lane, and days together.

    Of what was on record before the first step only what the head of the page leaves out.
    """
    chart = _chart(prepared, scenario.patient, scenario.resources, scenario.now)
    events, _ = _events(prepared, chart, results_of(prepared.pack, prepared.pack.decisions, chart))
    days: dict[tuple[str, str], list[date | None]] = {}
    for event in events:
        key = (event.lane, event.source)
        if event.kind in _RECKONED or key in known:
            continue
        known.add(key)
        if not (is_first and event.kind in _IN_BANNER):
            lane = event.lane.rpartition(", ")[0] if event.kind == "result" else event.lane  # without the unit
            days.setdefault((lane, event.label), []).append(event.first)
    lanes: dict[str, list[str]] = {}
    for (lane, label), dates in days.items():
        lanes.setdefault(lane, []).append(_with_days(prepared, label, sorted(filter(None, dates))))
    yield from (Recorded(lane, tuple(what)) for lane, what in lanes.items())


def _with_days(prepared: Prepared, label: str, days: Sequence[date]) -> str:
    """A label with the days to which it belongs: ``1000 mcg, 6 times, 4 Dec 2024 to 15 Dec 2024``."""
    if not days:
        return label
    first, last = (whole_day_in_words(prepared.pack, day) for day in (days[0], days[-1]))
    if len(days) == 1:
        return f"{label}, {first}"
    return f"{label}, {len(days)} times, " + (f"{first} to {last}" if first != last else f"all on {first}")


def _done(scenario: Scenario, accepted: str) -> str:
    """What became of the drafts of a step, in a sentence; ``""`` where there were none."""
    if scenario.hook == _OPENS_CHART:
        return ""
    if not accepted:
        return "Nothing was ordered or changed."
    if accepted == _AS_DRAFTED:
        return f"The {'order was' if len(scenario.drafts) == 1 else 'orders were'} signed as drafted."
    return f"The suggestion was taken: {plain(accepted)}."
