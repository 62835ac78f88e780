"""Browser clients and tokens while authentication is off (docs/conformance.md#security, Z26)."""

from __future__ import annotations

import pytest

ORIGIN = {"Origin": "http://127.0.0.1:8080"}
SERVICE = "/cds-services/vitamin-b12-order-select"
PATIENT, DRAFT = "amara-okafor", "hydroxocobalamin-100-im"


@pytest.mark.parametrize("slash", ["", "/"])
@pytest.mark.parametrize(("path", "method"), [("/cds-services", "GET"), (SERVICE, "POST")])
def test_SEC_18_T_10_preflights_are_answered(client, path, method, slash):
    asked = {"Access-Control-Request-Method": method, "Access-Control-Request-Headers": "authorization,content-type"}
    answer = client.options(path + slash, headers=ORIGIN | asked)
    assert answer.status_code in (200, 204)
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert method in answer.headers["Access-Control-Allow-Methods"]
    allowed = {name.strip().lower() for name in answer.headers["Access-Control-Allow-Headers"].split(",")}
    assert {"authorization", "content-type"} <= allowed
    assert int(answer.headers["Access-Control-Max-Age"]) > 0


def test_SEC_19_Z26_success_and_every_error_allow_every_origin(client, post, request_for):
    body = request_for(PATIENT, DRAFT)
    other = request_for(PATIENT, DRAFT, prefetch={"patient": {"resourceType": "Patient", "id": "other"}})
    answers = {
        200: post(body, headers=ORIGIN),
        400: post(b"{", headers=ORIGIN),
        404: post(body, path="/cds-services/none", headers=ORIGIN),
        405: client.get(SERVICE, headers=ORIGIN),
        412: post(request_for(PATIENT, DRAFT, without=["all"]), headers=ORIGIN),
        413: post(b" " * 20_000_001, headers=ORIGIN),
        415: post(body, content_type="text/plain", headers=ORIGIN),
        422: post(other, headers=ORIGIN),
    }
    for status, answer in answers.items():
        assert answer.status_code == status
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        assert "Access-Control-Allow-Credentials" not in answer.headers
    assert client.get("/cds-services", headers=ORIGIN).headers["Access-Control-Allow-Origin"] == "*"


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics", "/", "/nothing", "/cds-services-x"])
def test_Z26_other_paths_allow_no_origin(client, path):
    for answer in (client.get(path, headers=ORIGIN), client.options(path, headers=ORIGIN)):
        assert "Access-Control-Allow-Origin" not in answer.headers


@pytest.mark.parametrize(
    "value", ["Bearer garbage", "Bearer", "bearer a.b.c", "Basic eDp5", "", "\xff", "Bearer " + "x" * 9000]
)
def test_SEC_20_a_token_is_ignored_while_authentication_is_off(client, post, cards_of, request_for, value):
    plain = cards_of(post(request_for(PATIENT, DRAFT)))
    assert cards_of(post(request_for(PATIENT, DRAFT), headers={"Authorization": value})) == plain
    assert client.get("/cds-services", headers={"Authorization": value}).status_code == 200
