"""Feedback as it is kept. Imports this room only."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime

from sqlalchemy import Connection

from cds_service.store.tables import accepted_suggestion, feedback
from cds_service.store.upsert import insert_new


@dataclass(frozen=True, slots=True)
class Origin:
    """What a uuid came from. ``finding`` is ``None`` for one that is not ours; texts are ``""`` if not known here."""

    finding: int | None = None
    decision: str = ""
    rule: str = ""
    version: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that a clinician did with a card, ready to be stored.

    ``service`` is where it was sent, ``client`` who sent it (``""`` if nobody is authenticated), ``suggestions`` maps
    accepted uuids to their origins, ``raw`` is the entry as sent or what may be kept of it.
    """

    received_at: datetime
    service: str
    client: str
    card: str
    outcome: str
    outcome_at: datetime
    origin: Origin
    reason_system: str = ""
    reason_code: str = ""
    reason_display: str = ""
    comment: str = ""
    raw: str = ""
    suggestions: dict[str, Origin] = field(default_factory=dict)


def identity(entry: Entry) -> str:
    """What makes two entries the same: card, outcome, accepted suggestions, time (FB-10); 128 bits of SHA-256."""
    parts = [entry.card, entry.outcome, entry.outcome_at.isoformat(), *sorted(entry.suggestions)]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]


def keep(connection: Connection, entries: Sequence[Entry]) -> None:
    """Inserts those that are not there yet; the caller commits."""
    rows, accepted = [], []
    for entry in entries:
        row = asdict(entry)
        origin, suggestions = row.pop("origin"), row.pop("suggestions")
        key = identity(entry)
        rows.append(row | origin | {"id": key})
        accepted += [{"feedback": key, "suggestion": uuid, **whose} for uuid, whose in suggestions.items()]
    insert_new(connection, feedback, rows)
    insert_new(connection, accepted_suggestion, accepted)
