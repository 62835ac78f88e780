"""Scenarios and captured requests fired, in process or at a live service. Imports this room and evaluate."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import msgspec
import requests

from cds_service.content.model import Pack, Service
from cds_service.content.needs import searches_of
from cds_service.evaluate import Evaluator, evaluate
from cds_service.protocol.faults import Fault
from cds_service.replay.compare import differences
from cds_service.replay.scenarios import Scenario

_json = msgspec.json.Encoder(decimal_format="number")
_TIMEOUT_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Result:
    """One scenario fired. ``skipped`` says why it was not."""

    name: str
    differences: list[str]
    cards: list[Mapping[str, Any]] = field(default_factory=list)
    skipped: str = ""


def in_process(evaluator: Evaluator) -> Callable[[Scenario], Result]:
    """Fires scenarios at the function that the web application calls, at the scenario's own ``now``."""
    services = {service.hook: service for service in evaluator.pack.services.values()}
    asked = {service.id: templates_of(evaluator.pack, service) for service in services.values()}

    def fire(scenario: Scenario) -> Result:
        service = services[scenario.hook]
        body = _json.encode(scenario.request(asked[service.id]))
        try:
            answer = evaluate(evaluator, service, body, scenario.now)
            status, said = 200, json.loads(_json.encode(answer.body))
        except Fault as fault:
            status, said = fault.status, fault.outcome()
        return Result(scenario.name, differences(scenario.expect, status, said), said.get("cards", []))

    return fire


def templates_of(pack: Pack, service: Service) -> dict[str, str]:
    """The prefetch templates of a service by key, as its discovery lists them."""
    return {key: search.template for key, search in searches_of(pack, service).items()}


def against(url: str, now: datetime | None = None) -> Callable[[Scenario], Result]:
    """Fires scenarios at a live service, moved to today, asking discovery what to prefetch.

    Raises:
        requests.RequestException: discovery cannot be read.
    """
    session = requests.Session()
    base = url.rstrip("/").removesuffix("/cds-services") + "/cds-services"
    reply = session.get(base, timeout=_TIMEOUT_SECONDS)
    reply.raise_for_status()
    services = {service["hook"]: service for service in reply.json()["services"]}
    today = now or datetime.now(UTC)

    def fire(scenario: Scenario) -> Result:
        if scenario.in_process_only:
            return Result(scenario.name, [], skipped="calendar-sensitive, in process only")
        service = services.get(scenario.hook)
        if service is None:
            return Result(scenario.name, [f"the service does not answer {scenario.hook}"])
        body = _json.encode(scenario.request(service.get("prefetch", {}), today))
        answer = session.post(
            f"{base}/{service['id']}",
            data=body,
            headers={"Content-Type": "application/json"},
            timeout=_TIMEOUT_SECONDS,
        )
        return Result(
            scenario.name,
            differences(scenario.expected(today), answer.status_code, answer.json()),
            answer.json().get("cards", []),
        )

    return fire
