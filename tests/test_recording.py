"""Recording: what is kept, what is not, and that what is de-identified is decided as before."""

from __future__ import annotations

import json
import re
import stat
from datetime import datetime, timedelta

import msgspec
import pytest
from click.testing import CliRunner

from cds_service.app import create_app
from cds_service.cli import main
from cds_service.evaluate import evaluate
from cds_service.packaged import packaged
from cds_service.protocol.faults import Fault
from cds_service.recording.deidentify import Deidentifier, outcome
from cds_service.replay.run import templates_of
from cds_service.replay.scenarios import read_scenarios
from cds_service.settings import Settings

ENCODER = msgspec.json.Encoder(decimal_format="number")
SCENARIOS = list(read_scenarios(packaged("fixtures")))
SELECT = "/cds-services/vitamin-b12-order-select"
# Their point is one day of the calendar, or one year alone: no shift of whole weeks keeps that.
ON_THE_DAY = {
    "children-and-age/yearOfBirthOnly",
    "children-and-age/eighteenToday",
    "how-far-back/notComputedBelowEighteen",
}


def decided(evaluator, service, body, now):
    try:
        answer = evaluate(evaluator, service, ENCODER.encode(body), now)
    except Fault as fault:
        return f"{fault.status} {fault.path} {fault.text}"
    return outcome(json.loads(ENCODER.encode(answer.body))["cards"])


@pytest.mark.parametrize("key", [b"one key", b"another key"])
def test_what_is_deidentified_is_decided_as_before(evaluator, key):
    by = Deidentifier(evaluator.pack, key)
    services = {service.hook: service for service in evaluator.pack.services.values()}
    otherwise = set()
    for scenario in SCENARIOS:
        service = services[scenario.hook]
        templates = templates_of(evaluator.pack, service)
        body = json.loads(ENCODER.encode(scenario.request(templates)))
        now = scenario.now + timedelta(days=by.days(body))
        if decided(evaluator, service, by.request(body, templates), now) != decided(
            evaluator, service, body, scenario.now
        ):
            otherwise.add(scenario.name)
    assert otherwise <= ON_THE_DAY


PLANTED = "Planted-Zyxwvut"


def planted(tree, name=""):
    """The tree with a mark in every string that is not a code, a date, a reference, a unit or a type."""
    if isinstance(tree, dict):
        marked = {key: planted(value, key) for key, value in tree.items()}
        if "resourceType" in tree and tree["resourceType"] != "Bundle":
            marked |= {
                "name": [{"family": PLANTED, "given": [PLANTED]}],
                "identifier": [{"system": "urn:mrn", "value": PLANTED}],
                "address": [{"line": [PLANTED]}],
                "telecom": [{"value": PLANTED}],
                "note": [{"text": PLANTED}],
                "text": {"status": "generated", "div": f"<div>{PLANTED}</div>"},
                "extension": [{"url": "urn:x", "valueString": PLANTED}],
                "performer": [{"display": PLANTED}],
                "requester": {"reference": f"Practitioner/{PLANTED}", "display": PLANTED},
            }
        return marked
    if isinstance(tree, list):
        return [planted(one, name) for one in tree]
    if isinstance(tree, str) and name in ("text", "display", "id", "reference", "patientId", "userId", "fullUrl"):
        return f"{tree}-{PLANTED}" if name not in ("text", "display") else f"{tree} {PLANTED}"
    return tree


@pytest.mark.parametrize("key", [b"one key"])
def test_nothing_that_names_a_patient_is_left(evaluator, key):
    by = Deidentifier(evaluator.pack, key)
    services = {service.hook: service for service in evaluator.pack.services.values()}
    for scenario in SCENARIOS:
        service = services[scenario.hook]
        templates = templates_of(evaluator.pack, service)
        body = planted(json.loads(ENCODER.encode(scenario.request(templates))))
        body["fhirServer"] = f"https://{PLANTED}.example/fhir"
        body["fhirAuthorization"] = {"access_token": PLANTED, "subject": PLANTED}
        body["extension"] = {"x": PLANTED}
        body["prefetch"]["-user"] = {"resourceType": "Practitioner", "name": [{"family": PLANTED}]}
        kept = json.dumps(by.request(body, templates))
        assert PLANTED.casefold() not in kept.casefold()
        for part in PLANTED.split("-"):
            assert part.casefold() not in kept.casefold()
        assert scenario.patient not in kept
        born = next(
            (r["birthDate"] for r in scenario.resources if r["resourceType"] == "Patient" and "birthDate" in r), ""
        )
        assert len(born) < 10 or born not in kept


