"""Where each number of a table comes from: the sentence of the source that says it, our reading, or the hospital."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from cds_service.content.hospital_limits import own_limits
from cds_service.content.model import Decision, Pack, Rule, Settlement, Statement
from cds_service.content.value_words import interval_in_words, label_of, number_in_words, unit_in_words
from cds_service.vocabulary.facts import Exact, Interval


@dataclass(frozen=True, slots=True)
class NumberOrigin:
    """Numbers of one input that have one origin: ``25 and 50 ×10⁹/L`` of the ``Platelet count``.

    ``basis`` is whose they are: ``source`` where the statement of a rule that asks for them says them, be the rule the
    source's word or, by another number of it, the hospital's (Z78); ``hospital`` where they are declared as the
    hospital's or a rule of the hospital asks for them; else ``reading``. ``statements`` are
    those that say them or, for a reading, that its rules rest on; ``settlements`` say how these rules settle what the
    source leaves open, such as to which side a limit belongs.
    """

    label: str
    numbers: str
    basis: str
    statements: tuple[Statement, ...]
    settlements: tuple[Settlement, ...]


def origins_of(pack: Pack, decision: Decision) -> tuple[NumberOrigin, ...]:
    """The origins of all numbers that the rules of a decision compare with, input by input."""
    return tuple(origin for place in range(len(decision.inputs)) for origin in _of_input(pack, decision, place))


def _of_input(pack: Pack, decision: Decision, place: int) -> Iterator[NumberOrigin]:
    by_number: dict[Exact, list[Rule]] = {}
    for rule in decision.rules:
        cell = rule.cells[place]
        for number in cell.numbers() if cell is not None and not rule.is_added else ():
            by_number.setdefault(number, []).append(rule)
    alike: dict[tuple[str, tuple[str, ...], tuple[str, ...]], list[Exact]] = {}
    for number in sorted(by_number):
        basis, rules = _basis(pack, decision.inputs[place], number, by_number[number])
        cited = tuple(dict.fromkeys(rule.statement for rule in rules if rule.statement in pack.statements))
        settled = tuple(dict.fromkeys(settlement for rule in by_number[number] for settlement in rule.settles))
        alike.setdefault((basis, cited, settled), []).append(number)
    name = decision.inputs[place]
    for (basis, cited, settled), numbers in alike.items():
        yield NumberOrigin(
            label=label_of(pack, name),
            numbers=_in_words(pack, name, numbers),
            basis=basis,
            statements=tuple(pack.statements[one] for one in cited),
            settlements=tuple(pack.settlements[one] for one in settled),
        )


def _basis(pack: Pack, fact: str, number: Exact, rules: Iterable[Rule]) -> tuple[str, list[Rule]]:
    """Whose a number of a fact is, and which of the rules that ask for it tell so."""
    asking = list(rules)
    said = [
        rule
        for rule in asking
        if rule.basis in ("source", "hospital")
        and rule.statement in pack.statements
        and number in pack.statements[rule.statement].numbers
    ]
    own = [rule for rule in asking if rule.basis == "hospital" or own_limits(pack, rule, fact, {number})]
    if said:
        return "source", said
    return ("hospital", own) if own else ("reading", asking)


def _in_words(pack: Pack, name: str, numbers: Iterable[Exact]) -> str:
    *first, last = numbers
    with_unit = interval_in_words(pack, Interval.point(last), unit_in_words(pack, name))
    return f"{', '.join(map(number_in_words, first))} and {with_unit}" if first else with_unit
