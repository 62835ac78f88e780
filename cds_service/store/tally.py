"""Counts how often the card of each rule was shown: gathered in memory and written in batches."""

from __future__ import annotations

import threading
from collections import Counter
from datetime import UTC, date, datetime
from typing import NamedTuple

from sqlalchemy import Connection

from cds_service.store.tables import shown
from cds_service.store.upsert import insert_or_add


class CardOfDay(NamedTuple):
    """What is counted: the card of one rule of one content version, by service and indicator, on one day (UTC)."""

    day: date
    service: str
    decision: str
    rule: str
    version: str
    indicator: str


class Tally:
    """Counts that are not written yet. It may be used from many threads; to add costs about a microsecond."""

    def __init__(self) -> None:
        self._counts: Counter[CardOfDay] = Counter()
        self._adding = threading.Lock()

    def __bool__(self) -> bool:
        return bool(self._counts)

    def add(self, service: str, decision: str, rule: str, version: str, indicator: str) -> None:
        """Counts one card that is shown now."""
        card = CardOfDay(datetime.now(UTC).date(), service, decision, rule, version, indicator)
        with self._adding:
            self._counts[card] += 1

    def take(self) -> Counter[CardOfDay]:
        """Returns the counts gathered so far and begins anew with none."""
        with self._adding:
            taken, self._counts = self._counts, Counter()
        return taken

    def put_back(self, counts: Counter[CardOfDay]) -> None:
        """Adds counts that could not be written, so that they are written the next time."""
        with self._adding:
            self._counts.update(counts)


def save_counts(connection: Connection, counts: Counter[CardOfDay]) -> None:
    """Adds counts to those that this process and others have written; the caller commits."""
    insert_or_add(connection, shown, [card._asdict() | {"times": times} for card, times in counts.items()], "times")
