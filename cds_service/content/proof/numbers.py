"""What calls itself the source's word, a rule or an order, has no number that the source does not say (Z78)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cds_service.content.files import problem_at
from cds_service.content.model import Pack
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
                what = f"{rule.id} is called the source's word, and {statement.id} does not say {number}"
                yield problem_at(decision.path, ("rules", rule.index), "basis", f"{what} (numbers in sources.yaml)")
    for template in pack.templates.values():
        statement = pack.statements.get(template.statement)
        if template.basis != "source" or statement is None:
            continue
        for number in sorted(set(_numbers_of(template.resource.get("dosageInstruction", []))) - statement.numbers):
            what = f"the dosage is called the source's word, and {statement.id} does not say {number}"
            path = folder / "orders" / f"{template.id}.yaml"
            yield problem_at(path, ("resource", "dosageInstruction"), "basis", f"{what} (numbers in sources.yaml)")


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
