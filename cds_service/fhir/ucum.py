"""UCUM codes as what they measure and how much of it, exactly: enough of them for what is reckoned with.

Facts that are derived by arithmetic have units of their own, and these must follow from those of the operands. Known
here are the units of amounts, sizes and times that content has met; a code with any other is refused, never guessed.
Source: the Unified Code for Units of Measure, version 2.1, tables 1 to 3 and "prefix symbols" (https://ucum.org/ucum).

A kind of unit that is no multiple of another (mole, equivalent, international unit, an annotation in braces) is a
dimension of its own, which is stricter than UCUM: there a mole is a number, and a brace means nothing.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cache

from cds_service.vocabulary.facts import Exact, exact

_PREFIXES: Mapping[str, int] = {
    "k": 3,
    "h": 2,
    "da": 1,
    "d": -1,
    "c": -2,
    "m": -3,
    "u": -6,
    "n": -9,
    "p": -12,
    "f": -15,
}
# Atoms that take prefixes, and those that do not; each is worth so much of its dimensions.
_METRIC: Mapping[str, tuple[Exact, Mapping[str, int]]] = {
    "m": (1, {"m": 1}),
    "s": (1, {"s": 1}),
    "g": (1, {"g": 1}),
    "mol": (1, {"mol": 1}),
    "eq": (1, {"eq": 1}),
    "osm": (1, {"osm": 1}),
    "m[Hg]": (1, {"m[Hg]": 1}),
    "U": (1, {"U": 1}),
    "[IU]": (1, {"[IU]": 1}),
    "[iU]": (1, {"[IU]": 1}),
    "L": (Fraction(1, 1000), {"m": 3}),
    "l": (Fraction(1, 1000), {"m": 3}),
}
_PLAIN: Mapping[str, tuple[Exact, Mapping[str, int]]] = {
    "%": (Fraction(1, 100), {}),
    "min": (60, {"s": 1}),
    "h": (60 * 60, {"s": 1}),
    "d": (24 * 60 * 60, {"s": 1}),
    "wk": (7 * 24 * 60 * 60, {"s": 1}),
    "mo": (Fraction(36525, 1200) * 24 * 60 * 60, {"s": 1}),  # a twelfth of a year
    "a": (Fraction(36525, 100) * 24 * 60 * 60, {"s": 1}),  # a Julian year
}
_PART = re.compile(r"(?P<sign>[./]?)(?P<unit>[^./{}]*)(?P<brace>\{[^{}]*\})?")
_POWER_OF_TEN = re.compile(r"10[*^](?P<power>[+-]?\d{1,2})")
_NUMBER = re.compile(r"[1-9]\d{0,8}")
_ATOM = re.compile(r"(?P<atom>[A-Za-z]*(?:\[[A-Za-z]+\])?|%)(?P<exponent>[+-]?[1-9])?")


@dataclass(frozen=True, slots=True)
class Measure:
    """How much a unit is worth (``factor``) of its dimensions, each with its exponent."""

    factor: Exact
    dimensions: Mapping[str, int] = field(default_factory=dict)

    def times(self, other: Measure) -> Measure:
        """The unit of a product."""
        return self._joined(other, 1)

    def over(self, other: Measure) -> Measure:
        """The unit of a quotient."""
        return self._joined(other, -1)

    def _joined(self, other: Measure, sign: int) -> Measure:
        total = Counter(self.dimensions)
        for name, exponent in other.dimensions.items():
            total[name] += sign * exponent
        factor = self.factor * other.factor if sign > 0 else Fraction(self.factor) / other.factor
        return Measure(exact(factor), {name: exponent for name, exponent in total.items() if exponent})


@cache
def measure(code: str) -> Measure:
    """What a UCUM code measures; ``1`` and ``%`` are numbers.

    Raises:
        ValueError: it is no UCUM code, or has a unit that is not known here. The text says which.
    """
    total, at = Measure(1), 0
    while at < len(code) or not code:
        part = _PART.match(code, at)
        if part is None or not (part["unit"] or part["brace"]) or (not part["sign"] if at else part["sign"] == "."):
            raise ValueError(f"{code!r} is no UCUM unit")
        own = _unit(part["unit"], code) if part["unit"] else Measure(1)
        if part["brace"]:
            own = own.times(Measure(1, {part["brace"]: 1}))
        total = total.over(own) if part["sign"] == "/" else total.times(own)
        at = part.end()
    return total


def is_volume(code: str) -> bool | None:
    """Whether a UCUM code is a unit of volume; ``None`` if it is not known."""
    try:
        return measure(code).dimensions == {"m": 3}
    except ValueError:
        return None


def _unit(text: str, code: str) -> Measure:
    """One factor of a code: a number, a power of ten, or a unit with its prefix and its exponent."""
    if power := _POWER_OF_TEN.fullmatch(text):
        return Measure(exact(Fraction(10) ** int(power["power"])))
    if _NUMBER.fullmatch(text):
        return Measure(int(text))
    if (found := _ATOM.fullmatch(text)) is None or (worth := _worth(found["atom"])) is None:
        raise ValueError(f"{text!r} in {code!r} is no unit that can be reckoned with")
    factor, dimensions = worth
    exponent = int(found["exponent"] or 1)
    return Measure(
        exact(Fraction(factor) ** exponent), {name: of_atom * exponent for name, of_atom in dimensions.items()}
    )


def _worth(atom: str) -> tuple[Exact, Mapping[str, int]] | None:
    if atom in _PLAIN:
        return _PLAIN[atom]
    if atom in _METRIC:
        return _METRIC[atom]
    for prefix, power in _PREFIXES.items():
        if atom.startswith(prefix) and atom.removeprefix(prefix) in _METRIC:
            factor, dimensions = _METRIC[atom.removeprefix(prefix)]
            return Fraction(10) ** power * factor, dimensions
    return None
