"""Every scenario: the cards it expects, the fixed point of its suggestions (Z1), and valid FHIR in all of them."""

import copy
import json
import shutil
from datetime import timedelta

import pytest
import yaml
from fhir.resources.R4B import get_fhir_model_class
from jsonschema import Draft202012Validator

from cds_service.content.load import load_pack
from cds_service.content.model import INDICATORS
from cds_service.content.needs import templates_of
from cds_service.content.prepared import Prepared
from cds_service.judge.evaluate import evaluate
from cds_service.packaged import packaged
from cds_service.protocol.faults import Fault
from cds_service.replay.expectations import differences
from cds_service.replay.run import in_process
from cds_service.replay.scenarios import read_scenarios
from cds_service.vocabulary.json_text import encode
from tests.support.places import ROOT

SCENARIOS = list(read_scenarios(packaged("fixtures")))
RESPONSE = Draft202012Validator(json.loads((ROOT / "cds_service/protocol/schemas/response.json").read_text()))
BY_NAME = {scenario.name: scenario for scenario in SCENARIOS}


def service_of(prepared: Prepared, hook: str):
    return prepared.pack.service_for(hook)


def request_of(prepared: Prepared, scenario, today=None) -> dict:
    """The scenario as a request, prefetched as its own service asks."""
    return scenario.request(templates_of(prepared.pack, service_of(prepared, scenario.hook)), today)


def fire(prepared: Prepared, request: dict, hook: str, now) -> dict | None:
    """The answer as a client reads it; ``None`` for an error."""
    service = service_of(prepared, hook)
    try:
        return json.loads(encode(evaluate(prepared, service, encode(request), now).body))
    except Fault:
        return None


def accept(request: dict, suggestion: dict) -> dict:
    """The next request of a client that carried out every action of a suggestion."""
    request = copy.deepcopy(request)
    context = request["context"]
    entries = context["draftOrders"]["entry"]
    for action in suggestion["actions"]:
        if action["type"] == "delete":
            entries[:] = [e for e in entries if reference(e["resource"]) != action["resourceId"]]
            if "selections" in context:
                context["selections"] = [s for s in context["selections"] if s != action["resourceId"]]
        elif action["type"] == "update":
            for entry in entries:
                if reference(entry["resource"]) == reference(action["resource"]):
                    entry["resource"] = action["resource"]
        else:
            entries.append({"resource": action["resource"]})
            if "selections" in context:
                context["selections"].append(reference(action["resource"]))
    return request


def topics_found(prepared: Prepared, request: dict, scenario) -> set[str]:
    """Every finding of a request, those that are only a line on another card too."""
    answer = evaluate(prepared, service_of(prepared, scenario.hook), encode(request), scenario.now)
    return {finding.topic for one in answer.judged for finding in one.decided.cards}


def reference(resource: dict) -> str:
    return f"{resource['resourceType']}/{resource['id']}"


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda s: s.name)
def test_scenario_gives_the_cards_it_expects(prepared, scenario):
    assert in_process(prepared)(scenario).differences == []


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda s: s.name)
def test_responses_and_suggested_resources_are_valid(prepared, scenario):
    answer = fire(prepared, request_of(prepared, scenario), scenario.hook, scenario.now)
    if answer is None:
        return
    assert [error.message for error in RESPONSE.iter_errors(answer)] == []
    for card in answer["cards"]:
        for suggestion in card.get("suggestions", []):
            for action in suggestion["actions"]:
                if "resource" in action:
                    resource = action["resource"]
                    get_fhir_model_class(resource["resourceType"]).model_validate(resource)


