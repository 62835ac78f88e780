"""Who is let in where: browsers, discovery, the order of refusals, the start (Z26, SEC-02, SEC-18 to SEC-20)."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request

import pytest
from openapi_spec_validator import validate

from cds_service.protocol.headers import REPLAY
from cds_service.service.app import wsgi
from cds_service.trust.clients import read_clients
from tests.support.fhir_stub import Stub, bundle, saying
from tests.support.ports import free_port
from tests.support.trust_parts import BASE, ISSUER, SERVICE

ORIGIN = "https://ehr.example"
ORIGINS = f'origins = ["{ORIGIN}", "https://two.example"]'


def test_Z26_SEC_19_configured_origins_are_echoed_on_success_and_error(app_for, maker, body):
    client = app_for(ORIGINS)
    for origin in (ORIGIN, "https://two.example"):
        headers = {"Origin": origin}
        answers = [
            client.post(SERVICE, json=body, headers=headers | {"Authorization": maker.bearer()}),
            client.post(SERVICE, json=body, headers=headers),
            client.post(SERVICE, json={}, headers=headers | {"Authorization": maker.bearer()}),
            client.get("/cds-services", headers=headers),
            client.get("/cds-services/a/b/c", headers=headers),
        ]
        assert [answer.status_code for answer in answers] == [200, 401, 400, 200, 404]
        kept = [answer.headers["Cache-Control"] for answer in answers]
        assert kept == ["no-store", "no-store", "no-store", "no-cache", "no-store"]  # Z93
        for answer in answers:
            assert answer.headers["Access-Control-Allow-Origin"] == origin
            assert answer.headers["Vary"] == "Origin"
            assert "Access-Control-Allow-Credentials" not in answer.headers


@pytest.mark.parametrize(
    "origin",
    ["https://evil.example", "null", "", f"{ORIGIN}.evil.example", f"{ORIGIN}:8443", "http://ehr.example", "*"],
)
def test_Z26_SEC_19_foreign_origins_are_not(app_for, origin):
    client = app_for(ORIGINS)
    for answer in (
        client.get("/cds-services", headers={"Origin": origin}),
        client.options(SERVICE, headers={"Origin": origin}),
    ):
        assert not [name for name in dict(answer.headers) if name.startswith("Access-Control")]
        assert answer.headers["Vary"] == "Origin"


def test_Z26_without_origins_no_browser_may_ask(app_for):
    answer = app_for().get("/cds-services", headers={"Origin": ORIGIN})
    assert "Access-Control-Allow-Origin" not in answer.headers


@pytest.mark.parametrize("path", ["/cds-services", SERVICE])
def test_SEC_18_preflights_need_no_token(app_for, path):
    answer = app_for(ORIGINS, open_discovery=False).options(
        path, headers={"Origin": ORIGIN, "Access-Control-Request-Method": "POST"}
    )
    assert answer.status_code == 200
    assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert "authorization" in answer.headers["Access-Control-Allow-Headers"]
    assert (
        "GET" in answer.headers["Access-Control-Allow-Methods"]
        or "POST" in answer.headers["Access-Control-Allow-Methods"]
    )


def test_SEC_02_discovery_is_open_unless_told_otherwise(app_for, maker, assert_outcome):
    client = app_for()
    for headers in ({}, {"Authorization": "Bearer garbage"}):
        assert client.get("/cds-services", headers=headers).json["services"]
    closed = app_for(open_discovery=False)
    for path in ("/cds-services", "/cds-services/"):
        assert_outcome(closed.get(path), 401)
        assert_outcome(closed.get(path, headers={"Authorization": maker.bearer()}), 401)  # for another URL
        good = {"Authorization": maker.bearer(aud=f"{BASE}/cds-services")}
        assert closed.get(path, headers=good).json["services"]


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
def test_what_is_no_service_asks_for_no_token(app_for, path):
    assert app_for().get(path).status_code == 200


def test_SEC_02_a_stranger_learns_no_more_than_that_he_is_one(app_for, body, assert_outcome):
    """Whether a service exists, a media type or a size is right, is told to clients only; paths and methods to all."""
    client = app_for()
    answers = [
        client.post(SERVICE, json=body),
        client.post("/cds-services/none", json=body),
        client.post(SERVICE, data="x", content_type="text/plain"),
        client.post(SERVICE, data=b" " * 20_000_001, content_type="application/json"),
        client.post(SERVICE, data=b"{", content_type="application/json"),
    ]
    assert {answer.data for answer in answers} == {answers[0].data}
    for answer in answers:
        assert_outcome(answer, 401)
    assert_outcome(client.get(SERVICE), 405)
    assert_outcome(client.get("/nothing"), 404)


def test_a_client_is_told_all_of_it(app_for, maker, body):
    client = app_for(replay_protection=False)

    def post(path=SERVICE, **more):
        return client.post(path, headers={"Authorization": maker.bearer(aud=BASE + path)}, **more).status_code

    assert post("/cds-services/none", json=body) == 404
    assert post(data="x", content_type="text/plain") == 415
    assert post(data=b" " * 20_000_001, content_type="application/json") == 413
    assert post(data=b"{", content_type="application/json") == 400


def test_nothing_is_read_of_the_body_of_a_stranger(app_for):
    class Body:
        def read(self, size):
            raise AssertionError(f"{size} bytes were read")

    environ = {"wsgi.input": Body(), "CONTENT_LENGTH": "9000000000", "CONTENT_TYPE": "application/json"}
    assert app_for().post(SERVICE, environ_overrides=environ).status_code == 401


def test_wsgi_servers_are_not_open_by_accident(monkeypatch, capfd, clients_file):
    for name in ("CLIENTS", "LOOPBACK", "INSECURE"):
        monkeypatch.delenv(f"CDS_SERVICE_{name}", raising=False)
    with pytest.raises(SystemExit):
        wsgi()
    assert "CDS_SERVICE_CLIENTS" in capfd.readouterr().err
    for name, value in (("LOOPBACK", "1"), ("INSECURE", "1"), ("CLIENTS", str(clients_file()))):
        with monkeypatch.context() as within:
            within.setenv(f"CDS_SERVICE_{name}", value)
            assert wsgi()


def test_who_may_call_in_words(clients_file):
    text = (
        '[clients.demo]\nissuer = "https://sandbox.cds-hooks.org"\njwks-url = "https://x.example/"\nprofile = "sandbox"'
    )
    clients = read_clients(clients_file(text), "3.0")
    assert clients.summary() == f"ehr ({ISSUER}, profile 3.0), demo (https://sandbox.cds-hooks.org, profile sandbox)"
    (warning,) = clients.warnings(8080)
    assert "the private key of demo is public" in warning


@pytest.mark.parametrize(
    ("base_urls", "warned"),
    [
        ('"http://127.0.0.1:8080"', True),
        ('"http://localhost:8080", "http://127.0.0.1:9"', True),
        ('"http://127.0.0.1:8093"', False),
        ('"http://127.0.0.1:8080", "http://127.0.0.1:8093"', False),
        ('"https://cds.example", "http://127.0.0.1:8080"', False),
    ],
)
def test_a_client_that_calls_another_port_of_this_machine_is_warned_of(tmp_path, base_urls, warned):
    path = tmp_path / "clients.toml"
    path.write_text(f'[clients.ehr]\nissuer = "{ISSUER}"\njwks-url = "https://x.example/"\nbase-urls = [{base_urls}]\n')
    said = list(read_clients(path).warnings(8093))
    assert len(said) == warned
    assert all("ehr" in warning and "8093" in warning and "8080" in warning for warning in said)


def test_the_parts_that_check_tokens_are_not_imported_without_clients():
    code = (
        "import sys, cds_service.service.app as a; a.create_app();"
        "print([m for m in ('joserfc', 'cryptography') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.fixture
def live(clients_file):
    """A real server of one worker that knows the client of the fixtures, and what it said at its start."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "cds_service", "serve", "--port", str(port)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={k: v for k, v in os.environ.items() if not k.startswith("CDS_SERVICE_")}
        | {"CDS_SERVICE_CLIENTS": str(clients_file())},
    )
    lines = [process.stdout.readline(), process.stdout.readline()]
    for _ in range(100):
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=1).read()
            break
        except OSError:
            time.sleep(0.1)
    yield port, "".join(lines)
    process.terminate()
    process.wait(10)
    process.stdout.close()


