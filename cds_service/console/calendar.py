"""The days on which doses of an order fall due, as its schedule says."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

_DAYS = {"d": 1.0, "wk": 7.0, "mo": 30.4375, "a": 365.25}
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


def calendar_of(order: Mapping[str, Any], start: date) -> Calendar | None:
    """The doses of a MedicationRequest from ``start`` on; ``None`` if its schedule does not say the days of doses."""
    days: dict[date, int] = {}
    notes: list[str] = []
    begin = start
    steps = [step for step in order.get("dosageInstruction") or [] if isinstance(step, dict)]
    shortest = math.inf
    for number, step in enumerate(sorted(steps, key=lambda step: step.get("sequence") or 0), 1):
        repeat = (step.get("timing") or {}).get("repeat") or {}
        every = _interval(repeat)
        if every is None:
            return None
        shortest = min(shortest, every)
        if "periodMax" in repeat or "boundsRange" in repeat or "countMax" in repeat:
            notes.append(f"Step {number} leaves a range; the picture shows its nearest end.")
        length = _length(repeat, every)
        if length is None:
            notes.append(f"Step {number} has no end.")
        horizon = length if length is not None else 366.0
        for index in range(_MOST_DOSES):
            if index * every >= horizon:
                break
            days.setdefault(begin + timedelta(days=round(index * every)), number)
        begin += timedelta(days=round(horizon))
    if not days:
        return None
    count = 12 if shortest >= _DAYS["wk"] * 4 else 3
    return Calendar(tuple(_months(days, start, count)), tuple(notes))


def _interval(repeat: Mapping[str, Any]) -> float | None:
    """The days from one dose to the next; ``None`` if ``repeat`` does not say them."""
    unit = _DAYS.get(str(repeat.get("periodUnit")))
    period, frequency = repeat.get("period"), repeat.get("frequency", 1)
    if unit is None or not isinstance(period, int | float) or not isinstance(frequency, int | float):
        return None
    return unit * float(period) / float(frequency) if period > 0 and frequency > 0 else None


def _length(repeat: Mapping[str, Any], every: float) -> float | None:
    """The days that a step with a dose ``every`` so many days lasts; ``None`` if it has no end."""
    if isinstance(repeat.get("count"), int | float):
        return float(repeat["count"]) * every
    duration = repeat.get("boundsDuration") or (repeat.get("boundsRange") or {}).get("low")
    if isinstance(duration, dict) and isinstance(duration.get("value"), int | float):
        unit = _DAYS.get(str(duration.get("code") or duration.get("unit")))
        return float(duration["value"]) * unit if unit else None
    return None


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
