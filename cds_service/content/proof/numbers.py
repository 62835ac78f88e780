"""Whose a number is (Z78): what calls itself the source's word, a rule or an order, has no number that the source does
not say, and a number that is the hospital's own is nobody else's.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cds_service.content.decide import Finding
from cds_service.content.files import problem_at
from cds_service.content.model import Decision, Pack, Rule, Statement
from cds_service.content.render import LIMIT, limit_numbers
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
            numbers = {number for _, cell in rule.tests for number in cell.numbers()} - {_ONCE}
            for number in sorted(numbers - statement.numbers):
                what = f"{rule.id} is called the source's word, and {_does_not_say(statement, number)}"
                yield problem_at(decision.path, ("rules", rule.index), "basis", what)
    yield from _of_the_hospital(pack)
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


def _of_the_hospital(pack: Pack) -> Iterator[Problem]:
    """Rules that are not the hospital's, and decide by or show a limit that other rules say is the hospital's own."""
    own: dict[str, set[Exact]] = {}
    for decision in pack.decisions.values():
        for rule in decision.rules:
            if rule.basis == "hospital":
                statement = pack.statements.get(rule.statement)
                said = statement.numbers if statement is not None else frozenset()
                for place, cell in rule.tests:
                    own.setdefault(decision.inputs[place], set()).update(set(cell.numbers()) - said - {_ONCE})
    for decision in pack.decisions.values():
        for rule in decision.rules:
            if rule.basis == "hospital" or rule.is_added or not rule.basis:
                continue
            limits = [numbers & own.get(fact, set()) for fact, numbers in _limits_of(pack, decision, rule)]
            for number in sorted(set().union(*limits)):
                what = f"{rule.id} decides by {spell(number)} or shows it, which is this hospital's own limit elsewhere"
                yield problem_at(decision.path, ("rules", rule.index), "basis", f"{what}: its basis is hospital")


def _limits_of(pack: Pack, decision: Decision, rule: Rule) -> Iterator[tuple[str, set[Exact]]]:
    """The numbers of facts that a rule decides by, and those that its text shows as limits."""
    for place, cell in rule.tests:
        yield decision.inputs[place], set(cell.numbers())
    text = decision.texts.get(rule.then.text)
    for name in LIMIT.findall(" ".join(text.parts)) if text is not None else ():
        yield name.rpartition(".")[2], set(limit_numbers(pack, Finding(decision, rule, {}), name))


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
