"""FHIR dates as spans of time: a partial date is the whole of its year, month or day (Z32)."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta, tzinfo

import msgspec

_FHIR_DATE = re.compile(r"(\d{4})(?:-(\d\d)(?:-(\d\d))?)?")

_DAY, _TWO_DAYS = timedelta(days=1), timedelta(days=2)

# Dates between these exist in every time zone.
_EARLIEST, _LATEST = datetime(1, 1, 2, tzinfo=UTC), datetime(9999, 12, 30, tzinfo=UTC)


class Span(msgspec.Struct, frozen=True):
    """From ``start``, included, to ``end``, excluded; an instant has both ends alike. Both are in UTC."""

    start: datetime
    end: datetime


def read_date(text: str | None, zone: tzinfo) -> Span | None:
    """The span a FHIR date, dateTime or instant names, or ``None`` if it names none.

    A time without an offset is read in the hospital's ``zone``; partial dates are whole days there.
    """
    if text is None:
        return None
    instant = read_instant(text, zone)
    if instant is not None:
        return Span(instant, instant)
    if text[4:5] == text[7:8] == "-" and not text[10:] and (whole_day := _read_day(text, zone)) is not None:
        return whole_day
    match = _FHIR_DATE.fullmatch(text)
    if match is None:
        return None
    year, month, day = match.groups()
    try:
        first = date(int(year), int(month or 1), int(day or 1))
        if day:
            last = first + timedelta(days=1)
        elif month:
            last = date(first.year + first.month // 12, first.month % 12 + 1, 1)
        else:
            last = date(first.year + 1, 1, 1)
        span = Span(*(datetime(d.year, d.month, d.day, tzinfo=zone).astimezone(UTC) for d in (first, last)))
    except (ValueError, OverflowError):
        return None
    return span if span.start >= _EARLIEST and span.end <= _LATEST else None


def read_instant(text: str, zone: tzinfo) -> datetime | None:
    """The instant in UTC that a FHIR dateTime with a time, or an instant, names; ``None`` for any other text.

    A time without an offset is read in the hospital's ``zone``.
    """
    if text[10:11] != "T" or not text[4:5] == text[7:8] == "-":
        return None
    try:
        instant = datetime.fromisoformat(text)
        if instant.tzinfo is not UTC:
            instant = (instant.replace(tzinfo=zone) if instant.tzinfo is None else instant).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return instant if _EARLIEST <= instant <= _LATEST else None


def _read_day(text: str, zone: tzinfo) -> Span | None:
    try:
        midnight = datetime.fromisoformat(text).replace(tzinfo=zone)
        span = Span(midnight.astimezone(UTC), (midnight + _DAY).astimezone(UTC))
    except (ValueError, OverflowError):
        return None
    return span if span.start >= _EARLIEST and span.end <= _LATEST else None


def day_of(span: Span | None, zone: tzinfo) -> str:
    """The day on which a span begins in ``zone``, as an ISO date; ``""`` for none."""
    return span.start.astimezone(zone).date().isoformat() if span else ""


def last_day_of(span: Span | None, zone: tzinfo) -> str:
    """The last day in ``zone`` that a span reaches, as an ISO date; ``""`` if it is the first too, and for none."""
    if span is None or span.end - span.start < _TWO_DAYS:  # whole days are of 25 hours at most
        return ""
    return (span.end - timedelta(microseconds=1)).astimezone(zone).date().isoformat()


def years_between(birth: str | None, now: datetime) -> tuple[int, int] | None:
    """The least and the most completed years of age at ``now`` that a birth date, also a partial one, allows.

    ``None`` if it is no date, or is after ``now``.
    """
    today = now.date()
    born = _whole_date(birth or "")
    if born is not None:
        age = today.year - born.year - ((today.month, today.day) < (born.month, born.day))
        return (age, age) if age >= 0 else None
    match = _FHIR_DATE.fullmatch(birth or "")
    if match is None:
        return None
    year, month, day = (int(part) if part else None for part in match.groups())
    try:
        date(year or 0, month or 1, day or 1)
    except ValueError:
        return None

    def age_if(born_month: int, born_day: int) -> int:
        return today.year - (year or 0) - ((today.month, today.day) < (born_month, born_day))

    youngest, oldest = age_if(month or 12, day or 31), age_if(month or 1, day or 1)
    return (youngest, oldest) if youngest >= 0 else None


def _whole_date(text: str) -> date | None:
    """A date of year, month and day, as nearly all are; ``None`` for any other text."""
    if text[10:] or not text[4:5] == text[7:8] == "-":
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None
