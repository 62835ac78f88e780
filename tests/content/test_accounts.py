"""What becomes of every entry that was sent under a key of results: read, about something else, or set aside (Z41)."""

from __future__ import annotations

import copy
import json
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from cds_service.chart.accounts import account
from cds_service.chart.record import Chart

HYDROXOCOBALAMIN = "hydroxocobalamin-im-three-weekly"
LOINC = "http://loinc.org"
LOCAL = "urn:oid:1.2.3.4.5"
YESTERDAY = (datetime.now(UTC) - timedelta(days=1)).isoformat()


def count(value=22, known_as="777-3", system=LOINC, text="Platelet count", **more):
    result = {
        "resourceType": "Observation",
        "id": f"r-{value}",
        "status": "final",
        "code": {"coding": [{"system": system, "code": known_as}], "text": text},
        "subject": {"reference": "Patient/amara-okafor"},
        "effectiveDateTime": YESTERDAY,
        "valueQuantity": {"value": value, "unit": "10*9/L", "system": "http://unitsofmeasure.org", "code": "10*9/L"},
    }
    return {key: value for key, value in (result | more).items() if value is not None}


def panel(*components, **more):
    parts = [{k: c[k] for k in ("code", "valueQuantity", "interpretation") if k in c} for c in components]
    code = {"coding": [{"system": LOINC, "code": "58410-2"}], "text": "CBC panel"}
    return count(code=code, valueQuantity=None, component=parts, id="panel", **more)


def whole(*parts, **more):
    return count(code={"text": "Blood count"}, valueQuantity=None, contained=list(parts), id="whole", **more)


def bundle(*resources, **more):
    return {"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": r} for r in resources], **more}


HAEMOGLOBIN = count(103, known_as="718-7", text="Haemoglobin")
OTHERS_COUNT = count(subject={"reference": "Patient/somebody-else"})
LOCALLY_CODED = count(known_as="PLT", system=LOCAL)
UNNAMED = count(known_as="4711", system=LOCAL, text="Labor")

CASES = {
    "component": (bundle(panel(HAEMOGLOBIN, count())), "imPlateletsTransfusionFirst"),
    "component-without-a-known-code": (bundle(panel(HAEMOGLOBIN, LOCALLY_CODED)), "imPlateletsMayBeLow"),
    "contained": (
        bundle(whole(count(subject=None, status=None, effectiveDateTime=None))),
        "imPlateletsTransfusionFirst",
    ),
    "contained-in-a-report": (
        bundle(
            {
                "resourceType": "DiagnosticReport",
                "id": "report",
                "status": "final",
                "subject": {"reference": "Patient/amara-okafor"},
                "effectiveDateTime": YESTERDAY,
                "contained": [count(id="c")],
            }
        ),
        "imPlateletsTransfusionFirst",
    ),
    "member-of-a-panel": (
        bundle(
            count(id="p", code={"text": "CBC"}, valueQuantity=None, hasMember=[{"reference": "Observation/m"}]),
            count(id="m"),
        ),
        "imPlateletsTransfusionFirst",
    ),
    "alone-and-no-bundle": (count(), "imPlateletsTransfusionFirst"),
    "among-everything-that-the-server-has": (bundle(HAEMOGLOBIN, count(), HAEMOGLOBIN), "imPlateletsTransfusionFirst"),
    "code-of-another-system-only": (bundle(LOCALLY_CODED), "imPlateletsMayBeLow"),
    "code-of-another-system-and-not-low": (bundle(count(220, known_as="PLT", system=LOCAL)), "imPlateletsNotUsable"),
    "code-of-another-system-and-another-name": (bundle(UNNAMED), "imPlateletsNotUsable"),
    "no-code-and-the-name": (bundle(count(code={"text": "PLT (EDTA blood)"})), "imPlateletsMayBeLow"),
    "no-code-and-no-name": (bundle({k: v for k, v in count().items() if k != "code"}), "imPlateletsNotUsable"),
    "newer-under-a-code-that-is-not-known": (
        bundle(LOCALLY_CODED, count(180, effectiveDateTime="2026-11-20")),
        "imPlateletsNewerMayBeLow",
    ),
    "another-name-beside-a-usable-count": (bundle(UNNAMED, count(180)), None),
    "of-another-patient-only": (bundle(OTHERS_COUNT), "imPlateletsNotChecked"),
    "of-another-patient-beside-a-usable-count": (bundle(OTHERS_COUNT, count(180)), None),
    "code-and-name-of-two-analytes": (bundle(count(text="Magnesium")), "imPlateletsMayBeLow"),
    "identifier-instead-of-reference": (
        bundle(count(subject={"identifier": {"system": LOCAL, "value": "1"}})),
        "imPlateletsMayBeLow",
    ),
    "an-element-of-another-type": (bundle(count(category="laboratory", issued=5)), "imPlateletsMayBeLow"),
    "entry-without-resource": ({**bundle(), "entry": [{"fullUrl": "urn:uuid:1"}]}, "imPlateletsNotUsable"),
    "deleted": ({**bundle(), "entry": [{"request": {"method": "DELETE", "url": "Observation/1"}}]}, None),
    "total-without-entries": (bundle(total=3), "imPlateletsNotChecked"),
    "a-list": ([count()], "412"),
    "a-text": (json.dumps(bundle(count())), "412"),
    "wrapped": ({"response": {"status": "200"}, "resource": bundle(count())}, "412"),
}


