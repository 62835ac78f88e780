"""What changes for whom if one content replaces another.

Both contents judge the same cases at the same times with the same key. Words that only name a version do not count as a
change.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import ndiff
from typing import Any

from cds_service.content.model import Pack
from cds_service.content.prepared import Prepared
from cds_service.replay.cases import Case
from cds_service.replay.run import ReplayResult, in_process

# The ways in which an answer may change, the gravest first.
KINDS = {
    "more": "more cards",
    "fewer": "fewer cards",
    "other": "other cards",
    "indicator": "another indicator",
    "order": "another order offered",
    "words": "other words only",
    "error": "another error, or one instead of an answer",
}


@dataclass(frozen=True, slots=True)
class ChangedAnswer:
    """One request that is answered otherwise: ``kinds`` of ``KINDS``, and the results before and after.

    ``words`` are the lines that cards of the same rule no longer say (they begin with ``- ``) and those that they say
    now (``+ ``); ``rules`` are the topics of these cards.
    """

    name: str
    patient: str
    kinds: tuple[str, ...]
    words: tuple[str, ...]
    rules: tuple[str, ...]
    old: ReplayResult
    new: ReplayResult


@dataclass(frozen=True, slots=True)
class RuleCount:
    """How often a rule gave a card, before and after. ``indicator`` is that of its latest card."""

    topic: str
    indicator: str
    old: int
    new: int


@dataclass(frozen=True, slots=True)
class Impact:
    """What all cases together show.

    ``versions`` are those that differ, of the content and of its decisions, as old and new; ``""`` if a decision is not
    there. ``kinds`` counts requests by ``KINDS``, and ``changes`` are sorted by their gravest kind.
    """

    versions: Mapping[str, tuple[str, str]]
    requests: int
    patients: int
    changed_patients: int
    kinds: Mapping[str, int]
    rules: Sequence[RuleCount]
    changes: Sequence[ChangedAnswer]


def impact_of(old: Prepared, new: Prepared, cases: Iterable[Case]) -> Impact:
    """What changes for ``cases`` if the content ``new`` replaces ``old``; each case is fired at both."""
    fires = in_process(old), in_process(new)
    counts: tuple[Counter[str], Counter[str]] = Counter(), Counter()
    indicators: dict[str, str] = {}
    patients, changes, requests = set(), [], 0
    for case in cases:
        requests += 1
        before, after = (fire(case) for fire in fires)
        for count, result in zip(counts, (before, after), strict=True):
            for card in result.cards:
                count[_topic(card)] += 1
                indicators[_topic(card)] = card["indicator"]
        patient = _patient(after.request or before.request)
        patients.add(patient)
        kinds = tuple(_kinds(before, after, old.pack, new.pack))
        if kinds:
            words = list(_lines(before, after, old.pack, new.pack))
            rules = tuple(dict.fromkeys(topic for topic, _ in words))
            lines = tuple(line for _, line in words)
            changes.append(ChangedAnswer(case.name, patient, kinds, lines, rules, before, after))
    return Impact(
        versions=dict(_versions(old.pack, new.pack)),
        requests=requests,
        patients=len(patients),
        changed_patients=len({change.patient for change in changes}),
        kinds={kind: sum(kind in change.kinds for change in changes) for kind in KINDS},
        rules=[RuleCount(topic, indicators[topic], counts[0][topic], counts[1][topic]) for topic in sorted(indicators)],
        changes=sorted(changes, key=lambda change: min(list(KINDS).index(kind) for kind in change.kinds)),
    )


def _versions(old: Pack, new: Pack) -> Iterator[tuple[str, tuple[str, str]]]:
    if old.version != new.version:
        yield new.id, (old.version, new.version)
    for name in sorted({*old.decisions, *new.decisions}):
        before, after = (pack.decisions[name].version if name in pack.decisions else "" for pack in (old, new))
        if before != after:
            yield name, (before, after)


def _kinds(before: ReplayResult, after: ReplayResult, old: Pack, new: Pack) -> Iterator[str]:
    if before.fault != after.fault:
        yield "error"
        return
    was, now = _by_rule(before), _by_rule(after)
    added, gone = now.keys() - was.keys(), was.keys() - now.keys()
    if added or gone:
        yield "other" if added and gone else "more" if added else "fewer"
    both = [(was[key], now[key]) for key in was.keys() & now.keys()]
    if any(a["indicator"] != b["indicator"] for a, b in both):
        yield "indicator"
    if any(_offered(a) != _offered(b) for a, b in both):
        yield "order"
    elif any(_words(a, old) != _words(b, new) for a, b in both):
        yield "words"


def _lines(before: ReplayResult, after: ReplayResult, old: Pack, new: Pack) -> Iterator[tuple[str, str]]:
    """The lines that cards of one rule say no more or say now, each with the topic of its card."""
    now = _by_rule(after)
    for key, card in _by_rule(before).items():
        if key in now:
            lines = ndiff(_words(card, old), _words(now[key], new))
            yield from ((key[0], line) for line in lines if line[:2] in ("- ", "+ "))


def _by_rule(result: ReplayResult) -> dict[tuple[str, int], Mapping[str, Any]]:
    """The cards by topic and number: one rule may give cards for several orders of a request."""
    counts: Counter[str] = Counter()
    cards = {}
    for card in result.cards:
        topic = _topic(card)
        cards[topic, counts[topic]] = card
        counts[topic] += 1
    return cards


def _topic(card: Mapping[str, Any]) -> str:
    return str(card["source"]["topic"]["code"])


def _offered(card: Mapping[str, Any]) -> list[Any]:
    """What the suggestions of a card would change, without their ids and words."""
    return [
        [_changed(action) for action in suggestion["actions"]] + [suggestion.get("isRecommended", False)]
        for suggestion in card.get("suggestions", [])
    ]


def _changed(action: Mapping[str, Any]) -> tuple[Any, ...]:
    resource = action.get("resource")
    if action["type"] == "create":  # the id of a new resource changes with every version of the decision
        resource = {key: value for key, value in action["resource"].items() if key != "id"}
    return action["type"], resource, action.get("resourceId")


def _words(card: Mapping[str, Any], pack: Pack) -> list[str]:
    """The lines of a card and the labels of its suggestions, without versions of the content and its decisions."""
    labels = [suggestion["label"] for suggestion in card.get("suggestions", [])]
    text = "\n".join([card["summary"], card["detail"], *labels])
    for name, version in [(pack.id, pack.version), *((d.id, d.version) for d in pack.decisions.values())]:
        text = text.replace(f"{name} {version}", name)
    return text.splitlines()


def _patient(request: Mapping[str, Any]) -> str:
    context = request.get("context")
    return str(context.get("patientId", "")) if isinstance(context, Mapping) else ""


def as_data(impact: Impact) -> dict[str, Any]:
    """The impact as ``json.dumps`` takes it."""

    def answer(result: ReplayResult) -> dict[str, Any]:
        return {"cards": result.cards} | ({"fault": result.fault} if result.fault else {})

    return {
        "versions": {name: {"old": old, "new": new} for name, (old, new) in impact.versions.items()},
        "requests": impact.requests,
        "patients": impact.patients,
        "changed": {"requests": len(impact.changes), "patients": impact.changed_patients, **impact.kinds},
        "rules": [{"topic": r.topic, "indicator": r.indicator, "old": r.old, "new": r.new} for r in impact.rules],
        "changes": [
            {
                "request": change.name,
                "patient": change.patient,
                "kinds": list(change.kinds),
                "words": list(change.words),
                "rules": list(change.rules),
                "now": change.new.now.isoformat(),
                "old": answer(change.old),
                "new": answer(change.new),
            }
            for change in impact.changes
        ],
    }
