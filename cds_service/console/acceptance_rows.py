"""The figures of the acceptance page: each rule with its versions together, and each decision with its rules."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
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
GONE = "gone"
"""Stands for the severity of a rule that is no more, if it was not shown."""


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
    def severity(self) -> str:
        """The indicator of the rule, or ``GONE`` for one that is no more and was not shown."""
        return self.indicator or GONE

    @property
    def top_reason(self) -> str:
        """The reason that was given most often, or that several were given equally often; ``""`` without any."""
        most = [reason for reason in self.reasons if reason.share.count == self.reasons[0].share.count]
        return most[0].words if len(most) == 1 else f"{len(most)} reasons equally often" if most else ""


@dataclass(frozen=True, slots=True)
class RowGroup:
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
    "decision": ("Decision", lambda row: row.words.title.casefold()),
    "severity": ("Severity", lambda row: -INDICATORS.index(row.indicator) if row.indicator in INDICATORS else None),
    "shown": ("Shown", lambda row: row.shown),
    "per-100": ("Per 100 calls", lambda row: row.per_100),
    "answered": ("Answered", lambda row: row.accepted.of),
    "accepted": ("Accepted", lambda row: row.accepted.count / row.accepted.of if row.accepted.of else None),
    "at-most": ("Accepted at most", lambda row: row.accepted.high if row.accepted.of else None),
    "overridden": ("Overridden", lambda row: row.overridden),
    "reason": ("Top reason", lambda row: row.top_reason.casefold() or None),
}
"""What the table may be sorted by: the heading, and the value of a row. Rows without a value come last."""


@dataclass(frozen=True, slots=True)
class Reckoning:
    """Makes rows of figures that were counted from the day ``first`` to ``last``, in the words of ``prepared``.

    ``calls`` are those of the same days by service.
    """

    prepared: Prepared
    calls: Mapping[str, int]
    first: date
    last: date

    @classmethod
    def of(cls, report: Report, prepared: Prepared, first: date, last: date) -> Reckoning:
        """For the rules of ``report``, which was read from the day ``first`` on."""
        calls: Counter[str] = Counter()
        for call in report.calls:
            calls[call.service] += call.times
        return cls(prepared, calls, first, last)

    def rules(self, rules: Sequence[RuleReport], days: Sequence[RuleDay]) -> list[RuleRow]:
        """A row for each rule, its versions together; both are in the order in which they are read."""
        of_days: dict[tuple[str, str], list[RuleDay]] = {}
        for day in days:
            of_days.setdefault((day.decision, day.rule), []).append(day)
        rows = []
        for (decision, rule), versions in groupby(rules, lambda each: (each.decision, each.rule)):
            words = rule_words(self.prepared.pack, self.prepared.regimens, decision, rule)
            rows.append(self._row(words, list(versions), of_days.get((decision, rule), [])))
        said = Counter((row.decision, row.words.says) for row in rows)
        return [
            replace(row, name=spelled_out(row.rule) if said[row.decision, row.words.says] > 1 else "") for row in rows
        ]

    def by_decision(self, rows: Sequence[RuleRow]) -> list[RowGroup]:
        """The rows under the totals of their decisions; those of a decision stand together in ``rows``."""
        groups = []
        for _, of_decision in groupby(rows, lambda row: row.decision):
            rules = tuple(of_decision)
            words = RuleWords(rules[0].words.title, "", _gravest(rules))
            versions = [version for row in rules for version in row.versions]
            total = self._row(words, versions, [day for row in rules for day in row.days])
            groups.append(RowGroup(replace(total, rule="", versions=()), rules))
        return groups

    def _row(self, words: RuleWords, versions: Sequence[RuleReport], days: Sequence[RuleDay]) -> RuleRow:
        indicators: Counter[str] = Counter()
        at: Counter[str] = Counter()
        for version in versions:
            indicators.update(version.indicators)
            at.update(version.at)
        accepted, overridden = sum(v.accepted.count for v in versions), sum(v.overridden for v in versions)
        together = together_by_day(days)
        return RuleRow(
            decision=versions[0].decision,
            rule=versions[0].rule,
            words=words,
            indicator=words.indicator or next((name for name, _ in indicators.most_common(1)), ""),
            indicators=indicators,
            shown=sum(version.shown for version in versions),
            accepted=Share.out_of(accepted, accepted + overridden),
            overridden=overridden,
            suggestions_accepted=sum(version.suggestions_accepted for version in versions),
            reasons=_reasons(self.prepared, versions, overridden),
            per_100=per_100(at, self.calls),
            counted=sum(at.values()),
            calls=calls_behind(at, self.calls),
            versions=tuple(versions),
            days=tuple(together),
            trend=trend_of({day.day: day.shown for day in together}, self.first, self.last),
        )


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


def sorted_groups(groups: Sequence[RowGroup], sort: str, *, descending: bool) -> list[RowGroup]:
    """The decisions by one of ``SORTS`` of their totals, and within each its rules by the same."""
    of_total = {id(group.total): group for group in groups}
    return [
        RowGroup(total, tuple(sorted_rows(of_total[id(total)].rules, sort, descending=descending)))
        for total in sorted_rows([group.total for group in groups], sort, descending=descending)
    ]


def sorted_rows(rows: Sequence[RuleRow], sort: str, *, descending: bool) -> list[RuleRow]:
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


def _reasons(prepared: Prepared, versions: Sequence[RuleReport], overridden: int) -> tuple[RankedReason, ...]:
    """The reasons of all versions, the most frequent first; what was said in the same words is one reason."""
    times: Counter[str] = Counter()
    for version in versions:
        for reason in version.reasons:
            name = (version.decision, version.rule, version.version)
            times[reason_words(prepared.pack, *name, reason.code, reason.display)] += reason.share.count
    ranked = sorted(times.items(), key=lambda item: (-item[1], item[0]))
    return tuple(RankedReason(words, Share.out_of(count, overridden)) for words, count in ranked)


def lines_of(rows: Iterable[RuleRow]) -> Iterator[list[str | float]]:
    """A line under ``HEADS`` for each version of each rule; shares and the ends of their 95 % intervals are fractions
    of 1. Comments are left out, because they may name the patient.
    """
    for row in rows:
        words = f"{row.words.says} ({row.name})" if row.name else row.words.says
        for version in row.versions:
            said = [row.decision, row.rule, row.words.title, words, row.indicator, version.version]
            accepted = version.accepted
            share = (
                (f"{accepted.count / accepted.of:.4f}", accepted.low, accepted.high) if accepted.of else ("", "", "")
            )
            yield [*said, version.shown, accepted.of, accepted.count, *share, version.overridden]
