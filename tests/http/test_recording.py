"""Recording: what is kept, what is not, and that what is de-identified is decided as before."""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
import sys
from datetime import datetime, timedelta
from urllib.request import Request, urlopen

import pytest
from click.testing import CliRunner

from cds_service.cli import main
from cds_service.content.needs import templates_of
from cds_service.protocol.profiles import COMMON
from cds_service.recording.deidentify import Deidentifier, comparable_decisions
from cds_service.recording.exchange import Exchange
from cds_service.recording.recorder import Recorder
from cds_service.service.app import create_app
from cds_service.settings import Settings
from cds_service.vocabulary.json_text import encode
from tests.support.keys import KEY
from tests.support.ports import free_port
from tests.support.sample import sampled
from tests.support.scenarios import by_name, fire
from tests.support.servers import wait_until_answers

SELECT = "/cds-services/vitamin-b12-order-select"
# Their point is one day of the calendar, one year or one month alone, or the last day of so many calendar months: no
# shift of whole weeks keeps that.
ON_THE_DAY = {
    "children-and-age/yearOfBirthOnly",
    "children-and-age/eighteenToday",
    "how-far-back/notComputedBelowEighteen",
    "course-of-treatment/plateletsLowAndDueInTwoWeeks",
    "history-edges/startedInAMonth",
    "maintenance-edges/tabletsSinceAMonthAYearAgo",
    "patient-view/overdueTheDayAfter",
}


def decided(fired):
    """What an answer comes to: the outcome of its cards, or the words of an error."""
    return comparable_decisions(fired.cards) if fired.status == 200 else (fired.status, fired.body)


def test_what_is_deidentified_is_decided_as_before(prepared, scenarios, answers):
    by = Deidentifier(prepared.pack, b"one key")
    otherwise = set()
    for scenario in sampled(scenarios, 6):
        before = answers[scenario.name]
        body = json.loads(encode(before.request))
        templates = templates_of(prepared.pack, prepared.pack.service_for(scenario.hook))
        now = scenario.now + timedelta(days=by.days(body))
        after = fire(prepared, by.request(body, templates), now)
        if decided(after) != decided(before):
            otherwise.add(scenario.name)
    assert otherwise <= ON_THE_DAY


def test_every_scenario_is_recorded_and_decided_as_before(prepared, scenarios, answers, tmp_path):
    """Whole recordings, each with a time of its own and as coarse as the recorder could make it, read from their files.

    Refused ones are none. By how much dates are moved is chance, so now and then one whose decision hangs on a single
    day is dropped; which one that is, is chance as well. ``make test`` takes one in four.
    """
    outcomes = []
    recorder = Recorder(
        tmp_path, lambda service: prepared, outcomes.append, most=10_000, most_bytes=10**9, deidentified=True
    )
    otherwise, dropped = set(), set()
    for scenario in sampled(scenarios, 8):
        before, service = answers[scenario.name], prepared.pack.service_for(scenario.hook)
        recorder.keep(Exchange(service, encode(before.request), scenario.now, COMMON))
        recorder.settle()
        outcome = outcomes.pop()
        assert (outcome == "refused") == (before.status != 200), scenario.name
        files = list(tmp_path.glob("*/*.json"))
        if outcome == "changed":
            dropped.add(scenario.name)
        for file in files:
            held = json.loads(file.read_text())
            again = fire(prepared, held["request"], datetime.fromisoformat(held["now"]))
            if decided(again) != decided(fire(prepared, before.request, scenario.now)):
                otherwise.add(scenario.name)
            file.unlink()
        assert len(files) == (outcome == "kept")
    assert not otherwise
    assert len(dropped) < len(scenarios) / 100, dropped


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


