"""The answer to one request as a page shows it: cards, the reasoning behind them, plots of results, the history."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from cds_service.console.card import ShownCard, shown_card
from cds_service.console.changes import drafts_of
from cds_service.console.plots import Plot, plots_of
from cds_service.console.record_events import answered_history
from cds_service.console.timeline import Timeline
from cds_service.content.prepared import Prepared
from cds_service.judge.evaluate import evaluate
from cds_service.judge.explanation import asked_service, reasoning
from cds_service.protocol.faults import Fault
from cds_service.protocol.profiles import Profile
from cds_service.vocabulary.json_text import encode


@dataclass(frozen=True, slots=True)
class ShownAnswer:
    """What became of a request: ``fault`` if it was refused, otherwise cards, plots and ``reasoning``.

    ``reasoning`` is what ``explain`` says about the request, ``text`` the body of the answer as JSON, ``timeline`` the
    history that was read for it.
    """

    fault: Fault | None = None
    cards: tuple[ShownCard, ...] = ()
    reasoning: Mapping[str, Any] = field(default_factory=dict)
    plots: tuple[Plot, ...] = ()
    timeline: Timeline | None = None
    text: str = ""


def shown_answer(prepared: Prepared, body: bytes, now: datetime, profile: str) -> ShownAnswer:
    """The answer to the request in ``body`` at ``now``, for a client of this profile. The request is not kept."""
    try:
        service = asked_service(prepared, body)
        answer = evaluate(prepared, service, body, now, Profile(profile))
    except Fault as fault:
        return ShownAnswer(fault=fault, text=json.dumps(fault.outcome(), indent=2))
    response: Mapping[str, Any] = json.loads(encode(answer.body))
    drafts = drafts_of(json.loads(body))
    reasons = reasoning(prepared, service, answer, now)
    return ShownAnswer(
        cards=tuple(shown_card(card, drafts, now, prepared) for card in response["cards"]),
        reasoning=reasons,
        plots=plots_of(prepared, service, answer, reasons["results"], now),
        timeline=answered_history(prepared, service, answer, reasons["results"], now),
        text=json.dumps(response, indent=2, ensure_ascii=False),
    )
