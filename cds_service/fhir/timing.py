"""FHIR's Timing as ranges: the days between doses, the number of doses, and the days that a dosage lasts.

A schedule is understood, never matched as text; one that is there and cannot be understood is unusable, with its
reason (docs/decisions.md#timing). Source: https://hl7.org/fhir/R4/datatypes.html#Timing.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import tzinfo
from fractions import Fraction
from typing import Any

from cds_service.fhir.dates import read_date
from cds_service.fhir.quantities import read_number
from cds_service.fhir.tree import Node, node, number_text, pairs, text
from cds_service.fhir.wording import length_in_words, timing_in_words
from cds_service.vocabulary.facts import Evidence, Exact, Fact, Interval, Reason, exact

_GTS = "http://terminology.hl7.org/CodeSystem/v3-GTSAbbreviation"

# Days in one unit of time as FHIR's Timing names them; a month is 28 to 31 days (docs/decisions.md#timing, Z19).
_DAYS: Mapping[str, tuple[Exact, Exact]] = {
    "s": (Fraction(1, 86400), Fraction(1, 86400)),
    "min": (Fraction(1, 1440), Fraction(1, 1440)),
    "h": (Fraction(1, 24), Fraction(1, 24)),
    "d": (1, 1),
    "wk": (7, 7),
    "mo": (28, 31),
    "a": (365, 366),
}
# Timing.code: how often, in days (HL7 v3 GTSAbbreviation).
_TIMING_CODES: Mapping[str, Interval] = {
    **dict.fromkeys(("QD", "AM", "PM", "BED"), Interval.point(1)),
    "BID": Interval.point(Fraction(1, 2)),
    "TID": Interval.point(Fraction(1, 3)),
    "QID": Interval.point(Fraction(1, 4)),
    "QOD": Interval.point(2),
    "WK": Interval.point(7),
    "MO": Interval(28, 31),
}
_UNREADABLE = Fact.unusable(Reason("scheduleNotReadable"))


def interval(dosage: Node) -> Fact:
    """Days between doses as a range (D9), from Timing.repeat or Timing.code.

    Absent without a Timing; unusable if the Timing says no interval.
    """
    timing = node(dosage, "timing")
    repeat = node(timing, "repeat")
    evidence = Evidence("dosageInstruction", timing_in_words(timing))
    days_of_week = _strings(repeat, "dayOfWeek")
    period = _range(repeat, "period", "periodMax")
    frequency = _range(repeat, "frequency", "frequencyMax")
    unit = _DAYS.get(text(repeat, "periodUnit"))
    if isinstance(period, Reason) or isinstance(frequency, Reason):
        return _UNREADABLE
    if period is not None and unit is not None:
        span = period.times(Interval(*unit))
        times = frequency or Interval.point(1)
        if days_of_week and frequency is None:
            times = Interval.point(len(days_of_week))
        return Fact.of(span.divided_by(times), evidence) if times.low else _UNREADABLE
    if period is not None or text(repeat, "periodUnit"):
        return _UNREADABLE
    if days_of_week:
        return Fact.of(Interval.point(exact(Fraction(7, len(set(days_of_week))))), evidence)
    for system, code in pairs(node(timing, "code")):
        if system == _GTS and code in _TIMING_CODES:
            return Fact.of(_TIMING_CODES[code], evidence)
    return _UNREADABLE if timing else Fact.absent()


def days(dosage: Node, zone: tzinfo) -> Fact:
    """How many days the step lasts, from its bounds, or from its count and interval; absent if it is unbounded."""
    repeat = node(node(dosage, "timing"), "repeat")
    bounds = _bounds(repeat, zone)
    if bounds is not None:
        return bounds
    count = _range(repeat, "count", "countMax")
    if isinstance(count, Reason):
        return _UNREADABLE
    if count is None:
        return Fact.absent()
    every = interval(dosage)
    if isinstance(every.value, Interval):
        return Fact.of(count.times(every.value), _length_evidence(repeat))
    return _UNREADABLE


def doses(dosage: Node, zone: tzinfo) -> Fact:
    """How many doses the step gives, from its count, or from its bounds and interval; absent if it is unbounded."""
    repeat = node(node(dosage, "timing"), "repeat")
    count = _range(repeat, "count", "countMax")
    if isinstance(count, Reason):
        return _UNREADABLE
    if count is not None:
        return Fact.of(count, _length_evidence(repeat))
    bounds = _bounds(repeat, zone)
    if bounds is None:
        return Fact.absent()
    every = interval(dosage)
    if isinstance(bounds.value, Interval) and isinstance(every.value, Interval):
        return Fact.of(bounds.value.divided_by(every.value), _length_evidence(repeat))
    return _UNREADABLE


def _bounds(repeat: Node, zone: tzinfo) -> Fact | None:
    """The bounds of a Timing in days; ``None`` if there are none. A start alone bounds nothing."""
    duration = node(repeat, "boundsDuration")
    if duration:
        amount = _duration(duration)
        return _UNREADABLE if amount is None else Fact.of(amount, _length_evidence(repeat))
    limits = node(repeat, "boundsRange")
    if limits:
        low, high = _duration(node(limits, "low")), _duration(node(limits, "high"))
        return Fact.of(Interval(low.low, high.high), _length_evidence(repeat)) if low and high else _UNREADABLE
    period = node(repeat, "boundsPeriod")
    if text(period, "end"):
        start, end = read_date(text(period, "start"), zone), read_date(text(period, "end"), zone)
        if start is None or end is None or end.end < start.start:
            return _UNREADABLE
        return Fact.of(Interval.point((end.end - start.start).days), _length_evidence(repeat))
    return None


def _length_evidence(repeat: Node) -> Evidence:
    """The count, the length or the end of a Timing, in words."""
    return Evidence("dosageInstruction", length_in_words(repeat))


def _duration(quantity: Node) -> Interval | None:
    """A Duration in days; ``None`` if it is no positive number of a known unit."""
    number = read_number(number_text(quantity, "value"))
    unit = _DAYS.get(text(quantity, "code") or text(quantity, "unit"))
    return Interval.point(number).times(Interval(*unit)) if number is not None and number > 0 and unit else None


def _range(repeat: Node, low_key: str, high_key: str) -> Interval | Reason | None:
    """A pair of elements such as ``period`` and ``periodMax`` as a range; ``None`` if the first is not there."""
    if low_key not in repeat:
        return None
    low = read_number(number_text(repeat, low_key))
    high = read_number(number_text(repeat, high_key)) if high_key in repeat else low
    if low is None or high is None or low <= 0 or high < low:
        return Reason("scheduleNotReadable")
    return Interval(low, high)


def _strings(parent: Node, key: str) -> list[str]:
    """The strings of the list under ``key``."""
    value: Any = parent.get(key)
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []
