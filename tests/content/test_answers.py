"""The tool that proves that a change of the code changes no answer: what it notices and what it passes over."""

import copy
import re

from tests.support.answers import UUID, digest, variations
from tests.support.scenarios import by_name


def changed(body, old, new):
    """The body with one text in the detail of its first card replaced."""
    other = copy.deepcopy(dict(body))
    assert old in other["cards"][0]["detail"]
    other["cards"][0]["detail"] = other["cards"][0]["detail"].replace(old, new, 1)
    return other


def test_a_changed_word_a_changed_digit_and_another_status_are_noticed(answers):
    body = answers["platelets-and-im/sample"].body
    word = re.search(r"[a-z]{4,}", body["cards"][0]["detail"])[0]
    digit = re.search(r"(?<![\d.-])\d(?![\d.-])", body["cards"][0]["detail"])[0]
    seen = {
        digest(200, body),
        digest(400, body),
        digest(200, changed(body, word, word.upper())),
        digest(200, changed(body, digit, str(int(digit) + 1))),
        digest(200, {"cards": []}),
        digest(200, {"cards": [{**body["cards"][0], "indicator": "info"}, *body["cards"][1:]]}),
    }
    assert len(seen) == 6


def test_uuids_and_the_versions_of_the_content_are_passed_over(answers, pack):
    body = answers["loading-regimen/dailyForAWeek"].body
    card = body["cards"][0]
    assert UUID.fullmatch(card["uuid"])
    assert f" {pack.version}" in card["detail"]
    other = changed(body, pack.version, "98.7.65")
    other["cards"][0]["uuid"] = "00000000-0000-8000-8000-000000000000"
    for suggestion in other["cards"][0]["suggestions"]:
        suggestion["uuid"] = "11111111-1111-8111-8111-111111111111"
    assert other != body
    assert digest(200, other) == digest(200, body)


def test_a_case_is_varied_by_hook_and_by_each_prefetch_key():
    templates = {
        "order-select": {"patient": "Patient/{{context.patientId}}", "x": "Condition?patient=1"},
        "patient-view": {"patient": "Patient/{{context.patientId}}"},
    }
    made = {name: (hook, request) for name, hook, request in variations(by_name("platelets-and-im/sample"), templates)}
    assert set(made) == {
        "order-select",
        "order-select without patient",
        "order-select without x",
        "patient-view",
        "patient-view without patient",
    }
    assert all(request["hook"] == hook for hook, request in made.values())
    assert set(made["order-select without x"][1]["prefetch"]) == {"patient"}
    assert "selections" in made["order-select"][1]["context"]
    assert not {"selections", "draftOrders"} & made["patient-view"][1]["context"].keys()


def test_what_an_action_says_has_words_for_the_parts_of_an_order_and_no_paths_of_fhir(answers):
    said = {
        action["description"]: name
        for name, fired in answers.items()
        for suggestion in fired.suggestions
        for action in suggestion["actions"]
    }
    paths = re.compile(r"\b[a-z]{3,}[A-Z]\w*|\b[a-z]+\.[a-z]+[A-Z]")
    assert {text: name for text, name in said.items() if paths.search(text)} == {}
    assert any("Changed in the draft: the drug, the dosage." in text for text in said)
