"""Only FHIR servers that the deployer allowed are called, wherever a request points (FA-08)."""

from __future__ import annotations

import time

import pytest
from urllib3.exceptions import HTTPError

from cds_service.net.addresses import Reach
from cds_service.net.connections import OutboundCall
from cds_service.net.fhir_client import FetchLimits, FhirClient
from cds_service.net.server_connections import ServerConnections
from cds_service.net.servers import AllowedServers, NotAllowedError, Server
from cds_service.settings import Settings
from cds_service.vocabulary.declarations import Search
from cds_service.vocabulary.fetched import FetchProblem, FhirAccess
from tests.support.fhir_stub import CAPABILITIES, Listener, Stub, bundle, saying

SEARCH = Search("conditions", "Condition", "Condition?patient={{context.patientId}}")
ALLOWED = "https://fhir.example/r4"
# {port} is one at which somebody listens who must not be visited.
ELSEWHERE = [
    "http://127.0.0.1:{port}/r4",
    "https://127.0.0.1:{port}/r4",
    "http://localhost:{port}/r4",
    "http://localhost.:{port}/r4",
    "http://LOCALHOST:{port}/r4",
    "http://127.1:{port}/r4",
    "http://2130706433:{port}/r4",
    "http://0x7f000001:{port}/r4",
    "http://0177.0.0.1:{port}/r4",
    "http://0:{port}/r4",
    "http://0.0.0.0:{port}/r4",
    "http://[::1]:{port}/r4",
    "http://[::]:{port}/r4",
    "http://[::ffff:127.0.0.1]:{port}/r4",
    "http://[::ffff:7f00:1]:{port}/r4",
    "http://[fe80::1%25lo]:{port}/r4",
    "http://user@127.0.0.1:{port}/r4",
    "https://fhir.example@127.0.0.1:{port}/r4",
    "https://fhir.example:443@127.0.0.1:{port}/r4",
    "https://127.0.0.1:{port}@fhir.example/r4",
    "https://user:secret@fhir.example/r4",
    "http://127.0.0.1:{port}#@fhir.example/r4",
    "http://127.0.0.1:{port}\\@fhir.example/r4",
    "http://fhir.example\\@127.0.0.1:{port}/r4",
    "http://127.0.0.1:{port}?@fhir.example/r4",
    "//127.0.0.1:{port}/r4",
    "127.0.0.1:{port}/r4",
    "http:127.0.0.1:{port}/r4",
    "http:///127.0.0.1:{port}/r4",
    " http://127.0.0.1:{port}/r4",
    "http://127.0.0.1:{port}/r4\r\nX: y",
    "http://127.0.0.1\t:{port}/r4",
    "http://127.0.0.1%00.fhir.example:{port}/r4",
    "http://\uff11\uff12\uff17.0.0.1:{port}/r4",
    "http://127\u30020\u30020\u30021:{port}/r4",
    "http://fhir.example\u2044@127.0.0.1:{port}/r4",
    "ftp://127.0.0.1:{port}/r4",
    "gopher://127.0.0.1:{port}/_r4",
    "file:///etc/hostname",
    "data:application/json,{{}}",
    "unix://%2Ftmp%2Fsocket/r4",
    "http://169.254.169.254/latest/meta-data",
    "http://[fd00:ec2::254]/latest/meta-data",
    "http://metadata.google.internal/computeMetadata/v1",
    "http://10.0.0.1/r4",
    "http://192.168.0.1/r4",
    "http://172.16.0.1/r4",
    "http://100.64.0.1/r4",
    "https://other.example/r4",
    "https://fhir.example.other.example/r4",
    "https://fhir.example:8443/r4",
    "http://fhir.example/r4",
    "https://fhir.example/",
    "https://fhir.example/r4/other",
    "https://fhir.example/r44",
    "https://fhir.example/R4",
    "https://fhir.example/r4/../admin",
    "https://fhir.example/r4/%2e%2e/admin",
    "https://fhir.example/r4%2f..%2fadmin",
    "https://fhir.example/r4?x=",
    "https://fhir.example:0/r4",
    "https://fhir.example:99999/r4",
    "https://fhir.example:port/r4",
    "https:///r4",
    "https://",
    "",
    "x" * 100_000,
    "https://fhir.example/" + "r4/" * 10_000,
]


def fetch_from(server: str, allowed: AllowedServers, lent: str = "token", seconds: float = 3):
    client = FhirClient(FetchLimits(seconds=seconds))
    try:
        return client.within_budget(allowed)(FhirAccess(server, lent), [SEARCH], "p")["conditions"]
    finally:
        client.close()


