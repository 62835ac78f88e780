"""Nothing of a patient gets out: not into logs, audit, metrics, traces, database or errors, on any way through.

A real server answers every scenario and every error path with values planted that cannot be mistaken; then everything
that it wrote is searched for them. Cards are for the clinician: only who the patient is stays out of their words.
"""

from __future__ import annotations

import gzip
import json
import sqlite3
import time
from contextlib import contextmanager
from itertools import cycle
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import requests
from joserfc.jwk import ECKey

from cds_service.content.needs import templates_of
from tests.support.collector import Collector
from tests.support.fhir_stub import Stub, bundle, saying
from tests.support.planting import BORN, DIGITS, PERSON, WORD, finds, planted
from tests.support.sample import EVERY_CASE, sampled
from tests.support.servers import Service
from tests.support.trust_parts import BASE, ISSUER, Maker, b64, public

ORDER_SELECT = "/cds-services/vitamin-b12-order-select"
FEEDBACK = f"{ORDER_SELECT}/feedback"
PATIENT, DRAFT = "kwame-mensah", "hydroxocobalamin-im-three-weekly"
TRACE, BAGGAGE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", {"baggage": f"patient={PERSON}"}


class Watched:
    """A real service, and everything that it writes."""

    def __init__(self, folder: Path, store: str = "", **environment: str) -> None:
        self.folder = folder
        self.log = folder / "log"
        self.collector = Collector()
        self.service = Service(
            store or f"sqlite:///{folder / 'state' / 'store.sqlite3'}",
            self.log,
            CDS_SERVICE_AUDIT=str(folder / "audit.jsonl"),
            **self.collector.environment,
            **environment,
        )
        self.session = requests.Session()
        self.errors: list[tuple[int, str]] = []
        self.cards = 0

    def __enter__(self) -> Watched:
        self.collector.__enter__()
        self.service.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.session.close()
        if self.service.process.poll() is None:
            self.service.stop()
        self.collector.__exit__()

    def send(self, body: Any, path: str = ORDER_SELECT, **more: Any) -> requests.Response:
        """A call; what its errors and headers say is looked at here, and of cards who the patient is."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"} | more.pop("headers", {})
        method = more.pop("method", "POST")
        url = f"{self.service.base}{path}"
        answer = self.session.request(method, url, data=data, headers=headers, timeout=20, **more)
        assert not finds(str(answer.headers)), answer.headers
        if answer.status_code >= 400:
            self.errors.append((answer.status_code, answer.text))
            assert not finds(answer.text), answer.text
        elif path.startswith("/cds-services/") and not path.endswith("/feedback"):
            for card in answer.json()["cards"]:
                self.cards += 1
                assert PERSON not in card["summary"] + card["detail"] + json.dumps(card["source"]), card
                assert BORN not in card["summary"] + card["detail"]
        return answer

    def statuses(self) -> set[int]:
        return {status for status, _ in self.errors}

    def written(self) -> dict[str, bytes]:
        """Everything written, by what it is; the service is ended first, so that nothing is still on its way."""
        metrics = requests.get(f"{self.service.base}/metrics", timeout=10).content
        ready = requests.get(f"{self.service.base}/readyz", timeout=10).content
        self.service.stop()
        files = {str(f.relative_to(self.folder)): f.read_bytes() for f in self.folder.rglob("*") if f.is_file()}
        return files | {"/metrics": metrics, "/readyz": ready, "traces": self.collector.text().encode()}

    def assert_nothing_out(self, *needed: str, but: tuple[str, ...] = ()) -> dict[str, bytes]:
        """Nothing planted anywhere; ``needed`` must have been written at all, ``but`` are files of the test's own."""
        written = {name: data for name, data in self.written().items() if name not in but}
        for name in ("/metrics", "log", "audit.jsonl", "traces", *needed):
            assert written[name], name
        found = {name: finds(data) for name, data in written.items()}
        assert not any(found.values()), {name: places for name, places in found.items() if places}
        return written


@contextmanager
def watched(folder: Path, **environment: str):
    with Watched(folder, **environment) as service:
        yield service


@pytest.fixture
def call(request_for):
    """A planted call for a patient of the fixtures."""

    def build(*, without=(), **more: Any) -> dict[str, Any]:
        kinds = {name: more.pop(name) for name in ("names", "codes") if name in more}
        return planted(request_for(PATIENT, DRAFT, without=without), **kinds) | more

    return build


