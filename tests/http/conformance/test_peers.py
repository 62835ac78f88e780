"""Defects that were found in other services, each with a test that this one does not have it.

Those about tokens stand in ``tests/outside/trust/test_peers_tokens.py``, those about FHIR servers in
``tests/outside/fhir/test_peers_fetching.py``.
"""

from __future__ import annotations

import copy
import json
import random

import pytest

from cds_service.content.decide import Values
from cds_service.service.app import create_app
from cds_service.settings import Settings
from tests.support.keys import KEY
from tests.support.waiting import lines_of

BASE = "/cds-services/vitamin-b12"
UCUM = "http://unitsofmeasure.org"
PATIENT, DRAFT = "kwame-mensah", "hydroxocobalamin-im-three-weekly"


def topics(cards):
    return [card["source"]["topic"]["code"] for card in cards]


@pytest.mark.parametrize("hook", ["order-select", "order-sign", "patient-view"])
@pytest.mark.parametrize("prefetch", ["left out", None, {}])
def test_a_call_without_prefetch_is_answered(client, request_for, hook, prefetch):
    """One reads ``prefetch[key]`` of a request without prefetch, and never answers."""
    body = request_for(PATIENT, DRAFT, hook=hook)
    if prefetch == "left out":
        del body["prefetch"]
    else:
        body["prefetch"] = prefetch
    assert client.post(f"{BASE}-{hook}", json=body).status_code in (200, 412)


def test_an_error_is_one_answer_and_an_outcome(client, assert_outcome, request_for):
    """One goes on after its error answer, which is the text of an exception."""
    answer = client.post(f"{BASE}-order-select", json=request_for(PATIENT, DRAFT, without=["all"]))
    assert_outcome(answer, 412)
    assert int(answer.headers["Content-Length"]) == len(answer.data)


def test_the_path_tells_the_service_and_the_hook_must_fit(client, assert_outcome, request_for):
    """One looks at the hook of the body only, so that two services of one hook are one."""
    select, sign = (request_for(PATIENT, DRAFT, hook=hook) for hook in ("order-select", "order-sign"))
    assert_outcome(client.post(f"{BASE}-order-sign", json=select), 400, "hook")
    assert_outcome(client.post(f"{BASE}-order-select", json=sign), 400, "hook")


def test_discovery_is_at_its_place_and_publishes_the_prefetch(client):
    """One serves discovery elsewhere and never publishes its prefetch; a misspelled member is dropped unnoticed."""
    services = client.get("/cds-services").json["services"]
    assert all(service["prefetch"] for service in services)
    known = {"hook", "id", "title", "description", "prefetch", "usageRequirements"}
    assert all(set(service) <= known for service in services)


def test_selections_and_drafts_reach_the_decisions(client, cards_of, request_for):
    """One keeps the members that all contexts share, and drops selections and draftOrders."""
    body = request_for(PATIENT, DRAFT, "cyanocobalamin-iv")
    both = topics(cards_of(client.post(f"{BASE}-order-select", json=body)))
    body["context"]["selections"] = body["context"]["selections"][:1]
    one = topics(cards_of(client.post(f"{BASE}-order-select", json=body)))
    assert one == ["imPlateletsTransfusionFirst"]
    assert len(both) > len(one)


def test_a_failure_does_not_look_like_nothing_to_say(monkeypatch, client, assert_outcome, request_for):
    """One answers every exception with 200 and no cards."""

    def leaf(self, decision, facts):
        raise RuntimeError(PATIENT)

    monkeypatch.setattr(Values, "leaf", leaf)
    assert_outcome(client.post(f"{BASE}-order-select", json=request_for(PATIENT, DRAFT)), 500)


def test_suggestions_are_in_the_answer_and_cards_are_whole(client, cards_of, request_for):
    """One resolves its suggestions, under tests of their own, and throws them away; its cards may lack a source."""
    answer = client.post(f"{BASE}-order-select", json=request_for("amara-okafor", "cyanocobalamin-im-daily-week"))
    (card,) = cards_of(answer)
    resources = [action["resource"] for s in card["suggestions"] for action in s["actions"]]
    assert {resource["resourceType"] for resource in resources} == {"MedicationRequest"}
    assert card["indicator"] and card["source"]["label"]


