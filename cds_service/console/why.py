"""Why a request was answered as it was, for people: which decisions spoke, and why others kept quiet.

``judge.explanation`` says the same as data, with the ids that programs need.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cds_service.console.plain_words import fact_in_words, name_in_words
from cds_service.content.model import Decision, Pack, Rule, Service
from cds_service.content.render import plain
from cds_service.content.value_words import label_of
from cds_service.content.whose import whose
from cds_service.judge.evaluate import Answer
from cds_service.judge.orders import JudgedOrder
from cds_service.vocabulary.facts import Fact, State

_SILENCE: Mapping[str, str] = {
    "in line": "As the source has it",
    "not shown": "Found, and not shown by this service",
    "withdrawn": "Found, and switched off at this site",
    "noted": "Would be a line on another card, and there is none",
    "shadow": "Found, and only counted while it is on trial",
    "ruled out": "Looked at, and nothing to say",
}
# What a fact was looked for among, by the reason that says that some of it could not be told from it (Z41).
_NOT_TOLD_APART: Mapping[str, str] = {
    "medicationsNotUnderstood": "medications",
    "proceduresNotUnderstood": "operations",
}
_RULED_OUT = "ruled out"
_NOTHING_FOUND = "nothing found"


@dataclass(frozen=True, slots=True)
class Asked:
    """What a rule asked for and found, or would have to find: a label, the value, and the facts behind a conclusion.

    ``asks`` is what the rule asks for, ``""`` where that is the value itself or is not told, and ``own`` says of its
    limits which are this hospital's own, and why.
    """

    label: str
    value: str
    behind: tuple[str, ...] = ()
    asks: str = ""
    own: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Heard:
    """One decision: its id and title, and the rules that fired with what they asked for.

    ``fired`` are the ids of all rules that fired, ``rules`` the names of those that matter. ``spoke`` is whether one of
    its rules says something; ``statement`` is what the first of these rests on, and ``whose`` says in words whose rule
    that is where it is this hospital's.
    """

    decision: str
    fired: tuple[str, ...]
    title: str
    spoke: bool
    rules: tuple[str, ...]
    statement: str
    quote: str
    whose: str
    asked: tuple[Asked, ...]


@dataclass(frozen=True, slots=True)
class Read:
    """One fact: its label and id, its value for people, why it has none, and what it was read from."""

    label: str
    name: str
    state: str
    value: str
    because: str
    missing: tuple[str, ...]
    sources: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True, slots=True)
class Quiet:
    """Why a decision says nothing of an order: in a few words, with the quotation or the facts that it rests on.

    ``matters`` tells what was found from what was only ruled out; ``fired`` are the ids of the rules that fired.
    """

    kind: str
    matters: bool
    decision: str
    fired: tuple[str, ...]
    title: str
    quote: str
    because: tuple[Asked, ...]


@dataclass(frozen=True, slots=True)
class Concluded:
    """What a definition answered: its id, the ids of the rules that ``fired``, its title, and its value in words."""

    decision: str
    fired: tuple[str, ...]
    title: str
    value: str


@dataclass(frozen=True, slots=True)
class Why:
    """The reasoning on one order. ``concluded`` are the definitions with what they answered.

    ``fired`` are the ids of the rules of each decision that fired. ``quiet`` says why decisions kept silent,
    ``nothing_found`` are the titles of those that looked and found nothing, ``absent`` the labels of facts that were
    looked for and are not there.
    """

    drug: str
    spoke: tuple[Heard, ...]
    silent: tuple[Heard, ...]
    concluded: tuple[Concluded, ...]
    facts: tuple[Read, ...]
    absent: tuple[str, ...]
    quiet: tuple[Quiet, ...]
    nothing_found: tuple[str, ...]
    fired: Mapping[str, tuple[str, ...]]


def why_of(pack: Pack, service: Service, answer: Answer, reasoning: Mapping[str, Any]) -> tuple[Why, ...]:
    """The reasoning behind ``answer`` on each of its orders; ``reasoning`` is what ``explanation.reasoning`` says."""
    return tuple(
        _why(pack, service, judged, told) for judged, told in zip(answer.judged, reasoning["orders"], strict=True)
    )


def _why(pack: Pack, service: Service, judged: JudgedOrder, told: Mapping[str, Any]) -> Why:
    heard = [_heard(pack, judged, service, decision) for decision in told["decisions"]]
    facts = list(_facts(pack, judged, told))
    values = judged.decided.values
    return Why(
        drug=told["drug"],
        spoke=tuple(one for one in heard if one.spoke),
        silent=tuple(one for one in heard if not one.spoke),
        concluded=tuple(
            Concluded(name, _fired(judged, name), label_of(pack, name), fact_in_words(pack, name, values[name]))
            for name in told["definitions"]
        ),
        facts=tuple(fact for fact in facts if fact.state != State.ABSENT),
        absent=tuple(dict.fromkeys(fact.label for fact in facts if fact.state == State.ABSENT)),
        quiet=tuple(_quiet(pack, judged, entry) for entry in told["silence"] if entry["kind"] in _SILENCE),
        nothing_found=tuple(entry["title"] for entry in told["silence"] if entry["kind"] == _NOTHING_FOUND),
        fired={one.decision: one.fired for one in heard},
    )


def _heard(pack: Pack, judged: JudgedOrder, service: Service, told: Mapping[str, Any]) -> Heard:
    decision = pack.decisions[told["decision"]]
    rules = {rule.id: rule for rule in decision.rules}
    fired = [rules[one["rule"]] for one in told["fired"]]
    speaking = [rule for rule in fired if not rule.then.silent]
    cited = next((rule for rule in speaking if rule.statement), None)
    statement = cited.statement if cited is not None else ""
    return Heard(
        decision=decision.id,
        fired=tuple(rule.id for rule in fired),
        title=decision.title,
        spoke=bool(speaking),
        rules=tuple(name_in_words(rule.id) for rule in speaking or fired if not rule.is_added),
        statement=statement,
        quote=pack.statements[statement].quote if statement else "",
        whose=whose(pack, decision, cited).get("whose", "") if cited is not None else "",
        asked=tuple(asked for rule in speaking for asked in _asked(pack, judged, decision, rule)),
    )


def _asked(pack: Pack, judged: JudgedOrder, decision: Decision, rule: Rule) -> Iterator[Asked]:
    """What a rule asked of an order and found, but for the cards to which it gives way."""
    values = judged.decided.values
    for place, _ in rule.tests:
        name = decision.inputs[place]
        other = pack.decisions.get(name)
        if other is not None and other.kind == "card":
            continue
        behind: Mapping[str, Fact] = values.behind(name) if other is not None else {}
        yield Asked(
            label_of(pack, name),
            fact_in_words(pack, name, values[name]),
            tuple(
                f"{label_of(pack, fact)}: {fact_in_words(pack, fact, value)}"
                for fact, value in behind.items()
                if value.state is not State.ABSENT
            ),
        )


def _facts(pack: Pack, judged: JudgedOrder, told: Mapping[str, Any]) -> Iterator[Read]:
    """The facts of the order, then those of each step of its dosage."""
    values = judged.decided.values
    for name, fact in told["facts"].items():
        yield _read(pack, fact["label"], name, fact, values[name])
    steps = zip(told["steps"], judged.facts.dosages, strict=True)
    for number, (step, read) in enumerate(steps, 1):
        for name, fact in step.items():
            label = f"{fact['label']}, step {number}" if len(told["steps"]) > 1 else fact["label"]
            yield _read(pack, label, name, fact, read[name])


def _read(pack: Pack, label: str, name: str, told: Mapping[str, Any], fact: Fact) -> Read:
    sources: Sequence[Mapping[str, Any]] = told.get("read-from", [])
    missing = tuple(told.get("missing", []))
    because = _because(pack, name, fact) or told.get("because", "")
    return Read(label, name, told["state"], fact_in_words(pack, name, fact), because, missing, tuple(sources))


def _because(pack: Pack, name: str, fact: Fact) -> str:
    """Why nobody can tell whether this fact is there, where the entries are known for what they are and only have no
    code that could be compared; ``""`` for any other reason.
    """
    things = _NOT_TOLD_APART.get(fact.reason.key) if fact.reason is not None else None
    if fact.reason is None or things is None or pack.facts[name].kind != "history":
        return ""
    number = fact.reason.values["n"]
    is_or_are = "is one" if number == "1" else "are such"
    return (
        f"Whether {number} of {fact.reason.values['m']} {things} {is_or_are} cannot be told: this content has no code "
        "for it in the code system that is used there, and does not know the name."
    )


def _quiet(pack: Pack, judged: JudgedOrder, entry: Mapping[str, Any]) -> Quiet:
    values = judged.decided.values
    kind = _SILENCE[entry["kind"]]
    if entry["kind"] == "in line" and "whose" in entry:
        kind = f"In line ({entry['whose']})"
    if entry["kind"] == "withdrawn":
        kind = f"{kind} since {entry['date']}: {plain(entry['reason'])}"
    elif entry["kind"] == "not shown":
        kind = f"{kind}, which shows nothing below {entry['shown-from']} of it"
    because = tuple(
        Asked(tested["label"], fact_in_words(pack, tested["input"], values[tested["input"]]))
        for tested in entry["because"]
    )
    return Quiet(
        kind=kind,
        matters=entry["kind"] != _RULED_OUT,
        decision=entry["decision"],
        fired=_fired(judged, entry["decision"]),
        title=entry["title"],
        quote=entry.get("quote", ""),
        because=because,
    )


def _fired(judged: JudgedOrder, decision: str) -> tuple[str, ...]:
    """The ids of the rules of a card, a note or a definition that fired."""
    return tuple(rule.id for rule in judged.decided.fired.get(decision, ()))
