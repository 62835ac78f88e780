"""One example of a population run as a page shows it: what was asked, what was answered, and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cds_service.console.plain_words import name_in_words
from cds_service.console.why import Asked
from cds_service.content.model import Decision, Pack
from cds_service.content.value_words import number_in_words
from cds_service.fhir.order_types import ORDER_TYPES
from cds_service.population.examples import ExampleAnswer, ExampleEvent, ExampleHeading, FiredRule, ToldFact, ToldSource
from cds_service.population.manifest import JudgedContent, Manifest
from cds_service.population.rule_grounds import AskedCell, RuleGrounds, rule_grounds
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

    ``links_to`` is its decision, ``""`` if the content that is served has not the same rule; then ``served_version`` is
    the version of the decision that is served, ``""`` if none is. ``notes`` are whole sentences.
    """

    indicator: str
    words: str
    topic: str
    decision: str
    rule: str
    version: str
    links_to: str
    served_version: str
    notes: tuple[str, ...]
    asked: tuple[Asked, ...]
    statement: str
    quote: str
    whose: str


@dataclass(frozen=True, slots=True)
class FactInWords:
    """A fact that rules rested on: its label, its value, why it has none, what it was read from and when.

    ``because`` is a sentence, of the fact itself or of a result that was not used beside its value. A source is a type
    of resource, and in words how many there were and when.
    """

    label: str
    name: str
    state: str
    value: str
    because: str
    sources: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class AnswerInWords:
    """What one content answered. ``outcome`` is a sentence where there is no card, ``missing`` what it ends with.

    ``has_dated_orders`` tells that orders on record are among what the facts were read from.
    """

    name: str
    title: str
    outcome: str
    missing: str
    notes: tuple[str, ...]
    fired: tuple[FiredInWords, ...]
    facts: tuple[FactInWords, ...]
    absent: tuple[str, ...]
    has_dated_orders: bool


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


def heading_in_words(heading: ExampleHeading) -> str:
    """An example in a few words, for a link to it: ``orders signed, Jan 2026``."""
    return f"{HOOKS.get(heading.hook, heading.hook)}, {heading.day:%b %Y}"


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
        has_dated_orders=any(
            source.type in ORDER_TYPES and source.latest is not None
            for fact in facts.values()
            for source in fact.sources
        ),
    )


def _fired(fired: FiredRule, facts: Mapping[str, ToldFact], content: JudgedContent, pack: Pack) -> FiredInWords:
    served = pack.decisions.get(fired.decision)
    now = _as_served(served, fired, pack) if served is not None else None
    kept = content.grounds.get(fired.topic)
    is_as_served = now is not None and kept in (now, None)
    grounds = kept or now
    return FiredInWords(
        indicator=fired.indicator,
        words=content.rules.get(fired.topic) or name_in_words(fired.rule),
        topic=fired.topic,
        decision=fired.decision,
        rule=fired.rule,
        version=fired.version,
        links_to=fired.decision if is_as_served else "",
        served_version=served.version if served is not None and not is_as_served else "",
        notes=tuple(_notes(fired)),
        asked=tuple(
            _asked(
                content.facts.get(one.name, one.name),
                one.value,
                tuple(f"{content.facts.get(name, name)}: {facts[name].value}" for name in one.behind if name in facts),
                grounds.asks.get(one.name) if grounds is not None else None,
            )
            for one in fired.asked
        ),
        statement=grounds.statement if grounds is not None else "",
        quote=grounds.quote if grounds is not None else "",
        whose=grounds.whose if grounds is not None else "",
    )


def _as_served(decision: Decision, fired: FiredRule, pack: Pack) -> RuleGrounds | None:
    """The grounds of a rule as it is served; ``None`` if another version of its decision is."""
    rule = next((one for one in decision.rules if one.id == fired.rule), None)
    is_version = decision.version == fired.version
    return rule_grounds(pack, decision, rule) if is_version and rule is not None else None


def _asked(label: str, value: str, behind: tuple[str, ...], cell: AskedCell | None) -> Asked:
    if cell is None:
        return Asked(label, value, behind)
    own = tuple(f"{limit.words}: {limit.why.rstrip('.')}; decided by: {limit.decided_by}" for limit in cell.own)
    return Asked(label, value, behind, cell.words if cell.words != value else "", own)


def _notes(fired: FiredRule) -> list[str]:
    notes = [] if fired.shown else [_UNSHOWN.get(fired.status, "")]
    if fired.days_since is not None:
        before = fired.nth - 1
        times = "once" if before == 1 else f"{number_in_words(before)} times"
        notes.append(f"It had spoken of this patient {times} before, the last time {_when(fired.days_since)}.")
    return [note for note in notes if note]


def _fact(fact: ToldFact, content: JudgedContent) -> FactInWords:
    return FactInWords(
        label=content.facts.get(fact.name, fact.name),
        name=fact.name,
        state=fact.state,
        value=fact.value,
        because=_because(fact),
        sources=tuple((source.type, _of_source(source)) for source in fact.sources),
    )


def _because(fact: ToldFact) -> str:
    """Why it has no value, or why what is beside its value was not used."""
    aside = fact.set_aside
    if aside is None:
        return fact.because or ""
    value = min((source.latest for source in fact.sources if source.latest is not None), default=None)
    is_newer = aside.latest is not None and value is not None and aside.latest < value
    when = f", {_when(aside.latest)}," if aside.latest is not None else ""
    return f"{'A newer' if is_newer else 'Another'} result{when} was not used: {fact.because}"


def _of_source(source: ToldSource) -> str:
    """How many resources there were, if more than one, and when."""
    when = _when(source.latest)
    if source.latest is not None and source.earliest is not None and source.latest != source.earliest:
        first = number_in_words(source.latest) if source.latest > 0 else when
        when = f"{first} to {_when(source.earliest)}"
    return ", ".join(filter(None, [f"{number_in_words(source.times)} of them" if source.times > 1 else "", when]))


def _when(days: int | None) -> str:
    """When something was, counted from the event."""
    if days is None:
        return ""
    if not days:
        return "the same day"
    number = f"{number_in_words(abs(days))} day" + ("" if abs(days) == 1 else "s")
    return f"{number} {'before' if days > 0 else 'after'}"
