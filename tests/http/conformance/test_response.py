"""Cards, suggestions and actions over every patient and every draft of the fixtures (docs/conformance.md#responses)."""

from __future__ import annotations

import copy
import itertools
import json
import re
from collections import Counter

import pytest
from fhir.resources.R4B.medicationrequest import MedicationRequest
from fhir.resources.R4B.servicerequest import ServiceRequest

from cds_service.content.render import shortened
from cds_service.packaged import packaged
from tests.support.faults import assert_none
from tests.support.sample import EVERY_CASE, sampled
from tests.support.scenarios import by_name, fire, request_of

PATIENTS = sorted(path.stem for path in (packaged("fixtures") / "patients").glob("*.json"))
DRAFTS = sorted(path.stem for path in (packaged("fixtures") / "drafts").glob("*.json"))
MODELS = {"MedicationRequest": MedicationRequest, "ServiceRequest": ServiceRequest}
REASONS = "http://terminology.hl7.org/CodeSystem/non-adherence-reason-codes"
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


@pytest.fixture(scope="module")
def answers(post, request_for, cards_of):
    """``(request, cards)`` of every patient, with every draft when it is selected; each answer keeps to the schema.

    At signing every patient has every third draft, and every draft a third of the patients. ``make test`` takes one
    call in three.
    """
    calls = [("order-select", patient, (draft,)) for patient in PATIENTS for draft in DRAFTS]
    calls += [("order-sign", patient, (draft,)) for n, patient in enumerate(PATIENTS) for draft in DRAFTS[n % 3 :: 3]]
    calls += [("patient-view", patient, ()) for patient in PATIENTS]
    found = []
    for hook, patient, drafts in sampled(calls, 3):
        body = request_for(patient, *drafts, hook=hook)
        found.append((body, cards_of(post(body, path=f"/cds-services/vitamin-b12-{hook}"))))
    return found


def all_actions(answers):
    for body, cards in answers:
        for card in cards:
            for suggestion in card.get("suggestions", []):
                for action in suggestion.get("actions", []):
                    yield body, suggestion, action


def test_RSP_01_every_patient_with_every_draft_is_answered_by_the_schema(answers):
    assert len(answers) > (len(PATIENTS) * (1 + len(DRAFTS) * 4 / 3) - 100) / (1 if EVERY_CASE else 3)
    with_cards = Counter(body["hook"] for body, cards in answers if cards)
    assert with_cards["order-select"] > 30
    assert with_cards["order-sign"] > 30
    assert with_cards["patient-view"] > 0


def test_RSP_02_nothing_to_say_is_an_empty_array(post, request_for):
    answer = post(request_for("emily-carter", "atorvastatin"))
    assert (answer.status_code, answer.json) == (200, {"cards": []})


def test_RSP_03_RSP_62_T_17_no_system_actions(post, request_for):
    assert list(post(request_for("kwame-mensah", "hydroxocobalamin-im-monthly")).json) == ["cards"]


def members(value, inside=()):
    """Every member of an answer with its path, resources of actions left out: they are FHIR's."""
    for name, inner in value.items():
        yield (*inside, name), inner
        if name != "resource":
            for one in inner if isinstance(inner, list) else [inner]:
                if isinstance(one, dict):
                    yield from members(one, (*inside, name))


def test_J_03_T_04_T_08_nothing_null_and_nothing_empty_is_sent(answers):
    for _, cards in answers:
        for card in cards:
            assert [path for path, value in members(card) if value in (None, "", [], {})] == []


def test_V_03_D_15_RSP_34_RSP_54_EXT_02_EXT_03_what_one_version_or_nobody_knows_is_not_sent(answers):
    sent = {path[-1] for _, cards in answers for card in cards for path, _ in members(card)}
    assert {"suggestions", "actions", "isRecommended", "overrideReasons"} <= sent
    assert not sent & {"actionSelectionBehavior", "autolaunchable", "systemActions", "extension"}


def test_RSP_32_T_17_at_most_one_suggestion_is_recommended_and_by_a_boolean(answers):
    seen = set()
    for _, cards in answers:
        for card in cards:
            told = [s["isRecommended"] for s in card.get("suggestions", []) if "isRecommended" in s]
            assert told in ([], [True])
            seen.add(len(told))
    assert seen == {0, 1}


