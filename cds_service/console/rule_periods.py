"""The figures of one rule by week or month, and from which day on another version of its decision spoke."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import groupby

from cds_service.store.figures import RuleHistory, Share

_MOST_BY_WEEK = timedelta(weeks=26)
_LONGEST_MONTH = timedelta(days=31)


@dataclass(frozen=True, slots=True)
class RulePeriod:
    """A week that begins on Monday or a month, of which the days from ``first`` to ``last`` are kept.

    An answer belongs to the day on which it came, ``versions`` are those of the cards that were shown. ``counted``
    cards were shown in ``calls`` calls; both are 0 where calls were not counted.
    """

    first: date
    last: date
    shown: int
    accepted: Share
    versions: tuple[str, ...]
    counted: int
    calls: int

    @property
    def days(self) -> str:
        return f"{self.first}" if self.first == self.last else f"{self.first} to {self.last}"

    @property
    def per_100(self) -> float | None:
        """Cards for every 100 calls; ``None`` without calls."""
        return 100 * self.counted / self.calls if self.calls else None


@dataclass(frozen=True, slots=True)
class ShownVersion:
    """A version of a decision with the first and the last day on which cards of it were shown."""

    version: str
    first: date
    last: date


def is_by_month(history: RuleHistory, today: date) -> bool:
    """Whether what is kept of a rule is so long that its periods are months and not weeks."""
    return bool(history.days) and today - history.days[0].day >= _MOST_BY_WEEK


def periods_of(history: RuleHistory, today: date) -> list[RulePeriod]:
    """The weeks or months from the first day with figures of the rule to ``today``, without a gap."""
    if not history.days:
        return []
    by_month = is_by_month(history, today)
    first = history.days[0].day
    return [
        _period(history, max(begin, first), min(end, today)) for begin, end in _spans(first, today, by_month=by_month)
    ]


def version_changes(shown: Sequence[tuple[date, str]]) -> list[tuple[date, str]]:
    """The days on which cards of a version were shown that was not shown on the last day before.

    ``shown`` are the days and versions of the cards that were shown, in order. The version of the first day is no
    change: what was before is not known.
    """
    changes: list[tuple[date, str]] = []
    before: set[str] | None = None
    for day, of_day in groupby(shown, key=lambda each: each[0]):
        now = {version for _, version in of_day}
        if before is not None:
            changes += [(day, version) for version in sorted(now - before)]
        before = now
    return changes


def versions_shown(shown: Sequence[tuple[date, str]]) -> list[ShownVersion]:
    """The versions in the order in which they were shown first."""
    days: dict[str, tuple[date, date]] = {}
    for day, version in shown:
        days[version] = (days.get(version, (day, day))[0], day)
    return [ShownVersion(version, first, last) for version, (first, last) in days.items()]


def _spans(first: date, today: date, *, by_month: bool) -> Iterator[tuple[date, date]]:
    """The first and the last day of each week or month from that of ``first`` to that of ``today``."""
    begin = first.replace(day=1) if by_month else first - timedelta(days=first.weekday())
    while begin <= today:
        following = (begin + _LONGEST_MONTH).replace(day=1) if by_month else begin + timedelta(weeks=1)
        yield begin, following - timedelta(days=1)
        begin = following


def _period(history: RuleHistory, first: date, last: date) -> RulePeriod:
    days = [day for day in history.days if first <= day.day <= last]
    accepted, overridden = sum(day.accepted for day in days), sum(day.overridden for day in days)
    calls_from = history.calls_from
    return RulePeriod(
        first,
        last,
        shown=sum(day.shown for day in days),
        accepted=Share.out_of(accepted, accepted + overridden),
        versions=tuple(dict.fromkeys(day.version for day in days if day.shown)),
        counted=sum(day.shown for day in days if calls_from is not None and day.day >= calls_from),
        calls=sum(times for day, times in history.calls.items() if first <= day <= last),
    )
