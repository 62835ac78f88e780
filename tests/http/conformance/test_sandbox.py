"""Requests that the public CDS Hooks sandbox really sent (``fixtures/captured/sandbox``, settlements Z24, Z38)."""

from __future__ import annotations

import json

import pytest

from cds_service.packaged import packaged

FOLDER = packaged("fixtures") / "captured" / "sandbox"
CALLS = {
    path.stem: body
    for path in sorted(FOLDER.glob("*.json"))
    if "hook" in (body := json.loads(path.read_text(encoding="utf-8")))
}
NO_DRAFTS = "order-select-tab-clicked-again-no-draftOrders"
WRONG_HOOK = "patient-view-called-with-hook-order-select"


def test_Z24_the_captured_calls_are_all_here():
    assert {NO_DRAFTS, WRONG_HOOK, "order-select", "order-sign", "patient-view"} < set(CALLS)


@pytest.mark.parametrize("name", CALLS)
def test_Z38_every_captured_call_is_answered(client, post, cards_of, assert_outcome, name):
    services = {s["hook"]: s["id"] for s in client.get("/cds-services").json["services"]}
    call = CALLS[name]
    answer = post(call, path=f"/cds-services/{services.get(call['hook'], services['order-select'])}")
    if name in (NO_DRAFTS, WRONG_HOOK):
        assert_outcome(answer, 400)
    elif call["hook"] not in services:
        assert_outcome(answer, 400, "hook")
    elif answer.status_code == 412:
        assert_outcome(answer, 412, "prefetch")
    else:
        cards_of(answer)


@pytest.mark.parametrize("name", [NO_DRAFTS, WRONG_HOOK])
def test_Z38_without_drafts_the_outcome_names_what_is_missing(post, assert_outcome, name):
    assert_outcome(post(CALLS[name]), 400, "context")


@pytest.mark.parametrize("name", ["patient-view", "order-sign"])
def test_REQ_09_calls_of_another_hook_are_400(post, assert_outcome, name):
    assert_outcome(post(CALLS[name]), 400, "hook")


def test_Z24_the_oral_order_of_the_sandbox_gets_an_order_to_accept(post, cards_of):
    cards = cards_of(post(CALLS["order-select"]))
    assert any(card.get("suggestions") for card in cards)


def test_CTX_06_the_first_call_without_a_medication_is_silent(post, cards_of):
    assert cards_of(post(CALLS["order-select-no-medication-yet"])) == []


def test_CTX_09_the_imaging_order_is_silent(post, cards_of):
    assert cards_of(post(CALLS["order-select-pama-servicerequest"])) == []
