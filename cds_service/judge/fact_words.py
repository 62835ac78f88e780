"""Facts in words for people that tell nothing but the value: no name, id or text of the record."""

from __future__ import annotations

from collections.abc import Sequence
from math import floor, log10

from cds_service.content.model import Pack
from cds_service.content.value_words import (
    interval_in_words,
    number_in_words,
    state_in_words,
    unit_in_words,
    value_in_words,
)
from cds_service.judge.explanation import limits_of
from cds_service.vocabulary.facts import Fact, Interval, exact

_DIGITS = range(3, 7)  # a number has as few of these as keep it on its side of every threshold


class FactWords:
    """The words of the facts and decisions of a pack, whose thresholds are looked for once."""

    def __init__(self, pack: Pack) -> None:
        self._pack = pack
        self._limits: dict[str, Sequence[float]] = {}

    def value(self, name: str, fact: Fact) -> str:
        """What a fact or a decision is: a rounded number with its unit, a word of the pack, or a state."""
        value = fact.value
        if isinstance(value, Interval):
            limits = self._limits_of(name)
            unit = unit_in_words(self._pack, name)
            return interval_in_words(self._pack, value, unit, lambda end: rounded(float(end), limits))
        if value is None:
            return state_in_words(self._pack, name, fact.state)
        return value_in_words(self._pack, name, value)

    def _limits_of(self, name: str) -> Sequence[float]:
        limits = self._limits.get(name)
        if limits is None:
            limits = self._limits[name] = [float(limit) for limit in limits_of(self._pack, name)]
        return limits


def rounded(value: float, limits: Sequence[float] = ()) -> str:
    """A number rounded for people as ``near`` has it, its digits in groups where there are many of them."""
    return number_in_words(exact(repr(near(value, limits))))


def near(value: float, limits: Sequence[float] = ()) -> float:
    """A number to three digits, or as many more as keep it on its side of every one of ``limits``.

    Nothing before the decimal point is rounded away, so that whole numbers keep all of their digits.
    """
    if not value:
        return value
    rounded_off = value
    for digits in _DIGITS:
        rounded_off = round(value, max(0, digits - 1 - floor(log10(abs(value)))))
        if all((value < limit, value > limit) == (rounded_off < limit, rounded_off > limit) for limit in limits):
            break
    return rounded_off
