"""The figures of the acceptance page: each rule with its versions together, and each decision with its rules."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from itertools import groupby

from cds_service.content.model import INDICATORS
from cds_service.content.prepared import Prepared
from cds_service.content.rule_words import RuleWords, reason_words, rule_words
from cds_service.store.figures import Report, RuleDay, RuleReport, Share, calls_behind, per_100
from cds_service.vocabulary.camel_case import spelled_out

_MOST_POINTS = 100
_WIDTH, _HEIGHT = 100, 20  # of a trend, in its own units
_DAYS_OF_A_WEEK = 7


@dataclass(frozen=True, slots=True)
class RankedReason:
    """A reason for overriding in the clinician's words, out of all overrides of the rule."""

    words: str
    share: Share


@dataclass(frozen=True, slots=True)
class Trend:
    """How often something happened in each of equal spans of ``days`` days, the oldest first."""

    days: int
    counts: tuple[int, ...]

    @property
    def points(self) -> str:
        """The counts as the points of an SVG polyline, in a box of 100 by 20; a line of half a unit stays inside."""
        highest = max([*self.counts, 1])
        step = _WIDTH / max(len(self.counts) - 1, 1)
        room = _HEIGHT - 2
        return " ".join(
            f"{step * place:.1f},{_HEIGHT - 1 - room * count / highest:.1f}" for place, count in enumerate(self.counts)
        )

    @property
    def words(self) -> str:
        """What the picture shows, for those who do not see it."""
        span = "day" if self.days == 1 else f"{self.days} days"
        return f"{self.counts[-1]} in the last {span}, {max(self.counts)} at most"


@dataclass(frozen=True, slots=True)
class RuleRow:
    """One rule with the figures of all its versions together, and of each in ``versions``.

    ``per_100`` is the number of its cards for 100 calls of the hooks at which it spoke, ``None`` where calls were not
    counted: it is ``counted`` cards of ``calls`` calls. Cards of the days on which calls were not counted are not among
    them. ``name`` is that of the rule in words where others of its decision say the same, else ``""``.
    """

    decision: str
    rule: str
    words: RuleWords
    indicator: str
    indicators: Mapping[str, int]
    shown: int
    accepted: Share
    overridden: int
    suggestions_accepted: int
    reasons: tuple[RankedReason, ...]
    per_100: float | None
    counted: int
    calls: int
    versions: tuple[RuleReport, ...]
    days: tuple[RuleDay, ...]
    trend: Trend
    name: str = ""

    @property
    def top_reason(self) -> str:
        """The reason that was given most often, or that several were given equally often; ``""`` without any."""
        most = [reason for reason in self.reasons if reason.share.count == self.reasons[0].share.count]
        return most[0].words if len(most) == 1 else f"{len(most)} reasons equally often" if most else ""


@dataclass(frozen=True, slots=True)
class DecisionRows:
    """The rules of one decision, and their figures in ``total`` as if they were one rule, which has no id."""

    total: RuleRow
    rules: tuple[RuleRow, ...]


@dataclass(frozen=True, slots=True)
class DecisionFigures:
    """How often the cards of a decision were shown in the last ``days`` days, of how many of them a suggestion was
    accepted, and the same of each of its rules by id.
    """

    days: int
    shown: int
    accepted: Share
    rules: Mapping[str, tuple[int, Share]]


HEADS = (
    *("decision", "rule", "decision in words", "rule in words", "severity", "version", "shown", "answered"),
    *("accepted", "accepted share", "low", "high", "overridden"),
)
"""The heads of the figures as a table to take along."""

SORTS: Mapping[str, tuple[str, Callable[[RuleRow], object]]] = {
    "rule": ("Rule", lambda row: row.words.whole.casefold()),
    "severity": ("Severity", lambda row: -INDICATORS.index(row.indicator) if row.indicator in INDICATORS else None),
    "shown": ("Shown", lambda row: row.shown),
    "per-100": ("Per 100 calls", lambda row: row.per_100),
    "answered": ("Answered", lambda row: row.accepted.of),
    "accepted": ("Accepted", lambda row: row.accepted.count / row.accepted.of if row.accepted.of else None),
    "overridden": ("Overridden", lambda row: row.overridden),
    "reason": ("Top reason", lambda row: row.top_reason.casefold() or None),
}
"""What the table may be sorted by: the heading, and the value of a row. Rows without a value come last."""


def rows_of(report: Report, days: Sequence[RuleDay], prepared: Prepared, first: date, last: date) -> list[DecisionRows]:
    """The decisions with a row for each rule, its versions together; the trend is from ``first`` to ``last``."""
    of_days: dict[tuple[str, str], list[RuleDay]] = {}
    for day in days:
        of_days.setdefault((day.decision, day.rule), []).append(day)
    calls: Counter[str] = Counter()
    for call in report.calls:
        calls[call.service] += call.times

    def row(words: RuleWords, versions: Sequence[RuleReport], days: Sequence[RuleDay]) -> RuleRow:
        return _row(prepared, words, versions, together_by_day(days), calls, first, last)

    found = []
    for decision, all_versions in groupby(report.rules, lambda rule: rule.decision):
        of_decision = list(all_versions)
        rules = [
            row(rule_words(prepared.pack, prepared.regimens, decision, rule), list(versions), of_days.get(key, []))
            for rule, versions in groupby(of_decision, lambda each: each.rule)
            for key in [(decision, rule)]
        ]
        said = Counter(each.words.says for each in rules)
        rules = [replace(each, name=spelled_out(each.rule) if said[each.words.says] > 1 else "") for each in rules]
        words = RuleWords(rules[0].words.title, "", _gravest(rules))
        every_day = [day for each in rules for day in of_days.get((decision, each.rule), [])]
        total = replace(row(words, of_decision, every_day), rule="", versions=())
        found.append(DecisionRows(total, tuple(rules)))
    return found


