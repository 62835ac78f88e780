"""Deciding: facts in, findings out; no clock, no network, no randomness (docs/decisions.md#rule-3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cds_service.content.domains import JOINED, SILENT, SPEAKS
from cds_service.content.model import Decision, Outcome, Pack, Rule, Service
from cds_service.content.table_tree import Question
from cds_service.content.unary import Cell
from cds_service.vocabulary.facts import Fact, Interval, State


@dataclass(frozen=True, slots=True)
class OrderFacts:
    """The facts of one order: its own with the patient's behind them, and those of each of its dosage steps.

    ``regimen`` are the steps of all the drafts of the regimen that the order is a step of, its own among them (Z72).
    """

    order: Mapping[str, Fact]
    dosages: Sequence[Mapping[str, Fact]]
    regimen: Sequence[Mapping[str, Fact]] = ()


@dataclass(frozen=True, slots=True)
class Finding:
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


@dataclass(frozen=True, slots=True)
class Decided:
    """All that was decided on one order: cards, notes, and the value of each definition that was asked for.

    ``fired`` are the rules that fired, silent ones and those of definitions too, by decision. ``defects`` are the
    decisions that could not be made.
    """

    cards: tuple[Finding, ...]
    notes: tuple[Finding, ...]
    values: Values
    fired: Mapping[str, Sequence[Rule]]
    defects: tuple[Defect, ...] = ()


@dataclass(frozen=True, slots=True)
class _Defined:
    """What a definition came to, and by which rules on which facts; its value is made of the ``decisive`` ones."""

    fact: Fact
    fired: tuple[tuple[Decision, Rule, Mapping[str, Fact]], ...]
    decisive: tuple[tuple[Decision, Rule, Mapping[str, Fact]], ...]


def decide(pack: Pack, service: Service, facts: OrderFacts) -> Decided:
    """Every decision of a service evaluated on one order.

    A rule that says nothing yields no finding, nor does one that says less than the service shows of its decision
    (Z63). Notes are evaluated for their lines and for withholding. A decision that fails does not hide the others
    (ERR-06).
    """
    values = Values(pack, facts, service)
    cards: list[Finding] = []
    notes: list[Finding] = []
    fired: dict[str, Sequence[Rule]] = {}
    defects: list[Defect] = []
    for name in service.decisions:
        decision = pack.decisions[name]
        if not decision.is_live:
            continue
        try:
            fired[name] = values.of_order(decision)
            findings = [
                Finding(decision, rule, values.used(decision, rule))
                for rule in fired[name]
                if not rule.then.silent and service.shows(name, rule.then.indicator)
            ]
            (notes if decision.kind == "note" else cards).extend(findings)
        except Exception as error:
            defects.append(Defect(name, error))
    return Decided(tuple(cards), tuple(notes), values, {**values.fired(), **fired}, tuple(defects))


class Values:
    """Inputs of tables: facts, and the outputs of other tables, each computed once.

    A card that ``service`` does not show says nothing to those that give way to it.
    """

    def __init__(self, pack: Pack, facts: OrderFacts, service: Service | None = None) -> None:
        self._pack = pack
        self._facts = facts
        self._service = service
        self._rules: dict[str, Sequence[Rule]] = {}
        self._definitions: dict[str, _Defined] = {}

    def __getitem__(self, name: str) -> Fact:
        """The fact of this name, or the output of the definition of this name as a fact.

        Facts of a dosage are those of the last one; absent if there is none.
        """
        if name in self._pack.facts and self._pack.facts[name].kind == "dosage":
            return self._facts.dosages[-1][name] if self._facts.dosages else Fact.absent()
        return self._value(name, self._facts.order)

    def fired(self) -> dict[str, tuple[Rule, ...]]:
        """The rules of every definition asked for so far."""
        return {name: tuple(rule for _, rule, _ in defined.fired) for name, defined in self._definitions.items()}

    def _value(self, name: str, facts: Mapping[str, Fact]) -> Fact:
        known = self._definitions.get(name)
        if known is not None:
            return known.fact
        decision = self._pack.decisions.get(name)
        if decision is None:
            return facts[name]
        return self._speaks(decision) if decision.kind == "card" else self._definition(decision).fact

    def _speaks(self, card: Decision) -> Fact:
        """Whether the user gets to see this card. One in the shadow, or that failed, takes no other away (ERR-06)."""
        service = self._service
        if card.status != "active" or service is None or card.id not in service.decisions:
            return Fact.of(SILENT)
        try:
            said = [rule.then for rule in self.of_order(card) if not rule.then.silent]
            return Fact.of(SPEAKS if any(service.shows(card.id, then.indicator) for then in said) else SILENT)
        except Exception:  # whoever asks for the card itself gets to know
            return Fact.of(SILENT)

    def of_order(self, decision: Decision) -> Sequence[Rule]:
        """The rules of a card or note that fire on the order."""
        known = self._rules.get(decision.id)
        if known is None:
            known = self._rules[decision.id] = self.rules(decision, self._facts.order)
        return known

    def _definition(self, decision: Decision) -> _Defined:
        known = self._definitions.get(decision.id)
        if known is None:
            steps = self._steps(decision)
            fired = tuple((decision, rule, step) for step in steps for rule in self.rules(decision, step))
            decisive = next(((one,) for one in fired if one[1].alone), fired)
            outputs = [rule.then.value for _, rule, _ in decisive]
            fact = Fact.of(JOINED.join(outputs)) if outputs else Fact.absent()
            known = self._definitions[decision.id] = _Defined(fact, fired, decisive)
        return known

    def _steps(self, decision: Decision) -> Sequence[Mapping[str, Fact]]:
        match decision.each:
            case "order":
                return (self._facts.order,)
            case "dosage":
                return self._facts.regimen or self._facts.dosages
            case _:
                return self._facts.dosages[-1:]

    def rules(self, decision: Decision, facts: Mapping[str, Fact]) -> Sequence[Rule]:
        """The rules of a table that fire: all of a COLLECT table, else the first (the only one if UNIQUE)."""
        step = decision.tree.first
        while isinstance(step, Question):
            step = step.after(self._value(step.name, facts))
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
        for source, rule, step in self._definition(decision).decisive:
            for inner, cell in zip(source.inputs, rule.cells, strict=True):
                if cell is not None or (rule.unknown_as_absent and self._is_unread(inner, step)):
                    self._collect(inner, step, facts)

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
