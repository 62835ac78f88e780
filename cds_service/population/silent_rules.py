"""The rules of a run that never spoke, and what the export has nothing of: told from what a run keeps."""

from __future__ import annotations

from typing import NamedTuple

from cds_service.content.model import INDICATORS
from cds_service.population.judged_rules import JudgedRule
from cds_service.population.manifest import JudgedContent
from cds_service.population.summary import ContentSummary

NOT_KEPT = "Which rules never spoke is not known: the run was made before that was kept."


class SilentRule(NamedTuple):
    """A rule that never fired on a hook, in ``words``. ``why`` says for want of what it cannot, ``""`` if it can."""

    rule: JudgedRule
    words: str
    why: str


class SilentRules(NamedTuple):
    """The rules that never fired on a hook, the gravest first, ``of`` how many that were judged on it."""

    rules: tuple[SilentRule, ...]
    of: int

    @property
    def told(self) -> str:
        """How many there are, in words."""
        if len(self.rules) == 1:
            return f"1 of {self.of} rules never spoke"
        return f"{len(self.rules) or 'None'} of {self.of} rules never spoke"


def silent_rules(content: ContentSummary, named: JudgedContent, hook: str) -> SilentRules | None:
    """The rules that never spoke on a hook; ``None`` if the run does not say which were judged."""
    if not named.judged:
        return None
    judged = [rule for rule in named.judged if hook in rule.hooks]
    spoken = {rule.topic for rule in content.rules_at(hook)}
    silent = [
        SilentRule(rule, named.rules.get(rule.topic, rule.topic), _why(rule, named))
        for rule in judged
        if rule.topic not in spoken
    ]
    silent.sort(key=lambda one: INDICATORS.index(one.rule.indicator))
    return SilentRules(tuple(silent), len(judged))


def _why(rule: JudgedRule, named: JudgedContent) -> str:
    """For want of what a rule cannot speak, whoever the patient."""
    by_type: dict[str, list[str]] = {}
    for fact in rule.barred_by:
        by_type.setdefault(named.not_found.get(fact, ""), []).append(named.facts.get(fact, fact))
    return "; ".join(
        f"it rests on {', '.join(labels)}, and "
        + (f"this export has no {kind}" if kind else "no result in this export has a code of it")
        for kind, labels in by_type.items()
    )


def not_exported_in_words(named: JudgedContent) -> str:
    """The types of resource that the content asks for and the export has none of, in a sentence; ``""`` for none."""
    if not named.not_exported:
        return ""
    return f"Not in this export, so that nothing is known of it: {', '.join(named.not_exported)}."


def resting_on(named: JudgedContent) -> tuple[tuple[str, str], ...]:
    """The types that the export has none of, each with the titles of the decisions that rest on it."""
    return tuple(
        (kind, ", ".join(named.facts.get(name, name) for name in decisions))
        for kind, decisions in named.not_exported.items()
    )