def decision_figures(report: Report, decision: str, days: int) -> DecisionFigures:
    """The figures of one decision in a report of the last ``days`` days, its versions together."""
    rules: dict[str, tuple[int, Share]] = {}
    for each in report.rules:
        if each.decision == decision:
            shown, accepted = rules.get(each.rule, (0, Share.out_of(0, 0)))
            together = Share.out_of(accepted.count + each.accepted.count, accepted.of + each.accepted.of)
            rules[each.rule] = (shown + each.shown, together)
    shares = [share for _, share in rules.values()]
    total = Share.out_of(sum(share.count for share in shares), sum(share.of for share in shares))
    return DecisionFigures(days, sum(shown for shown, _ in rules.values()), total, rules)


def sorted_rows(groups: Sequence[DecisionRows], sort: str, *, descending: bool) -> list[DecisionRows]:
    """The decisions by one of ``SORTS`` of their totals, and within each its rules by the same."""
    of_total = {id(group.total): group for group in groups}
    return [
        DecisionRows(total, tuple(_sorted(of_total[id(total)].rules, sort, descending=descending)))
        for total in _sorted([group.total for group in groups], sort, descending=descending)
    ]


def _sorted(rows: Sequence[RuleRow], sort: str, *, descending: bool) -> list[RuleRow]:
    """The rules in order; rows without a value last, whichever way. Of equal ones that shown most often comes first."""
    value = SORTS[sort][1]
    most_shown = sorted(rows, key=lambda row: (-row.shown, row.words.whole.casefold()))
    with_value = [row for row in most_shown if value(row) is not None]
    return [
        *sorted(with_value, key=value, reverse=descending),  # type: ignore[arg-type]  # all of one kind
        *(row for row in most_shown if value(row) is None),
    ]


def _gravest(rows: Sequence[RuleRow]) -> str:
    return next((name for name in INDICATORS if any(row.indicator == name for row in rows)), "")


def together_by_day(days: Sequence[RuleDay]) -> list[RuleDay]:
    """One entry for each day, whatever the versions."""
    together: dict[date, RuleDay] = {}
    for day in days:
        so_far = together.get(day.day)
        counts = (day.shown, day.accepted, day.overridden)
        if so_far is not None:
            counts = (so_far.shown + day.shown, so_far.accepted + day.accepted, so_far.overridden + day.overridden)
        together[day.day] = RuleDay(day.day, day.decision, day.rule, "", *counts)
    return [together[day] for day in sorted(together)]


def trend_of(counts: Mapping[date, int], first: date, last: date) -> Trend:
    """The counts of days in spans short enough to be seen and few enough to be drawn; the last span ends today."""
    whole = (last - first).days + 1
    span = 1 if whole <= _MOST_POINTS else _DAYS_OF_A_WEEK
    spans = [0] * max(whole // span, 1)
    for day, count in counts.items():
        ago = (last - day).days // span
        if 0 <= ago < len(spans):
            spans[-1 - ago] += count
    return Trend(span, tuple(spans))


def _row(
    prepared: Prepared,
    words: RuleWords,
    versions: Sequence[RuleReport],
    days: Sequence[RuleDay],
    calls: Mapping[str, int],
    first: date,
    last: date,
) -> RuleRow:
    decision, rule = versions[0].decision, versions[0].rule
    indicators: Counter[str] = Counter()
    at: Counter[str] = Counter()
    for version in versions:
        indicators.update(version.indicators)
        at.update(version.at)
    accepted, overridden = sum(v.accepted.count for v in versions), sum(v.overridden for v in versions)
    return RuleRow(
        decision=decision,
        rule=rule,
        words=words,
        indicator=words.indicator or next((name for name, _ in indicators.most_common(1)), ""),
        indicators=indicators,
        shown=sum(version.shown for version in versions),
        accepted=Share.out_of(accepted, accepted + overridden),
        overridden=overridden,
        suggestions_accepted=sum(version.suggestions_accepted for version in versions),
        reasons=_reasons(prepared, versions, overridden),
        per_100=per_100(at, calls),
        counted=sum(at.values()),
        calls=calls_behind(at, calls),
        versions=tuple(versions),
        days=tuple(days),
        trend=trend_of({day.day: day.shown for day in days}, first, last),
    )


def _reasons(prepared: Prepared, versions: Sequence[RuleReport], overridden: int) -> tuple[RankedReason, ...]:
    """The reasons of all versions, the most frequent first; what was said in the same words is one reason."""
    times: Counter[str] = Counter()
    for version in versions:
        for reason in version.reasons:
            name = (version.decision, version.rule, version.version)
            times[reason_words(prepared.pack, *name, reason.code, reason.display)] += reason.share.count
    ranked = sorted(times.items(), key=lambda item: (-item[1], item[0]))
    return tuple(RankedReason(words, Share.out_of(count, overridden)) for words, count in ranked)


def lines_of(decisions: Sequence[DecisionRows]) -> Iterator[list[str | float]]:
    """A line under ``HEADS`` for each version of each rule; shares and the ends of their 95 % intervals are fractions
    of 1. Comments are left out, because they may name the patient.
    """
    for row in (row for decision in decisions for row in decision.rules):
        words = f"{row.words.says} ({row.name})" if row.name else row.words.says
        for version in row.versions:
            said = [row.decision, row.rule, row.words.title, words, row.indicator, version.version]
            accepted = version.accepted
            share = (
                (f"{accepted.count / accepted.of:.4f}", accepted.low, accepted.high) if accepted.of else ("", "", "")
            )
            yield [*said, version.shown, accepted.of, accepted.count, *share, version.overridden]
