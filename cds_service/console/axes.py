"""The frame of a picture over time, in pixels: the axis of days with its dates, and that of values with its ticks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from math import ceil, floor, log10

from cds_service.console.shown_units import rounded

WIDTH, HEIGHT = 460, 210
LEFT, RIGHT, TOP, BOTTOM = 46, WIDTH - 16, 22, HEIGHT - 34
LINE, LETTER = 16.0, 8.0  # pixels of a line and of a letter on a narrow screen
_DATE = 90.0  # pixels from one date to the next
_DAYS_OF_MONTH = 30.4
_STEPS = (1, 2, 3, 6, 12, 24, 60, 120, 240, 600)  # months between dates on the axis
_FEW_DAYS = 45


@dataclass(frozen=True, slots=True)
class Line:
    """A limit of the tables, or a tick of an axis; ``at`` is its place in pixels."""

    at: float
    label: str


class TimeAxis:
    """The days from ``first`` to ``last`` as pixels, a day at least. Other days are at the edges."""

    def __init__(self, first: date, last: date) -> None:
        self._first = first
        self._last = max(last, first + timedelta(days=1))
        self._days = (self._last - self._first).days

    def shows(self, day: date) -> bool:
        """Whether a day is in the picture."""
        return self._first <= day <= self._last

    def at(self, day: date) -> float:
        """The pixel of a day; a day beyond the picture is at its edge."""
        days = min(max((day - self._first).days, 0), self._days)
        return round(LEFT + (RIGHT - LEFT) * days / self._days, 1)

    def dates(self, months: Sequence[str]) -> Iterator[Line]:
        """The first days of some of the months or years; some of the days where the picture is short."""
        days = list(self._firsts_of_months())
        if self._days <= _FEW_DAYS or len(days) < 2:
            step = ceil(self._days * _DATE / (RIGHT - LEFT))
            days = [self._first + timedelta(days=n) for n in range(0, self._days + 1, step)]
            yield from (Line(self.at(day), f"{day.day} {_month(day, months)}") for day in days)
            return
        month = (RIGHT - LEFT) * _DAYS_OF_MONTH / self._days
        step = next(n for n in _STEPS if month * n >= _DATE or n == _STEPS[-1])
        for day in days:
            if (day.month - 1 + 12 * day.year) % step == 0:
                yield Line(self.at(day), str(day.year) if step >= 12 else f"{_month(day, months)} {day.year}")

    def _firsts_of_months(self) -> Iterator[date]:
        year, month = self._first.year, self._first.month
        while (day := date(year, month, 1)) <= self._last:
            if day >= self._first:
                yield day
            year, month = (year + 1, 1) if month == 12 else (year, month + 1)


def height_of(value: float, highest: float) -> float:
    """The pixel of a value on an axis that goes from 0 to ``highest``; what is above stands at its top."""
    return round(BOTTOM - (BOTTOM - TOP) * min(value, highest) / highest, 1)


def round_ticks(highest: float, limits: Sequence[Line] = ()) -> Iterator[Line]:
    """Round numbers on an axis from 0 to ``highest``, where none of ``limits`` stands."""
    power = 10.0 ** floor(log10(highest))
    step = next(power * n for n in (0.2, 0.5, 1, 2) if highest <= power * n * 5)
    for number in range(int(highest / step) + 1):
        at = height_of(number * step, highest)
        if all(abs(at - limit.at) >= LINE for limit in limits):
            yield Line(at, rounded(number * step))


def _month(day: date, months: Sequence[str]) -> str:
    return months[day.month - 1] if months else f"{day:%b}"