def entry(**more: Any) -> dict[str, Any]:
    return {
        "card": "9b0f6a3c-8d5e-4f6b-9f0a-1c2d3e4f5a6b",
        "outcome": "overridden",
        "outcomeTimestamp": "2026-11-23T10:00:00Z",
    } | more


# Free words wherever an entry of feedback may have a text that is not a code.
FREE_WORDS = [
    {"overrideReason": {"reason": {"code": "a", "system": "b"}, "userComment": PERSON}},
    {"overrideReasons": {"reason": {"code": "a"}, "userComment": PERSON}},
    {"overrideReason": {"userComment": PERSON}},
    {"overrideReason": {"extension": PERSON}},
    {"overrideReason": {"extension": [PERSON, [PERSON]]}},
    {"overrideReason": {"extension": [{"url": "https://example.org/x", "valueString": PERSON}]}},
    {"overrideReason": {"extension": {"com.epic.cdshooks.feedback.overrideReason.reasonComment": PERSON}}},
    {"overrideReason": {"extension": {"reason": PERSON, "code": {"display": PERSON}}}},
    {"reason": PERSON, "code": PERSON, "display": PERSON, "extension": PERSON, "key": PERSON, "id": PERSON},
    {"extension": {"display": PERSON, "reason": [PERSON]}},
    {"userComment": PERSON, "comment": PERSON, "patient": PERSON, "user": {"display": PERSON}},
    {"overrideReason": {"reason": {"code": "a", "display": "b", "userSelected": PERSON, "extension": PERSON}}},
    {"overrideReason": {"display": PERSON}},
    {"overrideReason": {"reason": {"display": PERSON, "system": "b"}}},
    {"outcome": "accepted", "acceptedSuggestions": [{"id": "x", "display": PERSON, "extension": {"display": PERSON}}]},
]


def test_no_scenario_leaves_anything_of_a_patient_behind(tmp_path, pack, scenarios):
    """Scenarios as they are, with their drugs' names planted, or with their codes planted, in turn.

    ``make test`` takes one in four.
    """
    scenarios = sampled(scenarios, 4)
    services = {service.hook: service for service in pack.services.values()}
    asked = {hook: templates_of(pack, service) for hook, service in services.items()}
    today = scenarios[0].now
    with watched(tmp_path, CDS_SERVICE_LOG_FORMAT="json") as service:
        for scenario, kinds in zip(scenarios, cycle(({}, {"names": True}, {"codes": True}))):
            body = scenario.request(asked[scenario.hook], today)
            answer = service.send(planted(body, **kinds), f"/cds-services/{services[scenario.hook].id}")
            assert answer.status_code in (200, 400, 412, 422)
        assert service.cards > (250 if EVERY_CASE else 60), "they were judged at all"
        assert service.statuses() >= {412, 422}
        written = service.assert_nothing_out("state/store.sqlite3")
    calls = written["log"].count(b'"event":"call"')
    assert calls == len(scenarios)
    assert written["traces"].count(b'name: "POST /cds-services/{id}"') == calls


