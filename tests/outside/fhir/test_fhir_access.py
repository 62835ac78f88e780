"""What is fetched, when, and how: the server fills what prefetch left out (docs/conformance.md#fhir-access)."""

from __future__ import annotations

import copy
import json
import logging
import re
import socket
from datetime import UTC, datetime

import pytest

from cds_service.net.fhir_client import FetchLimits, FhirClient
from cds_service.net.servers import AllowedServers
from cds_service.packaged import packaged
from cds_service.replay.scenario import moved
from cds_service.service.app import create_app
from cds_service.settings import Settings
from cds_service.vocabulary.declarations import Search
from cds_service.vocabulary.fetched import FetchProblem, FhirAccess
from tests.support.fhir_stub import Stub, bundle, records, saying
from tests.support.keys import KEY
from tests.support.prefetch_shapes import KEYS

ORDER_SELECT = "/cds-services/vitamin-b12-order-select"
PATIENT, DRAFT = "kwame-mensah", "hydroxocobalamin-im-three-weekly"  # 22 platelets
TOKEN = "token-that-must-not-be-repeated"  # noqa: S105
ACTIVE = "http://terminology.hl7.org/CodeSystem/condition-clinical"
INCLUDE = re.compile(r"&_include=Medication[A-Za-z]+:medication$")
WITH_DRUG = "MedicationRequest:medication"
ERROR = {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "exception"}]}


@pytest.fixture
def resources():
    """The patient as of today."""
    entries = json.loads((packaged("fixtures") / "patients" / f"{PATIENT}.json").read_text())["entry"]
    days = (datetime.now(UTC).date() - datetime(2026, 11, 23, tzinfo=UTC).date()).days
    return moved([entry["resource"] for entry in entries], days)


@pytest.fixture(scope="module")
def patient_client():
    return create_app(Settings(loopback=True, key=KEY, fhir_budget_ms=10_000)).test_client()


@pytest.fixture
def call(patient_client):
    def send(body, server=None, token=TOKEN, **authorization):
        body = copy.deepcopy(body)
        if server:
            body["fhirServer"] = server
        if server and token:
            body["fhirAuthorization"] = {
                "access_token": token,
                "token_type": "Bearer",
                "expires_in": 300,
                "scope": "user/Observation.rs",
                "subject": "cds-service",
            } | authorization
        return patient_client.post(ORDER_SELECT, data=json.dumps(body), content_type="application/json")

    return send


def keys_of(stub: Stub, templates) -> list[str]:
    """The prefetch keys that a server was asked for, each by its template; it may send Medications along."""
    by_query = {template.replace("{{context.patientId}}", PATIENT): key for key, template in templates.items()}
    return sorted(by_query[INCLUDE.sub("", asked)] for asked in stub.asked())


@pytest.mark.parametrize("key", KEYS)
def test_PF_20_a_missing_key_is_fetched_and_nothing_else(call, cards_of, request_for, templates, resources, key):
    whole = call(request_for(PATIENT, DRAFT))
    with Stub(records(resources)) as stub:
        answer = call(request_for(PATIENT, DRAFT, without=[key]), stub.base)
        assert keys_of(stub, templates) == [key]
    assert cards_of(answer) == cards_of(whole)


def test_PF_12_without_any_prefetch_everything_is_fetched(call, cards_of, request_for, templates, resources):
    whole = call(request_for(PATIENT, DRAFT))
    body = request_for(PATIENT, DRAFT)
    del body["prefetch"]
    with Stub(records(resources)) as stub:
        answer = call(body, stub.base)
        assert keys_of(stub, templates) == sorted(KEYS)
    assert cards_of(answer) == cards_of(whole)


@pytest.mark.parametrize("hook", ["order-select", "order-sign", "patient-view"])
def test_PF_12_each_service_fetches_what_its_own_discovery_lists(patient_client, request_for, resources, hook):
    listed = {s["hook"]: s for s in patient_client.get("/cds-services").json["services"]}[hook]
    body = request_for(PATIENT, DRAFT, without=["all"]) | {"hook": hook}
    with Stub(records(resources)) as stub:
        body |= {"fhirServer": stub.base}
        answer = patient_client.post(
            f"/cds-services/{listed['id']}", data=json.dumps(body), content_type="application/json"
        )
        assert answer.status_code == 200
        wanted = [template.replace("{{context.patientId}}", PATIENT) for template in listed["prefetch"].values()]
        assert sorted(INCLUDE.sub("", asked) for asked in stub.asked()) == sorted(wanted)


