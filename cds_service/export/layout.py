"""The places of boxes in a decision requirements diagram: each a row below the lowest box that requires it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 170, 55
_SWEEPS = 8


@dataclass(frozen=True, slots=True)
class Spacing:
    """How far boxes of ``width`` stand apart, in pixels: ``step`` from box to box in the fullest line, ``line`` from
    line to line within a row, ``down`` from row to row. ``most`` is how many boxes make one line.
    """

    width: int
    step: int
    line: int
    down: int
    most: int
    left: int
    top: int


# Arrows from the next line pass through the gaps; viewers lay a title over the upper left corner.
OF_DMN = Spacing(width=WIDTH, step=240, line=120, down=260, most=16, left=40, top=120)


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle of the diagram by its upper left corner, in pixels."""

    x: int
    y: int


def lay_out(needs: Mapping[str, Sequence[str]], spacing: Spacing = OF_DMN) -> dict[str, Box]:
    """A place for every node; ``needs`` maps each to the nodes that it requires.

    Nodes that no other requires make the upper row. Within a row a node stands near its neighbours. A row of many nodes
    is dealt out to several lines, which are shifted against each other.
    """
    users: dict[str, list[str]] = {name: [] for name in needs}
    for name, below in needs.items():
        for need in below:
            users[need].append(name)
    level: dict[str, int] = {}

    def level_of(name: str) -> int:
        if name not in level:
            level[name] = 1 + max((level_of(user) for user in users[name]), default=-1)
        return level[name]

    lowest = max((level_of(name) for name in needs), default=0)
    rows = [[name for name in needs if level[name] == number] for number in range(lowest + 1)]
    neighbours = {name: [*needs[name], *users[name]] for name in needs}
    place = {name: _share(index, row) for row in rows for index, name in enumerate(row)}
    for sweep in range(_SWEEPS):
        for row in rows if sweep % 2 else reversed(rows):
            row.sort(key=lambda name: _mean([place[other] for other in neighbours[name]], place[name]))
            place |= {name: _share(index, row) for index, name in enumerate(row)}
    lines = [-(-len(row) // spacing.most) for row in rows]
    breadth = spacing.step * max((-(-len(row) // count) for row, count in zip(rows, lines, strict=True)), default=0)
    boxes = {}
    top = spacing.top
    for row, count in zip(rows, lines, strict=True):
        for index, name in enumerate(row):
            left = spacing.left + int(place[name] * breadth - spacing.width / 2)
            boxes[name] = Box(left, top + index % count * spacing.line)
        top += (count - 1) * spacing.line + spacing.down
    return boxes


def _share(index: int, row: Sequence[str]) -> float:
    """The place of a node in its row, from 0 (left) to 1 (right)."""
    return (index + 0.5) / len(row)


def _mean(values: Sequence[float], otherwise: float) -> float:
    return sum(values) / len(values) if values else otherwise
