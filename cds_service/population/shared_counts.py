"""Counts that may leave the hospital: small ones are hidden, the others rounded, so that nobody can be told apart.

The rule is that of OpenSAFELY: counts up to 7 are redacted, the others are rounded to the nearest 5
(https://github.com/opensafely-core/ehrql/blob/main/ehrql/measures/disclosure_control.py).
"""

from __future__ import annotations

from dataclasses import dataclass

_ROUNDED_TO = 5
_LEAST = 0.05  # what is less would be written as none at all


@dataclass(frozen=True, slots=True)
class Shown:
    """How counts are shown: those from 1 to ``hidden`` are not, and the others are rounded. With 0 each is exact."""

    hidden: int = 0

    def number(self, count: int) -> int | None:
        """A count as a number; ``None`` if it is hidden."""
        if not self.hidden:
            return count
        return None if 0 < count <= self.hidden else _ROUNDED_TO * round(count / _ROUNDED_TO)

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
