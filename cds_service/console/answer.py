"""The answer to one request as a page shows it: patient, order, cards, the reasoning behind them, results, history."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any

from cds_service.chart.record import Chart
from cds_service.console.card import ShownCard, shown_card
from cds_service.console.changes import draft_resources, drafts_of
from cds_service.console.patient import Banner, banner_of
from cds_service.console.plots import Plot, plots_of
from cds_service.console.record_events import answered_history
from cds_service.console.story_order import OrderInWords, order_in_columns
from cds_service.console.taken import names_of
from cds_service.console.timeline import Timeline
from cds_service.console.why import Why, why_of
from cds_service.console.would_change import WouldChange, would_change
from cds_service.content.model import Service
from cds_service.content.prepared import Prepared
from cds_service.judge.evaluate import Answer, evaluate
from cds_service.judge.explanation import asked_service, reasoning, results_of
from cds_service.protocol.envelope import HookRequest, decode_request
from cds_service.protocol.faults import Fault
from cds_service.protocol.profiles import Profile
from cds_service.vocabulary.json_text import encode

_NO_DRAFTS = "patient-view"
_DRUG = "Medication"  # what orders refer to, and no order
_MOST_DRAFTS = 20  # in words
_CORRECT = "Correct the request as JSON, below, and fire it again."
_ADVICE = {
    412: "Add what is missing to the prefetch of the request as JSON, below, and fire it again.",
    422: "Send the data of the patient whom the request names, and fire it again.",
}


@dataclass(frozen=True, slots=True)
class ShownRequest:
    """What was asked: the ``patient``, and each draft in words; none where the chart is only opened."""

    patient: Banner
    orders: tuple[OrderInWords, ...]
    opens_chart: bool


@dataclass(frozen=True, slots=True)
class Behind:
    """What an answer was made of: the content, the service, the answer itself, and when it was asked for."""

    prepared: Prepared
    service: Service
    answer: Answer
    now: datetime


@dataclass(frozen=True)
class ShownAnswer:
    """What became of a request: ``fault`` if it was refused, otherwise the cards and the reasoning.

    ``asked`` is the request for people, ``None`` if it could not be read. ``reasoning`` is what ``explain`` says about
    it, ``text`` the body of the answer as JSON. What not every page shows is worked out of ``behind`` when it is asked
    for.
    """

    fault: Fault | None = None
    asked: ShownRequest | None = None
    cards: tuple[ShownCard, ...] = ()
    reasoning: Mapping[str, Any] = field(default_factory=dict)
    text: str = ""
    behind: Behind | None = None

    @cached_property
    def why(self) -> tuple[Why, ...]:
        """The reasoning on each order for people."""
        one = self.behind
        return why_of(one.prepared.pack, one.service, one.answer, self.reasoning) if one is not None else ()

    @cached_property
    def would_change(self) -> tuple[WouldChange, ...]:
        """What would change the cards about each order."""
        one = self.behind
        judged = one.answer.judged if one is not None else ()
        return tuple(would_change(one.prepared, one.service, order) for order in judged if one is not None)

    @cached_property
    def plots(self) -> tuple[Plot, ...]:
        """The results that were read, as pictures."""
        one = self.behind
        results = self.reasoning.get("results", ())
        return plots_of(one.prepared, one.service, one.answer, results, one.now) if one is not None else ()

    @cached_property
    def timeline(self) -> Timeline | None:
        """The history that was read, as a picture; ``None`` if there is none."""
        one = self.behind
        results = self.reasoning.get("results", ())
        return answered_history(one.prepared, one.service, one.answer, results, one.now) if one is not None else None

    @property
    def advice(self) -> str:
        """What to do about a refusal; ``""`` where there is none."""
        return _ADVICE.get(self.fault.status, _CORRECT) if self.fault is not None else ""


def shown_answer(prepared: Prepared, body: bytes, now: datetime, profile: str) -> ShownAnswer:
    """The answer to the request in ``body`` at ``now``, for a client of this profile. The request is not kept."""
    asked = None
    try:
        service = asked_service(prepared, body)
        request = decode_request(body, service.hook, prepared.pack.relevant)
        sent: Mapping[str, Any] = json.loads(body)
        asked = _asked(prepared, service, request, sent, now)
        answer = evaluate(prepared, service, body, now, Profile(profile))
    except Fault as fault:
        return ShownAnswer(fault=fault, asked=asked, text=json.dumps(fault.outcome(), indent=2))
    response: Mapping[str, Any] = json.loads(encode(answer.body))
    drafts = drafts_of(sent)
    return ShownAnswer(
        asked=asked,
        cards=tuple(
            shown_card(card, drafts, now, prepared, names)
            for card, names in zip(response["cards"], names_of(response["cards"]), strict=True)
        ),
        reasoning=reasoning(prepared, service, answer, now),
        text=json.dumps(response, indent=2, ensure_ascii=False),
        behind=Behind(prepared, service, answer, now),
    )


def _asked(
    prepared: Prepared, service: Service, request: HookRequest, sent: Mapping[str, Any], now: datetime
) -> ShownRequest:
    """The request for people; a record is read here also where no draft is judged, and so nothing else reads it."""
    chart = Chart(request.patient_id, request.prefetch, now, prepared.zone)
    results = results_of(prepared.pack, service.decisions, chart)
    drafts = drafts_of(sent)
    written = [draft for draft in draft_resources(sent) if draft.get("resourceType") != _DRUG][:_MOST_DRAFTS]
    return ShownRequest(
        banner_of(prepared, service, sent, chart, results, now),
        tuple(order_in_columns(draft, drafts, now, prepared) for draft in written),
        request.hook == _NO_DRAFTS,
    )
