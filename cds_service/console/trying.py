"""One request fired as an EHR would fire it, made ready for a page: cards, reasons, pictures.

Imports evaluate, explain and this room. The request is not kept.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec
from markupsafe import Markup

from cds_service.console.calendar import Calendar, calendar_of
from cds_service.console.changes import Change, change_of, drafts_of
from cds_service.console.markdown import to_html
from cds_service.console.plots import Plot, plot_of
from cds_service.evaluate import Evaluator, evaluate
from cds_service.explain import reasoning, service_for
from cds_service.protocol.faults import Fault
from cds_service.protocol.profiles import Profile

_json = msgspec.json.Encoder(decimal_format="number")


@dataclass(frozen=True, slots=True)
class Choice:
    """One suggestion: what it would change, and the days of the order that it would leave."""

    label: str
    recommended: bool
    changes: tuple[Change, ...]
    calendar: Calendar | None


@dataclass(frozen=True, slots=True)
class ShownCard:
    """One card as a person sees it."""

    summary: str
    detail: Markup
    indicator: str
    source: str
    topic: str
    choices: tuple[Choice, ...]
    selection: str
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Tried:
    """What came of a request. ``fault`` is set instead of the rest if it was refused."""

    fault: Fault | None = None
    cards: tuple[ShownCard, ...] = ()
    told: Mapping[str, Any] = field(default_factory=dict)
    plots: tuple[Plot, ...] = ()
    answer: str = ""


def fire(evaluator: Evaluator, body: bytes, now: datetime, profile: str) -> Tried:
    """The answer to a request at ``now``, for a client of this profile."""
    try:
        service = service_for(evaluator, body)
        answer = evaluate(evaluator, service, body, now, Profile(profile))
    except Fault as fault:
        return Tried(fault=fault, answer=json.dumps(fault.outcome(), indent=2))
    said: Mapping[str, Any] = json.loads(_json.encode(answer.body))
    drafts = drafts_of(json.loads(body))
    told = reasoning(evaluator, service, answer, now)
    plots = [plot_of(one, now) for one in told["results"]]
    return Tried(
        cards=tuple(_shown(card, drafts, now) for card in said["cards"]),
        told=told,
        plots=tuple(plot for plot in plots if plot is not None),
        answer=json.dumps(said, indent=2, ensure_ascii=False),
    )


def _shown(card: Mapping[str, Any], drafts: Mapping[str, Mapping[str, Any]], now: datetime) -> ShownCard:
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
