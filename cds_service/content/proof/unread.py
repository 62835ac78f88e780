"""What was not read is never silence (Z75): each search is taken away from every safety decision, one at a time.

A definition gives some answers where a search was not read. Where it gives one of them for a record that was read too,
nobody can tell any more that something is missing: its rule *takes* what was not read for something else. Where a
safety decision is then silent, although it could have spoken had the search been read, somebody has to say why.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import product

from cds_service.content.decide import decidable
from cds_service.content.domains import SILENT, SPEAKS
from cds_service.content.model import Decision, Pack, Rule
from cds_service.content.proof.cells import probes
from cds_service.vocabulary.derivations import EITHER, never_without
from cds_service.vocabulary.facts import Fact, State

NOT_KNOWN = "unknown"  # the answer of a definition that says that it does not know


@dataclass(frozen=True, slots=True)
class Taken:
    """Where what was not read was taken for something else: a rule of a decision by its index, -1 for no rule of a
    COLLECT table.
    """

    decision: str
    rule: int


@dataclass(frozen=True, slots=True)
class Silence:
    """A safety decision that is silent for want of ``keys``, and where that was ``taken`` for something else."""

    safety: str
    taken: Taken
    keys: tuple[str, ...]
    is_named: bool


@dataclass(frozen=True, slots=True)
class Unread:
    """What the proof found. ``reasons`` are the rules, by decision and index, whose reason is needed."""

    silences: tuple[Silence, ...]
    reasons: frozenset[tuple[str, int]]


def unread(pack: Pack) -> Unread:
    """Every safety decision of a pack that is silent for want of a search, unless a rule on the way says why."""
    found: dict[tuple[str, Taken], tuple[bool, list[str]]] = {}
    reasons: set[tuple[str, int]] = set()
    safety = [d for d in pack.decisions.values() if d.kind == "card" and d.safety and d.is_live]
    for key in pack.searches:
        without = _Without(pack, key, reasons)
        for decision in safety:
            for taken in without.silences(decision):
                _, keys = found.setdefault((decision.id, taken), (without.names(taken), []))
                if key not in keys:
                    keys.append(key)
    silences = [Silence(name, taken, tuple(keys), is_named) for (name, taken), (is_named, keys) in found.items()]
    return Unread(tuple(silences), frozenset(reasons))


@dataclass(frozen=True, slots=True)
class _Choice:
    """What an input can be where the search was not read, the rules that it fits, and whether it is for want of it."""

    mask: int
    fact: Fact
    is_unread: bool = True
    taken: Taken | None = None


@dataclass(frozen=True, slots=True)
class _Table:
    """A table laid out for one search: the classes of each input, and what those become that depend on the search."""

    decision: Decision
    classes: Sequence[Sequence[tuple[int, Fact]]]
    places: Sequence[int]
    choices: Sequence[Sequence[_Choice]]
    read: Sequence[Sequence[tuple[int, Fact]]]
    whole: Sequence[tuple[int, Sequence[int]]]


@dataclass(slots=True)
class _Without:
    """One search taken away. ``reasons`` gets the rules whose reason is needed."""

    pack: Pack
    key: str
    reasons: set[tuple[str, int]]
    _depends: dict[str, bool] = field(default_factory=dict)
    _answers: dict[str, dict[tuple[str, Taken | None], None]] = field(default_factory=dict)

    def depends(self, name: str) -> bool:
        """Whether a fact or a definition rests on the search. A card that another yields to is judged by itself."""
        if name not in self._depends:
            fact, table = self.pack.facts.get(name), self.pack.decisions.get(name)
            behind = fact.inputs.values() if fact is not None else table.inputs if table is not None else ()
            is_card = table is not None and table.kind != "definition"
            is_read = fact is not None and any(search.key == self.key for search in fact.searches)
            self._depends[name] = not is_card and (is_read or any(map(self.depends, behind)))
        return self._depends[name]

    def names(self, taken: Taken) -> bool:
        """Whether a rule names ``unknown`` of a fact of the search beside ``absent``, or there is no rule."""
        decision = self.pack.decisions[taken.decision]
        if taken.rule < 0:
            return True
        return decision.kind == "definition" and any(
            cell.matches(Fact.unknown()) and cell.matches(Fact.absent())
            for place, cell in decision.rules[taken.rule].tests
            if decision.inputs[place] in self.pack.facts and self.depends(decision.inputs[place])
        )

    def silences(self, decision: Decision) -> Iterator[Taken]:
        """Where something was taken for something else on the way to a silence of a safety decision."""
        for fired, choices, read in self._cases(decision):
            if _outcome(decision, fired) == SPEAKS or SPEAKS not in read:
                continue
            rule = fired[0] if fired else None
            if rule is not None and rule.unknown_as_absent:
                self.reasons.add((decision.id, rule.index))
            else:
                yield _first_taken(choices) or Taken(decision.id, rule.index if rule is not None else -1)

    def answers(self, definition: Decision) -> dict[tuple[str, Taken | None], None]:
        """What a definition answers for want of the search, each with the rule that takes it for something else; no
        rule where the answer tells that something is missing.
        """
        if definition.id not in self._answers:
            answers: dict[tuple[str, Taken | None], None] = {}
            for fired, choices, read in self._cases(definition):
                value = _outcome(definition, fired)
                if not fired or read == {value}:
                    continue
                rule = fired[0]
                if value == NOT_KNOWN or value not in read:
                    answers[value, None] = None
                elif rule.unknown_as_absent:
                    self.reasons.add((definition.id, rule.index))
                else:
                    answers[value, _first_taken(choices) or Taken(definition.id, rule.index)] = None
            self._answers[definition.id] = answers
        return self._answers[definition.id]

    def _cases(self, decision: Decision) -> Iterator[tuple[Sequence[Rule], Sequence[_Choice], set[str]]]:
        """Each different case of a table where the search was not read: the rules that fire, what the inputs are, and
        what it could have come to if the search had been read, all else being equal.
        """
        table = self._laid_out(decision)
        if not table.places:
            return
        others = [[(0, Fact.absent())] if k in table.places else axis for k, axis in enumerate(table.classes)]
        seen: set[tuple[int, tuple[bool, ...]]] = set()
        for cell in product(*others):
            rest = (1 << len(decision.rules)) - 1
            for place, (mask, _) in enumerate(cell):
                if place not in table.places:
                    rest &= mask
            facts = [fact for _, fact in cell]
            case = rest, tuple(fact.value is not None for fact in facts) if table.whole else ()
            if case in seen:
                continue
            seen.add(case)
            read = {
                _outcome(decision, _fired(decision, rest, [mask for mask, _ in chosen]))
                for chosen in product(*table.read)
                if _is_whole(table, facts, [fact for _, fact in chosen])
            }
            for choices in product(*table.choices):
                if any(choice.is_unread for choice in choices) and _is_whole(table, facts, [c.fact for c in choices]):
                    yield _fired(decision, rest, [c.mask for c in choices]), choices, read

    def _laid_out(self, decision: Decision) -> _Table:
        classes = [_classes(self.pack, decision, place) for place in range(len(decision.inputs))]
        places, choices, read = [], [], []
        for place, name in enumerate(decision.inputs):
            if not self.depends(name):
                continue
            without = self._choices(decision, place, classes[place])
            if not any(choice.is_unread for choice in without):
                continue
            telling = {choice.fact.value for choice in without if choice.is_unread and choice.taken is None}
            is_fact = name in self.pack.facts
            places.append(place)
            choices.append(without)
            read.append(
                [
                    (mask, fact)
                    for mask, fact in classes[place]
                    if fact.state is not State.UNKNOWN and (is_fact or fact.value not in telling)
                ]
            )
        return _Table(decision, classes, places, choices, read, _whole(self.pack, decision))

    def _choices(self, decision: Decision, place: int, classes: Sequence[tuple[int, Fact]]) -> list[_Choice]:
        """What an input that depends on the search can be without it."""
        name = decision.inputs[place]
        if name in self.pack.facts:
            unknown = Fact.unknown()
            choices = [_Choice(_mask(decision, place, unknown), unknown)]
            return choices + ([_Choice(mask, fact) for mask, fact in classes] if self._may_have_a_value(name) else [])
        known = [_Choice(mask, fact, is_unread=False) for mask, fact in classes]
        for value, taken in self.answers(self.pack.decisions[name]):
            fact = Fact.of(value)
            known.append(_Choice(_mask(decision, place, fact), fact, taken=taken))
        return known

    def _may_have_a_value(self, name: str) -> bool:
        """Whether a fact can have a value although the search was not read, as the newer of two can."""
        if not self.depends(name):
            return True
        declared = self.pack.facts[name]
        if any(search.key == self.key for search in declared.searches):
            return False
        if declared.element in EITHER:
            return any(map(self._may_have_a_value, declared.inputs.values()))
        needed = never_without(declared.element, declared.inputs)
        return all(self._may_have_a_value(other) for role, other in declared.inputs.items() if role in needed)


def _classes(pack: Pack, decision: Decision, place: int) -> list[tuple[int, Fact]]:
    """Probes of one input that fit the same rules are one class: a mask of these rules and its first probe. What has a
    value, what has none and what was not read are never one.
    """
    classes: dict[tuple[int, bool, bool], Fact] = {}
    column = decision.columns[place]
    for probe in probes(pack, decision.inputs[place], column):
        fact = decidable(probe, column)
        mask = _mask(decision, place, fact)
        classes.setdefault((mask, fact.value is None, fact.state is State.UNKNOWN), fact)
    return [(mask, fact) for (mask, *_), fact in classes.items()]


def _whole(pack: Pack, decision: Decision) -> list[tuple[int, Sequence[int]]]:
    """The places of derived inputs, each with those of the inputs without which it never has a value."""
    places = {name: place for place, name in enumerate(decision.inputs) if name in pack.facts}

    def behind(name: str) -> Iterator[str]:
        declared = pack.facts[name]
        needed = never_without(declared.element, declared.inputs)
        for role, other in declared.inputs.items():
            if role in needed:
                yield other
                yield from behind(other)

    found = [(place, [places[other] for other in behind(name) if other in places]) for name, place in places.items()]
    return [(place, others) for place, others in found if others]


def _is_whole(table: _Table, facts: Sequence[Fact], chosen: Sequence[Fact]) -> bool:
    """Whether no derived input has a value for which an operand among the inputs is missing."""
    if not table.whole:
        return True
    of = dict(zip(table.places, chosen, strict=True))
    has = [of.get(place, fact).value is not None for place, fact in enumerate(facts)]
    return all(not has[place] or all(has[other] for other in others) for place, others in table.whole)


def _mask(decision: Decision, place: int, fact: Fact) -> int:
    """The rules whose cell an input fits."""
    return sum(1 << rule.index for rule in decision.rules if (cell := rule.cells[place]) is None or cell.matches(fact))


def _fired(decision: Decision, rest: int, masks: Sequence[int]) -> tuple[Rule, ...]:
    """The rules that fire: all of a COLLECT table, else the first."""
    for mask in masks:
        rest &= mask
    fired = tuple(rule for place, rule in enumerate(decision.rules) if rest >> place & 1)
    return fired if decision.hit_policy == "COLLECT" else fired[:1]


def _outcome(decision: Decision, fired: Sequence[Rule]) -> str:
    """The answer of a definition, ``""`` where no rule fires; of a card whether it speaks."""
    if decision.kind == "definition":
        return fired[0].then.value if fired else ""
    return SPEAKS if any(not rule.then.silent for rule in fired) else SILENT


def _first_taken(choices: Sequence[_Choice]) -> Taken | None:
    return next((choice.taken for choice in choices if choice.taken is not None), None)
