"""What is written about calls: one line each, of use to who is on call, and nothing of a patient."""

import json
import os
import resource
import subprocess
import sys
import threading

import pytest
import requests

from cds_service.service.app import create_app
from cds_service.service.line_writer import LineWriter
from cds_service.settings import Settings
from tests.support.keys import KEY
from tests.support.ports import free_port
from tests.support.servers import Service, children, status_of, wait_until_answers
from tests.support.waiting import eventually, lines_of

ORDER_SELECT = "/cds-services/vitamin-b12-order-select"
PATIENT, DRAFT = "kwame-mensah", "hydroxocobalamin-im-three-weekly"


@pytest.fixture
def lines():
    return []


@pytest.fixture
def service(lines):
    return create_app(Settings(loopback=True, key=KEY), lines.append).test_client()


def test_a_hook_is_one_line_with_what_was_shown_and_by_which_content(service, lines, request_for, pack):
    answer = service.post(ORDER_SELECT, json=request_for(PATIENT, DRAFT))
    (line,) = lines
    assert line == {
        "request_id": answer.headers["X-Request-ID"],
        "service": "vitamin-b12-order-select",
        "asked": "hook",
        "client": "",
        "status": 200,
        "seconds": line["seconds"],
        "pack": pack.id,
        "content": pack.version,
        "cards": [card["source"]["topic"]["code"] for card in answer.json["cards"]],
    }
    assert line["cards"]
    assert 0 < line["seconds"] < 10


def test_silence_is_written_too(service, lines, request_for):
    service.post(ORDER_SELECT, json=request_for(PATIENT, "atorvastatin"))
    assert [line["cards"] for line in lines] == [[]]


def test_feedback_and_refusals_are_lines_and_what_is_no_service_is_none(service, lines):
    entry = {"card": "x", "outcome": "overridden", "outcomeTimestamp": "2026-11-23T10:00:00Z"}
    service.post(f"{ORDER_SELECT}/feedback", json={"feedback": [entry]})
    service.post(ORDER_SELECT, json={})
    service.post("/cds-services/marker-that-must-not-be-repeated", json={})
    service.get("/healthz")
    assert [(line["asked"], line["status"], line.get("feedback")) for line in lines] == [
        ("feedback", 200, 1),
        ("hook", 400, None),
    ]


@pytest.mark.parametrize("given", ["a1-b2_c3.d4:e5", "x" * 64])
def test_the_id_that_a_proxy_gave_is_kept(service, given):
    assert service.get("/cds-services", headers={"X-Request-ID": given}).headers["X-Request-ID"] == given


@pytest.mark.parametrize("given", ["", "x" * 65, "Ann Miller", 'a"b', "ä"])
def test_any_other_id_is_replaced(service, given):
    headers = {"X-Request-ID": given.encode("utf-8").decode("latin-1")}
    first, second = (service.get("/cds-services", headers=headers).headers["X-Request-ID"] for _ in range(2))
    assert len(first) == len(second) == 32
    assert first != second


def test_SEC_21_the_audit_says_who_called_when_and_what_went_out(tmp_path, request_for):
    path = tmp_path / "audit.jsonl"
    audited = create_app(Settings(loopback=True, key=KEY, audit=path)).test_client()
    kwame, amara = request_for(PATIENT, DRAFT), request_for("amara-okafor", "hydroxocobalamin-100-im")
    answer = audited.post(ORDER_SELECT, json=kwame)
    for body in (kwame, amara, {}):
        audited.post(ORDER_SELECT, json=body, headers={"Authorization": "Bearer marker-of-a-token"})
    first, again, other, refused = map(json.loads, lines_of(path, 4))
    assert first["cards"] == [card["source"]["topic"]["code"] for card in answer.json["cards"]]
    assert first["timestamp"].endswith("Z")
    assert first["patient"] == again["patient"] != other["patient"]
    assert first["user"] == again["user"] == other["user"]
    assert (refused["status"], "patient" in refused) == (400, False)
    for value in (PATIENT, "amara-okafor", kwame["context"]["userId"], "marker-of-a-token"):
        assert value not in path.read_text()


def test_hashes_of_the_audit_are_of_no_use_without_the_key(tmp_path, request_for):
    said = []
    for key in (KEY, KEY[::-1], KEY):
        path = tmp_path / f"{len(said)}.jsonl"
        audited = create_app(Settings(loopback=True, key=key, audit=path)).test_client()
        audited.post(ORDER_SELECT, json=request_for(PATIENT, DRAFT))
        said += [json.loads(line)["patient"] for line in lines_of(path, 1)]
    assert said[0] == said[2] != said[1]


def test_the_file_of_the_audit_may_be_moved_away(tmp_path, request_for):
    path = tmp_path / "audit.jsonl"
    audited = create_app(Settings(loopback=True, key=KEY, audit=path)).test_client()
    audited.post(ORDER_SELECT, json={})
    assert len(lines_of(path, 1)) == 1
    moved = path.rename(tmp_path / "audit.jsonl.1")
    audited.post(ORDER_SELECT, json={})
    assert [len(lines_of(file, 1)) for file in (path, moved)] == [1, 1]


def test_a_call_is_answered_though_its_line_of_the_audit_cannot_be_written(tmp_path, request_for):
    path = tmp_path / "folder" / "audit.jsonl"
    path.parent.mkdir()
    audited = create_app(Settings(loopback=True, key=KEY, audit=path)).test_client()
    path.unlink()
    path.parent.rmdir()
    assert audited.post(ORDER_SELECT, json=request_for(PATIENT, DRAFT)).status_code == 200
    eventually(lambda: "\ncds_service_audit_failures_total 1.0\n" in audited.get("/metrics").text)


