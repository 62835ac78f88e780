"""Orders that refer to a Medication among the drafts, through the whole way of a request (Z48)."""

from datetime import UTC, datetime

import pytest

from cds_service.judge.evaluate import evaluate
from cds_service.vocabulary.json_text import encode
from tests.support.scenarios import by_name

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
CODE = {"coding": [{"system": "http://www.nlm.nih.gov/research/umls/rxnorm", "code": "317106"}]}
UUID = "urn:uuid:2c8d6f0a-54a5-4f3e-9d0e-0a3a2f0e6c11"


def cards(prepared, templates, reference, *medications):
    """The cards of an IM order, with 22 platelets, that names its drug by ``reference`` only."""
    request = by_name("platelets-and-im/sample").request(templates)
    (entry,) = request["context"]["draftOrders"]["entry"]
    order = {name: value for name, value in entry["resource"].items() if name != "medicationCodeableConcept"}
    order["medicationReference"] = {"reference": reference}
    request["context"]["draftOrders"]["entry"] = [{"resource": order}, *medications]
    service = prepared.pack.services["vitamin-b12-order-select"]
    return evaluate(prepared, service, encode(request), NOW).body["cards"]


@pytest.mark.parametrize(
    ("reference", "entry"),
    [
        (
            "https://ehr.example.org/fhir/R4/Medication/m1",
            {"resource": {"resourceType": "Medication", "id": "m1", "code": CODE}},
        ),
        ("Medication/m1/_history/2", {"resource": {"resourceType": "Medication", "id": "m1", "code": CODE}}),
        (UUID, {"fullUrl": UUID, "resource": {"resourceType": "Medication", "code": CODE}}),
        (UUID, {"fullUrl": UUID, "resource": {"resourceType": "Medication", "id": "m1", "code": CODE}}),
    ],
)
def test_an_order_is_judged_by_the_medication_that_it_refers_to(prepared, templates, reference, entry):
    (card,) = cards(prepared, templates, reference, entry)
    assert card["indicator"] == "critical"
    assert "by its name" not in card["detail"]


def test_an_order_whose_medication_was_not_sent_gets_no_card(prepared, templates):
    assert cards(prepared, templates, "Medication/m1") == []


def test_many_orders_of_other_drugs_beside_one_change_nothing(prepared, templates):
    entry = {"resource": {"resourceType": "Medication", "id": "m1", "code": CODE}}
    others = [
        {
            "resource": {
                "resourceType": "MedicationRequest",
                "id": f"other-{number}",
                "status": "draft",
                "intent": "order",
                "medicationCodeableConcept": {"text": f"Atorvastatin {number} mg"},
            }
        }
        for number in range(40)
    ]
    alone = cards(prepared, templates, "Medication/m1", entry)
    assert cards(prepared, templates, "Medication/m1", entry, *others) == alone
