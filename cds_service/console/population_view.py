"""A population run as a page shows it: every count as it may be shown, every picture in its own units."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cds_service.population.answered_otherwise import SaidInWords, otherwise_in_words, said_before_and_after
from cds_service.population.manifest import JudgedContent
from cds_service.population.shared_counts import Shown
from cds_service.population.summary import VIEW, ChangedEvents, ContentSummary, Summary, UnreadFact, Week
from cds_service.population.words import HOOKS, funnel_steps, sentence_of

_BAR = 360  # units of the longest bar
_WEEKS_WIDTH, _WEEKS_HEIGHT = 720, 140
_FOOT = 20  # units below the bars, for the dates
_DATE = 84  # units that a date takes
_SEVERITIES = ("info", "warning", "critical")  # from the foot of a bar to its top


@dataclass(frozen=True, slots=True)
class FunnelStep:
    """One line of the funnel: ``width`` of ``360`` units."""

    words: str
    count: str
    width: float


@dataclass(frozen=True, slots=True)
class BarPart:
    """A part of the bar of one week."""

    x: float
    y: float
    width: float
    height: float
    indicator: str


@dataclass(frozen=True, slots=True)
class Weeks:
    """Cards a week as a picture: bars of parts by severity; ``dates`` are places with the day that a week begins."""

    parts: tuple[BarPart, ...]
    dates: tuple[tuple[float, str], ...]
    most: str
    words: str
    width: int = _WEEKS_WIDTH
    height: int = _WEEKS_HEIGHT
    foot: int = _WEEKS_HEIGHT - _FOOT


@dataclass(frozen=True, slots=True)
class RuleLine:
    """One rule with how often it spoke. ``bar`` and ``bar_first`` are widths of ``360`` units, and ``examples`` the
    names of events.
    """

    words: str
    indicator: str
    note: str
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
class ContentView:
    """What one content says, for a page. ``view`` is a sentence on the charts that were opened once, ``unjudged`` are
    the names of some events that could not be judged.
    """

    name: str
    title: str
    sentence: str
    steps: tuple[FunnelStep, ...]
    weeks: Weeks | None
    rules: tuple[RuleLine, ...]
    view: str
    view_rules: tuple[RuleLine, ...]
    units: tuple[tuple[str, str, str, str], ...]
    unread: tuple[tuple[str, str, str, str, str], ...]
    missing: tuple[tuple[str, str], ...]
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
    highest = max([shown.number(count) or 0 for count, _ in steps] or [0]) or 1
    view = content.view
    told = ""
    if view.events:
        rate = shown.rate(view.with_card, view.events)
        told = f"{shown.text(view.events)} charts were opened once, at the end: {rate} % with a card."
    return ContentView(
        name=content.name,
        title=named.told,
        sentence=sentence_of(summary, content, shown),
        steps=tuple(
            FunnelStep(words, shown.text(count), round(_BAR * (shown.number(count) or 0) / highest, 1))
            for count, words in steps
        ),
        weeks=_weeks(content.weeks, shown),
        rules=_rules(content, named.rules, shown, on_view=False),
        view=told,
        view_rules=_rules(content, named.rules, shown, on_view=True),
        units=tuple(
            (
                unit.told,
                shown.text(unit.events),
                shown.text(unit.cards),
                shown.rate(unit.cards, unit.events),
            )
            for unit in content.units
        ),
        unread=tuple(_unread(row, named, shown) for row in content.unread),
        missing=tuple((key, shown.text(times)) for key, times in content.missing.items()),
        unjudged=content.unjudged,
    )


def _weeks(weeks: Sequence[Week], shown: Shown) -> Weeks | None:
    """The picture of the weeks; ``None`` without any. A count that is hidden is drawn as nothing."""
    if not weeks:
        return None
    days = (weeks[-1].monday - weeks[0].monday).days
    each = _WEEKS_WIDTH / (days // 7 + 1)
    counts = [[shown.number(getattr(week, severity)) or 0 for severity in _SEVERITIES] for week in weeks]
    most = max(sum(of_week) for of_week in counts)
    room = _WEEKS_HEIGHT - _FOOT
    parts: list[BarPart] = []
    dates: list[tuple[float, str]] = []
    for week, of_week in zip(weeks, counts, strict=True):
        x = round((week.monday - weeks[0].monday).days / 7 * each, 1)
        y = float(room)
        for severity, count in zip(_SEVERITIES, of_week, strict=True):
            height = round(room * count / most, 1) if most else 0
            y = round(y - height, 1)
            if height:
                parts.append(BarPart(x, y, round(max(each - 1, 0.5), 1), height, severity))
        if x <= _WEEKS_WIDTH - _DATE and (not dates or x >= dates[-1][0] + _DATE):
            dates.append((x, week.monday.isoformat()))
    words = _about_weeks(weeks[0], most, shown)
    return Weeks(tuple(parts), tuple(dates), f"{most:,}", words)


def _about_weeks(first: Week, most: int, shown: Shown) -> str:
    """What the picture of the weeks shows, in words; a whole sentence if nothing of it can be drawn."""
    if not most:
        return f"No week has more than {shown.hidden} cards of one severity, so none is drawn."
    if shown.hidden:
        return f"from {first.monday} on; at most {most:,} are drawn in a week, without counts from 1 to {shown.hidden}"
    return f"from {first.monday} on, at most {most:,} in a week"


def _rules(content: ContentSummary, words: Mapping[str, str], shown: Shown, *, on_view: bool) -> tuple[RuleLine, ...]:
    rules = content.rules_at(VIEW if on_view else content.hook)
    most = max([shown.number(rule.shown) or 0 for rule in rules] or [0]) or 1

    def width(count: int) -> float:
        return round(_BAR * (shown.number(count) or 0) / most, 1)

    return tuple(
        RuleLine(
            words=words.get(rule.topic, rule.topic),
            indicator=rule.indicator,
            note=""
            if rule.status == "active"
            else f"{rule.status}: fired {shown.text(rule.fired)} times, shown to nobody",
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
        for rule in rules
    )


def _unread(row: UnreadFact, named: JudgedContent, shown: Shown) -> tuple[str, str, str, str, str]:
    fact = named.facts.get(row.fact, row.fact)
    rule = named.rules.get(row.topic, row.topic)
    return fact, row.state, rule, f"{shown.text(row.times)} of {shown.text(row.of)}", shown.rate(row.times, row.of)


def _change(change: ChangedEvents, summary: Summary, shown: Shown) -> ChangeLine:
    old, new = said_before_and_after(summary, change)
    return ChangeLine(old, new, HOOKS.get(change.hook, change.hook), shown.text(change.events), change.examples)
