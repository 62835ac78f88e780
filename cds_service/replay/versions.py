"""What changes for whom if one content replaces another. Imports this room and evaluate.

Both are asked the same cases at the same times with the same key. What only says which version spoke is no change.
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
from cds_service.replay.run import Result, in_process

# How a request may be answered otherwise, the gravest first.
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
class Change:
    """One request that is answered otherwise: ``kinds`` of ``KINDS``, and both results.

    ``words`` are the lines that cards of the same rule no longer say (``- ``) and say now (``+ ``), ``rules`` the
    topics of these cards.
    """

    name: str
    patient: str
    kinds: tuple[str, ...]
    words: tuple[str, ...]
    rules: tuple[str, ...]
    old: Result
    new: Result


@dataclass(frozen=True, slots=True)
class Rule:
    """How often a rule spoke. ``indicator`` is its latest."""

    topic: str
    indicator: str
    old: int
    new: int


@dataclass(frozen=True, slots=True)
class Impact:
    """``versions`` are those that differ: of the content and of its decisions, ``""`` where one is not there.

    ``changes`` stand by their gravest kind.
    """

    versions: Mapping[str, tuple[str, str]]
    requests: int
    patients: int
    changed_patients: int
    kinds: Mapping[str, int]
    rules: Sequence[Rule]
    changes: Sequence[Change]


def impact(old: Prepared, new: Prepared, cases: Iterable[Case]) -> Impact:
    """Fires each case at both contents."""
    fires = in_process(old), in_process(new)
    spoke: tuple[Counter[str], Counter[str]] = Counter(), Counter()
    indicators: dict[str, str] = {}
    patients, changes, requests = set(), [], 0
    for case in cases:
        requests += 1
        before, after = (fire(case) for fire in fires)
        for count, result in zip(spoke, (before, after), strict=True):
            for card in result.cards:
                count[_topic(card)] += 1
                indicators[_topic(card)] = card["indicator"]
        patient = _patient(after.request or before.request)
        patients.add(patient)
        kinds = tuple(_kinds(before, after, old.pack, new.pack))
        if kinds:
            words = list(_lines(before, after, old.pack, new.pack))
            rules = tuple(dict.fromkeys(topic for topic, _ in words))
            changes.append(Change(case.name, patient, kinds, tuple(line for _, line in words), rules, before, after))
    return Impact(
        versions=dict(_versions(old.pack, new.pack)),
        requests=requests,
        patients=len(patients),
        changed_patients=len({change.patient for change in changes}),
        kinds={kind: sum(kind in change.kinds for change in changes) for kind in KINDS},
        rules=[Rule(topic, indicators[topic], spoke[0][topic], spoke[1][topic]) for topic in sorted(indicators)],
        changes=sorted(changes, key=lambda change: min(list(KINDS).index(kind) for kind in change.kinds)),
    )


def _versions(old: Pack, new: Pack) -> Iterator[tuple[str, tuple[str, str]]]:
    if old.version != new.version:
        yield new.id, (old.version, new.version)
    for name in sorted({*old.decisions, *new.decisions}):
        before, after = (pack.decisions[name].version if name in pack.decisions else "" for pack in (old, new))
        if before != after:
            yield name, (before, after)


def _kinds(before: Result, after: Result, old: Pack, new: Pack) -> Iterator[str]:
    if before.fault != after.fault:
        yield "error"
        return
    was, now = _by_rule(before), _by_rule(after)
    come, gone = now.keys() - was.keys(), was.keys() - now.keys()
    if come or gone:
        yield "other" if come and gone else "more" if come else "fewer"
    both = [(was[one], now[one]) for one in was.keys() & now.keys()]
    if any(a["indicator"] != b["indicator"] for a, b in both):
        yield "indicator"
    if any(_offered(a) != _offered(b) for a, b in both):
        yield "order"
    elif any(_words(a, old) != _words(b, new) for a, b in both):
        yield "words"


def _lines(before: Result, after: Result, old: Pack, new: Pack) -> Iterator[tuple[str, str]]:
    now = _by_rule(after)
    for one, card in _by_rule(before).items():
        if one in now:
            lines = ndiff(_words(card, old), _words(now[one], new))
            yield from ((one[0], line) for line in lines if line[:2] in ("- ", "+ "))


def _by_rule(result: Result) -> dict[tuple[str, int], Mapping[str, Any]]:
    """The cards by rule, numbered: one rule may speak about several orders of a request."""
    spoke: Counter[str] = Counter()
    cards = {}
    for card in result.cards:
        topic = _topic(card)
        cards[topic, spoke[topic]] = card
        spoke[topic] += 1
    return cards


def _topic(card: Mapping[str, Any]) -> str:
    return str(card["source"]["topic"]["code"])


def _offered(card: Mapping[str, Any]) -> list[Any]:
    """The changes of FHIR that a card offers, without the ids and words of suggestions."""
    return [
        [_change(action) for action in suggestion["actions"]] + [suggestion.get("isRecommended", False)]
        for suggestion in card.get("suggestions", [])
    ]


def _change(action: Mapping[str, Any]) -> tuple[Any, ...]:
    resource = action.get("resource")
    if action["type"] == "create":  # its id is new with every version of the decision
        resource = {key: value for key, value in action["resource"].items() if key != "id"}
    return action["type"], resource, action.get("resourceId")


def _words(card: Mapping[str, Any], pack: Pack) -> list[str]:
    """The lines that a card says; the one that names the versions without them."""
    labels = [suggestion["label"] for suggestion in card.get("suggestions", [])]
    text = "\n".join([card["summary"], card["detail"], *labels])
    for name, version in [(pack.id, pack.version), *((d.id, d.version) for d in pack.decisions.values())]:
        text = text.replace(f"{name} {version}", name)
    return text.splitlines()


def _patient(request: Mapping[str, Any]) -> str:
    context = request.get("context")
    return str(context.get("patientId", "")) if isinstance(context, Mapping) else ""


def as_data(told: Impact) -> dict[str, Any]:
    """The whole as JSON takes it."""

    def answer(result: Result) -> dict[str, Any]:
        return {"cards": result.cards} | ({"fault": result.fault} if result.fault else {})

    return {
        "versions": {name: {"old": old, "new": new} for name, (old, new) in told.versions.items()},
        "requests": told.requests,
        "patients": told.patients,
        "changed": {"requests": len(told.changes), "patients": told.changed_patients, **told.kinds},
        "rules": [{"topic": r.topic, "indicator": r.indicator, "old": r.old, "new": r.new} for r in told.rules],
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
            for change in told.changes
        ],
    }
