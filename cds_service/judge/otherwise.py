"""What would change the cards about an order: each fact behind them, at every other value that tables tell apart.

Nothing is inferred from rules. One fact takes the place of another and the order is decided again, so that whatever is
said here is what the service would answer, all else being as it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

from cds_service.content.decide import Finding, OrderFacts, Values
from cds_service.content.domains import words_of_fact
from cds_service.content.model import Decision, Pack, Service
from cds_service.content.unary import Cell
from cds_service.judge.explanation import limits_of
from cds_service.judge.orders import JudgedOrder
from cds_service.vocabulary.declarations import FactDeclaration
from cds_service.vocabulary.facts import Exact, Fact, Facts, Interval, State

_LITTLE = Fraction(1, 2**30)  # less than any table tells apart

Cards = frozenset[tuple[str, str]]  # the ids of decisions and of their rules that show a card


@dataclass(frozen=True, slots=True)
class Otherwise:
    """Other values of one ``fact`` that all lead to the same cards: ``cell`` fits them.

    ``gone`` and ``new`` are the cards that go and come, as ids of a decision and its rule. ``is_doubt`` is true where
    the fact would be not known, not usable, or a range across one of the limits ``across``.
    """

    fact: str
    cell: Cell
    across: tuple[Exact, ...]
    gone: Cards
    new: Cards
    is_doubt: bool


@dataclass(frozen=True, slots=True)
class _Alike:
    """Values as a cell would fit them, one of them, and the limits across which they lie if they are ranges."""

    cell: Cell
    fact: Fact
    across: tuple[Exact, ...] = ()


def otherwise(pack: Pack, service: Service, judged: JudgedOrder) -> Iterator[Otherwise]:
    """What would change the cards about an order, one fact at a time, and of its numbers the nearest first.

    Every fact that was asked is tried, those first on which the cards rest that are shown. What decides comes before
    what only lets a table apply, and what a table asks itself before what stands behind that.
    """
    cards = [one for name in service.decisions if (one := pack.decisions[name]).kind == "card" and one.is_live]
    now = {one.id: _shown(service, one, judged.decided.values) for one in cards}
    asked = {one.id: _asked_for(one, judged.decided.values) for one in cards}
    ranks = [(not now[card], is_guarded, name) for card, names in asked.items() for name, is_guarded in names.items()]
    for name in dict.fromkeys(name for _, _, name in sorted(ranks, key=lambda rank: rank[:2]) if name in pack.facts):
        asking = [one for one in cards if name in asked[one.id]]
        value, declared = judged.decided.values[name], pack.facts[name]
        before = frozenset().union(*(now[card.id] for card in asking))
        for is_doubt, kinds in ((False, _values(pack, declared)), (True, _doubts(pack, declared))):
            came = []
            for tried in kinds:
                values = Values(pack, _with(pack, judged.facts, name, tried.fact), service)
                came.append((tried, frozenset().union(*(_shown(service, card, values) for card in asking))))
            for after, alike in sorted(_together(came).items(), key=lambda pair: _distance(value, pair[1].cell)):
                if after != before:
                    yield Otherwise(name, alike.cell, alike.across, before - after, after - before, is_doubt)


def _shown(service: Service, card: Decision, values: Values) -> Cards:
    """The rules of a card that show something."""
    return frozenset(
        (card.id, rule.id)
        for rule in values.of_order(card).said
        if service.shows(card.id, rule.then.indicator) and Finding(card, rule, {}).is_shown
    )


def _with(pack: Pack, facts: OrderFacts, name: str, fact: Fact) -> OrderFacts:
    """The facts of an order with another in place of the one of this name, in every step of the dosage."""

    def changed(whole: Facts) -> Facts:
        return Facts(
            pack.facts, pack.of_kind, lambda declared, _: fact if declared.name == name else whole[declared.name]
        )

    return OrderFacts(changed(facts.order), [changed(step) for step in facts.dosages], [*map(changed, facts.regimen)])


def _asked_for(card: Decision, values: Values) -> Mapping[str, bool]:
    """What was asked for a card, in its own table and in those behind it, and whether only its guards ask for that."""
    guards = {rule.id.partition(".")[2] for rule in card.rules if rule.is_added}
    inputs = values.asked_by(card.id)
    found: dict[str, bool] = {}
    for is_guard in (False, True):
        waiting = [name for name in inputs if (name in guards) is is_guard and name not in found]
        while waiting:
            found |= dict.fromkeys(waiting, is_guard)
            behind = (name for one in waiting for name in values.asked_by(one))
            waiting = [name for name in dict.fromkeys(behind) if name not in found]
    return found


# --- values that tables tell apart -----------------------------------------------------------------------------------


def _values(pack: Pack, declared: FactDeclaration) -> Iterator[_Alike]:
    """Every kind of value that a fact can have, and that it is absent; of numbers the lowest first."""
    words = words_of_fact(declared.kind, declared.element, declared.values)
    if words:
        yield from (_Alike(Cell(f'"{word}"', strings=frozenset({word})), Fact.of(word)) for word in words)
    else:
        stretches = _stretches(limits_of(pack, declared.name))
        yield from (_Alike(Cell("", (stretch,)), Fact.of(Interval.point(number))) for stretch, number in stretches)
    yield _Alike(Cell("", states=frozenset({State.ABSENT})), Fact.absent())


def _doubts(pack: Pack, declared: FactDeclaration) -> Iterator[_Alike]:
    """That a fact cannot be told: it was not looked for, is of no use, or is a range across a limit."""
    for state in (State.UNKNOWN, State.UNUSABLE):
        yield _Alike(Cell("", states=frozenset({state})), Fact(state))
    if not words_of_fact(declared.kind, declared.element, declared.values):
        cell = Cell("", states=frozenset({State.UNDECIDABLE}))
        for limit in limits_of(pack, declared.name):
            yield _Alike(cell, Fact.of(Interval(limit - _LITTLE, limit + _LITTLE)), (limit,))


def _stretches(limits: Sequence[Exact]) -> Iterator[tuple[Interval, Exact]]:
    """The numbers below the limits, each limit, and those between and above, each with one of them."""
    if limits and limits[0] > 0:
        yield Interval(None, limits[0], high_open=True), Fraction(limits[0], 2)
    for low, high in pairwise([*limits, None]):
        if low is not None:
            yield Interval.point(low), low
            between = Fraction(low + high, 2) if high is not None else low + 1
            yield Interval(low, high, low_open=True, high_open=high is not None), between


def _together(came: Iterable[tuple[_Alike, Cards]]) -> Mapping[Cards, _Alike]:
    """All values that lead to the same cards as one."""
    found: dict[Cards, _Alike] = {}
    for tried, cards in came:
        one = found.get(cards)
        found[cards] = _Alike(_joined(one.cell, tried.cell), one.fact, one.across + tried.across) if one else tried
    return found


def _joined(cell: Cell, other: Cell) -> Cell:
    """A cell for what either of two fits; a stretch that goes on where another ends is one with it."""
    intervals = [*cell.intervals]
    for one in other.intervals:
        last = intervals[-1] if intervals else None
        if last is not None and last.high == one.low and last.high_open != one.low_open:
            intervals[-1] = Interval(last.low, one.high, last.low_open, one.high_open)
        else:
            intervals.append(one)
    source = ", ".join(filter(None, [cell.source, other.source]))
    return Cell(source, tuple(intervals), cell.strings | other.strings, states=cell.states | other.states)


def _distance(value: Fact, cell: Cell) -> tuple[bool, Exact]:
    """What sorts the nearest numbers first and that there is nothing last; words stay in their order."""
    is_nothing = not cell.intervals and not cell.strings
    if not isinstance(value.value, Interval) or not cell.intervals:
        return is_nothing, 0
    low, high = value.value.low, value.value.high
    below = [low - each.high for each in cell.intervals if low is not None and each.high is not None]
    above = [each.low - high for each in cell.intervals if high is not None and each.low is not None]
    return is_nothing, min([one for one in (*below, *above) if one >= 0], default=0)
