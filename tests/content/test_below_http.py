"""What is judged without HTTP: the same answers from a record that was decoded before, and what was found as data."""

import json
import pickle
from datetime import UTC
from zoneinfo import ZoneInfo

import pytest

from cds_service.chart.record import Chart
from cds_service.chart.sent_entries import ChartEntry, decoded_medication, is_other_patient, read_results
from cds_service.content.prepared import Prepared
from cds_service.judge.evaluate import evaluate, judge_request
from cds_service.judge.findings import findings_of
from cds_service.protocol.envelope import decode_request
from cds_service.protocol.faults import Fault
from cds_service.vocabulary.json_text import encode
from tests.support.answers import KEY
from tests.support.scenarios import request_of, scenarios
from tests.support.shipped import shipped_pack

PACK = shipped_pack()
PREPARED = Prepared.of(PACK, zone=ZoneInfo("Europe/Berlin"), key=KEY)
SERVICES = {service.hook: service for service in PACK.services.values()}
SCENARIOS = [scenario for scenario in scenarios() if not scenario.prefetch and "all" not in scenario.without]
UNREADABLE = {"resourceType": "Condition", "id": "odd", "subject": {"reference": "Patient/{}"}, "clinicalStatus": 5}


def body_and_record(request):
    """The JSON of a call, and its prefetch as entries by key."""
    record = {}
    for key, sent in request["prefetch"].items():
        if sent is None:
            record[key] = []
        elif sent["resourceType"] == "Bundle":
            record[key] = [entry["resource"] for entry in sent.get("entry", ())]
        else:
            record[key] = [sent]
    return encode(request), record


def answer_to(call):
    """The body of an answer, or the words of the refusal."""
    try:
        return call().body
    except Fault as fault:
        return fault.outcome()


@pytest.mark.parametrize("scenario", SCENARIOS[::9], ids=lambda scenario: scenario.name)
@pytest.mark.parametrize("odd", [False, True], ids=["as it is", "with an entry that cannot be read"])
def test_a_record_that_was_decoded_before_gives_the_same_answer_as_a_bundle(scenario, odd):
    request = request_of(PREPARED, scenario)
    if odd and "conditions" in request["prefetch"]:
        unreadable = json.loads(json.dumps(UNREADABLE).replace("{}", scenario.patient))
        request["prefetch"]["conditions"].setdefault("entry", []).insert(0, {"resource": unreadable})
    body, record = body_and_record(request)
    service = SERVICES[scenario.hook]
    searches = PACK.searches
    entries = {
        key: [ChartEntry.read(encode(resource), searches[key].resource) for resource in resources]
        for key, resources in record.items()
    }
    without = encode({**request, "prefetch": {}})
    decoded_request = decode_request(without, service.hook, PACK.relevant)
    chart = Chart.of(scenario.patient, entries, scenario.now, PREPARED.zone)
    expected = answer_to(lambda: evaluate(PREPARED, service, body, scenario.now))
    assert answer_to(lambda: judge_request(PREPARED, service, decoded_request, chart)) == expected


def test_a_medication_beside_a_decoded_record_is_what_its_orders_refer_to():
    search = PACK.searches["medicationRequests"]
    order = {
        "resourceType": "MedicationRequest",
        "id": "o",
        "status": "active",
        "intent": "order",
        "subject": {"reference": "Patient/p"},
        "medicationReference": {"reference": "Medication/m"},
        "authoredOn": "2026-11-01",
    }
    medication = {"resourceType": "Medication", "id": "m", "code": {"text": "Hydroxocobalamin"}}
    entries = {search.key: [ChartEntry.read(encode(order), search.resource)]}
    beside = [decoded_medication(encode(medication))]
    now = SCENARIOS[0].now
    with_it = Chart.of("p", entries, now, UTC, beside).results(search)
    bundle = {"resourceType": "Bundle", "entry": [{"resource": order}, {"resource": medication}]}
    from_bundle = Chart("p", {search.key: encode(bundle)}, now, UTC).results(search)
    assert with_it == from_bundle
    assert with_it.medications


def test_what_was_found_says_the_rule_its_version_and_the_states_of_what_it_rests_on():
    scenario = next(scenario for scenario in SCENARIOS if scenario.name == "platelets-and-im/sample")
    service = SERVICES[scenario.hook]
    answer = evaluate(PREPARED, service, encode(request_of(PREPARED, scenario)), scenario.now)
    found = {found.topic: found for found in findings_of(PACK, answer)}
    critical = found["imPlateletsTransfusionFirst"]
    assert (critical.decision, critical.rule, critical.status) == ("imPlatelets", "TransfusionFirst", "active")
    assert critical.version == PACK.decisions["imPlatelets"].version
    assert critical.indicator == "critical"
    assert critical.shown
    assert str(critical.states["platelets"]) == "value"
    topics = [card["source"]["topic"]["code"] for card in answer.body["cards"]]
    assert {topic for topic, one in found.items() if one.shown} == set(topics)


def test_prepared_content_is_the_same_after_a_pickle():
    again = pickle.loads(pickle.dumps(PREPARED))  # noqa: S301  (ours)
    scenario = SCENARIOS[0]
    body = encode(request_of(PREPARED, scenario))
    service = SERVICES[scenario.hook]
    first = evaluate(PREPARED, service, body, scenario.now).body
    assert evaluate(again, again.pack.services[service.id], body, scenario.now).body == first


@pytest.mark.parametrize("bundled", [False, True], ids=["alone", "in a Bundle"])
@pytest.mark.parametrize("other", [False, True], ids=["of the context", "another"])
def test_a_patient_is_read_alone_as_in_a_bundle(bundled, other):
    request = request_of(PREPARED, next(item for item in SCENARIOS if item.hook == "order-select"))
    patient = request["prefetch"]["patient"] | ({"id": "another"} if other else {})
    bundle = {"resourceType": "Bundle", "total": 1, "entry": [{"resource": patient}]}
    search = PACK.searches["patient"]
    read = read_results(encode(bundle if bundled else patient), search, request["context"]["patientId"])
    assert [resource.birthDate for resource in read.resources] == ([] if other else [patient["birthDate"]])
    assert is_other_patient(read, search) is other


def test_a_call_shows_nothing_of_a_patient_and_no_token_by_its_repr():
    request = request_of(PREPARED, SCENARIOS[0])
    request |= {"fhirServer": "https://fhir.example.org", "fhirAuthorization": {"access_token": "lent-token"}}
    call = decode_request(encode(request), request["hook"], PACK.relevant)
    assert call.access_token
    assert repr(call) == f"HookRequest({request['hook']!r})"
