"""The dates on which doses fall, by the calendar of RFC 5545 as python-dateutil reckons it.

A month without the day of the first dose has the dose on its last day, as RFC 7529 calls ``SKIP=BACKWARD``: monthly
from 31 January is 28 February, 31 March, 30 April. RFC 5545 by itself would leave February and April out, and a dose of
every month would be missed. Dates are days in the hospital's time zone, so that a change of the clock moves none (Z57).
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from fractions import Fraction
from itertools import count as numbers
from itertools import islice, takewhile
from math import ceil, floor

from dateutil.rrule import MONTHLY, WEEKLY, rrule, weekday

from cds_service.fhir.schedule import Bounds, Rhythm, Schedule
from cds_service.fhir.schedule_facts import shares, whole_ratio
from cds_service.fhir.time_units import months_after
from cds_service.vocabulary.facts import Interval

# Doses after which the end of a count is not looked for: more than any order gives.
_MOST_COUNTED = 10_000
_WEEK = 7
_IN_EVERY_MONTH = 28  # the last day of the month that no month lacks


def dose_dates(schedule: Schedule, start: date) -> Iterator[date] | None:
    """The day of each dose in order, from the first day that the order gives on, or else from ``start`` on.

    A day with several doses comes as often as it has doses. A range is taken at its low end, of doses in a period at
    its high end. There is no end if the order has none; ``None`` if it does not say when doses fall.
    """
    if schedule.events:
        return iter(schedule.events)
    if not isinstance(schedule.rhythm, Rhythm):
        return None
    first = schedule.first or start
    dates = _dates(schedule.rhythm, first)
    if isinstance(schedule.count, Interval) and schedule.count.low is not None:
        dates = islice(dates, min(ceil(schedule.count.low), _MOST_COUNTED))
    end = _end_of_bounds(schedule.bounds, first) if isinstance(schedule.bounds, Bounds) else None
    return dates if end is None else takewhile(lambda day: day < end, dates)


def end_of(schedule: Schedule, start: date) -> date | None:
    """The day on which a next step begins: the end of the bounds, or one interval after the last dose if it is sooner.

    ``None`` if there is no end, or if it cannot be told.
    """
    first = schedule.first or start
    ends = []
    if isinstance(schedule.bounds, Bounds):
        ends.append(_end_of_bounds(schedule.bounds, first))
    if isinstance(schedule.rhythm, Rhythm):
        if schedule.events:
            ends.append(schedule.events[-1] + timedelta(days=ceil(schedule.rhythm.interval.low or 0)))
        elif isinstance(schedule.count, Interval) and schedule.count.low is not None:
            number = ceil(schedule.count.low)
            if number <= _MOST_COUNTED:
                ends += islice(_dates(schedule.rhythm, first), number, number + 1)
    return min((end for end in ends if end is not None), default=None)


def _end_of_bounds(bounds: Bounds, first: date) -> date | None:
    """The day after the last of the bounds; ``None`` if the calendar does not reach it."""
    if bounds.end is not None:
        return bounds.end
    try:
        if bounds.months is not None and bounds.months.low is not None and bounds.months.low.denominator == 1:
            return months_after(first, int(bounds.months.low))
        return first + timedelta(days=ceil((bounds.days and bounds.days.low) or 0))
    except (ValueError, OverflowError):
        return None


def _dates(rhythm: Rhythm, first: date) -> Iterator[date]:
    """The days of doses without an end, but for that of the calendar in the year 9999."""
    if rhythm.weekdays:
        return _on_weekdays(rhythm, first)
    if rhythm.in_months:
        return _in_months(rhythm, first)
    apart = Fraction(rhythm.period.low or 1) / Fraction(rhythm.times.high or 1)
    left = (date.max - first).days
    return (
        first + timedelta(days=floor(apart * index))
        for index in takewhile(lambda index: apart * index <= left, numbers())
    )


def _on_weekdays(rhythm: Rhythm, first: date) -> Iterator[date]:
    """The days of the week on or after ``first``; every so many weeks, counted from the week of ``first``."""
    weeks = int((rhythm.period.low or 1) / _WEEK)
    on_it = dict(zip(rhythm.weekdays, shares(int(rhythm.times.high or 1), len(rhythm.weekdays)), strict=True))
    by = [weekday(day) for day in rhythm.weekdays]
    for moment in rrule(WEEKLY, interval=weeks, byweekday=by, dtstart=datetime.combine(first, time())):
        yield from (moment.date() for _ in range(on_it[moment.weekday()]))


def _in_months(rhythm: Rhythm, first: date) -> Iterator[date]:
    """The days on which each period of months begins, and those that divide it evenly if it has several doses."""
    months, times = whole_ratio(rhythm.period.low, rhythm.times.high)
    # The day of the month of ``first``, or the last one before it that the month has.
    days = list(range(min(first.day, _IN_EVERY_MONTH), first.day + 1))
    begins = rrule(MONTHLY, interval=months, bymonthday=days, bysetpos=-1, dtstart=datetime.combine(first, time()))
    begin: date | None = None
    for moment in begins:
        after = moment.date()
        if begin is not None:
            apart = (after - begin).days
            yield from (begin + timedelta(days=floor(Fraction(apart * part, times))) for part in range(times))
        begin = after
    if begin is not None:
        yield begin
