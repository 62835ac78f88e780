"""The figures of reports, as plain data, so that those who show them need not import a database library."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime

from cds_service.store.intervals import wilson


@dataclass(frozen=True, slots=True)
class CallCount:
    """How many calls a service answered with one version of the content."""

    service: str
    version: str
    times: int


@dataclass(frozen=True, slots=True)
class NotUnderstoodDay:
    """How often something of one kind and code system was not understood on one day (UTC), at all services that were
    asked about.
    """

    day: date
    kind: str
    system: str
    times: int


@dataclass(frozen=True, slots=True)
class Share:
    """``count`` out of ``of``; ``low`` and ``high`` bound the 95 % confidence interval, as fractions of 1."""

    count: int
    of: int
    low: float
    high: float

    @classmethod
    def out_of(cls, count: int, of: int) -> Share:
        """The share with its interval, rounded to four decimals."""
        low, high = wilson(count, of)
        return cls(count, of, round(low, 4), round(high, 4))


@dataclass(frozen=True, slots=True)
class ReasonShare:
    """How often cards were overridden for one reason, out of all overrides.

    The coding is as clients sent it, with ``""`` where none was given.
    """

    system: str
    code: str
    display: str
    share: Share


@dataclass(frozen=True, slots=True)
class RuleReport:
    """The figures of one rule of one content version.

    ``shown`` counts the answers with its card. ``accepted`` is out of the cards with feedback. ``suggestions_accepted``
    counts its suggestions, also those that stood on the card of another rule. ``indicators`` counts its cards by
    indicator, ``at`` by service those of the days on which calls were counted too.
    """

    decision: str
    rule: str
    version: str
    shown: int
    accepted: Share
    overridden: int
    suggestions_accepted: int
    reasons: list[ReasonShare]
    indicators: dict[str, int] = field(default_factory=dict)
    at: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Report:
    """The figures from ``since`` (``None``: from the beginning) to ``made_at``.

    ``unmatched`` counts cards with feedback whose uuid is not ours. ``calls`` are those of the days on which every call
    was counted, of which ``calls_from`` is the first; ``None`` if there is none.
    """

    since: datetime | None
    made_at: datetime
    rules: list[RuleReport]
    unmatched: int
    calls: list[CallCount] = field(default_factory=list)
    calls_from: date | None = None
    not_understood: list[NotUnderstoodDay] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class RuleDay:
    """One day (UTC) of one rule of one content version: answers with its card, and cards by their last outcome."""

    day: date
    decision: str
    rule: str
    version: str
    shown: int
    accepted: int
    overridden: int


@dataclass(frozen=True, slots=True)
class Comment:
    """What a clinician wrote about a card; it is kept only where the deployer asked for it (FB-18)."""

    received_at: datetime
    decision: str
    rule: str
    version: str
    text: str


@dataclass(frozen=True, slots=True)
class Acceptance:
    """What became of the cards: the ``report``, the same day by day, and the latest comments.

    ``services`` are those at which anything of a rule was counted, by the ids of its decision and its own.
    """

    report: Report
    days: list[RuleDay]
    comments: list[Comment]
    services: Mapping[tuple[str, str], frozenset[str]]


@dataclass(frozen=True, slots=True)
class RuleHistory:
    """What became of the cards of one rule, from the beginning on, day by day (UTC).

    ``versions`` say on which days cards of its decision were shown, and of which version, in order. ``calls`` are those
    of the services at which the rule was ever shown, on the days from ``calls_from`` on, when every call was counted;
    ``None`` if none was.
    """

    days: list[RuleDay]
    versions: list[tuple[date, str]]
    calls: Mapping[date, int]
    calls_from: date | None


@dataclass(frozen=True, slots=True)
class WatchedService:
    """What one service judged on the days on which one state of the content and the site's settings judged alone.

    ``days`` says how many they are, from ``first`` on. ``judged`` counts the calls whose orders were judged, ``cards``
    the cards that were shown, by decision and rule.
    """

    service: str
    first: date
    days: int
    judged: int
    cards: Mapping[tuple[str, str], int]


def per_100(cards: Mapping[str, int], calls: Mapping[str, int]) -> float | None:
    """Cards for every 100 calls of the services at which they were shown, both by service; ``None`` without calls."""
    of = calls_behind(cards, calls)
    return 100 * sum(cards.values()) / of if of else None


def calls_behind(cards: Mapping[str, int], calls: Mapping[str, int]) -> int:
    """The number of calls of the services at which cards were shown, both by service."""
    return sum(calls.get(service, 0) for service in cards)
