"""Deciding: facts in, findings out; no clock, no network, no randomness (docs/decisions.md#rule-3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec

from cds_service.content.domains import SILENT, SPEAKS
from cds_service.content.model import Decision, Outcome, Pack, Rule, Service
from cds_service.content.table_tree import Leaf, Question, output_of
from cds_service.content.unary import Cell
from cds_service.vocabulary.facts import HAS_VALUE, Fact, Facts, Interval, State

_SILENT, _SPEAKS = Fact.of(SILENT), Fact.of(SPEAKS)


class OrderFacts(msgspec.Struct, frozen=True):
    """The facts of one order: its own with the patient's behind them, and those of each of its dosage steps.

    ``regimen`` are the steps of all the drafts of the regimen that the order is a step of, its own among them (Z72).
    """

    order: Facts
    dosages: Sequence[Facts]
    regimen: Sequence[Facts] = ()

    @property
    def steps(self) -> Sequence[Facts]:
        """The steps that its regimen has, be they of this order alone or of several drafts."""
        return self.regimen or self.dosages

    def unlike(self, other: OrderFacts) -> set[str]:
        """The facts that were read of the ``other`` order of the patient and have another value or state of this one.

        Those of the patient are the same for both. Of the dosage those steps are compared that both have.
        """
        before, now = (other.order, *other.dosages), (self.order, *self.dosages)
        return {
            name
            for earlier, later in zip(before, now, strict=False)
            for name, fact in earlier.own_so_far.items()
            if not _alike(fact, later[name])
        }

    def has_steps_like(self, other: OrderFacts) -> bool:
        """Whether this order and the ``other`` have as many steps, none of them from another draft."""
        are_own = all(facts.steps is facts.dosages for facts in (self, other))
        return are_own and len(self.dosages) == len(other.dosages)


def _alike(fact: Fact, other: Fact) -> bool:
    """Whether two facts are the same to every table."""
    return fact.state is other.state and fact.value == other.value


class Finding(msgspec.Struct, frozen=True):
    """A rule that fired. ``used`` are the inputs it looked at, by name, definitions followed down to facts."""

    decision: Decision
    rule: Rule
    used: Mapping[str, Fact]

    @property
    def topic(self) -> str:
        """The code of ``source.topic``."""
        return self.decision.topic(self.rule.id)

    @property
    def then(self) -> Outcome:
        return self.rule.then

    @property
    def status(self) -> str:
        """That of its decision; ``withdrawn`` where the site does not show a rule of an active one (Z31)."""
        is_withdrawn = self.rule.withdrawn is not None and self.decision.status == "active"
        return "withdrawn" if is_withdrawn else self.decision.status

    @property
    def is_shown(self) -> bool:
        """Whether it may be shown to anybody, and count where something else depends on what is shown."""
        return self.status == "active"


@dataclass(frozen=True, slots=True)
class Defect:
    """A decision, or a finding by its topic, that failed by a fault of this software and not of the request."""

    name: str
    error: Exception


class Decided(msgspec.Struct, frozen=True):
    """All that was decided on one order: cards, notes, and the value of each definition that was asked for.

    ``says_anything`` if an active card found something, also where the service does not show it (Z63). ``defects`` are
    the decisions that could not be made.
    """

    cards: tuple[Finding, ...]
    notes: tuple[Finding, ...]
    values: Values
    says_anything: bool
    defects: tuple[Defect, ...] = ()

    @property
    def fired(self) -> Mapping[str, Sequence[Rule]]:
        """The rules that fired, silent ones and those of definitions too, by decision."""
        return self.values.fired()


def decide(pack: Pack, service: Service, facts: OrderFacts, like: Decided | None = None) -> Decided:
    """Every decision of a service evaluated on one order.

    A rule that says nothing yields no finding, nor does one that says less than the service shows of its decision
    (Z63). Notes are evaluated for their lines and for withholding. A decision that fails does not hide the others
    (ERR-06). What was decided on another order of the same patient, by the same service, spares those tables for which
    the two orders are ``like``.
    """
    values = Values(pack, facts, service)
    if like is not None and not like.defects:
        values.take_over(like.values)
    cards: list[Finding] = []
    notes: list[Finding] = []
    defects: list[Defect] = []
    says_anything = False
    for name in service.decisions:
        decision = pack.decisions[name]
        if not decision.is_live:
            continue
        try:
            said = values.of_order(decision).said
            if said:
                says_anything = says_anything or (decision.kind == "card" and decision.status == "active")
                findings = [
                    Finding(decision, rule, values.used(decision, rule))
                    for rule in said
                    if service.shows(name, rule.then.indicator)
                ]
                (notes if decision.kind == "note" else cards).extend(findings)
        except Exception as error:
            defects.append(Defect(name, error))
    return Decided(tuple(cards), tuple(notes), values, says_anything, tuple(defects))


class Values:
    """Inputs of tables: facts, and the outputs of other tables, each computed once.

    A card that ``service`` does not show says nothing to those that give way to it.
    """

    def __init__(self, pack: Pack, facts: OrderFacts, service: Service | None = None) -> None:
        self._pack = pack
        self._facts = facts
        self._service = service
        # What each table came to, for each step that it is asked of: each after those that it asked itself.
        self._leaves: dict[str, tuple[Leaf, ...]] = {}
        self._answers: dict[str, Fact] = {}  # what tables are to those that ask them

    def __getitem__(self, name: str) -> Fact:
        """The fact of this name, or the output of the definition of this name as a fact.

        Facts of a dosage are those of the last one; absent if there is none.
        """
        if name in self._pack.facts and self._pack.facts[name].kind == "dosage":
            return self._facts.dosages[-1][name] if self._facts.dosages else Fact.absent()
        return self.asked(name, self._facts.order)

    def fired(self) -> dict[str, tuple[Rule, ...]]:
        """The rules of every table asked so far."""
        return {name: tuple(rule for leaf in leaves for rule in leaf.rules) for name, leaves in self._leaves.items()}

    def take_over(self, before: Values) -> None:
        """Takes over what tables came to ``before``, on another order of the same patient, and evaluates the rest.

        A table that asked nothing that has another answer now comes to the same as it did then.
        """
        changed = self._facts.unlike(before._facts)
        has_like_steps = self._facts.has_steps_like(before._facts)
        for name, leaves in before._leaves.items():
            answer = before._answers.get(name)
            is_like = has_like_steps or self._pack.decisions[name].each == "order"
            for leaf in leaves:
                is_like = is_like and leaf.asked.isdisjoint(changed)
            if is_like:
                self._leaves[name] = leaves
                if answer is not None:
                    self._answers[name] = answer
            elif answer is not None and self._answer(name) != answer:
                changed.add(name)

    def asked(self, name: str, facts: Mapping[str, Fact]) -> Fact:
        """What a table that is asked of ``facts`` gets for an input: one of them, or the output of another table."""
        return self._answer(name) if name in self._pack.decisions else facts[name]

    def _answer(self, name: str) -> Fact:
        """What a table is to another that asks it."""
        answer = self._answers.get(name)
        if answer is None:
            table = self._pack.decisions[name]
            if table.kind == "card":
                answer = self._speaks(table)
            elif table.each == "order":
                answer = self.of_order(table).output
            else:
                answer = self._output_on_steps(table)
            self._answers[name] = answer
        return answer

    def _speaks(self, card: Decision) -> Fact:
        """Whether the user gets to see this card. One in the shadow, or that failed, takes no other away (ERR-06)."""
        service = self._service
        if card.status != "active" or service is None or card.id not in service.decisions:
            return _SILENT
        try:
            said = self.of_order(card).said
            return _SPEAKS if any(service.shows(card.id, rule.then.indicator) for rule in said) else _SILENT
        except Exception:  # whoever asks for the card itself gets to know
            return _SILENT

    def of_order(self, decision: Decision) -> Leaf:
        """What a table that is asked of the order comes to on it, as cards and notes are."""
        known = self._leaves.get(decision.id)
        if known is None:
            known = self._leaves[decision.id] = (self.leaf(decision, self._facts.order),)
        return known[0]

    def _output_on_steps(self, definition: Decision) -> Fact:
        """What a definition comes to on all the steps that it is asked of, in their order."""
        leaves = tuple([self.leaf(definition, step) for step in self._steps(definition)])
        self._leaves[definition.id] = leaves
        return leaves[0].output if len(leaves) == 1 else output_of([rule for leaf in leaves for rule in leaf.rules])

    def _steps(self, decision: Decision) -> Sequence[Facts]:
        match decision.each:
            case "order":
                return (self._facts.order,)
            case "dosage":
                return self._facts.steps
            case _:
                return self._facts.dosages[-1:]

    def rules(self, decision: Decision, facts: Mapping[str, Fact]) -> Sequence[Rule]:
        """The rules of a table that fire: all of a COLLECT table, else the first (the only one if UNIQUE)."""
        return self.leaf(decision, facts).rules

    def leaf(self, decision: Decision, facts: Mapping[str, Fact]) -> Leaf:
        """What a table comes to.

        Every order asks some hundred questions, so what an answer fits is told here without a call.
        """
        step, answers, tables = decision.tree.first, self._answers, self._pack.decisions
        while isinstance(step, Question):
            name, column = step.name, step.column
            fact = answers.get(name) or self._answer(name) if name in tables else facts[name]
            value = fact.value
            if fact.state is not HAS_VALUE:
                fitted = column.of_state[fact.state]
            elif isinstance(value, str):
                fitted = column.of_string.get(value, column.of_other_strings)
            else:
                fitted = column.of_number(fact)
            step = step.known.get(fitted) or step.grown(fitted)
        return step

    def used(self, decision: Decision, rule: Rule) -> dict[str, Fact]:
        """The facts a rule looked at, those behind definitions included, in the order of the inputs."""
        facts: dict[str, Fact] = {}
        for name, cell in zip(decision.inputs, rule.cells, strict=True):
            if cell is not None:
                self._collect(name, self._facts.order, facts)
        return facts

    def behind(self, name: str) -> dict[str, Fact]:
        """The facts that an input of a card or note rests on: those behind a definition, or the fact itself."""
        facts: dict[str, Fact] = {}
        self._collect(name, self._facts.order, facts)
        return facts

    def asked_by(self, name: str) -> list[str]:
        """The inputs that a table asked until it came to what it did, whichever step of the dosage it was asked of.

        Nothing else changes what it comes to while these are as they are. A fact asks for nothing.
        """
        asked = {one for leaf in self._leaves.get(name, ()) for one in leaf.asked}
        return [one for one in self._pack.decisions[name].inputs if one in asked] if asked else []

    def _collect(self, name: str, known: Mapping[str, Fact], facts: dict[str, Fact]) -> None:
        """Adds to ``facts`` an input that is a fact of ``known``, or the facts behind one that is a definition.

        With a fact that an operator derives come the operands that it took. What another card rests on stands on that
        card.
        """
        decision = self._pack.decisions.get(name)
        if decision is None:
            facts.setdefault(name, known[name])
            for operand in self._pack.facts[name].operands_taken(known):
                if operand.fact:
                    self._collect(operand.fact, known, facts)
            return
        if decision.kind == "card":
            return
        for rule, step in self._decisive(decision):
            for inner, cell in zip(decision.inputs, rule.cells, strict=True):
                if cell is not None or (rule.unknown_as_absent and self._is_unread(inner, step)):
                    self._collect(inner, step, facts)

    def _decisive(self, definition: Decision) -> Sequence[tuple[Rule, Facts]]:
        """The rules of a definition that its output is made of, each with the facts of the step on which it fired."""
        self._answer(definition.id)
        steps = zip(self._leaves[definition.id], self._steps(definition), strict=True)
        fired = [(rule, step) for leaf, step in steps for rule in leaf.rules]
        return next(([one] for one in fired if one[0].alone), fired)

    def _is_unread(self, name: str, known: Mapping[str, Fact]) -> bool:
        """Whether an input is a fact that was not read, which a rule that takes it for absent has to name (Z75)."""
        return name not in self._pack.decisions and known[name].state in (State.UNKNOWN, State.UNUSABLE)


def decidable(fact: Fact, column: Sequence[Cell]) -> Fact:
    """A range that lies across the edge of a cell and wholly within none is ``undecidable`` in that column (Z19)."""
    value = fact.value
    if not isinstance(value, Interval) or value.is_point or fact.state is not State.VALUE:
        return fact
    if any(cell.matches(fact) for cell in column):
        return fact
    if any(cell.straddled_by(value) for cell in column):
        return Fact(State.UNDECIDABLE, value, fact.evidence, fact.reason)
    return fact
