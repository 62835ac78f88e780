"""A population run in lines for people, as rows for a spreadsheet, and as data."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from cds_service.commands.common import number
from cds_service.population.answered_otherwise import otherwise_in_words, said_before_and_after
from cds_service.population.manifest import JudgedContent
from cds_service.population.shared_counts import Shown
from cds_service.population.summary import VIEW, ContentSummary, Panel, Summary
from cds_service.population.words import funnel_steps, sentence_of
from cds_service.vocabulary.spreadsheet import inert

_LONGEST = 30  # rows of a list of units or facts
_NO_PEOPLE = "others"  # counts units, and is told as it is


def as_text(summary: Summary, shown: Shown) -> Iterator[str]:
    """The whole report."""
    if len(summary.counted.contents) > 1:
        yield from _changes(summary, shown)
        yield ""
    for content in summary.counted.contents:
        named = summary.manifest.contents[content.name]
        yield f"{content.name}: {named.told}" if len(summary.counted.contents) > 1 else named.told
        yield sentence_of(summary, content, shown)
        if content.hook:
            yield ""
            yield from (f"  {shown.text(count):>9}  {words}" for count, words in funnel_steps(content))
        yield from _rules(content, named.rules, shown)
        yield from _units(content, shown)
        yield from _unread(content, named, shown)
        if content.view.events:
            view = content.view
            yield ""
            yield (
                f"Charts opened once at the end: {shown.text(view.events)}, with a card {shown.text(view.with_card)} "
                f"({shown.rate(view.with_card, view.events)} %)"
            )
        yield ""
    if summary.counted.problems:
        yield "What could not be used of the export:"
        yield from (
            f"  {shown.text(times):>9}  {problem} ({resource or 'any type'})"
            for problem, resource, times in summary.counted.problems
        )
        yield ""
    yield "What this run cannot know:"
    yield from (f"- {limit}" for limit in summary.manifest.limits)
    if shown.note:
        yield ""
        yield shown.note


def _rules(content: ContentSummary, words: Mapping[str, str], shown: Shown) -> Iterator[str]:
    told = [rule for hook in (content.hook, VIEW) for rule in content.rules_at(hook)]
    if told:
        yield ""
        yield "      shown      first   repeated  rule"
    for rule in told:
        note = (
            ""
            if rule.status == "active"
            else f" [{rule.status}: fired {shown.text(rule.fired)} times, shown to nobody]"
        )
        counts = "".join(f"{shown.text(count):>11}" for count in (rule.shown, rule.first, rule.repeated))
        on_view = " (chart opened)" if rule.hook == VIEW else ""
        yield f"{counts}  {rule.indicator}: {words.get(rule.topic, rule.topic)}{on_view}{note}"


def _units(content: ContentSummary, shown: Shown) -> Iterator[str]:
    if any(unit.unit or unit.others for unit in content.units):
        yield ""
        yield "     orders      cards    per 100  unit"
        for unit in content.units[:_LONGEST]:
            rate = shown.rate(unit.cards, unit.events)
            yield f"{shown.text(unit.events):>11}{shown.text(unit.cards):>11}{rate:>11}  {unit.told}"
        yield from _more(len(content.units))


def _unread(content: ContentSummary, named: JudgedContent, shown: Shown) -> Iterator[str]:
    if content.unread:
        yield ""
        yield "Findings that rest on a fact that was not known or not usable:"
        for row in content.unread[:_LONGEST]:
            rule = named.rules.get(row.topic, row.topic)
            fact = named.facts.get(row.fact, row.fact)
            yield f"  {shown.text(row.times):>9} of {shown.text(row.of)}  {fact} {row.state}: {rule}"
        yield from _more(len(content.unread))
    if content.missing:
        yield ""
        yield "Could not be judged without:"
        yield from (f"  {shown.text(times):>9}  {key}" for key, times in content.missing.items())


def _more(rows: int) -> Iterator[str]:
    if rows > _LONGEST:
        yield f"  and {rows - _LONGEST} more (--format json has all)"


def _changes(summary: Summary, shown: Shown) -> Iterator[str]:
    """What the new content answers otherwise: a sentence, and each change with the severity of every rule."""
    yield otherwise_in_words(summary, shown)
    for change in summary.counted.changes:
        yield f"  {shown.text(change.events):>9}  {change.hook}"
        for sign, said in zip("-+", said_before_and_after(summary, change), strict=True):
            yield from (f"             {sign} {one.severity}{': ' if one.severity else ''}{one.words}" for one in said)
        if change.examples:
            yield f"               as {', '.join(change.examples[:3])}"


def as_data(summary: Summary, shown: Shown) -> dict[str, Any]:
    """The report as JSON: ``run.json`` without the words, and all that was counted; a hidden count is ``null``, and a
    ``note`` says which are.
    """
    run = msgspec.to_builtins(summary.manifest)
    for content in run["contents"].values():
        del content["rules"], content["facts"], content["grounds"]
    counted = msgspec.to_builtins(summary.counted)
    for content, data in zip(summary.counted.contents, counted["contents"], strict=True):
        data["sentence"] = sentence_of(summary, content, shown)
    return {"run": run, **_counted(counted, shown), **({"note": shown.note} if shown.note else {})}


def _counted(tree: Any, shown: Shown) -> Any:
    """Data with every count in it as it may be shown."""
    if isinstance(tree, dict):
        return {key: value if key == _NO_PEOPLE else _counted(value, shown) for key, value in tree.items()}
    if isinstance(tree, list | tuple):
        return [_counted(value, shown) for value in tree]
    if isinstance(tree, int) and not isinstance(tree, bool):
        return shown.number(tree)
    return tree


def as_csv(summary: Summary, shown: Shown) -> str:
    """The rules of a run as rows: content, hook, decision, rule, severity, words, fired, shown, first, repeated."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(
        [
            "content",
            "version",
            "hook",
            "decision",
            "rule",
            "status",
            "severity",
            "says",
            "fired",
            "shown",
            "first",
            "repeated",
            "patients",
        ]
    )
    for content in summary.counted.contents:
        named = summary.manifest.contents[content.name]
        for rule in content.rules:
            counts = (rule.fired, rule.shown, rule.first, rule.repeated, rule.patients)
            says = inert(named.rules.get(rule.topic, rule.topic))
            said = [
                content.name,
                named.version,
                rule.hook,
                rule.decision,
                rule.rule,
                rule.status,
                rule.indicator,
                says,
            ]
            writer.writerow([*said, *(shown.text(count) for count in counts)])
    return out.getvalue()


def panel_text(panel: Panel, words: Mapping[str, str]) -> Iterator[str]:
    """Who needs attention, one line a patient and one a card."""
    some = f"; the first {len(panel.patients):,}" if len(panel.patients) < panel.total else ""
    yield number(panel.total, "patient") + f" with cards when the export was made{some}, the gravest first"
    for row in panel.patients:
        about = ", ".join(filter(None, [row.age_band, row.sex]))
        yield f"{row.indicator:>8}  {row.patient}" + (f" ({about})" if about else "")
        yield from (f"          {words.get(topic, topic)}" for topic in row.topics)
