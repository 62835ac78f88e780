"""Fires cases in process, with the record in the request or on a FHIR server that the patient is loaded onto."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from cds_service.content.model import Pack
from cds_service.content.needs import templates_of
from cds_service.content.prepared import Prepared
from cds_service.judge.evaluate import evaluate
from cds_service.net.fhir_client import FetchLimits, FhirClient
from cds_service.net.servers import AllowedServers
from cds_service.protocol.faults import Fault
from cds_service.protocol.profiles import Profile
from cds_service.replay.cases import Case
from cds_service.replay.expectations import differences
from cds_service.replay.scenario import DEFAULT_NOW as SCENARIOS_NOW
from cds_service.replay.scenario import Scenario
from cds_service.vocabulary.json_text import encode

if TYPE_CHECKING:
    from cds_service.replay.fhir_server import LoadedServer

DEFAULT_NOW = datetime.fromisoformat(SCENARIOS_NOW)
_FETCH = FetchLimits(seconds=10)  # a replay shows whether the cards are right, not whether the server is quick


@dataclass(frozen=True, slots=True)
class ReplayResult:
    """What became of one case: ``differences`` from what was expected. ``is_expected`` is false if none was expected.

    ``request`` is what was sent at ``now``, ``cards`` what came back, ``fault`` status and words of an answer that was
    not cards, ``skipped`` why the case was not fired, ``why`` the case's own reason to exist, ``where`` its file, with
    the line if it is one of several there.
    """

    name: str
    differences: list[str]
    cards: list[Mapping[str, Any]] = field(default_factory=list)
    skipped: str = ""
    why: str = ""
    fault: str = ""
    is_expected: bool = True
    now: datetime = DEFAULT_NOW
    request: Mapping[str, Any] = field(default_factory=dict)
    profile: str = "2.0"
    where: str = ""


Fire = Callable[[Case], ReplayResult]


def in_process(prepared: Prepared, server: LoadedServer | None = None) -> Fire:
    """What fires a case at the function that the web application calls, at the case's own ``now``.

    With ``server`` nothing is prefetched: the patient of each scenario is loaded onto it and read from there.
    """
    templates = {service.id: templates_of(prepared.pack, service) for service in prepared.pack.services.values()}
    allowed = AllowedServers.of([], open_bases=[server.base] if server else [])
    fhir = FhirClient(_FETCH)

    def fire(case: Case) -> ReplayResult:
        service = prepared.pack.service_for(case.hook)
        if service is None:
            return ReplayResult(case.name, [f"no service answers {case.hook}"], where=case.where)
        request = case.request(templates[service.id])
        if server is not None:
            skipped = load(server, case, request, None)
            if skipped:
                return ReplayResult(case.name, [], skipped=skipped, where=case.where)
        try:
            profile = profile_of(case, prepared.pack)
            fetch = fhir.within_budget(allowed) if server else None
            answer = evaluate(prepared, service, encode(request), case.now, profile, fetch)
            status, body = 200, json.loads(encode(answer.body))
        except Fault as fault:
            status, body = fault.status, fault.outcome()
        return result_of(case, request, case.now, case.expected(case.now), status, body)

    if server is None:
        return fire
    from cds_service.replay.live import surviving  # what asks no server need not wait for requests

    return surviving(fire)


def profile_of(case: Case, pack: Pack) -> Profile:
    """The profile of the client that sent a case; its preference item, if any, stands for every order template."""
    items = dict.fromkeys(pack.templates, case.preference_item) if case.preference_item else {}
    return Profile(case.profile, items)


def load(server: LoadedServer, case: Case, request: dict[str, Any], today: datetime | None) -> str:
    """Puts the patient of a scenario onto the server instead of into ``request``.

    Returns why the case cannot be fired like that, ``""`` if it can.
    """
    if not isinstance(case, Scenario):
        return "a captured request has no record to load"
    if case.without or case.prefetch:
        return "is about prefetch"
    refused = server.load(case.record(today))
    if refused:
        return f"the FHIR server does not take {refused}"
    request.pop("prefetch")
    request["fhirServer"] = server.base
    return ""


def result_of(
    case: Case, request: Mapping[str, Any], now: datetime, expect: Any, status: int, body: Mapping[str, Any]
) -> ReplayResult:
    """What became of a case of which ``request`` was sent at ``now``, and answered with ``status`` and ``body``."""
    issues = body.get("issue") if status != 200 else None
    issue = issues[0] if isinstance(issues, list) and issues and isinstance(issues[0], dict) else {}
    words = issue.get("diagnostics") or issue.get("details", {}).get("text", "")
    return ReplayResult(
        case.name,
        differences(expect, status, body),
        body.get("cards", []),
        why=case.why,
        fault=f"{status}: {words or 'not an answer of a CDS service'}" if status != 200 or "cards" not in body else "",
        is_expected=expect is not None,
        now=now,
        request=request,
        profile=case.profile,
        where=case.where,
    )
