"""A decision table as a page shows it: its rules in words, one request in it, and the proof that it is complete."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product

from markupsafe import Markup, escape

from cds_service.console.plain_words import fact_in_words
from cds_service.content.model import Decision, Pack, TemplateWords
from cds_service.content.proof.cells import rules_by_cell
from cds_service.content.rule_words import Piece
from cds_service.content.table_words import CellWords, Guard, InputWords, RowWords, table_in_words
from cds_service.content.value_words import label_of
from cds_service.judge.evaluate import Answer
from cds_service.replay.scenario import Scenario
from cds_service.vocabulary.facts import Fact

_MOST_CELLS = 1500
_BASES: Mapping[str, str] = {"source": "the source", "reading": "our reading", "hospital": "this hospital"}
_OWN_LIMIT = ", at this hospital's own limit"


@dataclass(frozen=True, slots=True)
class ShownRule:
    """One rule. ``kind`` is its severity, ``silent``, or ``""`` for a value or a note; ``then`` and ``detail`` are
    HTML.

    ``number`` is its place in the table from 1 on, ``basis`` whose word it is, in words; ``scenarios`` are those that
    expect its card, and ``is_lit`` tells that it fired in the request that is looked at. ``is_first_on`` tells that no
    rule above it rests on the same statement, whose sentence, ``quote``, a table need not say again.
    """

    words: RowWords
    number: int
    kind: str
    then: Markup
    detail: Markup
    cells: tuple[tuple[InputWords, CellWords], ...]
    suggestions: tuple[str, ...]
    quote: str
    is_first_on: bool
    place: str
    basis: str
    scenarios: tuple[Scenario, ...]
    is_lit: bool

    @property
    def id(self) -> str:
        return self.words.rule.id


@dataclass(frozen=True, slots=True)
class ShownTable:
    """A table: the guards of all rules, the inputs on which they differ, the rules."""

    guards: tuple[Guard, ...]
    columns: tuple[InputWords, ...]
    rules: tuple[ShownRule, ...]
    is_silent_otherwise: bool


@dataclass(frozen=True, slots=True)
class FiredHere:
    """What one request made of a table: the ``rules`` that fired, and what each input was, in words, by its name.

    ``order`` is the order that it was asked of, ``""`` where a chart was opened.
    """

    rules: frozenset[str] = frozenset()
    order: str = ""
    values: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Strip:
    """One line of the picture of the proof: all inputs but the last, and the rule that each cell falls to.

    A cell is a value of the last input, the index of the rule, and its id; -1 and ``""`` where no rule holds.
    """

    label: str
    cells: tuple[tuple[str, int, str], ...]


@dataclass(frozen=True, slots=True)
class Proof:
    """Every cell of a table: ``words`` are the values of its last input ``last``, ``count`` is the number of cells."""

    last: str
    words: tuple[str, ...]
    strips: tuple[Strip, ...]
    count: int


def shown_table(
    pack: Pack,
    regimens: Mapping[str, TemplateWords],
    decision: Decision,
    scenarios: Mapping[str, Sequence[Scenario]],
    lit: frozenset[str] = frozenset(),
) -> ShownTable:
    """A table in words. ``scenarios`` maps topics to the scenarios that expect their card, ``lit`` names the rules that
    fired in the request that is looked at.
    """
    table = table_in_words(pack, regimens, decision)
    rules: list[ShownRule] = []
    for number, words in enumerate(table.rules, 1):
        rule, then = words.rule, words.rule.then
        statement = pack.statements.get(rule.statement)
        text = decision.texts.get(then.text)
        rules.append(
            ShownRule(
                words=words,
                number=number,
                kind="silent" if then.silent else words.severity,
                then=marked(words.then),
                detail=marked(words.detail),
                cells=tuple(zip(table.columns, words.cells, strict=True)),
                suggestions=tuple(text.labels[suggestion.id] for suggestion in then.suggestions) if text else (),
                quote=statement.in_full if statement else "",
                is_first_on=all(above.words.rule.statement != rule.statement for above in rules),
                place=statement.place if statement else "",
                basis=_BASES.get(rule.basis, "") + (_OWN_LIMIT if words.limits else ""),
                scenarios=tuple(scenarios.get(decision.topic(rule.id), ())),
                is_lit=rule.id in lit,
            )
        )
    return ShownTable(table.guards, table.columns, tuple(rules), table.is_silent_otherwise)


def marked(pieces: Sequence[Piece]) -> Markup:
    """A text as HTML, with ``var`` around the names of what a patient's value takes the place of."""
    return Markup().join(
        Markup("<var>{}</var>").format(piece.text) if piece.is_open else escape(piece.text) for piece in pieces
    )


def fired_here(pack: Pack, decision: Decision, answer: Answer) -> FiredHere | None:
    """What an answer's first order made of a table on which some rule fired; ``None`` if nothing asked for it."""
    for judged in answer.judged:
        values = judged.decided.values
        rules = judged.decided.fired.get(decision.id, ())
        if rules:
            said = {name: _dated(fact_in_words(pack, name, values[name]), values[name]) for name in decision.inputs}
            return FiredHere(frozenset(rule.id for rule in rules), judged.order.name, said)
    return None


def _dated(said: str, fact: Fact) -> str:
    """What was read, with the days of it."""
    days = dict.fromkeys(item.date for item in fact.evidence[:2] if item.date)
    return f"{said} ({', '.join(days)})" if days and fact.value is not None else said


def proof_of(pack: Pack, decision: Decision) -> Proof | None:
    """The proof of a table as a picture; ``None`` if it has too many cells to draw, or no input."""
    covered = rules_by_cell(pack, decision, _MOST_CELLS)
    if covered is None or not covered.axes:
        return None
    axes = [
        (label_of(pack, name), tuple(fact_in_words(pack, name, sample) for sample in samples))
        for name, samples in covered.axes
    ]
    *others, (last, words) = axes
    strips = []
    for number, combination in enumerate(product(*(axis for _, axis in others))):
        cells = covered.cells[number * len(words) : (number + 1) * len(words)]
        label = "; ".join(f"{name}: {word}" for (name, _), word in zip(others, combination, strict=True))
        named = [decision.rules[index].id if index >= 0 else "" for index in cells]
        strips.append(Strip(label, tuple(zip(words, cells, named, strict=True))))
    return Proof(last, words, tuple(strips), len(covered.cells))
