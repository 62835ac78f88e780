"""What a new content answers otherwise than an old one, in words: at how many events, and how grave it was and is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from cds_service.population.shared_counts import Shown
from cds_service.population.summary import INDICATORS, VIEW, ChangedEvents, ContentSummary, Summary
from cds_service.population.words import HOOKS, answer_in_words


@dataclass(frozen=True, slots=True)
class SaidInWords:
    """A part of an answer: what a rule says, with its ``severity``; ``""`` for what no rule says, such as silence."""

    severity: str
    words: str


def otherwise_in_words(summary: Summary, shown: Shown) -> str:
    """At how many events of each hook the new content answers otherwise, in a sentence; ``""`` for a run of one."""
    counted = summary.counted
    if len(counted.contents) == 1:
        return ""
    new = counted.contents[-1]
    of = {hook: funnel.events for hook, funnel in ((new.hook, new.funnel), (VIEW, new.view)) if funnel.events}
    if not of:
        return "Nothing was judged, so nothing changes."
    if not counted.changes:
        every = ", ".join(f"{shown.text(count)} {_events(hook, count, shown)}" for hook, count in of.items())
        return f"Nothing changes: every event has the same rules on its cards, of the same severity ({every})."
    parts: list[str] = []
    for hook in dict.fromkeys([*of, *(change.hook for change in counted.changes)]):
        changes = [change for change in counted.changes if change.hook == hook]
        events = sum(change.events for change in changes)
        told = shown.text(events)
        total = of.get(hook)
        told += (f" of {shown.text(total)}" if total else "") + f" {_events(hook, total or events, shown)}"
        if not parts:
            told += f" {'is' if shown.number(events) == 1 else 'are'} answered otherwise"
        parts.append(told + (f" ({', '.join(_shifts(summary, changes, shown))})" if changes else ""))
    return f"{', '.join(parts)}."


def said_before_and_after(
    summary: Summary, change: ChangedEvents
) -> tuple[tuple[SaidInWords, ...], tuple[SaidInWords, ...]]:
    """The old answer and the new one, each as what its rules say."""
    named = summary.manifest.contents
    old, new = (
        tuple(SaidInWords(severities.get(topic, ""), answer_in_words([topic], named[name].rules)) for topic in answer)
        or (SaidInWords("", answer_in_words((), {})),)
        for name, answer, severities in _answers(summary, change)
    )
    return old, new


def _answers(summary: Summary, change: ChangedEvents) -> Iterator[tuple[str, tuple[str, ...], dict[str, str]]]:
    """The name of each content with its answer, and the severity of each of its rules on this hook by its topic."""
    contents = {content.name: content for content in summary.counted.contents}
    for name, answer in (("old", change.old), ("new", change.new)):
        yield name, answer, _severities(contents[name], change.hook)


def _severities(content: ContentSummary, hook: str) -> dict[str, str]:
    return {rule.topic: rule.indicator for rule in content.rules_at(hook)}


def _shifts(summary: Summary, changes: Iterable[ChangedEvents], shown: Shown) -> Iterator[str]:
    """How grave the new answers are in place of how grave the old ones were, the most frequent first."""
    shifts: Counter[tuple[str, str]] = Counter()
    for change in changes:
        old, new = (_gravest(answer, severities) for _, answer, severities in _answers(summary, change))
        shifts[old, new] += change.events
    for (old, new), events in sorted(shifts.items(), key=lambda item: (-item[1], item[0])):
        became = f"{new} instead of {old}" if old != new else f"{new} as before, by other rules"
        yield f"{shown.text(events)} {became}"


def _gravest(answer: tuple[str, ...], severities: dict[str, str]) -> str:
    """The severity of the gravest card of an answer, or what it is instead of cards."""
    found = {severities[topic] for topic in answer if topic in severities}
    return next((each for each in INDICATORS if each in found), "") or answer_in_words(answer, {})


def _events(hook: str, count: int, shown: Shown) -> str:
    one, many = ("chart", "charts") if hook == VIEW else ("set", "sets")
    said = one if shown.number(count) == 1 else many
    return said if hook == VIEW else f"{said} of {HOOKS.get(hook, hook)} together"
