"""What is handed to the store: plain data, so that those who make it need not import a database library."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Origin:
    """What the uuid of a card or suggestion stands for.

    ``finding`` is the number of the finding, ``None`` if the uuid is not one of ours. ``decision``, ``rule`` and
    ``version`` (of the content) are ``""`` if the content at hand does not know the finding.
    """

    finding: int | None = None
    decision: str = ""
    rule: str = ""
    version: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of feedback: what a clinician did with one card.

    ``service`` is the id of the service it was sent to, ``client`` the name of the client that sent it, ``""`` where
    clients are not authenticated. ``card`` is the uuid of the card, ``outcome`` is ``accepted`` or ``overridden``.
    The ``reason_`` fields are the coding of an override reason and ``comment`` the words of the clinician, each ``""``
    if there is none. ``suggestions`` maps the uuids of accepted suggestions to their origins. ``raw`` is the entry as
    it was sent, or what may be kept of it.
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
