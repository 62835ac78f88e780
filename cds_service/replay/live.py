"""Fires cases at a live service, and goes on where a server does not answer."""

from __future__ import annotations

from collections.abc import Container
from datetime import UTC, datetime
from typing import Any

import requests

from cds_service.protocol.headers import REPLAY
from cds_service.replay.cases import Case
from cds_service.replay.expectations import without_offers
from cds_service.replay.fhir_server import LoadedServer
from cds_service.replay.run import Fire, ReplayResult, load, result_of
from cds_service.replay.sessions import TIMEOUT_SECONDS, discovered, no_answer, steady_session
from cds_service.vocabulary.json_text import encode


def against(
    url: str,
    now: datetime | None = None,
    server: LoadedServer | None = None,
    token: str = "",
    services: Container[str] = (),
) -> Fire:
    """What fires a case, moved to today or to ``now``, at a live service; discovery says what to prefetch.

    With ``server`` nothing is prefetched: the patient of each scenario is loaded onto it, and requests name it. Each
    call says that it is a replay, so that a service which anybody may call does not count its cards as shown (Z85).
    Where several services answer a hook, the one of ``services``, by its id, is called. ``token`` is sent with each, if
    there is one; a service takes it for one call and its retries (Z28).

    Raises:
        UnreachableError: discovery cannot be read.
    """
    session = steady_session()
    if token:
        session.headers["Authorization"] = f"Bearer {token}"
    base = url.rstrip("/").removesuffix("/cds-services") + "/cds-services"
    found = discovered(session, base, services)
    today = now or datetime.now(UTC)

    def fire(case: Case) -> ReplayResult:
        if case.in_process_only:
            return ReplayResult(case.name, [], skipped="calendar-sensitive, in process only", where=case.where)
        service = found.get(case.hook)
        if service is None:
            return ReplayResult(case.name, [f"the service does not answer {case.hook}"], where=case.where)
        request = case.request(service.get("prefetch", {}), today)
        if server is not None:
            skipped = load(server, case, request, today)
            if skipped:
                return ReplayResult(case.name, [], skipped=skipped, where=case.where)
        answer = session.post(
            f"{base}/{service['id']}",
            data=encode(request),
            headers={"Content-Type": "application/json", REPLAY: "true"},
            timeout=TIMEOUT_SECONDS,
        )
        expect = without_offers(case.expected(today))  # the service decides which profile this client has
        return result_of(case, request, today, expect, answer.status_code, _body(answer))

    return surviving(fire)


def surviving(fire: Fire) -> Fire:
    """``fire``, for which a server that does not answer is a case that failed, so that the others go on (Z89)."""

    def fire_or_fail(case: Case) -> ReplayResult:
        try:
            return fire(case)
        except requests.RequestException as error:
            return ReplayResult(case.name, [no_answer(error)], why=case.why, fault=no_answer(error), where=case.where)

    return fire_or_fail


def _body(answer: requests.Response) -> dict[str, Any]:
    """The JSON object of an answer; an empty one if it is not an answer of a CDS service, but of a proxy perhaps."""
    try:
        body = answer.json()
    except requests.JSONDecodeError:
        return {}
    return body if isinstance(body, dict) and isinstance(body.get("cards", []), list) else {}