def test_a_line_of_the_audit_of_which_the_disk_took_half_is_counted_and_the_next_one_is_whole(tmp_path):
    """A limit for the files of the process stands for a full disk: it takes what there is room for."""
    path = tmp_path / "audit.jsonl"
    with Service(f"sqlite:///{tmp_path}/store.sqlite3", tmp_path / "log", CDS_SERVICE_AUDIT=str(path)) as service:
        everyone = children(service.process.pid)
        for process in everyone:
            resource.prlimit(process, resource.RLIMIT_FSIZE, (100, resource.RLIM_INFINITY))
        status_of(f"{service.base}{ORDER_SELECT}", b"{}")
        eventually(lambda: b"\ncds_service_audit_failures_total 1.0\n" in status_of(f"{service.base}/metrics")[1])
        for process in everyone:
            resource.prlimit(process, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        status_of(f"{service.base}{ORDER_SELECT}", b"{}")
        half, whole = lines_of(path, 2)
    assert len(half) == 100
    assert json.loads(whole)["status"] == 400


def test_a_reader_of_the_log_that_hangs_delays_nobody(tmp_path):
    """Far more is said than the pipe to it holds, and all of it is there when it reads on."""
    calls = 1000
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "cds_service", "serve", "--port", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=os.environ | {"CDS_SERVICE_LOG_FORMAT": "json", "CDS_SERVICE_STORE": f"sqlite:///{tmp_path}/store.sqlite3"},
    )
    try:
        wait_until_answers(f"http://127.0.0.1:{port}/healthz", process)
        with requests.Session() as session:
            for _ in range(calls):
                assert session.post(f"http://127.0.0.1:{port}{ORDER_SELECT}", json={}, timeout=10).status_code == 400
            assert session.get(f"http://127.0.0.1:{port}/healthz", timeout=10).status_code == 200
        lines = [json.loads(process.stderr.readline()) for _ in range(calls)]
    finally:
        process.terminate()
        process.communicate(timeout=20)
    assert all(line["event"] == "call" for line in lines)


@pytest.mark.parametrize("form", ["json", "text"])
def test_of_an_exception_that_is_logged_anywhere_the_kind_is_written_and_not_the_words(form):
    code = (
        "import logging, sys\n"
        "from cds_service.service.logs import start_log; from cds_service.settings import Settings\n"
        "start_log(Settings(loopback=True, log_format=sys.argv[1]), lambda: None)\n"
        "logging.getLogger('another').error('it failed', exc_info=ValueError('marker of a patient'))"
    )
    done = subprocess.run([sys.executable, "-c", code, form], capture_output=True, text=True, timeout=60, check=True)
    assert done.stderr.count("\n") == 1
    assert "it failed" in done.stderr and "ValueError" in done.stderr
    assert "marker" not in done.stderr


def test_lines_that_nobody_takes_are_counted_and_the_others_written_in_their_order():
    taking, written, lost = threading.Event(), [], []

    def write(line):
        taking.wait()
        written.append(line)

    lines = LineWriter(write, lambda: lost.append(1), most_waiting=5)
    for number in range(20):
        lines.put(b"%d" % number)
    taking.set()
    lines.close()
    assert written == [b"%d" % number for number in range(len(written))]
    assert len(written) in (5, 6)
    assert len(written) + len(lost) == 20


def test_a_line_that_cannot_be_written_is_counted():
    lost = []

    def write(line):
        raise OSError

    lines = LineWriter(write, lambda: lost.append(1))
    lines.put(b"")
    lines.close()
    assert lost == [1]


@pytest.mark.parametrize("form", ["json", "text"])
def test_a_real_server_writes_its_calls_and_warnings_in_one_form(tmp_path, request_for, form):
    url = f"http://127.0.0.1:{free_port()}"
    log = tmp_path / "log"
    with log.open("wb") as written:
        process = subprocess.Popen(
            [sys.executable, "-m", "cds_service", "serve", "--port", url.rpartition(":")[2]],
            stdout=subprocess.DEVNULL,
            stderr=written,
            env=os.environ | {"CDS_SERVICE_LOG_FORMAT": form, "CDS_SERVICE_FHIR_SERVERS": "https://fhir.example/r4"},
        )
    try:
        wait_until_answers(f"{url}/readyz", process)
        body = request_for(PATIENT, DRAFT, without=["platelets"]) | {
            "fhirServer": "https://elsewhere.example/fhir",
            "fhirAuthorization": {"access_token": "marker-of-a-token", "token_type": "Bearer"},
        }
        requests.post(f"{url}{ORDER_SELECT}", json=body, headers={"X-Request-ID": "call-7"}, timeout=10)
    finally:
        process.terminate()
        process.wait(20)
    text = log.read_text()
    assert "elsewhere.example" in text  # the warning that it was not called
    assert PATIENT not in text and "marker" not in text
    lines = [line for line in text.splitlines() if "call-7" in line]
    assert len(lines) == 2
    if form == "json":
        warning, call = map(json.loads, lines)
        assert (warning["level"], warning["logger"]) == ("warning", "cds_service.fhir")
        assert (call["event"], call["status"], call["service"]) == ("call", 412, "vitamin-b12-order-select")
        assert all(json.loads(line) for line in text.splitlines())
