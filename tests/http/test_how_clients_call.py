"""How clients write the envelope of a call: what they mean is answered, whatever the spelling (Z52, Z53)."""

from __future__ import annotations

import codecs
import gzip
import json

import pytest

from cds_service.protocol.envelope import decode_request

PATIENT, DRAFT, OTHER = "kwame-mensah", "hydroxocobalamin-im-three-weekly", "atorvastatin"
SIGN, VIEW = "/cds-services/vitamin-b12-order-sign", "/cds-services/vitamin-b12-patient-view"
CRITICAL = "imPlateletsTransfusionFirst"
BASE = "https://fhir.example/r4"
UUID = "6d6b4d5c-6f0f-4ab5-9a49-3c1b4d4f2b2a"


def topics(cards):
    return [card["source"]["topic"]["code"] for card in cards]


def selecting(body, *selections):
    body["context"]["selections"] = list(selections)
    return body


@pytest.fixture
def body(request_for):
    """An order that is critical, and another that nothing is said about, both selected."""
    return request_for(PATIENT, DRAFT, OTHER)


@pytest.fixture
def entry(body):
    return body["context"]["draftOrders"]["entry"][0]


@pytest.mark.parametrize(
    "selection",
    [
        "MedicationRequest/draft-1",
        "draft-1",
        "draft-1/_history/3",
        "MedicationRequest/draft-1/_history/3",
        f"{BASE}/MedicationRequest/draft-1",
        f"{BASE}/MedicationRequest/draft-1/_history/3",
        "http://another.example/MedicationRequest/draft-1",
    ],
)
def test_Z52_a_selection_names_a_draft_by_its_type_and_id_in_every_spelling(post, cards_of, body, selection):
    """The other order is selected too, so each of these is answered because it names its draft."""
    assert topics(cards_of(post(selecting(body, "MedicationRequest/draft-2", selection)))) == [CRITICAL]
    assert cards_of(post(selecting(body, "MedicationRequest/draft-2"))) == []


@pytest.mark.parametrize(
    ("full_url", "selection"),
    [
        (f"urn:uuid:{UUID}", f"urn:uuid:{UUID}"),
        ("urn:oid:1.2.3", "urn:oid:1.2.3"),
        (f"{BASE}/MedicationRequest/draft-9", f"{BASE}/MedicationRequest/draft-9"),
        (f"{BASE}/MedicationRequest/draft-9", f"{BASE}/MedicationRequest/draft-9/_history/1"),
        (f"{BASE}/MedicationRequest/draft-9", "MedicationRequest/draft-9"),
        (f"{BASE}/MedicationRequest/draft-9", "draft-9"),
        (f"{BASE}/MedicationRequest/draft-9/_history/1", "MedicationRequest/draft-9"),
        ("MedicationRequest/draft-9", f"{BASE}/MedicationRequest/draft-9"),
    ],
)
@pytest.mark.parametrize("without_id", [True, False])
def test_Z52_a_selection_names_a_draft_by_the_fullUrl_of_its_entry(
    post, cards_of, body, entry, full_url, selection, without_id
):
    entry["fullUrl"] = full_url
    if without_id:
        del entry["resource"]["id"]
    assert topics(cards_of(post(selecting(body, "MedicationRequest/draft-2", selection)))) == [CRITICAL]


def test_Z52_an_empty_selection_does_not_name_a_draft_without_an_id(post, cards_of, body, entry):
    del entry["resource"]["id"]
    assert cards_of(post(selecting(body, "", "MedicationRequest/draft-2"))) == []
    assert topics(cards_of(post(selecting(body, "")))) == [CRITICAL]


def test_Z52_each_selection_that_names_no_draft_is_known_as_it_was_sent(body):
    def read(*selections):
        return decode_request(json.dumps(selecting(body, *selections)).encode(), "order-select", ["MedicationRequest"])

    mixed = read("ServiceRequest/7", "draft-1", "nowhere", f"{BASE}/MedicationRequest/draft-2", "nowhere")
    assert mixed.unmatched_selections == ("ServiceRequest/7", "nowhere", "nowhere")
    assert mixed.selections_matched
    assert [draft.reference for draft in mixed.selected] == ["MedicationRequest/draft-1", "MedicationRequest/draft-2"]
    none = read("ServiceRequest/7", "nowhere")
    assert (none.unmatched_selections, none.selections_matched) == (("ServiceRequest/7", "nowhere"), False)
    every = read("MedicationRequest/draft-1")
    assert (every.unmatched_selections, every.selections_matched) == ((), True)