@pytest.mark.parametrize("scenario", [s for s in SCENARIOS if s.hook != "patient-view"], ids=lambda s: s.name)
def test_accepting_a_suggestion_solves_its_finding_and_raises_nothing_as_severe(prepared, scenario):
    """Z1: accept, fire again; the finding is gone and nothing of equal or higher severity appears.

    A patient-view call carries no orders: it cannot see what was accepted until it is in the chart.
    """
    request = request_of(prepared, scenario)
    answer = fire(prepared, request, scenario.hook, scenario.now)
    if answer is None:
        return
    before = topics_found(prepared, request, scenario)
    for card in answer["cards"]:
        topic, limit = card["source"]["topic"]["code"], INDICATORS.index(card["indicator"])
        for suggestion in card.get("suggestions", []):
            following = accept(request, suggestion)
            if not following["context"].get("selections", following["context"]["draftOrders"]["entry"]):
                continue
            after = fire(prepared, following, scenario.hook, scenario.now)
            if after is None:  # solved, and nothing is left but what could not be checked: 412 (Z21)
                assert any(code.endswith("NotChecked") for code in before)
                continue
            topics = {c["source"]["topic"]["code"]: INDICATORS.index(c["indicator"]) for c in after["cards"]}
            assert topic not in topics, f"{suggestion['label']}: {topic} is still there"
            worse = {t for t, severity in topics.items() if severity <= limit and t not in before}
            assert not worse, f"{suggestion['label']} raises {worse}"


def test_some_scenarios_offer_suggestions(prepared):
    """The fixed point would hold of silence too."""
    offered = sum(
        bool(card.get("suggestions"))
        for scenario in SCENARIOS
        if (answer := fire(prepared, request_of(prepared, scenario), scenario.hook, scenario.now))
        for card in answer["cards"]
    )
    assert offered >= 20


def test_the_same_request_gives_the_same_bytes(prepared):
    scenario = BY_NAME["platelets-and-im/sample"]
    service = prepared.pack.services["vitamin-b12-order-select"]
    body = encode(request_of(prepared, scenario))
    answers = {encode(evaluate(prepared, service, body, scenario.now).body) for _ in range(3)}
    assert len(answers) == 1


def test_a_changed_threshold_makes_the_right_scenarios_fail(tmp_path, prepared):
    """25 becomes 26: scenarios at exactly 25 fail, and only those."""
    cards = tmp_path / "cards"
    shutil.copytree(packaged("cards"), cards)
    table = cards / "vitamin-b12/decisions/imPlatelets/table.yaml"
    text = table.read_text()
    assert "'< 25'" in text and "'[25..50]'" in text
    table.write_text(text.replace("'< 25'", "'< 26'").replace("'[25..50]'", "'[26..50]'"))
    changed = Prepared.of(load_pack(cards), zone=prepared.zone, key=prepared.key)
    failed = {s.name for s in SCENARIOS if in_process(changed)(s).differences}
    assert failed
    at_the_edge = {
        s.name
        for s in SCENARIOS
        if isinstance(s.expect, list)
        and any(card["topic"] in ("imPlateletsThinNeedle", "imPlateletsNotDecidable") for card in s.expect)
    }
    assert failed <= at_the_edge


def test_every_scenario_file_names_statements_and_every_case_says_why():
    for path in sorted((packaged("fixtures") / "scenarios").glob("*.yaml")):
        story = yaml.safe_load(path.read_text())
        assert story["statements"], path.name
        assert all(case.get("why") for case in story["cases"]), path.name


@pytest.mark.parametrize("days", [1, 38.4, 38.6, 400])
def test_scenarios_hold_on_any_other_day_at_any_hour(prepared, days):
    """Against a live service the patient is moved to today; nothing but the dates may differ (Z17)."""
    failed = {}
    for scenario in SCENARIOS:
        if scenario.in_process_only:
            continue
        today = scenario.now + timedelta(days=days)
        body = encode(request_of(prepared, scenario, today))
        try:
            answer = evaluate(prepared, service_of(prepared, scenario.hook), body, today)
            status, said = 200, json.loads(encode(answer.body))
        except Fault as fault:
            status, said = fault.status, fault.outcome()
        if found := differences(scenario.expected(today), status, said):
            failed[scenario.name] = found
    assert failed == {}
