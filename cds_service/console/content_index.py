"""The index of the content: its decisions in groups, its statements and settlements, searched by words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date

from cds_service.content.model import INDICATORS, Decision, Pack, Settlement, Statement
from cds_service.content.reviews import Standing, better
from cds_service.vocabulary.declarations import ValueSet

_GROUPS: Mapping[str, str] = {
    "critical": "Cards up to critical",
    "warning": "Cards up to warning",
    "info": "Cards that inform",
    "note": "Notes on cards",
    "definition": "Definitions, which the others read",
}


@dataclass(frozen=True, slots=True)
class ListedDecision:
    """A decision in the index. ``severities`` are those of its cards, the gravest first, each with its rules' number;
    ``rules`` is how many rules are written, the silent ones among them.
    """

    decision: Decision
    rules: int
    severities: tuple[tuple[str, int], ...]
    review: Standing


@dataclass(frozen=True, slots=True)
class Cited:
    """A statement or settlement with the rules that rest on it, by decision."""

    entry: Statement | Settlement
    rules: tuple[tuple[Decision, tuple[str, ...]], ...]


@dataclass(frozen=True, slots=True)
class Index:
    """The content, or what of it was searched for. ``groups`` are those with entries, each with its id and heading;
    ``found`` counts everything.
    """

    groups: tuple[tuple[str, str, tuple[ListedDecision, ...]], ...]
    statements: tuple[Cited, ...]
    settlements: tuple[Cited, ...]
    value_sets: tuple[ValueSet, ...]

    @property
    def found(self) -> int:
        decisions = sum(len(entries) for _, _, entries in self.groups)
        return decisions + len(self.statements) + len(self.settlements) + len(self.value_sets)


def index_of(pack: Pack, today: date, asked: str = "") -> Index:
    """What of a pack has all the words that are ``asked`` for; all of it for ``""``."""
    wanted = asked.casefold().split()
    entries = [_listed(pack, decision, today) for decision in pack.decisions.values() if _has(_words(decision), wanted)]
    grouped = {name: tuple(entry for entry in entries if _group(entry) == name) for name in _GROUPS}
    return Index(
        groups=tuple((name, _GROUPS[name], its) for name, its in grouped.items() if its),
        statements=tuple(
            Cited(one, _resting(pack, one.id))
            for one in pack.statements.values()
            if _has((one.id, one.place, one.quote, one.does), wanted)
        ),
        settlements=tuple(
            Cited(one, _resting(pack, one.id))
            for one in pack.settlements.values()
            if _has((one.id, one.clash, one.settlement), wanted)
        ),
        value_sets=tuple(
            one
            for one in sorted(pack.value_sets.values(), key=lambda one: one.title)
            if _has((one.id, one.title), wanted)
        ),
    )


def _listed(pack: Pack, decision: Decision, today: date) -> ListedDecision:
    written = [rule for rule in decision.rules if not rule.is_added]
    counts = {name: sum(rule.then.indicator == name for rule in written) for name in INDICATORS}
    review = better(pack.standing(today), decision.standing(today))
    return ListedDecision(
        decision, len(written), tuple((name, count) for name, count in counts.items() if count), review
    )


def _group(entry: ListedDecision) -> str:
    if entry.decision.kind != "card":
        return entry.decision.kind
    return entry.severities[0][0] if entry.severities else "info"


def _words(decision: Decision) -> Iterator[str]:
    yield from (decision.id, decision.title, decision.question, decision.why)
    for rule in decision.rules:
        yield rule.id
    for text in decision.texts.values():
        yield from text.parts
    yield from decision.phrases.values()


def _has(texts: Iterable[str], wanted: Iterable[str]) -> bool:
    together = " ".join(texts).casefold()
    return all(word in together for word in wanted)


def _resting(pack: Pack, cited: str) -> tuple[tuple[Decision, tuple[str, ...]], ...]:
    """The decisions with rules that rest on a statement or carry out a settlement, each with the ids of these."""
    rules = {
        decision.id: tuple(rule.id for rule in decision.rules if cited == rule.statement or cited in rule.settles)
        for decision in pack.decisions.values()
    }
    return tuple((pack.decisions[name], its) for name, its in rules.items() if its)
