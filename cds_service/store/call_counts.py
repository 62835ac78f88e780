"""How many calls were answered, and what they sent that was not understood, as it was counted day by day."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, date, datetime, timedelta

from sqlalchemy import Column, ColumnElement, Connection, func, select, true

from cds_service.store.figures import CallCount, NotUnderstoodDay
from cds_service.store.tables import call, feedback, not_understood, shown


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
