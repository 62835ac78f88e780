"""The proof of one table, cell by cell: gaps, overlaps and rules that are never reached.

An input is split at its thresholds into points and the open stretches between them. Ranges that cover several of these
stand for inexact values. Then come its strings and the states it can be in. Every cell of the product is put to the
rules. That is exact, because every rule is a box: a product of one set for each input.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import product
from math import prod

from cds_service.content.decide import decidable
from cds_service.content.domains import SILENT, SPEAKS, words_of_fact
from cds_service.content.model import Decision, Pack
from cds_service.content.unary import Cell
from cds_service.content.value_words import number_in_words
from cds_service.vocabulary.facts import Exact, Fact, Interval, State

_STATES = (State.ABSENT, State.UNKNOWN, State.UNUSABLE)
_SHOWN = 3
_Cell = Sequence[tuple[int, Fact]]  # one class of each input: the rules that it fits, as a mask, and its first probe


def probes(pack: Pack, name: str, column: Sequence[Cell]) -> list[Fact]:
    """One fact for every region of an input that rules of a table could tell apart."""
    declared = pack.facts.get(name)
    states = [Fact(state) for state in _STATES]
    if declared is None:
        definition = pack.decisions[name]
        if definition.kind == "card":
            return [Fact.of(SPEAKS), Fact.of(SILENT)]
        written = sorted({text for cell in column for text in cell.strings})
        values = list(dict.fromkeys([*definition.values, *(written if definition.each == "dosage" else [])]))
        return [Fact.of(value) for value in values] + ([Fact.absent()] if definition.each != "order" else [])
    if words := words_of_fact(declared.kind, declared.element, declared.values):
        return [Fact.of(word) for word in words] + states
    edges = sorted({number for cell in column for number in cell.numbers()})
    return [Fact.of(value) for value in _regions(edges)] + states


def _regions(edges: Sequence[Exact]) -> list[Interval]:
    """Points and stretches between the edges, and every range over neighbours of them."""
    if not edges:
        return [Interval.point(1)]
    atoms: list[Interval] = [Interval(None, edges[0], high_open=True)]
    for index, edge in enumerate(edges):
        atoms.append(Interval.point(edge))
        following = edges[index + 1] if index + 1 < len(edges) else None
        atoms.append(Interval(edge, following, low_open=True, high_open=following is not None))
    ranges = [
        Interval(atoms[i].low, atoms[j].high, atoms[i].low_open, atoms[j].high_open)
        for i in range(len(atoms))
        for j in range(i + 1, len(atoms))
    ]
    return [_representative(atom) for atom in atoms] + ranges


def _representative(atom: Interval) -> Interval:
    """A point of a stretch: within a stretch all points behave alike."""
    if atom.low is None:
        return Interval.point((atom.high or 0) - 1)
    if atom.high is None:
        return Interval.point(atom.low + 1)
    return Interval.point(Fraction(atom.low + atom.high, 2))


@dataclass(frozen=True, slots=True)
class RulesByCell:
    """Every class of every input, and the rule that each cell of their product falls to.

    ``axes`` are the inputs with a sample of each of their classes. ``cells`` are the index of the first rule that is
    hit (-1 for none) in the order of ``itertools.product`` over the axes.
    """

    axes: tuple[tuple[str, tuple[Fact, ...]], ...]
    cells: tuple[int, ...]


def rules_by_cell(pack: Pack, decision: Decision, most: int) -> RulesByCell | None:
    """The proof of one table as a picture needs it; ``None`` if it has more than ``most`` cells."""
    axes = [classes_of(pack, decision, number) for number in range(len(decision.inputs))]
    if prod(map(len, axes)) > most:
        return None
    cells = []
    for cell in product(*axes):
        hits = _hits(decision, cell)
        cells.append((hits & -hits).bit_length() - 1)
    samples = [tuple(fact for _, fact in axis) for axis in axes]
    return RulesByCell(tuple(zip(decision.inputs, samples, strict=True)), tuple(cells))


def classes_of(pack: Pack, decision: Decision, number: int) -> list[tuple[int, Fact]]:
    """Probes of one input that fit exactly the same rules are one class: a mask of these rules and its first probe."""
    classes: dict[int, Fact] = {}
    column = decision.columns[number]
    for probe in probes(pack, decision.inputs[number], column):
        fact = decidable(probe, column)
        mask = sum(1 << index for index, rule in enumerate(decision.rules) if _fits(rule.cells[number], fact))
        classes.setdefault(mask, fact)
    return list(classes.items())


@dataclass(frozen=True, slots=True)
class TableFault:
    """A ``gap``, an ``overlap`` or an ``unreachable`` rule; ``rule`` is the rule's index, -1 for the whole table."""

    kind: str
    rule: int
    text: str


def faults_of(pack: Pack, decision: Decision) -> Iterator[TableFault]:
    """Every gap, overlap and unreachable rule of a table.

    Classes of probes are what is multiplied out, so that six inputs stay cheap.
    """
    axes = [classes_of(pack, decision, number) for number in range(len(decision.inputs))]
    reached = 0
    gaps: list[TableFault] = []
    overlaps: list[TableFault] = []
    for cell in product(*axes):
        hits = _hits(decision, cell)
        first = hits & -hits
        reached |= hits if decision.hit_policy == "COLLECT" else first
        if not hits and decision.hit_policy != "COLLECT":
            gaps.append(TableFault("gap", -1, f"no rule for {_words(decision, cell)}"))
        if hits != first and decision.hit_policy == "UNIQUE":
            both = [index for index in range(len(decision.rules)) if hits >> index & 1]
            names = " and ".join(decision.rules[index].id for index in both)
            overlaps.append(TableFault("overlap", both[1], f"{names} both hit {_words(decision, cell)}"))
    yield from _first_few(gaps)
    yield from _first_few(overlaps)
    for index, rule in enumerate(decision.rules):
        if not reached >> index & 1:
            yield TableFault("unreachable", index, f"rule {rule.id} is never reached")


def _hits(decision: Decision, cell: _Cell) -> int:
    """The rules that a cell of the product hits, as a mask."""
    hits = (1 << len(decision.rules)) - 1
    for mask, _ in cell:
        hits &= mask
    return hits


def _first_few(faults: Sequence[TableFault]) -> Iterator[TableFault]:
    """The first faults of one kind; the last of these says how many more there are."""
    yield from faults[: _SHOWN - 1]
    for fault in faults[_SHOWN - 1 : _SHOWN]:
        more = len(faults) - _SHOWN
        yield replace(fault, text=f"{fault.text} (and {more} more like these)") if more else fault


def _fits(cell: Cell | None, fact: Fact) -> bool:
    return cell is None or cell.matches(fact)


def _words(decision: Decision, cell: _Cell) -> str:
    return ", ".join(f"{name} {_word(fact)}" for name, (_, fact) in zip(decision.inputs, cell, strict=True))


def _word(fact: Fact) -> str:
    if fact.state is not State.VALUE:
        return str(fact.state)
    value = fact.value
    if isinstance(value, Interval):
        if value.low is not None and value.is_point:
            return number_in_words(value.low)
        ends = [
            f"{word} {number_in_words(end)}"
            for word, end in (("from", value.low), ("up to", value.high))
            if end is not None
        ]
        return " ".join(ends) or "any number"
    return f'"{value}"'
