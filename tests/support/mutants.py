"""Mutants of a content pack: one small wrong change each, made in memory, and what notices them.

A mutant is caught by the proof over the tables (a gap, an overlap, a rule never reached) or by a scenario that no
longer gets the cards it expects. Nothing here knows what the content is about.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from fractions import Fraction
from functools import cached_property
from typing import Any
from unittest.mock import patch

import msgspec

from cds_service.content.decide import OrderFacts, Values
from cds_service.content.model import Decision, Outcome, Pack, Rule
from cds_service.content.prepared import Prepared
from cds_service.content.proof.cells import faults_of
from cds_service.content.table_tree import Leaf
from cds_service.content.unary import Cell
from cds_service.fhir.quantities import spell
from cds_service.replay.run import in_process
from cds_service.replay.scenario import Scenario
from cds_service.vocabulary.declarations import FactDeclaration
from cds_service.vocabulary.facts import Fact, Interval
from cds_service.vocabulary.json_text import encode

# What the issue counts: a rule taken out, a threshold moved, an indicator swapped.
COUNTED = ("rule", "threshold", "indicator")
_SWAPPED = {"critical": ("warning",), "warning": ("critical", "info"), "info": ("warning",)}
_PROOF = "proof"


@dataclass(frozen=True, slots=True, eq=False)
class Mutant:
    """One change. ``place`` is a decision or a fact, ``rule`` a rule of the decision (or ``""``)."""

    kind: str
    place: str
    rule: str
    change: str
    pack: Pack

    @property
    def key(self) -> tuple[str, str, str]:
        return self.place, self.rule, self.change


def mutants(pack: Pack) -> Iterator[Mutant]:
    """Every mutant of a pack."""
    for decision in pack.decisions.values():
        for number, rule in enumerate(decision.rules):
            others = decision.rules[:number], decision.rules[number + 1 :]
            if others != ((), ()):
                yield _of_rules(pack, decision, "rule", rule, "deleted", (*others[0], *others[1]))
            for kind, change, changed in _of_rule(decision, rule):
                yield _of_rules(pack, decision, kind, rule, change, (*others[0], changed, *others[1]))
    for fact in pack.facts.values():
        for change, declared in _of_fact(fact):
            yield Mutant("fact", fact.name, "", change, replace(pack, facts={**pack.facts, fact.name: declared}))


def rebuilt(decision: Decision, rules: Sequence[Rule]) -> Decision:
    """The decision with other rules, and what is derived from rules derived again."""
    columns = zip(*(rule.cells for rule in rules), strict=True)
    return replace(
        decision,
        rules=tuple(rules),
        columns=tuple(tuple(cell for cell in column if cell is not None) for column in columns),
        values=tuple(dict.fromkeys(rule.then.value for rule in rules if rule.then.value)),
    )


def _of_rules(pack: Pack, decision: Decision, kind: str, rule: Rule, change: str, rules: Sequence[Rule]) -> Mutant:
    decisions = {**pack.decisions, decision.id: rebuilt(decision, rules)}
    return Mutant(kind, decision.id, rule.id, change, replace(pack, decisions=decisions))


def _of_rule(decision: Decision, rule: Rule) -> Iterator[tuple[str, str, Rule]]:
    for number, (name, cell) in enumerate(zip(decision.inputs, rule.cells, strict=True)):
        if cell is not None:
            for kind, changed in of_cell(cell):
                cells = (*rule.cells[:number], changed, *rule.cells[number + 1 :])
                yield kind, f"{name}: {changed.source}", replace(rule, cells=cells)
    for kind, change, then in _of_outcome(rule.then):
        yield kind, change, replace(rule, then=then)
    for name in _flags(rule):
        yield "outcome", f"{name} dropped", replace(rule, **{name: False})


def _flags(one: Rule | Outcome) -> list[str]:
    return [member.name for member in fields(one) if getattr(one, member.name) is True]


# --- cells ----------------------------------------------------------------------------------------------------------


def of_cell(cell: Cell) -> Iterator[tuple[str, Cell]]:
    """Every cell one threshold or one word away, each as it could be written."""
    for number, interval in enumerate(cell.intervals):
        for moved in _moved(interval):
            yield "threshold", _written(cell, intervals=_with(cell.intervals, number, moved))
    for member in ("strings", "excluded", "states"):
        for word in sorted(getattr(cell, member)):
            changed = _written(cell, **{member: getattr(cell, member) - {word}})
            if changed.source:
                yield "word", changed
    if len(cell.intervals) + len(cell.strings) + len(cell.states) > 1:
        for number in range(len(cell.intervals)):
            yield "word", _written(cell, intervals=_with(cell.intervals, number))


def _with(intervals: tuple[Interval, ...], number: int, *instead: Interval) -> tuple[Interval, ...]:
    return (*intervals[:number], *instead, *intervals[number + 1 :])


def _moved(interval: Interval) -> Iterator[Interval]:
    """Each end one unit in the last place down and up, and each end opened or closed. A point moves as one."""
    low, high = interval.low, interval.high
    if interval.is_point and low is not None:
        yield from (Interval.point(low - _unit(low)), Interval.point(low + _unit(low)))
        return
    changed: list[Interval] = []
    if low is not None:
        changed += [msgspec.structs.replace(interval, low=low + step) for step in (-_unit(low), _unit(low))]
        changed.append(msgspec.structs.replace(interval, low_open=not interval.low_open))
    if high is not None:
        changed += [msgspec.structs.replace(interval, high=high + step) for step in (-_unit(high), _unit(high))]
        changed.append(msgspec.structs.replace(interval, high_open=not interval.high_open))
    for one in changed:
        empty = one.low is not None and one.high is not None and one.low >= one.high
        if not empty or (one.is_point and not one.low_open and not one.high_open):
            yield one


def _unit(number: Fraction) -> Fraction:
    """One unit in the last decimal place of a number."""
    return Fraction(1, 10 ** _places(number))


def _places(number: Fraction) -> int:
    return next(places for places in range(20) if (number * 10**places).denominator == 1)


def _written(cell: Cell, **changes: Any) -> Cell:
    changed = replace(cell, **changes)
    parts = [_interval(interval) for interval in changed.intervals]
    parts += [f'"{word}"' for word in sorted(changed.strings)]
    if changed.excluded:
        excluded = ", ".join(f'"{word}"' for word in sorted(changed.excluded))
        parts.append(f"not({excluded})")
    return replace(changed, source=", ".join([*parts, *sorted(changed.states)]))


def _interval(interval: Interval) -> str:
    low, high = ("" if end is None else spell(end) for end in (interval.low, interval.high))
    if interval.is_point:
        return low
    if not low:
        return f"{'<' if interval.high_open else '<='} {high}"
    if not high:
        return f"{'>' if interval.low_open else '>='} {low}"
    return f"{'(' if interval.low_open else '['}{low}..{high}{')' if interval.high_open else ']'}"


# --- outcomes and facts ---------------------------------------------------------------------------------------------


def _of_outcome(then: Outcome) -> Iterator[tuple[str, str, Outcome]]:
    for indicator in _SWAPPED.get(then.indicator, ()):
        yield "indicator", f"indicator: {indicator}", replace(then, indicator=indicator)
    if then.text:
        yield "outcome", "silenced", replace(then, silent=True)
    for name in _flags(then) if not then.silent else ():
        yield "outcome", f"{name} dropped", replace(then, **{name: False})
    if then.withhold:
        yield "outcome", "withhold dropped", replace(then, withhold="")
    for number, suggestion in enumerate(then.suggestions):
        others = then.suggestions[:number], then.suggestions[number + 1 :]
        name = f"suggestion {suggestion.id}"
        yield "suggestion", f"{name} removed", replace(then, suggestions=(*others[0], *others[1]))
        for asked in suggestion.when:
            fewer = {other: cell for other, cell in suggestion.when.items() if other != asked}
            always = replace(suggestion, when=fewer)
            yield (
                "suggestion",
                f"{name} whatever {asked}",
                replace(then, suggestions=(*others[0], always, *others[1])),
            )
        for asked, cell in suggestion.when.items():
            for _, changed in of_cell(cell) if cell is not None else ():
                other = replace(suggestion, when={**suggestion.when, asked: changed})
                yield (
                    "suggestion",
                    f"{name} when {asked}: {changed.source}",
                    replace(then, suggestions=(*others[0], other, *others[1])),
                )


def _of_fact(fact: FactDeclaration) -> Iterator[tuple[str, FactDeclaration]]:
    if fact.look_back_days is not None:
        for days in (fact.look_back_days - 1, fact.look_back_days + 1):
            yield f"look-back: P{days}D", replace(fact, look_back_days=days)
    for name, number in fact.constants.items():
        for moved in (number - _unit(number), number + _unit(number)):
            change = f"{name}: {spell(moved)}"
            yield change, replace(fact, constants={**fact.constants, name: moved})
    outcomes = ["present", *(value for value in fact.values if value != "present"), "unknown"]
    if fact.kind == "condition" and not fact.any_status:
        for outcome in outcomes:
            if outcome != fact.without_status:
                yield f"without-status: {outcome}", replace(fact, without_status=outcome)
    if fact.by_name:
        for outcome in [*outcomes, ""]:
            if outcome != fact.by_name:
                yield f"by-name: {outcome or 'not read'}", replace(fact, by_name=outcome)
    if fact.any_status:
        yield "any-status: false", replace(fact, any_status=False)


# --- what notices ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A scenario whose request is written out once, as the pack without a mutant asks for it."""

    scenario: Scenario
    written: list[msgspec.Raw] = field(default_factory=list)

    name = property(lambda self: self.scenario.name)
    hook = property(lambda self: self.scenario.hook)
    now = property(lambda self: self.scenario.now)
    why = property(lambda self: self.scenario.why)
    where = property(lambda self: self.scenario.where)
    profile = property(lambda self: self.scenario.profile)
    preference_item = property(lambda self: self.scenario.preference_item)

    def expected(self, today: datetime) -> Any:
        return self.scenario.expected(today)

    def request(self, templates: Mapping[str, str]) -> msgspec.Raw:
        if not self.written:
            self.written.append(msgspec.Raw(encode(self.scenario.request(templates))))
        return self.written[0]


