"""A card as a person sees it: its words as HTML, its suggestions as changes of FHIR and days in a calendar.

Imports this room.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from markupsafe import Markup

from cds_service.console.calendar import Calendar, calendar_of
from cds_service.console.changes import Change, change_of
from cds_service.console.markdown import to_html


@dataclass(frozen=True, slots=True)
class Choice:
    """One suggestion: what it would change, and the days of the order that it would leave."""

    label: str
    recommended: bool
    changes: tuple[Change, ...]
    calendar: Calendar | None


@dataclass(frozen=True, slots=True)
class ShownCard:
    """One card of a response."""

    summary: str
    detail: Markup
    indicator: str
    source: str
    topic: str
    choices: tuple[Choice, ...]
    selection: str
    reasons: tuple[str, ...]


def shown(card: Mapping[str, Any], drafts: Mapping[str, Mapping[str, Any]], now: datetime) -> ShownCard:
    """A card of a response at ``now``; ``drafts`` are those of the request by ``Type/id``."""
    return ShownCard(
        summary=card["summary"],
        detail=to_html(card["detail"]),
        indicator=card["indicator"],
        source=card["source"]["label"],
        topic=card["source"]["topic"]["code"],
        choices=tuple(_choice(suggestion, drafts, now) for suggestion in card.get("suggestions", [])),
        selection=card.get("selectionBehavior", ""),
        reasons=tuple(reason["display"] for reason in card.get("overrideReasons", [])),
    )


def _choice(suggestion: Mapping[str, Any], drafts: Mapping[str, Mapping[str, Any]], now: datetime) -> Choice:
    actions: Sequence[Mapping[str, Any]] = suggestion["actions"]
    orders = [action["resource"] for action in actions if "resource" in action]
    calendars = [calendar_of(order, now.date()) for order in orders if order["resourceType"] == "MedicationRequest"]
    return Choice(
        suggestion["label"],
        bool(suggestion.get("isRecommended")),
        tuple(change_of(action, drafts) for action in actions),
        next((calendar for calendar in calendars if calendar is not None), None),
    )
