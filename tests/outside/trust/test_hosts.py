"""Without clients only this machine may call, by a name that it has for itself (Z83)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cds_service.net.addresses import is_loopback_authority
from cds_service.service.app import create_app
from cds_service.settings import Settings
from tests.support.keys import KEY

LOOPBACK = ["127.0.0.1", "127.0.0.1:8080", "127.8.9.10:1", "localhost", "LocalHost:65535", "[::1]", "[::1]:8080"]
OTHERS = [
    "evil.example",
    "evil.example:8080",
    "127.0.0.1.evil.example",
    "localhost.evil.example",
    "evil.localhost",
    "127.0.0.1@evil.example",
    "127.0.0.1:8080@evil.example",
    "evil.example#127.0.0.1",
    "evil.example, 127.0.0.1",
    "127.0.0.1, evil.example",
    "127.1",
    "2130706433",
    "0x7f000001",
    "0.0.0.0",  # noqa: S104
    "10.0.0.1",
    "::1",
    "[::]",
    "[::ffff:10.0.0.1]",
    "127.0.0.1:http",
    "127.0.0.1:",
    " ",
    "",
]


@pytest.fixture(scope="module")
def app():
    return create_app(Settings(loopback=True, key=KEY))


def paths_of(app):
    """One path of every route, and two that there are not."""
    paths = {rule.rule.replace("<", "").replace(">", "").replace("path:", "") for rule in app.url_map.iter_rules()}
    assert {"/", "/acceptance", "/healthz", "/metrics", "/cds-services"} <= paths
    return sorted(paths | {"/nowhere", "//"})


@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS", "HEAD", "DELETE"])
@pytest.mark.parametrize("host", OTHERS)
def test_whatever_the_path_a_foreign_host_is_421(app, method, host):
    client = app.test_client()
    for path in paths_of(app):
        answer = client.open(path, method=method, headers={"Host": host})
        assert answer.status_code == 421, (path, answer.status_code)
        if method != "HEAD":
            said = answer.json["issue"][0]["details"]["text"]
            assert "CDS_SERVICE_CLIENTS" in said and "CDS_SERVICE_INSECURE=1" in said


@pytest.mark.parametrize("host", LOOPBACK)
def test_a_name_of_this_machine_is_answered(app, host):
    client = app.test_client()
    for path in ("/", "/acceptance", "/healthz", "/cds-services"):
        assert client.get(path, headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "10.1.2.3:8080"])
def test_a_foreign_host_is_answered_where_the_deployer_says_that_anybody_may_call(host):
    client = create_app(Settings(insecure=True, key=KEY)).test_client()
    assert client.get("/healthz", headers={"Host": host}).status_code == 200
    assert client.get("/cds-services", headers={"Host": host}).status_code == 200


def test_where_clients_are_named_kubelet_and_proxies_may_use_any_name(app_for):
    """A probe has the address of the pod as its Host."""
    client = app_for()
    assert client.get("/healthz", headers={"Host": "10.1.2.3:8080"}).status_code == 200
    assert client.get("/cds-services", headers={"Host": "cds.hospital.example"}).status_code == 200


def test_refusals_are_counted(app):
    client = app.test_client()
    client.get("/", headers={"Host": "evil.example"})
    assert 'cds_service_refusals_total{reason="host"}' in client.get("/metrics").text


@given(st.text(alphabet="127.0:[]localhstevi@#/ ,x-%", max_size=24))
def test_a_host_is_one_of_this_machine_or_is_not(text):
    """A second reading of the same rule, by the parts of the text."""
    host, colon, port = text.rpartition(":") if not text.endswith("]") else (text, "", "")
    if not colon:
        host, port = text, "0"
    names = {"localhost", "[::1]"}
    parts = host.split(".")
    of_the_net = len(parts) == 4 and parts[0] == "127" and all(p.isdigit() and str(int(p)) == p for p in parts)
    of_the_net = of_the_net and all(int(part) < 256 for part in parts)
    assert is_loopback_authority(text) == ((host.lower() in names or of_the_net) and port.isdigit() and len(port) <= 5)
