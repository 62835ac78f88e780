"""Writes feedback into its tables, each entry once however often it is sent."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import fields
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from sqlalchemy import Connection, delete

from cds_service.store.entries import Entry, Origin
from cds_service.store.tables import accepted_suggestion, feedback
from cds_service.store.upsert import insert_new

_COLUMNS = tuple(column.name for column in fields(Entry) if column.name not in ("origin", "suggestions"))


def identity_of(entry: Entry) -> str:
    """The id of an entry, the same for entries with the same card, outcome, accepted suggestions and time (FB-10).

    It is the first 128 bits of a SHA-256 digest, in hexadecimal.
    """
    parts = [entry.card, entry.outcome, entry.outcome_at.isoformat(), *sorted(entry.suggestions)]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]


def save_feedback(connection: Connection, entries: Sequence[Entry]) -> None:
    """Inserts the entries that are not there yet; the caller commits."""
    rows, accepted = [], []
    for entry in entries:
        entry_id = identity_of(entry)
        row = {name: getattr(entry, name) for name in _COLUMNS}
        rows.append(row | _origin_columns(entry.origin) | {"id": entry_id})
        accepted += [
            {"feedback": entry_id, "suggestion": uuid} | _origin_columns(origin)
            for uuid, origin in entry.suggestions.items()
        ]
    insert_new(connection, feedback, rows)
    insert_new(connection, accepted_suggestion, accepted)


def probe(connection: Connection) -> None:
    """Writes a row where feedback is kept, and deletes it again; the caller commits. A full disk refuses that too."""
    now = datetime.now(UTC)
    row = dict.fromkeys(_COLUMNS, "") | _origin_columns(Origin()) | {"received_at": now, "outcome_at": now}
    identity = uuid4().hex
    insert_new(connection, feedback, [row | {"id": identity}])
    connection.execute(delete(feedback).where(feedback.c.id == identity))


def _origin_columns(origin: Origin) -> dict[str, Any]:
    return {
        "finding": origin.finding,
        "decision": origin.decision,
        "rule": origin.rule,
        "version": origin.version,
    }
