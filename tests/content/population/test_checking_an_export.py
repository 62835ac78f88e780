"""What ``population check`` says of an export before it is judged."""

import json
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context

import pytest

from cds_service.content.load import load_pack
from cds_service.content.prepared import Prepared
from cds_service.content.site import read_site
from cds_service.content.site_lines import as_toml
from cds_service.packaged import packaged
from cds_service.population.duck import Machine
from cds_service.population.export_check import check_export
from cds_service.population.export_files import find_export
from cds_service.population.known_results import NOT_ASKED_FOR
from cds_service.population.line_problems import NOT_JSON, NOT_READABLE, NOT_RESOLVED, UNKNOWN_PATIENT
from cds_service.population.records import UNDATED
from cds_service.replay.coverage import cover
from cds_service.vocabulary.accounting import Kind
from tests.support.exports import NOW, prepared, selection, write
from tests.support.synthetic_population import write_population

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


def checked(folder, content=None, each=map):
    """What the export in the folder ``e`` holds."""
    (folder / "aside").mkdir()
    export = find_export(folder / "e", selection().types)
    return check_export(content or prepared(), export, Machine(1, "500MB", folder), folder / "aside", each)


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
    found = checked(tmp_path, each=each)
    assert found.counts.lines == len(lines)
    assert found.counts.types["MedicationRequest"] == 27
    assert found.problems == {
        (NOT_JSON, ""): 2,
        (NOT_READABLE, "Condition"): 1,
        (NOT_READABLE, "Procedure"): 1,
        (NOT_RESOLVED, "Medication"): 1,
        (UNKNOWN_PATIENT, "MedicationRequest"): 1,
        **{(UNDATED, kind): 1 for kind in ("MedicationRequest", "Observation", "Condition", "Procedure")},
    }
    shown = [(item.spelling.code, item.times, item.is_like_ours) for item in found.orderables]
    assert shown == [("B12INJ", 6, True), ("X17", 8, False)]
    assert 'code = "B12INJ"' in as_toml(found.orderables[0].proposed)
    assert found.site_lines.count("[[codes.") == 2
    assert found.rare_orderables == (2, 5)
    assert "Doe" not in repr(found)


# --- results

LAB = "urn:oid:1.2.3.4.5"
LOINC, SNOMED = "http://loinc.org", "http://snomed.info/sct"
COUNT = (LOINC, "777-3", "Platelets")
A_COUNT = "Platelet count in blood or plasma"


def result(patient, *codings, unit="10*3/uL", **elements):
    coding = [{"system": system, "code": code, "display": display} for system, code, display in codings]
    subject = {"reference": f"Patient/p{patient}"}
    head = {"resourceType": "Observation", "status": "final", "subject": subject, "effectiveDateTime": "2026-10-01"}
    return json.dumps({**head, "code": {"coding": coding}, "valueQuantity": {"value": 20, "unit": unit}, **elements})


def people(number=6):
    return [json.dumps({"resourceType": "Patient", "id": f"p{patient}"}) for patient in range(number)]


def checked_results(folder, lines, **others):
    write(folder / "e" / "all.ndjson", [*people(), *lines])
    return checked(folder, **others)


def told(rows):
    return [(row.spelling.kind, row.spelling.code, row.spelling.words, row.times) for row in rows]


def test_results_named_like_ours_under_a_code_of_the_house_are_told(tmp_path, each):
    lines = [result(patient, (LAB, "PLT", "Platelets")) for patient in range(6)]
    lines += [result(patient, (LAB, "K", "Potassium")) for patient in range(6)]
    lines += [result(patient, COUNT) for patient in range(3)]
    found = checked_results(tmp_path, lines, each=each)
    assert told(found.results) == [(Kind.CODE, "PLT", "Platelets", 6)]
    assert found.results[0].spelling.about == A_COUNT
    assert found.site_lines.startswith("[[codes.platelet-count]]\n")
    assert (found.recognised["platelets"], found.recognised["egfr"]) == (3, 0)


def test_units_of_results_that_are_not_understood_are_told(tmp_path, each):
    lines = [result(patient, COUNT, unit="cells/field") for patient in range(5)]
    lines += [result(patient, COUNT) for patient in range(5)]
    found = checked_results(tmp_path, lines, each=each)
    assert told(found.results) == [(Kind.UNIT, "", "cells/field", 5)]
    assert '[units.platelets]\n"cells/field" = "?"' in found.site_lines
    assert found.recognised["platelets"] == 10


