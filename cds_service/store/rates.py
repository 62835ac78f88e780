"""What became of the cards: per rule and content version, with how sure a share is. Imports this room only.

A card counts once, with the last thing that was done with it. Silence is no answer: cards without feedback are in
``shown`` and in no share (FB-17). Feedback whose uuid is not ours stands apart.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime

from sqlalchemy import Connection, Subquery, func, select

from cds_service.store.intervals import wilson
from cds_service.store.tables import accepted_suggestion, feedback, shown

_Rule = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Share:
    """``count`` out of ``of``; ``low`` and ``high`` bound the 95 % confidence interval, as fractions."""

    count: int
    of: int
    low: float
    high: float

    @classmethod
    def made(cls, count: int, of: int) -> Share:
        low, high = wilson(count, of)
        return cls(count, of, round(low, 4), round(high, 4))


@dataclass(frozen=True, slots=True)
class Reason:
    """Why cards were overridden: a code as clients sent it, ``""`` where none was given; share of the overrides."""

    system: str
    code: str
    display: str
    share: Share


@dataclass(frozen=True, slots=True)
class RuleReport:
    """One rule of one content version.

    ``shown`` counts answers that carried its card, ``accepted`` is out of the cards with feedback,
    ``suggestions_accepted`` counts its suggestions, also those that stood on another rule's card.
    """

    decision: str
    rule: str
    version: str
    shown: int
    accepted: Share
    overridden: int
    suggestions_accepted: int
    reasons: list[Reason]


@dataclass(frozen=True, slots=True)
class Report:
    """Everything since ``since`` (``None``: from the beginning) up to ``made_at``."""

    since: datetime | None
    made_at: datetime
    rules: list[RuleReport]
    unmatched: int


@dataclass(frozen=True, slots=True)
class Day:
    """One day (UTC) of one rule of one content version: cards shown, and what was done with cards."""

    day: date
    decision: str
    rule: str
    version: str
    shown: int
    accepted: int
    overridden: int


def days(connection: Connection, since: datetime) -> list[Day]:
    """Every day since then on which anything happened, in order."""
    sums: dict[tuple[date, str, str, str], list[int]] = {}
    counted = select(shown.c.day, shown.c.decision, shown.c.rule, shown.c.version, func.sum(shown.c.times))
    counted = counted.where(shown.c.day >= since.astimezone(UTC).date())
    for day, *rule, times in connection.execute(counted.group_by(*counted.selected_columns[:4])):
        sums.setdefault((day, *_rule(rule)), [0, 0, 0])[0] += int(times)
    last = _last_of_each_card(since)
    what = select(last.c.received_at, last.c.decision, last.c.rule, last.c.version, last.c.outcome)
    for moment, *rule, outcome in connection.execute(what.where(last.c.place == 1, last.c.decision != "")):
        day = moment.astimezone(UTC).date()
        sums.setdefault((day, *_rule(rule)), [0, 0, 0])[1 if outcome == "accepted" else 2] += 1
    return [Day(*key, *counts) for key, counts in sorted(sums.items())]


@dataclass(frozen=True, slots=True)
class Comment:
    """What a clinician wrote about a card, kept only where the deployer asked for it (FB-18)."""

    received_at: datetime
    decision: str
    rule: str
    version: str
    text: str


def comments(connection: Connection, most: int) -> list[Comment]:
    """The latest comments, newest first."""
    columns = (feedback.c.received_at, feedback.c.decision, feedback.c.rule, feedback.c.version, feedback.c.comment)
    rows = select(*columns).where(feedback.c.comment != "").order_by(feedback.c.received_at.desc()).limit(most)
    return [Comment(*row) for row in connection.execute(rows)]


@dataclass(slots=True)
class _Sums:
    shown: int = 0
    accepted: int = 0
    overridden: int = 0
    suggestions: int = 0
    reasons: dict[tuple[str, str], tuple[str, int]] = field(default_factory=dict)


def report(connection: Connection, since: datetime | None) -> Report:
    """The figures as they stand in the tables."""
    last = _last_of_each_card(since)
    sums: dict[_Rule, _Sums] = {}
    unmatched = 0

    counted = select(shown.c.decision, shown.c.rule, shown.c.version, func.sum(shown.c.times))
    if since is not None:
        counted = counted.where(shown.c.day >= since.astimezone(UTC).date())
    for *rule, times in connection.execute(counted.group_by(shown.c.decision, shown.c.rule, shown.c.version)):
        sums.setdefault(_rule(rule), _Sums()).shown = int(times)

    what = (last.c.decision, last.c.rule, last.c.version, last.c.outcome, last.c.reason_system, last.c.reason_code)
    outcomes = select(*what, func.max(last.c.reason_display), func.count()).where(last.c.place == 1).group_by(*what)
    for *rule, outcome, system, code, display, times in connection.execute(outcomes):
        if not rule[0]:
            unmatched += times
            continue
        one = sums.setdefault(_rule(rule), _Sums())
        if outcome == "accepted":
            one.accepted += times
        else:
            one.overridden += times
            one.reasons[(system, code)] = (display, times)

    whose = (accepted_suggestion.c.decision, accepted_suggestion.c.rule, accepted_suggestion.c.version)
    accepted = (
        select(*whose, func.count(accepted_suggestion.c.suggestion.distinct()))
        .join(last, last.c.id == accepted_suggestion.c.feedback)
        .where(last.c.place == 1, last.c.outcome == "accepted", accepted_suggestion.c.decision != "")
        .group_by(*whose)
    )
    for *rule, times in connection.execute(accepted):
        sums.setdefault(_rule(rule), _Sums()).suggestions = times

    return Report(since, datetime.now(UTC), [_ruled(rule, one) for rule, one in sorted(sums.items())], unmatched)


def _last_of_each_card(since: datetime | None) -> Subquery:
    latest = (feedback.c.outcome_at.desc(), feedback.c.received_at.desc(), feedback.c.id)
    place = func.row_number().over(partition_by=feedback.c.card, order_by=latest).label("place")
    rows = select(feedback, place)
    return (rows if since is None else rows.where(feedback.c.received_at >= since)).subquery()


def _rule(names: list[str]) -> _Rule:
    decision, rule, version = names
    return decision, rule, version


def _ruled(rule: _Rule, one: _Sums) -> RuleReport:
    reasons = sorted(one.reasons.items(), key=lambda item: (-item[1][1], item[0]))
    return RuleReport(
        *rule,
        shown=one.shown,
        accepted=Share.made(one.accepted, one.accepted + one.overridden),
        overridden=one.overridden,
        suggestions_accepted=one.suggestions,
        reasons=[
            Reason(system, code, display, Share.made(times, one.overridden))
            for (system, code), (display, times) in reasons
        ],
    )
