"""Inputs and cells in FEEL, such that a table looks as it is written. Imports ``content`` and this room.

A text is one column: what the fact says, or its state in brackets, so that the state ``"(unknown)"`` is no value
``"unknown"``. A number is a column of its own, null where there is none, and has its state beside it: FEEL engines
differ on what comparing a text with a number gives. So ``< 25``, ``[25..50]`` and ``"IM", "SC"`` stay as they are.

A range has no order with a number in FEEL. The input expression puts in its place a number that lies in the same cells,
or none and ``"(undecidable)"`` if it lies across an edge and in no cell of the column (Z19).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cds_service.content.unary import Cell
from cds_service.export.columns import Column, number, strings
from cds_service.vocabulary.facts import Interval, State

_OUTSIDE = '"(outside)"'  # a range that touches no cell of the column
_NOT_VALUES = tuple(state for state in State if state is not State.VALUE)


@dataclass(frozen=True, slots=True)
class Clause:
    """One input of a DMN table: FEEL type, input expression, and the unary tests of each rule."""

    part: str
    label: str
    type: str
    expression: str
    entries: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Held:
    """Ranges that lie in just ``intervals``: the number that stands for them, or if there is none, a text."""

    intervals: frozenset[Interval]
    stand_in: str
    token: str


def clauses(column: Column, name: str, cells: Sequence[Cell | None]) -> list[Clause]:
    """The inputs that one column of ours becomes: ``name`` is its fact in FEEL, ``cells`` has one for each rule."""
    if column.is_decision:
        read = f"if {name} = null then {_state(State.ABSENT)} else {name}"
        return [Clause("text", column.label, "string", read, tuple(map(_text_entry, cells)))]
    if not column.is_numeric:
        read = f'if {name}.state = "value" then {name}.value else "(" + {name}.state + ")"'
        return [Clause("text", column.label, "string", read, tuple(map(_text_entry, cells)))]
    held = _held(column)
    value = Clause("number", column.label, "number", _value(name, held), tuple(_number_entry(c, held) for c in cells))
    entries = tuple(_state_entry(cell, held) for cell in cells)
    if all(entry == "-" for entry in entries):
        return [value]
    return [value, Clause("state", f"{column.label}: state", "string", _state_of(column, name, held), entries)]


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
    return f"{'>' if interval.low_open else '>='} {number(low or 0)}"


# --- cells ------------------------------------------------------------------------------------------------------


def _state(state: State) -> str:
    return quoted(f"({state})")


def _states(cell: Cell) -> list[str]:
    return [_state(state) for state in State if state in cell.states]


def _text_entry(cell: Cell | None) -> str:
    if cell is None:
        return "-"
    if cell.excluded:
        ruled_out = [quoted(text) for text in strings(cell) if text not in cell.strings]
        return f"not({', '.join([*ruled_out, *(_state(s) for s in _NOT_VALUES if s not in cell.states)])})"
    return ", ".join([*map(quoted, strings(cell)), *_states(cell)]) or "false"


def _number_entry(cell: Cell | None, held: Sequence[_Held]) -> str:
    if cell is None or not cell.intervals:
        return "-"
    without = ["null"] if cell.states or _tokens(cell, held) else []
    return ", ".join([*map(interval_text, cell.intervals), *without])


def _state_entry(cell: Cell | None, held: Sequence[_Held]) -> str:
    if cell is None:
        return "-"
    named = [*_tokens(cell, held), *_states(cell)]
    if not cell.intervals:
        return ", ".join(named) or "false"
    return ", ".join([_state(State.VALUE), *named]) if named else "-"


def _tokens(cell: Cell, held: Sequence[_Held]) -> list[str]:
    return [one.token for one in held if not one.stand_in and one.intervals & set(cell.intervals)]


# --- ranges -----------------------------------------------------------------------------------------------------


def _value(name: str, held: Sequence[_Held]) -> str:
    lines = [
        f'if {name}.state != "value" then null',
        f"else if {name}.low != null and {name}.low = {name}.high then {name}.low",
        *(f"else if {_within(name, _common(one.intervals))} then {one.stand_in or 'null'}" for one in held),
    ]
    return "\n".join([*lines, "else null"])


def _state_of(column: Column, name: str, held: Sequence[_Held]) -> str:
    value = _state(State.VALUE)
    lines = [
        f'if {name}.state != "value" then "(" + {name}.state + ")"',
        f"else if {name}.low != null and {name}.low = {name}.high then {value}",
    ]
    for one in held:
        lines.append(f"else if {_within(name, _common(one.intervals))} then {value if one.stand_in else one.token}")
    outer = [i for i in column.intervals if not any(i != other and i.within(other) for other in column.intervals)]
    if outer and _covers_all(column):
        return "\n".join([*lines, f"else {_state(State.UNDECIDABLE)}"])
    if outer:
        overlaps = " or ".join(_overlaps(name, interval) for interval in outer)
        lines.append(f"else if {overlaps} then {_state(State.UNDECIDABLE)}")
    return "\n".join([*lines, f"else {_OUTSIDE}"])


def _held(column: Column) -> list[_Held]:
    """Which intervals of the cells can hold one range together, the most at once first."""
    found = {
        frozenset(interval for interval in column.intervals if probe.value.within(interval))
        for probe in column.probes
        if isinstance(probe.value, Interval)
    }
    common = {one: _common(one) for one in found if one}
    return [
        _Held(one, _stand_in(column, one), quoted(f"(in {interval_text(common[one])})"))
        for one in sorted(common, key=lambda one: (-len(one), interval_text(common[one])))
        if not common[one].is_point  # no range but a point lies in it
    ]


def _common(intervals: Iterable[Interval]) -> Interval:
    """What all of them share; they must meet."""
    intervals = list(intervals)
    lows = [(one.low, one.low_open) for one in intervals if one.low is not None]
    highs = [(one.high, not one.high_open) for one in intervals if one.high is not None]
    low, low_open = max(lows, default=(None, False))
    high, high_closed = min(highs, default=(None, True))
    return Interval(low, high, low_open, not high_closed)


def _stand_in(column: Column, intervals: frozenset[Interval]) -> str:
    """A number that fits the same cells as a range that lies in just these intervals, or ``""``."""
    for probe in column.probes:
        value = probe.value
        if (
            isinstance(value, Interval)
            and value.low is not None
            and value.is_point
            and all(cell.matches(probe) == bool(intervals & set(cell.intervals)) for cell in column.cells)
        ):
            return number(value.low)
    return ""


def _covers_all(column: Column) -> bool:
    points = [p.value for p in column.probes if isinstance(p.value, Interval) and p.value.is_point]
    return all(any(point.within(interval) for interval in column.intervals) for point in points)


def _within(name: str, interval: Interval) -> str:
    """FEEL for: the whole range lies in the interval. A comparison with null, the horizon, is not true."""
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
