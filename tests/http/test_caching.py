"""What caches may keep of an answer: nothing of a service, and of discovery what is asked for again (Z93)."""

from __future__ import annotations

import pytest

from cds_service.service.app import create_app
from cds_service.settings import Settings
from tests.support.keys import KEY

SERVICE = "/cds-services/vitamin-b12-order-select"
WRONG = {
    "of the wrong type": (400, lambda client: client.post(SERVICE, json={})),
    "of no service": (404, lambda client: client.post("/cds-services/none", json={})),
    "of no path": (404, lambda client: client.get("/cds-services/a/b/c")),
    "with the wrong method": (405, lambda client: client.get(SERVICE)),
    "too large": (413, lambda client: client.post(SERVICE, data=b"0" * 30_000_000, content_type="application/json")),
    "not JSON": (415, lambda client: client.post(SERVICE, data=b"", content_type="text/plain")),
    "wrong feedback": (400, lambda client: client.post(f"{SERVICE}/feedback", json={})),
}


def assert_kept_nowhere(answer):
    assert answer.headers.getlist("Cache-Control") == ["no-store"]
    assert answer.headers.getlist("X-Content-Type-Options") == ["nosniff"]
    assert "ETag" not in answer.headers


def test_Z93_cards_and_what_a_412_says_are_kept_nowhere(client, request_for):
    for without, status in (((), 200), (("all",), 412)):
        answer = client.post(SERVICE, json=request_for("amara-okafor", "hydroxocobalamin-100-im", without=without))
        assert answer.status_code == status
        assert_kept_nowhere(answer)
    stored = client.post(f"{SERVICE}/feedback", json={"feedback": []})
    assert stored.status_code == 200
    assert_kept_nowhere(stored)


@pytest.mark.parametrize("name", WRONG)
def test_Z93_errors_are_kept_nowhere(client, name):
    status, send = WRONG[name]
    answer = send(client)
    assert answer.status_code == status
    assert_kept_nowhere(answer)


def test_Z93_a_defect_is_kept_nowhere(monkeypatch, client, request_for):
    def broken(*_args, **_kwargs):
        raise ValueError

    monkeypatch.setattr("cds_service.service.hooks.evaluate", broken)
    answer = client.post(SERVICE, json=request_for("amara-okafor", "hydroxocobalamin-100-im"))
    assert answer.status_code == 500
    assert_kept_nowhere(answer)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_Z93_discovery_is_sent_again_only_if_it_has_changed(client, method):
    first = client.get("/cds-services")
    assert first.headers["Cache-Control"] == "no-cache"
    assert first.headers["X-Content-Type-Options"] == "nosniff"
    for known in (first.headers["ETag"], f'"another", {first.headers["ETag"]}', f"W/{first.headers['ETag']}", "*"):
        again = client.open("/cds-services", method=method, headers={"If-None-Match": known})
        assert (again.status_code, again.data) == (304, b"")
        assert again.headers["ETag"] == first.headers["ETag"]
        assert again.headers["Cache-Control"] == "no-cache"
        assert again.headers["Access-Control-Allow-Origin"] == "*"
    other = client.get("/cds-services", headers={"If-None-Match": '"another"'})
    assert (other.status_code, other.data) == (200, first.data)


def test_Z93_what_discovery_says_has_an_etag_of_its_own():
    tags = {
        create_app(Settings(loopback=True, key=KEY, default_profile=profile, console="off"))
        .test_client()
        .get("/cds-services")
        .headers["ETag"]
        for profile in ("2.0", "3.0")
    }
    assert len(tags) == 2
