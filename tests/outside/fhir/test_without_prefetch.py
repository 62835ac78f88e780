"""With nothing prefetched and a real FHIR R4 server on, a scenario gives the cards it gives with prefetch.

``make test`` takes one scenario in eight.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import NoReturn

import pytest
import requests

from cds_service.net.fhir_client import FetchLimits, FhirClient
from cds_service.net.servers import AllowedServers
from cds_service.replay.scenario import Scenario
from cds_service.vocabulary.declarations import Search
from cds_service.vocabulary.fetched import Fetch, Fetched, FhirAccess
from cds_service.vocabulary.json_text import encode
from tests.support.faults import assert_none
from tests.support.sample import EVERY_CASE, sampled
from tests.support.scenarios import by_name, fire, request_of

NOT_FOUND = "a search by patient does not find what does not name the patient by the reference that is searched for"
NUMBERS = "this server, in JavaScript, writes 25.0 as 25; the card says the number as sent"
SPELLED_OTHERWISE = "a server finds a code by the very spelling of its system that is asked for"
DIFFER = {
    "codes-in-the-field/loincAsOid": SPELLED_OTHERWISE,
    "codes-in-the-field/loincWithHttpsAndSlash": SPELLED_OTHERWISE,
    "codes-in-the-field/loincWithVersion": SPELLED_OTHERWISE,
    "bad-data/resultSubjectVersioned": NOT_FOUND,
    "bad-data/resultWithoutSubject": NOT_FOUND,
    "units-in-the-field/subjectByUuid": NOT_FOUND,
    "rule-by-rule/deficiencyNotUsable": NOT_FOUND,
    "rule-by-rule/perniciousAnaemiaNotUsable": NOT_FOUND,
    "rule-by-rule/allergyNotUsable": NOT_FOUND,
    "maintenance-edges/deficiencyNotUsableAfterIlealResection": NOT_FOUND,
    "maintenance-edges/involvementNotUsable": NOT_FOUND,
    "maintenance-edges/neuropathyNotUsable": NOT_FOUND,
    "maintenance-edges/cordDegenerationNotUsable": NOT_FOUND,
    "maintenance-edges/polyneuropathyNotUsable": NOT_FOUND,
    "offers-of-regimens/folatePerniciousAnaemiaNotUsable": NOT_FOUND,
    "platelets-and-im/twentyFivePointZero": NUMBERS,
    "platelets-and-im/fiftyPointZero": NUMBERS,
    "patient-view/homocysteineTenPointZero": NUMBERS,
}


ONE_IN = 12


def is_alike(scenario: Scenario) -> bool:
    """Whether the scenario is neither listed above nor about a prefetch that is left out or filled in its own way."""
    return scenario.name not in DIFFER and not scenario.without and not scenario.prefetch


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


class Stores:
    """A store of the server for each different record: many scenarios share one and differ in their drafts."""

    def __init__(self, loader: requests.Session, stores: str) -> None:
        self._loader, self._stores = loader, stores
        self._bases: dict[bytes, str] = {}

    def base_of(self, scenario: Scenario) -> str:
        """The store with the record of the scenario's patient on it."""
        record = encode(scenario.resources)
        if record not in self._bases:
            self._bases[record] = self._load(scenario)
        return self._bases[record]

    def __len__(self) -> int:
        return len(self._bases)

    def _load(self, scenario: Scenario) -> str:
        """A new store; one that checks nothing, where the record is not valid FHIR."""
        entries = [
            {"resource": r, "request": {"method": "PUT", "url": f"{r['resourceType']}/{r['id']}"}}
            for r in scenario.resources
        ]
        body = encode({"resourceType": "Bundle", "type": "batch", "entry": entries})
        for kind in ("fhir", "unchecked"):
            base = f"{self._stores}/{scenario.name.replace('/', '-')}/{kind}"
            answer = self._loader.post(base, data=body, headers={"Content-Type": "application/fhir+json"}, timeout=10)
            assert answer.status_code == 200, answer.text
            if {entry["response"]["status"] for entry in answer.json()["entry"]} <= {"200", "201"}:
                return base
        raise AssertionError(f"{scenario.name} cannot be loaded: {answer.text[:1000]}")


