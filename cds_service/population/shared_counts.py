"""Counts that may leave the hospital: small ones are hidden, the others rounded, so that nobody can be told apart.

The rule is that of OpenSAFELY: counts up to 7 are redacted, the others are rounded to the nearest 5
(https://github.com/opensafely-core/ehrql/blob/main/ehrql/measures/disclosure_control.py).
"""

from __future__ import annotations

from dataclasses import dataclass

FEWEST_PATIENTS = 5
"""What the record calls a thing may tell who somebody is if fewer patients have it, and is not told then."""
_ROUNDED_TO = 5
# Of hidden counts up to 1, 4, 6, 9, 11 and so on, one could be told by subtracting rounded counts from a rounded total.
_TOLD_BY_SUBTRACTION = (1, 4)
_LEAST = 0.05  # what is less would be written as none at all


def can_hide(hidden: int) -> bool:
    """Whether counts from 1 to ``hidden`` stay hidden beside rounded ones."""
    return hidden % _ROUNDED_TO not in _TOLD_BY_SUBTRACTION


@dataclass(frozen=True, slots=True)
class Shown:
    """How counts are shown: those from 1 to ``hidden`` are not, and the others are rounded. With 0 each is exact."""

    hidden: int = 0

    @property
    def note(self) -> str:
        """What a reader has to know of the counts, in a sentence; ``""`` if they are exact."""
        if not self.hidden:
            return ""
        return f"Counts from 1 to {self.hidden} are hidden, and the others are rounded to the nearest 5."

    def number(self, count: int) -> int | None:
        """A count as a number; ``None`` if it is hidden."""
        if not self.hidden or not count:
            return count
        least = (self.hidden // _ROUNDED_TO + 1) * _ROUNDED_TO  # that is not taken for one that is hidden
        return None if count <= self.hidden else max(least, _ROUNDED_TO * round(count / _ROUNDED_TO))

    def is_hidden(self, *counts: int) -> bool:
        """Whether one of these counts is not shown."""
        return any(self.number(count) is None for count in counts)

    def rank(self, count: int) -> int:
        """Where a count stands in an order from the highest on, which tells no more of it than is shown."""
        number = self.number(count)
        return -1 if number is None else -number

    def text(self, count: int) -> str:
        """A count in words."""
        number = self.number(count)
        return f"1 to {self.hidden}" if number is None else f"{number:,}"

    def rate(self, count: int, of: int) -> str:
        """How many there are of a hundred, with one decimal; a dash if that would tell a hidden count."""
        whole = self.number(of)
        return self.each(count, whole / 100) if whole else "–"

    def each(self, count: int, parts: float) -> str:
        """How many there are for each of so many parts, with one decimal; a dash if that would tell a hidden count."""
        number = self.number(count)
        if number is None:
            return "–"
        return "under 0.1" if 0 < number / parts < _LEAST else f"{number / parts:.1f}"
