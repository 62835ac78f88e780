"""Cells and inputs in FEEL, such that a table looks as it is written. Imports ``content`` and this room.

What a cell is tested against is the text or the number that a fact holds, or its state in brackets: ``"(absent)"``.
So ``< 25``, ``[25..50]`` and ``"IM","SC"`` stay what they are, and the state ``unknown`` is no value ``"unknown"``. A
range has no order with a number in FEEL, so the input expression puts in its place a number that lies in the same
cells, or ``"(undecidable)"`` if it lies across an edge and in no cell of the column (Z19).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

from cds_service.content.unary import Cell
from cds_service.export.columns import Column, number, strings
from cds_service.facts import Interval, State

_OUTSIDE = '"(outside)"'  # a range that touches no cell of the column
_NOT_VALUES = tuple(state for state in State if state is not State.VALUE)


@dataclass(frozen=True, slots=True)
class Reading:
    """How FEEL reads one column: the input expression, and for each cell the tests that stand for its ranges."""

    expression: str
    tokens: tuple[tuple[frozenset[Interval], str], ...] = ()


def read_column(column: Column, name: str) -> Reading:
    """The input expression of a column whose fact bears the FEEL name ``name``."""
    if column.is_decision:
        return Reading(f"if {name} = null then {_state(State.ABSENT)} else {name}")
    start = f'if {name}.state != "value" then "(" + {name}.state + ")"'
    if not column.is_numeric:
        return Reading(f"{start}\nelse {name}.value")
    lines = [start, f"else if {name}.low != null and {name}.low = {name}.high then {name}.low"]
    tokens: list[tuple[frozenset[Interval], str]] = []
    for held in _signatures(column):
        common = _intersection(held)
        if common.is_point:
            continue  # no range but a point lies in it
        stand_in = _stand_in(column, held)
        if stand_in is None:
            stand_in = quoted(f"({interval_text(common)})")
            tokens.append((held, stand_in))
        lines.append(f"else if {_within(name, common)} then {stand_in}")
    outside = f"else {_OUTSIDE}"
    outer = [i for i in column.intervals if not any(i != other and i.within(other) for other in column.intervals)]
    if outer and _covers_all(column):
        outside = f"else {_state(State.UNDECIDABLE)}"
    elif outer:
        overlaps = " or ".join(_overlaps(name, interval) for interval in outer)
        lines.append(f"else if {overlaps} then {_state(State.UNDECIDABLE)}")
    return Reading("\n".join([*lines, outside]), tuple(tokens))


def cell_text(cell: Cell | None, column: Column, reading: Reading) -> str:
    """A cell as unary tests: as it is written, states in brackets and quotes."""
    if cell is None:
        return "-"
    if cell.excluded and not column.is_numeric:
        others = [state for state in _NOT_VALUES if state not in cell.states]
        ruled_out = [text for text in strings(cell) if text not in cell.strings]
        return f"not({', '.join([*map(quoted, ruled_out), *map(_state, others)])})"
    tests = [quoted(text) for text in strings(cell) if not column.is_numeric]
    tests += [interval_text(interval) for interval in cell.intervals if column.is_numeric]
    tests += [token for held, token in reading.tokens if held & set(cell.intervals)]
    tests += [_state(state) for state in State if state in cell.states]
    return ", ".join(tests) or "false"


def quoted(text: str) -> str:
    """A FEEL string."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def interval_text(interval: Interval) -> str:
    """An interval of a cell as a unary test. A cell has at least one end."""
    low, high = interval.low, interval.high
    if low is not None and high is not None:
        if low == high:
            return number(low)
        opening, closing = "(" if interval.low_open else "[", ")" if interval.high_open else "]"
        return f"{opening}{number(low)}..{number(high)}{closing}"
    if high is not None:
        return f"{'<' if interval.high_open else '<='} {number(high)}"
    return f"{'>' if interval.low_open else '>='} {number(low or Fraction(0))}"


def _state(state: State) -> str:
    return quoted(f"({state})")


def _signatures(column: Column) -> list[frozenset[Interval]]:
    """Which intervals of the cells can hold one range together, the most at once first."""
    held = {
        frozenset(interval for interval in column.intervals if probe.value.within(interval))
        for probe in column.probes
        if isinstance(probe.value, Interval)
    }
    return sorted(filter(None, held), key=lambda one: (-len(one), interval_text(_intersection(one))))


def _intersection(intervals: Iterable[Interval]) -> Interval:
    """What all of them have in common; they must meet."""
    intervals = list(intervals)
    lows = [(one.low, one.low_open) for one in intervals if one.low is not None]
    highs = [(one.high, not one.high_open) for one in intervals if one.high is not None]
    low, low_open = max(lows, default=(None, False))
    high, high_closed = min(highs, default=(None, True))
    return Interval(low, high, low_open, not high_closed)


def _stand_in(column: Column, held: frozenset[Interval]) -> str | None:
    """A number that fits the same cells as a range that lies in just these intervals; there may be none."""
    for probe in column.probes:
        value = probe.value
        if (
            isinstance(value, Interval)
            and value.is_point
            and all(cell.matches(probe) == bool(held & set(cell.intervals)) for cell in column.cells)
        ):
            return number(value.low or Fraction(0))
    return None


def _covers_all(column: Column) -> bool:
    points = [p.value for p in column.probes if isinstance(p.value, Interval) and p.value.is_point]
    return all(any(point.within(interval) for interval in column.intervals) for point in points)


def _within(name: str, interval: Interval) -> str:
    """FEEL for: the whole range lies in the interval. A comparison with the horizon, null, is not true."""
    tests = []
    if interval.low is not None:
        low = number(interval.low)
        tests.append(
            f"({name}.low > {low} or ({name}.low = {low} and {name}.lowOpen))"
            if interval.low_open
            else f"{name}.low >= {low}"
        )
    if interval.high is not None:
        high = number(interval.high)
        tests.append(
            f"({name}.high < {high} or ({name}.high = {high} and {name}.highOpen))"
            if interval.high_open
            else f"{name}.high <= {high}"
        )
    return " and ".join(tests)


def _overlaps(name: str, interval: Interval) -> str:
    """FEEL for: some of the range lies in the interval."""
    tests = []
    if interval.low is not None:
        low = number(interval.low)
        touching = "" if interval.low_open else f" or ({name}.high = {low} and not({name}.highOpen))"
        tests.append(f"({name}.high = null or {name}.high > {low}{touching})")
    if interval.high is not None:
        high = number(interval.high)
        touching = "" if interval.high_open else f" or ({name}.low = {high} and not({name}.lowOpen))"
        tests.append(f"({name}.low = null or {name}.low < {high}{touching})")
    return f"({' and '.join(tests)})"