def test_RSP_10_RSP_31_T_05_Z18_uuids_are_version_8_and_bare(answers):
    for _, cards in answers:
        for card in cards:
            assert UUID.fullmatch(card["uuid"])
            assert all(UUID.fullmatch(s["uuid"]) for s in card.get("suggestions", []))


def test_RSP_10_T_05_Z18_the_same_call_has_the_same_uuids_and_a_new_instance_new_ones(post, request_for):
    def uuids(body):
        cards = post(body).json["cards"]
        return {c["uuid"] for c in cards} | {s["uuid"] for c in cards for s in c.get("suggestions", [])}

    body = request_for("hiroshi-tanaka", "hydroxocobalamin-im-monthly", "b12-no-dose")
    first = uuids(body)
    assert first
    assert uuids(body) == first
    assert not uuids(body | {"hookInstance": "6c0c7d0e-0d7a-4d3a-9b2f-000000000001"}) & first


def test_RSP_11_T_02_the_longest_names_keep_the_summary_short(post, cards_of, request_for):
    names = ["cyanocobalamin " * 200, "😀" * 500, "x" * 5_000, "a\nb" * 100, "é\u0301" * 300]
    for patient, draft in [("kwame-mensah", "hydroxocobalamin-im-monthly"), ("amara-okafor", "b12-no-dose")]:
        for name in names:
            body = request_for(patient, draft)
            concept = body["context"]["draftOrders"]["entry"][0]["resource"]["medicationCodeableConcept"]
            concept["text"] = name
            for coding in concept.get("coding", []):
                coding["display"] = name
            for entry in body["prefetch"]["conditions"].get("entry", []):
                entry["resource"]["code"]["text"] = name
            for card in cards_of(post(body)):  # checks the length in UTF-16 units
                for suggestion in card.get("suggestions", []):
                    assert "\n" not in suggestion["label"]


@pytest.mark.parametrize("sign", ["x", "é", "😀"])
def test_RSP_11_a_summary_of_139_stands_and_one_of_140_is_cut(sign):
    """Counted in UTF-16 units, as JavaScript does; a client may refuse 140."""
    width = len(sign.encode("utf-16-le")) // 2
    stands = sign + "x" * (139 - width)
    assert shortened(stands) == stands
    for longer in (f"{stands}x", f"word {sign * 140}", f"{sign * 70} {stands}"):
        cut = shortened(longer)
        assert cut.endswith("…") and len(cut.encode("utf-16-le")) // 2 <= 139
        assert longer.startswith(cut[:-1])


HOSTILE = "<script>alert(1)</script> <img src=x onerror=alert(1)> [x](javascript:1) **b** `c` | # h ![i](http://e)"


# Markup that nothing stands before to take its meaning.
ALIVE = (r"(?<!\\)<\s*/?(script|img)", r"(?<!\\)\[[xi](?<!\\)\]\(", r"(?<!\\)`c|(?<!\\)\*\*b")


def _poisoned(tree):
    """Every word that a person might read, made hostile; codes, ids and references stay."""
    if isinstance(tree, dict):
        return {
            key: HOSTILE if key in ("text", "display", "unit") and isinstance(value, str) else _poisoned(value)
            for key, value in tree.items()
        }
    return [_poisoned(item) for item in tree] if isinstance(tree, list) else tree


def test_RSP_12_text_from_the_input_is_inert(post, cards_of, request_for):
    """Every patient with every fourth draft, every draft with a fourth of the patients."""
    faults, cards = {}, 0
    for number, patient in enumerate(PATIENTS):
        for draft in DRAFTS[number % 4 :: 4]:
            for card in cards_of(post(_poisoned(request_for(patient, draft)))):
                cards += 1
                text = card["detail"]  # the only member that is Markdown
                alive = [pattern for pattern in ALIVE if re.search(pattern, text)]
                faults[f"{patient} with {draft}: {card['summary']}"] = [text] if alive else []
    assert cards > 100
    assert_none(faults, cards)


@pytest.mark.parametrize("name", ["www.evil.example", "http://evil.example", "a@evil.example", "<http://evil.example>"])
def test_RSP_12_addresses_from_the_input_do_not_become_links(post, cards_of, request_for, name):
    body = request_for("amara-okafor", "hydroxocobalamin-100-im")
    body["context"]["draftOrders"]["entry"][0]["resource"]["medicationCodeableConcept"]["text"] = name
    (card,) = cards_of(post(body))
    assert "evil" in card["detail"]
    # what GitHub Flavored Markdown makes a link without brackets: www., a scheme, an address of mail
    assert not re.search(r"(?<!\\)(www\.|https?://|\w@\w)", card["detail"])


