"""One finding, rendered as each client can use it (Z7, V-03, V-04)."""

import json

import pytest

from cds_service.content.needs import templates_of
from cds_service.judge.evaluate import evaluate
from cds_service.packaged import packaged
from cds_service.protocol.profiles import NAMES, Profile
from cds_service.replay.scenarios import read_scenarios
from cds_service.vocabulary.json_text import encode

SCENARIOS = [s for s in read_scenarios(packaged("fixtures")) if isinstance(s.expect, list) and s.expect]
BY_NAME = {scenario.name: scenario for scenario in SCENARIOS}
KEY = {"system": "urn:com.epic.cdshooks.action.code.system.preference-list-item", "code": "4711", "display": "Hydroxo"}


def cards(prepared, scenario, profile):
    service = prepared.pack.service_for(scenario.hook)
    body = encode(scenario.request(templates_of(prepared.pack, service)))
    return json.loads(encode(evaluate(prepared, service, body, scenario.now, profile).body))["cards"]


@pytest.mark.parametrize("name", NAMES)
def test_V_04_every_client_is_given_the_same_findings_in_the_same_words(prepared, name):
    for scenario in SCENARIOS[::5]:
        ours = cards(prepared, scenario, Profile(name))
        assert [(c["source"]["topic"]["code"], c["indicator"], c["summary"]) for c in ours] == [
            (c["source"]["topic"]["code"], c["indicator"], c["summary"])
            for c in cards(prepared, scenario, Profile("2.0"))
        ]


def test_epic_is_sent_one_action_a_suggestion_no_update_and_any_selection(prepared):
    profile = Profile("epic", dict.fromkeys(prepared.pack.templates, KEY))
    seen = set()
    for scenario in SCENARIOS:
        for card in cards(prepared, scenario, profile):
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
    (card,) = cards(prepared, BY_NAME["loading-regimen/dailyForAWeek"], profile)
    remove, order = card["suggestions"]
    assert remove["actions"][0]["type"] == "delete"
    assert remove["actions"][0]["resourceId"] == "MedicationRequest/draft-1"
    assert order["label"] in remove["actions"][0]["description"]
    assert remove["label"] in order["actions"][0]["description"]
    assert "1000 mcg IM 3 times a week for 2 weeks" in order["actions"][0]["description"]
    codings = order["actions"][0]["resource"]["medicationCodeableConcept"]["coding"]
    assert [coding["code"] for coding in codings] == ["4711", "317106"]
    assert remove["uuid"] != order["uuid"]


def test_alternatives_for_epic_share_one_removal_that_names_them_all(prepared):
    profile = Profile("epic", dict.fromkeys(prepared.pack.templates, KEY))
    (card,) = cards(prepared, BY_NAME["loading-regimen/dailyForAWeek"], profile)
    remove, *orders = card["suggestions"]
    assert len(orders) > 1
    labels = [order["label"] for order in orders]
    assert remove["actions"][0]["description"].endswith(f"Take also: {labels[0]}, or: {labels[1]}.")
    assert {order["actions"][0]["type"] for order in orders} == {"create"}


def test_labels_for_epic_differ_within_a_card(prepared):
    profile = Profile("epic", dict.fromkeys(prepared.pack.templates, KEY))
    for scenario in SCENARIOS:
        for card in cards(prepared, scenario, profile):
            labels = [suggestion["label"] for suggestion in card.get("suggestions", [])]
            assert len(labels) == len(set(labels)), scenario.name


def test_without_a_key_of_the_preference_list_an_order_stands_in_words_only(prepared):
    (card,) = cards(prepared, BY_NAME["loading-regimen/dailyForAWeek"], Profile("epic"))
    assert "suggestions" not in card
    assert "To order by hand: Order hydroxocobalamin 1000 mcg IM 3 times a week for 2 weeks" in card["detail"]


def test_a_change_of_route_stands_in_words_only_for_epic(prepared):
    profile = Profile("epic", dict.fromkeys(prepared.pack.templates, KEY))
    (card,) = cards(prepared, BY_NAME["iv-cyanocobalamin/avoid"], profile)
    assert "suggestions" not in card
    assert "To order by hand: Change the route to IM" in card["detail"]
