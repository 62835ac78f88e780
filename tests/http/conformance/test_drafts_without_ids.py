"""Drafts that cannot be named, for they have no id or share one: judged like others, never changed or removed (CTX-07).

order-sign selects no drafts, so that nothing demands an id of them; what an action names must be one draft for sure.
"""

from __future__ import annotations

import pytest

from cds_service.service.app import create_app
from cds_service.settings import Settings
from tests.support.keys import KEY

SIGN = "/cds-services/vitamin-b12-order-sign"
# Each of them is answered with suggestions: folic acid first, and one order that is replaced.
DRAFTS = [("yusuf-demir", "folic-acid-5mg-oral"), ("kwame-mensah", "hydroxocobalamin-im-three-weekly")]


def actions(cards):
    return [action for card in cards for s in card.get("suggestions", []) for action in s["actions"]]


@pytest.fixture
def service():
    """One whose defects are counted from nought."""
    return create_app(Settings(loopback=True, key=KEY)).test_client()


@pytest.fixture
def signed(request_for, service, cards_of):
    """The cards of order-sign for drafts, after ``change`` was made to each."""

    def fire(patient, *drafts, change=lambda draft: None):
        body = request_for(patient, *drafts, hook="order-sign")
        for entry in body["context"]["draftOrders"]["entry"]:
            change(entry["resource"])
        return cards_of(service.post(SIGN, json=body))

    return fire


def without(draft):
    del draft["id"]


def emptied(draft):
    draft["id"] = ""


def numbered(draft):
    draft["id"] = 7


def shared(draft):
    draft["id"] = "draft-1"


def worded(draft):
    draft["id"] = "Folic acid 5 mg/day"


@pytest.mark.parametrize("change", [without, emptied, numbered, worded])
@pytest.mark.parametrize(("patient", "draft"), DRAFTS)
def test_a_draft_without_an_id_gets_its_cards_and_nothing_that_would_have_to_name_it(
    signed, service, patient, draft, change
):
    named = signed(patient, draft)
    unnamed = signed(patient, draft, change=change)
    assert [card["source"]["topic"] for card in unnamed] == [card["source"]["topic"] for card in named] != []
    assert {action["type"] for action in actions(unnamed)} <= {"create"}
    assert "cds_service_defects_total 0.0" in service.get("/metrics").text


def test_what_is_added_beside_a_draft_without_an_id_is_offered_all_the_same(signed):
    added = [action for action in actions(signed(*DRAFTS[0], change=without)) if action["type"] == "create"]
    assert added


@pytest.mark.parametrize("change", [without, shared])
def test_two_like_drafts_share_a_card_that_changes_neither(signed, change):
    """They are told apart by their place in the request (Z72)."""
    patient, draft = DRAFTS[1]
    once, twice = signed(patient, draft), signed(patient, draft, draft, change=change)
    assert [card["source"]["topic"] for card in twice] == [card["source"]["topic"] for card in once] != []
    assert all("The same holds for" in card["detail"] for card in twice)
    assert {action["type"] for action in actions(twice)} <= {"create"}


def test_unlike_drafts_of_two_drugs_get_cards_of_their_own(signed):
    """``cards_of`` holds that no uuid repeats."""
    patient, draft = DRAFTS[1]
    cards = signed(patient, draft, "cyanocobalamin-im-monthly", change=without)
    assert len(cards) > len(signed(patient, draft)) > 0
