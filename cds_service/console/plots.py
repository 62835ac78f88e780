"""Laboratory results over time as a picture."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

WIDTH, HEIGHT = 640, 200
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 16, 24, 28
_MOST_NUMBERED = 8


@dataclass(frozen=True, slots=True)
class Dot:
    """One result: its place in pixels, and its words. A result that is not ``usable`` has no value: it stands at the
    foot and the line leaves it out.

    ``value`` is written beside the dot; it is empty where there are too many dots to read it.
    """

    x: float
    y: float
    words: str
    usable: bool
    value: str


@dataclass(frozen=True, slots=True)
class Line:
    """A threshold of the tables, or a tick of an axis; ``at`` is its place in pixels."""

    at: float
    label: str


@dataclass(frozen=True, slots=True)
class Plot:
    """Everything that a template needs to draw one fact's results, in pixels of ``WIDTH`` x ``HEIGHT``."""

    label: str
    unit: str
    dots: tuple[Dot, ...]
    path: str
    limits: tuple[Line, ...]
    dates: tuple[Line, ...]
    width: int = WIDTH
    height: int = HEIGHT
    left: int = _LEFT
    right: int = WIDTH - _RIGHT
    bottom: int = HEIGHT - _BOTTOM


def plot_of(fact: Mapping[str, Any], now: datetime) -> Plot | None:
    """The picture of one fact in the ``results`` of ``explain``; ``None`` if no result of it has a value."""
    results = [(datetime.fromisoformat(r["at"]), r.get("low", r.get("high")), r["said"]) for r in fact["results"]]
    values = [value for _, value, _ in results if value is not None]
    if not values:
        return None
    limits = [float(limit) for limit in fact["limits"]]
    highest = max([*values, *(limit for limit in limits if limit <= 3 * max(values))]) * 1.12 or 1.0
    first, last = min(when for when, _, _ in results), max(now, *(when for when, _, _ in results))
    seconds = (last - first).total_seconds() or 1.0

    def across(when: datetime) -> float:
        return round(_LEFT + (WIDTH - _LEFT - _RIGHT) * (when - first).total_seconds() / seconds, 1)

    def up(value: float) -> float:
        return round(HEIGHT - _BOTTOM - (HEIGHT - _TOP - _BOTTOM) * value / highest, 1)

    dots = tuple(
        Dot(
            across(when),
            up(value if value is not None else 0.0),
            f"{words}, {when:%Y-%m-%d}",
            value is not None,
            f"{value:g}" if value is not None and len(values) <= _MOST_NUMBERED else "",
        )
        for when, value, words in results
    )
    path = " ".join(f"{dot.x},{dot.y}" for dot in dots if dot.usable)
    return Plot(
        fact["label"],
        fact["unit"],
        dots,
        path,
        tuple(Line(up(limit), f"{limit:g}") for limit in limits if limit <= highest),
        (Line(_LEFT, f"{first:%Y-%m-%d}"), Line(WIDTH - _RIGHT, f"{last:%Y-%m-%d}")),
    )
