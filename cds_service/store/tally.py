"""Counts of calls, of cards and of what was not understood: gathered in memory and written in batches."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable
from datetime import date
from typing import Any

import msgspec

from cds_service.store.held_connection import Statements
from cds_service.store.upsert import in_order, insert_or_add


class CardOfDay(msgspec.Struct, frozen=True):
    """One card of one rule of one version of its decision, by service and indicator, on one day (UTC)."""

    day: date
    service: str
    decision: str
    rule: str
    version: str
    indicator: str


class CallOfDay(msgspec.Struct, frozen=True):
    """One call that a service answered with the content of this version, on one day (UTC)."""

    day: date
    service: str
    version: str


class JudgedOfDay(msgspec.Struct, frozen=True):
    """One call whose orders were judged and whose cards could be shown, on one day (UTC).

    ``version`` is that of the content, ``site`` the digest of the site's settings.
    """

    day: date
    service: str
    version: str
    site: str


class NotUnderstoodOfDay(msgspec.Struct, frozen=True):
    """One thing that was sent to a service and not understood, by kind and code system, on one day (UTC) (Z54)."""

    day: date
    service: str
    kind: str
    system: str


Counted = CardOfDay | CallOfDay | JudgedOfDay | NotUnderstoodOfDay


def _add_to(table: str, kind: type[Any]) -> str:
    return insert_or_add(table, kind.__struct_fields__, "times")


_ADD: dict[type[Any], str] = {
    CardOfDay: _add_to("shown", CardOfDay),
    CallOfDay: _add_to("call", CallOfDay),
    JudgedOfDay: _add_to("judged", JudgedOfDay),
    NotUnderstoodOfDay: _add_to("not_understood", NotUnderstoodOfDay),
}


class Tally:
    """Counts that are not written yet. It may be used from many threads; to add costs about a microsecond."""

    def __init__(self) -> None:
        self._counts: Counter[Counted] = Counter()
        self._adding = threading.Lock()

    def __bool__(self) -> bool:
        return bool(self._counts)

    def add(self, counted: Iterable[Counted]) -> None:
        """Counts each of these once."""
        with self._adding:
            for each in counted:
                self._counts[each] += 1

    def take(self) -> Counter[Counted]:
        """Returns the counts gathered so far and begins anew with none."""
        with self._adding:
            taken, self._counts = self._counts, Counter()
        return taken

    def put_back(self, counts: Counter[Counted]) -> None:
        """Adds counts that could not be written, so that they are written the next time."""
        with self._adding:
            self._counts.update(counts)


def save_counts(statements: Statements, counts: Counter[Counted]) -> None:
    """Adds counts to those that this process and others have written."""
    for kind, add in _ADD.items():
        rows = [(*msgspec.structs.astuple(c), times) for c, times in counts.items() if type(c) is kind]
        if rows:
            statements.run_each(add, in_order(rows, keys=len(kind.__struct_fields__)))