@pytest.mark.parametrize("case", CASES)
def test_every_way_of_sending_a_low_count_is_answered(post, request_for, cards_of, case):
    """A count that is used is judged, one that is not is named; nothing that was sent ends in silence."""
    sent, expected = CASES[case]
    body = request_for("amara-okafor", HYDROXOCOBALAMIN, prefetch={"platelets": sent})
    response = post(body)
    if expected == "412":
        assert response.status_code == 412
        assert "prefetch.platelets" in response.text
        assert "not a FHIR resource" in response.text or "neither a FHIR resource" in response.text
        return
    topics = [c["source"]["topic"]["code"] for c in cards_of(response) if "imPlatelets" in c["source"]["topic"]["code"]]
    assert topics == ([expected] if expected else [])


@pytest.mark.parametrize("case", CASES)
def test_every_entry_is_accounted_for(pack, case):
    sent, _ = CASES[case]
    search = pack.searches["platelets"]
    chart = Chart("amara-okafor", {"platelets": msgspec.Raw(json.dumps(sent).encode())}, datetime.now(UTC), UTC)
    made = account(pack.readers[search.key], search, chart)
    entries = len(sent.get("entry", [sent])) if isinstance(sent, dict) and "response" not in sent else 0
    assert made.entries == made.read + made.elsewhere + len(made.set_aside)
    assert made.entries == entries


@pytest.mark.parametrize(
    ("once", "twice"),
    [
        ('"valueQuantity"', '"valueQuantity": {"value": 180, "unit": "10*9/L"}, "valueQuantity"'),
        ('"value"', '"value": 180, "value"'),
        ('"status"', '"status": "cancelled", "status"'),
        ('"effectiveDateTime"', '"effectiveDateTime": "2020-01-01", "effectiveDateTime"'),
    ],
)
def test_a_count_that_says_two_things_is_not_used(post, request_for, cards_of, once, twice):
    """JSON readers differ in which of two members of one name they take (Z45)."""
    body = request_for("amara-okafor", HYDROXOCOBALAMIN, prefetch={"platelets": bundle(HAEMOGLOBIN, count())})
    text = json.dumps(body)
    start = text.index('"id": "r-22"')
    text = text[:start] + text[start:].replace(once, twice, 1)
    topics = [card["source"]["topic"]["code"] for card in cards_of(post(text.encode()))]
    assert "imPlateletsMayBeLow" in topics


def test_the_newest_so_many_were_read_whole_although_there_are_more(pack):
    """A search for the newest results is answered by as many as it asked for, whatever the total (Z41)."""
    search = pack.searches["platelets"]

    def is_whole(entries, total):
        sent = bundle(*[count(id=str(n)) for n in range(entries)], total=total)
        chart = Chart("amara-okafor", {"platelets": msgspec.Raw(json.dumps(sent).encode())}, datetime.now(UTC), UTC)
        return chart.results(search).complete

    assert is_whole(search.count, search.count + 40)
    assert not is_whole(search.count - 1, search.count)
    assert is_whole(2, "two")


def test_more_entries_than_are_read_are_not_read_whole(pack):
    sent = bundle(*[copy.copy(HAEMOGLOBIN)] * 20_001)
    chart = Chart("amara-okafor", {"platelets": msgspec.Raw(json.dumps(sent).encode())}, datetime.now(UTC), UTC)
    results = chart.results(pack.searches["platelets"])
    assert len(results.resources) == 20_000
    assert not results.complete


def test_a_number_longer_than_any_is_no_fault(post, request_for):
    """Python refuses to count the digits of an integer that is longer than 4300; nobody meant such a value."""
    text = json.dumps(request_for("kwame-mensah", "hydroxocobalamin-im-three-weekly"))
    start = text.index("kwame-mensah-platelets-1")
    long = text[:start] + text[start:].replace('"value": 22', f'"value": {"9" * 5000}', 1)
    assert long != text
    answer = post(long.encode())
    assert answer.status_code == 200
    assert answer.json["cards"]
