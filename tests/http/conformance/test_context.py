"""What the context of order-select holds (docs/conformance.md#contexts-of-order-select-order-sign-and-patient-view)."""

from __future__ import annotations

import json
import re

import pytest

PATIENT, DRAFT = "amara-okafor", "hydroxocobalamin-100-im"


@pytest.fixture
def body(request_for):
    return request_for(PATIENT, DRAFT)


@pytest.fixture
def draft(body):
    return body["context"]["draftOrders"]["entry"][0]["resource"]


@pytest.mark.parametrize(
    "user", ["x", "Practitioner", "Practitioner/", "/a", "a/b/c", "https://x/Practitioner/1", "😀"]
)
def test_CTX_01_an_odd_user_is_400_or_tolerated(post, body, user):
    body["context"]["userId"] = user
    assert post(body).status_code in (200, 400)


@pytest.mark.parametrize("selection", ["x", "", "/", "MedicationRequest/", "a/b/c", "😀"])
def test_CTX_01_an_odd_selection_is_400_or_tolerated(post, body, selection):
    body["context"]["selections"] = [selection]
    assert post(body).status_code in (200, 400)


@pytest.mark.parametrize("field", ["patientId", "encounterId"])
@pytest.mark.parametrize("value", ["Patient/1", "https://fhir.example/Patient/1", "/1", "1/", ""])
def test_CTX_02_ids_are_bare(post, assert_outcome, body, field, value):
    body["context"][field] = value
    assert_outcome(post(body), 400, f"context.{field}")


def test_CTX_03_a_dangling_selection_is_passed_over(post, cards_of, body):
    plain = cards_of(post(body))
    body["context"]["selections"] += ["MedicationRequest/nowhere", "ServiceRequest/draft-1"]
    assert plain
    assert cards_of(post(body)) == plain


def test_CTX_03_only_dangling_selections_of_other_types_give_no_card(post, cards_of, body):
    body["context"]["selections"] = ["ServiceRequest/nowhere", "NutritionOrder/nowhere"]
    assert cards_of(post(body)) == []


@pytest.mark.parametrize(
    "selection",
    [
        "draft-1",
        "MedicationRequest/draft-1/_history/2",
        "https://fhir.example/r4/MedicationRequest/draft-1",
        "https://fhir.example/r4/MedicationRequest/draft-1/_history/2",
        "urn:uuid:6d6b4d5c-6f0f-4ab5-9a49-3c1b4d4f2b2a",
        "https://elsewhere.example/orders?id=7",
    ],
)
def test_CTX_04_a_selection_names_its_draft_in_any_way_that_references_are_written(post, cards_of, body, selection):
    plain = cards_of(post(body))
    assert plain
    body["context"]["selections"] = [selection]
    if not selection.startswith(("draft", "Med", "https://fhir")):
        body["context"]["draftOrders"]["entry"][0]["fullUrl"] = selection
    assert cards_of(post(body)) == plain


@pytest.mark.parametrize(
    "selection",
    ["ServiceRequest/draft-1", "https://fhir.example/r4/ServiceRequest/draft-1", "urn:uuid:draft-1", "draft", "raft-1"],
)
def test_CTX_03_a_selection_of_another_type_or_id_names_no_draft(post, cards_of, request_for, selection):
    """Beside one that names a draft, because where none does every draft may be judged (Z52)."""
    body = request_for(PATIENT, DRAFT, "atorvastatin")
    body["context"]["selections"] = [selection, "MedicationRequest/draft-2"]
    assert cards_of(post(body)) == []


def test_CTX_03_a_selection_named_twice_gives_its_cards_once(post, cards_of, body):
    plain = cards_of(post(body))
    body["context"]["selections"] *= 2
    assert cards_of(post(body)) == plain


def test_CTX_04_fullUrl_id_total_and_type_of_the_bundle_may_be_missing_or_there(post, cards_of, body):
    plain = cards_of(post(body))
    bundle = body["context"]["draftOrders"]
    bundle.pop("type")
    assert cards_of(post(body)) == plain
    bundle |= {"id": "b", "total": 1}
    bundle["entry"][0]["fullUrl"] = "urn:uuid:d1577c69-dfbe-44ad-ba6d-3e05e953b2eb"
    assert cards_of(post(body)) == plain


def test_CTX_04_the_order_of_entries_does_not_matter(post, cards_of, request_for):
    body = request_for("kwame-mensah", DRAFT, "atorvastatin", "folic-acid-5mg-oral")
    plain = cards_of(post(body))
    body["context"]["draftOrders"]["entry"].reverse()
    assert plain
    assert sorted(c["summary"] for c in cards_of(post(body))) == sorted(c["summary"] for c in plain)


