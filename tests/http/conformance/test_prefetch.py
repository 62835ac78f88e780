"""What may arrive under a prefetch key (docs/conformance.md#prefetch)."""

from __future__ import annotations

import json

import pytest

from cds_service.recording.deidentify import comparable_decisions
from tests.support.prefetch_shapes import FAILED, KEYS, MALFORMED, NOTHING_FOUND, ODD_ENTRIES

PATIENT = "kwame-mensah"  # low platelets
DRAFTS = ["hydroxocobalamin-im-monthly", "cyanocobalamin-iv", "folic-acid-5mg-oral", "cyanocobalamin-oral-1000-daily"]


def answer_of(post, cards_of, body):
    answer = post(body)
    assert answer.status_code in (200, 412), answer.text
    if answer.status_code == 200:
        cards_of(answer)
    return answer


def test_PF_13_the_keys_of_this_test_are_those_of_discovery(templates):
    assert sorted(KEYS) == sorted(templates)


# Each shape under each key with the first draft; that a shape is read alike whatever it is read for is held beside
# the reader (tests/unit/test_prefetch_shapes.py).


@pytest.mark.parametrize("key", KEYS)
def test_PF_23_T_01_nothing_found_is_the_same_as_null(post, cards_of, request_for, key):
    null = answer_of(post, cards_of, request_for(PATIENT, DRAFTS[0], prefetch={key: None}))
    for state, sent in NOTHING_FOUND.items():
        found = answer_of(post, cards_of, request_for(PATIENT, DRAFTS[0], prefetch={key: sent}))
        assert (found.status_code, found.data) == (null.status_code, null.data), state


@pytest.mark.parametrize("key", KEYS)
def test_PF_22_PF_23_failed_or_malformed_is_as_if_it_were_not_sent(post, cards_of, request_for, key):
    missing = answer_of(post, cards_of, request_for(PATIENT, DRAFTS[0], without=[key]))
    for state, value in (FAILED | MALFORMED).items():
        sent = answer_of(post, cards_of, request_for(PATIENT, DRAFTS[0], prefetch={key: value}))
        assert sent.status_code == missing.status_code, state
        if missing.status_code == 200:
            # The words differ: a card names what was the matter with what it could not read.
            assert comparable_decisions(sent.json["cards"]) == comparable_decisions(missing.json["cards"]), state


@pytest.mark.parametrize("key", KEYS)
def test_PF_22_odd_entries_are_never_500(post, cards_of, request_for, key):
    for value in ODD_ENTRIES.values():
        answer_of(post, cards_of, request_for(PATIENT, DRAFTS[0], prefetch={key: value}))


@pytest.mark.parametrize("key", KEYS)
def test_PF_27_dropping_one_key_is_200_or_412_that_names_it(post, cards_of, assert_outcome, request_for, key):
    for draft in DRAFTS:
        answer = answer_of(post, cards_of, request_for(PATIENT, draft, without=[key]))
        if answer.status_code == 412:
            assert_outcome(answer, 412, f"prefetch.{key}")


def test_PF_13_other_keys_are_ignored(post, cards_of, request_for):
    plain = cards_of(post(request_for(PATIENT, DRAFTS[0])))
    extra = {"user": {"resourceType": "Practitioner"}, "x": 1, "": None, "platelets ": "x"}
    assert plain
    assert cards_of(post(request_for(PATIENT, DRAFTS[0], prefetch=extra))) == plain


def test_PF_25_what_has_a_next_page_is_not_taken_for_absent(post, cards_of, request_for):
    body = request_for("fatima-idrissi", DRAFTS[0])  # thrombocytopenia is coded, no platelet count at all
    first_page = {"resourceType": "Bundle", "link": [{"relation": "next", "url": "https://fhir.example/next"}]}
    paged = answer_of(post, cards_of, request_for("fatima-idrissi", DRAFTS[0], prefetch={"platelets": first_page}))
    looked = answer_of(post, cards_of, body)
    assert paged.data != looked.data


def test_PF_26_shuffled_untyped_bundles_with_included_resources_are_read(post, cards_of, request_for):
    body = request_for(PATIENT, DRAFTS[0])
    plain = cards_of(post(body))
    sent = body["prefetch"]["platelets"]
    sent["entry"] = [{"resource": e["resource"]} for e in reversed(sent["entry"])]
    sent["entry"].insert(0, {"resource": {"resourceType": "Practitioner", "id": "x"}, "search": {"mode": "include"}})
    for kind in ("collection", "searchset", None):
        sent["type"] = kind
        assert cards_of(post(body)) == plain


def test_Z21_an_im_order_without_any_data_is_412_and_names_platelets(post, assert_outcome, request_for):
    body = request_for(PATIENT, "hydroxocobalamin-im-monthly", without=["all"])
    said = json.dumps(assert_outcome(post(body), 412))
    assert "prefetch.platelets" in said
    del body["prefetch"]
    assert_outcome(post(body), 412)


def test_Z21_iv_cyanocobalamin_without_any_data_is_200_with_a_card(post, cards_of, request_for):
    assert cards_of(post(request_for(PATIENT, "cyanocobalamin-iv", without=["all"])))


def test_Z21_everything_null_is_never_412(post, cards_of, request_for):
    for draft in DRAFTS:
        cards_of(post(request_for(PATIENT, draft, prefetch=dict.fromkeys(KEYS))))


def test_PF_21_an_order_of_something_else_needs_no_data(post, cards_of, request_for):
    assert cards_of(post(request_for(PATIENT, "atorvastatin", without=["all"]))) == []
