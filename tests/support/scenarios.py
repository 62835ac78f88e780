"""The scenarios of the fixtures and the answer to each: read once and fired once for all tests of a process.

``scenarios`` and ``answers`` are cached, and ``tests/conftest.py`` gives both as fixtures. What they hold is shared:
no test may change it.
"""

from __future__ import annotations

import json
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from cds_service.content.needs import templates_of
from cds_service.content.prepared import Prepared
from cds_service.judge.evaluate import Answer, evaluate
from cds_service.packaged import packaged
from cds_service.protocol.faults import Fault
from cds_service.protocol.profiles import COMMON, Profile
from cds_service.replay.cases import Case
from cds_service.replay.run import profile_of
from cds_service.replay.scenario import Scenario
from cds_service.replay.scenarios import read_scenarios
from cds_service.vocabulary.fetched import Fetch
from cds_service.vocabulary.json_text import encode


@dataclass(frozen=True, slots=True)
class Fired:
    """One request and what came of it.

    ``body`` is the answer as a client reads it: cards, or an OperationOutcome with ``status`` 400, 412 or 422. A
    defect of the service has status 500 and the traceback as its words. ``answer`` is what ``evaluate`` returned,
    ``None`` where it raised.
    """

    request: Mapping[str, Any]
    status: int
    body: Mapping[str, Any]
    answer: Answer | None

    @property
    def cards(self) -> list[dict[str, Any]]:
        """The cards; none for an error."""
        cards: list[dict[str, Any]] = self.body.get("cards", [])
        return cards

    @property
    def suggestions(self) -> list[dict[str, Any]]:
        """The suggestions of all cards."""
        return [suggestion for card in self.cards for suggestion in card.get("suggestions", [])]

    @property
    def resources(self) -> list[dict[str, Any]]:
        """The resources that actions of suggestions create or update."""
        return [a["resource"] for suggestion in self.suggestions for a in suggestion["actions"] if "resource" in a]

    @property
    def topics(self) -> set[str]:
        """Every finding, also those that are only a line on the card of another."""
        judged = self.answer.judged if self.answer else ()
        return {finding.topic for order in judged for finding in order.decided.cards}


@cache
def scenarios() -> tuple[Scenario, ...]:
    """Every scenario of the fixtures."""
    return tuple(read_scenarios(packaged("fixtures")))


def by_name(name: str) -> Scenario:
    """One scenario."""
    return next(scenario for scenario in scenarios() if scenario.name == name)


def request_of(prepared: Prepared, case: Case, today: datetime | None = None) -> dict[str, Any]:
    """The case as a request, prefetched as the service of its hook asks; moved to ``today`` if given."""
    service = prepared.pack.service_for(case.hook)
    assert service is not None, case.hook
    return case.request(templates_of(prepared.pack, service), today)


def fire(
    prepared: Prepared,
    request: Mapping[str, Any],
    now: datetime,
    profile: Profile = COMMON,
    fetch: Fetch | None = None,
) -> Fired:
    """The request, answered by the service of its hook."""
    service = prepared.pack.service_for(request["hook"])
    assert service is not None, request["hook"]
    try:
        answer = evaluate(prepared, service, encode(request), now, profile, fetch)
    except Fault as fault:
        return Fired(request, fault.status, json.loads(encode(fault.outcome())), None)
    except Exception:
        return Fired(request, 500, {"issue": [{"diagnostics": traceback.format_exc()}]}, None)
    return Fired(request, 200, json.loads(encode(answer.body)), answer)


def fire_all(prepared: Prepared) -> dict[str, Fired]:
    """The answer to every scenario, by its name."""
    return {
        scenario.name: fire(prepared, request_of(prepared, scenario), scenario.now, profile_of(scenario, prepared.pack))
        for scenario in scenarios()
    }