def test_CTX_05_an_order_that_is_not_selected_gets_no_card(post, cards_of, request_for):
    body = request_for("kwame-mensah", "atorvastatin", DRAFT)
    assert cards_of(post(body))
    body["context"]["selections"] = ["MedicationRequest/draft-1"]
    assert cards_of(post(body)) == []


@pytest.mark.parametrize("member", ["dosageInstruction", "authoredOn", "intent", "status", "id"])
def test_CTX_06_an_incomplete_order_is_no_error(post, cards_of, body, draft, member):
    draft.pop(member)
    cards_of(post(body))


@pytest.mark.parametrize("member", ["text", "timing", "route", "doseAndRate"])
def test_CTX_06_an_incomplete_dosage_is_no_error(post, cards_of, body, draft, member):
    draft["dosageInstruction"][0].pop(member)
    cards_of(post(body))


def test_CTX_06_an_order_with_only_a_code_is_judged(post, cards_of, request_for):
    body = request_for(PATIENT, "b12-code-only")
    order = body["context"]["draftOrders"]["entry"][0]["resource"]
    kept = {"resourceType", "id", "subject", "medicationCodeableConcept"}
    body["context"]["draftOrders"]["entry"][0]["resource"] = {k: v for k, v in order.items() if k in kept}
    assert cards_of(post(body))


def test_CTX_06_an_order_without_a_medication_is_silent(post, cards_of, body, draft):
    draft.pop("medicationCodeableConcept")
    assert cards_of(post(body)) == []


@pytest.mark.parametrize("kind", ["collection", "searchset", "transaction", "nonsense", 1, None])
def test_CTX_08_any_type_of_bundle_is_accepted(post, cards_of, body, kind):
    body["context"]["draftOrders"]["type"] = kind
    assert cards_of(post(body))


def test_CTX_09_unknown_resource_types_are_skipped(post, cards_of, body):
    plain = cards_of(post(body))
    kinds = ["ServiceRequest", "DeviceRequest", "NutritionOrder", "VisionPrescription", "ProcedureRequest", "Nonsense"]
    others = [{"resourceType": kind, "id": f"other-{kind}"} for kind in kinds] + [{"resourceType": "MedicationOrder"}]
    body["context"]["draftOrders"]["entry"] += [{"resource": other} for other in others]
    body["context"]["selections"] += [f"{other['resourceType']}/{other.get('id', 'x')}" for other in others]
    assert plain
    assert cards_of(post(body)) == plain


def test_CTX_09_only_other_types_give_no_cards(post, cards_of, request_for):
    order = {"resourceType": "ServiceRequest", "id": "s", "code": {"coding": [{}]}}
    assert cards_of(post(request_for(PATIENT, order, without=["all"]))) == []


def test_CTX_09_shapes_of_R5_are_read(post, cards_of, body, draft):
    plain = [card["summary"] for card in cards_of(post(body))]
    concept = draft.pop("medicationCodeableConcept")
    draft["medication"] = {"concept": concept}
    assert plain
    assert [card["summary"] for card in cards_of(post(body))] == plain
    draft["contained"] = [{"resourceType": "Medication", "id": "m", "code": concept}]
    draft["medication"] = {"reference": {"reference": "#m"}}
    assert [card["summary"] for card in cards_of(post(body))] == plain


@pytest.mark.parametrize("length", [194, 5_000])
def test_CTX_11_long_and_unusual_ids_are_accepted(post, cards_of, request_for, length):
    body = request_for(PATIENT, DRAFT)
    odd = "4d0f39b4\u20116ba6\u2011" + "x" * length
    text = json.dumps(body).replace(f"Patient/{PATIENT}", f"Patient/{odd}")
    body = json.loads(text)
    body["context"] |= {"patientId": odd, "selections": [f"MedicationRequest/{odd}"], "encounterId": odd}
    body["context"]["draftOrders"]["entry"][0]["resource"]["id"] = odd
    body["prefetch"]["patient"]["id"] = odd
    assert cards_of(post(body))


@pytest.mark.parametrize("selections", [None, "MedicationRequest/draft-1", {}, [None]])
def test_CTX_12_selections_that_are_no_list_of_strings_are_400(post, assert_outcome, body, selections):
    body["context"]["selections"] = selections
    assert_outcome(post(body), 400, "context.selections")


def test_CTX_12_an_empty_list_of_selections_gives_no_cards(post, cards_of, body):
    body["context"]["selections"] = []
    assert cards_of(post(body)) == []


def test_CTX_12_draftOrders_must_be_a_bundle(post, assert_outcome, body, draft):
    body["context"]["draftOrders"] = draft
    assert_outcome(post(body), 400, "context.draftOrders")


