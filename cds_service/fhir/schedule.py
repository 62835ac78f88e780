"""FHIR's Timing, understood once (Z57).

``read_schedule`` reads a dosage into a ``Schedule``, from which the facts of ``schedule_facts`` and the dates of
``dose_dates`` follow. A schedule is understood, never matched as text; one that is there and cannot be understood is
unusable, with its reason (docs/decisions.md#timing). Source: https://hl7.org/fhir/R4/datatypes.html#Timing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, timedelta, tzinfo
from fractions import Fraction
from functools import lru_cache
from itertools import pairwise
from typing import Any

import msgspec

from cds_service.fhir.dates import Span, read_date
from cds_service.fhir.quantities import read_number
from cds_service.fhir.schedule_words import DAYS_OF_WEEK, UNITS, WHEN, folded_schedule, form_of_code, form_of_text
from cds_service.fhir.time_units import DAYS, MONTHS, WEEK, calendar_days
from cds_service.fhir.tree import Node, node, nodes, number_text, pairs, text
from cds_service.vocabulary.facts import Exact, Interval, Reason, exact

_ONE_DAY, _ONE_SECOND = timedelta(days=1), timedelta(seconds=1)
_FORM = re.compile(r"(?:every|(?P<times>[\d-]+) per) (?:(?P<period>[\d-]+) )?(?P<unit>s|min|h|d|wk|mo|a)")
NOT_READABLE = Reason("scheduleNotReadable")


class Rhythm(msgspec.Struct, frozen=True):
    """How often: ``times`` doses, evenly, in each ``period`` of days, or of calendar months if ``in_months``.

    With ``weekdays``, of which Monday is 0, the period is of whole weeks and the doses fall on those days of the first
    week of each. ``interval`` is the days between two doses (D9): the average of them if they are not all alike.
    """

    period: Interval
    times: Interval
    interval: Interval
    in_months: bool = False
    weekdays: tuple[int, ...] = ()


class Bounds(msgspec.Struct, frozen=True):
    """How long: ``days`` by the calendar, and also ``months`` if the length is given in months or years.

    ``end`` is the day after the last, if the calendar days are given; ``days`` is ``None`` if their begin is not.
    ``is_range`` says that the order leaves a range.
    """

    days: Interval | None
    months: Interval | None = None
    end: date | None = None
    is_range: bool = False


class Schedule(msgspec.Struct, frozen=True):
    """One step of a dosage: how often, how many times, how long, and from when, as far as it says so.

    A member is a ``Reason`` if it is there and not understood, and ``None`` if it is not there. ``events`` are the days
    of doses that are listed one by one, in order, ``first`` is the first day if it is given.
    """

    rhythm: Rhythm | Reason | None = None
    count: Interval | Reason | None = None
    bounds: Bounds | Reason | None = None
    first: date | None = None
    events: tuple[date, ...] = ()

    @property
    def is_range(self) -> bool:
        """Whether the order leaves open how often, how many times or how long."""
        rhythm, count, bounds = self.rhythm, self.count, self.bounds
        return (
            (isinstance(rhythm, Rhythm) and not (rhythm.period.is_point and rhythm.times.is_point))
            or (isinstance(count, Interval) and not count.is_point)
            or (isinstance(bounds, Bounds) and bounds.is_range)
        )


# What is there and says nothing that is understood may also say how many times and how long.
_NOTHING_READ = Schedule(NOT_READABLE, NOT_READABLE, NOT_READABLE)


def read_schedule(dosage: Node, zone: tzinfo, own_words: Mapping[str, str]) -> Schedule:
    """The schedule of one step of a dosage; dates are read in the hospital's ``zone``.

    ``own_words`` are the hospital's: ``system|code`` or a whole text to a form (``schedule_words``). The text of the
    dosage is looked at only where there is no timing at all, and counts only if the whole of it is such a text.
    """
    sent = dosage.get("timing")
    if sent is None or sent == {} or sent == []:
        in_words = text(dosage, "text")
        if not in_words:
            return Schedule()
        rhythm = _rhythm_of_text(in_words, own_words)
        return _NOTHING_READ if rhythm is None else Schedule(rhythm)
    timings = nodes(dosage, "timing")
    if len(timings) != 1 or (timings[0].get("repeat") is not None and len(nodes(timings[0], "repeat")) != 1):
        return _NOTHING_READ
    timing = timings[0]
    repeat = node(timing, "repeat")
    how_often = _rhythm(timing, repeat, own_words)
    count = _range(repeat, "count", "countMax", whole=True)
    first, bounds = _bounds(repeat, zone)
    if "event" in timing:
        return _listed(timing, zone, Schedule(how_often, count, bounds, first))
    return Schedule(how_often or NOT_READABLE, count, bounds, first)


@lru_cache(maxsize=1024)
def rhythm_of_form(form: str) -> Rhythm | None:
    """The rhythm of a form such as ``every 2-3 mo`` or ``3 per wk`` (``schedule_words``); ``None`` if it is none."""
    match = _FORM.fullmatch(form)
    if match is None:
        return None
    period, times = (_span(match[part] or "1") for part in ("period", "times"))
    return _even(period, match["unit"], times) if period and times else None


# --- how often


def _rhythm(timing: Node, repeat: Node, own_words: Mapping[str, str]) -> Rhythm | Reason | None:
    """How often, from Timing.repeat and Timing.code; where both say so, they must not contradict each other."""
    of_repeat, of_code = _rhythm_of_repeat(repeat), _rhythm_of_code(timing, own_words)
    if isinstance(of_repeat, Reason) or of_code is None:
        return of_repeat
    if isinstance(of_code, Reason) or of_repeat is None:
        return of_code
    return of_repeat if of_repeat.interval.overlaps(of_code.interval) else Reason("schedulesDisagree")


def _rhythm_of_code(timing: Node, own_words: Mapping[str, str]) -> Rhythm | Reason | None:
    """How often by the codes and the text of Timing.code, and by its displays where none of its codes is known."""
    concept = timing.get("code")
    if not concept:
        return None
    codings = nodes(concept, "coding")
    forms = [form for system, code in pairs(concept) if (form := form_of_code(system, code))]
    if own_words:
        as_sent = [f"{text(coding, 'system')}|{text(coding, 'code')}" for coding in codings]
        forms += [own_words[key] for key in as_sent if key in own_words]
    in_words = [text(concept, "text"), *([] if forms else (text(coding, "display") for coding in codings))]
    forms += [form for words in in_words if (form := _form_of_text(words, own_words))]
    rhythms = [rhythm for form in dict.fromkeys(forms) if (rhythm := rhythm_of_form(form))]
    if len(rhythms) < len(set(forms)):
        return NOT_READABLE
    if any(not rhythms[0].interval.overlaps(other.interval) for other in rhythms[1:]):
        return Reason("schedulesDisagree")
    return rhythms[0] if rhythms else None


def _rhythm_of_text(in_words: str, own_words: Mapping[str, str]) -> Rhythm | None:
    form = _form_of_text(in_words, own_words)
    return rhythm_of_form(form) if form else None


def _form_of_text(in_words: str, own_words: Mapping[str, str]) -> str:
    if not in_words:
        return ""
    return own_words.get(folded_schedule(in_words)) or form_of_text(in_words)


def _rhythm_of_repeat(repeat: Node) -> Rhythm | Reason | None:
    """How often by Timing.repeat; ``None`` if it does not say so."""
    period, times = _range(repeat, "period", "periodMax"), _range(repeat, "frequency", "frequencyMax", whole=True)
    weekdays, a_day = _days_of_week(repeat), _times_of_day(repeat)
    if isinstance(period, Reason) or isinstance(times, Reason) or weekdays is None or a_day is None:
        return NOT_READABLE
    unit = UNITS.get(text(repeat, "periodUnit").casefold(), "")
    if (period is None) != (not unit) or (period is None and "periodUnit" in repeat):
        return NOT_READABLE
    if weekdays:
        return _on_weekdays(weekdays, period, unit, times, a_day)
    if period is None and a_day:
        period, unit = Interval.point(1), "d"
    if period is None:
        return None
    if times is not None and times.high is not None and times.high < a_day:
        return Reason("schedulesDisagree")
    return _even(period, unit, times or Interval.point(a_day or 1))


@lru_cache(maxsize=1024)
def _even(period: Interval, unit: str, times: Interval) -> Rhythm:
    """So many times in a period of a unit, evenly."""
    in_days = period.times(Interval(*DAYS[unit]))
    if unit in MONTHS:
        months = period.times(Interval.point(MONTHS[unit]))
        apart = months.divided_by(times)
        if times != Interval.point(1) and is_whole(apart):  # twice a year is every 6 months, as dose_dates has it
            return Rhythm(months, times, apart.times(Interval(*DAYS["mo"])), in_months=True)
        return Rhythm(months, times, in_days.divided_by(times), in_months=True)
    return Rhythm(in_days, times, in_days.divided_by(times))


def _on_weekdays(
    weekdays: tuple[int, ...], period: Interval | None, unit: str, times: Interval | None, a_day: int
) -> Rhythm | Reason:
    """Doses on days of the week (Z57).

    With a period of less than a week, ``times`` is for each of the days; with a week or no period it is for the week,
    and there are no fewer doses than days. A period of several weeks is understood if there are as many doses as days.
    """
    number, weeks = len(weekdays), 1
    if period is not None:
        if unit in MONTHS or not period.is_point or period.low is None:
            return NOT_READABLE
        length = exact(period.low * DAYS[unit][0])
        if length < WEEK:
            each = times or Interval.point(a_day or 1)
            each = each.divided_by(Interval.point(min(length, 1)))
            return _weekly(weekdays, each.times(Interval.point(number)), 1)
        if length % WEEK:
            return NOT_READABLE
        weeks = int(length / WEEK)
    if times is None:
        return _weekly(weekdays, Interval.point(number * (a_day or 1)), weeks)
    assert times.low is not None and times.high is not None  # noqa: S101  (a frequency has both ends)
    if weeks > 1 and times.low < number:
        return NOT_READABLE
    return _weekly(weekdays, Interval(max(times.low, number), max(times.high, number)), weeks)


def _weekly(weekdays: tuple[int, ...], times: Interval, weeks: int) -> Rhythm | Reason:
    """So many doses on days of the week in every so many weeks; they must be whole ones."""
    if not is_whole(times):
        return NOT_READABLE
    period = Interval.point(WEEK * weeks)
    return Rhythm(period, times, period.divided_by(times), weekdays=weekdays)


def _days_of_week(repeat: Node) -> tuple[int, ...] | None:
    """``dayOfWeek`` as days in order, of which Monday is 0; ``None`` if one of them is none."""
    values = _listed_values(repeat, "dayOfWeek")
    known = [DAYS_OF_WEEK.get(value.casefold(), -1) if isinstance(value, str) else -1 for value in values]
    return None if -1 in known else tuple(sorted(set(known)))


def _times_of_day(repeat: Node) -> int | None:
    """How many times of the day ``when`` or ``timeOfDay`` name; ``None`` if they cannot be read, or both are there."""
    times, events = _listed_values(repeat, "timeOfDay"), _listed_values(repeat, "when")
    if (times and events) or any(not isinstance(event, str) or event not in WHEN for event in events):
        return None
    if any(not isinstance(time, str) or not re.fullmatch(r"\d\d:\d\d(:\d\d(\.\d+)?)?", time) for time in times):
        return None
    return len({*times, *events})


# --- how long


def _bounds(repeat: Node, zone: tzinfo) -> tuple[date | None, Bounds | Reason | None]:
    """The first day and the bounds of a Timing, as far as there are any. A start alone bounds nothing."""
    sent = [key for key in ("boundsDuration", "boundsRange", "boundsPeriod") if repeat.get(key)]
    if not sent:
        return None, None
    if len(sent) > 1 or not isinstance(repeat[sent[0]], dict):
        return None, NOT_READABLE
    limits = node(repeat, sent[0])
    if sent[0] == "boundsPeriod":
        return _bounds_of_period(limits, zone)
    ends = [limits] if sent[0] == "boundsDuration" else [node(limits, "low"), node(limits, "high")]
    amounts = [_duration(end) for end in ends]
    low, high = amounts[0], amounts[-1]
    if low is None or high is None or low[0] > high[0] or (low[1] in MONTHS) != (high[1] in MONTHS):
        return None, NOT_READABLE
    is_range = len(ends) > 1
    if low[1] in MONTHS:
        months = Interval(low[0] * MONTHS[low[1]], high[0] * MONTHS[high[1]])
        return None, Bounds(calendar_days(months), months, is_range=is_range)
    length = Interval(low[0] * DAYS[low[1]][0], high[0] * DAYS[high[1]][0])
    return None, Bounds(length, is_range=is_range)


def _bounds_of_period(period: Node, zone: tzinfo) -> tuple[date | None, Bounds | Reason | None]:
    """The first day of a Period, and its bounds if it has an end: both days belong to it, whatever their hours."""
    start = read_date(text(period, "start"), zone)
    first = _local_day(start, zone) if start else None
    if not period.get("end"):
        return first, None
    end = read_date(text(period, "end"), zone)
    if end is None or (start is None and "start" in period):
        return first, NOT_READABLE
    if start is None or first is None:
        after = end.end if end.end > end.start else end.end + _ONE_DAY
        return None, Bounds(None, end=after.astimezone(zone).date())
    if end.end < start.start:
        return first, NOT_READABLE
    # By the clock on the wall, so that a change to summer time makes no day longer. What is begun is a whole day.
    spent = end.end.astimezone(zone).replace(tzinfo=None) - start.start.astimezone(zone).replace(tzinfo=None)
    length = max(-(-spent // _ONE_DAY), 1)
    return first, Bounds(Interval.point(length), end=first + timedelta(days=length))


def _local_day(span: Span, zone: tzinfo) -> date:
    return span.start.astimezone(zone).date()


def _duration(quantity: Node) -> tuple[Exact, str] | None:
    """A Duration as a number and a unit of Timing; ``None`` if it is no positive number of a known unit."""
    number = read_number(number_text(quantity, "value"))
    code, unit = (UNITS.get(text(quantity, key).casefold(), "") for key in ("code", "unit"))
    if number is None or number <= 0 or text(quantity, "comparator") or (code and unit and code != unit):
        return None
    known = code or ("" if text(quantity, "code") else unit)
    return (number, known) if known else None


# --- doses listed one by one


def _listed(timing: Node, zone: tzinfo, schedule: Schedule) -> Schedule:
    """The schedule of a Timing with ``event``: the days of the doses, or, beside a rhythm, the day of the first.

    The days between doses are those between the events, in hours if two of them fall on one day.
    """
    spans = [read_date(value if isinstance(value, str) else "", zone) for value in _listed_values(timing, "event")]
    moments = sorted(span.start.astimezone(zone).replace(tzinfo=None) for span in spans if span is not None)
    events = tuple(moment.date() for moment in moments)
    unreadable = msgspec.structs.replace(schedule, rhythm=NOT_READABLE, count=NOT_READABLE)
    if None in spans or any(span is not None and span.end - span.start > 2 * _ONE_DAY for span in spans) or not events:
        return unreadable
    if isinstance(schedule.rhythm, Rhythm):
        return msgspec.structs.replace(schedule, first=events[0]) if len(events) == 1 else unreadable
    counts = schedule.count is None or schedule.count == Interval.point(len(events))
    if schedule.rhythm is not None or not counts:
        return unreadable
    apart: list[Exact] = [(after - before).days for before, after in pairwise(events)]
    if 0 in apart:
        apart = [exact(Fraction((after - before) // _ONE_SECOND) * DAYS["s"][0]) for before, after in pairwise(moments)]
    rhythm: Rhythm | Reason = NOT_READABLE
    if apart and min(apart) > 0:
        every = Interval(min(apart), max(apart))
        rhythm = Rhythm(every, Interval.point(1), every)
    elif apart:
        return unreadable
    return msgspec.structs.replace(schedule, rhythm=rhythm, first=events[0], events=events)


# --- numbers and lists


def is_whole(number: Interval) -> bool:
    """Whether both ends of a range are whole numbers."""
    low, high = number.low, number.high
    return low is not None and high is not None and low.denominator == high.denominator == 1


def _range(repeat: Node, low_key: str, high_key: str, *, whole: bool = False) -> Interval | Reason | None:
    """A pair of elements such as ``period`` and ``periodMax`` as a range; ``None`` if neither is there."""
    if low_key not in repeat:
        return NOT_READABLE if high_key in repeat else None
    low = read_number(number_text(repeat, low_key))
    high = read_number(number_text(repeat, high_key)) if high_key in repeat else low
    if low is None or high is None or low <= 0 or high < low:
        return NOT_READABLE
    number = Interval(low, high)
    return NOT_READABLE if whole and not is_whole(number) else number


def _span(form: str) -> Interval | None:
    """``3`` or ``2-3`` of a form; ``None`` if it is no range of positive numbers."""
    ends = [read_number(end) for end in form.split("-")]
    low, high = ends[0], ends[-1]
    if len(ends) > 2 or low is None or high is None or low <= 0 or high < low:
        return None
    return Interval(low, high)


def _listed_values(parent: Node, key: str) -> list[Any]:
    """The list under ``key``; a value that stands alone as a list of one, and nothing as an empty list."""
    value = parent.get(key)
    if value is None:
        return []
    return value if isinstance(value, list) else [value]