def test_PF_20_what_was_prefetched_is_not_fetched(call, cards_of, request_for, resources):
    with Stub(records(resources)) as stub:
        cards_of(call(request_for(PATIENT, DRAFT), stub.base))
        assert stub.seen == []


@pytest.mark.parametrize("nothing", [None, {"resourceType": "Bundle", "type": "searchset", "total": 0}])
def test_PF_23_null_and_empty_mean_that_the_client_looked(call, cards_of, request_for, resources, nothing):
    with Stub(records(resources)) as stub:
        cards_of(call(request_for(PATIENT, DRAFT, prefetch=dict.fromkeys(KEYS, nothing)), stub.base))
        assert stub.seen == []


@pytest.mark.parametrize("failed", [ERROR, bundle(ERROR), "nonsense", [], 1], ids=lambda f: str(f)[:30])
def test_PF_22_a_key_that_failed_or_cannot_be_read_is_fetched(
    call, cards_of, request_for, templates, resources, failed
):
    whole = call(request_for(PATIENT, DRAFT))
    with Stub(records(resources)) as stub:
        answer = call(request_for(PATIENT, DRAFT, prefetch={"platelets": failed}), stub.base)
        assert keys_of(stub, templates) == ["platelets"]
    assert cards_of(answer) == cards_of(whole)


@pytest.mark.parametrize("hook", ["order-select", "order-sign"])
def test_PF_21_an_order_of_something_else_never_causes_a_call(patient_client, cards_of, request_for, resources, hook):
    body = request_for(PATIENT, "atorvastatin", without=["all"]) | {"hook": hook}
    with Stub(records(resources)) as stub:
        body |= {"fhirServer": stub.base}
        answer = patient_client.post(
            f"/cds-services/vitamin-b12-{hook}", data=json.dumps(body), content_type="application/json"
        )
        assert cards_of(answer) == []
        assert stub.seen == []


@pytest.mark.parametrize("hook", ["order-select", "order-sign"])
def test_CTX_10_no_draft_is_looked_for_at_the_server(patient_client, request_for, resources, hook):
    """They are not there yet: whatever is asked for is one of the published templates."""
    body = request_for(PATIENT, DRAFT, "atorvastatin", without=["all"], hook=hook)
    listed = {s["hook"]: s["prefetch"] for s in patient_client.get("/cds-services").json["services"]}[hook]
    for entry in body["context"]["draftOrders"]["entry"]:
        entry["resource"]["basedOn"] = [{"reference": "MedicationRequest/draft-2"}]
    with Stub(records(resources)) as stub:
        body |= {"fhirServer": stub.base}
        patient_client.post(f"/cds-services/vitamin-b12-{hook}", data=json.dumps(body), content_type="application/json")
        assert stub.seen and keys_of(stub, listed) == sorted(set(keys_of(stub, listed)))
        assert not [path for path, _ in stub.seen if "draft-" in path]


def test_CTX_13_a_request_that_is_refused_causes_no_call(call, assert_outcome, request_for, resources):
    with Stub(records(resources)) as stub:
        body = request_for(PATIENT, DRAFT, without=["platelets"])
        body["prefetch"]["patient"]["id"] = "somebody-else"
        assert_outcome(call(body, stub.base), 422, "prefetch.patient.id")
        assert stub.seen == []


def test_CTX_13_resources_of_another_patient_are_not_read(call, cards_of, request_for, resources):
    others = json.loads(json.dumps(resources).replace(PATIENT, "somebody-else"))
    with Stub(records(others)) as stub:
        answer = call(request_for(PATIENT, "cyanocobalamin-iv", without=["patient", "platelets"]), stub.base)
    (card,) = cards_of(answer)
    assert "age of the patient is not known" in card["detail"]
    assert "somebody-else" not in answer.text