def test_RSP_13_RSP_14_RSP_20_RSP_23_T_03_indicator_and_source(answers):
    for _, cards in answers:
        for card in cards:
            assert card["indicator"] in ("info", "warning", "critical")
            assert card["source"]["label"]
            assert set(card["source"]["topic"]) == {"system", "code", "display"}


def test_RSP_13_Z30_cards_stand_by_indicator_with_one_info_per_order(answers):
    rank = ["critical", "warning", "info"]
    for _, cards in answers:
        places = [rank.index(card["indicator"]) for card in cards]
        assert places == sorted(places)
        assert places.count(2) <= 1


def test_RSP_16_T_04_selectionBehavior_iff_suggestions(answers):
    seen = set()
    for _, cards in answers:
        for card in cards:
            assert ("suggestions" in card) == ("selectionBehavior" in card)
            seen.add("suggestions" in card)
    assert seen == {True, False}


def test_RSP_17_RSP_60_RSP_61_override_reasons_are_codings_with_a_display(answers):
    reasons = [r for _, cards in answers for card in cards for r in card.get("overrideReasons", [])]
    assert reasons
    assert all(set(reason) == {"code", "system", "display"} for reason in reasons)
    assert {reason["system"] for reason in reasons} == {REASONS}
    topics = [card["source"]["topic"] for _, cards in answers for card in cards]
    assert all(isinstance(value, str) and value for topic in [*topics, *reasons] for value in topic.values())


def test_RSP_18_RSP_50_RSP_51_RSP_52_RSP_53_there_are_no_links(answers):
    assert not any("links" in card for _, cards in answers for card in cards)


def test_RSP_30_labels_are_said_and_differ_within_a_card(answers):
    for _, cards in answers:
        for card in cards:
            labels = [suggestion["label"].strip() for suggestion in card.get("suggestions", [])]
            assert all(labels)
            assert len(labels) == len(set(labels))


@pytest.fixture(scope="module")
def offered(answers, prepared):
    """``(request, suggestion)`` of every suggestion, and of one that takes several drafts away in several actions."""
    told = by_name("several-drafts/laterStepsAlone")
    request = request_of(prepared, told)
    stories = [*answers, (request, fire(prepared, request, told.now).cards)]
    return [(body, s) for body, cards in stories for card in cards for s in card.get("suggestions", [])]


def accepted(drafts, actions):
    """The drafts by ``Type/id``, as a client has them after the actions; each must find what it names."""
    left = dict(drafts)
    for action in actions:
        named = action.get("resourceId") or f"{action['resource']['resourceType']}/{action['resource']['id']}"
        assert (named in left) == (action["type"] != "create"), named
        if action["type"] == "delete":
            del left[named]
        else:
            left[named] = action["resource"]
    return left


def test_RSP_33_the_actions_of_a_suggestion_give_the_same_in_every_order(offered):
    several = 0
    for body, suggestion in offered:
        entries = body["context"].get("draftOrders", {"entry": []})["entry"]
        drafts = {f"{e['resource']['resourceType']}/{e['resource']['id']}": e["resource"] for e in entries}
        actions = suggestion["actions"]
        several += len(actions) > 1
        first, *others = (accepted(drafts, some) for some in itertools.permutations(actions))
        assert all(other == first for other in others)
        assert all(action["description"].strip() for action in actions)
    assert several


def test_RSP_40_RSP_41_all_kinds_of_action_are_seen(answers):
    assert {action["type"] for _, _, action in all_actions(answers)} <= {"create", "update", "delete"}
    assert {"create", "update"} <= {action["type"] for _, _, action in all_actions(answers)}


def test_RSP_42_J_02_created_and_updated_resources_are_valid_R4_for_this_patient(answers):
    for body, _, action in all_actions(answers):
        if "resource" in action:
            resource = action["resource"]
            MODELS[resource["resourceType"]].model_validate(resource)
            assert resource["subject"]["reference"] == f"Patient/{body['context']['patientId']}"


def test_RSP_42_created_ids_are_new_and_unique_in_the_answer(answers):
    for body, cards in answers:
        entries = body["context"].get("draftOrders", {"entry": []})["entry"]
        drafts = {entry["resource"]["id"] for entry in entries}
        ids = [a["resource"]["id"] for _, _, a in all_actions([(body, cards)]) if a["type"] == "create"]
        assert len(ids) == len(set(ids))
        assert not drafts & set(ids)


