"""What is handed to the store: plain data, so that who only makes it need not import a database library."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime


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