def test_FA_02_every_call_carries_the_token(call, cards_of, request_for, resources):
    with Stub(records(resources)) as stub:
        cards_of(call(request_for(PATIENT, DRAFT, without=["all"]), stub.base))
        assert {headers["Authorization"] for _, headers in stub.seen} == {f"Bearer {TOKEN}"}


def test_FA_03_a_token_serves_its_own_request_only(request_for, resources):
    with Stub(records(resources)) as stub:
        settings = Settings(key=KEY, accept_unreviewed_content=True, fhir_servers=(stub.base,), fhir_budget_ms=10_000)
        client = create_app(settings).test_client()
        body = request_for(PATIENT, DRAFT, without=["platelets"]) | {"fhirServer": stub.base}
        lent = body | {"fhirAuthorization": {"access_token": TOKEN}}
        answers = [
            client.post(ORDER_SELECT, data=json.dumps(request), content_type="application/json")
            for request in (lent, body)
        ]
        assert [answer.status_code for answer in answers] == [200, 412]
        assert len(stub.seen) == 1


@pytest.mark.parametrize(
    "authorization",
    [
        {"scope": "user/Observation.read patient/*.read launch"},
        {"scope": "user/Observation.rs?category=laboratory"},
        {"scope": "Observation.Read (Labs) (R4) Patient.Read (R4)"},
        {"scope": ""},
        {"scope": None, "expires_in": None, "subject": None, "token_type": None},
        {"expires_in": 0},
        {"scope": "patient/Observation.rs", "patient": None},
    ],
    ids=str,
)
def test_FA_05_FA_06_no_scope_and_no_lifetime_stops_a_call(call, cards_of, request_for, resources, authorization):
    with Stub(records(resources)) as stub:
        assert cards_of(call(request_for(PATIENT, DRAFT, without=["platelets"]), stub.base, **authorization))
        assert len(stub.seen) == 1


def test_cookies_of_a_server_are_not_kept(call, request_for):
    with Stub(saying(bundle(), Set_Cookie="session=of-one-user; Path=/")) as stub:
        for _ in range(2):
            call(request_for(PATIENT, DRAFT, without=["platelets"]), stub.base)
        assert [headers.get("Cookie") for _, headers in stub.seen] == [None, None]


# --- further pages ----------------------------------------------------------------------------------------------


def count(value, **more):
    return {
        "resourceType": "Observation",
        "id": f"count-{value}",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "777-3"}]},
        "subject": {"reference": f"Patient/{PATIENT}"},
        "effectiveDateTime": datetime.now(UTC).date().isoformat(),
        "valueQuantity": {"value": value, "unit": "10*9/L", "system": "http://unitsofmeasure.org", "code": "10*9/L"},
    } | more


def condition(code):
    system = "http://hl7.org/fhir/sid/icd-10"
    return {
        "resourceType": "Condition",
        "id": code.replace(".", ""),
        "clinicalStatus": {"coding": [{"system": ACTIVE, "code": "active"}]},
        "code": {"coding": [{"system": system, "code": code}]},
        "subject": {"reference": f"Patient/{PATIENT}"},
    }


def paged(*pages, link=None):
    """Answers with these pages, each with a link to the next; ``link`` makes the link from the number of a page."""

    def answer(asked):
        number = int(asked.path.rpartition("page=")[2]) if "page=" in asked.path else 0
        following = None
        if number + 1 < len(pages):
            made = f"http://{asked.headers['Host']}{asked.path.partition('&page=')[0]}&page={number + 1}"
            following = link(number + 1) if link else made
        asked.say(bundle(*pages[number], following=following))

    return answer


def test_PF_08_PF_24_T_14_the_second_page_of_problems_is_read(call, cards_of, request_for):
    body = request_for(PATIENT, DRAFT, without=["conditions"], prefetch={"platelets": None})
    with Stub(paged([condition("I10")], [condition("D69.6")])) as stub:
        topics = [card["source"]["topic"]["code"] for card in cards_of(call(body, stub.base))]
        assert "imPlateletsCountNeeded" in topics
        assert len(stub.seen) == 2
        assert {headers["Authorization"] for _, headers in stub.seen} == {f"Bearer {TOKEN}"}