@pytest.mark.parametrize("target", ELSEWHERE, ids=lambda target: repr(target[:60]))
def test_FA_08_nothing_is_sent_to_a_server_that_is_not_listed(target):
    with Listener() as here, Listener("::1") as there:
        for listener in (here, there):
            fetched = fetch_from(target.format(port=listener.port), AllowedServers.of([ALLOWED]))
            assert (fetched.raw, fetched.problem) == (None, FetchProblem.NOT_ALLOWED)
            assert not listener.was_visited()


@pytest.mark.parametrize("target", [t for t in ELSEWHERE if "{port}" not in t], ids=lambda target: repr(target[:60]))
def test_FA_08_on_loopback_too_other_machines_are_not_called(target):
    with pytest.raises(NotAllowedError):
        AllowedServers.of([ALLOWED], loopback=True).find(target)


@pytest.mark.parametrize(
    "spelled",
    [ALLOWED, ALLOWED + "/", "HTTPS://FHIR.Example/r4", "https://fhir.example:443/r4", "https://fhir.example./r4"],
)
def test_FA_08_a_listed_server_is_found_however_it_is_spelled(spelled):
    assert AllowedServers.of([ALLOWED]).find(spelled) == Server("https", "fhir.example", 443, "/r4")


def test_FA_08_nothing_is_allowed_unless_it_is_listed():
    for url in ("https://fhir.example/r4", "http://127.0.0.1/fhir"):
        with pytest.raises(NotAllowedError):
            AllowedServers.of([]).find(url)


@pytest.mark.parametrize(
    "base", ["fhir.example/r4", "ftp://fhir.example", "https://u:p@fhir.example", "https://a/?x=1", ""]
)
def test_a_base_that_cannot_be_one_stops_the_start(base):
    with pytest.raises(ValueError, match="base URL"):
        AllowedServers.of([base])


def test_FA_08_a_listed_name_that_stands_for_a_private_address_is_not_connected_to():
    """As after a change of DNS, or with a name under somebody else's control: localhost taken for a public name."""
    with Listener() as listener:
        server = Server("http", "localhost", listener.port, "/fhir", Reach.PUBLIC)
        fetched = fetch_from(server.base, AllowedServers({server.base: server}))
        assert (fetched.raw, fetched.problem) == (None, FetchProblem.NOT_ALLOWED)
        assert not listener.was_visited()


def test_FA_08_a_private_address_is_connected_to_if_the_host_is_allowed_by_name():
    with Stub(saying(bundle())) as stub:
        allowed = AllowedServers.of([f"http://localhost:{stub.port}/fhir", stub.base])
        for base in (f"http://localhost:{stub.port}/fhir", stub.base):
            assert fetch_from(base, allowed).raw is not None
    named = AllowedServers.of(["https://fhir.hospital.example/r4"], private_hosts=["FHIR.hospital.example"])
    assert named.find("https://fhir.hospital.example/r4").reach is Reach.PRIVATE


def test_FA_01_without_a_token_only_open_servers_are_called():
    with Stub(saying(bundle())) as stub:
        assert fetch_from(stub.base, AllowedServers.of([stub.base]), lent="").problem is FetchProblem.NOT_ALLOWED
        assert stub.seen == []
        assert fetch_from(stub.base, AllowedServers.of([], open_bases=[stub.base]), lent="").raw is not None
        assert fetch_from(stub.base, AllowedServers.of([], loopback=True), lent="").raw is not None
        assert [headers.get("Authorization") for _, headers in stub.seen] == [None, None]


# What a page in a developer's browser could otherwise make the service ask for, with a token of its choosing.
NOT_FHIR_BY_PATH = [
    "/admin/delete-all",
    "/admin",
    "/x/y/z/w/fhir",
    "/fhir;x=y",
    "/fhir/$purge",
    "/fhir/a%20b",
    "/fhir//x",
    "/fhir." + "x" * 64,
    "/" + "x" * 61 + "fhir",
]


@pytest.mark.parametrize("path", NOT_FHIR_BY_PATH)
def test_FA_08_on_loopback_a_path_that_is_not_plainly_one_of_fhir_is_not_asked_for(path):
    with Stub(saying(bundle()), proves=False) as stub:
        fetched = fetch_from(stub.origin + path, AllowedServers.of([], loopback=True))
        assert (fetched.raw, fetched.problem) == (None, FetchProblem.NOT_ALLOWED)
        assert stub.seen == []