def test_RSP_44_deletes_name_a_draft(answers):
    for body, _, action in all_actions(answers):
        if action["type"] == "delete":
            drafts = [e["resource"] for e in body["context"]["draftOrders"]["entry"]]
            assert action["resourceId"] in [f"{d['resourceType']}/{d['id']}" for d in drafts]


def test_RSP_43_T_06_an_update_keeps_all_that_it_does_not_change(post, cards_of, request_for):
    may_change = {"medicationCodeableConcept", "medicationReference", "medication", "dosageInstruction", "contained"}
    may_go = {"substitution", "dispenseRequest"}
    extra = {
        "meta": {"profile": ["https://example.org/p"]},
        "extension": [{"url": "https://example.org/e", "valueDecimal": 1.50}],
        "_authoredOn": {"extension": [{"url": "https://example.org/a", "valueString": "x"}]},
        "identifier": [{"system": "https://example.org/i", "value": "1"}],
        "note": [{"text": "keep me"}],
        "requester": {"reference": "Practitioner/1"},
    }
    updates = 0
    for draft in DRAFTS:
        body = request_for("amara-okafor", draft)
        body["context"]["draftOrders"]["entry"][0]["resource"] |= copy.deepcopy(extra)
        for _, _, action in all_actions([(body, cards_of(post(body)))]):
            if action["type"] != "update":
                continue
            updates += 1
            before = body["context"]["draftOrders"]["entry"][0]["resource"]
            after = action["resource"]
            assert {k: v for k, v in after.items() if k not in may_change} == {
                k: v for k, v in before.items() if k not in may_change | may_go
            }
    assert updates


def test_RSP_43_numbers_of_an_update_keep_their_digits(post, request_for):
    body = request_for("amara-okafor", "hydroxocobalamin-100-im")
    body["context"]["draftOrders"]["entry"][0]["resource"]["extension"] = [
        {"url": "https://example.org/e", "valueDecimal": "@1"},
        {"url": "https://example.org/f", "valueDecimal": "@2"},
    ]
    sent = json.dumps(body).replace('"@1"', "1.500").replace('"@2"', "0.1000000000000000055511151231257827")
    said = post(sent.encode()).text
    assert '"update"' in said
    assert re.search(r'"valueDecimal":1\.500\b', said)
    assert "0.1000000000000000055511151231257827" in said


PAIRS = [
    ("cyanocobalamin-nasal-weekly", "hydroxocobalamin-im-monthly"),
    ("hydroxocobalamin-iv", "cyanocobalamin-iv"),
    ("cyanocobalamin-sc", "hydroxocobalamin-im-monthly"),
]


@pytest.mark.parametrize("pair", [*PAIRS, *(pair[::-1] for pair in PAIRS)], ids="+".join)
def test_RSP_65_a_card_names_the_order_that_it_is_about_and_no_other(post, cards_of, request_for, pair):
    """Told by the references under what it rests on, and by the drug among what was read."""
    orders = set()
    for patient in PATIENTS:
        body = request_for(patient, *pair)
        drafts = [entry["resource"] for entry in body["context"]["draftOrders"]["entry"]]
        names = {f"MedicationRequest/{d['id']}": d["medicationCodeableConcept"]["text"] for d in drafts}
        for card in cards_of(post(body)):
            paragraph, _, read = card["detail"].partition("\n\nRead from the record:\n")
            (about,) = {name for name in names if f"{name} (" in read}
            labels = [suggestion["label"] for suggestion in card.get("suggestions", [])]
            for said in (card["summary"], paragraph, *labels):
                assert not [name for name, words in names.items() if words in said and name != about]
            assert f"- Drug ordered: {names[about]}" in read
            orders |= {about}
    assert orders, "no card is about one of the orders"


def test_RSP_10_RSP_65_one_finding_on_two_orders_is_two_cards_of_two_uuids(post, request_for):
    cards = post(request_for("kwame-mensah", "hydroxocobalamin-im-monthly", "cyanocobalamin-im-monthly")).json["cards"]
    topics = [card["source"]["topic"]["code"] for card in cards]
    assert topics == ["imPlateletsTransfusionFirst"] * 2
    assert len({card["uuid"] for card in cards}) == 2
    assert ["MedicationRequest/draft-1" in cards[0]["detail"], "MedicationRequest/draft-2" in cards[1]["detail"]] == [
        True
    ] * 2
