"""A population run in lines for people, as rows for a spreadsheet, and as data."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from cds_service.commands.common import number
from cds_service.population.answered_otherwise import otherwise_in_words, said_before_and_after
from cds_service.population.judged_rules import JudgedRule
from cds_service.population.manifest import JudgedContent
from cds_service.population.shared_counts import Shown
from cds_service.population.silent_rules import (
    NOT_KEPT,
    SilentRule,
    not_exported_in_words,
    resting_on,
    silent_rules,
)
from cds_service.population.summary import SELECT, VIEW, ContentSummary, Panel, RuleTimes, Summary
from cds_service.population.words import (
    FIRED_AND_SHOWN,
    FIRST_AND_REPEATED,
    NOTHING_UNREAD,
    OF_UNITS,
    charts_in_words,
    funnel_steps,
    hooks_shown,
    not_understood_in_words,
    orders_in_window,
    selected_in_words,
    sentence_of,
    unit_rate,
)
from cds_service.vocabulary.spreadsheet import inert

_LONGEST = 30  # rows of a list of silent rules, units or facts
_NO_PEOPLE = "others"  # counts units, and is told as it is


def as_text(summary: Summary, shown: Shown) -> Iterator[str]:
    """The whole report."""
    if len(summary.counted.contents) > 1:
        yield from _changes(summary, shown)
        yield ""
    for content in summary.counted.contents:
        yield from _content(summary, content, shown)
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


def _content(summary: Summary, content: ContentSummary, shown: Shown) -> Iterator[str]:
    """What one content says."""
    named = summary.manifest.contents[content.name]
    yield f"{content.name}: {named.told}" if len(summary.counted.contents) > 1 else named.told
    yield sentence_of(summary, content, shown)
    if told := not_exported_in_words(named):
        yield told
        yield from (
            f"  {kind}: {decisions or 'no rule that was judged rests on it'}" for kind, decisions in resting_on(named)
        )
    if content.hook:
        yield ""
        yield from filter(None, [orders_in_window(summary, content, shown)])
        yield from (
            f"  {shown.text(count):>9}  {'    ' * depth}{words}" for count, words, depth in funnel_steps(content)
        )
    if content.rules:
        yield ""
        yield from (FIRED_AND_SHOWN, FIRST_AND_REPEATED) if content.hook else (FIRED_AND_SHOWN,)
    if content.hook:
        yield from _rules(content, named, content.hook, shown)
    yield from _units(content, shown)
    for hook, told in ((SELECT, selected_in_words(content, shown)), (VIEW, charts_in_words(content, shown))):
        if told:
            yield ""
            yield told
            yield from _rules(content, named, hook, shown)
    yield from _unread(content, named, shown)


def _rules(content: ContentSummary, named: JudgedContent, hook: str, shown: Shown) -> Iterator[str]:
    """The rules that spoke on a hook, and those that never did."""
    rules, has_repeats = content.rules_at(hook), hook != VIEW
    if rules:
        yield ""
        heads = ("fired", "shown", "first", "repeated") if has_repeats else ("fired", "shown")
        yield "".join(f"{head:>11}" for head in heads) + "  rule"
    for rule in rules:
        counts = (rule.fired, rule.shown, *((rule.first, rule.repeated) if has_repeats else ()))
        note = "" if rule.status == "active" else f" [{rule.status}: shown to nobody]"
        numbers = "".join(f"{shown.text(count):>11}" for count in counts)
        yield f"{numbers}  {rule.indicator}: {named.rules.get(rule.topic, rule.topic)} ({rule.topic}){note}"
    yield ""
    silent = silent_rules(content, named, hook)
    if silent is None:
        yield NOT_KEPT
        return
    yield f"{silent.told}{':' if silent.rules else '.'}"
    for one in silent.rules[:_LONGEST]:
        note = "" if one.rule.status == "active" else f" [{one.rule.status}]"
        yield f"  {one.rule.indicator}: {one.words} ({one.rule.topic}){note}"
        if one.why:
            yield f"    It cannot speak here: {one.why}."
    yield from _more(len(silent.rules))


def _units(content: ContentSummary, shown: Shown) -> Iterator[str]:
    if any(unit.unit or unit.others for unit in content.units):
        yield ""
        yield OF_UNITS
        yield f"{'sets':>11}{'cards':>11}{'per 100':>11}  unit"
        for unit in content.units[:_LONGEST]:
            counts = (shown.text(unit.events), shown.text(unit.cards), unit_rate(unit, shown))
            yield f"{''.join(f'{count:>11}' for count in counts)}  {unit.told}"
        yield from _more(len(content.units))


def _unread(content: ContentSummary, named: JudgedContent, shown: Shown) -> Iterator[str]:
    yield ""
    yield "What the rules could not rest on:"
    yield from filter(None, [not_understood_in_words(content, shown)])
    if not content.unread:
        yield NOTHING_UNREAD
    else:
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
        del content["rules"], content["facts"], content["grounds"], content["judged"]
    counted = msgspec.to_builtins(summary.counted)
    for content, data in zip(summary.counted.contents, counted["contents"], strict=True):
        data["sentence"] = sentence_of(summary, content, shown)
        data["silent"] = _silent_as_data(summary, content)
    return {"run": run, **_counted(counted, shown), **({"note": shown.note} if shown.note else {})}


def _silent_as_data(summary: Summary, content: ContentSummary) -> dict[str, list[dict[str, str]] | None]:
    """The rules that never spoke, by hook; ``None`` where nobody knows."""
    named = summary.manifest.contents[content.name]
    found = {hook: silent_rules(content, named, hook) for hook in hooks_shown(content)}
    return {
        hook: None if silent is None else [_rule_as_data(one) for one in silent.rules] for hook, silent in found.items()
    }


def _rule_as_data(one: SilentRule) -> dict[str, str]:
    rule = one.rule
    told = {"decision": rule.decision, "rule": rule.rule, "topic": rule.topic, "status": rule.status}
    return told | {"severity": rule.indicator, "says": one.words, "why": one.why}


def _counted(tree: Any, shown: Shown) -> Any:
    """Data with every count in it as it may be shown."""
    if isinstance(tree, dict):
        return {key: value if key == _NO_PEOPLE else _counted(value, shown) for key, value in tree.items()}
    if isinstance(tree, list | tuple):
        return [_counted(value, shown) for value in tree]
    if isinstance(tree, int) and not isinstance(tree, bool):
        return shown.number(tree)
    return tree


_COLUMNS = ("content", "version", "hook", "decision", "rule", "status", "severity", "says")
_COUNTS = ("fired", "shown", "first", "repeated", "patients")


def as_csv(summary: Summary, shown: Shown) -> str:
    """The rules of a run as rows: content, hook, decision, rule, severity, words, fired, shown, first, repeated. Those
    that never spoke have 0.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([*_COLUMNS, *_COUNTS])
    for content in summary.counted.contents:
        named = summary.manifest.contents[content.name]
        for hook, rule, counts in _counts_of_rules(content, named):
            of_rule = (hook, rule.decision, rule.rule, rule.status, rule.indicator)
            says = inert(named.rules.get(rule.topic) or rule.topic)
            writer.writerow([content.name, named.version, *of_rule, says, *(shown.text(count) for count in counts)])
    return out.getvalue()


def _counts_of_rules(
    content: ContentSummary, named: JudgedContent
) -> Iterator[tuple[str, RuleTimes | JudgedRule, tuple[int, ...]]]:
    """Each rule that was judged on a hook, with its counts; first those that spoke."""
    for rule in content.rules:
        yield rule.hook, rule, (rule.fired, rule.shown, rule.first, rule.repeated, rule.patients)
    for hook in hooks_shown(content):
        silent = silent_rules(content, named, hook)
        for one in silent.rules if silent is not None else ():
            yield hook, one.rule, (0,) * len(_COUNTS)


def panel_text(panel: Panel, words: Mapping[str, str]) -> Iterator[str]:
    """Who needs attention, one line a patient and one a card."""
    some = f"; the first {len(panel.patients):,}" if len(panel.patients) < panel.total else ""
    yield number(panel.total, "patient") + f" with cards when the export was made{some}, the gravest first"
    for row in panel.patients:
        about = ", ".join(filter(None, [row.age_band, row.sex]))
        yield f"{row.indicator:>8}  {row.patient}" + (f" ({about})" if about else "")
        yield from (f"          {words.get(topic, topic)}" for topic in row.topics)
