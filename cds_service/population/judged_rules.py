"""Which rules a run judged, and which of these no patient of the export can meet, whatever the record says.

Told from the declarations of the content: a rule cannot speak if it asks for a result that no line has a code of, or
for something of a type of resource that the export has none of.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

import msgspec

from cds_service.content.model import Decision, Pack, Rule, Service
from cds_service.content.needs import reads
from cds_service.content.prepared import Prepared
from cds_service.content.unary import Cell
from cds_service.population.selection import RESULT, codes_asked_for
from cds_service.vocabulary.declarations import FactDeclaration, Search
from cds_service.vocabulary.facts import State

_OF_ONE_TYPE = frozenset({"allergy", "condition", "observation", "procedure"})  # kinds of facts


class FoundInExport(NamedTuple):
    """What an export holds: the types of its resources, ``None`` if it has all of them, and the codes of its results
    as ``system|code``, as far as the content asks for them; ``None`` if nobody counted these.
    """

    types: frozenset[str] | None = None
    codes: frozenset[str] | None = None


class JudgedRule(msgspec.Struct, frozen=True):
    """One rule that a run judged.

    ``status`` is that of its findings: ``active``, ``shadow`` or ``withdrawn``. ``hooks`` are those on which it may
    speak. ``barred_by`` are facts for want of which it could not speak at any event, by their names.
    """

    decision: str
    rule: str
    topic: str
    status: str
    indicator: str
    hooks: tuple[str, ...]
    barred_by: tuple[str, ...] = ()


class JudgedRules(NamedTuple):
    """The rules that a run judged, and what the export can tell none of them.

    ``not_exported`` are the types of resource that the content asks for and the export has none of, each with the
    decisions that rest on it. ``not_found`` are the facts that no record holds, each with the type that is not
    exported, ``""`` if the export has results and none of a code of the fact.
    """

    rules: tuple[JudgedRule, ...]
    not_exported: dict[str, tuple[str, ...]]
    not_found: dict[str, str]


def judged_rules(prepared: Prepared, hooks: Iterable[str], found: FoundInExport) -> JudgedRules:
    """What a run of these hooks judges by a content, on an export that holds what was ``found`` of it."""
    pack = prepared.pack
    services = [service for hook in hooks if (service := pack.service_for(hook)) is not None]
    searches = {search.key: search for service in services for search in prepared.searches[service.id]}
    asked = {search.resource for search in searches.values() if not search.optional}
    missing = asked - found.types if found.types is not None else set()
    not_found = dict(_not_found(pack, searches, missing, found.codes))
    barred = _Barred(pack, not_found)
    rules = tuple(
        JudgedRule(decision.id, rule.id, decision.topic(rule.id), _status(decision, rule), *parts)
        for decision in pack.decisions.values()
        for rule in decision.rules
        if (parts := (rule.then.indicator, _hooks(services, decision, rule), barred.by(decision, rule)))[1]
    )
    decisions = dict.fromkeys(rule.decision for rule in rules)
    rests_on = {name: _types(pack, name) for name in decisions}
    not_exported = {kind: tuple(name for name in decisions if kind in rests_on[name]) for kind in sorted(missing)}
    return JudgedRules(rules, not_exported, not_found)


def _status(decision: Decision, rule: Rule) -> str:
    return "withdrawn" if rule.withdrawn is not None and decision.status == "active" else decision.status


def _hooks(services: Iterable[Service], decision: Decision, rule: Rule) -> tuple[str, ...]:
    """The hooks on which a rule may speak; none for one that says nothing."""
    if decision.kind != "card" or not decision.is_live or rule.then.silent:
        return ()
    return tuple(
        service.hook
        for service in services
        if decision.id in service.decisions and service.shows(decision.id, rule.then.indicator)
    )


def _types(pack: Pack, decision: str) -> frozenset[str]:
    """The types of resource that the facts behind a decision are read from."""
    facts = (pack.facts[name] for name in reads(pack, [decision]) if name in pack.facts)
    return frozenset(search.resource for fact in facts for search in fact.searches)


def _not_found(
    pack: Pack, searches: Mapping[str, Search], missing: set[str], codes: frozenset[str] | None
) -> Iterator[tuple[str, str]]:
    """The facts that no record can hold, with the type that is missing or ``""``; ``codes`` are those of results."""
    for fact in pack.facts.values():
        of_run = [search for search in fact.searches if search.key in searches]
        if fact.kind not in _OF_ONE_TYPE or not of_run:
            continue
        if all(search.resource in missing for search in fact.searches):
            yield fact.name, of_run[0].resource
        elif codes is not None and _has_no_code(fact, codes):
            yield fact.name, ""


def _has_no_code(fact: FactDeclaration, codes: frozenset[str]) -> bool:
    return all(
        search.resource == RESULT and codes_asked_for(search.template).isdisjoint(codes) for search in fact.searches
    )


def _has_one_value(decision: Decision) -> bool:
    """Whether what comes of it is the value of one of its rules, and not of several steps or rules together."""
    return decision.kind == "definition" and decision.each == "order" and decision.hit_policy != "COLLECT"


class _Barred:
    """Which rules of a pack cannot fire where none of the facts ``not_found`` has a value."""

    def __init__(self, pack: Pack, not_found: Mapping[str, str]) -> None:
        self._pack = pack
        self._states = {name: State.UNKNOWN if kind else State.ABSENT for name, kind in not_found.items()}
        self._values: dict[str, frozenset[str]] = {}

    def by(self, decision: Decision, rule: Rule) -> tuple[str, ...]:
        """The facts for want of which a rule cannot fire; none if it can."""
        closed = [
            decision.inputs[place] for place, cell in rule.tests if not self._is_open(decision.inputs[place], cell)
        ]
        behind = [name for one in closed for name in ([one] if one in self._states else reads(self._pack, [one]))]
        return tuple(dict.fromkeys(name for name in behind if name in self._states))

    def _is_open(self, name: str, cell: Cell) -> bool:
        """Whether an input can be what a cell asks for."""
        if name in self._states:
            return self._states[name] in cell.states
        definition = self._pack.decisions.get(name)
        if definition is None or cell.states or not _has_one_value(definition):
            return True
        return any(value in cell.strings or (cell.excluded and value not in cell.excluded) for value in self._of(name))

    def _of(self, definition: str) -> frozenset[str]:
        """The values that a definition can come to."""
        if definition not in self._values:
            table = self._pack.decisions[definition]
            self._values[definition] = frozenset(
                rule.then.value
                for rule in table.rules
                if all(self._is_open(table.inputs[place], cell) for place, cell in rule.tests)
            )
        return self._values[definition]
