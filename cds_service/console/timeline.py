"""A patient's history as a picture: lanes of periods, marks and results along the days.

The picture is made of a plain list of events and knows nothing of where they come from.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from itertools import groupby
from math import isfinite
from textwrap import wrap

from cds_service.console.shown_units import rounded

WIDTH = 1080
_LEFT, _RIGHT, _TOP, _FOOT = 190, 14, 8, 30
_ROW, _GAP = 22, 10
_RESULT_HEIGHT = 58
_LETTER = 6.4  # pixels of one letter
_MARK = 16  # pixels that a mark with a letter takes
_PAD = 4
_THINNEST = 3.0  # pixels of the shortest period
_MOST_MARKS, _MOST_LANES, _MOST_LETTERS = 400, 24, 48
_LABEL_LETTERS, _LABEL_LINES = 22, 3  # of the label of results, which has the height of their lane
_LONGEST = timedelta(days=3 * 366)
_LATEST = date.max - timedelta(days=400)  # beyond it there is no next year
_MOST_TICKS = 10
_FEW_DAYS = 62

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
    """One lane: its label, where it begins, how high it is, and what stands in it; ``path`` joins results.

    ``lines`` are the label as it is written before the lane, as much of it as there is room for.
    """

    label: str
    lines: tuple[str, ...]
    top: float
    height: float
    marks: tuple[Mark, ...]
    path: str = ""


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
    out because it is too much or too old.
    """

    title: str
    description: str
    lanes: tuple[Lane, ...]
    ticks: tuple[tuple[float, str], ...]
    rows: tuple[Row, ...]
    not_drawn: tuple[tuple[str, str, str], ...]
    notes: tuple[str, ...]
    height: float
    key: tuple[tuple[str, str, str], ...]
    width: int = WIDTH
    left: int = _LEFT
    right: int = WIDTH - _RIGHT