def test_nothing_that_names_a_patient_is_left(prepared, scenarios, answers):
    by = Deidentifier(prepared.pack, b"one key")
    for scenario in scenarios[::5]:
        templates = templates_of(prepared.pack, prepared.pack.service_for(scenario.hook))
        body = planted(json.loads(encode(answers[scenario.name].request)))
        body["fhirServer"] = f"https://{PLANTED}.example/fhir"
        body["fhirAuthorization"] = {"access_token": PLANTED, "subject": PLANTED}
        body["extension"] = {"x": PLANTED}
        body["prefetch"]["-user"] = {"resourceType": "Practitioner", "name": [{"family": PLANTED}]}
        kept = encode(by.request(body, templates)).decode()
        assert PLANTED.casefold() not in kept.casefold()
        for part in PLANTED.split("-"):
            assert part.casefold() not in kept.casefold()
        assert scenario.patient not in kept
        born = next(
            (r["birthDate"] for r in scenario.resources if r["resourceType"] == "Patient" and "birthDate" in r), ""
        )
        assert len(born) < 10 or born not in kept


@pytest.mark.parametrize("date", ["2026-11-20TZyxwvut", "2026-11-20T08:00 Zyxwvut", "2026-11-20T08:00:00Z, Zyxwvut"])
def test_words_behind_a_date_are_not_kept(prepared, request_for, date):
    body = request_for("kwame-mensah", "hydroxocobalamin-im-three-weekly")
    body["context"]["draftOrders"]["entry"][0]["resource"]["authoredOn"] = date
    kept = json.dumps(Deidentifier(prepared.pack, b"key").request(body, {}))
    assert "Zyxwvut" not in kept


@pytest.mark.parametrize(
    ("unit", "kept"),
    [
        ("x10^3/uL", "10*3/uL"),
        ("{cells of Zyxwvut}/uL", "/uL"),
        ("10*9{Zyxwvut}/L", "10*9/L"),
        ("{Zyxwvut}", "other 1"),
        ("Zyxwvut/uL", "other 1"),
        ("mL/min/{1.73_m2}", "mL/min/{1.73_m2}"),
    ],
)
def test_words_in_a_unit_are_not_kept(prepared, request_for, unit, kept):
    body = request_for("kwame-mensah", "hydroxocobalamin-im-three-weekly")
    count = body["prefetch"]["platelets"]["entry"][0]["resource"]
    count["valueQuantity"] = {"value": 22, "unit": unit, "code": unit}
    made = Deidentifier(prepared.pack, b"key").request(body, {"platelets": ""})
    quantity = made["prefetch"]["platelets"]["entry"][0]["resource"]["valueQuantity"]
    assert (quantity["unit"], quantity["code"]) == (kept, kept)


def test_one_patient_is_the_same_everywhere_and_another_key_makes_another(prepared):
    first, later = by_name("platelets-and-im/sample"), by_name("platelets-and-im/zero")
    service = prepared.pack.service_for("order-select")
    templates = templates_of(prepared.pack, service)
    by, other = Deidentifier(prepared.pack, b"key"), Deidentifier(prepared.pack, b"other")
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
        app = create_app(Settings(key=KEY, loopback=True, record=folder, **settings))

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


def test_as_it_came_a_request_keeps_both_of_two_members_of_one_name(recording, request_for):
    """A result that says two things is read as neither (Z45)."""
    client, kept = recording()
    body = json.dumps(request_for("kwame-mensah", "hydroxocobalamin-im-three-weekly"))
    twice = re.sub(r'"value": 22\b', '"value": 150, "value": 22', body, count=1)
    assert client.post(SELECT, data=twice, content_type="application/json").status_code == 200
    (file,) = kept()
    assert file.read_text().count('"value"') == twice.count('"value"') == body.count('"value"') + 1


def test_a_refused_request_is_recorded_as_it_came_and_what_is_no_request_is_not(recording, request_for):
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


