"""Where the boxes of a decision requirements diagram stand: each a row below the lowest that rests on it.

Imports the standard library only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 170, 55
_STEP, _DOWN = 190, 170  # from box to box in the fullest row; from row to row
_LEFT, _TOP = 40, 120  # room for the title that viewers lay over the corner
_SWEEPS = 8


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle of the diagram by its upper left corner."""

    x: int
    y: int


def lay_out(needs: Mapping[str, Sequence[str]]) -> dict[str, Box]:
    """A place for every node; ``needs`` names what each rests on.

    What nothing rests on makes the upper row. Within a row a node stands near its neighbours.
    """
    users: dict[str, list[str]] = {name: [] for name in needs}
    for name, below in needs.items():
        for need in below:
            users[need].append(name)
    level: dict[str, int] = {}

    def find(name: str) -> int:
        if name not in level:
            level[name] = 1 + max((find(user) for user in users[name]), default=-1)
        return level[name]

    lowest = max((find(name) for name in needs), default=0)
    rows = [[name for name in needs if level[name] == number] for number in range(lowest + 1)]
    neighbours = {name: [*needs[name], *users[name]] for name in needs}
    place = {name: _share(index, row) for row in rows for index, name in enumerate(row)}
    for sweep in range(_SWEEPS):
        for row in rows if sweep % 2 else reversed(rows):
            row.sort(key=lambda name: _mean([place[other] for other in neighbours[name]], place[name]))
            place |= {name: _share(index, row) for index, name in enumerate(row)}
    breadth = _STEP * max((len(row) for row in rows), default=0)
    return {
        name: Box(_LEFT + int(place[name] * breadth - WIDTH / 2), _TOP + number * _DOWN)
        for number, row in enumerate(rows)
        for name in row
    }


def _share(index: int, row: Sequence[str]) -> float:
    return (index + 0.5) / len(row)


def _mean(values: Sequence[float], otherwise: float) -> float:
    return sum(values) / len(values) if values else otherwise
