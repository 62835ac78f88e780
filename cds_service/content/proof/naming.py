"""Names by one rule (cards/README.md#names), so that one can tell from a name what it names."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from cds_service.content.files import problem_at, texts_path
from cds_service.content.model import Decision, Pack
from cds_service.content.topics import LONGEST
from cds_service.vocabulary.problems import Problem

_CAMEL = re.compile(r"[a-z][a-z0-9]*([A-Z][a-z0-9]*)*")
_PASCAL = re.compile(r"([A-Z][a-z0-9]*)+")
_KEBAB = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_FACT = re.compile(rf"([a-z]+\.)?{_KEBAB.pattern}")  # with the prefix of what it is about


def problems_of_names(pack: Pack, folder: Path) -> Iterator[Problem]:
    """Every name of a pack that is not as its kind is named; ``folder`` is the pack's own."""
    for name, fact in pack.facts.items():
        if not _FACT.fullmatch(name):
            yield problem_at(folder / "facts.yaml", ("facts", name), "name", _not(name, "a fact", "kebab-case"))
        first = fact.label.partition(" ")[0]
        if first[:1].islower() and first == first.lower():  # pH begins as it is written
            wanted = fact.label[:1].upper() + fact.label[1:]
            text = f"the label {fact.label!r} stands at the beginning of a line: write {wanted!r}"
            yield problem_at(folder / "facts.yaml", ("facts", name, "label"), "name", text)
    for name in pack.value_sets:
        if not _KEBAB.fullmatch(name):
            path = folder / "value-sets" / f"{name}.yaml"
            yield Problem(path, 1, "name", _not(name, "a value set", "kebab-case"))
    for name in pack.templates:
        if not _CAMEL.fullmatch(name):
            path = folder / "orders" / f"{name}.yaml"
            yield Problem(path, 1, "name", _not(name, "an order", "camelCase"))
    for decision in pack.decisions.values():
        yield from _of_decision(decision)
        for rule in decision.rules:
            if len(topic := decision.topic(rule.id)) > LONGEST:
                text = f"the topic code {topic} has {len(topic)} characters, more than {LONGEST}"
                yield problem_at(decision.path, ("rules", rule.index), "name", text)


def _of_decision(decision: Decision) -> Iterator[Problem]:
    if not _CAMEL.fullmatch(decision.id):
        yield problem_at(decision.path, ("id",), "name", _not(decision.id, "a decision", "camelCase"))
    for key in decision.texts:
        if not _CAMEL.fullmatch(key):
            path = texts_path(decision.path) or decision.path
            yield problem_at(path, ("texts", key), "name", _not(key, "a text", "camelCase"))
    spoken = [rule.then.text for rule in decision.rules if rule.then.text]
    for rule in decision.rules:
        place = ("rules", rule.index)
        if rule.is_added:
            continue
        if not _PASCAL.fullmatch(rule.id):
            yield problem_at(decision.path, place, "name", _not(rule.id, "a rule", "PascalCase"))
        text = rule.then.text
        if text and spoken.count(text) == 1 and rule.id != text[:1].upper() + text[1:]:
            wanted = rule.id[:1].lower() + rule.id[1:]
            yield problem_at(decision.path, place, "name", f"the text {text!r} of {rule.id} should be {wanted!r}")
        for suggestion in rule.then.suggestions:
            if not _CAMEL.fullmatch(suggestion.id):
                yield problem_at(decision.path, place, "name", _not(suggestion.id, "a suggestion", "camelCase"))


def _not(name: str, kind: str, case: str) -> str:
    return f"{name!r} should be in {case}, as the name of {kind}"
