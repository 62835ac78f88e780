"""Writes feedback into its tables, each entry once however often it is sent."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import fields
from datetime import UTC, datetime
from operator import attrgetter
from uuid import uuid4

from cds_service.store.entries import Entry, Origin
from cds_service.store.held_connection import Statements, Values
from cds_service.store.upsert import in_order, insert_new

_COLUMNS = tuple(column.name for column in fields(Entry) if column.name not in ("origin", "suggestions"))
_ORIGIN = tuple(column.name for column in fields(Origin))
_values = attrgetter(*_COLUMNS)
_origin_values = attrgetter(*_ORIGIN)
_ADD = insert_new("feedback", ("id", *_COLUMNS, *_ORIGIN))
_ADD_ACCEPTED = insert_new("accepted_suggestion", ("feedback", "suggestion", *_ORIGIN))


def identity_of(entry: Entry) -> str:
    """The id of an entry, the same for entries with the same card, outcome, accepted suggestions and time (FB-10).

    It is the first 128 bits of a SHA-256 digest, in hexadecimal.
    """
    parts = [entry.card, entry.outcome, entry.outcome_at.isoformat(), *sorted(entry.suggestions)]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]


def save_feedback(statements: Statements, entries: Sequence[Entry]) -> None:
    """Inserts the entries that are not there yet."""
    rows: list[Values] = []
    accepted: list[Values] = []
    for entry in entries:
        entry_id = identity_of(entry)
        rows.append((entry_id, *_values(entry), *_origin_values(entry.origin)))
        accepted += [(entry_id, uuid, *_origin_values(origin)) for uuid, origin in entry.suggestions.items()]
    statements.run_each(_ADD, in_order(rows, keys=1))
    if accepted:
        statements.run_each(_ADD_ACCEPTED, in_order(accepted, keys=2))


def probe(statements: Statements) -> None:
    """Writes a row where feedback is kept, and deletes it again. A full disk refuses that too."""
    now, identity = datetime.now(UTC), uuid4().hex
    entry = Entry(now, "", "", "", "", now, Origin())
    statements.run(_ADD, (identity, *_values(entry), *_origin_values(entry.origin)))
    statements.run("DELETE FROM feedback WHERE id = ?", [identity])