def test_no_more_bytes_are_kept_than_are_set(recording, request_for):
    """What a run before this one has left counts too."""
    client, kept = recording()
    body = request_for("kwame-mensah", "hydroxocobalamin-im-three-weekly")
    assert client.post(SELECT, json=body).status_code == 200
    (file,) = kept()
    client, kept = recording(record_most_bytes=file.stat().st_size * 7 // 2)
    for _ in range(4):
        assert client.post(SELECT, json=body).status_code == 200
    assert len(kept()) == 3
    assert 'cds_service_recordings_total{outcome="full"} 2.0' in client.get("/metrics").text


def test_a_recording_that_breaks_off_leaves_nothing_behind(recording, request_for, monkeypatch):
    """A full disk, seen at the last step: replay of the folder must not meet half a file."""
    client, kept = recording()
    body = request_for("kwame-mensah", "hydroxocobalamin-im-three-weekly")
    assert client.post(SELECT, json=body).status_code == 200
    (file,) = kept()

    def full(*_, **__):
        raise OSError("no space left on device")

    monkeypatch.setattr(os, "utime", full)
    assert client.post(SELECT, json=body).status_code == 200
    assert kept() == [file]
    assert list(file.parent.iterdir()) == [file]


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


@pytest.fixture
def serve(tmp_path):
    """Starts the service as a process with arguments of ``serve`` and what it finds in its environment."""
    started = []

    def start(*arguments, **environment):
        port = free_port()
        clean = {name: value for name, value in os.environ.items() if not name.startswith("CDS_SERVICE_")}
        said = (tmp_path / "stderr").open("w+")
        process = subprocess.Popen(
            [sys.executable, "-m", "cds_service", "serve", "--port", str(port), *map(str, arguments)],
            stdout=subprocess.DEVNULL,
            stderr=said,
            env=clean | {"CDS_SERVICE_STORE": f"sqlite:///{tmp_path / 'store.sqlite3'}"} | environment,
        )
        started.append((process, said))
        url = f"http://127.0.0.1:{port}"
        wait_until_answers(f"{url}/readyz", process)
        return url, process, tmp_path / "stderr"

    yield start
    for process, said in started:
        process.terminate()
        process.wait(20)
        said.close()


def post(url, body):
    call = Request(url, data=json.dumps(body).encode(), headers={"Content-Type": "application/json"})  # noqa: S310
    with urlopen(call, timeout=10) as answer:  # noqa: S310
        return json.load(answer)


def test_what_is_held_is_written_when_a_served_process_ends(serve, tmp_path, request_for):
    """The environment's wish to de-identify holds although ``--deidentify`` is not said again."""
    folder = tmp_path / "recordings"
    url, process, stderr = serve("--record", folder, "--workers", 2, CDS_SERVICE_RECORD_DEIDENTIFIED="true")
    body = request_for("kwame-mensah", "hydroxocobalamin-im-three-weekly")
    for _ in range(4):
        post(f"{url}{SELECT}", body)
    assert not list(folder.glob("*/*"))
    process.terminate()
    assert process.wait(20) == 0
    files = list(folder.glob("*/*.json"))
    assert len(files) == 4
    held = [json.loads(file.read_text()) for file in files]
    assert "kwame" not in json.dumps(held)
    assert len({one["request"]["context"]["patientId"] for one in held}) <= 2, "one for each worker"
    assert f"requests are recorded in {folder}, without ids, names and true dates" in stderr.read_text()


def wrong_use(monkeypatch, *arguments, **environment):
    for name, value in environment.items():
        monkeypatch.setenv(name, str(value))
    told = CliRunner().invoke(main, ["serve", *map(str, arguments)])
    assert told.exit_code == 2
    return told.stderr


def test_requests_as_they_came_are_not_recorded_where_others_reach_the_service(tmp_path, monkeypatch):
    elsewhere = ("--host", "0.0.0.0", "--insecure")  # noqa: S104
    assert "--deidentify" in wrong_use(monkeypatch, *elsewhere, "--record", tmp_path)
    assert "--deidentify" in wrong_use(monkeypatch, *elsewhere, CDS_SERVICE_RECORD=tmp_path)


def test_a_folder_that_cannot_be_made_is_told_before_anybody_listens(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    assert "cannot be used" in wrong_use(monkeypatch, "--record", tmp_path / "file" / "recordings")
