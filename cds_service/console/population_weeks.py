"""Cards a week as a picture: a bar for each week of the window, its parts by severity, beside an axis of counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, timedelta

from cds_service.population.manifest import Window
from cds_service.population.shared_counts import Shown
from cds_service.population.summary import Week

_WIDTH, _HEIGHT = 720, 170
_LEFT = 52  # units beside the bars, for the counts
_TOP, _FOOT = 20, 26  # units above the bars, and below them for the dates
_DATE = 84  # units that a date takes
_MOST_MARKS = 4  # on the axis of counts
_STEPS = (1, 2, 5)  # between marks, and ten, a hundred and so on of each
_SEVERITIES = ("info", "warning", "critical")  # from the foot of a bar to its top


@dataclass(frozen=True, slots=True)
class BarPart:
    """A part of the bar of one week."""

    x: float
    y: float
    width: float
    height: float
    indicator: str


@dataclass(frozen=True, slots=True)
class Weeks:
    """The picture: bars of parts by severity. ``dates`` are places with the day on which a week begins, and ``marks``
    heights with the number of cards that they stand for. Without any part ``words`` are a whole sentence that says so.
    """

    parts: tuple[BarPart, ...]
    dates: tuple[tuple[float, str], ...]
    marks: tuple[tuple[float, str], ...]
    words: str
    width: int = _WIDTH
    height: int = _HEIGHT
    left: int = _LEFT
    foot: int = _HEIGHT - _FOOT


def weeks_picture(weeks: Sequence[Week], window: Window, shown: Shown) -> Weeks | None:
    """The weeks of a whole window; ``None`` if none has a card. A count that is hidden is drawn as nothing."""
    if not weeks:
        return None
    first = _monday(window.since.astimezone(UTC).date())
    last = max(_monday((window.until - timedelta(microseconds=1)).astimezone(UTC).date()), weeks[-1].monday)
    each = (_WIDTH - _LEFT) / ((last - first).days // 7 + 1)
    counts = [[shown.number(getattr(week, severity)) or 0 for severity in _SEVERITIES] for week in weeks]
    most = max(sum(of_week) for of_week in counts)
    if not most:
        told = f"No week has more than {shown.hidden} cards of one severity, so none is drawn."
        return Weeks((), (), (), told)
    room, foot = _HEIGHT - _FOOT - _TOP, _HEIGHT - _FOOT
    parts: list[BarPart] = []
    for week, of_week in zip(weeks, counts, strict=True):
        x, y = _place(week.monday, first, each), float(foot)
        for severity, count in zip(_SEVERITIES, of_week, strict=True):
            height = round(room * count / most, 1)
            y = round(y - height, 1)
            if height:
                parts.append(BarPart(x, y, round(max(each - 1, 0.5), 1), height, severity))
    marks = tuple((round(foot - room * mark / most, 1), f"{mark:,}") for mark in _marks(most))
    words = f"{first} to {last + timedelta(weeks=1, days=-1)}, {_highest(most, shown)}"
    return Weeks(tuple(parts), tuple(_dates(first, last, each)), marks, words)


def _highest(most: int, shown: Shown) -> str:
    """What the highest bar tells, where counts may be hidden."""
    if not shown.hidden:
        return f"at most {most:,} in a week"
    return f"at most {most:,} are drawn in a week, without counts from 1 to {shown.hidden}"


def _monday(day: date) -> date:
    return day - timedelta(days=day.weekday())


def _place(monday: date, first: date, each: float) -> float:
    return round(_LEFT + (monday - first).days / 7 * each, 1)


def _dates(first: date, last: date, each: float) -> list[tuple[float, str]]:
    """As many weeks as have room for their date, from the first on."""
    dates: list[tuple[float, str]] = []
    for number in range((last - first).days // 7 + 1):
        monday = first + timedelta(weeks=number)
        x = _place(monday, first, each)
        if x <= _WIDTH - _DATE and (not dates or x >= dates[-1][0] + _DATE):
            dates.append((x, monday.isoformat()))
    return dates


def _marks(most: int) -> range:
    """Round numbers of cards from none on, the last not above the highest bar."""
    step, power = 1, 1
    while most // step > _MOST_MARKS:
        step = next((one * power for one in _STEPS if most // (one * power) <= _MOST_MARKS), power * 10)
        power *= 10
    return range(0, most + 1, step)
