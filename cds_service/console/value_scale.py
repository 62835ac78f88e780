"""The scale of a lane of results: from which number to which it goes, and which numbers stand on its axis.

Numbers are in the unit of the lane, whatever it is. A scale begins at zero or is at least so wide that a value which
hardly changes looks flat. It goes as far as the limits of the tables that lie near the values. Values far above all
others are left beyond it, so that the others can be told apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor, log10

from cds_service.content.value_words import number_in_words
from cds_service.vocabulary.facts import exact

_NEAR = 3.0  # a limit is on the scale unless it is more than so many times the values, or they are of it
_FAR = 4.0  # a value is beyond the scale if it is more than so many times whatever else stands on it
_LEAST = 0.3  # of the highest number on it: the width of the narrowest scale
_FROM_ZERO = 0.4  # of the highest number: a scale that would begin below that begins at zero
_BESIDE = 0.08  # of the width: what is left free below and above
_MOST_TICKS = 3
_STEPS = (1.0, 2.0, 2.5, 5.0)  # and ten times these: so none of them leads from four ticks to one
_LARGEST, _SMALLEST = 1e12, 1e-9  # no laboratory has greater numbers, or smaller ones


@dataclass(frozen=True, slots=True)
class ValueScale:
    """The numbers from ``low`` at the foot to ``high`` at the head; ``ticks`` and ``limits`` are some between them."""

    low: float
    high: float
    ticks: tuple[float, ...]
    limits: tuple[float, ...]

    def share(self, value: float) -> float:
        """How far up a value stands: 0 at the foot, 1 at the head, and not beyond them."""
        return min(max((value - self.low) / (self.high - self.low), 0.0), 1.0)

    def has(self, value: float) -> bool:
        """Whether a value lies on the scale."""
        return self.low <= value <= self.high


def can_be_drawn(value: float | None) -> bool:
    """Whether a result has a number that a scale can be made for."""
    return value is not None and abs(value) < _LARGEST


def scale_of(values: Sequence[float], limits: Sequence[float] = ()) -> ValueScale | None:
    """The scale for values that ``can_be_drawn``, with those of the ``limits`` that are near; ``None`` without any."""
    if not values:
        return None
    usual = _usual(sorted(values), limits)
    numbers = [*usual, *_near(usual, limits)]
    low, high = min(numbers), max(numbers)
    least = _LEAST * max(abs(low), abs(high))
    least = least if least > _SMALLEST else 1.0  # all values are zero
    more = max(least - (high - low), 0.0) / 2
    low, high = low - more, high + more
    beside = _BESIDE * (high - low)
    low, high = low - beside, high + beside
    if min(numbers) >= 0 and low < _FROM_ZERO * high:
        low = 0.0
    return ValueScale(low, high, _ticks(low, high), tuple(limit for limit in limits if low <= limit <= high))


def tick_in_words(number: float) -> str:
    """A tick, whole: it is round already, and any rounding would move it."""
    return number_in_words(exact(f"{number:.10g}"))


def _usual(ordered: Sequence[float], limits: Sequence[float]) -> Sequence[float]:
    """The values but for those far above all others and above the limits near these.

    There are at least two of them, and at least half of all.
    """
    for place in range(max(2, (len(ordered) + 1) // 2), len(ordered)):
        usual = ordered[:place]
        highest = max(*usual, *_near(usual, limits), 0.0)
        if highest > 0 and ordered[place] > _FAR * highest:
            return usual
    return ordered


def _near(values: Sequence[float], limits: Sequence[float]) -> list[float]:
    low, high = min(values), max(values)
    low, high = low - abs(low) * (1 - 1 / _NEAR), high + abs(high) * (_NEAR - 1)
    return [limit for limit in limits if low <= limit <= high]


def _ticks(low: float, high: float) -> tuple[float, ...]:
    """Two or three round numbers between the two: the multiples of the smallest round step that gives no more."""
    power = floor(log10(high - low)) - 1
    while True:
        for digits in _STEPS:
            step = digits * 10.0**power
            first, last = ceil(low / step), floor(high / step)
            if last - first < _MOST_TICKS:
                return tuple(float(f"{number * step:.10g}") for number in range(first, last + 1))
        power += 1
