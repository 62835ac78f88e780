"""One request fired as an EHR would fire it, made ready for a page: cards, reasons, pictures.

Imports evaluate, explain and this room. The request is not kept.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from cds_service.console.card import ShownCard, shown
from cds_service.console.changes import drafts_of
from cds_service.console.plots import Plot, plot_of
from cds_service.content.prepared import Prepared
from cds_service.judge.evaluate import evaluate
from cds_service.judge.explanation import asked_service, reasoning
from cds_service.protocol.faults import Fault
from cds_service.protocol.profiles import Profile
from cds_service.vocabulary.json_text import encode


@dataclass(frozen=True, slots=True)
class Tried:
    """What came of a request. ``fault`` is set instead of the rest if it was refused."""

    fault: Fault | None = None
    cards: tuple[ShownCard, ...] = ()
    told: Mapping[str, Any] = field(default_factory=dict)
    plots: tuple[Plot, ...] = ()
    answer: str = ""


def fire(prepared: Prepared, body: bytes, now: datetime, profile: str) -> Tried:
    """The answer to a request at ``now``, for a client of this profile."""
    try:
        service = asked_service(prepared, body)
        answer = evaluate(prepared, service, body, now, Profile(profile))
    except Fault as fault:
        return Tried(fault=fault, answer=json.dumps(fault.outcome(), indent=2))
    said: Mapping[str, Any] = json.loads(encode(answer.body))
    drafts = drafts_of(json.loads(body))
    told = reasoning(prepared, service, answer, now)
    plots = [plot_of(one, now) for one in told["results"]]
    return Tried(
        cards=tuple(shown(card, drafts, now) for card in said["cards"]),
        told=told,
        plots=tuple(plot for plot in plots if plot is not None),
        answer=json.dumps(said, indent=2, ensure_ascii=False),
    )
