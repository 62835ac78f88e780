"""A run as it may be shown to others: without what tells a count that is hidden.

Each form of the report shows counts by ``Shown``; what stands beside the counts is taken away here, once for all forms.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace

from cds_service.population.shared_counts import Shown
from cds_service.population.summary import ChangedEvents, ContentSummary, RuleTimes, Summary, UnitCount


def for_others(summary: Summary, shown: Shown) -> Summary:
    """What may be told of a run if counts are shown so; the very summary if all are exact.

    Rows stand in the order of their counts as they are shown, and then of their names. Left out are exact counts of the
    run and the files of its export; examples, of which there are as many as events where these are few; and how many
    events were answered with silence, since what is hidden could be told from it and all others.
    """
    if not shown.hidden:
        return summary
    counted = summary.counted
    return Summary(
        replace(summary.manifest, counts={}, export={}),
        replace(
            counted,
            contents=tuple(_content(content, shown) for content in counted.contents),
            changes=_changes(counted.changes, shown),
        ),
    )


def _content(content: ContentSummary, shown: Shown) -> ContentSummary:
    return replace(
        content,
        funnel=replace(content.funnel, silent=None),
        selected=replace(content.selected, silent=None),
        view=replace(content.view, silent=None),
        rules=_rules(content.rules, shown),
        answered={},
        units=_units(content.units, shown),
        unread=tuple(sorted(content.unread, key=lambda row: (shown.rank(row.times), row.topic, row.fact, row.state))),
        missing=dict(sorted(content.missing.items(), key=lambda row: (shown.rank(row[1]), row[0]))),
        unjudged=(),
    )


def _rules(rules: Iterable[RuleTimes], shown: Shown) -> tuple[RuleTimes, ...]:
    def place(rule: RuleTimes) -> tuple[object, ...]:
        counts = shown.rank(rule.shown), shown.rank(rule.fired)
        return *counts, rule.topic, rule.hook, rule.status, rule.indicator

    return tuple(replace(rule, examples=()) for rule in sorted(rules, key=place))


def _changes(changes: Iterable[ChangedEvents], shown: Shown) -> tuple[ChangedEvents, ...]:
    def place(change: ChangedEvents) -> tuple[object, ...]:
        return shown.rank(change.events), change.hook, change.old, change.new

    return tuple(replace(change, examples=()) for change in sorted(changes, key=place))


def _units(units: Iterable[UnitCount], shown: Shown) -> tuple[UnitCount, ...]:
    """Units in their order, with those together that have a hidden count.

    Where a count of these together would still be hidden, the smallest unit that changes this is added to them: else
    it could be found by subtracting all others from the whole.
    """
    rows = sorted(units, key=lambda row: (shown.rank(row.events), shown.rank(row.cards), row.unit, row.others))
    others = [row for row in rows if row.others or _is_hidden(row, shown)]
    rest = [row for row in rows if row not in others]
    while others and (smallest := _to_add(_together(others), rest, shown)):
        rest.remove(smallest)
        others.append(smallest)
    return (*rest, *([_together(others)] if others else ()))


def _to_add(others: UnitCount, rest: Iterable[UnitCount], shown: Shown) -> UnitCount | None:
    """The smallest unit that has some of every hidden count of the others, or else of one; ``None`` without any."""
    hidden = [place for place, count in enumerate(_counts(others)) if shown.is_hidden(count)]
    has = {row: [bool(_counts(row)[place]) for place in hidden] for row in rest}
    fitting = [row for row in has if hidden and all(has[row])] or [row for row in has if any(has[row])]
    return fitting[-1] if fitting else None


def _is_hidden(row: UnitCount, shown: Shown) -> bool:
    return shown.is_hidden(*_counts(row))


def _counts(row: UnitCount) -> tuple[int, int, int]:
    return row.events, row.with_card, row.cards


def _together(units: Iterable[UnitCount]) -> UnitCount:
    units = list(units)
    return UnitCount(
        unit="",
        events=sum(row.events for row in units),
        with_card=sum(row.with_card for row in units),
        cards=sum(row.cards for row in units),
        others=sum(row.others or bool(row.unit) for row in units),
    )
