"""Arithmetic of ranges, exactly: what a number can be that is reckoned from numbers of which each can lie in a range.

An end without a limit is infinite, and an open end stays open: what is below 5, times 2, is below 10.
"""

from __future__ import annotations

from fractions import Fraction
from functools import reduce
from itertools import product
from math import inf
from typing import NamedTuple

from cds_service.vocabulary.facts import Exact, Interval, exact


class _End(NamedTuple):
    """One end of a range; the value is ``inf`` or ``-inf`` where there is no limit."""

    value: Exact | float
    is_open: bool


def plus(*ranges: Interval) -> Interval:
    """The sums of one number of each range."""
    return _between(
        _End(sum(_low(one).value for one in ranges), any(_low(one).is_open for one in ranges)),
        _End(sum(_high(one).value for one in ranges), any(_high(one).is_open for one in ranges)),
    )


def minus(one: Interval, other: Interval) -> Interval:
    """The differences of a number of one range and a number of the other."""
    opposite = Interval(
        None if other.high is None else -other.high,
        None if other.low is None else -other.low,
        other.high_open,
        other.low_open,
    )
    return plus(one, opposite)


def times(*ranges: Interval) -> Interval:
    """The products of one number of each range, of whatever sign."""
    return reduce(_times, ranges)


def _times(one: Interval, other: Interval) -> Interval:
    corners = [_corner(a, b) for a, b in product((_low(one), _high(one)), (_low(other), _high(other)))]
    return _between(
        min(corners, key=lambda corner: (corner.value, corner.is_open)),
        max(corners, key=lambda corner: (corner.value, not corner.is_open)),
    )


def _corner(one: _End, other: _End) -> _End:
    """The product of two ends. Zero times anything is zero, which is reached if that zero is."""
    zeros = [end.is_open for end in (one, other) if end.value == 0]
    if zeros:
        return _End(0, all(zeros))
    return _End(one.value * other.value, one.is_open or other.is_open)


def over(one: Interval, other: Interval) -> Interval | None:
    """The quotients of a number of one range and a number of the other; ``None`` if the divisor can be zero."""
    return None if Interval.point(0).within(other) else _times(one, _inverse(other))


def _inverse(one: Interval) -> Interval:
    """One divided by each number of a range without zero, at which it may end."""
    low, high = _low(one), _high(one)
    return _between(
        _End(-inf, True) if high.value == 0 else _End(_one_over(high.value), high.is_open),
        _End(inf, True) if low.value == 0 else _End(_one_over(low.value), low.is_open),
    )


def _one_over(value: Exact | float) -> Exact:
    return exact(Fraction(1) / value) if isinstance(value, int | Fraction) else 0


def least(*ranges: Interval) -> Interval:
    """The least of one number of each range."""
    lows, highs = map(_low, ranges), map(_high, ranges)
    return _between(
        min(lows, key=lambda end: (end.value, end.is_open)),
        min(highs, key=lambda end: (end.value, not end.is_open)),
    )


def greatest(*ranges: Interval) -> Interval:
    """The greatest of one number of each range."""
    lows, highs = map(_low, ranges), map(_high, ranges)
    return _between(
        max(lows, key=lambda end: (end.value, end.is_open)),
        max(highs, key=lambda end: (end.value, not end.is_open)),
    )


def _low(one: Interval) -> _End:
    return _End(-inf, True) if one.low is None else _End(one.low, one.low_open)


def _high(one: Interval) -> _End:
    return _End(inf, True) if one.high is None else _End(one.high, one.high_open)


def _between(low: _End, high: _End) -> Interval:
    """The range between two ends; that of no limit is not said to be open."""
    bottom, top = (exact(end.value) if isinstance(end.value, int | Fraction) else None for end in (low, high))
    return Interval(bottom, top, bottom is not None and low.is_open, top is not None and high.is_open)
