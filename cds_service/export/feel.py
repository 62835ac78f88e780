"""Inputs and cells of tables in FEEL; an exported table looks like the one that was written.

A fact with texts becomes one column: the text, or the state in brackets, so that the state ``"(unknown)"`` differs from
a value ``"unknown"``. A fact with numbers becomes two columns, the number (null if there is none) and the state,
because FEEL engines disagree about comparing a text with a number. So ``< 25``, ``[25..50]`` and ``"IM", "SC"`` stay as
they are.

FEEL cannot compare a range with a number. The input expression replaces a range by a number that lies in the same
cells, or by null and ``"(undecidable)"`` if the range lies across a threshold and in no cell of the column (Z19).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cds_service.content.domains import SILENT, SPEAKS
from cds_service.content.unary import Cell
from cds_service.export.columns import Column, number, strings
from cds_service.vocabulary.facts import Interval, State

_OUTSIDE = '"(outside)"'  # the token for a range that touches no cell of the column
_NOT_VALUES = tuple(state for state in State if state is not State.VALUE)


@dataclass(frozen=True, slots=True)
class Clause:
    """One input of a DMN table: its FEEL type, its input expression, and the unary tests of each rule."""

    part: str
    label: str
    type: str
    expression: str
    entries: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _RangeGroup:
    """The ranges that lie in just these ``intervals`` of a column.

    ``stand_in`` is a number that lies in the same cells; if it is ``""`` there is none, and ``token`` stands for them.
    """

    intervals: frozenset[Interval]
    stand_in: str
    token: str


def clauses(column: Column, name: str, cells: Sequence[Cell | None]) -> list[Clause]:
    """The inputs that one column becomes. ``name`` is its fact in FEEL; ``cells`` has one cell for each rule."""
    if column.is_card:
        expression = f'if {name} = null or {name}.indicator = "{SILENT}" then "{SILENT}" else "{SPEAKS}"'
        return [Clause("text", column.label, "string", expression, tuple(map(_text_entry, cells)))]
    if column.is_decision:
        expression = f"if {name} = null then {_state(State.ABSENT)} else {name}"
        return [Clause("text", column.label, "string", expression, tuple(map(_text_entry, cells)))]
    if not column.is_numeric:
        expression = f'if {name}.state = "value" then {name}.value else "(" + {name}.state + ")"'
        return [Clause("text", column.label, "string", expression, tuple(map(_text_entry, cells)))]
    groups = _groups(column)
    value = Clause(
        "number", column.label, "number", _value(name, groups), tuple(_number_entry(c, groups) for c in cells)
    )
    entries = tuple(_state_entry(cell, groups) for cell in cells)
    if all(entry == "-" for entry in entries):
        return [value]
    return [value, Clause("state", f"{column.label}: state", "string", _state_of(column, name, groups), entries)]


def quoted(text: str) -> str:
    """A FEEL string."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def interval_text(interval: Interval) -> str:
    """An interval of a cell as a unary test. It has at least one bound."""
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


def _number_entry(cell: Cell | None, groups: Sequence[_RangeGroup]) -> str:
    if cell is None or not cell.intervals:
        return "-"
    without = ["null"] if cell.states or _tokens(cell, groups) else []
    return ", ".join([*map(interval_text, cell.intervals), *without])


def _state_entry(cell: Cell | None, groups: Sequence[_RangeGroup]) -> str:
    if cell is None:
        return "-"
    named = [*_tokens(cell, groups), *_states(cell)]
    if not cell.intervals:
        return ", ".join(named) or "false"
    return ", ".join([_state(State.VALUE), *named]) if named else "-"


def _tokens(cell: Cell, groups: Sequence[_RangeGroup]) -> list[str]:
    """The tokens of the groups of ranges that lie in a cell."""
    return [group.token for group in groups if not group.stand_in and group.intervals & set(cell.intervals)]


# --- ranges -----------------------------------------------------------------------------------------------------


def _value(name: str, groups: Sequence[_RangeGroup]) -> str:
    lines = [
        f'if {name}.state != "value" then null',
        f"else if {name}.low != null and {name}.low = {name}.high then {name}.low",
        *(f"else if {_within(name, _intersection(g.intervals))} then {g.stand_in or 'null'}" for g in groups),
    ]
    return "\n".join([*lines, "else null"])


def _state_of(column: Column, name: str, groups: Sequence[_RangeGroup]) -> str:
    value = _state(State.VALUE)
    lines = [
        f'if {name}.state != "value" then "(" + {name}.state + ")"',
        f"else if {name}.low != null and {name}.low = {name}.high then {value}",
    ]
    for group in groups:
        state = value if group.stand_in else group.token
        lines.append(f"else if {_within(name, _intersection(group.intervals))} then {state}")
    outer = [i for i in column.intervals if not any(i != other and i.within(other) for other in column.intervals)]
    if outer and _covers_all(column):
        return "\n".join([*lines, f"else {_state(State.UNDECIDABLE)}"])
    if outer:
        overlaps = " or ".join(_overlaps(name, interval) for interval in outer)
        lines.append(f"else if {overlaps} then {_state(State.UNDECIDABLE)}")
    return "\n".join([*lines, f"else {_OUTSIDE}"])


def _groups(column: Column) -> list[_RangeGroup]:
    """The sets of intervals that one range can lie in at the same time, the largest sets first."""
    sets = {
        frozenset(interval for interval in column.intervals if probe.value.within(interval))
        for probe in column.probes
        if isinstance(probe.value, Interval)
    }
    common = {intervals: _intersection(intervals) for intervals in sets if intervals}
    return [
        _RangeGroup(intervals, _stand_in(column, intervals), quoted(f"(in {interval_text(common[intervals])})"))
        for intervals in sorted(common, key=lambda intervals: (-len(intervals), interval_text(common[intervals])))
        if not common[intervals].is_point  # only a number lies in a point, and numbers are not replaced
    ]


def _intersection(intervals: Iterable[Interval]) -> Interval:
    """The intersection of intervals, which must not be empty."""
    intervals = list(intervals)
    lows = [(interval.low, interval.low_open) for interval in intervals if interval.low is not None]
    highs = [(interval.high, not interval.high_open) for interval in intervals if interval.high is not None]
    low, low_open = max(lows, default=(None, False))
    high, high_closed = min(highs, default=(None, True))
    return Interval(low, high, low_open, not high_closed)


def _stand_in(column: Column, intervals: frozenset[Interval]) -> str:
    """A number that fits the same cells as a range that lies in just these intervals; ``""`` if there is none."""
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
    """Whether every number lies in some interval of the column's cells."""
    points = [p.value for p in column.probes if isinstance(p.value, Interval) and p.value.is_point]
    return all(any(point.within(interval) for interval in column.intervals) for point in points)


def _within(name: str, interval: Interval) -> str:
    """FEEL for: the whole range lies in the interval. A bound that is null (unbounded) compares as not true."""
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