class Remembering:
    """Fetches as the client does, but asks for the same search of the same resources once only.

    What a server finds depends on nothing but the resources of the type that is searched for, and records that differ
    in one result are alike in all others.
    """

    def __init__(self, client: FhirClient) -> None:
        self._client = client
        self._held: dict[tuple[object, ...], Fetched] = {}

    def for_record(self, scenario: Scenario) -> Fetch:
        """What fetches for a request whose server holds the record of the scenario's patient."""
        return partial(self._fetch, scenario)

    def _fetch(
        self,
        scenario: Scenario,
        access: FhirAccess,
        searches: Sequence[Search],
        patient_id: str,
        *,
        further: bool = False,
        urgent: Collection[str] = (),
    ) -> Mapping[str, Fetched]:
        names = {search.key: (*self._searched(scenario, search), patient_id, further) for search in searches}
        new = [search for search in searches if names[search.key] not in self._held]
        if new:
            fetch = self._client.within_budget(AllowedServers.of([], open_bases=[access.server]))
            # None is sent ahead of the others: that changes no answer, and thousands of head starts take a minute.
            for key, fetched in fetch(access, new, patient_id, further=further).items():
                self._held[names[key]] = fetched
        return {key: self._held[name] for key, name in names.items()}

    def _searched(self, scenario: Scenario, search: Search) -> tuple[str, bytes]:
        return search.template, encode([r for r in scenario.resources if r["resourceType"] == search.resource])

    def __len__(self) -> int:
        return len(self._held)


def test_PF_12_a_scenario_without_prefetch_gives_the_same_cards(
    prepared, scenarios, answers, fhir_stores, loader, client
):
    """By its own hook; the first scenario of each patient by the other hooks too."""
    stores, fetch = Stores(loader, fhir_stores), Remembering(client)
    faults: dict[str, list[str]] = {}
    patients: set[str] = set()
    for scenario in sampled(list(filter(is_alike, scenarios)), ONE_IN):
        base = stores.base_of(scenario)
        hooks = {scenario.hook: scenario}
        if scenario.patient not in patients:
            hooks |= {s.hook: replace(scenario, hook=s.hook) for s in prepared.pack.services.values()}
        patients.add(scenario.patient)
        for hook, at_hook in hooks.items():
            prefetched = answers[scenario.name] if at_hook == scenario else None
            prefetched = prefetched or fire(prepared, request_of(prepared, at_hook), scenario.now)
            request = {name: value for name, value in prefetched.request.items() if name != "prefetch"}
            fetched = fire(prepared, request | {"fhirServer": base}, scenario.now, fetch=fetch.for_record(scenario))
            same = (fetched.status, fetched.body) == (prefetched.status, prefetched.body)
            faults[f"{scenario.name} by {hook}"] = [] if same else [fetched.body, f"instead of {prefetched.body}"]
    assert len(stores) > (200 if EVERY_CASE else 40)
    assert len(fetch) > (300 if EVERY_CASE else 60)
    assert_none(faults, len(faults))


def test_what_decides_nothing_is_not_told_because_its_gaps_might_have_been_filled(prepared):
    """Without B12 on record nothing asks for platelets, which here are not understood and have more pages."""
    scenario = replace(by_name("platelets-and-im/noUnit"), hook="patient-view")
    request = request_of(prepared, scenario)
    request["prefetch"]["platelets"]["link"] = [{"relation": "next", "url": "https://fhir.example/next"}]

    def fetch(access: FhirAccess, searches: Sequence[Search], patient_id: str, **_: object) -> NoReturn:
        raise AssertionError("no page is needed")

    without = fire(prepared, request, scenario.now)
    within_reach = fire(prepared, request | {"fhirServer": "https://fhir.example"}, scenario.now, fetch=fetch)
    assert without.cards
    assert within_reach.body == without.body


def test_the_scenarios_left_out_are_the_ones_listed(scenarios):
    of_prefetch = [scenario for scenario in scenarios if scenario.without or scenario.prefetch]
    assert set(DIFFER) <= {scenario.name for scenario in scenarios}
    assert len(list(filter(is_alike, scenarios))) + len(of_prefetch) + len(DIFFER) == len(scenarios)
    assert len(of_prefetch) < len(scenarios) / 10