def bad_calls(call) -> list[tuple[str, dict[str, Any]]]:
    """What can be wrong with a call of a hook, planted all over."""
    good, text = call(), json.dumps(call()).encode()
    bundle_of = {"resourceType": "Bundle", "entry": [{"resource": PERSON}]}
    context = good["context"]
    bodies: list[Any] = [
        b"",
        PERSON.encode(),
        f'"{PERSON}"'.encode(),
        f'["{PERSON}"]'.encode(),
        text[:-9],
        text + PERSON.encode(),
        text.replace(b'"hook"', f'"{PERSON}": 1, "hook"'.encode(), 1)[:-3],
        text.decode().encode("utf-16"),
        b'{"hook": "' + PERSON.encode() + b"\xff" + b'"}',
        (f'{{"{PERSON}":' * 3000 + "1" + "}" * 3000).encode(),
        good | {"hook": PERSON},
        good | {"hook": {PERSON: PERSON}},
        good | {"hookInstance": [PERSON]},
        good | {"context": PERSON},
        good | {"prefetch": {PERSON: PERSON}},
        good | {"prefetch": [PERSON]},
        good | {"prefetch": {PERSON: {"resourceType": PERSON}, "platelets": PERSON}},
        good | {"prefetch": {key: {"resourceType": PERSON, "entry": PERSON} for key in good["prefetch"]}},
        good | {"prefetch": dict.fromkeys(good["prefetch"], PERSON)},
        good | {"fhirAuthorization": {"access_token": PERSON}},
        good | {"fhirAuthorization": PERSON, "fhirServer": f"https://fhir.example/{PERSON}"},
        good | {"context": context | {"patientId": f"Patient/{PERSON}"}},
        good | {"context": context | {"patientId": f"{PERSON}-another"}},
        good | {"context": context | {"userId": {PERSON: 1}}},
        good | {"context": context | {"selections": PERSON}},
        good | {"context": context | {"selections": [PERSON, {PERSON: PERSON}]}},
        good | {"context": context | {"draftOrders": PERSON}},
        good | {"context": context | {"draftOrders": {"resourceType": PERSON}}},
        good | {"context": context | {"draftOrders": bundle_of}},
        call(without=["all"]) | {"prefetch": {}},
    ]
    calls = [(ORDER_SELECT, {"body": body}) for body in bodies]
    calls += [
        (ORDER_SELECT, {"body": good, "headers": {"Content-Type": f"text/{PERSON}"}}),
        (ORDER_SELECT, {"body": gzip.compress(text), "headers": {"Content-Encoding": "gzip"}}),
        (ORDER_SELECT, {"body": good, "headers": {"X-Request-ID": f"{PERSON} with spaces"}}),
        (ORDER_SELECT, {"body": good, "headers": dict.fromkeys(("traceparent", "tracestate", "baggage"), PERSON)}),
        (ORDER_SELECT, {"body": good, "headers": {"traceparent": TRACE, "tracestate": f"a={PERSON}", **BAGGAGE}}),
        (ORDER_SELECT, {"body": good, "headers": {"Cookie": PERSON, "User-Agent": PERSON, "Referer": PERSON}}),
        (ORDER_SELECT, {"body": b" " * 2_000_001 + text}),
        (f"{ORDER_SELECT}?patient={PERSON}", {"body": b"{}"}),
        (f"{ORDER_SELECT}-{PERSON}", {"body": good}),
        (f"{ORDER_SELECT}/feedback/{PERSON}", {"body": good}),
        (f"/cds-services/{PERSON}/feedback", {"body": good}),
        (f"/{PERSON}?name={PERSON}", {"body": good}),
        (ORDER_SELECT, {"body": good, "method": "PUT"}),
        (ORDER_SELECT, {"body": good, "method": PERSON.upper()}),
    ]
    return calls


def bad_feedback() -> list[Any]:
    return [
        b"",
        PERSON.encode(),
        {"feedback": PERSON},
        {"feedback": {PERSON: PERSON}},
        {"feedback": [PERSON]},
        {"feedback": [entry(outcome=PERSON)]},
        {"feedback": [entry(outcomeTimestamp=PERSON)]},
        {"feedback": [entry(card={PERSON: 1})]},
        {"feedback": [entry(card=PERSON * 500)]},
        {"feedback": [entry(outcome="accepted", acceptedSuggestions=[{PERSON: PERSON}])]},
        {"feedback": [entry(outcome="accepted", acceptedSuggestions=PERSON)]},
        {"feedback": [entry(overrideReason=PERSON)]},
        {"feedback": [entry(overrideReason={"reason": PERSON})]},
        {"feedback": [entry(overrideReason={"reason": {"code": PERSON * 500}})]},
        {"feedback": [entry(overrideReason={"userComment": {PERSON: PERSON}})]},
        {PERSON: [entry()]},
    ]


@pytest.mark.parametrize("form", ["json", "text"])
def test_no_error_repeats_or_leaves_behind_anything_of_a_patient(tmp_path, call, form):
    with watched(tmp_path, CDS_SERVICE_LOG_FORMAT=form, CDS_SERVICE_MAX_BODY_BYTES="2000000") as service:
        for path, more in bad_calls(call):
            service.send(more.pop("body"), path, **more)
        for body in bad_feedback():
            assert service.send(body, FEEDBACK).status_code == 400
        for body in (call(hook=PERSON), call(names=True), call(codes=True)):  # the console's page shows what was sent
            text = json.dumps(body)
            for now in ("2026-11-23T12:00:00Z", PERSON):
                form_of = {"request": text, "now": now, "profile": "2.0"}
                origin = {"Origin": service.service.base}
                requests.post(f"{service.service.base}/", data=form_of, headers=origin, timeout=10)
        assert service.statuses() >= {400, 404, 405, 412, 413, 415, 422}
        service.assert_nothing_out("state/store.sqlite3")


