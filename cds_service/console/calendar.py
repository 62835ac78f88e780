"""The days on which doses of an order fall due, by the schedule that is read of it (Z57)."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta, tzinfo
from decimal import Decimal
from itertools import islice
from typing import Any

from cds_service.chart.order import dosages_of
from cds_service.fhir.dose_dates import dose_dates, end_of
from cds_service.fhir.schedule import Rhythm, read_schedule
from cds_service.vocabulary.json_text import encode

_WEEK = 7
_A_YEAR = timedelta(days=366)
# How many months are shown, by the least days between two doses.
_MONTHS = ((_WEEK * 8, 12, "twelve"), (_WEEK * 4, 6, "six"), (0, 3, "three"))
_MOST_DOSES = 400
_LAST_YEAR = 9990  # no doses are reckoned beyond it: the calendar ends with the year 9999


@dataclass(frozen=True, slots=True)
class Day:
    """One day of a calendar: its ``number`` in the month, and the number of the order's step that has a dose on it.

    Steps count from 1, and 0 is a day without a dose. ``is_first`` marks the day from which the calendar reckons.
    """

    number: int
    step: int
    is_first: bool = False


@dataclass(frozen=True, slots=True)
class Month:
    """One month as a calendar prints it: weeks of seven days from Monday on, ``None`` for days of other months."""

    name: str
    weeks: tuple[tuple[Day | None, ...], ...]


@dataclass(frozen=True, slots=True)
class Calendar:
    """The months that have doses. ``notes`` say what the picture cannot show: ranges, and steps without an end."""

    months: tuple[Month, ...]
    notes: tuple[str, ...]

    @property
    def steps(self) -> tuple[int, ...]:
        """The numbers of the steps whose doses are shown."""
        days = (day for month in self.months for week in month.weeks for day in week if day is not None)
        return tuple(sorted({day.step for day in days if day.step}))


@dataclass(frozen=True, slots=True)
class DosedStep:
    """One step of an order: its ``number``, counted from 1, and the days of its doses.

    ``end`` is the day on which the next step begins, ``None`` if the order gives none; ``interval`` the least days
    between two doses.
    """

    number: int
    days: tuple[date, ...]
    end: date | None
    is_range: bool
    interval: float


def dosed_steps(
    order: Mapping[str, Any],
    start: date,
    zone: tzinfo,
    own_words: Mapping[str, str],
    *,
    until: date | None = None,
    most: int = _MOST_DOSES,
) -> list[DosedStep] | None:
    """The steps of a MedicationRequest; ``None`` if its schedule does not say the days of doses, or begins near the end
    of the calendar.

    A step begins on its own first day, or else when the one before it ends; the first one on ``start``. What has no
    end is followed up to ``until``, or else for a year; of each step ``most`` doses are reckoned. ``zone`` and
    ``own_words`` are the hospital's time zone and its words for how often (``read_schedule``).
    """
    steps = []
    begin = start
    for number, step in enumerate(dosages_of(json.loads(encode(order), parse_float=Decimal)), 1):
        schedule = read_schedule(step, zone, own_words)
        first = schedule.first or begin
        dates = dose_dates(schedule, begin) if first.year <= _LAST_YEAR else None
        if dates is None:
            return None
        end = end_of(schedule, begin)
        last = end or until or first + _A_YEAR
        days = tuple(day for day in islice(dates, most) if day < last and day.year <= _LAST_YEAR)
        interval = float(schedule.rhythm.interval.low or 0) if isinstance(schedule.rhythm, Rhythm) else math.inf
        steps.append(DosedStep(number, days, end, schedule.is_range, interval))
        begin = last
    return steps


def calendar_of(order: Mapping[str, Any], start: date, zone: tzinfo, own_words: Mapping[str, str]) -> Calendar | None:
    """The doses of a MedicationRequest from ``start`` on; ``None`` if its schedule does not say the days of doses.

    ``zone`` and ``own_words`` as in ``dosed_steps``.
    """
    steps = dosed_steps(order, start, zone, own_words)
    if steps is None:
        return None
    days: dict[date, int] = {}
    notes: list[str] = []
    for step in steps:
        name = f"Step {step.number}" if len(steps) > 1 else "The order"
        if step.is_range:
            notes.append(f"{name} leaves a range; the picture shows its nearest end.")
        for day in step.days:
            days.setdefault(day, step.number)
    if not days:
        return None
    interval = min(step.interval for step in steps)
    count, many = next((count, many) for least, count, many in _MONTHS if interval >= least)
    months = tuple(_months(days, _first_shown(days, start), count, start))
    endless = [step.number for step in steps if step.end is None]
    if endless:
        which = f"Step {endless[-1]}" if len(steps) > 1 else "The order"
        notes.append(f"{which} has no end; the picture shows its first {many} months.")
    return Calendar(months, tuple(notes))


def _first_shown(days: Mapping[date, int], start: date) -> date:
    """The day whose month is shown first: that of the first dose from ``start`` on, or of the first dose at all."""
    return min((day for day in days if day >= start), default=min(days))


def _months(days: Mapping[date, int], first_shown: date, count: int, start: date) -> Iterator[Month]:
    """Those of ``count`` months that have doses."""
    year, month = first_shown.year, first_shown.month
    for _ in range(count):
        first = date(year, month, 1)
        year, month = (year + 1, 1) if month == 12 else (year, month + 1)
        in_month = [first + timedelta(days=n) for n in range((date(year, month, 1) - first).days)]
        if any(day in days for day in in_month):
            cells: list[Day | None] = [None] * first.weekday()
            cells += [Day(day.day, days.get(day, 0), day == start) for day in in_month]
            cells += [None] * (-len(cells) % _WEEK)
            yield Month(f"{first:%B %Y}", _weeks(cells))


def _weeks(cells: Sequence[Day | None]) -> tuple[tuple[Day | None, ...], ...]:
    return tuple(tuple(cells[n : n + _WEEK]) for n in range(0, len(cells), _WEEK))