def test_what_fewer_than_five_patients_have_is_only_counted(tmp_path):
    lines = [result(patient, (LAB, "PLT", "Platelets of Mrs Doe")) for patient in range(4)]
    lines += [result(patient, (LAB, "THR", "Platelets")) for patient in range(4)]
    lines += [result("1/_history/" + str(version), (LAB, "THR", "Platelets")) for version in range(5)]
    lines += [result(1, COUNT, unit="per Doe") for _ in range(9)]
    found = checked_results(tmp_path, lines)
    assert found.results == ()
    assert found.rare_results == (2, 18)
    assert found.site_lines == ""
    assert "Doe" not in repr(found)


def test_orders_of_one_patient_are_of_one_however_it_is_referred_to(tmp_path):
    own = drug("B12INJ", "Hydroxocobalamin amp 1 mg")
    orders = [order(f"1/_history/{version}", version, **own) for version in range(6)]
    write(tmp_path / "e" / "all.ndjson", [*people(), *orders])
    found = checked(tmp_path)
    assert found.orderables == ()
    assert found.rare_orderables == (1, 6)


def test_a_result_by_whose_code_no_search_asks_is_told_and_mapped_by_the_one_beside_it(tmp_path):
    known = (SNOMED, "1022651000000100", "Platelet count")
    lines = [result(patient, known) for patient in range(5)]
    lines += [result(patient, known, (LAB, "PLT", "Platelet count")) for patient in range(6)]
    found = checked_results(tmp_path, lines)
    assert [(row.spelling.code, row.spelling.reason) for row in found.results] == [
        ("PLT", NOT_ASKED_FOR),
        ("1022651000000100", NOT_ASKED_FOR),
    ]
    assert [bool(row.proposed) for row in found.results] == [True, False]
    assert found.recognised["platelets"] == 0


def test_pasted_lines_leave_nothing_to_map_and_bring_the_results_into_the_run(tmp_path):
    lines = [result(patient, (LAB, "PLT", "Platelets")) for patient in range(6)]
    lines += [
        result(patient, (SNOMED, "271216009", "B12"), (LAB, "B", "Serum B12"), unit="ng/L") for patient in range(6)
    ]
    first = checked_results(tmp_path, lines)
    site = tmp_path / "site.toml"
    site.write_text(first.site_lines, encoding="utf-8")
    (tmp_path / "aside").rename(tmp_path / "before")
    mapped = Prepared.of(load_pack(packaged("cards"), read_site(site)), zone=prepared().zone, key=b"a key")
    again = checked(tmp_path, mapped)
    assert (again.site_lines, again.results) == ("", ())
    assert (again.recognised["platelets"], again.recognised["vitaminB12"]) == (6, 6)
    kept = again.counts.kept
    assert sum(times for (kind, _), times in kept.items() if kind == "Observation") == 12


def test_what_is_told_of_results_is_what_coverage_tells(tmp_path):
    folder = tmp_path / "e"
    write_population(folder, 300, seed=7)
    file = folder / "Observation.ndjson"
    changed = file.read_text(encoding="utf-8").replace(f'"{LOINC}","code":"777-3"', f'"{LAB}","code":"L777-3"')
    assert "L777-3" in changed
    file.write_text(changed, encoding="utf-8")
    found = checked(tmp_path)
    covered = {
        (row.kind, row.system, row.code, row.words): times
        for row, times in cover(prepared(), packaged("fixtures"), sorted(folder.glob("*.ndjson")), NOW).rows(
            is_understood=False
        )
    }
    shown = [row for row in found.results if row.spelling.reason != NOT_ASKED_FOR]
    assert "L777-3" in {row.spelling.code for row in shown}
    for row in shown:
        sent = row.spelling
        assert covered[sent.kind, sent.system, sent.code, sent.words] == row.times


# --- what is missing, and what is in the run


def test_a_type_that_is_missing_is_told_with_the_facts_that_rest_on_it(tmp_path):
    found = checked_results(tmp_path, [result(1, COUNT)])
    assert set(found.missing) == {
        "AllergyIntolerance",
        "Condition",
        "MedicationAdministration",
        "MedicationRequest",
        "Procedure",
    }
    assert found.missing["AllergyIntolerance"] == ("Allergy to cobalamin or cobalt",)
    assert not found.problems
    assert not found.is_sound
    assert replace(found, missing={}).is_sound
