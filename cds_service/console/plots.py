"""Laboratory results over time as a picture: bands between the limits of the tables, doses on the axis, and a table."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from math import inf
from typing import Any

from cds_service.console.axes import (
    BOTTOM,
    DATE,
    HEIGHT,
    LEFT,
    LETTER,
    LINE,
    RIGHT,
    TOP,
    WIDTH,
    height_of,
    round_ticks,
)
from cds_service.console.bands import Band, bands_of, ends_of, in_unit, range_in_words
from cds_service.console.record_events import MOST_TOLD, record_events
from cds_service.console.shown_units import rounded, unit_shown
from cds_service.console.time_axis import Line, TimeAxis
from cds_service.console.timeline import TimelineEvent
from cds_service.content.model import Pack, Service
from cds_service.content.prepared import Prepared
from cds_service.judge.evaluate import Answer
from cds_service.judge.told_history import history_of
from cds_service.vocabulary.declarations import Analyte
from cds_service.vocabulary.facts import Fact

_MOST_NUMBERED = 8
_BEFORE = timedelta(days=90)  # how long before the first result doses are still shown
_DOSES = ("dose", "due", "doses")


@dataclass(frozen=True, slots=True)
class Dot:
    """One result: its place in pixels, and its words. A result that is not ``usable`` has no value: it stands at the
    foot and the line leaves it out. ``is_low`` where the laboratory calls it low.

    ``value`` is written beside the dot; it is empty where there are too many dots to read it.
    """

    x: float
    y: float
    words: str
    usable: bool
    value: str
    is_low: bool = False


@dataclass(frozen=True, slots=True)
class Shade:
    """A band of the picture from ``top`` on, ``height`` pixels high, with the indicator of the card it leads to."""

    top: float
    height: float
    indicator: str


@dataclass(frozen=True, slots=True)
class DoseMark:
    """A dose on the time axis, or a period of doses that is ``width`` wide; ``kind`` is one of ``dose``, ``due`` and
    ``doses``.
    """

    x: float
    width: float
    kind: str
    words: str


@dataclass(frozen=True, slots=True)
class ValueRow:
    """One result as a line of the table under the picture."""

    day: str
    said: str
    note: str


@dataclass(frozen=True, slots=True)
class Plot:
    """Everything that a template needs to draw one fact's results, in pixels of ``WIDTH`` x ``HEIGHT``.

    ``unit`` is written for people. ``meanings`` say of each band that leads to a card its indicator, where it is and
    what the tables make of it. ``rows`` have the same results, the newest first.
    """

    fact: str
    label: str
    unit: str
    dots: tuple[Dot, ...]
    path: str
    shades: tuple[Shade, ...]
    limits: tuple[Line, ...]
    values: tuple[Line, ...]
    dates: tuple[Line, ...]
    today: float
    doses: tuple[DoseMark, ...]
    meanings: tuple[tuple[str, str, str], ...]
    rows: tuple[ValueRow, ...]
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    right: int = RIGHT
    top: int = TOP
    bottom: int = BOTTOM


def plots_of(
    prepared: Prepared, service: Service, answer: Answer, results: Iterable[Mapping[str, Any]], now: datetime
) -> tuple[Plot, ...]:
    """The pictures of the ``results`` of ``explain`` behind an answer of ``service`` at ``now``."""
    if answer.chart is None:
        return ()
    pack, local = prepared.pack, now.astimezone(prepared.zone)
    past = history_of(prepared, service, answer, MOST_TOLD)
    events, _ = record_events(prepared, prepared.searches[service.id], answer.chart, past, local.date())
    doses = [event for event in events if event.kind in _DOSES]
    known = answer.judged[0].facts.order if answer.judged else None
    plots = (
        plot_of(series, local, _analyte(pack, series), _bands(pack, service, series, known), doses, pack.months)
        for series in results
    )
    return tuple(plot for plot in plots if plot is not None)


def _analyte(pack: Pack, series: Mapping[str, Any]) -> Analyte | None:
    return pack.facts[series["fact"]].analyte


def _bands(
    pack: Pack, service: Service, series: Mapping[str, Any], known: Mapping[str, Fact] | None
) -> tuple[Band, ...]:
    return bands_of(pack, service.decisions, series["fact"], known)


def plot_of(
    series: Mapping[str, Any],
    now: datetime,
    analyte: Analyte | None = None,
    bands: Sequence[Band] = (),
    doses: Sequence[TimelineEvent] = (),
    months: Sequence[str] = (),
) -> Plot | None:
    """The picture of one fact in the ``results`` of ``explain``; ``None`` if no result of it has a value.

    Days are those of the time zone of ``now``. ``bands`` are in the canonical unit, as the results are; the picture is
    in the unit in which the newest result is written. ``doses`` are what the history tells of doses, ``months`` the
    names of the months.
    """
    results = [_Result.of(each, now) for each in series["results"]]
    if all(result.value is None for result in results):
        return None
    _, unit, factor = unit_shown(analyte, series)
    values = [result.value / factor for result in results if result.value is not None]
    limits = [limit / factor for limit in ends_of(bands)]
    highest = (max([*values, *(limit for limit in limits if limit <= 3 * max(values))]) or 1.0) * 1.12
    given = [event for event in doses if event.first is not None]
    scale = _time_axis([result.when.date() for result in results], [e.first for e in given if e.first], now.date())

    def up(value: float) -> float:
        return height_of(value, highest)

    return Plot(
        fact=series["fact"],
        label=series["label"],
        unit=unit,
        dots=(dots := tuple(_dots(results, factor, limits, scale, up))),
        path=" ".join(f"{dot.x},{dot.y}" for dot in dots if dot.usable),
        shades=tuple(_shades(bands, factor, highest, up)),
        limits=(lines := tuple(Line(up(limit), rounded(limit)) for limit in limits if limit <= highest)),
        values=tuple(round_ticks(highest, lines)),
        dates=tuple(scale.dates(DATE, months)),
        today=scale.at(now.date()),
        doses=tuple(_doses(given, scale)),
        meanings=tuple(
            (band.indicator, range_in_words(in_unit(band, factor), unit, rounded), band.words)
            for band in bands
            if band.indicator
        ),
        rows=tuple(
            ValueRow(f"{result.when:%Y-%m-%d}", result.said or "no value", result.note) for result in results[::-1]
        ),
    )


@dataclass(frozen=True, slots=True)
class _Result:
    """One of the results of ``explain``; ``value`` is its low end, or its high end if it has only that."""

    when: datetime
    value: float | None
    said: str
    note: str
    is_low: bool

    @classmethod
    def of(cls, result: Mapping[str, Any], now: datetime) -> _Result:
        when = datetime.fromisoformat(result["at"]).astimezone(now.tzinfo)
        is_low = result.get("flag") == "low"
        note = "The laboratory calls it low." if is_low else result.get("because", "")
        return cls(when, result.get("low", result.get("high")), result["said"], note, is_low)


def _time_axis(results: Sequence[date], doses: Sequence[date], today: date) -> TimeAxis:
    """From the first result, or doses shortly before it, to today."""
    first = min(today, *results)
    first = min([first, *(day for day in doses if day < first and first - day <= _BEFORE)])
    return TimeAxis(first, today, LEFT, RIGHT)


def _dots(
    results: Sequence[_Result],
    factor: float,
    limits: Sequence[float],
    scale: TimeAxis,
    up: Callable[[float], float],
) -> Iterator[Dot]:
    """The dots in order of time; a number is left out where it would lie on the one before."""
    numbered = sum(result.value is not None for result in results) <= _MOST_NUMBERED
    last_x, last_y = -inf, 0.0
    for result in results:
        x, value = scale.at(result.when.date()), result.value
        y = up(0.0 if value is None else value / factor)
        text = rounded(value / factor, limits) if value is not None and numbered else ""
        if text and x - last_x < LETTER * (len(text) + 1) and abs(y - last_y) < LINE:
            text = ""
        if text:
            last_x, last_y = x, y
        words = f"{result.said or 'no value'}, {result.when:%Y-%m-%d}" + (", flagged low" if result.is_low else "")
        yield Dot(x, y, words, value is not None, text, result.is_low)


def _shades(bands: Sequence[Band], factor: float, highest: float, up: Callable[[float], float]) -> Iterator[Shade]:
    for band in (in_unit(band, factor) for band in bands):
        low, high = band.low or 0.0, highest if band.high is None else min(band.high, highest)
        if band.indicator and low < highest:
            yield Shade(up(high), round(up(low) - up(high), 1), band.indicator)


def _doses(events: Iterable[TimelineEvent], scale: TimeAxis) -> Iterator[DoseMark]:
    for event in events:
        first, last = event.first, event.last or event.first
        if first is None or last is None or not (scale.shows(first) or scale.shows(last)):
            continue
        x = scale.at(first)
        days = f"{first} to {last}" if event.kind == "doses" else f"{first}"
        said = {"dose": "dose given", "due": "dose ordered", "doses": "doses ordered"}[event.kind]
        yield DoseMark(x, round(scale.at(last) - x, 1), event.kind, f"{days}: {said}, {event.label}")