def test_PF_24_a_relative_link_is_followed(call, cards_of, request_for):
    body = request_for(PATIENT, DRAFT, without=["conditions"], prefetch={"platelets": None})
    with Stub(paged([], [condition("D69.6")], link=lambda page: f"Condition?patient=x&page={page}")) as stub:
        assert "imPlateletsCountNeeded" in call(body, stub.base).text
        assert len(stub.seen) == 2


def test_one_page_of_results_is_enough_if_it_holds_the_newest(call, cards_of, request_for):
    """Results come newest first: further pages would cost the server, and change nothing (Z22)."""
    with Stub(paged([count(22)], [count(300)], [count(301)])) as stub:
        cards = cards_of(call(request_for(PATIENT, DRAFT, without=["platelets"]), stub.base))
        assert cards[0]["indicator"] == "critical"
        assert len(stub.seen) == 1


def test_PF_25_further_pages_of_results_are_read_if_the_first_decides_nothing(call, cards_of, request_for):
    wrong = [count(value, status="entered-in-error") for value in range(10)]
    with Stub(paged(wrong, wrong, [count(22)])) as stub:
        cards = cards_of(call(request_for(PATIENT, DRAFT, without=["platelets"]), stub.base))
        assert cards[0]["indicator"] == "critical"


def test_PF_25_one_page_that_the_client_sent_is_completed_only_if_something_would_stay_unknown(
    call, cards_of, request_for
):
    wrong, link = count(1, status="entered-in-error"), "https://elsewhere.example/next"
    with Stub(paged([wrong], [count(22)])) as stub:
        body = request_for(PATIENT, DRAFT, prefetch={"platelets": bundle(wrong, following=link)})
        assert cards_of(call(body, stub.base))[0]["indicator"] == "critical"
        assert len(stub.seen) == 2
    with Stub(paged([count(300)])) as stub:
        body = request_for(PATIENT, DRAFT, prefetch={"platelets": bundle(count(22), following=link)})
        assert cards_of(call(body, stub.base))[0]["indicator"] == "critical"
        assert stub.seen == []


def test_PF_25_a_page_that_the_client_sent_is_kept_if_the_rest_cannot_be_fetched(call, cards_of, request_for):
    half = bundle(condition("D69.6"), following="https://elsewhere.example/next")
    with Stub(saying(ERROR, 500)) as stub:
        body = request_for(PATIENT, DRAFT, prefetch={"conditions": half, "platelets": None})
        assert "imPlateletsCountNeeded" in call(body, stub.base).text
        assert stub.seen


def test_PF_25_pages_have_a_cap_and_what_lies_beyond_is_not_absent(request_for, assert_outcome):
    wrong = [count(1, status="entered-in-error")]
    client = create_app(Settings(loopback=True, key=KEY, fhir_budget_ms=10_000, fhir_max_pages=3)).test_client()
    body = request_for("emily-carter", DRAFT, without=["platelets"])
    with Stub(paged(*[wrong] * 50)) as stub:
        body |= {"fhirServer": stub.base}
        answer = client.post(ORDER_SELECT, data=json.dumps(body), content_type="application/json")
        assert len(stub.seen) == 1 + 3
    assert answer.status_code == 200
    assert "imPlateletsNotChecked" in answer.text
    assert "There are more entries than were sent" in answer.text


