"""Where the boxes of a decision requirements diagram stand: cards above, what they rest on below.

Imports the standard library only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 190, 55
_ACROSS, _DOWN = 30, 110
_ROW = 12  # boxes side by side
_SWEEPS = 6


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle of the diagram by its upper left corner."""

    x: int
    y: int


def lay_out(needs: Mapping[str, Sequence[str]], tops: Sequence[str]) -> dict[str, Box]:
    """A place for every node; ``needs`` names what each rests on, ``tops`` those that belong into the upper row.

    Rows go by the longest way down to a node that needs nothing; within a row a node stands near its neighbours.
    """
    depth: dict[str, int] = {}

    def deep(name: str) -> int:
        if name not in depth:
            depth[name] = 1 + max((deep(need) for need in needs[name]), default=-1)
        return depth[name]

    highest = max((deep(name) for name in needs), default=0)
    depth |= dict.fromkeys(tops, highest)
    rows = [[name for name in needs if depth[name] == level] for level in range(highest, -1, -1)]
    rows = [row for row in rows if row]
    neighbours = _neighbours(needs)
    for sweep in range(_SWEEPS):
        place = {name: _share(index, row) for row in rows for index, name in enumerate(row)}
        for row in rows if sweep % 2 else reversed(rows):
            row.sort(key=lambda name: _mean([place[n] for n in neighbours[name]], place[name]))
            place |= {name: _share(index, row) for index, name in enumerate(row)}
    return _boxes([part for row in rows for part in _wrapped(row)])


def _neighbours(needs: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {name: list(below) for name, below in needs.items()}
    for name, below in needs.items():
        for need in below:
            found[need].append(name)
    return found


def _share(index: int, row: Sequence[str]) -> float:
    return (index + 0.5) / len(row)


def _mean(values: Sequence[float], otherwise: float) -> float:
    return sum(values) / len(values) if values else otherwise


def _wrapped(row: Sequence[str]) -> list[Sequence[str]]:
    """A long row as several, its neighbours dealt out in turn, so that each stays above and below its own."""
    parts = -(-len(row) // _ROW)
    return [row[part::parts] for part in range(parts)]


def _boxes(rows: Sequence[Sequence[str]]) -> dict[str, Box]:
    widest = max((len(row) for row in rows), default=0)
    step = WIDTH + _ACROSS
    boxes = {}
    for level, row in enumerate(rows):
        left = (widest - len(row)) * step // 2 + _ACROSS
        for index, name in enumerate(row):
            boxes[name] = Box(left + index * step, _ACROSS + level * (HEIGHT + _DOWN))
    return boxes
