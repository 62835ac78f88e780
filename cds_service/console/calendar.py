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
_MOST_DOSES = 400


@dataclass(frozen=True, slots=True)
class Month:
    """One month as a calendar prints it: weeks of seven days from Monday on, ``None`` for days of other months.

    A day is its number in the month and the number of the order's step that has a dose on it; steps count from 1, and 0
    is a day without a dose.
    """

    name: str
    weeks: tuple[tuple[tuple[int, int] | None, ...], ...]


@dataclass(frozen=True, slots=True)
class Calendar:
    """Months with the days of doses. ``notes`` say what the picture cannot show: ranges, and steps without an end."""

    months: tuple[Month, ...]
    notes: tuple[str, ...]


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
    """The steps of a MedicationRequest; ``None`` if its schedule does not say the days of doses.

    A step begins on its own first day, or else when the one before it ends; the first one on ``start``. What has no
    end is followed up to ``until``, or else for a year; of each step ``most`` doses are reckoned. ``zone`` and
    ``own_words`` are the hospital's time zone and its words for how often (``read_schedule``).
    """
    steps = []
    begin = start
    for number, step in enumerate(dosages_of(json.loads(encode(order), parse_float=Decimal)), 1):
        schedule = read_schedule(step, zone, own_words)
        dates = dose_dates(schedule, begin)
        if dates is None:
            return None
        end = end_of(schedule, begin)
        last = end or until or (schedule.first or begin) + _A_YEAR
        days = tuple(day for day in islice(dates, most) if day < last)
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
        if step.is_range:
            notes.append(f"Step {step.number} leaves a range; the picture shows its nearest end.")
        if step.end is None:
            notes.append(f"Step {step.number} has no end.")
        for day in step.days:
            days.setdefault(day, step.number)
    if not days:
        return None
    count = 12 if min(step.interval for step in steps) >= _WEEK * 4 else 3
    return Calendar(tuple(_months(days, _first_shown(days, start), count)), tuple(notes))


def _first_shown(days: Mapping[date, int], start: date) -> date:
    """The day whose month is shown first: that of the first dose from ``start`` on, or of the first dose at all."""
    return min((day for day in days if day >= start), default=min(days))


def _months(days: Mapping[date, int], start: date, count: int) -> Iterator[Month]:
    year, month = start.year, start.month
    for _ in range(count):
        first = date(year, month, 1)
        year, month = (year + 1, 1) if month == 12 else (year, month + 1)
        length = (date(year, month, 1) - first).days
        cells: list[tuple[int, int] | None] = [None] * first.weekday()
        cells += [(n + 1, days.get(first + timedelta(days=n), 0)) for n in range(length)]
        cells += [None] * (-len(cells) % 7)
        yield Month(f"{first:%B %Y}", _weeks(cells))


def _weeks(cells: Sequence[tuple[int, int] | None]) -> tuple[tuple[tuple[int, int] | None, ...], ...]:
    return tuple(tuple(cells[n : n + 7]) for n in range(0, len(cells), 7))