@pytest.mark.parametrize(
    "link",
    [
        "http://127.0.0.1:{other}/fhir/Condition?page=1",
        "//127.0.0.1:{other}/fhir/Condition?page=1",
        "http://localhost:{port}/fhir/Condition?page=1",
        "https://127.0.0.1:{port}/fhir/Condition?page=1",
        "http://127.0.0.1:{port}/other/Condition?page=1",
        "http://127.0.0.1:{port}/fhirs/Condition?page=1",
        "http://127.0.0.1:{port}/fhir/../admin?page=1",
        "http://127.0.0.1:{port}/fhir/%2e%2e/admin?page=1",
        "/admin?page=1",
        "../admin?page=1",
        "http://user@127.0.0.1:{port}/fhir/Condition?page=1",
        "http://127.0.0.1:{port}\\@127.0.0.1:{other}/fhir?page=1",
        "file:///etc/hostname?page=1",
        "",
    ],
)
def test_PF_25_T_14_a_link_that_leads_elsewhere_is_not_followed(call, cards_of, request_for, link):
    body = request_for(PATIENT, DRAFT, without=["conditions"])
    with Stub(paged([], [condition("D69.6")])) as other:
        with Stub(lambda _: None) as stub:
            stub.answer = paged([], [], link=lambda _: link.format(port=stub.port, other=other.port))
            cards = cards_of(call(body, stub.base))
            assert len(stub.seen) == 1
        assert other.seen == []
    assert "There are more entries than were sent" in cards[0]["detail"], "what was not read is not absent"


def test_PF_25_a_link_to_itself_ends(call, cards_of, request_for):
    def answer(asked):
        asked.say(bundle(following=f"http://{asked.headers['Host']}{asked.path}"))

    with Stub(answer) as stub:
        cards_of(call(request_for(PATIENT, DRAFT, without=["conditions"]), stub.base))
        assert len(stub.seen) == Settings().fhir_max_pages


# --- Z21 --------------------------------------------------------------------------------------------------------


def test_Z21_PF_21_412_if_nothing_can_be_shown_and_platelets_can_be_had_nowhere(call, assert_outcome, request_for):
    body = request_for("emily-carter", "hydroxocobalamin-im-monthly", without=["all"])
    outcome_text = json.dumps(assert_outcome(call(body), 412, "prefetch.platelets"))
    assert "did not send" in outcome_text
    with Stub(saying(ERROR, 500)) as stub:
        outcome_text = json.dumps(assert_outcome(call(body, stub.base), 412, "prefetch.platelets"))
    assert "could not be fetched" in outcome_text
    outcome_text = json.dumps(assert_outcome(call(body, "https://not-allowed.example/r4"), 412, "prefetch.platelets"))
    assert "may not ask" in outcome_text
    assert "not-allowed.example" not in outcome_text


def test_Z21_PF_27_a_critical_card_that_needs_no_missing_data_is_shown_and_names_what_was_not_checked(
    call, cards_of, request_for
):
    body = request_for(PATIENT, DRAFT, without=["conditions", "allergyIntolerances"])
    with Stub(saying(ERROR, 500)) as stub:
        (card,) = cards_of(call(body, stub.base))
    assert card["indicator"] == "critical"
    # Problems that speak against transfusion were not read, so the card says that with it (Z62).
    assert card["source"]["topic"]["code"] == "imPlateletsTransfusionUnlessNotCovered"
    assert "Allergies were not checked" in card["detail"]
    assert "could not be fetched from its FHIR server" in card["detail"]


def test_Z21_one_key_that_could_be_fetched_is_enough_for_its_card(call, cards_of, request_for, resources):
    held = records(resources)

    def answer(asked):
        held(asked) if "777-3" in asked.path else asked.say(ERROR, 503)

    with Stub(answer) as stub:
        cards = cards_of(call(request_for(PATIENT, DRAFT, without=["all"]), stub.base))
    assert cards[0]["indicator"] == "critical"


def test_Z21_what_was_fetched_and_found_nothing_is_absent_and_never_412(call, cards_of, request_for):
    with Stub(saying(bundle())) as stub:
        body = request_for("emily-carter", "hydroxocobalamin-im-monthly", without=["platelets"])
        cards = cards_of(call(body, stub.base))
    assert "imPlateletsNotChecked" not in [card["source"]["topic"]["code"] for card in cards]


# --- defects of others, that we do not have -------------------------------------------------------


def test_peers_a_failed_query_is_not_an_empty_one(call, request_for, assert_outcome):
    """WintEHR: an error of the FHIR server became an empty list."""
    body = request_for("emily-carter", "hydroxocobalamin-im-monthly", without=["platelets"])
    with Stub(saying(ERROR, 500)) as failing, Stub(saying(bundle())) as empty:
        assert_outcome(call(body, failing.base), 412, "prefetch.platelets")
        assert call(body, empty.base).status_code == 200


