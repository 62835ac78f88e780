"""Errors (conformance section 8)."""

from __future__ import annotations

import logging

import pytest

PATIENT, DRAFT = "amara-okafor", "hydroxocobalamin-100-im"


@pytest.mark.parametrize("path", ["/", "/nothing", "/cds-services/a/b/c", "/favicon.ico", "/static/x"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_ERR_02_unknown_paths_are_outcomes(client, assert_outcome, path, method):
    assert_outcome(client.open(path, method=method, headers={"Accept": "text/html"}), 404)


def test_ERR_02_ERR_03_each_error_is_a_valid_outcome(client, post, assert_outcome, request_for):
    body = request_for(PATIENT, DRAFT)
    assert_outcome(post(b"{"), 400)
    assert_outcome(post(body, path="/cds-services/none"), 404)
    assert_outcome(client.get("/cds-services/vitamin-b12-order-select"), 405)
    assert_outcome(post(body, content_type="text/plain"), 415)
    assert_outcome(post(request_for(PATIENT, DRAFT, without=["all"])), 412)
    body["prefetch"]["patient"]["id"] = "other"
    assert_outcome(post(body), 422)


def test_ERR_04_values_of_the_request_are_not_repeated(post, assert_outcome, request_for):
    marker = "token-that-must-not-be-repeated"
    body = request_for(PATIENT, DRAFT)
    for change in (
        {"hook": marker},
        {"hookInstance": [marker]},
        {"fhirAuthorization": marker},
        {"fhirAuthorization": {"access_token": marker}},
        {"prefetch": marker},
        {"context": {marker: marker}},
        {"context": body["context"] | {"patientId": f"Patient/{marker}"}},
        {"context": body["context"] | {"draftOrders": {"resourceType": marker}}},
        {"context": body["context"] | {"draftOrders": {"resourceType": "Bundle", "entry": {marker: marker}}}},
        {"context": body["context"] | {"draftOrders": {"resourceType": "Bundle", "entry": [{"resource": marker}]}}},
    ):
        assert_outcome(post(body | change, headers={"Authorization": f"Bearer {marker}"}), 400)
    assert_outcome(post(body, path=f"/cds-services/{marker}"), 404)
    assert_outcome(post(body, content_type=f"text/{marker}"), 415)


@pytest.mark.parametrize("draft", ["hydroxocobalamin-im-monthly", "cyanocobalamin-im-monthly"])
def test_ERR_05_412_names_the_missing_keys(post, assert_outcome, request_for, draft):
    body = assert_outcome(post(request_for(PATIENT, draft, without=["all"])), 412)
    assert "prefetch.platelets" in body["issue"][0]["diagnostics"]


def test_ERR_02_ERR_04_a_defect_is_500_without_data(monkeypatch, caplog, post, assert_outcome, request_for):
    def broken(*_args, **_kwargs):
        raise ValueError(f"{PATIENT} token-that-must-not-be-repeated")

    monkeypatch.setattr("cds_service.app.evaluate", broken)
    with caplog.at_level(logging.DEBUG):
        answer = post(request_for(PATIENT, DRAFT), headers={"Origin": "https://ehr.example"})
    assert_outcome(answer, 500)
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert "ValueError" in caplog.text
    assert PATIENT not in caplog.text
    assert "token-that-must-not" not in caplog.text


def test_ERR_04_nothing_of_a_request_is_logged(caplog, post, request_for):
    with caplog.at_level(logging.DEBUG):
        for without in ((), ("all",)):
            post(
                request_for(PATIENT, DRAFT, without=without),
                headers={"Authorization": "Bearer token-that-must-not-be-repeated"},
            )
    assert PATIENT not in caplog.text
    assert "must-not-be-repeated" not in caplog.text
