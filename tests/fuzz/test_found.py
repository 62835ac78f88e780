"""What fuzzing found once, so that it is not found again; larger finds stand with what they are about."""

from __future__ import annotations

import json

import pytest

from cds_service.app import create_app
from cds_service.settings import Settings

ORDER_SELECT = "/cds-services/vitamin-b12-order-select"


@pytest.fixture
def service():
    """One whose defects are counted from nought."""
    return create_app(Settings(loopback=True, key="tests")).test_client()


@pytest.mark.parametrize("value", ["1e-400", "1e-310", "1E-99", "1e99", "1e308", "1e400", "1e999", "0", "0.0", "-0"])
@pytest.mark.parametrize("key", ["creatinine", "platelets"])
def test_an_amount_that_floating_point_cannot_hold_is_no_defect(service, request_for, cards_of, key, value):
    """A creatinine of 1e-400 became nought on the way to the eGFR, and was divided by."""
    body = request_for("gloria-washington", "hydroxocobalamin-im-monthly", "cyanocobalamin-100-monthly")
    entries = [entry for sent in body["prefetch"].values() for entry in (sent or {}).get("entry", [])]
    results = [e["resource"] for e in entries if "valueQuantity" in e["resource"] and key in e["resource"]["id"]]
    assert results
    for result in results:
        result["valueQuantity"]["value"] = "THE-VALUE"
    answer = service.post(
        ORDER_SELECT, data=json.dumps(body).replace('"THE-VALUE"', value), content_type="application/json"
    )
    cards_of(answer)
    assert "cds_service_defects_total 0.0" in service.get("/metrics").text
