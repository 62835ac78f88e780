"""A population run as a page shows it: every count as it may be shown, every picture in its own units."""

from __future__ import annotations

from dataclasses import dataclass

from cds_service.console.population_weeks import Weeks, weeks_picture
from cds_service.population.answered_otherwise import SaidInWords, otherwise_in_words, said_before_and_after
from cds_service.population.manifest import JudgedContent
from cds_service.population.shared_counts import Shown
from cds_service.population.silent_rules import NOT_KEPT, SilentRules, not_exported_in_words, resting_on, silent_rules
from cds_service.population.summary import (
    SELECT,
    VIEW,
    ChangedEvents,
    ContentSummary,
    RuleTimes,
    Summary,
    UnreadFact,
)
from cds_service.population.words import (
    FIRED_AND_SHOWN,
    FIRST_AND_REPEATED,
    HOOKS,
    NOTHING_UNREAD,
    OF_UNITS,
    charts_in_words,
    funnel_steps,
    not_understood_in_words,
    orders_in_window,
    selected_in_words,
    sentence_of,
    unit_rate,
)

_BAR = 360  # units of the longest bar
_OF_THE_BAR = "Of the bar, the dark part is what was said of a patient for the first time."


@dataclass(frozen=True, slots=True)
class FunnelStep:
    """One line of the funnel: ``width`` of ``360`` units. It is a part of the last line above it of less ``depth``."""

    words: str
    count: str
    width: float
    depth: int


@dataclass(frozen=True, slots=True)
class RuleLine:
    """One rule with how often it spoke. ``bar`` and ``bar_first`` are widths of ``360`` units, and ``examples`` the
    names of events.
    """

    words: str
    indicator: str
    note: str
    fired: str
    shown: str
    first: str
    repeated: str
    patients: str
    bar: float
    bar_first: float
    decision: str
    topic: str
    examples: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class HookView:
    """What the rules say on one hook. ``told`` is a sentence, ``""`` where another part says it, and ``notes`` say how
    the table is read; ``silent`` are the rules that never spoke, ``None`` if nobody knows. ``has_repeats`` is false
    where each patient is met once.
    """

    told: str
    notes: tuple[str, ...]
    rules: tuple[RuleLine, ...]
    silent: SilentRules | None
    has_repeats: bool


@dataclass(frozen=True, slots=True)
class ContentView:
    """What one content says, for a page. ``not_exported`` is a sentence on the types of resource that were not there,
    and ``resting`` what rests on each. ``ordered`` says which orders it is about, and ``not_understood`` at how many
    events something was not. ``unjudged`` are the names of some events that could not be judged.
    """

    name: str
    title: str
    sentence: str
    not_exported: str
    resting: tuple[tuple[str, str], ...]
    ordered: str
    steps: tuple[FunnelStep, ...]
    weeks: Weeks | None
    signed: HookView | None
    selected: HookView | None
    opened: HookView | None
    units: tuple[tuple[str, str, str, str], ...]
    unread: tuple[tuple[str, str, str, str, str], ...]
    missing: tuple[tuple[str, str], ...]
    not_understood: str
    unjudged: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ChangeLine:
    """Events that the new content answers otherwise: the old answer and the new one, the hook in words, how many, and
    the names of some.
    """

    old: tuple[SaidInWords, ...]
    new: tuple[SaidInWords, ...]
    hook: str
    events: str
    examples: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RunView:
    """A run for a page. ``otherwise`` says what the new content answers otherwise, ``""`` for a run of one content."""

    contents: tuple[ContentView, ...]
    otherwise: str
    changes: tuple[ChangeLine, ...]
    problems: tuple[tuple[str, str, str], ...]
    window: str
    limits: tuple[str, ...]
    hidden: int
    not_kept: str = NOT_KEPT
    nothing_unread: str = NOTHING_UNREAD
    of_units: str = OF_UNITS


