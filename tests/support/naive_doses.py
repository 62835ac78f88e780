"""A reckoner of doses that walks from day to day and asks of each whether doses fall on it.

It shares nothing with the package: no rule of recurrence, no library of dates but the calendar of Python. It is slow
and plain on purpose, so that a test can hold the package against it.
"""

from __future__ import annotations

import calendar
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from fractions import Fraction


def every_so_many_days(first: date, times: int, period: int, days: int) -> Iterator[date]:
    """``times`` doses in each ``period`` of days, evenly, for so many days; a day has as many as fall into it."""
    for day in range(days):
        for dose in range(day * times // period - 1, (day + 1) * times // period + 2):
            if dose >= 0 and day <= Fraction(dose * period, times) < day + 1:
                yield first + timedelta(days=day)


def on_weekdays(first: date, weekdays: Sequence[int], weeks: int, days: int) -> Iterator[date]:
    """One dose on each of the weekdays, of which Monday is 0, in the first of every so many calendar weeks."""
    monday = first - timedelta(days=first.weekday())
    for day in range(days):
        today = first + timedelta(days=day)
        if today.weekday() in weekdays and (today - monday).days // 7 % weeks == 0:
            yield today


def every_so_many_months(first: date, months: int, days: int) -> Iterator[date]:
    """One dose on the day of ``first`` in every so many months, or on the last day of a month without that day."""
    for day in range(days):
        today = first + timedelta(days=day)
        between = (today.year - first.year) * 12 + today.month - first.month
        last = calendar.monthrange(today.year, today.month)[1]
        if between % months == 0 and today.day == min(first.day, last):
            yield today
