"""A lane of results in pixels: the axis of their values with the limits of rules, and a dot for each of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from cds_service.console.bands import Band, ends_of, range_in_words
from cds_service.console.shown_units import rounded
from cds_service.console.time_axis import Line
from cds_service.console.value_scale import ValueScale, can_be_drawn, scale_of, tick_in_words

_HEIGHT, _HEAD, _FOOT = 96, 22, 8  # of the lane, and what is left free above and below its scale
_LETTER, _PAD, _NEAR_END = 6.4, 4, 30
_LINE = 12.0  # pixels that a number is high
_BEFORE = {"start": 0.0, "middle": 0.5, "end": 1.0}  # how much of a text lies before its anchor
_MOST_NAMED = 3  # values above the scale that are named


@dataclass(frozen=True, slots=True)
class Ruler:
    """How the results of a lane are measured: their ``unit`` for people, and the bands of the tables, in that unit."""

    unit: str = ""
    bands: tuple[Band, ...] = ()

    def told(self) -> Iterator[tuple[str, str]]:
        """Where the bands are of which some rule has a card, each with the severity of that card; the limits, without
        a severity, where none has one.
        """
        spoken = [(self._range(band), band.indicator) for band in self.bands if band.indicator]
        if not spoken and (limits := ends_of(self.bands)):
            spoken = [(f"{' and '.join(map(rounded, limits))} {self.unit}".rstrip(), "")]
        yield from spoken

    def _range(self, band: Band) -> str:
        behind = f" ({band.behind})" if band.behind else ""
        return range_in_words(band, self.unit, rounded) + behind

    def where(self, value: float) -> str:
        """Where a value lies among the limits: ``below 25 ×10⁹/L``; ``""`` where there are none."""
        limits = ends_of(self.bands)
        if value in limits:
            return f"at the limit of {rounded(value)} {self.unit}".rstrip()
        band = next((one for one in self.bands if one.high is None or value < one.high), None)
        return range_in_words(band, self.unit, rounded) if band is not None and limits else ""


NO_RULER = Ruler()


@dataclass(frozen=True, slots=True)
class PlacedResult:
    """One result at the pixel ``x``, with its value in the unit of the lane, if it has one, and its day in words."""

    x: float
    value: float | None
    day: str


@dataclass(frozen=True, slots=True)
class BandShade:
    """The part of a lane that a band takes, in pixels, with the severity of the card that a value in it leads to."""

    top: float
    height: float
    indicator: str


@dataclass(frozen=True, slots=True)
class LimitLine:
    """A limit of the tables at the pixel ``at``; its number stands at ``label_at``, clear of the number below it."""

    at: float
    label: str
    label_at: float


@dataclass(frozen=True, slots=True)
class ValueAxis:
    """The axis of a lane in pixels, from ``head`` down to ``foot``: ticks and limits with their numbers, and bands.

    A tick that would lie on the number of a limit is left out.
    """

    head: float
    foot: float
    ticks: tuple[Line, ...]
    limits: tuple[LimitLine, ...]
    shades: tuple[BandShade, ...]

    def in_words(self) -> str:
        """The numbers on the axis, from the foot up."""
        lines = sorted([*((t.at, t.label) for t in self.ticks), *((n.at, n.label) for n in self.limits)], reverse=True)
        limits = [line.label for line in self.limits]
        said = f"its axis has {', '.join(label for _, label in lines)}"
        return said + (f"; limits of rules: {', '.join(limits)}" if limits else "")


@dataclass(frozen=True, slots=True)
class Dotted:
    """The mark of one result: its place, its ``shape``, and its number at ``text_x``.

    The shape is ``dot``, ``ring`` for a result without a value, or ``above`` for one that lies above the scale.
    ``where`` says where its value lies among limits.
    """

    x: float
    y: float
    shape: str
    where: str
    text: str
    text_x: float
    anchor: str


@dataclass(frozen=True, slots=True)
class DottedLane:
    """The marks of a lane in the order of the results, the ``paths`` that join them, and its axis if there is one.

    ``beyond`` is a sentence about the values that lie above the scale, ``""`` if there are none.
    """

    dots: tuple[Dotted, ...]
    paths: tuple[str, ...]
    axis: ValueAxis | None
    beyond: str
    height: int = _HEIGHT


def dotted(results: Sequence[PlacedResult], top: float, left: float, right: float, ruler: Ruler) -> DottedLane:
    """The lane of some results from the pixel ``top`` down, between ``left`` and ``right``; the results are in order.

    A line joins the values that lie on the scale; it leaves out results without a value, and ends before what lies
    above the scale.
    """
    head, foot = top + _HEAD, top + _HEIGHT - _FOOT
    limits = ends_of(ruler.bands)
    scale = scale_of([r.value for r in results if r.value is not None and can_be_drawn(r.value)], limits)
    dots, above = [], []
    taken: list[tuple[float, float, float]] = []  # of the numbers: from and to which pixel, and how high
    for result in results:
        shape, y, text, where = "ring", foot, "", ""
        if scale is not None and result.value is not None and can_be_drawn(result.value):
            text, where = rounded(result.value, limits), ruler.where(result.value)
            shape, y = "dot", _pixel(scale, result.value, head, foot)
            if result.value > scale.high:
                shape, where = "above", f"{where}, above the scale".removeprefix(", ")
                above.append(f"{text} {ruler.unit}".strip() + f" ({result.day})")
        text_x, anchor = _beside(result.x, left, right)
        begin = text_x - len(text) * _LETTER * _BEFORE[anchor]
        end = begin + len(text) * _LETTER
        if all(end + _PAD <= a or b + _PAD <= begin or abs(y - at) >= _LINE for a, b, at in taken):
            taken.append((begin, end, y))
        else:
            text = ""
        dots.append(Dotted(result.x, y, shape, where, text, text_x, anchor))
    axis = _axis(scale, ruler, head, foot) if scale is not None else None
    return DottedLane(tuple(dots), tuple(_paths(dots)), axis, _beyond(above))


def _beside(x: float, left: float, right: float) -> tuple[float, str]:
    """Where the number of a result stands, and by which end: neither on the axis nor beyond the picture."""
    if x < left + _NEAR_END / 2:
        return x + _PAD, "start"
    return (right, "end") if x > right - _NEAR_END else (x, "middle")


def _pixel(scale: ValueScale, value: float, head: float, foot: float) -> float:
    return round(foot - (foot - head) * scale.share(value), 1)


def _paths(dots: Sequence[Dotted]) -> Iterator[str]:
    """The lines between dots; each ends where a value lies above the scale."""
    points: list[str] = []
    for dot in (*dots, None):
        if dot is None or dot.shape == "above":
            if len(points) > 1:
                yield " ".join(points)
            points = []
        elif dot.shape == "dot":
            points.append(f"{dot.x},{dot.y}")


def _axis(scale: ValueScale, ruler: Ruler, head: float, foot: float) -> ValueAxis:
    limits: list[LimitLine] = []
    for limit in scale.limits:
        at = _pixel(scale, limit, head, foot)
        limits.append(LimitLine(at, rounded(limit), min(at, limits[-1].label_at - _LINE) if limits else at))
    ticks = [Line(_pixel(scale, tick, head, foot), tick_in_words(tick)) for tick in scale.ticks]
    free = [tick for tick in ticks if all(abs(tick.at - limit.label_at) >= _LINE for limit in limits)]
    return ValueAxis(head, foot, tuple(free), tuple(limits), tuple(_shades(scale, ruler, head, foot)))


def _shades(scale: ValueScale, ruler: Ruler, head: float, foot: float) -> Iterator[BandShade]:
    for band in ruler.bands:
        low = scale.low if band.low is None else max(band.low, scale.low)
        high = scale.high if band.high is None else min(band.high, scale.high)
        if band.indicator and low < high:
            at = _pixel(scale, high, head, foot)
            yield BandShade(at, round(_pixel(scale, low, head, foot) - at, 1), band.indicator)


def _beyond(above: Sequence[str]) -> str:
    if not above:
        return ""
    named = ", ".join(above[:_MOST_NAMED])
    more = f" and {len(above) - _MOST_NAMED} more" if len(above) > _MOST_NAMED else ""
    verb = "lies" if len(above) == 1 else "lie"
    return f"{named}{more} {verb} above the scale of the picture, so that the others can be told apart."