@pytest.mark.parametrize(
    "path",
    ["", "/", "/fhir", "/fhir/", "/r4", "/baseR4", "/R5", "/fhir/R4", "/stores/bench/fhir", "/fhir-server/api/v4"],
)
def test_FA_08_on_loopback_the_usual_base_urls_are_asked(path):
    found = AllowedServers.of([], loopback=True).find(f"http://127.0.0.1:9{path}")
    assert found.open and not found.listed


@pytest.mark.parametrize(
    "answer",
    [
        saying(bundle()),
        saying({"resourceType": "CapabilityStatement"}),
        saying({"fhirVersion": "4.0.1"}),
        saying({}),
        saying([]),
        saying(b"<html>", content_type="text/html"),
        saying(CAPABILITIES, content_type="text/html"),
        saying(CAPABILITIES, 404),
        saying(CAPABILITIES, 401),
        saying(b"", 302, Location="/fhir/elsewhere"),
        saying(b"\xff{"),
    ],
)
def test_FA_08_on_loopback_a_server_that_does_not_prove_to_be_one_of_fhir_gets_no_token_and_no_search(answer):
    with Stub(answer, proves=False) as stub:
        fetched = fetch_from(stub.base, AllowedServers.of([], loopback=True))
        assert fetched.raw is None and fetched.problem is not None
        assert {path for path, _ in stub.seen} == {"/fhir/metadata"}
        assert all("Authorization" not in headers for _, headers in stub.seen)


def test_FA_08_on_loopback_the_proof_is_asked_for_once_and_again_after_the_server_was_away():
    client = FhirClient(FetchLimits(seconds=3))
    fetch = client.within_budget(AllowedServers.of([], loopback=True))

    def asked_by(stub):
        stub.seen.clear()
        fetch(FhirAccess(stub.base, "token"), [SEARCH], "p")
        return [path.partition("?")[0] for path, _ in stub.seen]

    def answer(asked):
        if not gone:
            asked.say(CAPABILITIES if asked.path == "/fhir/metadata" else bundle())

    gone = False
    with Stub(answer, proves=False) as stub:
        assert asked_by(stub) == ["/fhir/metadata", "/fhir/Condition"]
        assert asked_by(stub) == ["/fhir/Condition"]
        gone = True  # whoever calls is hung up on
        assert "/fhir/metadata" not in asked_by(stub)
        gone = False
        assert asked_by(stub)[0] == "/fhir/metadata"
    client.close()


def test_FA_08_a_listed_server_on_loopback_need_not_prove_anything():
    with Stub(saying(bundle()), proves=False) as stub:
        allowed = AllowedServers.of([stub.base], loopback=True)
        assert fetch_from(stub.base, allowed).raw is not None
        assert "/fhir/metadata" not in {path for path, _ in stub.seen}


@pytest.mark.parametrize("token", ["a b", "a\r\nX-Admin: 1", "\u00fc", "x" * 20_000, "\0"])
def test_FA_02_a_token_that_is_none_is_not_sent(token):
    with Stub(saying(bundle())) as stub:
        assert (
            fetch_from(stub.base, AllowedServers.of([], open_bases=[stub.base]), lent=token).problem
            is FetchProblem.NOT_ALLOWED
        )
        assert stub.seen == []


def test_FA_08_no_proxy_and_no_password_of_the_environment_is_used(monkeypatch, tmp_path):
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login somebody password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    with Listener() as proxy, Stub(saying(bundle())) as stub:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        assert fetch_from(stub.base, AllowedServers.of([], open_bases=[stub.base]), lent="").raw is not None
        assert not proxy.was_visited()
        assert "Authorization" not in stub.seen[0][1]


def test_FA_08_the_connections_to_a_server_lead_to_no_other():
    with Listener() as elsewhere, Stub(saying(bundle())) as stub:
        connections = ServerConnections(AllowedServers.of([stub.base]).find(stub.base), kept=1)
        with OutboundCall(Reach.LOOPBACK, time.monotonic() + 3), pytest.raises(HTTPError):
            connections.get(f"http://127.0.0.1:{elsewhere.port}/fhir/metadata", headers={}, seconds=3)
        connections.close()
        assert not elsewhere.was_visited() and stub.seen == []


@pytest.mark.parametrize(
    "listed", ["https://a.example/r4, https://b.example", '["https://a.example/r4", "https://b.example"]']
)
def test_servers_are_set_with_commas_or_as_json(monkeypatch, listed):
    monkeypatch.setenv("CDS_SERVICE_FHIR_SERVERS", listed)
    assert Settings().fhir_servers == ("https://a.example/r4", "https://b.example")
