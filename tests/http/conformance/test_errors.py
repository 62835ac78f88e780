"""Errors (docs/conformance.md#errors)."""

from __future__ import annotations

import logging
import re

import pytest

from cds_service.content.decide import Values
from cds_service.content.render import Speech

PATIENT, DRAFT = "amara-okafor", "hydroxocobalamin-100-im"


@pytest.mark.parametrize("path", ["/nothing", "/cds-services/a/b/c", "/favicon.ico", "/static/x"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_ERR_02_T_09_unknown_paths_are_outcomes(client, assert_outcome, path, method):
    assert_outcome(client.open(path, method=method, headers={"Accept": "text/html"}), 404)


def test_ERR_01_ERR_02_ERR_03_T_09_each_error_is_a_valid_outcome(client, post, assert_outcome, request_for):
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


def test_ERR_05_412_names_every_missing_key(post, assert_outcome, request_for):
    """Folic acid is judged by four, of which some may have been sent; nobody need ask again for each."""
    needed = {"conditions", "medicationRequests", "medicationAdministrations", "procedures"}
    for sent in (set(), {"procedures"}, {"medicationRequests", "procedures"}):
        body = request_for(PATIENT, "folic-acid-5mg-oral", without=["all"], prefetch=dict.fromkeys(sent))
        issues = assert_outcome(post(body), 412)["issue"]
        assert sorted(issue["expression"] for issue in issues) == sorted([f"prefetch.{key}"] for key in needed - sent)
        for issue in issues:
            for text in (issue["diagnostics"], issue["details"]["text"]):
                assert set(re.findall(r"prefetch\.\w+", text)) == set(issue["expression"])


def test_ERR_05_412_says_whether_a_key_was_not_sent_or_its_query_failed(post, assert_outcome, request_for):
    failed = {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "timeout"}]}
    for sent, said in (
        ({}, "The EHR did not send it."),
        ({"platelets": failed}, "The EHR says that it could not read it."),
    ):
        body = request_for(PATIENT, DRAFT, without=["all"], prefetch=sent)
        (issue,) = assert_outcome(post(body), 412)["issue"]
        assert issue["details"]["text"].endswith(f"without prefetch.platelets: {said}")


def test_ERR_02_ERR_04_a_defect_is_500_without_data(monkeypatch, caplog, post, assert_outcome, request_for):
    def broken(*_args, **_kwargs):
        raise ValueError(f"{PATIENT} token-that-must-not-be-repeated")

    monkeypatch.setattr("cds_service.service.hooks.evaluate", broken)
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


def break_decision(monkeypatch, name):
    """What a defect in one table would do."""
    real = Values.leaf

    def leaf(self, decision, facts):
        if decision.id == name:
            raise ValueError(f"{PATIENT} marker-that-must-not-be-repeated")
        return real(self, decision, facts)

    monkeypatch.setattr(Values, "leaf", leaf)


def defects(client):
    told = re.search(r"^cds_service_defects_total (\S+)", client.get("/metrics").text, re.MULTILINE)
    return float(told[1])


def test_ERR_06_a_decision_that_fails_does_not_hide_the_others(
    monkeypatch, caplog, post, client, cards_of, request_for
):
    def topics(answer):
        return [card["source"]["topic"]["code"] for card in cards_of(answer)]

    body = request_for(PATIENT, "cyanocobalamin-iv")
    whole, before = topics(post(body)), defects(client)
    assert whole
    break_decision(monkeypatch, "cobalaminAllergy")
    with caplog.at_level(logging.DEBUG):
        assert topics(post(body)) == whole
    assert defects(client) > before
    assert "defect ValueError" in caplog.text
    assert "must-not-be-repeated" not in caplog.text


def test_ERR_06_where_a_decision_fails_nothing_is_offered_that_it_should_have_judged(
    monkeypatch, post, cards_of, request_for
):
    body = request_for("amara-okafor", "cyanocobalamin-im-daily-week")
    assert any("suggestions" in card for card in cards_of(post(body)))
    break_decision(monkeypatch, "cobalaminAllergy")
    cards = cards_of(post(body))
    assert cards
    assert not any("suggestions" in card for card in cards)


def test_ERR_06_a_decision_that_fails_is_not_silence(monkeypatch, post, assert_outcome, request_for):
    body = request_for("amara-okafor", "hydroxocobalamin-im-three-weekly")
    assert post(body).json == {"cards": []}
    break_decision(monkeypatch, "cobalaminAllergy")
    assert_outcome(post(body), 500)


def test_ERR_06_a_card_that_cannot_be_written_does_not_hide_the_others(monkeypatch, post, cards_of, request_for):
    body = request_for(PATIENT, "hydroxocobalamin-im-three-weekly", "cyanocobalamin-iv")
    whole = [card["source"]["topic"]["code"] for card in cards_of(post(body))]
    assert len(set(whole)) > 1
    real = Speech.summary

    def summary(self, finding):
        if finding.topic == whole[0]:
            raise ValueError("marker-that-must-not-be-repeated")
        return real(self, finding)

    monkeypatch.setattr(Speech, "summary", summary)
    left = [card["source"]["topic"]["code"] for card in cards_of(post(body))]
    assert left == [topic for topic in whole if topic != whole[0]]