@pytest.mark.parametrize("prefetch", ["left out", None, {}])
def test_peers_prefetch_may_be_missing_and_fhirServer_present(call, cards_of, request_for, resources, prefetch):
    """AHRQ hung without a prefetch object; HealthChain raised at the sight of fhirServer."""
    body = request_for(PATIENT, DRAFT, without=["all"])
    body |= {"prefetch": prefetch}
    if prefetch == "left out":
        del body["prefetch"]
    with Stub(records(resources)) as stub:
        assert cards_of(call(body, stub.base))[0]["indicator"] == "critical"


def fetch_one(template: str, patient_id: str, base: str):
    client = FhirClient(FetchLimits(seconds=10))
    try:
        fetch = client.within_budget(AllowedServers.of([base]))
        return fetch(FhirAccess(base, TOKEN), [Search("key", "Condition", template)], patient_id)["key"]
    finally:
        client.close()


@pytest.mark.parametrize(
    ("patient_id", "asked"),
    [
        ("a.b-1", "a.b-1"),
        ("a&status=x", "a%26status%3Dx"),
        ("a b+c#d?e", "a%20b%2Bc%23d%3Fe"),
        ("a,b", "a%5C%2Cb"),
        ("a|b$c", "a%5C%7Cb%5C%24c"),
        ("\u2011", "%E2%80%91"),
        ("%2e%2e", "%252e%252e"),
        ("{{context.userId}}", "%7B%7Bcontext.userId%7D%7D"),
        ("x" * 194, "x" * 194),
    ],
)
def test_peers_every_token_is_filled_and_an_id_stays_a_value(patient_id, asked):
    """REMS: tokens were skipped, and a missing value became "undefined" in the URL."""
    template = "Condition?patient={{context.patientId}}&asserter={{context.patientId}}"
    with Stub(saying(bundle())) as stub:
        assert fetch_one(template, patient_id, stub.base).raw is not None
        assert [path for path, _ in stub.seen] == [f"/fhir/Condition?patient={asked}&asserter={asked}"]


@pytest.mark.parametrize("template", ["Condition?encounter={{context.encounterId}}", "{{context.userId}}"])
def test_peers_a_template_with_a_token_that_is_not_known_is_not_asked(template):
    with Stub(saying(bundle())) as stub:
        assert fetch_one(template, "p", stub.base).raw is None
        assert stub.seen == []


@pytest.mark.parametrize("patient_id", [".", ".."])
def test_FA_08_an_id_that_is_a_path_is_not_asked(patient_id):
    with Stub(saying(bundle())) as stub:
        assert fetch_one("Patient/{{context.patientId}}", patient_id, stub.base).problem is FetchProblem.FAILED
        assert stub.seen == []


def test_AHRQ_pages_are_bounded_and_CRD_nothing_of_a_request_is_kept(call, request_for, resources, cards_of):
    """CRD: state of one request decided later ones; AHRQ followed pages without end (see PF_25 above)."""
    with Stub(records(resources)) as stub:
        first = cards_of(call(request_for(PATIENT, DRAFT, without=["platelets"]), stub.base))
        stub.answer = saying(bundle())
        second = cards_of(call(request_for(PATIENT, DRAFT, without=["platelets"]), stub.base))
    assert first[0]["indicator"] == "critical"
    assert all(card["indicator"] != "critical" for card in second)


# --- nothing of the patient is told ------------------------------------------------------------------------------


