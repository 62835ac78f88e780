"""The envelope of a call (docs/conformance.md#requests)."""

from __future__ import annotations

import copy
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

PATIENT, DRAFT = "amara-okafor", "hydroxocobalamin-100-im"
WRONG = {
    "null": None,
    "true": True,
    "zero": 0,
    "number": 1.5,
    "string": "x",
    "blank": "",
    "space": " ",
    "array": [],
    "array-of-array": [[]],
    "array-of-null": [None],
    "array-of-number": [1],
    "object": {},
    "object-of-null": {"resourceType": None},
}
STRINGS = {"true", "zero", "number", "array", "array-of-array", "array-of-null", "array-of-number", "object"}
# path: the members that are required, with what each must not be
REQUIRED = {
    "hook": set(WRONG),
    "hookInstance": set(WRONG) - {"string"},
    "context": set(WRONG),
    "context.userId": set(WRONG) - {"string"},
    "context.patientId": set(WRONG) - {"string"},
    "context.selections": set(WRONG) - {"array"},
    "context.draftOrders": set(WRONG),
    "context.draftOrders.resourceType": set(WRONG),
    "context.draftOrders.entry": set(WRONG) - {"null", "array"},
    "context.draftOrders.entry[0]": set(WRONG),
    "context.draftOrders.entry[0].resource": set(WRONG),
    "context.draftOrders.entry[0].resource.resourceType": set(WRONG) - {"string", "blank", "space"},
}
OPTIONAL = {
    "fhirServer": STRINGS,
    "fhirAuthorization": {"true", "zero", "number", "string", "blank", "space", "array", "array-of-null"},
    "fhirAuthorization.access_token": STRINGS,
    "fhirAuthorization.expires_in": set(),  # never used, so it may be anything
    "fhirAuthorization.scope": set(),
    "context.encounterId": STRINGS | {"blank", "space"},
    "prefetch": {"true", "zero", "number", "string", "blank", "array", "array-of-null"},
}


@pytest.fixture
def body(request_for):
    return request_for(PATIENT, DRAFT) | {
        "fhirServer": "https://fhir.example/r4",
        "fhirAuthorization": {
            "access_token": "token-that-must-not-be-repeated",
            "token_type": "Bearer",
            "expires_in": 300,
            "scope": "user/*.rs",
            "subject": "client",
        },
    }


def _parent(body, path):
    *parts, last = path.replace("[0]", ".0").split(".")
    for part in parts:
        body = body[int(part) if part == "0" else part]
    return body, int(last) if last == "0" else last


def test_REQ_01_the_request_that_the_others_change_is_answered(post, cards_of, body):
    assert cards_of(post(body))


@pytest.mark.parametrize("path", [p for p in REQUIRED if not p.endswith(("entry", "entry[0]"))])
def test_REQ_02_REQ_03_REQ_07_REQ_15_a_missing_required_member_is_400(post, assert_outcome, body, path):
    parent, key = _parent(body, path)
    del parent[key]
    assert_outcome(post(body), 400, path)


@pytest.mark.parametrize(
    ("path", "kind"), [(p, k) for p, kinds in (REQUIRED | OPTIONAL).items() for k in WRONG if k in kinds]
)
def test_REQ_15_a_member_of_the_wrong_type_is_400(post, assert_outcome, body, path, kind):
    parent, key = _parent(body, path)
    parent[key] = WRONG[kind]
    assert_outcome(post(body), 400, path)


@pytest.mark.parametrize("path", ["fhirServer", "fhirAuthorization", "context.encounterId", "prefetch"])
def test_REQ_06_REQ_08_null_is_like_absent(post, body, path):
    body.pop("fhirAuthorization")
    without = copy.deepcopy(body)
    parent, key = _parent(without, path)
    parent.pop(key, None)
    parent, key = _parent(body, path)
    parent[key] = None
    first, second = post(without), post(body)
    assert first.status_code in (200, 412)
    assert (first.status_code, first.data) == (second.status_code, second.data)


@pytest.mark.parametrize(
    "instance",
    [
        "D1577C69-DFBE-44AD-BA6D-3E05E953B2EA",
        "e58ed763-928c-1155-bee9-fdbaaadc15f3",
        "018f3f2e-7b1c-7abc-9def-0123456789ab",
        "urn:uuid:d1577c69-dfbe-44ad-ba6d-3e05e953b2ea",
        "d1577c69-dfbe-44ad-ba6d-3e05e953b2eg",
        "x" * 10_000,
        "\u2011\U0001f600",
        "00000000-0000-0000-0000-000000000000",
    ],
)
def test_REQ_04_odd_instances_are_accepted(post, cards_of, body, instance):
    assert cards_of(post(body | {"hookInstance": instance}))


def test_REQ_05_authorization_needs_a_server(post, assert_outcome, body):
    del body["fhirServer"]
    assert_outcome(post(body), 400, "fhirServer")


@pytest.mark.parametrize("seconds", [300, 300.0, 3e2, None])
def test_REQ_06_expires_in_may_be_any_whole_number_or_missing(post, cards_of, body, seconds):
    body["fhirAuthorization"]["expires_in"] = seconds
    cards_of(post(body))


