"""Sets of drafts: large ones are judged like small ones, and those without bounds are refused before they cost much."""

from __future__ import annotations

import copy
import json
import time

import pytest

SIGN = "/cds-services/vitamin-b12-order-sign"
PATIENT, DRAFT = "kwame-mensah", "hydroxocobalamin-im-three-weekly"


@pytest.fixture
def body_with(request_for):
    """A call with so many drafts of ours selected, and so many others beside them."""

    def build(ours=1, others=0, other="atorvastatin", hook="order-select", more=()):
        body = request_for(PATIENT, DRAFT, other, *more, hook=hook)
        entries = body["context"]["draftOrders"]["entry"]
        mine, drug, *rest = entries
        entries[:] = [*named(mine, "mine", ours), *rest, *named(drug, "other", others)]
        if hook == "order-select":
            body["context"]["selections"] = [f"MedicationRequest/mine-{n}" for n in range(ours)]
        return body

    return build


def named(entry, name, times):
    made = [copy.deepcopy(entry) for _ in range(times)]
    for number, one in enumerate(made):
        one["resource"]["id"] = f"{name}-{number}"
    return made


def seconds_of(post, body, **more):
    data = json.dumps(body).encode()
    began = time.process_time()
    return post(data, **more), time.process_time() - began


def test_other_drafts_however_many_change_nothing(post, cards_of, body_with):
    """Those that are read beside an order still count among many: here folic acid without B12."""
    few = cards_of(post(body_with(1, 1, more=["folic-acid-5mg-oral"])))
    many = cards_of(post(body_with(1, 200, more=["folic-acid-5mg-oral"])))
    assert few == many != []


def test_what_is_beside_an_order_is_still_read_among_many(request_for, post, cards_of):
    def told(others):
        body = request_for("yusuf-demir", "folic-acid-5mg-oral", "cyanocobalamin-100-monthly", "atorvastatin")
        entries = body["context"]["draftOrders"]["entry"]
        body["context"]["selections"] = ["MedicationRequest/draft-1"]
        entries[2:] = named(entries[2], "other", others)
        with_b12 = [card["summary"] for card in cards_of(post(body))]
        del entries[1]
        return with_b12, [card["summary"] for card in cards_of(post(body))]

    assert told(1) == told(100)
    assert told(1)[0] != told(1)[1], "the B12 beside it makes a difference"


@pytest.mark.parametrize("hook", ["order-select", "order-sign"])
def test_more_orders_of_ours_than_anybody_needs_are_refused_at_little_cost(post, assert_outcome, body_with, hook):
    path = SIGN if hook == "order-sign" else "/cds-services/vitamin-b12-order-select"
    assert post(body_with(10, hook=hook), path=path).status_code == 200
    for many in (11, 500):
        answer, seconds = seconds_of(post, body_with(many, hook=hook), path=path)
        assert_outcome(answer, 400, "context.draftOrders")
        assert seconds < 1


def test_many_like_drafts_that_nobody_selected_are_refused_too(post, assert_outcome, body_with):
    body = body_with(10, 400, other=DRAFT)
    assert_outcome(post(body), 400, "context.draftOrders")
    assert post(body_with(1, 400, other=DRAFT)).status_code == 200


def test_drafts_without_end_are_refused_by_their_number(post, assert_outcome, body_with):
    assert post(body_with(1, 511)).status_code == 200
    for others, path in ((512, "context.draftOrders.entry"), (20_000, "context.draftOrders")):
        answer, seconds = seconds_of(post, body_with(1, others))
        assert_outcome(answer, 400, path)
        assert seconds < 1
