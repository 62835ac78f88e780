"""Days as pixels, and the dates that stand on the axis below a picture."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from math import ceil
from typing import NamedTuple

_DAYS_OF_MONTH = 30.4
_FEW_DAYS = 45
_STEPS = (1, 2, 3, 6, 12, 24, 60, 120, 240, 600)  # months between dates


class Line(NamedTuple):
    """A tick of an axis, or a limit of the tables; ``at`` is its place in pixels."""

    at: float
    label: str


class TimeAxis:
    """The days from ``first`` to ``last`` between the pixels ``left`` and ``right``; later and earlier ones lie at the
    edges.
    """

    def __init__(self, first: date, last: date, left: float, right: float) -> None:
        self.first, self.last = first, max(last, first + timedelta(days=1))
        self._left, self._width = left, right - left
        self._days = (self.last - self.first).days

    def shows(self, day: date) -> bool:
        """Whether a day is in the picture."""
        return self.first <= day <= self.last

    def at(self, day: date) -> float:
        """The pixel of a day."""
        days = min(max((day - self.first).days, 0), self._days)
        return round(self._left + self._width * days / self._days, 1)

    def dates(self, room: float, months: Sequence[str] = ()) -> Iterator[Line]:
        """The first days of some of the months or years, or some of the days where the picture is short.

        Each has ``room`` pixels. ``months`` are their names.
        """
        days = list(self._firsts_of_months())
        if self._days <= _FEW_DAYS or len(days) < 2:
            step = ceil(self._days * room / self._width)
            days = [self.first + timedelta(days=n) for n in range(0, self._days + 1, step)]
            yield from (Line(self.at(day), f"{day.day} {_name(day, months)}") for day in days)
            return
        month = self._width * _DAYS_OF_MONTH / self._days
        step = next(n for n in _STEPS if month * n >= room or n == _STEPS[-1])
        for day in days:
            if (day.month - 1 + 12 * day.year) % step == 0:
                yield Line(self.at(day), str(day.year) if step >= 12 else f"{_name(day, months)} {day.year}")

    def _firsts_of_months(self) -> Iterator[date]:
        year, month = self.first.year, self.first.month
        while (day := date(year, month, 1)) <= self.last:
            if day >= self.first:
                yield day
            year, month = (year + 1, 1) if month == 12 else (year, month + 1)


def _name(day: date, months: Sequence[str]) -> str:
    return months[day.month - 1] if months else f"{day:%b}"