@pytest.mark.parametrize("path", ["unknown", "Vitamin-B12-order-select", "vitamin-b12-order-select%20", "%00", "a%2Fb"])
def test_REQ_09_an_unknown_service_is_404(post, assert_outcome, body, path):
    assert_outcome(post(body, path=f"/cds-services/{path}"), 404)


@pytest.mark.parametrize("hook", ["order-sign", "patient-view", "ORDER-SELECT", "order-select ", "unknown"])
def test_REQ_09_another_hook_is_400(post, assert_outcome, body, hook):
    assert_outcome(post(body | {"hook": hook}), 400, "hook")


def test_REQ_09_T_13_another_hook_is_400_whatever_its_context(post, assert_outcome, body):
    context = {key: body["context"][key] for key in ("userId", "patientId")}
    assert_outcome(post(body | {"hook": "patient-view", "context": context}), 400, "hook")


@pytest.mark.parametrize("slash", ["", "/"])
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_REQ_10_discovery_is_only_read(client, assert_outcome, method, slash):
    answer = client.open(f"/cds-services{slash}", method=method, json={})
    assert_outcome(answer, 405)
    assert "GET" in answer.headers["Allow"]
    assert "POST" not in answer.headers["Allow"]


@pytest.mark.parametrize("slash", ["", "/"])
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH"])
def test_REQ_10_a_service_is_only_posted_to(client, assert_outcome, method, slash):
    answer = client.open(f"/cds-services/vitamin-b12-order-select{slash}", method=method)
    assert_outcome(answer, 405)
    assert "POST" in answer.headers["Allow"]
    assert "GET" not in answer.headers["Allow"]


def test_REQ_11_a_trailing_slash_is_served(post, cards_of, body):
    path = "/cds-services/vitamin-b12-order-select"
    assert cards_of(post(body, path=f"{path}/")) == cards_of(post(body, path=path))


@pytest.mark.parametrize(
    "path", ["/cds-services//vitamin-b12-order-select", "/cds-services/vitamin-b12-order-select//"]
)
def test_REQ_11_doubled_slashes_are_no_redirect(post, body, path):
    assert post(body, path=path).status_code in (200, 404)


def test_REQ_12_nine_of_ten_answers_come_within_half_a_second(post, body):
    from time import process_time

    times = []
    for _ in range(40):
        start = process_time()
        post(body)
        times.append(process_time() - start)
    assert sorted(times)[35] < 0.5


def test_REQ_13_the_same_call_again_is_the_same_answer(post, cards_of, body):
    assert cards_of(post(body))
    assert post(body).data == post(body).data


# Faults of which none hides another: what is put at each path, or that nothing is there.
MISSING = object()
FAULTS = {
    "hook": "order-sign",
    "hookInstance": " ",
    "fhirServer": 7,
    "fhirAuthorization.access_token": [],
    "prefetch": "x",
    "context.userId": MISSING,
    "context.patientId": "Patient/of-a-type",
    "context.encounterId": 1.5,
    "context.selections[0]": 7,
    "context.draftOrders.resourceType": "Basic",
    "context.draftOrders.entry[0].resource.resourceType": MISSING,
}


def _places(answer):
    return [place for issue in answer.json["issue"] for place in issue.get("expression", [])]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(paths=st.sets(st.sampled_from(sorted(FAULTS)), min_size=1))
def test_Z91_every_fault_of_an_envelope_is_named_and_nothing_else(post, assert_outcome, body, paths):
    spoiled = copy.deepcopy(body)
    for path in paths:
        parent, key = _parent(spoiled, path)
        if FAULTS[path] is MISSING:
            del parent[key]
        else:
            parent[key] = FAULTS[path]
    answer = post(spoiled)
    assert_outcome(answer, 400)
    assert sorted(_places(answer)) == sorted(paths)


def test_Z91_of_many_faults_twenty_issues_are_told_and_that_there_are_more(post, body):
    del body["context"]["userId"]
    body["context"]["selections"] = [7] * 400
    issues = post(body).json["issue"]
    assert len(issues) == 20
    assert [issue["severity"] for issue in issues] == ["error"] * 19 + ["information"]
    assert issues[0]["expression"] == ["context.userId"]
    body["context"]["selections"] = [7] * 19
    assert [issue["severity"] for issue in post(body).json["issue"]] == ["error"] * 20


def test_Z91_each_wrong_draft_is_named(post, assert_outcome, body):
    body["context"]["draftOrders"]["entry"] = [{"resource": 7}, 7, {"resource": {}}]
    answer = post(body)
    assert_outcome(answer, 400)
    entry = "context.draftOrders.entry"
    assert sorted(_places(answer)) == [f"{entry}[0].resource", f"{entry}[1]", f"{entry}[2].resource.resourceType"]


def test_Z91_a_member_that_comes_twice_is_wrong_if_one_of_them_is(post, assert_outcome, body):
    text = json.dumps(body).replace('"hookInstance"', '"hookInstance": 7, "hookInstance"', 1)
    assert_outcome(post(text.encode()), 400, "hookInstance")
