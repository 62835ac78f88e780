"""A decision table as a person reads it: its columns, its rules, and the proof that every case falls to a rule."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product

from markupsafe import Markup, escape

from cds_service.content.model import PLACEHOLDER, Decision, Pack, Rule, Withdrawal
from cds_service.content.proof.cells import rules_by_cell

_MOST_CELLS = 1500
_PIECES = re.compile(f"({PLACEHOLDER.pattern.replace('(', '(?:', 1)})")


@dataclass(frozen=True, slots=True)
class ShownColumn:
    """One input of a table: its name, its words and unit. ``decision`` is the decision it comes from, if any."""

    name: str
    label: str
    unit: str
    decision: str


@dataclass(frozen=True, slots=True)
class ShownRule:
    """One rule. ``says`` is its output in words, ``preview`` its card with the placeholders marked, as HTML.

    ``withdrawn`` says why the site does not show it, ``None`` if it does.
    """

    id: str
    cells: tuple[str, ...]
    indicator: str
    says: Markup
    is_silent: bool
    preview: Markup
    suggestions: tuple[str, ...]
    statement: str
    quote: str
    basis: str
    settles: tuple[str, ...]
    scenarios: tuple[str, ...]
    withdrawn: Withdrawal | None


@dataclass(frozen=True, slots=True)
class Strip:
    """One line of the picture of the proof: all inputs but the last, and the rule that each cell falls to.

    A cell is a value of the last input, the index of the rule, and its id; -1 and ``""`` where no rule holds.
    """

    label: str
    cells: tuple[tuple[str, int, str], ...]


@dataclass(frozen=True, slots=True)
class Proof:
    """Every cell of a table: ``words`` are the values of its last input, ``count`` is the number of cells."""

    last: str
    words: tuple[str, ...]
    strips: tuple[Strip, ...]
    count: int


def columns_of(pack: Pack, decision: Decision) -> list[ShownColumn]:
    """The inputs of a table."""
    columns = []
    for name in decision.inputs:
        fact = pack.facts.get(name)
        if fact is None:
            columns.append(ShownColumn(name, pack.decisions[name].title, "", name))
        else:
            unit = fact.analyte.canonical if fact.analyte is not None else fact.unit
            columns.append(ShownColumn(name, fact.label, unit, ""))
    return columns


def rows_of(pack: Pack, decision: Decision, scenarios: Mapping[str, Sequence[str]]) -> list[ShownRule]:
    """The rules of a table; ``scenarios`` maps topics to the scenarios that expect their card."""
    return [_row(pack, decision, rule, scenarios) for rule in decision.rules]


def _row(pack: Pack, decision: Decision, rule: Rule, scenarios: Mapping[str, Sequence[str]]) -> ShownRule:
    then = rule.then
    text = decision.texts.get(then.text)
    says = then.value or ("silent" if then.silent else "")
    statement = pack.statements.get(rule.statement)
    return ShownRule(
        id=rule.id,
        cells=tuple("-" if cell is None else cell.source for cell in rule.cells),
        indicator=then.indicator,
        says=_marked_line(says or (text.summary or text.detail if text else "")),
        is_silent=then.silent,
        preview=_marked(f"{text.summary}\n{text.detail}" if text else says),
        suggestions=tuple(text.labels[suggestion.id] for suggestion in then.suggestions) if text else (),
        statement=rule.statement,
        quote=statement.quote if statement else "",
        basis=rule.basis,
        settles=rule.settles,
        scenarios=tuple(scenarios.get(decision.id + rule.id, ())),
        withdrawn=rule.withdrawn,
    )


def _marked(text: str) -> Markup:
    """Text as HTML paragraphs, its placeholders as ``var`` elements."""
    return Markup().join(Markup("<p>{}</p>").format(_marked_line(line)) for line in text.strip().splitlines())


def _marked_line(text: str) -> Markup:
    pieces = _PIECES.split(text)
    return Markup().join(
        Markup("<var>{}</var>").format(piece[1:-1]) if PLACEHOLDER.fullmatch(piece) else escape(piece)
        for piece in pieces
    )


def proof_of(pack: Pack, decision: Decision) -> Proof | None:
    """The proof of a table as a picture; ``None`` if it has too many cells to draw, or no input."""
    covered = rules_by_cell(pack, decision, _MOST_CELLS)
    if covered is None or not covered.axes:
        return None
    *others, (last, words) = covered.axes
    strips = []
    for number, combination in enumerate(product(*(axis for _, axis in others))):
        cells = covered.cells[number * len(words) : (number + 1) * len(words)]
        label = ", ".join(f"{name} {word}" for (name, _), word in zip(others, combination, strict=True))
        named = [decision.rules[index].id if index >= 0 else "" for index in cells]
        strips.append(Strip(label, tuple(zip(words, cells, named, strict=True))))
    return Proof(last, words, tuple(strips), len(covered.cells))
