"""The pages that show courses: a list of them, and one as a timeline and as steps, each with its cards."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from flask import Blueprint, abort, render_template, url_for

from cds_service.console.course_steps import HOOKS, ShownStep, record_of, steps_of
from cds_service.console.patient import Banner, name_of
from cds_service.console.plain_words import whole_day_in_words
from cds_service.console.record_events import LANES
from cds_service.console.story_list import NO_CARD, expected
from cds_service.console.timeline import TimelineEvent, timeline_of
from cds_service.content.model import INDICATORS, Pack, Statement
from cds_service.content.prepared import Prepared
from cds_service.replay.courses import Course, read_courses

_PATIENT = "Patient"


@dataclass(frozen=True, slots=True)
class ListedCourse:
    """A course in the list: ``severities`` are those of the cards that it expects, the gravest first."""

    name: str
    title: str
    patient: str
    begins: str
    ends: str
    steps: int
    severities: tuple[str, ...]


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
        """Every course with its patient, its days and the severities of its cards."""
        pack = self._content().pack
        return render_template("courses.html", courses=[_listed(pack, course) for course in self._courses.values()])

    def course(self, name: str) -> str:
        """One course as a timeline, and its steps with the cards that the content gives now."""
        course = self._courses.get(name)
        if course is None:
            abort(404)
        prepared = self._content()
        steps = steps_of(course, prepared)
        record = record_of(course, prepared)
        timeline = timeline_of(
            "The course as a timeline",
            [*(_event(step) for step in steps), *record.events],
            course.ends,
            [*HOOKS.values(), *LANES],
            record.left_out,
            rulers=record.rulers,
            months=prepared.pack.months,
        )
        return render_template(
            "course.html",
            course=_listed(prepared.pack, course),
            patient=_patient_of(steps),
            steps=steps,
            timeline=timeline,
            statements=_statements(prepared.pack, course),
        )

    @cached_property
    def _courses(self) -> dict[str, Course]:
        return {course.name: course for course in read_courses(self._fixtures)}


def _listed(pack: Pack, course: Course) -> ListedCourse:
    patient = next((each for each in course.record if each["resourceType"] == _PATIENT), {})
    there = {severity for scenario in course.scenarios for severity in expected(scenario)}
    return ListedCourse(
        course.name,
        course.title,
        name_of(patient),
        whole_day_in_words(pack, course.begins),
        whole_day_in_words(pack, course.ends),
        len(course.scenarios),
        tuple(word for word in INDICATORS if word in there) or (NO_CARD,),
    )


def _patient_of(steps: list[ShownStep]) -> Banner | None:
    """The patient at the first step that could be read."""
    return next((step.answer.asked.patient for step in steps if step.answer.asked is not None), None)


def _statements(pack: Pack, course: Course) -> list[Statement]:
    """The statements that a course is about and that the content has."""
    cited = dict.fromkeys(name for scenario in course.scenarios for name in scenario.statements)
    return [pack.statements[name] for name in cited if name in pack.statements]


def _event(step: ShownStep) -> TimelineEvent:
    cards = len(step.answer.cards)
    label = f"{step.title}, {cards} card{'' if cards == 1 else 's'}" if cards else step.title
    link = url_for(".try_it", scenario=step.scenario.name, _anchor="story")
    return TimelineEvent(HOOKS[step.scenario.hook], label, step.severity, "", step.scenario.now.date(), link=link)
