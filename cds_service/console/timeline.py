"""A patient's history as a picture: lanes of periods, marks and results along the days.

The picture is made of a plain list of events and knows nothing of where they come from.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from itertools import groupby
from textwrap import wrap

from cds_service.console.result_lane import NO_RULER, Dotted, PlacedResult, Ruler, ValueAxis, dotted
from cds_service.console.time_axis import Line, TimeAxis

WIDTH = 1080
_LEFT, _RIGHT, _TOP, _FOOT = 232, 14, 8, 32
_ROW, _GAP = 22, 10
_LETTER = 6.4  # pixels of one letter
_MARK = 16  # pixels that a mark with a letter takes
_PAD = 4
_THINNEST = 3.0  # pixels of the shortest period
_MOST_MARKS, _MOST_LANES, _MOST_LETTERS = 400, 24, 48
_LABEL_LETTERS, _LABEL_LINES = 22, 3  # of the label of results, which has the height of their lane
_LONGEST = timedelta(days=3 * 366)
_LATEST = date.max - timedelta(days=400)  # beyond it there is no next year
_DATE = 116.0  # pixels from one date to the next: room for one that begins at its tick, and half of the next one

# The shape of a mark by the kind of its event, and the letter in it, so that no colour is needed to tell them apart.
_SHAPES: Mapping[str, tuple[str, str]] = {
    "critical": ("diamond", "C"),
    "warning": ("triangle", "W"),
    "info": ("circle", "i"),
    "silence": ("ring", ""),
    "refused": ("square", "E"),
    "dose": ("stroke", ""),
    "due": ("dash", ""),
    "dispense": ("square", "D"),
    "procedure": ("diamond", ""),
    "draft": ("ring", ""),
}
# Kinds that are called otherwise where a person reads them.
_CALLED: Mapping[str, str] = {
    "due": "dose ordered",
    "dose": "dose given",
    "doses": "doses ordered",
    "dispense": "dispensed",
    "statement": "stated",
    "silence": "no card",
    "draft": "draft order",
}
_PERIODS = ("order", "problem", "statement", "doses")


@dataclass(frozen=True, slots=True)
class TimelineEvent:
    """Something that happened, on one day or over a period.

    ``lane`` is the row of the picture, ``label`` its words, ``kind`` one of ``KINDS``, ``source`` what it was read from
    as ``Type/id``. A period has ``last``, its last day, or ``goes_on`` beyond the end of the picture. ``value`` is the
    number of a result, ``link`` the address of a page about it. What cannot be drawn says why in ``flaw``.
    """

    lane: str
    label: str
    kind: str
    source: str
    first: date | None
    last: date | None = None
    goes_on: bool = False
    value: float | None = None
    link: str = ""
    flaw: str = ""


KINDS = (*_SHAPES, *_PERIODS, "result")


@dataclass(frozen=True, slots=True)
class Mark:
    """One event in pixels: ``y`` is the middle of its row. ``text`` stands beside it at ``text_x``, ``words`` are its
    title. ``shape`` is ``bar`` for a period, which is ``width`` wide.
    """

    x: float
    y: float
    width: float
    shape: str
    letter: str
    kind: str
    words: str
    link: str
    text: str = ""
    text_x: float = 0
    anchor: str = "start"


@dataclass(frozen=True, slots=True)
class Lane:
    """One lane: its label, where it begins, how high it is, and what stands in it.

    ``lines`` are the label as it is written before the lane, as much of it as there is room for. A lane of results has
    ``paths`` that join them, their ``unit``, which is the last of its lines, and the ``axis`` of their values.
    """

    label: str
    lines: tuple[str, ...]
    top: float
    height: float
    marks: tuple[Mark, ...]
    paths: tuple[str, ...] = ()
    unit: str = ""
    axis: ValueAxis | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """One event as a line of the table beside the picture."""

    days: str
    lane: str
    label: str
    kind: str
    source: str
    link: str


@dataclass(frozen=True, slots=True)
class Timeline:
    """Everything that a template needs to draw the picture, in pixels, and the same facts as ``rows``.

    ``not_drawn`` has, for what could not be drawn, its source, its words and the reason; ``notes`` say what was left
    out because it is too much or too old, and what lies beyond the scale of its lane. ``limits`` has for a lane
    the bands that the tables have, each with the severity of the card that a value in it leads to.
    """

    title: str
    description: str
    lanes: tuple[Lane, ...]
    ticks: tuple[Line, ...]
    rows: tuple[Row, ...]
    not_drawn: tuple[tuple[str, str, str], ...]
    notes: tuple[str, ...]
    height: float
    key: tuple[tuple[str, str, str], ...]
    limits: tuple[tuple[str, tuple[tuple[str, str], ...]], ...] = ()
    width: int = WIDTH
    left: int = _LEFT
    right: int = WIDTH - _RIGHT


def timeline_of(
    title: str,
    events: Iterable[TimelineEvent],
    until: date,
    lanes: Sequence[str] = (),
    said: Sequence[str] = (),
    *,
    rulers: Mapping[str, Ruler] | None = None,
    months: Sequence[str] = (),
) -> Timeline | None:
    """The picture of events up to the day ``until``; ``None`` if there are none.

    ``lanes`` come first, in their order; the others follow in the order of the events. ``said`` is what else is to be
    said of what was left out. ``rulers`` say by the lanes of results how these are measured, ``months`` are the names
    of the months.
    """
    rulers = rulers or {}
    given = list(events)
    until = min(until, _LATEST)
    flawed = [event for event in given if _flaw(event, until)]
    sound = [event for event in given if not _flaw(event, until)]
    if not given:
        return None
    begin = _begin(sound, until)
    drawn, notes = _bounded(sound, begin, lanes)
    scale = TimeAxis(begin, until, _LEFT, WIDTH - _RIGHT)
    placed, top, beyond = [], float(_TOP), []
    for name, members in _by_lane(drawn, lanes):
        if _is_result(members):
            lane, above = _result_lane(name, top, members, scale, rulers.get(name, NO_RULER))
            beyond += above
        else:
            lane = _lane(name, top, members, scale)
        placed.append(lane)
        top += lane.height + _GAP
    rows = tuple(_row(event) for event in sorted(drawn, key=lambda e: (e.first or until, e.lane)))
    return Timeline(
        title,
        _description(drawn, begin, until, placed),
        tuple(placed),
        tuple(scale.dates(_DATE, months)),
        rows,
        tuple((event.source, _short(event.label), _flaw(event, until)) for event in flawed[:_MOST_MARKS]),
        (*said, *notes, *_too_many(len(flawed) - _MOST_MARKS, "that cannot be drawn"), *beyond),
        top + _FOOT,
        tuple(_key(placed)),
        tuple((_bare(lane.label, ruler), tuple(ruler.told())) for lane in placed if (ruler := rulers.get(lane.label))),
    )


def _flaw(event: TimelineEvent, until: date) -> str:
    """Why an event cannot be drawn; ``""`` if it can."""
    if event.flaw or event.first is None:
        return event.flaw or "it has no date"
    if event.first > until:
        return f"its date, {event.first}, is in the future"
    if event.last is not None and event.last < event.first:
        return f"it ends on {event.last}, before it begins on {event.first}"
    return ""


def _begin(events: Sequence[TimelineEvent], until: date) -> date:
    """The first day shown: that of the first event which is no problem, and no more than three years back."""
    firsts = [e.first for e in events if e.first and e.kind != "problem"] or [e.first for e in events if e.first]
    first = min(firsts, default=until)
    return max(first, until - _LONGEST) if until - date.min > _LONGEST else first


def _bounded(
    events: Sequence[TimelineEvent], begin: date, lanes: Sequence[str]
) -> tuple[list[TimelineEvent], list[str]]:
    """The events that are drawn, and what is said of the others: those before the picture, and those too many.

    ``lanes`` are kept before any others.
    """
    inside = [event for event in events if event.goes_on or (event.last or event.first or begin) >= begin]
    there = {event.lane for event in inside}
    names = list(dict.fromkeys([*(lane for lane in lanes if lane in there), *(event.lane for event in inside)]))
    kept = [event for event in inside if event.lane in names[:_MOST_LANES]]
    newest = sorted(kept, key=lambda e: e.last or e.first or begin)[-_MOST_MARKS:]
    chosen = {id(event) for event in newest}
    notes = _too_many(len(events) - len(inside), f"from before {begin}")
    notes += _too_many(len(inside) - len(kept), f"in {len(names) - _MOST_LANES} more lanes")
    notes += _too_many(len(kept) - len(newest), "that are older than those shown")
    return [event for event in kept if id(event) in chosen], notes


def _too_many(count: int, which: str) -> list[str]:
    return [f"Not drawn: {count} {'entry' if count == 1 else 'entries'} {which}."] if count > 0 else []


def _by_lane(events: Sequence[TimelineEvent], lanes: Sequence[str]) -> Iterator[tuple[str, list[TimelineEvent]]]:
    order = {name: place for place, name in enumerate(dict.fromkeys([*lanes, *(e.lane for e in events)]))}
    for name, members in groupby(sorted(events, key=lambda e: order[e.lane]), key=lambda e: e.lane):
        yield name, sorted(members, key=lambda e: e.first or date.min)


def _is_result(events: Sequence[TimelineEvent]) -> bool:
    return all(event.kind == "result" for event in events)


def _lane(name: str, top: float, events: Sequence[TimelineEvent], scale: TimeAxis) -> Lane:
    """A lane of periods and marks; what would lie on another goes into a row of its own."""
    ends: list[float] = []
    marks = []
    for event in events:
        mark, begin, end = _mark(event, scale)
        row = next((n for n, taken in enumerate(ends) if taken <= begin), len(ends))
        if row == len(ends):
            ends.append(0.0)
        ends[row] = end
        marks.append(replace(mark, y=top + _ROW * row + _ROW / 2))
    return Lane(name, _lines(name, 1), top, _ROW * max(len(ends), 1), tuple(marks))


def _mark(event: TimelineEvent, scale: TimeAxis) -> tuple[Mark, float, float]:
    """A mark that has no row yet, with the pixels from and to which it takes up its row."""
    x = scale.at(event.first or scale.first)
    if event.kind not in _SHAPES:
        return _bar(event, x, scale)
    shape, letter = _SHAPES[event.kind]
    half = 0 if shape in ("stroke", "dash") else _MARK / 2  # doses stand side by side however near they are
    return Mark(x, 0, 0, shape, letter, event.kind, _words(event), event.link), x - half, x + half


def _bar(event: TimelineEvent, x: float, scale: TimeAxis) -> tuple[Mark, float, float]:
    """A period; its text stands in it if there is room, else behind it, else before it."""
    end = scale.last if event.goes_on else event.last or event.first or scale.first
    width = max(scale.at(end) - x, _THINNEST)
    text = _short(event.label, max(_MOST_LETTERS, int(width / _LETTER) - 2))
    length = len(text) * _LETTER
    if length + 2 * _PAD <= width:
        text_x, anchor, taken = x + _PAD, "start", (x, x + width)
    elif x + width + _PAD + length <= WIDTH - _RIGHT:
        text_x, anchor, taken = x + width + _PAD, "start", (x, x + width + _PAD + length)
    else:
        text_x, anchor, taken = x - _PAD, "end", (x - _PAD - length, x + width)
    mark = Mark(x, 0, width, "bar", "", event.kind, _words(event), event.link, text, round(text_x, 1), anchor)
    return mark, taken[0], taken[1] + _PAD


def _result_lane(
    name: str, top: float, events: Sequence[TimelineEvent], scale: TimeAxis, ruler: Ruler
) -> tuple[Lane, list[str]]:
    """A lane of results on a scale of their values, and a sentence if some lie above it."""
    results = [PlacedResult(scale.at(event.first or scale.first), event.value, _days(event)) for event in events]
    drawn = dotted(results, top, _LEFT, WIDTH - _RIGHT, ruler)
    marks = [_dot_mark(event, dot) for event, dot in zip(events, drawn.dots, strict=True)]
    lines = (*_lines(_bare(name, ruler), _LABEL_LINES), *([ruler.unit] if ruler.unit else []))
    said = [f"{name}: {drawn.beyond}"] if drawn.beyond else []
    return Lane(name, lines, top, drawn.height, tuple(marks), drawn.paths, ruler.unit, drawn.axis), said


def _bare(name: str, ruler: Ruler) -> str:
    """A lane without its unit."""
    return name.removesuffix(f", {ruler.unit}")


def _dot_mark(event: TimelineEvent, dot: Dotted) -> Mark:
    words = ", ".join(filter(None, [_words(event), dot.where]))
    return Mark(dot.x, dot.y, 0, dot.shape, "", "result", words, event.link, dot.text, dot.text_x, dot.anchor)


def _description(drawn: Sequence[TimelineEvent], begin: date, until: date, lanes: Sequence[Lane]) -> str:
    entries = "1 entry" if len(drawn) == 1 else f"{len(drawn)} entries"
    of_lanes = "1 lane" if len(lanes) == 1 else f"{len(lanes)} lanes"
    return f"{entries} from {begin} to {until}, in {of_lanes}: {', '.join(map(_said, lanes))}."


def _said(lane: Lane) -> str:
    """A lane in the description of the picture, with its axis if it has one."""
    return f"{lane.label} ({lane.axis.in_words()})" if lane.axis is not None else lane.label


def _lines(label: str, most: int) -> tuple[str, ...]:
    return tuple(wrap(label, _LABEL_LETTERS, max_lines=most, placeholder="…"))


def _words(event: TimelineEvent) -> str:
    return f"{_days(event)}: {event.label}, {_CALLED.get(event.kind, event.kind)}"


def _days(event: TimelineEvent) -> str:
    first = str(event.first)
    if event.goes_on:
        return f"from {first}"
    return f"{first} to {event.last}" if event.last is not None and event.last != event.first else first


def _row(event: TimelineEvent) -> Row:
    return Row(_days(event), event.lane, event.label, _CALLED.get(event.kind, event.kind), event.source, event.link)


def _key(lanes: Sequence[Lane]) -> Iterator[tuple[str, str, str]]:
    """What the marks of the picture mean: shape, letter and what it is called of each that occurs."""
    kinds = {mark.kind for lane in lanes for mark in lane.marks}
    yield from ((*_SHAPES[kind], _CALLED.get(kind, kind)) for kind in _SHAPES if kind in kinds)
    if any(mark.shape == "above" for lane in lanes for mark in lane.marks):
        yield "above", "", "above the scale"


def _short(text: str, most: int = _MOST_LETTERS) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