def test_the_console_switched_off_says_no_more(tmp_path, call):
    with watched(tmp_path, CDS_SERVICE_CONSOLE="off") as service:
        for path in (f"/?request={PERSON}", f"/content/decisions/{PERSON}", f"/acceptance?days={PERSON}"):
            assert service.send(b"", path, method="GET").status_code == 404
        assert service.send(call(), "/").status_code == 404
        service.send(call())
        service.assert_nothing_out()


def test_free_words_of_clinicians_are_not_kept(tmp_path):
    """Wherever in an entry they stand: an EHR may write into members that we do not know (FB-18)."""
    cards: list[str] = []
    with watched(tmp_path) as service:
        for words in FREE_WORDS:
            cards.append(str(uuid4()))
            answer = service.send({"feedback": [entry(card=cards[-1], **words)], "extension": PERSON}, FEEDBACK)
            assert answer.status_code == 200, (words, answer.text)
        written = b"".join(service.assert_nothing_out("state/store.sqlite3").values())
    assert all(card.encode() in written for card in cards), "they were kept all the same"


def test_a_store_that_is_locked_tells_nothing_of_what_it_was_to_keep(tmp_path, call):
    with watched(tmp_path) as service:
        store = sqlite3.connect(tmp_path / "state" / "store.sqlite3", isolation_level=None)
        store.execute("BEGIN EXCLUSIVE")
        for words in FREE_WORDS[:2]:
            assert service.send({"feedback": [entry(**words)]}, FEEDBACK).status_code == 503
        service.send(call())
        store.execute("ROLLBACK")
        store.close()
        written = service.assert_nothing_out("state/store.sqlite3")
    assert b"the store cannot be used" in written["log"]


def test_a_store_that_is_not_there_tells_nothing_either(tmp_path, call):
    url = f"postgresql+psycopg://cds:{WORD}-password@127.0.0.1:1/cds"
    with watched(tmp_path, store=url) as service:
        assert service.send({"feedback": [entry(**FREE_WORDS[0])]}, FEEDBACK).status_code == 503
        assert service.send(call()).status_code == 200
        service.assert_nothing_out()


# What a FHIR server may answer with, all of it planted.
FHIR_FAULTS = {
    "words": saying(PERSON.encode(), content_type="text/plain"),
    "html": saying(f"<html>{PERSON}</html>".encode(), content_type="text/html"),
    "not json": saying(PERSON.encode()),
    "an outcome": saying(
        {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "x", "diagnostics": PERSON}]}, 500
    ),
    "refused": saying({"resourceType": "OperationOutcome", "issue": []}, 401, WWW_Authenticate=PERSON),
    "a redirect": saying(b"", 302, Location=f"http://127.0.0.1:1/{PERSON}"),
    "another resource": saying({"resourceType": PERSON}),
    "another patient": saying(bundle({"resourceType": "Observation", "subject": {"reference": f"Patient/{PERSON}-2"}})),
    "another server's page": saying(bundle(following=f"http://elsewhere.example/{PERSON}?patient={PERSON}")),
    "a page with a name": saying(bundle(following=f"http://user:{PERSON}@elsewhere.example/")),
    "a strange type": saying({"resourceType": "Bundle"}, content_type=f"application/{PERSON}"),
    "a cookie": saying({"resourceType": "Bundle", "entry": [{"resource": PERSON}]}, Set_Cookie=f"a={PERSON}"),
    "a broken header": lambda asked: asked.wfile.write(f"HTTP/1.1 999 {PERSON}\r\n{PERSON}\r\n\r\n".encode()),
    "no HTTP": lambda asked: asked.wfile.write(f"{PERSON}\r\n\r\n".encode()),
    "half an answer": lambda asked: asked.wfile.write(
        f"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{PERSON}".encode()
    ),
    "silence": lambda asked: asked.wait(1),
    "nothing": lambda asked: None,
}


