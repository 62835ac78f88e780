"""JSON trees of drafts, which are copied before a suggestion changes them."""

from decimal import Decimal

from cds_service.fhir.tree import copied

DRAFT = {
    "resourceType": "MedicationRequest",
    "note": None,
    "dosageInstruction": [{"sequence": 1, "doseAndRate": [{"doseQuantity": {"value": Decimal("1.50")}}]}],
}


def test_editing_a_copy_leaves_the_first_tree_as_it_is():
    copy = copied(DRAFT)
    assert copy == DRAFT
    copy["dosageInstruction"][0]["doseAndRate"][0]["doseQuantity"]["value"] = 2
    copy["dosageInstruction"].append({})
    assert DRAFT["dosageInstruction"] == [
        {"sequence": 1, "doseAndRate": [{"doseQuantity": {"value": Decimal("1.50")}}]}
    ]


def test_a_copy_keeps_the_digits_of_a_number():
    value = copied(DRAFT)["dosageInstruction"][0]["doseAndRate"][0]["doseQuantity"]["value"]
    assert str(value) == "1.50"


def test_a_copy_is_made_of_any_depth_that_a_draft_may_have():
    tree = {}
    for _ in range(64):
        tree = {"extension": [tree]}
    assert copied(tree) == tree
