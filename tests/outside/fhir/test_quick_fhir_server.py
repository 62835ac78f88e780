"""The server of the benchmark answers as the record that was put there would be prefetched."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
import requests

from cds_service.judge.evaluate import evaluate
from cds_service.net.fhir_client import FetchLimits, FhirClient
from cds_service.net.servers import AllowedServers
from cds_service.replay.scenario import search as searched
from cds_service.vocabulary.json_text import encode
from tests.support.bodies import SERVICE, without_prefetch
from tests.support.quick_fhir_server import quick_fhir_server
from tests.support.scenarios import by_name


@pytest.fixture(scope="module")
def base():
    with quick_fhir_server() as started:
        yield started


def test_a_call_without_prefetch_has_the_cards_that_it_has_with_it(prepared, base):
    client = FhirClient(FetchLimits(seconds=20))
    fetch = client.within_budget(AllowedServers.of([], loopback=True))
    service, now = prepared.pack.services[SERVICE], datetime.now(UTC)
    body = without_prefetch(base)
    fetched = evaluate(prepared, service, body, now, fetch=fetch)
    client.close()
    record = by_name("platelets-and-im/sample").record(now)
    prefetch = {search.key: searched(search.template, record) for search in prepared.searches[SERVICE]}
    prefetched = evaluate(prepared, service, encode(json.loads(body) | {"prefetch": prefetch}), now)
    assert fetched.body["cards"] and fetched.body == prefetched.body


def test_what_is_put_there_is_found_and_what_is_deleted_is_not(base):
    with requests.Session() as session:

        def found():
            answer = session.get(f"{base}/Immunization?patient=somebody", timeout=10).json()
            return [entry["resource"] for entry in answer.get("entry", ())]

        one = {"resourceType": "Immunization", "id": "one"}
        assert found() == []
        assert session.put(f"{base}/Immunization/one", json=one, timeout=10).ok
        assert found() == [one]
        assert session.delete(f"{base}/Immunization/one", timeout=10).ok
        assert found() == []
