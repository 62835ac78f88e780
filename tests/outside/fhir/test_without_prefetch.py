"""With nothing prefetched and a real FHIR R4 server on, every scenario gives the cards it gives with prefetch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
import requests

from cds_service.content.needs import templates_of
from cds_service.content.prepared import Prepared
from cds_service.judge.evaluate import evaluate
from cds_service.net.fhir_client import FetchLimits, FhirClient
from cds_service.net.servers import AllowedServers
from cds_service.packaged import packaged
from cds_service.protocol.faults import Fault
from cds_service.replay.scenarios import Scenario, read_scenarios
from cds_service.vocabulary.fetched import Fetch
from cds_service.vocabulary.json_text import encode

SCENARIOS = list(read_scenarios(packaged("fixtures")))
NOT_FOUND = "a search by patient does not find what does not name the patient by the reference that is searched for"
NUMBERS = "this server, in JavaScript, writes 25.0 as 25; the card says the number as sent"
DIFFER = {
    "bad-data/resultSubjectVersioned": NOT_FOUND,
    "bad-data/resultWithoutSubject": NOT_FOUND,
    "rule-by-rule/deficiencyNotUsable": NOT_FOUND,
    "rule-by-rule/perniciousAnaemiaNotUsable": NOT_FOUND,
    "rule-by-rule/allergyNotUsable": NOT_FOUND,
    "platelets-and-im/twentyFivePointZero": NUMBERS,
    "platelets-and-im/fiftyPointZero": NUMBERS,
    "patient-view/homocysteineTenPointZero": NUMBERS,
}
# What these are about is a prefetch with keys left out or filled in some way of their own.
OF_PREFETCH = [scenario.name for scenario in SCENARIOS if scenario.without or scenario.prefetch]
ALIKE = [s for s in SCENARIOS if s.name not in OF_PREFETCH and s.name not in DIFFER]
FIRST_OF_PATIENT = list({scenario.patient: scenario for scenario in reversed(ALIKE)}.values())


@pytest.fixture(scope="module")
def client() -> Iterator[FhirClient]:
    """A client with time enough on a machine that does other things too."""
    fhir = FhirClient(FetchLimits(seconds=20))
    yield fhir
    fhir.close()


@pytest.fixture(scope="module")
def loader() -> Iterator[requests.Session]:
    with requests.Session() as session:
        yield session


def load(loader: requests.Session, stores: str, scenario: Scenario) -> str:
    """A new server with the scenario's patient on it; one that checks nothing, where the record is not valid FHIR."""
    name = scenario.name.replace("/", "-")
    entries = [
        {"resource": r, "request": {"method": "PUT", "url": f"{r['resourceType']}/{r['id']}"}}
        for r in scenario.resources
    ]
    body = encode({"resourceType": "Bundle", "type": "batch", "entry": entries})
    for kind in ("fhir", "unchecked"):
        base = f"{stores}/{name}/{kind}"
        answer = loader.post(base, data=body, headers={"Content-Type": "application/fhir+json"}, timeout=10)
        assert answer.status_code == 200, answer.text
        statuses = {entry["response"]["status"] for entry in answer.json()["entry"]}
        if statuses <= {"200", "201"}:
            return base
    raise AssertionError(f"{scenario.name} cannot be loaded: {answer.text[:1000]}")


def answer(prepared: Prepared, scenario: Scenario, request: dict, fetch: Fetch | None = None) -> bytes:
    service = prepared.pack.service_for(scenario.hook)
    try:
        return encode(evaluate(prepared, service, encode(request), scenario.now, fetch=fetch).body)
    except Fault as fault:
        return encode({"status": fault.status} | fault.outcome())


@pytest.mark.parametrize("scenario", ALIKE, ids=lambda s: s.name)
def test_PF_12_a_scenario_without_prefetch_gives_the_same_cards(prepared, fhir_stores, loader, client, scenario):
    """By its own hook; for one scenario of each patient by the other hooks too."""
    base = load(loader, fhir_stores, scenario)
    allowed = AllowedServers.of([], open_bases=[base])
    for service in prepared.pack.services.values():
        if service.hook != scenario.hook and scenario not in FIRST_OF_PATIENT:
            continue
        by_hook = replace(scenario, hook=service.hook)
        request = by_hook.request(templates_of(prepared.pack, service))
        prefetched = answer(prepared, by_hook, request)
        del request["prefetch"]
        request["fhirServer"] = base
        assert answer(prepared, by_hook, request, client.within_budget(allowed)) == prefetched, service.hook


def test_the_scenarios_left_out_are_the_ones_listed():
    assert set(DIFFER) <= {scenario.name for scenario in SCENARIOS}
    assert len(ALIKE) + len(OF_PREFETCH) + len(DIFFER) == len(SCENARIOS)
    assert len(OF_PREFETCH) < len(SCENARIOS) / 10
