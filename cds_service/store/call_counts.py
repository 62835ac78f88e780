"""How many calls were answered, and what they sent that was not understood, as it was counted day by day."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from sqlalchemy import Column, ColumnElement, Connection, func, select, true

from cds_service.store.tables import call, feedback, not_understood, shown


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


def at(service: Column[str], services: Collection[str] | None) -> ColumnElement[bool]:
    """The rows of these services alone; of all for ``None``."""
    return service.in_(services) if services is not None else true()


def known_services(connection: Connection) -> set[str]:
    """The ids of all services of which anything is kept; ``""`` for counts of before services were told apart."""
    tables = (call, shown, not_understood, feedback)
    return {service for table in tables for (service,) in connection.execute(select(table.c.service).distinct())}


def read_calls(connection: Connection, begin: date | None, services: Collection[str] | None = None) -> list[CallCount]:
    """The calls that were counted from the day ``begin`` on, or from the beginning; of ``services`` alone if given."""
    rows = select(call.c.service, call.c.version, func.sum(call.c.times)).where(at(call.c.service, services))
    if begin is not None:
        rows = rows.where(call.c.day >= begin)
    rows = rows.group_by(call.c.service, call.c.version).order_by(call.c.service, call.c.version)
    return [CallCount(service, version, int(times)) for service, version, times in connection.execute(rows)]


def per_100(cards: Mapping[str, int], calls: Mapping[str, int]) -> float | None:
    """Cards for every 100 calls of the services at which they were shown, both by service; ``None`` without calls."""
    of = calls_behind(cards, calls)
    return 100 * sum(cards.values()) / of if of else None


def calls_behind(cards: Mapping[str, int], calls: Mapping[str, int]) -> int:
    """The number of calls of the services at which cards were shown, both by service."""
    return sum(calls.get(service, 0) for service in cards)


def read_not_understood(
    connection: Connection, since: datetime | None, services: Collection[str] | None = None
) -> list[NotUnderstoodDay]:
    """What was not understood from ``since`` on, by day, kind and system, in this order; at ``services`` alone if
    given.
    """
    columns = not_understood.c.day, not_understood.c.kind, not_understood.c.system
    rows = select(*columns, func.sum(not_understood.c.times)).where(at(not_understood.c.service, services))
    rows = rows.group_by(*columns).order_by(*columns)
    if since is not None:
        rows = rows.where(not_understood.c.day >= since.astimezone(UTC).date())
    return [NotUnderstoodDay(day, kind, system, int(times)) for day, kind, system, times in connection.execute(rows)]
