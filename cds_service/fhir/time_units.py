"""The units of time of FHIR's Timing in days and in months of the calendar (docs/decisions.md#timing)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from fractions import Fraction
from functools import lru_cache

from dateutil.relativedelta import relativedelta

from cds_service.vocabulary.facts import Exact, Interval, exact

# Days in one unit of time as FHIR's Timing names them; a month is 28 to 31 days (docs/decisions.md#timing, Z19).
DAYS: Mapping[str, tuple[Exact, Exact]] = {
    "s": (Fraction(1, 86400), Fraction(1, 86400)),
    "min": (Fraction(1, 1440), Fraction(1, 1440)),
    "h": (Fraction(1, 24), Fraction(1, 24)),
    "d": (1, 1),
    "wk": (7, 7),
    "mo": (28, 31),
    "a": (365, 366),
}
MONTHS: Mapping[str, int] = {"mo": 1, "a": 12}
WEEK = 7

# A longer time is no time that a drug is given for, and is reckoned in months of 28 to 31 days, not by the calendar.
_MOST_MONTHS = 1200
# Months after which the calendar is the same again; but 2100 is no leap year, so one such time ends there.
_FOUR_YEARS, _CYCLES = 48, (date(2024, 1, 1), date(2096, 3, 1))


def months_after(day: date, months: int) -> date:
    """The same day of the month so many months later, or the last day of that month if it has no such day (Z57).

    Raises:
        ValueError: there is no such day before the year 10000.
    """
    return day + relativedelta(months=months)


def calendar_days(months: Interval) -> Interval:
    """The days that so many months can have, wherever in the calendar they begin."""
    low, high = months.low, months.high
    assert low is not None and high is not None  # noqa: S101  (a length has both ends)
    return Interval(_shortest_and_longest(low)[0], _shortest_and_longest(high)[1])


@lru_cache(maxsize=256)
def _shortest_and_longest(months: Exact) -> tuple[Exact, Exact]:
    if exact(months).denominator != 1 or months > _MOST_MONTHS:
        low, high = DAYS["mo"]
        return exact(months * low), exact(months * high)
    starts = [months_after(first, month) for first in _CYCLES for month in range(_FOUR_YEARS)]
    lengths = [(months_after(start, int(months)) - start).days for start in starts]
    return min(lengths), max(lengths)
