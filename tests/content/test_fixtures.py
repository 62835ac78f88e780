"""Fixtures are what they claim to be: valid FHIR R4 that loads into any server as it is."""

import json

import pytest
from fhir.resources.R4B.bundle import Bundle
from fhir.resources.R4B.medicationrequest import MedicationRequest

from cds_service.packaged import packaged

PATIENTS = sorted((packaged("fixtures") / "patients").glob("*.json"))
DRAFTS = sorted((packaged("fixtures") / "drafts").glob("*.json"))


def test_there_are_enough_patients():
    assert len(PATIENTS) >= 25


@pytest.mark.parametrize("path", PATIENTS, ids=lambda p: p.stem)
def test_a_patient_is_a_valid_transaction_whose_references_all_resolve(path):
    data = json.loads(path.read_text())
    Bundle.model_validate(data)
    assert data["type"] == "transaction"
    here = {f"{e['resource']['resourceType']}/{e['resource']['id']}" for e in data["entry"]}
    for entry in data["entry"]:
        name = f"{entry['resource']['resourceType']}/{entry['resource']['id']}"
        assert entry["request"] == {"method": "PUT", "url": name}
        for reference in references(entry["resource"]):
            assert reference in here or reference.startswith("#"), f"{name} refers to {reference}"


def references(tree):
    if isinstance(tree, dict):
        own = [tree["reference"]] if isinstance(tree.get("reference"), str) else []
        return own + [found for value in tree.values() for found in references(value)]
    return [found for item in tree for found in references(item)] if isinstance(tree, list) else []


@pytest.mark.parametrize("path", DRAFTS, ids=lambda p: p.stem)
def test_a_draft_is_a_valid_order(path):
    MedicationRequest.model_validate(json.loads(path.read_text().replace("{{patientId}}", "example")))