def raw_call(port, body, *authorizations):
    """The status of a call with these ``Authorization`` headers, one after the other."""
    data = json.dumps(body).encode()
    head = [f"POST {SERVICE} HTTP/1.1", "Host: x", "Content-Type: application/json", f"Content-Length: {len(data)}"]
    head += [f"Authorization: {value}" for value in authorizations]
    with socket.create_connection(("127.0.0.1", port), timeout=10) as opened:
        opened.sendall("\r\n".join([*head, "Connection: close", "", ""]).encode() + data)
        return int(opened.makefile("rb").readline().split()[1])


def test_a_real_server_lets_its_client_in_and_says_at_the_start_who_that_is(live, maker, body):
    port, start_text = live
    assert f"May call: ehr ({ISSUER}, profile 2.0)" in start_text
    assert raw_call(port, body, maker.bearer()) == 200
    assert raw_call(port, body) == 401
    assert raw_call(port, body, "Bearer a.b.c") == 401
    assert raw_call(port, body, "Bearer " + "x" * 20_000) in (401, 431)
    assert raw_call(port, body, "Bearer a.b.c", "Bearer a.b.c") == 401
    statuses = [
        raw_call(port, body, maker.bearer(), "Bearer a.b.c"),
        raw_call(port, body, "Bearer a.b.c", maker.bearer()),
        raw_call(port, body, maker.bearer(), maker.bearer()),
    ]
    assert statuses == [401, 401, 401]


