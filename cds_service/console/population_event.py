"""One example of a population run as a page shows it: what was asked, what was answered, and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cds_service.console.plain_words import name_in_words
from cds_service.console.why import Asked
from cds_service.content.model import Pack
from cds_service.content.whose import whose
from cds_service.population.examples import ExampleAnswer, ExampleEvent, FiredRule, ToldFact
from cds_service.population.manifest import JudgedContent, Manifest
from cds_service.population.words import HOOKS
from cds_service.vocabulary.facts import State

_NO_ANSWER: Mapping[str, str] = {
    "silent": "No card.",
    "not-judged": "It could not be judged for want of data:",
    "defect": "It failed by a fault of this software.",
}
_UNSHOWN: Mapping[str, str] = {
    "active": "It has no card of its own: another card on the same order says it, or takes its place.",
    "shadow": "It is only counted while it is on trial.",
    "withdrawn": "It is switched off at this site.",
}


@dataclass(frozen=True, slots=True)
class FiredInWords:
    """A rule that fired: what it says, whether anybody saw it, and what it asked for.

    ``links_to`` is its decision, ``""`` if the content that is served has none of that version; then it has no
    ``statement`` either. ``notes`` are whole sentences.
    """

    indicator: str
    words: str
    topic: str
    decision: str
    rule: str
    links_to: str
    notes: tuple[str, ...]
    asked: tuple[Asked, ...]
    statement: str
    quote: str
    whose: str


@dataclass(frozen=True, slots=True)
class FactInWords:
    """A fact that rules rested on: its label, its value, why it has none, what it was read from and when."""

    label: str
    name: str
    state: str
    value: str
    because: str
    source: str
    when: str


@dataclass(frozen=True, slots=True)
class AnswerInWords:
    """What one content answered. ``outcome`` is a sentence where there is no card, ``missing`` what it ends with."""

    name: str
    title: str
    outcome: str
    missing: str
    notes: tuple[str, ...]
    fired: tuple[FiredInWords, ...]
    facts: tuple[FactInWords, ...]
    absent: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class EventView:
    """One event for a page. ``about`` are labels with what is known of it."""

    title: str
    about: tuple[tuple[str, str], ...]
    answers: tuple[AnswerInWords, ...]


def event_view(example: ExampleEvent, manifest: Manifest, pack: Pack) -> EventView:
    """What a page shows of an example; ``pack`` is what is served now, for links and quotations."""
    about = (
        ("Patient", ", ".join(filter(None, [example.age_band, example.sex])) or "nothing is known"),
        ("Ordered", ", ".join(filter(None, [example.drug, example.route]))),
        ("Orders that were judged together", str(example.orders) if example.orders else ""),
        ("Unit", example.unit or ""),
        ("Event", example.event),
    )
    return EventView(
        title=f"{HOOKS.get(example.hook, example.hook).capitalize()} on {example.day}",
        about=tuple((label, value) for label, value in about if value),
        answers=tuple(
            _answer(name, example.answers[name], content, pack)
            for name, content in manifest.contents.items()
            if name in example.answers
        ),
    )


def _answer(name: str, answer: ExampleAnswer, content: JudgedContent, pack: Pack) -> AnswerInWords:
    facts = {fact.name: fact for fired in answer.fired for fact in fired.facts}
    notes = []
    if answer.status_dependent:
        notes.append("Its cards differ if orders that have ended since were still active then.")
    if answer.not_understood:
        times = answer.not_understood
        is_or_are = "thing in the record was" if times == 1 else "things in the record were"
        notes.append(f"{times} {is_or_are} not understood, and may concern the patient.")
    return AnswerInWords(
        name=name,
        title=content.told,
        outcome=_NO_ANSWER.get(answer.outcome, ""),
        missing=", ".join(answer.missing),
        notes=tuple(notes),
        fired=tuple(_fired(fired, facts, content, pack) for fired in answer.fired),
        facts=tuple(_fact(fact, content) for fact in facts.values() if fact.state != State.ABSENT),
        absent=tuple(content.facts.get(fact.name, fact.name) for fact in facts.values() if fact.state == State.ABSENT),
    )


def _fired(fired: FiredRule, facts: Mapping[str, ToldFact], content: JudgedContent, pack: Pack) -> FiredInWords:
    served = pack.decisions.get(fired.decision)
    decision = served if served is not None and served.version == fired.version else None
    rule = next((one for one in decision.rules if one.id == fired.rule), None) if decision is not None else None
    statement = rule.statement if rule is not None else ""
    return FiredInWords(
        indicator=fired.indicator,
        words=content.rules.get(fired.topic) or name_in_words(fired.rule),
        topic=fired.topic,
        decision=fired.decision,
        rule=fired.rule,
        links_to=decision.id if decision is not None else "",
        notes=tuple(_notes(fired)),
        asked=tuple(
            Asked(
                content.facts.get(one.name, one.name),
                one.value,
                tuple(f"{content.facts.get(name, name)}: {facts[name].value}" for name in one.behind if name in facts),
            )
            for one in fired.asked
        ),
        statement=statement,
        quote=pack.statements[statement].quote if statement else "",
        whose=whose(pack, decision, rule).get("whose", "") if decision is not None and rule is not None else "",
    )


def _notes(fired: FiredRule) -> list[str]:
    notes = [] if fired.shown else [_UNSHOWN.get(fired.status, "")]
    if fired.days_since is not None:
        before = fired.nth - 1
        times = "once" if before == 1 else f"{before:,} times"
        notes.append(f"It had spoken of this patient {times} before, the last time {_when(fired.days_since)}.")
    return [note for note in notes if note]


def _fact(fact: ToldFact, content: JudgedContent) -> FactInWords:
    return FactInWords(
        label=content.facts.get(fact.name, fact.name),
        name=fact.name,
        state=fact.state,
        value=fact.value,
        because=fact.because or "",
        source=fact.source or "",
        when=_when(fact.days),
    )


def _when(days: int | None) -> str:
    """When something was, counted from the event."""
    if days is None:
        return ""
    if not days:
        return "the same day"
    number = f"{abs(days):,} day" + ("" if abs(days) == 1 else "s")
    return f"{number} {'before' if days > 0 else 'after'}"