@dataclass(slots=True)
class _Asked:
    """One set of inputs that scenarios put to a table, the rules it fires, and which scenarios those are."""

    inputs: Mapping[str, Fact]
    fired: Sequence[Rule]
    scenarios: set[int]


class Watch:
    """The proof and the scenarios, ready to be put to many mutants of one pack.

    Every scenario is fired once at the pack as it is, noting what each table was asked. A scenario can only differ
    under a mutant if some table it asked answers otherwise, so no other scenario is fired at it.
    """

    def __init__(self, prepared: Prepared, scenarios: Iterable[Scenario]) -> None:
        self._evaluator = prepared
        self._scenarios = [_Prepared(scenario) for scenario in scenarios]
        self._asked: dict[str, dict[Any, _Asked]] = {name: {} for name in prepared.pack.decisions}
        self._record()

    def caught_by(self, mutant: Mutant) -> str:
        """``proof`` or the name of the first scenario that differs; ``""`` for a mutant that survives."""
        if mutant.kind == "fact":
            candidates = self._reading(mutant.place)
        else:
            if self._is_disproved(mutant):
                return _PROOF
            candidates = self._touched(mutant)
        fire = in_process(replace(self._evaluator, pack=mutant.pack))
        return next((self._scenarios[n].name for n in candidates if fire(self._scenarios[n]).differences), "")

    def _record(self) -> None:
        original = Values.leaf
        current: list[int] = []

        def leaf(values: Values, decision: Decision, facts: Mapping[str, Fact]) -> Leaf:
            inputs = {name: values.asked(name, facts) for name in decision.inputs}
            came_to = original(values, decision, facts)
            key = tuple((fact.state, fact.value) for fact in inputs.values())
            self._asked[decision.id].setdefault(key, _Asked(inputs, came_to.rules, set())).scenarios.update(current)
            return came_to

        fire = in_process(self._evaluator)
        # A table may ask more once it is mutated, so each is asked again where it would have been taken over.
        with patch.object(Values, "leaf", leaf), patch.object(Values, "take_over", lambda values, before: None):
            for number, scenario in enumerate(self._scenarios):
                current[:] = [number]
                differences = fire(scenario).differences
                assert differences == [], f"{scenario.name} fails without any mutant: {differences}"

    def _is_disproved(self, mutant: Mutant) -> bool:
        """Whether the proof finds fault with the table, or with one that takes its output as input."""
        changed, before = mutant.pack.decisions[mutant.place], self._evaluator.pack.decisions[mutant.place]
        tables = [changed]
        if set(changed.values) != set(before.values):
            tables += [other for other in mutant.pack.decisions.values() if changed.id in other.inputs]
        return any(next(faults_of(mutant.pack, table), None) for table in tables)

    def _touched(self, mutant: Mutant) -> list[int]:
        """The scenarios in which the mutated table answers otherwise, those with the rarest question first."""
        decision = mutant.pack.decisions[mutant.place]
        tables_only = replace(mutant.pack, decisions={})
        all_matter = _says_limits(mutant.pack, decision)
        certain: list[set[int]] = []
        possible: list[set[int]] = []
        for asked in self._asked[decision.id].values():
            fired = Values(tables_only, OrderFacts(asked.inputs, [])).rules(decision, asked.inputs)
            if [replace(rule, cells=()) for rule in fired] != [replace(rule, cells=()) for rule in asked.fired]:
                certain.append(asked.scenarios)
            elif all_matter:
                possible.append(asked.scenarios)
        return list(dict.fromkeys(n for found in (certain, possible) for one in sorted(found, key=len) for n in one))

    def _reading(self, fact: str) -> list[int]:
        """The scenarios in which a table asks for a fact or for one derived from it."""
        names, found = {fact}, set()
        for _ in self._derived:
            names |= {name for name, inputs in self._derived.items() if names & inputs}
        for name, questions in self._asked.items():
            if names & set(self._evaluator.pack.decisions[name].inputs):
                found |= {n for asked in questions.values() for n in asked.scenarios}
        return sorted(found)

    @cached_property
    def _derived(self) -> dict[str, set[str]]:
        return {f.name: set(f.inputs.values()) for f in self._evaluator.pack.facts.values() if f.inputs}


def _says_limits(pack: Pack, decision: Decision) -> bool:
    """Whether words about this decision name a threshold: they may change although the same rule fires."""
    parts = [part for text in decision.texts.values() for part in (text.summary, text.detail, *text.labels.values())]
    phrases = [phrase for other in pack.decisions.values() for phrase in other.phrases.values()]
    return any("{limit." in part for part in (*parts, *phrases))