UNMATCHED_MEDICATIONS = [
    "MedicationRequest/nowhere",
    f"{BASE}/MedicationRequest/nowhere",
    "MedicationRequest/nowhere/_history/1",
    "MedicationRequest/",
    "MedicationRequest?identifier=7",
    "nowhere",
    "undefined",
    "",
    "#draft-1",
    f"urn:uuid:{UUID}",
    "https://ehr.example/orders?id=7",
    "a/b/c",
]
OTHER_TYPES = [
    "ServiceRequest/nowhere",
    f"{BASE}/ServiceRequest/draft-1",
    "NutritionOrder/draft-1/_history/1",
    "Medication/draft-1",
    "DeviceRequest?identifier=7",
]


@pytest.mark.parametrize("selection", UNMATCHED_MEDICATIONS)
def test_Z52_if_no_selection_names_a_draft_and_it_may_be_a_medication_every_draft_is_judged(
    post, cards_of, body, selection
):
    assert topics(cards_of(post(selecting(body, selection)))) == [CRITICAL]
    assert topics(cards_of(post(selecting(body, "ServiceRequest/nowhere", selection)))) == [CRITICAL]


@pytest.mark.parametrize("selection", UNMATCHED_MEDICATIONS)
def test_Z52_beside_one_that_names_a_draft_the_others_are_passed_over(post, cards_of, body, selection):
    assert cards_of(post(selecting(body, selection, "MedicationRequest/draft-2"))) == []


@pytest.mark.parametrize("selection", OTHER_TYPES)
def test_Z52_selections_that_name_no_draft_and_are_of_other_types_give_no_card(post, cards_of, body, selection):
    assert cards_of(post(selecting(body, selection))) == []
    assert cards_of(post(selecting(body, selection, "ServiceRequest/nowhere"))) == []


def test_Z52_a_draft_of_another_type_that_is_named_leaves_the_others_unselected(post, cards_of, body):
    lab = {"resourceType": "ServiceRequest", "id": "lab", "status": "draft", "intent": "order"}
    body["context"]["draftOrders"]["entry"].append({"resource": lab})
    assert cards_of(post(selecting(body, "ServiceRequest/lab", "MedicationRequest/nowhere"))) == []


@pytest.mark.parametrize("without", [["all"], ["platelets"], ["conditions", "platelets"]])
def test_Z52_what_was_not_sent_is_no_412_for_drafts_that_no_selection_names(
    post, cards_of, assert_outcome, request_for, without
):
    body = request_for(PATIENT, DRAFT, without=without)
    assert_outcome(post(body), 412, "prefetch")
    cards = cards_of(post(selecting(body, "MedicationRequest/nowhere")))
    assert cards, "that the order could not be judged is said on a card instead"
    assert CRITICAL not in topics(cards)


def test_Z52_with_one_selection_that_names_its_draft_the_412_stays(post, assert_outcome, request_for):
    body = request_for(PATIENT, DRAFT, without=["all"])
    assert_outcome(post(selecting(body, "MedicationRequest/nowhere", "draft-1")), 412, "prefetch")


@pytest.mark.parametrize("without", [(), ["all"]])
def test_Z52_no_selection_at_all_gives_no_card(post, cards_of, request_for, without):
    assert cards_of(post(selecting(request_for(PATIENT, DRAFT, without=without)))) == []


@pytest.mark.parametrize("selections", [None, "MedicationRequest/draft-1", {"0": "draft-1"}, 7, True])
def test_Z52_selections_that_are_no_list_are_400(post, assert_outcome, body, selections):
    body["context"]["selections"] = selections
    assert_outcome(post(body), 400, "context.selections")


