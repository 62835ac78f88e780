"""The content as a person reads it: tables, statements, value sets, the proof. Imports content and the replay."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import yaml
from markupsafe import Markup, escape

from cds_service.content.model import PLACEHOLDER, Decision, Pack, Rule
from cds_service.content.proof.cells import rules_by_cell
from cds_service.replay.scenarios import read_scenarios

_MOST_CELLS = 1500
_PIECES = re.compile(f"({PLACEHOLDER.pattern.replace('(', '(?:', 1)})")


@dataclass(frozen=True, slots=True)
class Column:
    """One input of a table: its name, its words and unit, and the decision that it comes from, if from one."""

    name: str
    label: str
    unit: str
    decision: str


@dataclass(frozen=True, slots=True)
class Row:
    """One rule. ``says`` is its output in words, ``preview`` the card with its placeholders marked."""

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


@dataclass(frozen=True, slots=True)
class Strip:
    """One line of the picture of the proof: what its inputs are, and the rule that each cell falls to."""

    label: str
    cells: tuple[tuple[str, int, str], ...]  # what the last input is, the rule's index, the rule's id


@dataclass(frozen=True, slots=True)
class Proof:
    """Every cell of a table. ``strips`` is empty where there are too many to draw."""

    last: str
    words: tuple[str, ...]
    strips: tuple[Strip, ...]
    count: int


def columns_of(pack: Pack, decision: Decision) -> list[Column]:
    """The inputs of a table."""
    columns = []
    for name in decision.inputs:
        fact = pack.facts.get(name)
        if fact is None:
            columns.append(Column(name, pack.decisions[name].title, "", name))
        else:
            unit = fact.analyte.canonical if fact.analyte is not None else fact.unit
            columns.append(Column(name, fact.label, unit, ""))
    return columns


def rows_of(pack: Pack, decision: Decision, scenarios: Mapping[str, Sequence[str]]) -> list[Row]:
    """The rules of a table; ``scenarios`` maps topics to the scenarios that expect their card."""
    return [_row(pack, decision, rule, scenarios) for rule in decision.rules]


def _row(pack: Pack, decision: Decision, rule: Rule, scenarios: Mapping[str, Sequence[str]]) -> Row:
    then = rule.then
    text = decision.texts.get(then.text)
    says = then.value or ("silent" if then.silent else "")
    statement = pack.statements.get(rule.statement)
    return Row(
        id=rule.id,
        cells=tuple("-" if cell is None else cell.source for cell in rule.cells),
        indicator=then.indicator,
        says=_marked_line(says or (text.summary or text.detail if text else "")),
        is_silent=then.silent,
        preview=_marked(f"{text.summary}\n{text.detail}" if text else says),
        suggestions=tuple(text.labels[one.id] for one in then.suggestions) if text else (),
        statement=rule.statement,
        quote=statement.quote if statement else "",
        basis=rule.basis,
        settles=rule.settles,
        scenarios=tuple(scenarios.get(decision.id + rule.id, ())),
    )


def _marked(text: str) -> Markup:
    """Paragraphs with their placeholders as elements of their own."""
    return Markup().join(Markup("<p>{}</p>").format(_marked_line(line)) for line in text.strip().splitlines())


def _marked_line(text: str) -> Markup:
    pieces = _PIECES.split(text)
    return Markup().join(
        Markup("<var>{}</var>").format(piece[1:-1]) if PLACEHOLDER.fullmatch(piece) else escape(piece)
        for piece in pieces
    )


def proof_of(pack: Pack, decision: Decision) -> Proof | None:
    """The proof of a table as a picture; ``None`` if it has too many cells to look at."""
    found = rules_by_cell(pack, decision, _MOST_CELLS)
    if found is None or not found.axes:
        return None
    *others, (last, words) = found.axes
    strips = []
    for number, combination in enumerate(product(*(axis for _, axis in others))):
        cells = found.cells[number * len(words) : (number + 1) * len(words)]
        label = ", ".join(f"{name} {word}" for (name, _), word in zip(others, combination, strict=True))
        named = [decision.rules[index].id if index >= 0 else "" for index in cells]
        strips.append(Strip(label, tuple(zip(words, cells, named, strict=True))))
    return Proof(last, words, tuple(strips), len(found.cells))


def scenarios_by_topic(fixtures: Path) -> dict[str, list[str]]:
    """The scenarios that expect each card."""
    found: dict[str, list[str]] = {}
    for scenario in read_scenarios(fixtures):
        for card in scenario.expect if isinstance(scenario.expect, list) else ():
            found.setdefault(card["topic"], []).append(scenario.name)
    return found


def value_set_as_written(cards: Path, pack: Pack, name: str) -> dict[str, Any]:
    """The file of a value set, with where each code was verified; the site's own codes stand beside it."""
    told: dict[str, Any] = yaml.safe_load((cards / pack.id / "value-sets" / f"{name}.yaml").read_text(encoding="utf-8"))
    local = [concept for concept in pack.value_sets[name].codes.values() if concept.local]
    return told | {"local": local}