def test_no_fault_of_a_fhir_server_gets_into_logs_or_errors(tmp_path, call):
    lent = {"access_token": f"{WORD}-token", "token_type": "Bearer", "subject": PERSON, "patient": PERSON}
    with watched(tmp_path, CDS_SERVICE_FHIR_BUDGET_MS="150") as service:
        for answer in FHIR_FAULTS.values():
            with Stub(answer) as fhir:  # one for each, so that no circuit is open
                body = call(without=["all"]) | {
                    "prefetch": {},
                    "fhirServer": f"{fhir.base}/",
                    "fhirAuthorization": lent,
                }
                assert service.send(body).status_code in (200, 412, 422)
                assert fhir.seen
        for server in (
            f"https://elsewhere.example/{PERSON}",
            f"https://{PERSON}:{PERSON}@elsewhere.example/fhir",
            f"https://elsewhere.example/fhir?{PERSON}",
            f"{PERSON}://elsewhere.example",
            f"https://elsewhere.example\r\n{PERSON}",
            f"https://{PERSON} {PERSON}/",
        ):
            body = call(without=["all"]) | {"prefetch": {}, "fhirServer": server, "fhirAuthorization": lent}
            assert service.send(body).status_code == 412
        written = service.assert_nothing_out()
    assert written["log"].count(b"FHIR server") > len(FHIR_FAULTS) / 2, "the faults were logged at all"
    assert written["traces"].count(b'name: "GET ') > len(FHIR_FAULTS), "and traced"


def test_no_token_gets_into_logs_or_errors(tmp_path, call):
    """Good ones, bad ones, and claims that an EHR may put the patient into."""
    keys = {"ES384": ECKey.generate_key("P-384", {"kid": "key-ES384"})}
    maker, path = Maker(keys), tmp_path / "clients.toml"
    (tmp_path / "keys.json").write_text(json.dumps({"keys": [public(keys["ES384"])]}))
    source = f'issuer = "{ISSUER}"\njwks-file = "keys.json"'
    path.write_text(f'base-urls = ["{BASE}"]\n[clients.ehr]\n{source}\n', encoding="utf-8")
    people = {"sub": PERSON, "patient": PERSON, "name": PERSON, "fhirUser": f"Practitioner/{PERSON}"}
    good = maker.token(**people)
    stranger = ECKey.generate_key("P-384", {"kid": "key-ES384"})
    tokens = [
        good,
        good[:-8],
        good + PERSON,
        PERSON,
        f"{PERSON}.{PERSON}.{PERSON}",
        b64({"alg": PERSON}) + "." + b64({"iss": ISSUER, **people}) + ".AA",
        maker.token(key=stranger, **people),
        maker.token(exp=1, iat=0, **people),
        maker.token(aud=f"https://other.example/{PERSON}", **people),
        maker.token(header={"kid": PERSON}, **people),
        maker.token(header={"jku": f"https://{PERSON}.example/keys"}, **people),
        maker.token(nbf=PERSON, **people),
        maker.token(iss={"name": PERSON}, jti=[PERSON], **people),
    ]
    with watched(tmp_path, CDS_SERVICE_CLIENTS=str(path)) as service:
        body = json.dumps(call()).encode()
        got = [service.send(body, headers={"Authorization": f"Bearer {token}"}).status_code for token in tokens]
        assert got == [200] + [401] * (len(tokens) - 1)
        for header in ("", "Bearer", f"Basic {PERSON}", f"Bearer {PERSON} {PERSON}", PERSON):
            assert service.send(body, headers={"Authorization": header}).status_code == 401
        replayed = service.send(b"{}", headers={"Authorization": f"Bearer {good}"})
        assert replayed.status_code == 401
        time.sleep(0.1)
        written = service.assert_nothing_out(but=("clients.toml", "keys.json"))
    assert good.encode() not in b"".join(written.values())
    assert written["log"].count(b"a call was refused") >= len(tokens)


def test_what_is_searched_for_would_be_found(call):
    """The planting itself works: a call holds every kind of it, and codes only where they are asked for."""
    said = json.dumps(call())
    assert all(mark in said for mark in (PERSON, DIGITS, BORN))
    assert finds(said) and not finds(f"{DIGITS[:-1]} plant {BORN[:-1]}")
    assert f'-{WORD}"' in json.dumps(call(codes=True))