@pytest.mark.parametrize("selection", [None, 7, {"reference": "MedicationRequest/draft-1"}, ["draft-1"]])
def test_Z52_a_selection_that_is_no_string_is_400_with_its_place(post, assert_outcome, body, selection):
    assert_outcome(post(selecting(body, "draft-1", selection)), 400, "context.selections[1]")


def test_Z52_more_selections_than_drafts_are_allowed_are_refused(post, assert_outcome, cards_of, body):
    assert cards_of(post(selecting(body, *["MedicationRequest/draft-1"] * 512)))
    answer = post(selecting(body, *["MedicationRequest/draft-1"] * 513))
    assert assert_outcome(answer, 400, "context.selections")["issue"][0]["code"] == "too-costly"


ANYTHING = [None, True, 0, 300, 2.5, "300", "", [], ["a"], [[]], {}, {"a": None}]


@pytest.mark.parametrize("value", ANYTHING, ids=json.dumps)
@pytest.mark.parametrize("member", ["expires_in", "scope", "token_type", "subject", "patient", "refresh_token"])
def test_Z53_members_of_the_authorization_that_are_never_used_may_be_anything(post, cards_of, body, member, value):
    body |= {"fhirServer": BASE, "fhirAuthorization": {"access_token": "t", member: value}}
    assert topics(cards_of(post(body))) == [CRITICAL]


@pytest.mark.parametrize("value", ANYTHING, ids=json.dumps)
def test_Z53_selections_of_a_hook_that_has_none_may_be_anything(post, cards_of, request_for, value):
    body = request_for(PATIENT, DRAFT, hook="order-sign")
    body["context"]["selections"] = value
    assert topics(cards_of(post(body, path=SIGN))) == [CRITICAL]


@pytest.mark.parametrize("member", ["selections", "draftOrders"])
@pytest.mark.parametrize("value", ANYTHING, ids=json.dumps)
def test_Z53_drafts_of_a_hook_that_has_none_may_be_anything(post, cards_of, request_for, member, value):
    body = request_for(PATIENT, hook="patient-view")
    plain = cards_of(post(body, path=VIEW))
    body["context"][member] = value
    assert cards_of(post(body, path=VIEW)) == plain


@pytest.mark.parametrize("value", [True, 0, [], {}])
@pytest.mark.parametrize("path", ["fhirServer", "fhirAuthorization.access_token", "context.userId"])
def test_Z53_members_that_are_used_are_held_to_their_type(post, assert_outcome, body, path, value):
    body |= {"fhirServer": BASE, "fhirAuthorization": {"access_token": "t"}}
    parent, _, name = path.rpartition(".")
    (body[parent] if parent else body)[name] = value
    assert_outcome(post(body), 400, path)


def test_Z53_a_byte_order_mark_before_the_body_is_passed_over(post, cards_of, body):
    marked = codecs.BOM_UTF8 + json.dumps(body).encode()
    plain = cards_of(post(body))
    assert cards_of(post(marked)) == plain != []
    assert cards_of(post(gzip.compress(marked), headers={"Content-Encoding": "gzip"})) == plain
    feedback = codecs.BOM_UTF8 + b'{"feedback": []}'
    path = "/cds-services/vitamin-b12-order-select/feedback"
    assert post(feedback, path=path).status_code == post(feedback[3:], path=path).status_code


@pytest.mark.parametrize(
    "text",
    [codecs.BOM_UTF8, codecs.BOM_UTF8 * 2 + b"{}", b" " + codecs.BOM_UTF8 + b"{}", b"{" + codecs.BOM_UTF8 + b"}"],
)
def test_Z53_a_byte_order_mark_elsewhere_is_no_json(post, assert_outcome, text):
    assert_outcome(post(text), 400)


def test_Z53_a_prefetch_of_null_is_none(post, body):
    left_out = {key: value for key, value in body.items() if key != "prefetch"}
    first, second = post(left_out), post(body | {"prefetch": None})
    assert (first.status_code, first.data) == (second.status_code, second.data)
    assert first.status_code == 412


@pytest.mark.parametrize("value", [[], [{}], "", "{}", 0, False, 2.5], ids=json.dumps)
def test_Z53_a_prefetch_that_is_no_object_is_400(post, assert_outcome, body, value):
    assert_outcome(post(body | {"prefetch": value}), 400, "prefetch")