def test_one_patient_is_the_same_everywhere_and_another_key_makes_another(evaluator):
    first, later = (s for s in SCENARIOS if s.name in ("platelets-and-im/belowTwentyFive", "platelets-and-im/zero"))
    service = next(s for s in evaluator.pack.services.values() if s.hook == "order-select")
    templates = templates_of(evaluator.pack, service)
    by, other = Deidentifier(evaluator.pack, b"key"), Deidentifier(evaluator.pack, b"other")
    one, two = (by.request(s.request(templates), templates) for s in (first, later))
    assert one["context"]["patientId"] == two["context"]["patientId"] == one["prefetch"]["patient"]["id"]
    assert by.days(first.request(templates)) == by.days(later.request(templates)) < 0
    assert by.days(first.request(templates)) % 7 == 0
    assert other.request(first.request(templates), templates)["context"]["patientId"] != one["context"]["patientId"]
    subjects = set(re.findall(r'"Patient/([^"]+)"', json.dumps(one)))
    assert subjects == {one["context"]["patientId"]}


@pytest.fixture
def recording(tmp_path):
    """A service that records, and what it has kept so far."""

    def build(**settings):
        folder = tmp_path / "recordings"
        app = create_app(Settings(key="tests", loopback=True, record=folder, **settings))

        def kept():
            app.extensions["recorder"].settle()
            return sorted(folder.glob("*/*.json"))

        return app.test_client(), kept

    return build


def test_a_recording_is_replayed_with_the_same_cards(recording, request_for):
    client, kept = recording()
    body = request_for("kwame-mensah", "hydroxocobalamin-im-three-weekly") | {
        "fhirAuthorization": {"access_token": "secret-token"},
        "fhirServer": "https://ehr.example.org/fhir",
    }
    cards = client.post(SELECT, json=body).json["cards"]
    (file,) = kept()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert "secret-token" not in file.read_text()
    told = CliRunner().invoke(main, ["replay", str(file), "--format", "json"])
    assert [card["summary"] for card in json.loads(told.stdout)[0]["cards"]] == [card["summary"] for card in cards]


def test_a_refused_request_is_recorded_and_what_is_no_request_is_not(recording, request_for):
    client, kept = recording()
    body = request_for("kwame-mensah", "hydroxocobalamin-im-three-weekly")
    body["context"].pop("selections")
    assert client.post(SELECT, json=body).status_code == 400
    assert client.post(SELECT, data=b"{", content_type="application/json").status_code == 400
    assert client.post(f"{SELECT}/feedback", json={"feedback": []}).status_code == 200
    assert len(kept()) == 1
    text = client.get("/metrics").text
    assert 'cds_service_recordings_total{outcome="kept"} 1.0' in text
    assert 'cds_service_recordings_total{outcome="failed"} 1.0' in text


def test_a_deidentified_recording_is_decided_alike_when_replayed(recording, request_for):
    client, kept = recording(record_deidentified=True)
    body = request_for("kwame-mensah", "hydroxocobalamin-im-three-weekly")
    (card,) = client.post(SELECT, json=body).json["cards"]
    (file,) = kept()
    text = file.read_text()
    assert "kwame" not in text and "Mensah" not in text
    assert datetime.fromisoformat(json.loads(text)["now"]).date().isoformat() not in json.dumps(body)
    told = CliRunner().invoke(main, ["replay", str(file), "--format", "json"])
    (replayed,) = json.loads(told.stdout)[0]["cards"]
    assert replayed["source"]["topic"]["code"] == card["source"]["topic"]["code"]


def test_no_more_are_kept_than_is_set(recording, request_for):
    client, kept = recording(record_most=2)
    body = request_for("kwame-mensah", "hydroxocobalamin-im-three-weekly")
    for _ in range(4):
        assert client.post(SELECT, json=body).status_code == 200
    assert len(kept()) == 2
    assert 'cds_service_recordings_total{outcome="full"} 2.0' in client.get("/metrics").text


def test_a_folder_that_cannot_be_written_fails_no_call(recording, request_for, caplog):
    client, kept = recording()
    body = request_for("kwame-mensah", "hydroxocobalamin-im-three-weekly")
    assert client.post(SELECT, json=body).status_code == 200
    (file,) = kept()
    place = file.parent
    file.unlink()
    place.rmdir()
    place.write_text("a file where a folder should be")
    for _ in range(3):
        assert client.post(SELECT, json=body).status_code == 200
    kept()
    assert [r.message for r in caplog.records if "recorded" in r.message] == [
        "requests cannot be recorded: FileExistsError"
    ]
    assert 'cds_service_recordings_total{outcome="failed"} 3.0' in client.get("/metrics").text


def test_deidentify_without_record_is_wrong_use():
    told = CliRunner().invoke(main, ["serve", "--deidentify"])
    assert told.exit_code == 2
    assert "--record" in told.stderr
