"""Unknown never passes for none (Z75): what a definition makes of a record that was not read, beside an empty one.

Every input that is read from the record is put to a table twice, as looked for and not there, and as not read. Where a
table gives both the same answer, although the record could have changed it, the rule that gives it must say why. So
must one that leaves a safety decision silent for want of a single search (``unread``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

from cds_service.content.decide import OrderFacts, Values
from cds_service.content.model import Decision, Pack, Rule
from cds_service.content.proof.cells import classes_of
from cds_service.content.proof.unread import NOT_KNOWN, Silence, unread
from cds_service.vocabulary.declarations import FactDeclaration
from cds_service.vocabulary.facts import Fact, Facts


@dataclass(frozen=True, slots=True)
class UnknownFault:
    """A rule, by its index, under which what was not read passes for none, or that says so without need; -1 stands for
    a table without a rule for it.
    """

    rule: int
    text: str


def unknown_faults(pack: Pack) -> Iterator[tuple[Decision, UnknownFault]]:
    """Every definition whose answer does not tell an empty record from one that was not read, and every safety decision
    that is silent for want of a search, without a reason; and the reasons that nothing needs.

    An input that is itself a definition and gives the same answer to both is that definition's own to explain.
    """
    empty, not_read = (Values(pack, _record_with(pack, fact)) for fact in (Fact.absent(), Fact.unknown()))
    found = unread(pack)
    needed, explained = set(found.reasons), set()
    for decision in pack.decisions.values():
        if decision.kind != "definition" or not decision.is_live:
            continue
        both = {name: (empty[name], not_read[name]) for name in decision.inputs if empty[name] != not_read[name]}
        rules = _taking(pack, decision, both) if both else ()
        for rule in rules:
            needed.add((decision.id, rule.index))
            if not rule.unknown_as_absent:
                explained.add((decision.id, rule.index))
                names = ", ".join(both)
                yield (
                    decision,
                    UnknownFault(rule.index, f"rule {rule.id} takes what was not read for absent ({names})"),
                )
    for silence in found.silences:
        place = silence.taken.decision, silence.taken.rule
        if (silence.is_named or pack.silence_has_reasons) and place not in explained:
            yield pack.decisions[silence.taken.decision], UnknownFault(silence.taken.rule, _text(pack, silence))
    yield from _needless(pack, needed)


def _needless(pack: Pack, needed: set[tuple[str, int]]) -> Iterator[tuple[Decision, UnknownFault]]:
    """Reasons of rules that take nothing unread for absent."""
    for decision in pack.decisions.values():
        for rule in decision.rules if decision.is_live else ():
            if rule.unknown_as_absent and (decision.id, rule.index) not in needed:
                text = f"rule {rule.id} says unknown-as-absent and takes nothing unread for absent"
                yield decision, UnknownFault(rule.index, text)


def _text(pack: Pack, silence: Silence) -> str:
    """Why a safety decision is silent for want of a search, and what to write."""
    keys = ", ".join(silence.keys)
    decision, place = pack.decisions[silence.taken.decision], silence.taken.rule
    if place < 0:
        return f"no rule speaks where {keys} was not read, and one could if it were: write one for unknown"
    rule = decision.rules[place]
    if rule.is_added:
        return (
            f"the table does not apply where {keys} was not read, and could speak if it were: let it apply to unknown"
        )
    if decision.kind == "definition":
        said = (
            f"rule {rule.id} answers {rule.then.value!r} where {keys} was not read, and {silence.safety} is silent then"
        )
    else:
        said = f"rule {rule.id} is silent where {keys} was not read, and another could speak if it were"
    return f"{said}: write a rule for unknown before it, or say why not under unknown-as-absent"


def _record_with(pack: Pack, of_record: Fact) -> OrderFacts:
    """The facts of a patient and an order where every fact that is searched for in the record is this one."""
    kinds = {declared.kind for declared in pack.facts.values()}
    facts = Facts(pack.facts, kinds, lambda declared, _: of_record if _is_of_record(pack, declared) else Fact.absent())
    return OrderFacts(facts, [])


def _is_of_record(pack: Pack, declared: FactDeclaration) -> bool:
    """Whether a fact is searched for, or derived from one that is."""
    return bool(declared.searches) or any(_is_of_record(pack, pack.facts[name]) for name in declared.inputs.values())


def _taking(pack: Pack, decision: Decision, both: Mapping[str, tuple[Fact, Fact]]) -> list[Rule]:
    """The rules under which a record that was not read passes for an empty one, although it could differ."""
    axes = [_axis(pack, decision, number, both) for number in range(len(decision.inputs))]
    others = [axis if name not in both else [None] for name, axis in zip(decision.inputs, axes, strict=True)]
    found: dict[int, Rule] = {}
    for cell in product(*others):
        empty = _first(decision, [both[n][0] if n in both else f for n, f in zip(decision.inputs, cell, strict=True)])
        not_read = _first(
            decision, [both[n][1] if n in both else f for n, f in zip(decision.inputs, cell, strict=True)]
        )
        if empty is None or not_read is None or empty.then.value != not_read.then.value:
            continue
        if not_read.then.value != NOT_KNOWN and _could_differ(decision, cell, axes):
            found[not_read.index] = not_read
    return list(found.values())


def _axis(pack: Pack, decision: Decision, number: int, both: Mapping[str, tuple[Fact, Fact]]) -> list[Fact | None]:
    """One probe for each class of an input; those of an empty and of an not_read record stand for their own."""
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
