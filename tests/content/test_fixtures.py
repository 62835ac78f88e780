"""Fixtures are what they claim to be: valid FHIR R4 that loads into any server as it is."""

import json

from fhir.resources.R4B import get_fhir_model_class
from fhir.resources.R4B.bundle import Bundle
from pydantic import ValidationError

from cds_service.packaged import packaged
from tests.support.faults import assert_none

PATIENTS = sorted((packaged("fixtures") / "patients").glob("*.json"))
DRAFTS = sorted((packaged("fixtures") / "drafts").glob("*.json"))


def test_there_are_enough_patients():
    assert len(PATIENTS) >= 25


def test_every_patient_is_a_valid_transaction_whose_references_all_resolve():
    assert_none({path.stem: list(faults_of_patient(path)) for path in PATIENTS}, len(PATIENTS))


def faults_of_patient(path):
    data = json.loads(path.read_text())
    try:
        Bundle.model_validate(data)
    except ValidationError as error:
        yield error
    if data["type"] != "transaction":
        yield f"is a {data['type']}"
    here = {f"{e['resource']['resourceType']}/{e['resource']['id']}" for e in data["entry"]}
    for entry in data["entry"]:
        name = f"{entry['resource']['resourceType']}/{entry['resource']['id']}"
        if entry["request"] != {"method": "PUT", "url": name}:
            yield f"{name} is loaded by {entry['request']}"
        for reference in references(entry["resource"]):
            if reference not in here and not reference.startswith("#"):
                yield f"{name} refers to {reference}"


def references(tree):
    if isinstance(tree, dict):
        own = [tree["reference"]] if isinstance(tree.get("reference"), str) else []
        return own + [found for value in tree.values() for found in references(value)]
    return [found for item in tree for found in references(item)] if isinstance(tree, list) else []


def test_every_draft_is_a_valid_order():
    assert_none({path.stem: list(faults_of_draft(path)) for path in DRAFTS}, len(DRAFTS))


def faults_of_draft(path):
    draft = json.loads(path.read_text().replace("{{patientId}}", "example"))
    if draft["resourceType"] not in ("MedicationRequest", "ServiceRequest"):
        yield f"is a {draft['resourceType']}"
    try:
        get_fhir_model_class(draft["resourceType"]).model_validate(draft)
    except ValidationError as error:
        yield error
