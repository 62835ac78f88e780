"""The facts that follow from a schedule: the days between doses, how many doses there are, how long they last (Z57).

The counts agree with the dates of ``dose_dates``, which share out the doses of a period in the same way.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from fractions import Fraction
from math import ceil

from cds_service.fhir.schedule import NOT_READABLE, Bounds, Rhythm, Schedule, is_whole
from cds_service.fhir.time_units import WEEK, calendar_days, months_after
from cds_service.vocabulary.facts import Evidence, Exact, Fact, Interval, Reason, State

_UNREADABLE = Fact.unusable(NOT_READABLE)
_NOT_SAID = (Evidence("dosageInstruction", ""),)


def interval(schedule: Schedule, evidence: Sequence[Evidence] = _NOT_SAID) -> Fact:
    """Days between doses as a range (D9); ``evidence`` has the schedule in words.

    Absent without a Timing and without a text; unusable if what is there says no interval.
    """
    if schedule.rhythm is None:
        return Fact.absent()
    if isinstance(schedule.rhythm, Reason):
        return Fact.unusable(schedule.rhythm)
    return Fact(State.VALUE, schedule.rhythm.interval, evidence)


def doses(schedule: Schedule, evidence: Sequence[Evidence] = _NOT_SAID) -> Fact:
    """How many doses the step gives: its count, as far as its bounds leave room for them; absent if it is unbounded.

    ``evidence`` has in words how long it goes on.
    """
    rhythm, count, bounds = schedule.rhythm, schedule.count, schedule.bounds
    if schedule.events:
        return Fact(State.VALUE, Interval.point(len(schedule.events)), evidence)
    if isinstance(count, Reason) or isinstance(bounds, Reason):
        return _UNREADABLE
    if bounds is None:
        return Fact.absent() if count is None else Fact(State.VALUE, count, evidence)
    within = _doses_within(rhythm, bounds, schedule.first) if isinstance(rhythm, Rhythm) else None
    if within is None:
        return _UNREADABLE if count is None else Fact(State.VALUE, count, evidence)
    return Fact(State.VALUE, within if count is None else _lesser(count, within), evidence)


def days(schedule: Schedule, evidence: Sequence[Evidence] = _NOT_SAID) -> Fact:
    """How many days the step lasts, to the end of its bounds or one interval after its last dose, whichever is first.

    Absent if it is unbounded. ``evidence`` has in words how long it goes on.
    """
    rhythm, count, bounds = schedule.rhythm, schedule.count, schedule.bounds
    if schedule.events:
        if not isinstance(rhythm, Rhythm):
            return _UNREADABLE
        between = Interval.point((schedule.events[-1] - schedule.events[0]).days)
        return Fact(State.VALUE, _sum(between, rhythm.interval), evidence)
    if isinstance(count, Reason) or isinstance(bounds, Reason):
        return _UNREADABLE
    counted = _counted_days(rhythm, count) if isinstance(rhythm, Rhythm) and count is not None else None
    if bounds is None:
        if count is None:
            return Fact.absent()
        return _UNREADABLE if counted is None else Fact(State.VALUE, counted, evidence)
    if bounds.days is None:
        return _UNREADABLE
    return Fact(State.VALUE, bounds.days if counted is None else _lesser(counted, bounds.days), evidence)


# --- how long and how many


def _counted_days(rhythm: Rhythm, count: Interval) -> Interval:
    """The days from the first of so many doses to one interval after the last."""
    if rhythm.in_months:
        return calendar_days(count.times(rhythm.period.divided_by(rhythm.times)))
    return count.times(rhythm.interval)


def _doses_within(rhythm: Rhythm, bounds: Bounds, first: date | None) -> Interval | None:
    """How many doses fall into the bounds; ``None`` if that cannot be told. A dose on the day of their end is out."""
    length = bounds.days
    if length is None or length.low is None or length.high is None:
        return None
    if rhythm.weekdays:
        starts = range(WEEK) if first is None else (first.weekday(),)
        fewest = min(_number_on_weekdays(rhythm, rhythm.times.low, start, ceil(length.low)) for start in starts)
        most = max(_number_on_weekdays(rhythm, rhythm.times.high, start, ceil(length.high)) for start in starts)
        return Interval(fewest, most)
    if rhythm.in_months and bounds.end is not None and first is not None:
        return _doses_between(rhythm, first, bounds.end)
    apart, whole = rhythm.interval, length
    if rhythm.in_months and bounds.months is not None:
        months = rhythm.period.divided_by(rhythm.times)
        apart, whole = (months, bounds.months) if is_whole(months) else (apart, whole)
    number = whole.divided_by(apart)
    return Interval(ceil(number.low or 0), None if number.high is None else ceil(number.high))


def _number_on_weekdays(rhythm: Rhythm, times: Exact | None, start: int, length: int) -> int:
    """How many of ``times`` doses a period fall on its weekdays in so many days from the weekday ``start`` on."""
    cycle, number = int(rhythm.period.low or 0), 0
    for weekday, on_it in zip(rhythm.weekdays, shares(int(times or 0), len(rhythm.weekdays)), strict=True):
        away = weekday - start if weekday >= start else weekday - start + cycle
        number += on_it * max(0, -(-(length - away) // cycle))
    return number


def shares(whole: int, parts: int) -> list[int]:
    """A whole number in so many parts, which differ by one at most; the greater ones come first."""
    return [whole // parts + (part < whole % parts) for part in range(parts)]


def _doses_between(rhythm: Rhythm, first: date, end: date) -> Interval | None:
    """How many doses of a rhythm in months fall on the days from ``first`` on and before ``end``."""
    numbers = []
    for period, times in ((rhythm.period.high, rhythm.times.low), (rhythm.period.low, rhythm.times.high)):
        months, number = whole_ratio(period, times)
        begun = (end.year - first.year) * 12 + end.month - first.month
        begun -= months_after(first, begun) >= end
        full = begun // months
        try:
            last, after = months_after(first, full * months), months_after(first, (full + 1) * months)
        except (ValueError, OverflowError):
            return None
        left = Fraction((end - last).days * number, (after - last).days)
        numbers.append(full * number + min(number, ceil(left)))
    return Interval(numbers[0], numbers[-1])


def whole_ratio(period: Exact | None, times: Exact | None) -> tuple[int, int]:
    """A period and the doses in it as the smallest whole numbers of that ratio: two in two months are one in one."""
    ratio = Fraction(period or 1) / Fraction(times or 1)
    return ratio.numerator, ratio.denominator


def _lesser(one_end: Interval, other: Interval) -> Interval:
    """The range of the smaller of two numbers."""
    lows = [end for end in (one_end.low, other.low) if end is not None]
    highs = [end for end in (one_end.high, other.high) if end is not None]
    return Interval(min(lows, default=None), min(highs, default=None))


def _sum(addend: Interval, other: Interval) -> Interval:
    low = None if addend.low is None or other.low is None else addend.low + other.low
    return Interval(low, None if addend.high is None or other.high is None else addend.high + other.high)
