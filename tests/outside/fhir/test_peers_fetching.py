"""Defects of other services about fetching, each with a test that this one does not have it."""

from __future__ import annotations

import pytest

from cds_service.service.app import create_app
from cds_service.settings import Settings
from tests.support.fhir_stub import Stub, records, saying
from tests.support.keys import KEY

SERVICE = "/cds-services/vitamin-b12-order-select"
PATIENT, DRAFT = "kwame-mensah", "hydroxocobalamin-im-three-weekly"


@pytest.fixture(scope="module")
def patient_client():
    return create_app(Settings(loopback=True, key=KEY, fhir_budget_ms=10_000)).test_client()


@pytest.mark.parametrize("server", ["https://fhir.example/r4", "no url", "http://127.0.0.1:1/fhir"])
def test_a_call_that_names_its_fhir_server_is_answered(patient_client, cards_of, request_for, server):
    """One cannot answer any call with ``fhirServer``, which Epic and the public sandbox always send."""
    body = request_for(PATIENT, DRAFT)
    plain = cards_of(patient_client.post(SERVICE, json=body))
    assert plain
    assert cards_of(patient_client.post(SERVICE, json=body | {"fhirServer": server})) == plain


def test_no_token_of_a_template_is_left_in_a_url_and_nothing_is_called_undefined(patient_client, request_for):
    """One replaces tokens with a pattern that skips every second one, and writes ``undefined`` for what is missing."""
    body = request_for(PATIENT, DRAFT, without=["all"])
    assert "encounterId" not in body["context"]
    with Stub(records([])) as stub:
        patient_client.post(SERVICE, json=body | {"fhirServer": stub.base})
        asked = stub.asked()
    assert len(asked) > 5
    for url in asked:
        assert PATIENT in url
        assert not any(word in url for word in ("{", "}", "%7B", "%7D", "undefined", "null", "None"))


@pytest.mark.parametrize("status", [401, 403, 404, 500, 503])
def test_what_could_not_be_fetched_is_not_taken_for_absent(patient_client, assert_outcome, request_for, status):
    """One takes an error of the FHIR server for an empty list, so that a missing count looks like a good one."""
    body = request_for("amara-okafor", DRAFT, without=["platelets"])
    with Stub(saying({}, status)) as stub:
        answer = patient_client.post(SERVICE, json=body | {"fhirServer": stub.base})
    if answer.status_code == 412:
        assert_outcome(answer, 412, "prefetch.platelets")
    else:
        assert any("latelets" in card["summary"] for card in answer.json["cards"])
    assert answer.status_code == 412 or answer.json["cards"]
