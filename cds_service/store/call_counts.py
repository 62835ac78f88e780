"""How many calls were answered, and what they sent that was not understood, as it was counted day by day."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from sqlalchemy import Connection, func, select

from cds_service.store.tables import call, not_understood, shown


@dataclass(frozen=True, slots=True)
class CallCount:
    """How many calls a service answered with one version of the content."""

    service: str
    version: str
    times: int


@dataclass(frozen=True, slots=True)
class NotUnderstoodDay:
    """How often something of one kind and code system was not understood on one day (UTC)."""

    day: date
    kind: str
    system: str
    times: int


def first_whole_day(connection: Connection) -> date | None:
    """From which day on every call is counted; ``None`` while none is.

    A store that is older than the counts of calls has a day on which they began after cards had been shown; cards of
    that day are not reckoned per call.
    """
    first: date | None = connection.execute(select(func.min(call.c.day))).scalar()
    if first is None:
        return None
    earlier: date | None = connection.execute(select(func.min(shown.c.day))).scalar()
    return first + timedelta(days=1) if earlier is not None and earlier < first else first


def read_calls(connection: Connection, begin: date | None) -> list[CallCount]:
    """The calls that were counted from the day ``begin`` on, or from the beginning."""
    rows = select(call.c.service, call.c.version, func.sum(call.c.times))
    if begin is not None:
        rows = rows.where(call.c.day >= begin)
    rows = rows.group_by(call.c.service, call.c.version).order_by(call.c.service, call.c.version)
    return [CallCount(service, version, int(times)) for service, version, times in connection.execute(rows)]


def per_100(cards: Mapping[str, int], calls: Mapping[str, int]) -> float | None:
    """Cards for every 100 calls of the services at which they were shown, both by service; ``None`` without calls."""
    of = sum(calls.get(service, 0) for service in cards)
    return 100 * sum(cards.values()) / of if of else None


def read_not_understood(connection: Connection, since: datetime | None) -> list[NotUnderstoodDay]:
    """What was not understood from ``since`` on, by day, kind and system, in this order."""
    columns = not_understood.c.day, not_understood.c.kind, not_understood.c.system
    rows = select(*columns, not_understood.c.times).order_by(*columns)
    if since is not None:
        rows = rows.where(not_understood.c.day >= since.astimezone(UTC).date())
    return [NotUnderstoodDay(day, kind, system, int(times)) for day, kind, system, times in connection.execute(rows)]
