"""A card as a page shows it: its words as HTML, its suggestions as changes of FHIR and as days in a calendar."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from cds_service.console.calendar import Calendar, calendar_of
from cds_service.console.changes import ResourceChange, change_of
from cds_service.content.prepared import Prepared

if TYPE_CHECKING:
    from markdown_it import MarkdownIt


@dataclass(frozen=True, slots=True)
class ShownSuggestion:
    """One suggestion: what it would change, and the days of the order that it would leave."""

    label: str
    recommended: bool
    changes: tuple[ResourceChange, ...]
    calendar: Calendar | None


@dataclass(frozen=True, slots=True)
class ShownCard:
    """One card of an answer. ``detail`` is HTML, ``topic`` the code of its topic, ``reasons`` those to override it."""

    summary: str
    detail: Markup
    indicator: str
    source: str
    topic: str
    suggestions: tuple[ShownSuggestion, ...]
    selection: str
    reasons: tuple[str, ...]


def shown_card(
    card: Mapping[str, Any], drafts: Mapping[str, Mapping[str, Any]], now: datetime, prepared: Prepared
) -> ShownCard:
    """A card of an answer given at ``now``; ``drafts`` are those of the request by ``Type/id``.

    The days of doses are read as the content in ``prepared`` reads schedules, in its time zone.
    """
    return ShownCard(
        summary=card["summary"],
        detail=_html(card["detail"]),
        indicator=card["indicator"],
        source=card["source"]["label"],
        topic=card["source"]["topic"]["code"],
        suggestions=tuple(_suggestion(suggestion, drafts, now, prepared) for suggestion in card.get("suggestions", [])),
        selection=card.get("selectionBehavior", ""),
        reasons=tuple(reason["display"] for reason in card.get("overrideReasons", [])),
    )


def _suggestion(
    suggestion: Mapping[str, Any], drafts: Mapping[str, Mapping[str, Any]], now: datetime, prepared: Prepared
) -> ShownSuggestion:
    actions: Sequence[Mapping[str, Any]] = suggestion["actions"]
    orders = [action["resource"] for action in actions if "resource" in action]
    today = now.astimezone(prepared.zone).date()
    own_words: Mapping[str, str] = next((fact.schedules for fact in prepared.pack.facts.values() if fact.schedules), {})
    calendars = [
        calendar_of(order, today, prepared.zone, own_words)
        for order in orders
        if order["resourceType"] == "MedicationRequest"
    ]
    return ShownSuggestion(
        suggestion["label"],
        bool(suggestion.get("isRecommended")),
        tuple(change_of(action, drafts) for action in actions),
        next((calendar for calendar in calendars if calendar is not None), None),
    )


def _html(markdown: str) -> Markup:
    """Markdown as HTML; whatever HTML the text holds is escaped."""
    return Markup(_parser().render(markdown))  # noqa: S704  (the parser escapes everything in the text)


@cache
def _parser() -> MarkdownIt:
    """HTML in the text stays text (RSP-12); links and pictures are not made, because cards have none."""
    from markdown_it import MarkdownIt  # imported for the first page only: it delays the start by a tenth of a second

    parser = MarkdownIt("commonmark", {"html": False})
    return parser.enable("table").disable(["link", "image", "autolink", "html_inline", "html_block"])
