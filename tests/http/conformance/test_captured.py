"""Requests in the dialects of clients (``fixtures/captured``): what they are answered with, and in which form."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import pytest
import yaml
from fhir.resources.R4B import get_fhir_model_class

from cds_service.judge.evaluate import evaluate
from cds_service.packaged import packaged
from cds_service.protocol.profiles import COMMON, Profile
from cds_service.replay.cases import read_cases
from cds_service.replay.run import in_process

FOLDER = packaged("fixtures") / "captured"
EXPECTED = yaml.safe_load((FOLDER / "expected.yaml").read_text(encoding="utf-8"))
NOW: datetime = EXPECTED["now"]
CLIENTS = {client: told["calls"] for client, told in EXPECTED["clients"].items() if "calls" in told}
CALLS = [(client, name, expected) for client, calls in CLIENTS.items() for name, expected in calls.items()]
CASES = [case for client in CLIENTS for case in read_cases(packaged("fixtures"), [FOLDER / client])]


def cards(prepared, client, name, profile) -> list[dict[str, Any]]:
    body = (FOLDER / client / f"{name}.json").read_bytes()
    hook = json.loads(body)["hook"]
    service = prepared.pack.service_for(hook)
    answer: list[dict[str, Any]] = evaluate(prepared, service, body, NOW, profile).body["cards"]
    return answer


def test_every_captured_request_has_an_expectation_and_no_other():
    there = {(path.parent.name, path.stem) for path in FOLDER.glob("*/*.json") if path.parent.name != "sandbox"}
    assert there == {(client, name) for client, name, _ in CALLS}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_captured_request_is_answered_as_expected(prepared, case):
    result = in_process(prepared)(case)
    assert result.is_expected
    assert result.differences == []
    for card in result.cards:
        for suggestion in card.get("suggestions", []):
            for action in suggestion["actions"]:
                if "resource" in action:
                    get_fhir_model_class(action["resource"]["resourceType"]).model_validate(action["resource"])


@pytest.mark.parametrize(("client", "name"), [(c, n) for c, n, e in CALLS if "status" not in e])
def test_V_04_every_client_is_told_the_same(prepared, client, name):
    def said(profile):
        return [(card["summary"], card["indicator"]) for card in cards(prepared, client, name, profile)]

    assert said(Profile("epic")) == said(Profile("3.0")) == said(Profile("sandbox")) == said(COMMON)


def test_the_dialect_of_epic_is_in_the_fixtures():
    """So that nobody tidies them up (Z24): what makes these requests unlike valid FHIR is there."""
    for name in CLIENTS["epic"]:
        call = json.loads((FOLDER / "epic" / f"{name}.json").read_text(encoding="utf-8"))
        assert " (R4) " in call["fhirAuthorization"]["scope"]
        assert "-user" in call["prefetch"]
        assert call["context"]["userId"].startswith("PractitionerRole/")
        assert len(call["context"]["patientId"]) > 64
        assert "." in call["context"]["patientId"]
        text = json.dumps(call)
        assert '"mode": "outcome"' in text
        assert "com.epic.cdshooks.request.bpa-trigger-action" in call["extension"]
        for entry in call["context"].get("draftOrders", {"entry": []})["entry"]:
            resource = entry["resource"]
            assert "value" not in resource["identifier"][0]
            if resource["resourceType"] == "MedicationRequest":
                assert isinstance(resource["category"], dict)
                assert "medicationCodeableConcept" not in resource
                assert resource["subject"]["reference"].startswith("https://")


@pytest.mark.parametrize("hook", ["order-select", "order-sign", "patient-view"])
def test_captured_requests_are_answered_today_too(client, cards_of, hook):
    """Over HTTP the clock is today's: results grow old, and the answer stays an answer."""
    for kind, name, expected in CALLS:
        call = json.loads((FOLDER / kind / f"{name}.json").read_text(encoding="utf-8"))
        if call["hook"] == hook and "status" not in expected:
            cards_of(client.post(f"/cds-services/vitamin-b12-{hook}", json=call))