def test_FA_03_ERR_04_no_token_no_patient_and_no_body_in_logs_or_errors(caplog, call, request_for):
    secret = {"resourceType": "OperationOutcome", "text": "body-that-must-not-be-repeated", "issue": ERROR["issue"]}
    patient = "patient-that-must-not-be-repeated"
    body = json.loads(json.dumps(request_for("emily-carter", DRAFT, without=["all"])).replace("emily-carter", patient))

    def cut(asked):
        asked.send_response(200)
        asked.send_header("Content-Type", "application/json")
        asked.send_header("Content-Length", "1000")
        asked.end_headers()
        asked.wfile.write(b'{"resourceType": "body-that-must-not-be-repeated"')

    def broken_header(asked):
        asked.wfile.write(b"HTTP/1.1 200 OK\r\nbody-that-must-not-be-repeated\r\nX: y\r\n\r\n")

    def hung_up(asked):
        asked.connection.shutdown(socket.SHUT_RDWR)

    answers = [broken_header, hung_up]
    answers += [saying(secret, status) for status in (200, 401, 404, 500, 503)]
    answers += [cut, saying(b"body-that-must-not-be-repeated"), saying(secret, 302, Location="/" + patient)]
    with caplog.at_level(logging.DEBUG):
        received = []
        for answer in answers:
            with Stub(answer) as stub:
                received.append(call(body, stub.base))
            received.append(call(body, stub.base))  # nobody listens there any more
        received.append(call(body, f"https://{TOKEN}:{TOKEN}@not-allowed.example/{patient}"))
        received.append(call(body, f"https://not-allowed.example/{patient}?{TOKEN}"))
    assert "FHIR server" in caplog.text
    for text in (caplog.text, *(answer.text for answer in received)):
        assert "must-not-be-repeated" not in text
    assert {answer.status_code for answer in received} == {412}


def test_searches_are_counted_by_outcome(request_for, resources):
    client = create_app(Settings(loopback=True, key=KEY, fhir_budget_ms=10_000)).test_client()

    def count(outcome):
        sample = re.search(rf'fhir_searches_total{{outcome="{outcome}"}} (\S+)', client.get("/metrics").text)
        return float(sample[1]) if sample else 0

    body = request_for(PATIENT, DRAFT, without=KEYS[:2])
    with Stub(records(resources)) as stub:
        client.post(ORDER_SELECT, json=body | {"fhirServer": stub.base})
    assert (count("read"), count("fetchRefused")) == (2, 0)
    with Stub(saying(ERROR, 403)) as stub:
        client.post(ORDER_SELECT, json=body | {"fhirServer": stub.base})
    assert (count("read"), count("fetchRefused")) == (2, 2)
    assert re.search(r"fhir_seconds_count 2", client.get("/metrics").text)


def test_Z55_a_server_is_asked_to_send_medications_along_and_not_again_if_it_refuses():
    """A prefetch template asks for nothing that some server refuses; our own query tries, once for each type."""
    medicines = Search("m", "MedicationRequest", "MedicationRequest?patient={{context.patientId}}", include=WITH_DRUG)
    others = Search("o", "Condition", "Condition?patient={{context.patientId}}")

    def refuse(asked):
        asked.say(ERROR, 400) if "_include" in asked.path else asked.say(bundle())

    with Stub(refuse) as refusing, Stub(saying(bundle())) as willing:
        allowed = AllowedServers.of([], open_bases=[refusing.base, willing.base])
        client = FhirClient(FetchLimits(seconds=10))
        try:
            for _ in range(2):
                for stub in (refusing, willing):
                    fetched = client.within_budget(allowed)(FhirAccess(stub.base, ""), [medicines, others], "p")
                    assert all(item.raw is not None for item in fetched.values())
        finally:
            client.close()
    plain, along = "MedicationRequest?patient=p", f"MedicationRequest?patient=p&_include={WITH_DRUG}"
    assert [asked for asked in refusing.asked() if asked.startswith("Medication")] == [along, plain, plain]
    assert [asked for asked in willing.asked() if asked.startswith("Medication")] == [along, along]


@pytest.mark.parametrize("status", [401, 500])
def test_Z55_a_server_that_fails_otherwise_is_not_asked_twice(status):
    medicines = Search("m", "MedicationRequest", "MedicationRequest?patient={{context.patientId}}", include=WITH_DRUG)
    with Stub(saying(ERROR, status)) as stub:
        allowed = AllowedServers.of([], open_bases=[stub.base])
        client = FhirClient(FetchLimits(seconds=10))
        try:
            fetched = client.within_budget(allowed)(FhirAccess(stub.base, ""), [medicines], "p")
        finally:
            client.close()
    assert fetched["m"].raw is None
    assert all("_include" in asked for asked in stub.asked())