def view_of(summary: Summary, shown: Shown) -> RunView:
    """What a page shows of a run."""
    return RunView(
        contents=tuple(_content(summary, content, shown) for content in summary.counted.contents),
        otherwise=otherwise_in_words(summary, shown),
        changes=tuple(_change(change, summary, shown) for change in summary.counted.changes),
        problems=tuple((problem, resource, shown.text(times)) for problem, resource, times in summary.counted.problems),
        window=f"{summary.manifest.window.since.date()} to {summary.manifest.window.until.date()}",
        limits=tuple(summary.manifest.limits),
        hidden=shown.hidden,
    )


def _content(summary: Summary, content: ContentSummary, shown: Shown) -> ContentView:
    named = summary.manifest.contents[content.name]
    steps = funnel_steps(content) if content.hook else ()
    highest = shown.number(content.funnel.events) or 1
    selected, opened = selected_in_words(content, shown), charts_in_words(content, shown)
    return ContentView(
        name=content.name,
        title=named.told,
        sentence=sentence_of(summary, content, shown),
        not_exported=not_exported_in_words(named),
        resting=resting_on(named),
        ordered=orders_in_window(summary, content, shown),
        steps=tuple(
            FunnelStep(words, shown.text(count), round(_BAR * (shown.number(count) or 0) / highest, 1), depth)
            for count, words, depth in steps
        ),
        weeks=weeks_picture(content.weeks, summary.manifest.window, shown),
        signed=_on_hook(content, named, content.hook, "", shown) if content.hook else None,
        selected=_on_hook(content, named, SELECT, selected, shown) if selected else None,
        opened=_on_hook(content, named, VIEW, opened, shown) if opened else None,
        units=tuple(
            (unit.told, shown.text(unit.events), shown.text(unit.cards), unit_rate(unit, shown))
            for unit in content.units
        ),
        unread=tuple(_unread(row, named, shown) for row in content.unread),
        missing=tuple((key, shown.text(times)) for key, times in content.missing.items()),
        not_understood=not_understood_in_words(content, shown),
        unjudged=content.unjudged,
    )


def _on_hook(content: ContentSummary, named: JudgedContent, hook: str, told: str, shown: Shown) -> HookView:
    rules = content.rules_at(hook)
    most = max([shown.number(rule.shown) or 0 for rule in rules] or [0]) or 1
    lines = tuple(_rule(rule, named.rules.get(rule.topic, rule.topic), most, shown) for rule in rules)
    has_repeats = hook != VIEW
    notes = (FIRED_AND_SHOWN, FIRST_AND_REPEATED, _OF_THE_BAR) if has_repeats else (FIRED_AND_SHOWN,)
    return HookView(told, notes, lines, silent_rules(content, named, hook), has_repeats)


def _rule(rule: RuleTimes, words: str, most: int, shown: Shown) -> RuleLine:
    """A rule, of which the bar is of its share of ``most`` cards."""

    def width(count: int) -> float:
        return round(_BAR * (shown.number(count) or 0) / most, 1)

    return RuleLine(
        words=words,
        indicator=rule.indicator,
        note="" if rule.status == "active" else f"{rule.status}: shown to nobody",
        fired=shown.text(rule.fired),
        shown=shown.text(rule.shown),
        first=shown.text(rule.first),
        repeated=shown.text(rule.repeated),
        patients=shown.text(rule.patients),
        bar=width(rule.shown),
        bar_first=width(rule.first),
        decision=rule.decision,
        topic=rule.topic,
        examples=rule.examples,
    )


def _unread(row: UnreadFact, named: JudgedContent, shown: Shown) -> tuple[str, str, str, str, str]:
    fact = named.facts.get(row.fact, row.fact)
    rule = named.rules.get(row.topic, row.topic)
    return fact, row.state, rule, f"{shown.text(row.times)} of {shown.text(row.of)}", shown.rate(row.times, row.of)


def _change(change: ChangedEvents, summary: Summary, shown: Shown) -> ChangeLine:
    old, new = said_before_and_after(summary, change)
    return ChangeLine(old, new, HOOKS.get(change.hook, change.hook), shown.text(change.events), change.examples)
