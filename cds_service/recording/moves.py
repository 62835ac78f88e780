"""Where the dates of one recording go: into the past by whole weeks, to the day, and each a few days further.

Weeks keep the days of the week on which doses fall. No time of day is kept, nor the true time of the call.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from random import Random
from typing import NamedTuple

from dateutil.relativedelta import relativedelta

from cds_service.fhir.dates import read_date, years_between
from cds_service.recording.canonical import OTHER

_PARTS = re.compile(r"(\d{4})(?:-(\d\d)(?:-(\d\d))?)?", re.ASCII)
_HOURS = 24
_MONTHS_OF_A_YEAR = 12
_MIDDLE_DAY, _MIDDLE_MONTH = 15, 7
_MOST_YEARS = 90  # the age of all who are as old or older (45 CFR 164.514(b)(2)(i)(C))
_MOST_DAYS_OF_BIRTH = 364
_MOST_DAYS_MOVED = 3
_NEAR_DAYS = 7  # days before the call within which no day is moved by itself


@dataclass(frozen=True, slots=True)
class Ages:
    """How birth dates are written, by how old a patient is ``at`` the time of a call.

    ``written`` is the time that stands in the recording, ``days`` how long before it the last birthday was, as far as
    the age in years allows.
    """

    at: datetime
    written: datetime
    days: int = 0

    def birth_date(self, text: str) -> str:
        """A birth date by which the age in years is the same, or ``_MOST_YEARS``; it is as exact as the true one."""
        parts, ages = _PARTS.fullmatch(text), years_between(text, self.at)
        if parts is None or ages is None:
            return OTHER if text.strip() else ""
        today = self.written.date()
        if parts[2] is None:
            return f"{today.year - min(self.at.year - int(parts[1]), _MOST_YEARS):04}"
        if parts[3] is None:
            months = (self.at.year - int(parts[1])) * _MONTHS_OF_A_YEAR + self.at.month - int(parts[2])
            month = today.replace(day=1) - relativedelta(months=min(months, _MOST_YEARS * _MONTHS_OF_A_YEAR))
            return month.isoformat()[:7]
        years = min(ages[0], _MOST_YEARS)
        birthday = today - relativedelta(years=years)
        earlier = (birthday - timedelta(days=self.days)).isoformat()
        return earlier if years_between(earlier, self.written) == (years, years) else birthday.isoformat()


@dataclass(frozen=True, slots=True)
class Moves:
    """How the dates of one request are written: moved by ``days``, whole weeks.

    ``zone`` is the hospital's. ``each`` maps the ordinal of a day to by how many days that one is moved further. By
    ``ages`` birth dates are written; without them a birth date is moved like any other.
    """

    zone: tzinfo
    days: int
    each: Mapping[int, int] = field(default_factory=dict)
    ages: Ages | None = None

    def written(self, text: str) -> str:
        """A FHIR date as it is written, of a time its day; ``OTHER`` for what is no date, ``""`` for a blank text."""
        if not text.strip():
            return ""
        try:
            return self._moved(text)
        except (ValueError, OverflowError):
            return OTHER

    def birth_date(self, text: str) -> str:
        """A birth date, as it is written."""
        return self.ages.birth_date(text) if self.ages is not None else self.written(text)

    def _moved(self, text: str) -> str:
        if read_date(text, self.zone) is None:
            return OTHER
        parts = _PARTS.fullmatch(text)
        if parts is None or parts[3] is not None:
            return self._day(_day(text, self.zone)).isoformat()
        if parts[2] is None:
            return self._day(date(int(parts[1]), _MIDDLE_MONTH, 1)).isoformat()[:4]
        return self._day(date(int(parts[1]), int(parts[2]), _MIDDLE_DAY)).isoformat()[:7]

    def _day(self, day: date) -> date:
        return day + timedelta(days=self.days + self.each.get(day.toordinal(), 0))


class Attempt(NamedTuple):
    """One way to write the dates of a request, with the time of the call that goes with it."""

    moves: Moves
    now: datetime


def attempts(zone: tzinfo, days: int, now: datetime, on: Iterable[str], chance: Random) -> list[Attempt]:
    """What is tried in turn; ``on`` are the texts of the request, the dates among them.

    First each day is moved by a few days of its own, without changing their order; then the days stay as far apart as
    they were. The call is written at some hour of its day, and the patient's birthday as some day of the year.
    """
    local = now.astimezone(zone)
    hour = time(chance.randrange(_HOURS), tzinfo=zone)
    written = datetime.combine(local.date() + timedelta(days=days), hour).astimezone(UTC)
    ages = Ages(now.astimezone(UTC), written, chance.randint(0, _MOST_DAYS_OF_BIRTH))
    each = _further(_days_in(on, zone), local.date(), chance)
    return [Attempt(Moves(zone, days, further, ages), written) for further in (each, {})]


def _further(days: Iterable[date], today: date, chance: Random) -> dict[int, int]:
    """By how many days each day is moved further: those of the last week not at all, no two onto each other."""
    further: dict[int, int] = {}
    latest = today.toordinal() - _NEAR_DAYS
    for day in sorted({day.toordinal() for day in days}, reverse=True):
        if day <= today.toordinal() - _NEAR_DAYS:
            moved = min(day + chance.randint(-_MOST_DAYS_MOVED, _MOST_DAYS_MOVED), latest)
            further[day], latest = moved - day, moved - 1
    return further


def _days_in(texts: Iterable[str], zone: tzinfo) -> Iterable[date]:
    """The days of the hospital that texts name, as far as they are dates of one day."""
    for text in texts:
        parts = _PARTS.fullmatch(text)
        if (parts is None or parts[3] is not None) and read_date(text, zone) is not None:
            yield _day(text, zone)


def _day(text: str, zone: tzinfo) -> date:
    """The day in the hospital's ``zone`` of a FHIR date of a day or a time."""
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo is None else moment.astimezone(zone)).date()