def test_an_answer_does_not_depend_on_the_calls_before_it(request_for):
    """One keeps what the first request decided, for all requests after it."""
    calls = [
        request_for(patient, draft)
        for patient, draft in [
            (PATIENT, DRAFT),
            ("amara-okafor", "hydroxocobalamin-im-three-weekly"),
            ("amara-okafor", "cyanocobalamin-im-daily-week"),
            (PATIENT, "cyanocobalamin-iv"),
            ("emily-carter", "atorvastatin"),
        ]
    ]

    def alone(body):
        return create_app(Settings(loopback=True, key=KEY)).test_client().post(f"{BASE}-order-select", json=body)

    fresh = [alone(body).data for body in calls]
    assert len(set(fresh)) > 3
    used = create_app(Settings(loopback=True, key=KEY)).test_client()
    for _ in range(5):
        for place in random.Random(7).sample(range(len(calls)), len(calls)):  # noqa: S311
            assert used.post(f"{BASE}-order-select", json=calls[place]).data == fresh[place]


def test_nothing_of_a_request_is_kept(tmp_path, request_for):
    """One keeps every request body, and with it the patient's data, in its database."""
    store = tmp_path / "store.sqlite3"
    audit = tmp_path / "audit.jsonl"
    service = create_app(Settings(loopback=True, key=KEY, store=f"sqlite:///{store}", audit=audit)).test_client()
    body = request_for(PATIENT, DRAFT)
    body["prefetch"]["patient"]["name"] = [{"family": "Marker-Of-A-Name", "given": ["Marker"]}]
    (card, *_) = service.post(f"{BASE}-order-select", json=body).json["cards"]
    entry = {"card": card["uuid"], "outcome": "overridden", "outcomeTimestamp": "2026-11-23T10:00:00Z"}
    entry["overrideReason"] = {"userComment": "Marker-Of-A-Comment"}
    assert service.post(f"{BASE}-order-select/feedback", json={"feedback": [entry]}).status_code == 200
    assert len(lines_of(audit, 2)) == 2
    written = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert card["uuid"].encode() in written
    for marker in (PATIENT, "Marker", body["context"]["userId"], body["hookInstance"]):
        assert marker.encode() not in written


def test_what_cannot_be_decided_is_no_card_of_a_test(client, assert_outcome, request_for):
    """One answers an error of its engine with the card "This is a test card"."""
    body = request_for(PATIENT, DRAFT, without=["all"])
    assert "card" not in assert_outcome(client.post(f"{BASE}-order-select", json=body), 412)


def test_no_context_leaves_in_a_card_and_the_draft_is_not_changed(client, cards_of, request_for):
    """One hands the whole context on in appContext, changes the draft that it was sent, and answers with its stack."""
    body = request_for("amara-okafor", "cyanocobalamin-im-daily-week")
    sent = copy.deepcopy(body)
    answer = client.post(f"{BASE}-order-select", json=body)
    assert "appContext" not in answer.text
    assert body["context"]["userId"] not in answer.text
    assert body == sent
    again = client.post(f"{BASE}-order-select", json=body)
    assert again.data == answer.data
    for suggestion in cards_of(answer)[0]["suggestions"]:
        for action in suggestion["actions"]:
            assert action["resource"]["id"] == body["context"]["draftOrders"]["entry"][0]["resource"]["id"]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, ["imPlateletsTransfusionFirst"]),
        (
            {
                "valueQuantity": {
                    "value": 150,
                    "unit": "10*9/L",
                    "system": "http://unitsofmeasure.org",
                    "code": "10*9/L",
                }
            },
            [],
        ),
        # 22,000 per microlitre are 22 x 10^9/L
        (
            {"valueQuantity": {"value": 22000, "unit": "/uL", "system": UCUM, "code": "/uL"}},
            ["imPlateletsTransfusionFirst"],
        ),
        ({"status": "cancelled"}, None),
    ],
)
@pytest.mark.parametrize("turned", [False, True])
def test_the_latest_result_is_told_by_date_and_its_unit_and_status_are_read(
    client, cards_of, request_for, change, expected, turned
):
    """One takes the first result of the list for the latest, and reads neither its unit nor its status."""
    body = request_for(PATIENT, DRAFT)
    entries = body["prefetch"]["platelets"]["entry"]
    latest = max(entries, key=lambda entry: entry["resource"]["effectiveDateTime"])
    latest["resource"] |= change
    if turned:
        entries.reverse()
    found = topics(cards_of(client.post(f"{BASE}-order-select", json=body)))
    if expected is None:  # the result before it counts
        entries.remove(latest)
        body["prefetch"]["platelets"]["total"] -= 1
        expected = topics(cards_of(client.post(f"{BASE}-order-select", json=body)))
    assert found == expected


def test_system_actions_are_not_smuggled_into_an_extension(client, request_for):
    """One client reads system actions from an extension of the answer; nothing of ours may look like them."""
    answer = client.post(f"{BASE}-order-select", json=request_for(PATIENT, DRAFT)).json
    assert list(answer) == ["cards"]
    assert "systemActions" not in json.dumps(answer)