def test_serve_refuses_a_file_of_clients_that_does_not_hold(clients_file):
    path = clients_file('profile = "fhir"')
    done = subprocess.run(
        [sys.executable, "-m", "cds_service", "serve", "--port", "1"],
        capture_output=True,
        text=True,
        env=os.environ | {"CDS_SERVICE_CLIENTS": str(path)},
        timeout=60,
    )
    assert done.returncode == 1
    assert f"{path}:6: clients: clients/ehr/profile: 'fhir' is not one of" in done.stderr


def test_FB_16_feedback_needs_a_token_too(app_for, maker, assert_outcome):
    client, path = app_for(), f"{SERVICE}/feedback"
    assert_outcome(client.post(path, json={"feedback": []}), 401)
    assert_outcome(client.post(path, json={"feedback": []}, headers={"Authorization": "Bearer a.b.c"}), 401)
    for audience in (BASE + path, BASE + SERVICE):
        answer = client.post(path, json={"feedback": []}, headers={"Authorization": maker.bearer(aud=audience)})
        assert answer.status_code not in (401, 403)


def test_SEC_14_used_tokens_are_known_to_every_worker(app_for, maker, body, tmp_path):
    store = {"store": f"sqlite:///{tmp_path / 'store.sqlite3'}", "replay_store": "database"}
    first, second, authorization = app_for(**store), app_for(**store), maker.bearer()

    def status(client, call):
        return client.post(SERVICE, json=call, headers={"Authorization": authorization}).status_code

    assert status(first, body) == 200
    assert status(second, body) == 200  # a retry
    assert status(second, body | {"hookInstance": "x"}) == 401


def test_a_store_of_used_tokens_that_is_down_lets_nobody_in(app_for, maker, body, tmp_path, assert_outcome):
    (tmp_path / "file").write_text("no folder")
    client = app_for(store=f"sqlite:///{tmp_path / 'file' / 'store.sqlite3'}", replay_store="database")
    answer = client.post(SERVICE, json=body, headers={"Authorization": maker.bearer()})
    assert_outcome(answer, 503)
    assert int(answer.headers["Retry-After"]) > 0
    assert_outcome(client.post(SERVICE, json=body), 401)


