"""A decision table in words for people: labels for ids, sentences for cells, units as people write them (Z76).

A guard that all rules of a table repeat is said once, and the rules that ``expand`` adds are left out: they say nothing
where the table does not apply.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce

from cds_service.content.look_backs import look_back_in_words
from cds_service.content.model import Decision, HospitalLimit, Pack, Rule, TemplateWords
from cds_service.content.rule_words import Piece, pieces_of
from cds_service.content.unary import Cell
from cds_service.content.value_words import cell_in_words, label_of, unit_in_words, value_in_words
from cds_service.content.whose import hospital_limits_of


@dataclass(frozen=True, slots=True)
class InputWords:
    """One input of a table: ``unit`` as people write it, ``decision`` where it comes from, ``""`` for a fact.

    ``place`` is its place among the inputs of the decision, ``look_back`` how far back it is read, in words.
    """

    name: str
    label: str
    unit: str
    decision: str
    place: int
    look_back: str


@dataclass(frozen=True, slots=True)
class CellWords:
    """One cell: its ``words``, ``""`` where the rule does not ask, and ``written``, the unary test itself."""

    words: str
    written: str


@dataclass(frozen=True, slots=True)
class Guard:
    """What every rule of a table asks of one input, or at the least one of its rules does."""

    input: InputWords
    cell: CellWords


@dataclass(frozen=True, slots=True)
class RowWords:
    """One rule: its cells in the order of the columns, and what it says in ``then`` and, of a card, in ``detail``.

    ``severity`` is the indicator of a card, ``""`` for a definition, for a note and where nothing is said. ``limits``
    are this hospital's own limits that it decides by or shows.
    """

    rule: Rule
    severity: str
    then: tuple[Piece, ...]
    detail: tuple[Piece, ...]
    cells: tuple[CellWords, ...]
    limits: tuple[HospitalLimit, ...]


@dataclass(frozen=True, slots=True)
class TableWords:
    """A table: what all its rules ask alike, the inputs on which they differ, and its rules.

    ``is_silent_otherwise`` tells that it says nothing where the guards do not hold.
    """

    guards: tuple[Guard, ...]
    columns: tuple[InputWords, ...]
    rules: tuple[RowWords, ...]
    is_silent_otherwise: bool

    def asked(self, rule: RowWords) -> list[tuple[InputWords, CellWords]]:
        """What one of the rules asks, each cell with its input."""
        return [(column, cell) for column, cell in zip(self.columns, rule.cells, strict=True) if cell.words]


def table_in_words(pack: Pack, regimens: Mapping[str, TemplateWords], decision: Decision) -> TableWords:
    """A decision as people read it; ``regimens`` are the pack's order templates in words, by id."""
    written = [rule for rule in decision.rules if not rule.is_added]
    guarded = {rule.id.partition(".")[2] for rule in decision.rules if rule.is_added}
    guards: dict[str, Cell] = {}
    columns: list[InputWords] = []
    inputs = [input_in_words(pack, name, place) for place, name in enumerate(decision.inputs)]
    for one in inputs:
        cells = [rule.cells[one.place] for rule in written]
        differs = len({cell and cell.source for cell in cells}) > 1
        shared = _asked_by_all(cells) if one.name in guarded or (len(written) > 1 and not differs) else None
        if shared is not None:
            guards[one.name] = shared
        if any(cells) and (differs or shared is None):
            columns.append(one)
    return TableWords(
        guards=tuple(Guard(one, _cell(pack, one.name, guards[one.name], None)) for one in inputs if one.name in guards),
        columns=tuple(columns),
        rules=tuple(_rule(pack, regimens, decision, rule, columns, guards) for rule in written),
        is_silent_otherwise=bool(guarded),
    )


def _asked_by_all(cells: Sequence[Cell | None]) -> Cell | None:
    """What all rules ask of an input: their cells joined; ``None`` where one of them does not ask."""
    asked = [cell for cell in dict.fromkeys(cells) if cell is not None]
    if None in cells or not asked:
        return None
    if len(asked) > 1 and any(cell.intervals or cell.excluded for cell in asked):
        return None
    return reduce(_either, asked)


def _either(one: Cell, other: Cell) -> Cell:
    source = f"{one.source}, {other.source}"
    return Cell(source, strings=one.strings | other.strings, states=one.states | other.states)


def _rule(
    pack: Pack,
    regimens: Mapping[str, TemplateWords],
    decision: Decision,
    rule: Rule,
    columns: Sequence[InputWords],
    guards: Mapping[str, Cell],
) -> RowWords:
    then = rule.then
    said = detail = ""
    if text := decision.texts.get(then.text):
        said, detail = (text.summary, text.detail) if text.summary else (text.detail, "")
    pieces = pieces_of(pack, regimens, decision, rule, said)
    if not said:
        silent = pack.table_words["says-nothing"]
        pieces = (Piece(silent if then.silent else value_in_words(pack, decision.id, then.value)),)
    return RowWords(
        rule=rule,
        severity=then.indicator,
        then=pieces,
        detail=pieces_of(pack, regimens, decision, rule, detail),
        cells=tuple(_cell(pack, column.name, rule.cells[column.place], guards.get(column.name)) for column in columns),
        limits=hospital_limits_of(pack, decision, rule),
    )


def _cell(pack: Pack, name: str, cell: Cell | None, guard: Cell | None) -> CellWords:
    if cell is None:
        return CellWords("", "-")
    if guard is not None and (cell.strings, cell.states) == (guard.strings, guard.states):
        return CellWords(pack.table_words["as-above"], cell.source)
    return CellWords(cell_in_words(pack, name, cell), cell.source)


def input_in_words(pack: Pack, name: str, place: int = 0) -> InputWords:
    """The label of a fact with its unit, or the title of a decision."""
    decision = name if name in pack.decisions else ""
    return InputWords(
        name, label_of(pack, name), unit_in_words(pack, name), decision, place, look_back_in_words(pack, name)
    )
