"""What one state of the content has judged and shown: counts of the days on which no other state judged beside it.

Cards are counted by day, and on a day on which the content or the site's settings changed nobody can say which of them
showed a card. Such days are left out, and so is the first day on which judged calls were counted, if others had been
counted before.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from datetime import UTC, date, datetime, timedelta

from sqlalchemy import Connection, func, select

from cds_service.store.figures import WatchedService
from cds_service.store.tables import call, judged, shown


def read_watched(
    connection: Connection, since: datetime, version: str, services: Collection[str]
) -> list[WatchedService]:
    """The days from ``since`` on of each of ``services``, under the content of this version and one state of the
    site's settings: the one that judged last.
    """
    begin = max(since.astimezone(UTC).date(), _first_day(connection))
    rows = select(judged.c.service, judged.c.day, judged.c.version, judged.c.site, judged.c.times)
    rows = rows.where(judged.c.day >= begin, judged.c.service.in_(services))
    of_services: dict[str, dict[date, dict[tuple[str, str], int]]] = {}
    for service, day, by, site, times in connection.execute(rows):
        of_services.setdefault(service, {}).setdefault(day, {})[by, site] = int(times)
    return [
        found for service in services for found in _watched(connection, service, of_services.get(service, {}), version)
    ]


def _first_day(connection: Connection) -> date:
    """From which day on every judged call is counted."""
    first, earlier = (connection.execute(select(func.min(table.c.day))).scalar() for table in (judged, call))
    if first is None:
        return date.max
    begun: date = first
    return begun + timedelta(days=1) if earlier is not None and earlier < begun else begun


def _watched(
    connection: Connection, service: str, days: dict[date, dict[tuple[str, str], int]], version: str
) -> Iterator[WatchedService]:
    alone = {day: next(iter(states.items())) for day, states in days.items() if len(states) == 1}
    of_version = [day for day, ((by, _), _) in alone.items() if by == version]
    if not of_version:
        return
    state = alone[max(of_version)][0]
    ours = {day: times for day, (by, times) in alone.items() if by == state}
    rows = select(shown.c.day, shown.c.decision, shown.c.rule, shown.c.times)
    rows = rows.where(shown.c.service == service, shown.c.day >= min(ours), shown.c.day <= max(ours))
    cards: Counter[tuple[str, str]] = Counter()
    for day, decision, rule, times in connection.execute(rows):
        if day in ours:
            cards[decision, rule] += int(times)
    yield WatchedService(service, min(ours), len(ours), sum(ours.values()), dict(cards))
