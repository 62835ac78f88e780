"""How often each rule's card was shown, gathered in memory and written in batches. Imports this room only."""

from __future__ import annotations

import threading
from collections import Counter
from datetime import UTC, date, datetime
from typing import NamedTuple

from sqlalchemy import Connection

from cds_service.store.tables import shown
from cds_service.store.upsert import insert_or_add


class Shown(NamedTuple):
    """One kind of card on one day (UTC)."""

    day: date
    service: str
    decision: str
    rule: str
    version: str
    indicator: str


class Tally:
    """Counts not yet written. Adding costs about a microsecond."""

    def __init__(self) -> None:
        self._counts: Counter[Shown] = Counter()
        self._adding = threading.Lock()

    def __bool__(self) -> bool:
        return bool(self._counts)

    def add(self, service: str, decision: str, rule: str, version: str, indicator: str) -> None:
        kind = Shown(datetime.now(UTC).date(), service, decision, rule, version, indicator)
        with self._adding:
            self._counts[kind] += 1

    def take(self) -> Counter[Shown]:
        """What has gathered; the tally starts anew."""
        with self._adding:
            taken, self._counts = self._counts, Counter()
        return taken

    def put_back(self, counts: Counter[Shown]) -> None:
        """Counts that could not be written, for the next time."""
        with self._adding:
            self._counts.update(counts)


def keep(connection: Connection, counts: Counter[Shown]) -> None:
    """Adds counts to what any process has written; the caller commits."""
    insert_or_add(connection, shown, [kind._asdict() | {"times": times} for kind, times in counts.items()], "times")
