"""What fuzzing found once, so that it is not found again; larger finds stand with what they are about."""

from __future__ import annotations

import json

import pytest

from cds_service.net.servers import AllowedServers, NotAllowedError
from cds_service.service.app import create_app
from cds_service.settings import Settings
from tests.support.keys import KEY

ORDER_SELECT = "/cds-services/vitamin-b12-order-select"


@pytest.fixture
def service():
    """One whose defects are counted from nought."""
    return create_app(Settings(loopback=True, key=KEY)).test_client()


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


@pytest.mark.parametrize("zone", ["UTC", "Pacific/Kiritimati", "America/St_Johns"])
@pytest.mark.parametrize(
    "date", ["0001-01-01", "0001", "0001-01-01T00:00:00Z", "9999-12-31", "9999-12-31T23:59:59Z", "9999-12-30"]
)
def test_a_date_at_the_end_of_time_is_no_defect_in_any_time_zone(request_for, cards_of, zone, date):
    """The first day of year 1 east of Greenwich, and the last of 9999 west of it, have no time in UTC."""
    service = create_app(Settings(loopback=True, key=KEY, time_zone=zone)).test_client()
    body = request_for("kwame-mensah", "hydroxocobalamin-im-three-weekly")
    for sent in body["prefetch"].values():
        for entry in (sent or {}).get("entry", []):
            for element in ("effectiveDateTime", "authoredOn", "recordedDate", "onsetDateTime", "performedDateTime"):
                if element in entry["resource"]:
                    entry["resource"][element] = date
    order = body["context"]["draftOrders"]["entry"][0]["resource"]
    order["dosageInstruction"][0]["timing"]["repeat"]["boundsPeriod"] = {"start": date, "end": date}
    cards_of(service.post(ORDER_SELECT, json=body))
    assert "cds_service_defects_total 0.0" in service.get("/metrics").text


def test_a_further_page_at_an_address_that_is_none_is_not_asked_for():
    """``urljoin`` itself raises, which looked like a server that is dead."""
    server = AllowedServers.of(["https://ehr.example/fhir"]).find("https://ehr.example/fhir")
    for link in ("https://[x]/fhir", "//[::1", "https://[::1]x/fhir"):
        with pytest.raises(NotAllowedError):
            server.next_page_url(link, "https://ehr.example/fhir/Observation")


@pytest.mark.parametrize("number", ["1e400", "-1e999999999", "9" * 5000, "1e-400", "0.1e999"])
def test_a_number_beyond_floating_point_in_a_member_that_nobody_reads_is_passed_over(service, number):
    """It was a 500 in feedback whose comments are not kept."""
    entry = f'{{"card":"x","outcome":"overridden","outcomeTimestamp":"2026-11-23T10:00:00Z","more":{number}}}'
    body = f'{{"feedback":[{entry}],"more":{number}}}'
    assert service.post(f"{ORDER_SELECT}/feedback", data=body, content_type="application/json").status_code == 200
