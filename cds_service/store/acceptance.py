"""What became of the cards: figures for each rule and content version, with confidence intervals.

A card counts once, with its last outcome. A card without feedback was neither accepted nor overridden: it is counted
in ``shown`` and in no share (FB-17). Feedback about a uuid that is not ours is counted apart.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from operator import itemgetter

from sqlalchemy import ColumnElement, Connection, Subquery, Table, and_, case, false, func, select, true

from cds_service.store.call_counts import at, first_whole_day, read_calls, read_not_understood
from cds_service.store.figures import Comment, ReasonShare, Report, RuleDay, RuleReport, Share
from cds_service.store.tables import accepted_suggestion, feedback, shown

_RuleName = tuple[str, str, str]  # decision, rule, version of the content


def read_days(
    connection: Connection,
    since: datetime | None,
    services: Collection[str] | None = None,
    rule_name: tuple[str, str] | None = None,
) -> list[RuleDay]:
    """The days from ``since`` on, or from the beginning, that have any figures, in order; of ``services`` alone if
    given, and of the rule alone whose decision and id ``rule_name`` gives.
    """
    sums: dict[tuple[date, str, str, str], list[int]] = {}  # shown, accepted, overridden
    counted = select(shown.c.day, shown.c.decision, shown.c.rule, shown.c.version, func.sum(shown.c.times))
    counted = counted.where(at(shown.c.service, services), _of_rule(shown, rule_name))
    if since is not None:
        counted = counted.where(shown.c.day >= since.astimezone(UTC).date())
    for day, *rule, times in connection.execute(counted.group_by(*counted.selected_columns[:4])):
        sums.setdefault((day, *_rule_name(rule)), [0, 0, 0])[0] += int(times)
    last = _ranked_outcomes(since, services, rule_name)
    outcomes = select(last.c.received_at, last.c.decision, last.c.rule, last.c.version, last.c.outcome)
    for received_at, *rule, outcome in connection.execute(outcomes.where(last.c.place == 1, last.c.decision != "")):
        day = received_at.astimezone(UTC).date()
        sums.setdefault((day, *_rule_name(rule)), [0, 0, 0])[1 if outcome == "accepted" else 2] += 1
    return [RuleDay(*key, *counts) for key, counts in sorted(sums.items())]


def read_services_of_rules(
    connection: Connection, since: datetime, services: Collection[str] | None = None
) -> dict[tuple[str, str], frozenset[str]]:
    """At which services a rule was shown or got feedback from ``since`` on, by decision and rule; of ``services`` alone
    if given.
    """
    found: dict[tuple[str, str], set[str]] = {}
    for table, is_in_time in (
        (shown, shown.c.day >= since.astimezone(UTC).date()),
        (feedback, feedback.c.received_at >= since),
    ):
        rows = select(table.c.decision, table.c.rule, table.c.service).distinct()
        for decision, rule, service in connection.execute(rows.where(is_in_time, at(table.c.service, services))):
            found.setdefault((decision, rule), set()).add(service)
    return {rule: frozenset(of_rule) for rule, of_rule in found.items()}


def read_comments(connection: Connection, limit: int, services: Collection[str] | None = None) -> list[Comment]:
    """The latest comments, at most ``limit``, newest first; on cards of ``services`` alone if given."""
    columns = (feedback.c.received_at, feedback.c.decision, feedback.c.rule, feedback.c.version, feedback.c.comment)
    rows = select(*columns).where(feedback.c.comment != "", at(feedback.c.service, services))
    rows = rows.order_by(feedback.c.received_at.desc()).limit(limit)
    return [Comment(*row) for row in connection.execute(rows)]


@dataclass(slots=True)
class _Sums:
    shown: int = 0
    accepted: int = 0
    overridden: int = 0
    suggestions: int = 0
    indicators: dict[str, int] = field(default_factory=dict)
    at: dict[str, int] = field(default_factory=dict)
    reasons: dict[tuple[str, str], tuple[str, int]] = field(default_factory=dict)


def read_report(connection: Connection, since: datetime | None, services: Collection[str] | None = None) -> Report:
    """The figures as they stand in the tables, rule by rule; of ``services`` alone if given."""
    last = _ranked_outcomes(since, services)
    sums: dict[_RuleName, _Sums] = {}
    unmatched = 0

    calls_from = first_whole_day(connection)
    if calls_from is not None and since is not None:
        calls_from = max(calls_from, since.astimezone(UTC).date())
    with_calls = shown.c.day >= calls_from if calls_from is not None else false()
    keys = (shown.c.decision, shown.c.rule, shown.c.version, shown.c.indicator, shown.c.service)
    per_call = func.sum(case((with_calls, shown.c.times), else_=0))
    counted = select(*keys, func.sum(shown.c.times), per_call).where(at(shown.c.service, services)).group_by(*keys)
    if since is not None:
        counted = counted.where(shown.c.day >= since.astimezone(UTC).date())
    for *rule, indicator, service, times, times_with_calls in connection.execute(counted):
        of_rule = sums.setdefault(_rule_name(rule), _Sums())
        of_rule.shown += int(times)
        of_rule.indicators[indicator] = of_rule.indicators.get(indicator, 0) + int(times)
        if times_with_calls:
            of_rule.at[service] = of_rule.at.get(service, 0) + int(times_with_calls)

    kinds = (last.c.decision, last.c.rule, last.c.version, last.c.outcome, last.c.reason_system, last.c.reason_code)
    outcomes = select(*kinds, func.max(last.c.reason_display), func.count()).where(last.c.place == 1).group_by(*kinds)
    for *rule, outcome, system, code, display, times in connection.execute(outcomes):
        if not rule[0]:
            unmatched += times
            continue
        of_rule = sums.setdefault(_rule_name(rule), _Sums())
        if outcome == "accepted":
            of_rule.accepted += times
        else:
            of_rule.overridden += times
            of_rule.reasons[(system, code)] = (display, times)

    rule_columns = (accepted_suggestion.c.decision, accepted_suggestion.c.rule, accepted_suggestion.c.version)
    accepted = (
        select(*rule_columns, func.count(accepted_suggestion.c.suggestion.distinct()))
        .join(last, last.c.id == accepted_suggestion.c.feedback)
        .where(last.c.place == 1, last.c.outcome == "accepted", accepted_suggestion.c.decision != "")
        .group_by(*rule_columns)
    )
    for *rule, times in connection.execute(accepted):
        sums.setdefault(_rule_name(rule), _Sums()).suggestions = times

    return Report(
        since,
        datetime.now(UTC),
        [_rule_report(rule, of_rule) for rule, of_rule in sorted(sums.items(), key=itemgetter(0))],
        unmatched,
        read_calls(connection, calls_from, services) if calls_from is not None else [],
        calls_from,
        read_not_understood(connection, since, services),
    )


def _of_rule(table: Table, rule_name: tuple[str, str] | None) -> ColumnElement[bool]:
    """The rows of this rule alone, by its decision and id; of all for ``None``."""
    if rule_name is None:
        return true()
    decision, rule = rule_name
    return and_(table.c.decision == decision, table.c.rule == rule)


def _ranked_outcomes(
    since: datetime | None, services: Collection[str] | None, rule_name: tuple[str, str] | None = None
) -> Subquery:
    """The rows of feedback with their ``place`` among those of the same card: 1 is the last outcome."""
    latest = (feedback.c.outcome_at.desc(), feedback.c.received_at.desc(), feedback.c.id)
    place = func.row_number().over(partition_by=feedback.c.card, order_by=latest).label("place")
    rows = select(feedback, place).where(at(feedback.c.service, services), _of_rule(feedback, rule_name))
    return (rows if since is None else rows.where(feedback.c.received_at >= since)).subquery()


def _rule_name(names: list[str]) -> _RuleName:
    decision, rule, version = names
    return decision, rule, version


def _rule_report(rule: _RuleName, sums: _Sums) -> RuleReport:
    reasons = sorted(sums.reasons.items(), key=lambda item: (-item[1][1], item[0]))
    return RuleReport(
        *rule,
        shown=sums.shown,
        accepted=Share.out_of(sums.accepted, sums.accepted + sums.overridden),
        overridden=sums.overridden,
        suggestions_accepted=sums.suggestions,
        reasons=[
            ReasonShare(system, code, display, Share.out_of(times, sums.overridden))
            for (system, code), (display, times) in reasons
        ],
        indicators=dict(sorted(sums.indicators.items())),
        at=dict(sorted(sums.at.items())),
    )
