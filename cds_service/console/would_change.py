"""What would change the cards about an order, for people: by fact, each change with the cards that it leads to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby

from cds_service.console.plain_words import fact_in_words
from cds_service.content.model import INDICATORS, Pack, Service
from cds_service.content.prepared import Prepared
from cds_service.content.rule_words import rule_words
from cds_service.content.value_words import cell_in_words, label_of, number_in_words, unit_in_words
from cds_service.judge.orders import JudgedOrder
from cds_service.judge.otherwise import Otherwise, otherwise


@dataclass(frozen=True, slots=True)
class CardThen:
    """What a decision would come to: the card of a rule, or no card, which has neither rule nor severity nor words."""

    decision: str
    title: str
    rule: str
    severity: str
    says: str


@dataclass(frozen=True, slots=True)
class Change:
    """What a fact would have to be, and all that would change by it."""

    asked: str
    cards: tuple[CardThen, ...]


@dataclass(frozen=True, slots=True)
class Changing:
    """One fact: its label and the value that it has, and the changes of it that would change a card.

    ``value_set`` lists what it is known by, ``""`` where no single value set does.
    """

    label: str
    value: str
    value_set: str
    changes: tuple[Change, ...]


@dataclass(frozen=True, slots=True)
class WouldChange:
    """What would change the ``cards`` that are shown about an order, and what would bring ``others``.

    What would come of it if a fact could not be told stands apart, in ``doubts``.
    """

    cards: tuple[Changing, ...]
    others: tuple[Changing, ...]
    doubts: tuple[Changing, ...]


def would_change(prepared: Prepared, service: Service, judged: JudgedOrder) -> WouldChange:
    """What would change the cards about an order, and what would bring others."""
    pack = prepared.pack
    found = list(otherwise(pack, service, judged))
    certain = [one for one in found if not one.is_doubt]
    return WouldChange(
        tuple(_by_fact(prepared, judged, (one for one in certain if one.gone))),
        tuple(_by_fact(prepared, judged, (one for one in certain if not one.gone))),
        tuple(_by_fact(prepared, judged, (one for one in found if one.is_doubt))),
    )


def _by_fact(prepared: Prepared, judged: JudgedOrder, found: Iterable[Otherwise]) -> Iterator[Changing]:
    pack = prepared.pack
    for name, changes in groupby(found, key=lambda one: one.fact):
        declared = pack.facts[name]
        ours = [one for one in declared.value_sets.values() if one.id in pack.value_sets]
        yield Changing(
            label_of(pack, name),
            fact_in_words(pack, name, judged.decided.values[name]),
            ours[0].id if len(ours) == 1 else "",
            tuple(Change(_asked(pack, one), tuple(_cards(prepared, one))) for one in changes),
        )


def _asked(pack: Pack, one: Otherwise) -> str:
    """What a fact would have to be; of ranges the limits across which they would lie."""
    said = cell_in_words(pack, one.fact, one.cell)
    if not one.across:
        return said
    return f"{said} ({', '.join(map(number_in_words, one.across))} {unit_in_words(pack, one.fact)}".rstrip() + ")"


def _cards(prepared: Prepared, one: Otherwise) -> Iterator[CardThen]:
    """The cards that would come, the gravest first, then the decisions that would show none."""
    pack = prepared.pack
    coming = []
    for decision, rule in sorted(one.new):
        words = rule_words(pack, prepared.regimens, decision, rule)
        coming.append(CardThen(decision, words.title, rule, words.indicator, words.says))
    yield from sorted(coming, key=lambda card: INDICATORS.index(card.severity))
    changed = {decision for decision, _ in one.new}
    for decision, _ in sorted(one.gone):
        if decision not in changed:
            yield CardThen(decision, label_of(pack, decision), "", "", "")