def timeline_of(
    title: str, events: Iterable[TimelineEvent], until: date, lanes: Sequence[str] = (), said: Sequence[str] = ()
) -> Timeline | None:
    """The picture of events up to the day ``until``; ``None`` if there are none.

    ``lanes`` come first, in their order; the others follow in the order of the events. ``said`` is what else is to be
    said of what was left out.
    """
    given = list(events)
    until = min(until, _LATEST)
    flawed = [event for event in given if _flaw(event, until)]
    sound = [event for event in given if not _flaw(event, until)]
    if not given:
        return None
    begin = _begin(sound, until)
    drawn, notes = _bounded(sound, begin, lanes)
    scale = _Scale(begin, max(until, begin + timedelta(days=1)))
    placed, top = [], float(_TOP)
    for name, members in _by_lane(drawn, lanes):
        lane = _result_lane(name, top, members, scale) if _is_result(members) else _lane(name, top, members, scale)
        placed.append(lane)
        top += lane.height + _GAP
    rows = tuple(_row(event) for event in sorted(drawn, key=lambda e: (e.first or until, e.lane)))
    return Timeline(
        title,
        f"{len(drawn)} entries from {begin} to {until}, in {len(placed)} lanes: {', '.join(p.label for p in placed)}.",
        tuple(placed),
        tuple(scale.ticks()),
        rows,
        tuple((event.source, _short(event.label), _flaw(event, until)) for event in flawed[:_MOST_MARKS]),
        (*said, *notes, *_too_many(len(flawed) - _MOST_MARKS, "that cannot be drawn")),
        top + _FOOT,
        tuple(_key(placed)),
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


class _Scale:
    """Days as pixels."""

    def __init__(self, begin: date, until: date) -> None:
        self.begin, self.until = begin, until
        self._days = (until - begin).days

    def at(self, day: date) -> float:
        """The pixel of a day; a day beyond the picture is at its edge."""
        days = min(max((day - self.begin).days, 0), self._days)
        return round(_LEFT + (WIDTH - _LEFT - _RIGHT) * days / self._days, 1)

    def ticks(self) -> Iterator[tuple[float, str]]:
        """The first days of some of the months, or the two ends where the picture is short."""
        months = [m for m in _months(self.begin, self.until) if m >= self.begin]
        if self._days <= _FEW_DAYS or not months:
            yield from ((self.at(day), day.isoformat()) for day in (self.begin, self.until))
            return
        step = next(n for n in (1, 2, 3, 6, 12, 24) if len(months) / n <= _MOST_TICKS or n == 24)
        yield from ((self.at(m), f"{m:%Y-%m}") for m in months if (m.month - 1 + 12 * m.year) % step == 0)


def _months(begin: date, until: date) -> Iterator[date]:
    year, month = begin.year, begin.month
    while (day := date(year, month, 1)) <= until:
        yield day
        year, month = (year + 1, 1) if month == 12 else (year, month + 1)


def _by_lane(events: Sequence[TimelineEvent], lanes: Sequence[str]) -> Iterator[tuple[str, list[TimelineEvent]]]:
    order = {name: place for place, name in enumerate(dict.fromkeys([*lanes, *(e.lane for e in events)]))}
    for name, members in groupby(sorted(events, key=lambda e: order[e.lane]), key=lambda e: e.lane):
        yield name, sorted(members, key=lambda e: e.first or date.min)


def _is_result(events: Sequence[TimelineEvent]) -> bool:
    return all(event.kind == "result" for event in events)


def _lane(name: str, top: float, events: Sequence[TimelineEvent], scale: _Scale) -> Lane:
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


def _mark(event: TimelineEvent, scale: _Scale) -> tuple[Mark, float, float]:
    """A mark that has no row yet, with the pixels from and to which it takes up its row."""
    x = scale.at(event.first or scale.begin)
    if event.kind not in _SHAPES:
        return _bar(event, x, scale)
    shape, letter = _SHAPES[event.kind]
    half = 0 if shape in ("stroke", "dash") else _MARK / 2  # doses stand side by side however near they are
    return Mark(x, 0, 0, shape, letter, event.kind, _words(event), event.link), x - half, x + half


def _bar(event: TimelineEvent, x: float, scale: _Scale) -> tuple[Mark, float, float]:
    """A period; its text stands in it if there is room, else behind it, else before it."""
    end = scale.until if event.goes_on else event.last or event.first or scale.begin
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


def _result_lane(name: str, top: float, events: Sequence[TimelineEvent], scale: _Scale) -> Lane:
    """A lane of results, joined by a line from the least value at its foot to the greatest at its head."""
    values = [event.value for event in events if event.value is not None and isfinite(event.value)]
    low, high = (min(values), max(values)) if values else (0.0, 0.0)
    foot, head = top + _RESULT_HEIGHT - 9, top + 22
    marks, last = [], float("-inf")
    for event in events:
        x = scale.at(event.first or scale.begin)
        known = event.value is not None and isfinite(event.value)
        share = (event.value - low) / (high - low) if event.value is not None and known and high > low else 0.5
        y = round(foot - (foot - head) * share, 1) if known else foot
        text = rounded(event.value) if event.value is not None and known else ""
        is_free = x - last >= len(text) * _LETTER + _PAD
        last = x if is_free else last
        shape = "dot" if known else "ring"
        near_end = x > WIDTH - _RIGHT - 30
        marks.append(
            Mark(x, y, 0, shape, "", "result", _words(event), event.link, text if is_free else "", x, "middle")
        )
        if near_end:
            marks[-1] = replace(marks[-1], anchor="end", text_x=float(WIDTH - _RIGHT))
    path = " ".join(f"{mark.x},{mark.y}" for mark in marks if mark.shape == "dot")
    return Lane(name, _lines(name, _LABEL_LINES), top, _RESULT_HEIGHT, tuple(marks), path)


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


def _short(text: str, most: int = _MOST_LETTERS) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
