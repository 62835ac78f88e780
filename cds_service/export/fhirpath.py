"""Cells and rules as FHIRPath conditions over a Parameters resource.

Each fact or definition is a parameter of that name with a part ``state`` and, if the state is ``value``, a part
``value``; a number has ``low``, ``high``, ``lowOpen`` and ``highOpen`` instead, without the parts of an end that is
unbounded (Z19, Z34). Criteria stand in ``exists()``, so that an empty result is false. Terms are those of
https://hl7.org/fhirpath/N1/.
"""

from __future__ import annotations

from collections.abc import Sequence

from cds_service.content.model import Rule
from cds_service.content.unary import Cell
from cds_service.export.columns import Column, number, strings
from cds_service.vocabulary.facts import Interval, State


def cell_condition(cell: Cell, column: Column) -> str:
    """Whether a fact fits a cell of a table, as a FHIRPath expression that is true or false."""
    condition = lone_condition(cell, column.name)
    if State.UNDECIDABLE not in cell.states or not column.intervals:
        return condition
    fact = _fact(column.name)
    overlaps = " or ".join(_overlaps(interval) for interval in column.intervals)
    within = " or ".join(_within(interval) for interval in column.intervals)
    across = f"{fact}.exists({_is('state', [State.VALUE])} and ({overlaps})) and {fact}.exists({within}).not()"
    return f"{condition} or ({across})"


def lone_condition(cell: Cell, name: str) -> str:
    """Whether a fact fits a cell that is in no column, as conditions of suggestions are: no range is undecidable."""
    tests = []
    if cell.strings:
        tests.append(_is("value", [text for text in strings(cell) if text in cell.strings]))
    if cell.excluded:
        excluded = [text for text in strings(cell) if text in cell.excluded]
        tests.append(f"({_is('state', [State.VALUE])} and ({_is('value', excluded)}).not())")
    tests += [_within(interval) for interval in cell.intervals]
    if cell.states:
        tests.append(_is("state", [state for state in State if state in cell.states]))
    return f"{_fact(name)}.exists({' or '.join(tests)})"


def rule_condition(rule: Rule, table: Sequence[Column]) -> str:
    """Whether every cell of a rule fits, as a FHIRPath expression that is true or false."""
    cells = zip(rule.cells, table, strict=True)
    fits = [f"({cell_condition(cell, column)})" for cell, column in cells if cell is not None]
    return " and ".join(fits) or "true"


def text_literal(text: str) -> str:
    """A FHIRPath string."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _fact(name: str) -> str:
    return f"parameter.where(name = {text_literal(name)})"


def _part(name: str) -> str:
    return f"part.where(name = '{name}').value"


def _is(part: str, texts: Sequence[str]) -> str:
    literals = " | ".join(map(text_literal, texts))
    return f"{_part(part)} in ({literals})" if len(texts) > 1 else f"{_part(part)} = {literals}"


def _within(interval: Interval) -> str:
    tests = []
    if interval.low is not None:
        low = number(interval.low)
        open_at = f" or ({_part('low')} = {low} and {_part('lowOpen')})"
        tests.append(f"({_part('low')} > {low}{open_at})" if interval.low_open else f"{_part('low')} >= {low}")
    if interval.high is not None:
        high = number(interval.high)
        open_at = f" or ({_part('high')} = {high} and {_part('highOpen')})"
        tests.append(f"({_part('high')} < {high}{open_at})" if interval.high_open else f"{_part('high')} <= {high}")
    return tests[0] if len(tests) == 1 else f"({' and '.join(tests)})"


def _overlaps(interval: Interval) -> str:
    tests = []
    if interval.low is not None:
        low = number(interval.low)
        touching = "" if interval.low_open else f" or ({_part('high')} = {low} and {_part('highOpen')}.not())"
        tests.append(f"({_part('high')}.empty() or {_part('high')} > {low}{touching})")
    if interval.high is not None:
        high = number(interval.high)
        touching = "" if interval.high_open else f" or ({_part('low')} = {high} and {_part('lowOpen')}.not())"
        tests.append(f"({_part('low')}.empty() or {_part('low')} < {high}{touching})")
    return tests[0] if len(tests) == 1 else f"({' and '.join(tests)})"
