"""Rounds in which every row of the bench has its turn; a row that cannot be measured does not end the run."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from tests.load.bench.goals import Figures, Row

Turn = Callable[[int], Mapping[str, Figures]]
"""Measures a row once, in the round of that number: the figures by who was measured."""
_LONGEST_REASON = 200


def measured_in_turns(
    rows: Mapping[Row, Callable[[], Turn]], rounds: int
) -> tuple[dict[str, dict[str, list[Figures]]], dict[str, str]]:
    """The figures of each row by its name, and why the others are left out.

    Each of ``rows`` is made ready first. Then come ``rounds`` rounds in which each is measured once, after one that
    warms up, whose number is -1. A row that fails, be it once, is left out with the reason.
    """
    left_out: dict[str, str] = {}
    ready: dict[str, Turn] = {}
    for row, make in rows.items():
        try:
            ready[row.name] = make()
        except Exception as error:
            left_out[row.name] = reason(error)
    found: dict[str, dict[str, list[Figures]]] = {name: {} for name in ready}
    for number in range(-1, rounds):
        for name in [name for name in ready if name not in left_out]:
            try:
                figures = ready[name](number)
            except Exception as error:
                left_out[name] = reason(error)
                continue
            if number >= 0:
                for who, one in figures.items():
                    found[name].setdefault(who, []).append(one)
        print(f"round {number + 1} of {rounds}", file=sys.stderr)
    return {name: by_who for name, by_who in found.items() if name not in left_out}, left_out


def reason(error: Exception) -> str:
    """Why something could not be measured, in one short line; the end of what a program said if one failed."""
    words = str(error) or type(error).__name__
    if isinstance(error, subprocess.CalledProcessError):
        said = " ".join((error.stderr or "").split())
        words = f"{Path(error.cmd[0]).name} failed with status {error.returncode}: {said[-_LONGEST_REASON:]}"
    return " ".join(words.replace("|", "/").split())