@pytest.mark.parametrize("entry", [{}, {"entry": []}, {"entry": None}])
@pytest.mark.parametrize("without", [(), ("all",)])
def test_CTX_12_RSP_02_a_bundle_without_entry_gives_no_cards(post, cards_of, request_for, entry, without):
    body = request_for(PATIENT, DRAFT, without=without)
    body["context"]["draftOrders"] = {"resourceType": "Bundle", **entry}
    assert cards_of(post(body)) == []


@pytest.mark.parametrize(
    "subject",
    [
        {"reference": "Patient/emily-carter"},
        {"reference": "https://fhir.example/Patient/emily-carter"},
        {"reference": f"Patient/{PATIENT}x"},
        {"reference": f"Group/{PATIENT}"},
        {"reference": PATIENT},
        {"reference": ""},
        {"reference": 1},
        {"reference": None},
        {"reference": "#p"},
        {"display": "x"},
        {"identifier": {"value": PATIENT}},
        {},
        [],
        "Patient/amara-okafor",
        None,
    ],
)
def test_CTX_13_Z32_an_order_for_another_patient_or_none_is_422(post, assert_outcome, body, draft, subject):
    draft["subject"] = subject
    assert_outcome(post(body), 422, "context.draftOrders.entry[0].resource.subject")


def test_CTX_13_Z32_an_order_without_a_subject_is_422(post, assert_outcome, body, draft):
    del draft["subject"]
    assert_outcome(post(body), 422, "context.draftOrders.entry[0].resource.subject")


@pytest.mark.parametrize(
    "reference",
    [
        f"https://fhir.example/r4/Patient/{PATIENT}",
        f"Patient/{PATIENT}/_history/3",
        f"https://fhir.example/r4/Patient/{PATIENT}/_history/3",
    ],
)
def test_CTX_13_Z32_absolute_and_versioned_subjects_are_this_patient(post, cards_of, body, draft, reference):
    draft["subject"] = {"reference": reference}
    assert cards_of(post(body))


def test_CTX_13_the_path_names_the_order_that_is_wrong(post, assert_outcome, request_for):
    body = request_for(PATIENT, "atorvastatin", DRAFT)
    body["context"]["draftOrders"]["entry"][1]["resource"]["subject"] = {"reference": "Patient/other"}
    assert_outcome(post(body), 422, "context.draftOrders.entry[1].resource.subject")


@pytest.mark.parametrize("identity", ["other", "", None])
def test_CTX_13_a_prefetched_patient_who_is_another_is_422(post, assert_outcome, body, identity):
    body["prefetch"]["patient"]["id"] = identity
    assert_outcome(post(body), 422, "prefetch.patient")


def test_CTX_13_results_of_another_patient_are_not_read_and_it_is_said(post, cards_of, request_for):
    body = request_for(PATIENT, DRAFT)
    other = request_for("kwame-mensah", DRAFT)
    body["prefetch"]["platelets"] = other["prefetch"]["platelets"]
    (card,) = [card for card in cards_of(post(body)) if card["source"]["topic"]["code"].startswith("imPlatelets")]
    assert card["source"]["topic"]["code"] == "imPlateletsNotChecked"
    assert "What was sent is of another patient" in card["summary"]
    assert not re.search(r"(?<![\d-])22(?!\d)", card["summary"] + card["detail"])  # their count; a day may be a 22nd
    assert "kwame" not in post(body).text


@pytest.mark.parametrize("status", ["draft", "active", "on-hold", "unknown", None])
def test_CTX_07_T_07_Z14_order_sign_judges_revised_orders_whatever_their_status(post, cards_of, request_for, status):
    body = request_for("kwame-mensah", "hydroxocobalamin-im-three-weekly", hook="order-sign")
    order = body["context"]["draftOrders"]["entry"][0]["resource"]
    order["status"] = status
    (card,) = cards_of(post(body, path="/cds-services/vitamin-b12-order-sign"))
    assert card["source"]["topic"]["code"] == "imPlateletsTransfusionFirst"


@pytest.mark.parametrize("status", ["cancelled", "entered-in-error", "completed"])
def test_CTX_07_Z14_order_sign_is_silent_on_what_is_not_to_be_given(post, cards_of, request_for, status):
    body = request_for("kwame-mensah", "hydroxocobalamin-im-three-weekly", hook="order-sign")
    body["context"]["draftOrders"]["entry"][0]["resource"]["status"] = status
    assert cards_of(post(body, path="/cds-services/vitamin-b12-order-sign")) == []


def test_CTX_07_orders_of_mixed_statuses_are_each_judged(post, cards_of, request_for):
    body = request_for("kwame-mensah", "hydroxocobalamin-im-three-weekly", "cyanocobalamin-iv", hook="order-sign")
    first, second = (entry["resource"] for entry in body["context"]["draftOrders"]["entry"])
    first["status"], second["status"] = "active", "draft"
    details = [card["detail"] for card in cards_of(post(body, path="/cds-services/vitamin-b12-order-sign"))]
    assert len(details) == 2
