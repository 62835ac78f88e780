"""Every scenario: the cards it expects, the fixed point of its suggestions (Z1), and valid FHIR in all of them."""

import json
import re
import shutil
from datetime import timedelta

import pytest
from fhir.resources.R4B import get_fhir_model_class
from jsonschema import Draft202012Validator
from pydantic import ValidationError

from cds_service.content.load import load_pack
from cds_service.content.model import INDICATORS
from cds_service.content.prepared import Prepared
from cds_service.judge.evaluate import evaluate
from cds_service.packaged import packaged
from cds_service.replay.accepted import accepted
from cds_service.replay.expectations import differences
from cds_service.replay.run import in_process
from cds_service.vocabulary.json_text import encode
from tests.support.faults import assert_none
from tests.support.places import ROOT
from tests.support.sample import sampled
from tests.support.scenarios import by_name, fire, request_of

RESPONSE = Draft202012Validator(json.loads((ROOT / "cds_service/protocol/schemas/response.json").read_text()))


def test_every_scenario_gives_the_cards_it_expects(scenarios, answers):
    faults = {s.name: differences(s.expect, answers[s.name].status, answers[s.name].body) for s in scenarios}
    assert_none(faults, len(scenarios))


def test_names_of_scenarios_differ(scenarios, answers):
    """The answers are kept by name: two scenarios of one name would be judged by the answer to the second."""
    assert len(answers) == len(scenarios) > 500


def test_replay_fires_a_scenario_as_these_tests_do(prepared, answers):
    scenario = by_name("platelets-and-im/sample")
    result = in_process(prepared)(scenario)
    assert result.differences == []
    assert result.cards == answers[scenario.name].cards != []


def test_responses_and_suggested_resources_are_valid(answers):
    cards = [fired for fired in answers.values() if fired.status == 200]
    assert len([resource for fired in cards for resource in fired.resources]) > 100
    assert_none({name: list(invalid(fired)) for name, fired in answers.items() if fired.status == 200}, len(cards))


def invalid(fired):
    """What is not as the schema of responses or FHIR R4 has it."""
    for error in RESPONSE.iter_errors(fired.body):
        yield f"{error.json_path}: {error.message}"
    for resource in fired.resources:
        try:
            get_fhir_model_class(resource["resourceType"]).model_validate(resource)
        except ValidationError as error:
            yield f"{resource['resourceType']}/{resource.get('id')}: {error}"


def test_accepting_a_suggestion_solves_its_finding_and_raises_nothing_as_severe(prepared, scenarios, answers):
    """Z1: accept, fire again; the finding is gone and nothing of equal or higher severity appears.

    A patient-view call carries no orders: it cannot see what was accepted until it is in the chart.
    """
    faults, tried = {}, 0
    for scenario in scenarios:
        fired = answers[scenario.name]
        for card in fired.cards if scenario.hook != "patient-view" else ():
            for suggestion in card.get("suggestions", []):
                tried += 1
                faults.setdefault(scenario.name, []).extend(unsolved(prepared, scenario, fired, card, suggestion))
    assert tried > 500, "the fixed point would hold of silence too"
    assert_none(faults, tried)


def alike(card, suggestion):
    """The suggestions of a card about several drafts that do the same to each of them (Z72)."""
    is_about_several = re.search(r"The same holds for|^- Ordered: .*; ", card["detail"], re.MULTILINE)
    if not is_about_several or card.get("selectionBehavior") != "any":
        return [suggestion]
    types = [action["type"] for action in suggestion["actions"]]
    return [other for other in card["suggestions"] if [action["type"] for action in other["actions"]] == types]


def unsolved(prepared, scenario, fired, card, suggestion):
    """What is still found, or newly, when a suggestion was accepted; on each of the drafts that the card names."""
    following = fired.request
    for taken in alike(card, suggestion):
        following = accepted(following, taken)
    if not following["context"].get("selections", following["context"]["draftOrders"]["entry"]):
        return
    topic, limit = card["source"]["topic"]["code"], INDICATORS.index(card["indicator"])
    after = fire(prepared, following, scenario.now)
    if after.status == 412:  # solved, and nothing is left but what could not be checked (Z21)
        if not any(code.endswith("NotChecked") for code in fired.topics):
            yield f"{suggestion['label']}: {after.body}"
        return
    if after.status != 200:
        yield f"{suggestion['label']}: {after.status} {after.body}"
    topics = {c["source"]["topic"]["code"]: INDICATORS.index(c["indicator"]) for c in after.cards}
    is_a_test = all(a.get("resource", {}).get("resourceType") == "ServiceRequest" for a in suggestion["actions"])
    if topic in topics and not (is_a_test and card["indicator"] != "info"):  # a test changes nothing of the order
        yield f"{suggestion['label']}: {topic} is still there"
    worse = {code for code, severity in topics.items() if severity <= limit and code not in fired.topics}
    if worse:
        yield f"{suggestion['label']} raises {', '.join(sorted(worse))}"


def test_the_same_request_gives_the_same_bytes(prepared, answers):
    scenario = by_name("platelets-and-im/sample")
    service = prepared.pack.service_for(scenario.hook)
    body = encode(answers[scenario.name].request)
    said = {encode(evaluate(prepared, service, body, scenario.now).body) for _ in range(3)}
    assert len(said) == 1


AT_THE_EDGE = (
    "imPlateletsThinNeedle",
    "imPlateletsPerhapsThinNeedle",
    "imPlateletsNotDecidable",
    "imPlateletsRangeLow",
)


def test_a_changed_threshold_makes_the_right_scenarios_fail(tmp_path, prepared, scenarios):
    """25 becomes 26: scenarios at exactly 25 fail, and only those."""
    cards = tmp_path / "cards"
    shutil.copytree(packaged("cards"), cards)
    table = cards / "vitamin-b12/decisions/imPlatelets/table.yaml"
    text = table.read_text()
    assert "'< 25'" in text and "'[25..50]'" in text
    table.write_text(text.replace("'< 25'", "'< 26'").replace("'[25..50]'", "'[26..50]'"))
    changed = in_process(Prepared.of(load_pack(cards), zone=prepared.zone, key=prepared.key))
    failed = {scenario.name for scenario in scenarios if changed(scenario).differences}
    assert failed
    at_the_edge = {
        scenario.name
        for scenario in scenarios
        if isinstance(scenario.expect, list) and any(card["topic"] in AT_THE_EDGE for card in scenario.expect)
    }
    assert failed <= at_the_edge


def test_every_scenario_file_names_statements_and_every_case_says_why(scenarios):
    stories = {}
    for scenario in scenarios:
        stories.setdefault(scenario.path, []).append(scenario)
    folders = [packaged("fixtures") / name for name in ("scenarios", "courses")]
    assert set(stories) == {path for folder in folders for path in folder.glob("*.yaml")}
    for path, cases in stories.items():
        assert all(case.statements for case in cases), path.name
        assert [case.name for case in cases if not case.why] == []


@pytest.mark.parametrize("days", [1, 38.6])
def test_scenarios_hold_on_any_other_day_at_any_hour(prepared, scenarios, days):
    """Against a live service the patient is moved to today; nothing but the dates may differ (Z17).

    Once to the next day at the same hour, and once to a far day soon after midnight, past a change to another month.
    """
    faults = {}
    for scenario in sampled(scenarios, 3):
        if not scenario.in_process_only:
            today = scenario.now + timedelta(days=days)
            fired = fire(prepared, request_of(prepared, scenario, today), today)
            faults[scenario.name] = differences(scenario.expected(today), fired.status, fired.body)
    assert_none(faults, len(faults))
