"""The pages that show courses: a list of them, and one as a timeline with the cards of its moments."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec
from flask import Blueprint, abort, render_template, url_for

from cds_service.chart.overview import overview
from cds_service.chart.record import Chart
from cds_service.console.record_events import LANES, MOST_TOLD, record_events, result_events
from cds_service.console.timeline import TimelineEvent, timeline_of
from cds_service.content.prepared import Prepared
from cds_service.fhir.tree import node, nodes, text, words
from cds_service.judge.explanation import results_of
from cds_service.replay.courses import Course, read_courses
from cds_service.replay.run import ReplayResult, in_process
from cds_service.replay.scenario import Scenario, search
from cds_service.vocabulary.json_text import encode

_HOOKS = ("patient-view", "order-select", "order-sign")
_SEVERITIES = ("critical", "warning", "info")


@dataclass(frozen=True, slots=True)
class ShownMoment:
    """One hook of a course: ``severity`` is that of its gravest card, ``silence`` or ``refused``.

    ``orders`` are its drafts in words, ``accepted`` what was done with them.
    """

    scenario: Scenario
    result: ReplayResult
    severity: str
    orders: tuple[str, ...]
    accepted: str
    link: str


class CoursesPage:
    """The pages over the courses of ``fixtures``, answered by the content that ``content`` gives."""

    def __init__(self, content: Callable[[], Prepared], fixtures: Path) -> None:
        self._content = content
        self._fixtures = fixtures

    def register(self, pages: Blueprint) -> None:
        """Adds the pages to ``pages``; the endpoints have the names of the methods."""
        pages.get("/courses")(self.courses)
        pages.get("/courses/<name>")(self.course)

    def courses(self) -> str:
        """Every course with its days, its hooks and the statements that it shows."""
        return render_template("courses.html", courses=self._courses.values())

    def course(self, name: str) -> str:
        """One course as a timeline, and its moments with the cards that the content gives now."""
        course = self._courses.get(name)
        if course is None:
            abort(404)
        prepared = self._content()
        moments = shown_moments(course, prepared)
        events, left_out = _recorded(course, prepared)
        timeline = timeline_of(
            "The course as a timeline",
            [*(_event(moment) for moment in moments), *events],
            course.ends,
            [*_HOOKS, *LANES],
            left_out,
        )
        return render_template("course.html", course=course, moments=moments, timeline=timeline)

    @cached_property
    def _courses(self) -> dict[str, Course]:
        return {course.name: course for course in read_courses(self._fixtures)}


def _recorded(course: Course, prepared: Prepared) -> tuple[list[TimelineEvent], list[str]]:
    """The whole record of a course as the service reads it on its last day, and what is left out of the picture."""
    pack = prepared.pack
    searches = list(pack.searches.values())
    sent = {each.key: msgspec.Raw(encode(search(each.template, course.record))) for each in searches}
    last_moment = datetime.combine(course.ends, time.max, prepared.zone)
    chart = Chart(course.patient, sent, last_moment, prepared.zone)
    past = overview(pack.readers, searches, chart, MOST_TOLD)
    events, left_out = record_events(prepared, searches, chart, past, course.ends)
    return [*events, *result_events(prepared, results_of(pack, pack.decisions, chart))], left_out


def shown_moments(course: Course, prepared: Prepared) -> list[ShownMoment]:
    """The hooks of a course, each answered by the content in ``prepared``."""
    fire = in_process(prepared)
    return [_moment(course, scenario, fire(scenario)) for scenario in course.scenarios]


def _moment(course: Course, scenario: Scenario, result: ReplayResult) -> ShownMoment:
    indicators = {str(card["indicator"]) for card in result.cards}
    severity = next((word for word in _SEVERITIES if word in indicators), "refused" if result.fault else "silence")
    link = url_for(".try_it", scenario=scenario.name)
    accepted = course.accepted.get(scenario.name, "")
    return ShownMoment(scenario, result, severity, _in_words(scenario.drafts), accepted, link)


def _in_words(drafts: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    said = []
    for draft in drafts:
        drug = words(node(draft, "medicationCodeableConcept")) or words(node(draft, "code")) or "an order"
        dosages = "; ".join(filter(None, [text(dosage, "text") for dosage in nodes(draft, "dosageInstruction")]))
        status = text(draft, "status")
        said.append(", ".join(filter(None, [drug, dosages, status if status not in ("draft", "active") else ""])))
    return tuple(said)


def _event(moment: ShownMoment) -> TimelineEvent:
    scenario = moment.scenario
    name = scenario.name.partition("/")[2]
    cards = len(moment.result.cards)
    label = f"{name}, {cards} card{'' if cards == 1 else 's'}" if cards else name
    return TimelineEvent(scenario.hook, label, moment.severity, scenario.name, scenario.now.date(), link=moment.link)
