"""Feedback as it is kept. Imports this room only."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from sqlalchemy import Connection

from cds_service.store.entries import Entry, Origin
from cds_service.store.tables import accepted_suggestion, feedback
from cds_service.store.upsert import insert_new

_COLUMNS = tuple(column.name for column in fields(Entry) if column.name not in ("origin", "suggestions"))


def identity(entry: Entry) -> str:
    """What makes two entries the same: card, outcome, accepted suggestions, time (FB-10); 128 bits of SHA-256."""
    parts = [entry.card, entry.outcome, entry.outcome_at.isoformat(), *sorted(entry.suggestions)]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]


def keep(connection: Connection, entries: Sequence[Entry]) -> None:
    """Inserts those that are not there yet; the caller commits."""
    rows, accepted = [], []
    for entry in entries:
        key = identity(entry)
        row = {name: getattr(entry, name) for name in _COLUMNS}
        rows.append(row | _columns(entry.origin) | {"id": key})
        accepted += [
            {"feedback": key, "suggestion": uuid} | _columns(origin) for uuid, origin in entry.suggestions.items()
        ]
    insert_new(connection, feedback, rows)
    insert_new(connection, accepted_suggestion, accepted)


def _columns(origin: Origin) -> dict[str, Any]:
    return {
        "finding": origin.finding,
        "decision": origin.decision,
        "rule": origin.rule,
        "version": origin.version,
    }
