"""Facts for differential tests: for each input a pool, and sets that pick one of each pool by its number."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import product
from math import prod

from cds_service.content.decide import OrderFacts, Values, decidable
from cds_service.content.model import Decision, Pack
from cds_service.export.columns import Column, columns
from cds_service.vocabulary.facts import Fact, Interval, State

STATES = [State.ABSENT, State.UNKNOWN, State.UNUSABLE, State.UNDECIDABLE]


@dataclass(frozen=True)
class Table:
    """One decision with its columns, and a pool of facts for each; the probes of ``check`` come first."""

    decision: Decision
    columns: list[Column]
    pools: list[list[Fact]]
    cells: list[tuple[int, ...]]

    def facts(self, chosen):
        return {c.name: pool[i] for c, pool, i in zip(self.columns, self.pools, chosen, strict=True)}


def tables(pack: Pack, chance: random.Random, numbers: int = 150, most_cells: int = 100_000) -> list[Table]:
    """Every decision with ``numbers`` random numbers and ranges for each numeric input.

    A table of more than ``most_cells`` cells is put to the test by one fact for each class of facts that fit alike.
    """
    found = []
    for decision in pack.decisions.values():
        table = columns(pack, decision)
        pools = [[*column.probes, *_further(column, chance, numbers)] for column in table]
        found.append(Table(decision, table, pools, _cells(decision, table, most_cells)))
    return found


def random_sets(table: Table, count: int, chance: random.Random) -> list[tuple[int, ...]]:
    return [tuple(chance.randrange(len(pool)) for pool in table.pools) for _ in range(count)]


def our_rules(pack: Pack, table: Table, sets) -> list[list[str]]:
    """What our prepared says: the ids of the rules that fire for each set."""
    values = Values(replace(pack, decisions={}), OrderFacts({}, []))
    return [[rule.id for rule in values.rules(table.decision, table.facts(chosen))] for chosen in sets]


def _further(column: Column, chance: random.Random, numbers: int) -> list[Fact]:
    if column.is_card:
        return []  # it speaks or is silent, and the probes are these
    if column.is_decision:
        written = [probe.value for probe in column.probes if isinstance(probe.value, str)]
        joined = [" then ".join(chance.sample(written, 2)) for _ in range(3)] if len(written) > 1 else []
        return [Fact.of(text) for text in (*joined, "of no cell")] + [Fact.absent()]
    states = [Fact(state) for state in STATES]
    if not column.is_numeric:
        return [Fact.of("of no cell"), *states]
    edges = sorted({edge for cell in column.cells for edge in cell.numbers()}) or [Fraction(1)]
    return states * (1 + numbers // 15) + [Fact.of(_some_range(edges, chance)) for _ in range(numbers)]


def _some_range(edges: list[Fraction], chance: random.Random) -> Interval:
    def some():
        near = chance.choice(edges)
        return near + chance.choice([0, 0, Fraction(chance.randint(-40, 40), chance.choice([1, 3, 10, 1000]))])

    if chance.random() < 0.4:
        return Interval.point(some())
    low, high = sorted([some(), some()])
    if low == high:
        return Interval.point(low)
    closed = Interval(low, high, chance.random() < 0.5, chance.random() < 0.5)
    return chance.choice(
        [closed, closed, closed, Interval(None, high, False, closed.high_open), Interval(low, None, closed.low_open)]
        + [Interval(None, None)] * (chance.random() < 0.1)
    )


def _cells(decision: Decision, table: list[Column], most: int) -> list[tuple[int, ...]]:
    """Every cell of the table: all probes of an input with all of the others."""
    axes = [list(range(len(column.probes))) for column in table]
    if prod(map(len, axes)) > most:
        axes = [_classes(decision, number, column) for number, column in enumerate(table)]
    return list(product(*axes))


def _classes(decision: Decision, number: int, column: Column) -> list[int]:
    alike: dict[tuple[bool, ...], int] = {}
    for index, probe in enumerate(column.probes):
        fact = decidable(probe, column.cells)
        cells = [rule.cells[number] for rule in decision.rules]
        alike.setdefault(tuple(cell is None or cell.matches(fact) for cell in cells), index)
    return list(alike.values())


def some_cells(chance: random.Random, count: int, values: tuple[str, ...] = ()) -> list[str]:
    """Cells that may overlap and leave gaps: of numbers, or of strings where ``values`` are given."""
    return [_some_text_cell(chance, values) if values else _some_number_cell(chance) for _ in range(count)]


def _some_states(chance: random.Random) -> list[str]:
    return [str(state) for state in STATES if chance.random() < 0.2]


def _some_number_cell(chance: random.Random) -> str:
    if chance.random() < 0.15:
        return "-"
    tests = _some_states(chance)
    for _ in range(chance.choice([0, 1, 1, 1, 2]) or not tests):
        low, high = sorted(chance.sample(range(-2, 6), 2))
        band = f"{chance.choice('[(')}{low}..{high}{chance.choice('])')}"
        tests.append(chance.choice([band, band, f"{chance.choice(['<', '<=', '>', '>='])} {low}", str(low)]))
    return ", ".join(tests)


def _some_text_cell(chance: random.Random, values: tuple[str, ...]) -> str:
    if chance.random() < 0.3:
        return "-"
    named = [f'"{value}"' for value in values if chance.random() < 0.4] or [f'"{values[0]}"']
    text = f"not({', '.join(named)})" if chance.random() < 0.3 else ", ".join(named)
    return ", ".join([text, *_some_states(chance)])
