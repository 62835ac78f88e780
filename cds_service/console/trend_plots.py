"""The figures of a rule over time as pictures: what share was accepted, and how often its card was shown."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import groupby

from cds_service.console.axes import (
    BOTTOM,
    DATE,
    HEIGHT,
    LEFT,
    LETTER,
    RIGHT,
    TOP,
    WIDTH,
    height_of,
    round_ticks,
)
from cds_service.console.rule_periods import RulePeriod
from cds_service.console.time_axis import Line, TimeAxis

_QUARTERS = (0.0, 0.25, 0.5, 0.75, 1.0)
_HEADROOM = 1.12  # how much higher the axis is than the highest value


@dataclass(frozen=True, slots=True)
class TrendPoint:
    """The value of one period: its place in pixels, and its words."""

    x: float
    y: float
    words: str


@dataclass(frozen=True, slots=True)
class TrendBand:
    """The 95 % interval of one period, as wide as the period is long, in pixels."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class VersionMark:
    """The day from which on another version spoke. ``label`` is empty where it would lie on that of another mark;
    ``is_before`` where it has room only before the mark.
    """

    x: float
    label: str
    words: str
    is_before: bool


@dataclass(frozen=True, slots=True)
class TrendPlot:
    """Everything that a template needs to draw values of periods, in pixels of ``width`` x ``height``.

    ``words`` say what is to be seen. ``runs`` are the lines between points of periods that follow each other: where a
    period has no value, the line is broken.
    """

    label: str
    words: str
    points: tuple[TrendPoint, ...]
    runs: tuple[str, ...]
    bands: tuple[TrendBand, ...]
    marks: tuple[VersionMark, ...]
    values: tuple[Line, ...]
    dates: tuple[Line, ...]
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    right: int = RIGHT
    top: int = TOP
    bottom: int = BOTTOM


@dataclass(frozen=True, slots=True)
class TrendFrame:
    """What the pictures of a rule have in common: its periods, of which there is one at least, each called ``called``
    (week or month), the days and names of new versions, and the names of the months.
    """

    periods: Sequence[RulePeriod]
    called: str
    changes: Sequence[tuple[date, str]]
    months: Sequence[str]

    @property
    def _axis(self) -> TimeAxis:
        return TimeAxis(self.periods[0].first, self.periods[-1].last + timedelta(days=1), LEFT, RIGHT)

    def share_plot(self) -> TrendPlot | None:
        """What share of the answers accepted, on an axis from 0 to 100 %; ``None`` without any answer."""

        def share(period: RulePeriod) -> float | None:
            return period.accepted.count / period.accepted.of if period.accepted.of else None

        def words(period: RulePeriod) -> str:
            part = period.accepted
            return f"{_percent(part.count / part.of)}, {part.count} of {part.of} ({_interval(period)})"

        axis = self._axis
        bands = tuple(
            TrendBand(
                x := axis.at(period.first),
                y := height_of(period.accepted.high, 1.0),
                round(axis.at(period.last + timedelta(days=1)) - x, 1),
                round(height_of(period.accepted.low, 1.0) - y, 1),
            )
            for period in self.periods
            if period.accepted.of
        )
        ticks = tuple(Line(height_of(part, 1.0), _percent(part)) for part in _QUARTERS)
        return self._plot("Accepted, of the cards that were answered", share, 1.0, words, _percent, bands, ticks)

    def rate_plot(self) -> TrendPlot | None:
        """How many cards there were for every 100 calls, on an axis from 0; ``None`` where no calls were counted."""
        rates = [rate for period in self.periods if (rate := period.per_100) is not None]
        highest = (max(rates, default=0.0) or 1.0) * _HEADROOM

        def words(period: RulePeriod) -> str:
            return f"{period.per_100:.1f}, {period.counted:,} in {period.calls:,}"

        ticks = tuple(round_ticks(highest))
        label = "Shown, for every 100 calls"
        return self._plot(label, lambda period: period.per_100, highest, words, "{:.1f}".format, (), ticks)

    def _plot(
        self,
        label: str,
        value: Callable[[RulePeriod], float | None],
        highest: float,
        words: Callable[[RulePeriod], str],
        written: Callable[[float], str],
        bands: tuple[TrendBand, ...],
        ticks: tuple[Line, ...],
    ) -> TrendPlot | None:
        values = [value(period) for period in self.periods]
        known = [number for number in values if number is not None]
        if not known:
            return None
        axis = self._axis
        points = [
            None if number is None else TrendPoint(_middle(axis, period), height_of(number, highest), said)
            for period, number in zip(self.periods, values, strict=True)
            for said in [f"{period.days}: {words(period)}" if number is not None else ""]
        ]
        runs = [list(run) for has_value, run in groupby(points, lambda point: point is not None) if has_value]
        said = f"{label}, by {self.called}, {self.periods[0].first} to {self.periods[-1].last}: "
        said += f"{written(min(known))} to {written(max(known))}, {written(known[-1])} at last."
        said += "".join(f" Version {version} from {day} on." for day, version in self.changes)
        return TrendPlot(
            label=label,
            words=said,
            points=tuple(point for point in points if point is not None),
            runs=tuple(" ".join(f"{point.x},{point.y}" for point in run if point is not None) for run in runs),
            bands=bands,
            marks=tuple(_marks(self.changes, axis)),
            values=ticks,
            dates=tuple(axis.dates(DATE, self.months)),
        )


def _marks(changes: Sequence[tuple[date, str]], axis: TimeAxis) -> Iterator[VersionMark]:
    """The marks in order of time, each label in a place of its own or left out."""
    taken = 0.0
    for day, version in changes:
        x, length = axis.at(day), LETTER * (len(version) + 1)
        is_before = x + length > RIGHT
        begin = x - length if is_before else x
        label = version if begin >= taken else ""
        if label:
            taken = begin + length
        yield VersionMark(x, label, f"Version {version} from {day} on", is_before)


def _middle(axis: TimeAxis, period: RulePeriod) -> float:
    return round((axis.at(period.first) + axis.at(period.last + timedelta(days=1))) / 2, 1)


def _percent(part: float) -> str:
    return f"{100 * part:.0f} %"


def _interval(period: RulePeriod) -> str:
    return f"{100 * period.accepted.low:.0f} to {100 * period.accepted.high:.0f} %"
