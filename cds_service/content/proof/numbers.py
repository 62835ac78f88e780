"""Whose a number is (Z78): what calls itself the source's word, a rule or an order, has no number that the source does
not say, but for limits that are declared as this hospital's; and a number of the hospital's own is nobody else's.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cds_service.content.files import problem_at
from cds_service.content.hospital_limits import own_limits
from cds_service.content.model import Decision, HospitalLimit, Pack, Rule, Statement
from cds_service.content.nearest import instead
from cds_service.content.whose import limits_of_rule
from cds_service.fhir.quantities import spell
from cds_service.vocabulary.facts import Exact, exact
from cds_service.vocabulary.problems import Problem

_ONCE = 1  # "a", "one" and "every" are no numbers that a statement has to say


def problems_of_numbers(pack: Pack, folder: Path) -> Iterator[Problem]:
    """Each number of a rule or an order template on basis ``source`` that its statement does not say."""
    for decision in pack.decisions.values():
        for rule in decision.rules:
            statement = pack.statements.get(rule.statement)
            if rule.basis != "source" or statement is None or rule.is_added:
                continue
            numbers = {number for fact, own in _compared(decision, rule) for number in own - _declared(pack, fact)}
            for number in sorted(numbers - statement.numbers):
                what = f"{rule.id} is called the source's word, and {_does_not_say(statement, number)}"
                yield problem_at(decision.path, ("rules", rule.index), "basis", what)
    yield from _of_the_hospital(pack)
    yield from _of_declared_limits(pack, folder)
    for template in pack.templates.values():
        statement = pack.statements.get(template.statement)
        if template.basis != "source" or statement is None:
            continue
        for number in sorted(set(_numbers_of(template.resource.get("dosageInstruction", []))) - statement.numbers):
            what = f"the dosage is called the source's word, and {_does_not_say(statement, number)}"
            path = folder / "orders" / f"{template.id}.yaml"
            yield problem_at(path, ("resource", "dosageInstruction"), "basis", what)


def _does_not_say(statement: Statement, number: Exact) -> str:
    """That a statement does not say a number. With a comma for the point a list has the two halves of it instead."""
    said = spell(number)
    halves = said.split(".")
    if len(halves) == 2 and {exact(half) for half in halves} <= statement.numbers:
        has = f"the numbers in sources.yaml have {' and '.join(halves)}: write {said} with a point"
        return f"{statement.id} does not say {said}; {has}"
    return f"{statement.id} does not say {said} (numbers in sources.yaml)"


def _compared(decision: Decision, rule: Rule) -> Iterator[tuple[str, set[Exact]]]:
    """The numbers that a rule compares each input with."""
    return ((decision.inputs[place], set(cell.numbers()) - {_ONCE}) for place, cell in rule.tests)


def _declared(pack: Pack, fact: str) -> set[Exact]:
    return {limit.number for limit in pack.hospital_limits.get(fact, ())}


def _said(pack: Pack, name: str) -> frozenset[Exact]:
    """The numbers that a statement says; none for ``""``."""
    return pack.statements[name].numbers if name in pack.statements else frozenset()


def _of_the_hospital(pack: Pack) -> Iterator[Problem]:
    """Rules that are not the hospital's, and decide by or show a limit that other rules say is the hospital's own. A
    limit that is declared says whose it is by itself.
    """
    own: dict[str, set[Exact]] = {}
    for decision in pack.decisions.values():
        for rule in decision.rules:
            if rule.basis == "hospital":
                for fact, numbers in _compared(decision, rule):
                    own.setdefault(fact, set()).update(numbers - _said(pack, rule.statement) - _declared(pack, fact))
    for decision in pack.decisions.values():
        for rule in decision.rules:
            if rule.basis == "hospital" or rule.is_added or not rule.basis:
                continue
            limits = [numbers & own.get(fact, set()) for fact, numbers in limits_of_rule(pack, decision, rule)]
            for number in sorted(set().union(*limits)):
                what = f"{rule.id} decides by {spell(number)} or shows it, which is this hospital's own limit elsewhere"
                yield problem_at(decision.path, ("rules", rule.index), "basis", f"{what}: its basis is hospital")


# --- limits that are declared as this hospital's ----------------------------------------------------------------------


def _of_declared_limits(pack: Pack, folder: Path) -> Iterator[Problem]:
    """Declared limits that no rule has, and rules that go on with what such a limit stands in the place of."""
    path = folder / "sources.yaml"
    for fact, limits in pack.hospital_limits.items():
        if fact not in pack.facts:
            what = f"no fact is called {fact!r}{instead(fact, pack.facts)}"
            yield problem_at(path, ("hospital-limits", fact), "limit", what)
            continue
        replaced: dict[Exact, Exact] = {}
        for index, limit in enumerate(limits):
            place = ("hospital-limits", fact, index)
            number, before = spell(limit.number), spell(limit.in_place_of)
            if limit.number == limit.in_place_of:
                yield problem_at(path, place, "limit", f"{number} cannot stand in the place of itself")
            elif limit.in_place_of in replaced:
                two = f"{spell(replaced[limit.in_place_of])} and {number}"
                yield problem_at(path, place, "limit", f"two limits stand in the place of {before}: {two}")
            elif not any(True for _ in _rules_with(pack, limit)):
                yield problem_at(path, place, "limit", f"no rule compares {fact} with {number}")
            else:
                yield from _left_behind(pack, limit)
            replaced[limit.in_place_of] = limit.number


def _rules_with(pack: Pack, limit: HospitalLimit) -> Iterator[Rule]:
    """The rules that decide by a limit of this hospital."""
    for decision in pack.decisions.values():
        for rule in decision.rules:
            compared = (numbers for fact, numbers in _compared(decision, rule) if fact == limit.fact)
            if any(own_limits(pack, rule, limit.fact, numbers) for numbers in compared):
                yield rule


def _left_behind(pack: Pack, limit: HospitalLimit) -> Iterator[Problem]:
    """Rules on the same fact and on the statements that a limit was taken from, which compare with the number that it
    stands in the place of or, unless they are the hospital's, with one that neither the source nor the hospital has.
    """
    statements = {rule.statement for rule in _rules_with(pack, limit)}
    said = {number for name in statements for number in _said(pack, name)} | _declared(pack, limit.fact)
    for decision in pack.decisions.values():
        for rule in decision.rules:
            if rule.statement not in statements or rule.is_added:
                continue
            compared = {
                number for fact, numbers in _compared(decision, rule) if fact == limit.fact for number in numbers
            }
            other = (
                compared & {limit.in_place_of} if rule.basis == "hospital" else compared - (said - {limit.in_place_of})
            )
            for number in sorted(other):
                what = f"{rule.id} compares {limit.fact} with {spell(number)}"
                own = f"this hospital's limit in place of {spell(limit.in_place_of)} is {spell(limit.number)}"
                yield problem_at(decision.path, ("rules", rule.index), "limit", f"{what}, and {own}")


def differing_limits(pack: Pack) -> Iterator[Problem]:
    """Decisions in which this hospital has other limits than in one before, of the same fact and after the same
    statement. It may be meant; nobody would see it, because each of them has no gap by itself.
    """
    found: dict[tuple[str, str], dict[str, set[Exact]]] = {}
    places: dict[tuple[str, str, str], int] = {}
    for decision in pack.decisions.values():
        for rule in decision.rules:
            for fact, numbers in () if rule.is_added else _compared(decision, rule):
                own = {limit.number for limit in own_limits(pack, rule, fact, numbers)}
                if rule.basis == "hospital":
                    own |= numbers - _said(pack, rule.statement)
                if own:
                    found.setdefault((fact, rule.statement), {}).setdefault(decision.id, set()).update(own)
                    places.setdefault((fact, rule.statement, decision.id), rule.index)
    for (fact, statement), limits in found.items():
        (first, meant), *others = limits.items()
        for name, own in others:
            if own != meant:
                here, there = (" and ".join(map(spell, sorted(numbers))) for numbers in (own, meant))
                what = f"this hospital's limit of {fact} is {here} here and {there} in {first}"
                after = f"{what}, both after {statement}" if statement else what
                place = ("rules", places[fact, statement, name])
                yield problem_at(pack.decisions[name].path, place, "limit", after)


def _numbers_of(tree: Any, name: str = "") -> Iterator[Exact]:
    """The numbers of a dosage, but for the order of its steps and once."""
    if isinstance(tree, dict):
        for key, value in tree.items():
            yield from _numbers_of(value, key)
    elif isinstance(tree, list):
        for value in tree:
            yield from _numbers_of(value, name)
    elif isinstance(tree, int | float) and not isinstance(tree, bool) and name != "sequence" and tree != _ONCE:
        yield exact(str(tree))
