"""Columns of a table as other rule languages need them: kind of value, FEEL name, numbers.

A fact is exported as a value and a state, because neither FEEL nor FHIRPath has values for absent or unknown (Z34).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from cds_service.content.decide import decidable
from cds_service.content.model import Decision, Pack, Rule
from cds_service.content.proof.cells import probes
from cds_service.content.unary import Cell
from cds_service.vocabulary.facts import Exact, Fact, Interval


@dataclass(frozen=True, slots=True)
class Column:
    """One input of a table: its cells that are not empty, and a sample fact for each region that they tell apart.

    ``is_card`` is true of a decision that is a card, which speaks or is silent.
    """

    name: str
    label: str
    cells: tuple[Cell, ...]
    probes: tuple[Fact, ...]
    is_decision: bool
    is_card: bool = False

    @property
    def is_numeric(self) -> bool:
        return any(isinstance(probe.value, Interval) for probe in self.probes)

    @property
    def intervals(self) -> tuple[Interval, ...]:
        """The intervals of all its cells, each once, in the order in which they are first written."""
        return tuple(dict.fromkeys(interval for cell in self.cells for interval in cell.intervals))


def columns(pack: Pack, decision: Decision) -> list[Column]:
    """The inputs of a table, in the order of its columns."""
    cards = {other.id for other in pack.decisions.values() if other.kind == "card"}
    return [
        Column(name, label(pack, name), cells, tuple(probes(pack, name, cells)), name in pack.decisions, name in cards)
        for name, cells in zip(decision.inputs, decision.columns, strict=True)
    ]


def label(pack: Pack, name: str) -> str:
    """An input in words: the label of a fact with its unit, or the title of a decision."""
    if name in pack.decisions:
        return pack.decisions[name].title
    fact = pack.facts[name]
    return f"{fact.label} ({fact.unit_written})" if fact.unit_written else fact.label


def feel_names(pack: Pack) -> Mapping[str, str]:
    """FEEL names of all facts and decisions: letters, digits and ``_``, because ``-`` and ``.`` are operators there.

    Raises:
        ValueError: two of them would have the same FEEL name.
    """
    names: dict[str, str] = {}
    for name in (*pack.facts, *pack.decisions):
        feel = re.sub(r"\W", "_", name)
        if feel in names.values():
            raise ValueError(f"{name!r} and another fact or decision are both {feel!r} in FEEL")
        names[name] = feel
    return names


def number(value: Exact) -> str:
    """A threshold as a decimal without trailing zeros."""
    return format((Decimal(value.numerator) / Decimal(value.denominator)).normalize(), "f")


def strings(cell: Cell) -> list[str]:
    """The strings that a cell names or rules out, in the order in which they are written."""
    return sorted(cell.strings | cell.excluded, key=lambda text: cell.source.index(f'"{text}"'))


def earlier_rules(table: Sequence[Column], decision: Decision, rule: Rule) -> list[Rule]:
    """The rules of a FIRST table that come before ``rule`` and can match the same facts; none for other policies."""
    if decision.hit_policy != "FIRST":
        return []
    return [other for other in decision.rules[: rule.index] if _can_both_match(table, other, rule)]


def _can_both_match(table: Sequence[Column], first: Rule, second: Rule) -> bool:
    for column, left, right in zip(table, first.cells, second.cells, strict=True):
        if left is not None and right is not None:
            facts = [decidable(probe, column.cells) for probe in column.probes]
            facts += [Fact(state) for state in left.states & right.states]
            if not any(left.matches(fact) and right.matches(fact) for fact in facts):
                return False
    return True
