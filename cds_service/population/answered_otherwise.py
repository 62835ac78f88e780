"""What a new content answers otherwise than an old one, in words: at how many events, and how grave it was and is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
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
    if not of and not counted.changes:
        return "Nothing was judged, so nothing changes."
    if not counted.changes:
        every = ", ".join(f"{shown.text(count)} {_events(hook, shown.number(count))}" for hook, count in of.items())
        return f"Nothing changes: every event has the same rules on its cards, of the same severity ({every})."
    parts: list[str] = []
    for hook in dict.fromkeys([*of, *(change.hook for change in counted.changes)]):
        changes = [change for change in counted.changes if change.hook == hook]
        events, total = _together(changes, shown), of.get(hook)
        told = f"{events} of {shown.text(total)}" if total else events
        told += f" {_events(hook, shown.number(total) if total else None)}"
        if not parts:
            told += f" {'is' if events == '1' else 'are'} answered otherwise"
        parts.append(told + (f" ({', '.join(_shifts(summary, changes, shown))})" if changes else ""))
    sentence = ", ".join(parts)
    return f"{sentence[:1].upper()}{sentence[1:]}."


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


def _shifts(summary: Summary, changes: Sequence[ChangedEvents], shown: Shown) -> Iterator[str]:
    """How grave the new answers are in place of how grave the old ones were, the most frequent first."""
    shifts: dict[tuple[str, ...], list[ChangedEvents]] = {}
    for change in changes:
        both = tuple(_gravest(answer, severities) for _, answer, severities in _answers(summary, change))
        shifts.setdefault(both, []).append(change)
    for (old, new), of_shift in sorted(shifts.items(), key=lambda item: (-_told(item[1], shown), item[0])):
        became = f"{new} instead of {old}" if old != new else f"{new} as before, by other rules"
        yield f"{_together(of_shift, shown)} {became}"


def _together(changes: Sequence[ChangedEvents], shown: Shown) -> str:
    """How many events the changes have together, as far as the counts that are shown of each say it."""
    told = _told(changes, shown)
    if all(shown.number(change.events) is not None for change in changes):
        return f"{told:,}"
    return f"{told:,} or more" if told else "some"


def _told(changes: Iterable[ChangedEvents], shown: Shown) -> int:
    return sum(shown.number(change.events) or 0 for change in changes)


def _gravest(answer: tuple[str, ...], severities: dict[str, str]) -> str:
    """The severity of the gravest card of an answer, or what it is instead of cards."""
    found = {severities[topic] for topic in answer if topic in severities}
    return next((each for each in INDICATORS if each in found), "") or answer_in_words(answer, {})


def _events(hook: str, count: int | None) -> str:
    one, many = ("chart", "charts") if hook == VIEW else ("set", "sets")
    said = one if count == 1 else many
    return said if hook == VIEW else f"{said} of {HOOKS.get(hook, hook)} together"