def test_FA_08_each_client_has_its_own_fhir_servers(clients_file):
    from cds_service.service.fhir_access import allowed_servers
    from cds_service.settings import Settings

    text = (
        'fhir-servers = ["https://one.example/fhir"]\n[clients.other]\nissuer = "urn:other"\n'
        'jwks-url = "https://x.example/"\nopen-fhir-servers = ["http://127.0.0.1:9/fhir"]'
    )
    settings = Settings(loopback=True, fhir_servers=["https://ours.example/fhir"])
    allowed = allowed_servers(settings, read_clients(clients_file(text)))
    assert {name: set(servers.servers) for name, servers in allowed.items()} == {
        "ehr": {"https://one.example/fhir"},
        "other": {"http://127.0.0.1:9/fhir"},
    }
    assert not any(servers.loopback for servers in allowed.values())
    assert set(allowed_servers(settings, None)[""].servers) == {"https://ours.example/fhir"}


def test_Z85_no_client_can_keep_its_cards_out_of_the_counts(app_for, maker, body):
    client = app_for()
    headers = {"Authorization": maker.bearer(), REPLAY: "true"}
    assert client.post(SERVICE, json=body, headers=headers).status_code == 200
    told = client.get("/metrics").text
    assert 'cds_service_calls_total{service="vitamin-b12-order-select",status="200"} 1.0' in told
    assert "cds_service_findings_total{" in told
    assert "cds_service_replays_total{" not in told


def test_Z88_each_client_has_its_own_budget_for_fhir_calls(app_for, maker, request_for):
    body = request_for("kwame-mensah", "hydroxocobalamin-im-three-weekly", without=["platelets"])
    with Stub(saying(bundle())) as stub:
        sent = body | {"fhirServer": stub.base, "fhirAuthorization": {"access_token": "lent"}}
        servers = f'fhir-servers = ["{stub.base}"]'

        def asked(text, **settings):
            stub.seen.clear()
            client = app_for(f"{servers}\n{text}", **settings)
            client.post(SERVICE, json=sent, headers={"Authorization": maker.bearer()})
            return bool(stub.seen)

        assert asked("", fhir_budget_ms=20_000)
        assert not asked("fhir-budget-ms = 0", fhir_budget_ms=20_000)
        assert not asked("", fhir_budget_ms=0)
        assert asked("fhir-budget-ms = 20000", fhir_budget_ms=0)


def test_V_02_a_client_is_answered_in_its_own_profile(app_for, maker, request_for):
    call = request_for("amara-okafor", "hydroxocobalamin-100-im")

    def card(client):
        (card,) = client.post(SERVICE, json=call, headers={"Authorization": maker.bearer()}).json["cards"]
        return card

    assert card(app_for())["suggestions"]
    epic = card(app_for('profile = "epic"'))
    assert "suggestions" not in epic
    assert "To order by hand" in epic["detail"]


def test_Z18_the_uuids_of_two_issuers_differ_though_their_hook_instances_do_not(app_for, maker, body, server):
    other = "https://other.example/fhir"
    source = f'jwks-url = "{server.url}/jwks"\n[clients.other]\nissuer = "{other}"\njwks-url = "{server.url}/jwks"'
    client = app_for(source=source)

    def uuid(issuer):
        answer = client.post(SERVICE, json=body, headers={"Authorization": maker.bearer(iss=issuer)})
        (card,) = answer.json["cards"]
        return card["uuid"]

    assert uuid(ISSUER) == uuid(ISSUER)
    assert uuid(ISSUER) != uuid(other)


@pytest.mark.parametrize("open_discovery", [True, False])
def test_the_openapi_document_says_which_operations_need_a_token(app_for, open_discovery):
    """It says so of each, and those are the ones that refuse a call without one."""
    client = app_for(open_discovery=open_discovery)
    document = client.get("/openapi.json").json
    validate(document)
    assert document["components"]["securitySchemes"]["client"]["bearerFormat"] == "JWT"
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            refused = client.open(path, method=method.upper(), json={}).status_code == 401
            assert operation["security"] == ([{"client": []}] if refused else []), path
            assert ("401" in operation["responses"]) == refused, path
            assert ("403" in operation["responses"]) == (refused and method == "post"), path


def test_the_openapi_document_of_an_open_service_says_that_no_token_is_needed(client):
    document = client.get("/openapi.json").json
    validate(document)
    assert "securitySchemes" not in document["components"]
    assert all(operation["security"] == [] for methods in document["paths"].values() for operation in methods.values())
