"""One finding, rendered as each client can use it (Z7, V-03, V-04)."""

import pytest

from cds_service.protocol.profiles import NAMES, Profile
from tests.support.scenarios import by_name, fire, request_of

KEY = {"system": "urn:com.epic.cdshooks.action.code.system.preference-list-item", "code": "4711", "display": "Hydroxo"}


def cards(prepared, scenario, profile):
    fired = fire(prepared, request_of(prepared, scenario), scenario.now, profile)
    assert fired.status == 200, fired.body
    return fired.cards


@pytest.fixture(scope="module")
def with_cards(scenarios):
    """The scenarios that expect cards."""
    return [scenario for scenario in scenarios if isinstance(scenario.expect, list) and scenario.expect]


@pytest.fixture(scope="module")
def for_epic(prepared, with_cards):
    """The cards of these scenarios for an Epic that has a key of its preference list for every order, by name."""
    profile = Profile("epic", dict.fromkeys(prepared.pack.templates, KEY))
    return {scenario.name: cards(prepared, scenario, profile) for scenario in with_cards}


@pytest.mark.parametrize("name", NAMES)
def test_V_04_every_client_is_given_the_same_findings_in_the_same_words(prepared, with_cards, answers, name):
    for scenario in with_cards[::5]:
        ours, plain = cards(prepared, scenario, Profile(name)), answers[scenario.name].cards
        assert [(c["source"]["topic"]["code"], c["indicator"], c["summary"]) for c in ours] == [
            (c["source"]["topic"]["code"], c["indicator"], c["summary"]) for c in plain
        ], scenario.name


def test_epic_is_sent_one_action_a_suggestion_no_update_and_any_selection(for_epic):
    seen = set()
    for found in for_epic.values():
        for card in found:
            if "suggestions" in card:
                assert card["selectionBehavior"] == "any"
            for suggestion in card.get("suggestions", []):
                (action,) = suggestion["actions"]
                seen.add(action["type"])
                assert action["type"] in ("create", "delete")
                assert action["description"]
                assert "isRecommended" not in suggestion
    assert seen == {"create", "delete"}


def test_a_replacement_for_epic_is_a_removal_and_an_order_that_name_each_other(prepared):
    profile = Profile("epic", {"hydroxocobalaminThreeWeekly": KEY})
    (card,) = cards(prepared, by_name("loading-regimen/dailyForAWeek"), profile)
    remove, order = card["suggestions"]
    assert remove["actions"][0]["type"] == "delete"
    assert remove["actions"][0]["resourceId"] == "MedicationRequest/draft-1"
    assert order["label"] in remove["actions"][0]["description"]
    assert remove["label"] in order["actions"][0]["description"]
    assert "1000 mcg IM 3 times a week for 2 weeks" in order["actions"][0]["description"]
    codings = order["actions"][0]["resource"]["medicationCodeableConcept"]["coding"]
    assert [coding["code"] for coding in codings] == ["4711", "317106"]
    assert remove["uuid"] != order["uuid"]


def test_alternatives_for_epic_share_one_removal_that_names_them_all(for_epic):
    (card,) = for_epic["loading-regimen/dailyForAWeek"]
    remove, *orders = card["suggestions"]
    assert len(orders) > 1
    labels = [order["label"] for order in orders]
    assert remove["actions"][0]["description"].endswith(f"Take also: {labels[0]}, or: {labels[1]}.")
    assert {order["actions"][0]["type"] for order in orders} == {"create"}


def test_labels_for_epic_differ_within_a_card(for_epic):
    for name, found in for_epic.items():
        for card in found:
            labels = [suggestion["label"] for suggestion in card.get("suggestions", [])]
            assert len(labels) == len(set(labels)), name


def test_without_a_key_of_the_preference_list_an_order_stands_in_words_only(prepared):
    (card,) = cards(prepared, by_name("loading-regimen/dailyForAWeek"), Profile("epic"))
    assert "suggestions" not in card
    assert "To order by hand: Order hydroxocobalamin 1000 mcg IM 3 times a week for 2 weeks" in card["detail"]


def test_a_change_of_route_stands_in_words_only_for_epic(for_epic):
    (card,) = for_epic["iv-cyanocobalamin/avoid"]
    assert "suggestions" not in card
    assert "To order by hand: Change the route to IM" in card["detail"]
