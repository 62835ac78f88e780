"""Unknown never passes for none (Z75): what a definition makes of a record that was not read, beside an empty one.

Every input that is read from the record is put to a table twice, as looked for and not there, and as not read. Where a
table gives both the same answer, although the record could have changed it, the rule that gives it must say why.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

from cds_service.content.decide import OrderFacts, Values
from cds_service.content.model import Decision, Pack, Rule
from cds_service.content.proof.cells import classes_of
from cds_service.vocabulary.facts import Fact, Facts

NOT_KNOWN = "unknown"  # the answer of a definition that says that it does not know


@dataclass(frozen=True, slots=True)
class UnknownFault:
    """A rule, by its index, under which what was not read passes for none, or that says so without need."""

    rule: int
    text: str


def unknown_faults(pack: Pack) -> Iterator[tuple[Decision, UnknownFault]]:
    """Every definition whose answer does not tell an empty record from one that was not read, and gives no reason.

    An input that is itself a definition and gives the same answer to both is that definition's own to explain.
    """
    empty, unread = (Values(pack, _record_with(pack, fact)) for fact in (Fact.absent(), Fact.unknown()))
    for decision in pack.decisions.values():
        if decision.kind != "definition" or decision.status not in ("active", "shadow"):
            continue
        both = {name: (empty[name], unread[name]) for name in decision.inputs if empty[name] != unread[name]}
        if both:
            for fault in _faults_of(pack, decision, both):
                yield decision, fault


def _record_with(pack: Pack, of_record: Fact) -> OrderFacts:
    """The facts of a patient and an order where every fact that is searched for in the record is this one."""
    kinds = {declared.kind for declared in pack.facts.values()}
    facts = Facts(pack.facts, kinds, lambda declared, _: of_record if declared.searches else Fact.absent())
    return OrderFacts(facts, [])


def _faults_of(pack: Pack, decision: Decision, both: Mapping[str, tuple[Fact, Fact]]) -> Iterator[UnknownFault]:
    axes = [_axis(pack, decision, number, both) for number in range(len(decision.inputs))]
    others = [axis if name not in both else [None] for name, axis in zip(decision.inputs, axes, strict=True)]
    found: dict[int, UnknownFault] = {}
    needed: set[int] = set()
    for cell in product(*others):
        empty = _first(decision, [both[n][0] if n in both else f for n, f in zip(decision.inputs, cell, strict=True)])
        unread = _first(decision, [both[n][1] if n in both else f for n, f in zip(decision.inputs, cell, strict=True)])
        if empty is None or unread is None or empty.then.value != unread.then.value:
            continue
        if unread.then.value == NOT_KNOWN or not _could_differ(decision, cell, axes):
            continue
        needed.add(unread.index)
        if not unread.unknown_as_absent:
            names = ", ".join(both)
            found.setdefault(
                unread.index,
                UnknownFault(unread.index, f"rule {unread.id} takes what was not read for absent ({names})"),
            )
    yield from found.values()
    for rule in decision.rules:
        if rule.unknown_as_absent and rule.index not in needed:
            yield UnknownFault(rule.index, f"rule {rule.id} says unknown-as-absent and takes nothing unread for absent")


def _axis(pack: Pack, decision: Decision, number: int, both: Mapping[str, tuple[Fact, Fact]]) -> list[Fact | None]:
    """One probe for each class of an input; those of an empty and of an unread record stand for their own."""
    probes: list[Fact | None] = [fact for _, fact in classes_of(pack, decision, number)]
    return [*probes, *both.get(decision.inputs[number], ())]


def _could_differ(decision: Decision, cell: Sequence[Fact | None], axes: Sequence[Sequence[Fact | None]]) -> bool:
    """Whether some record gives another answer, all else being as in this cell."""
    choices = [axis if fact is None else [fact] for fact, axis in zip(cell, axes, strict=True)]
    answers = {rule.then.value for facts in product(*choices) if (rule := _first(decision, facts)) is not None}
    return len(answers) > 1


def _first(decision: Decision, facts: Sequence[Fact | None]) -> Rule | None:
    """The rule that holds for these inputs."""
    return next(
        (
            rule
            for rule in decision.rules
            if all(fact is not None and cell.matches(fact) for place, cell in rule.tests for fact in [facts[place]])
        ),
        None,
    )
