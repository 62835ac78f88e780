"""What ``population check`` says of an export before it is judged."""

import json
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import pytest

from cds_service.population.duck import Machine
from cds_service.population.export_check import check_export
from cds_service.population.export_files import find_export
from cds_service.population.line_problems import NOT_JSON, NOT_RESOLVED, UNKNOWN_PATIENT
from tests.support.exports import prepared, selection, write

LOCAL = "http://hospital.example/formulary"
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"


def drug(code, words, system=LOCAL):
    return {"medicationCodeableConcept": {"coding": [{"system": system, "code": code, "display": words}]}}


def order(patient, number, **elements):
    subject = {"reference": f"Patient/p{patient}"}
    head = {"resourceType": "MedicationRequest", "id": f"{patient}-{number}", "status": "active", "intent": "order"}
    return json.dumps({**head, "subject": subject, "authoredOn": "2026-10-01", **elements})


def of(kind, identity, **elements):
    return json.dumps({"resourceType": kind, "id": identity, "subject": {"reference": "Patient/p1"}, **elements})


def texts():
    patients = [json.dumps({"resourceType": "Patient", "id": f"p{number}"}) for number in range(6)]
    orders = [order(patient, 0, **drug("B12INJ", "Hydroxocobalamin amp 1 mg", LOCAL)) for patient in range(6)]
    orders += [order(patient, 1, **drug("X17", "House mixture")) for patient in range(5)]
    orders += [order(0, f"x{number}", **drug("X17", "House mixture")) for number in range(3)]
    orders += [order(patient, 2, **drug("JD", "Mixture of Mrs Doe")) for patient in range(4)]
    orders += [order(patient, 3, **drug("314076", "Lisinopril 10 MG", RXNORM)) for patient in range(6)]
    orders += [order(1, 4, medicationReference={"reference": "Medication/lost"}), order(7, 0, **drug("X17", "x"))]
    orders += [order(1, 5, **drug("314076", "Lisinopril 10 MG", RXNORM), authoredOn="soon")]
    dated = [
        of("Observation", "a", code={}, effectivePeriod={"start": "2026-01-01"}),
        of("Observation", "b", code={}),
        of("Condition", "c", recordedDate="2026-01"),
        of("Condition", "d", code=5),
        of("Procedure", "e", performedPeriod={"end": "2026-01-01T00:00:00Z"}),
        of("Procedure", "f", performedPeriod="2026"),
        of("Encounter", "g"),
    ]
    return [*patients, *orders, *dated, "{broken", '{"resourceType":"Condition","x":' + "[" * 100_000]


@pytest.fixture(params=["one process", "two processes"])
def each(request):
    if request.param == "one process":
        yield map
    else:
        with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
            yield pool.map


def test_what_an_export_holds_is_told_before_it_is_judged(tmp_path, each):
    lines = texts()
    for part in range(3):
        write(tmp_path / "e" / f"part{part}.ndjson", lines[part::3])
    (tmp_path / "aside").mkdir()
    export = find_export(tmp_path / "e", selection().types)
    found = check_export(prepared(), export, Machine(1, "500MB", tmp_path), tmp_path / "aside", each)
    assert found.counts.lines == len(lines)
    assert found.counts.types["MedicationRequest"] == 27
    assert found.undated == Counter({"MedicationRequest": 1, "Observation": 1, "Condition": 1, "Procedure": 1})
    assert found.counts.problems[NOT_JSON, ""] == 2
    assert found.problems == {(NOT_RESOLVED, "Medication"): 1, (UNKNOWN_PATIENT, "MedicationRequest"): 1}
    shown = [(item.spelling.code, item.times, item.spelling.is_like_ours) for item in found.orderables]
    assert shown == [("B12INJ", 6, True), ("X17", 8, False)]
    assert 'code = "B12INJ"' in found.orderables[0].site_lines
    assert found.site_lines.count("[[codes.") == 2
    assert (found.rare, found.rare_times) == (2, 5)
    assert "Doe" not in repr(found)
