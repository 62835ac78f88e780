"""An export is read alike however it is cut into files and lines, and whatever is wrong in it is counted."""

import gzip
import json
import pickle
import random

import pytest

from cds_service.chart.bearing import Bearing
from cds_service.content.prepared import Prepared
from cds_service.population import line_problems as problems
from cds_service.population.export_files import Export, ExportError, FilePiece, find_export, lines_of
from cds_service.population.selection import Selection
from tests.support.exports import read, resources_of, selection, sifted, write

PATIENTS = ("agnes-thornton", "beatriz-santos", "emily-carter")
TEXTS = [json.dumps(resource) for patient in PATIENTS for resource in resources_of(patient)]


def condition(identity="c", **elements):
    concept = {"coding": [{"system": "http://hospital.example", "code": "X"}]}
    subject = {"reference": "Patient/emily-carter"}
    return json.dumps({"resourceType": "Condition", "id": identity, "subject": subject, "code": concept, **elements})


def in_one_file(folder, texts):
    write(folder / "all.ndjson", texts)


def by_type(folder, texts):
    for kind in {json.loads(text)["resourceType"] for text in texts}:
        write(folder / f"{kind}.ndjson", [text for text in texts if json.loads(text)["resourceType"] == kind])


def in_parts(folder, texts):
    for part in range(3):
        write(folder / f"part.{part}.ndjson.gz", texts[part::3])


def in_another_order(folder, texts):
    texts = list(texts)
    random.Random(3).shuffle(texts)  # noqa: S311
    write(folder / "Condition.ndjson", texts, end=b"\r\n")


def with_blank_lines(folder, texts):
    write(folder / "a.jsonl", [b"\xef\xbb\xbf" + texts[0].encode(), "", *texts[1:9], "  ", *texts[9:], ""])


@pytest.mark.parametrize("cut", [by_type, in_parts, in_another_order, with_blank_lines], ids=lambda cut: cut.__name__)
@pytest.mark.parametrize("threads", [1, 2])
def test_however_an_export_is_cut_the_same_lines_come_in_the_same_order(tmp_path, cut, threads):
    in_one_file(tmp_path / "whole", TEXTS)
    cut(tmp_path / "cut", TEXTS)
    expected, whole, _ = read(tmp_path / "whole", tmp_path / "a")
    found, parts, wrong = read(tmp_path / "cut", tmp_path / "b", threads=threads)
    assert list(found.items()) == list(expected.items())
    assert sorted(found) == sorted(PATIENTS)
    assert (parts.counts.types, parts.counts.kept) == (whole.counts.types, whole.counts.kept)
    assert not parts.counts.problems
    assert not wrong


def test_files_to_which_links_lead_are_read_once(tmp_path):
    """As smart-fetch leaves them: a folder for each export, and links to the files of all of them."""
    (tmp_path / "e").mkdir()
    by_type(tmp_path / "e" / "001.2026-11-23", TEXTS)
    for file in (tmp_path / "e" / "001.2026-11-23").iterdir():
        (tmp_path / "e" / file.name).symlink_to(file.relative_to(tmp_path / "e"))
    expected = len(list((tmp_path / "e" / "001.2026-11-23").iterdir()))
    found = find_export(tmp_path / "e", selection().types)
    assert len(found.files) + len(found.left_out) == expected
    assert sifted(tmp_path / "e", tmp_path / "a").counts.lines == len(TEXTS)


def test_a_large_file_is_read_in_pieces_that_share_no_line(tmp_path):
    texts = [f'{{"id":"{number}","x":"{"y" * (number % 50)}"}}' for number in range(500)]
    write(tmp_path / "e" / "all.ndjson", texts)
    found = find_export(tmp_path / "e", {"Patient"})
    for longest in (7, 64, 1000, 10**6):
        pieces = found.pieces(longest)
        assert [line.decode().strip() for piece in pieces for line in lines_of(piece)] == texts


def test_a_broken_line_of_a_later_piece_is_named_by_its_line_in_the_file(tmp_path, monkeypatch):
    write(tmp_path / "e" / "all.ndjson", [*TEXTS, "{broken", *TEXTS])
    whole = Export.pieces
    monkeypatch.setattr(Export, "pieces", lambda export: whole(export, 2000))
    counts = sifted(tmp_path / "e", tmp_path / "a").counts
    assert [(broken.line, broken.problem) for broken in counts.broken] == [(len(TEXTS) + 1, problems.NOT_JSON)]


def test_what_is_wrong_with_lines_is_counted_and_broken_ones_are_named(tmp_path):
    texts = [
        *TEXTS,
        "{broken",
        b'{"resourceType":"Condition","id":"u","subject":{"reference":"Patient/emily-carter"},"note":"\xff"}',
        '["Condition"]',
        '{"id":"no-type"}',
        condition(subject={"display": "Emily"}),
        condition("of-a-group", subject={"reference": "Group/1"}),
        condition("unread", clinicalStatus=5),
        condition("of-nobody", subject={"reference": "Patient/nobody"}),
        condition("subject-is-text", subject="Patient/emily-carter"),
        '{"resourceType":"Claim","id":"of-no-interest"}',
    ]
    write(tmp_path / "e" / "all.ndjson", texts)
    found, read_of_it, wrong = read(tmp_path / "e", tmp_path / "a")
    counts = read_of_it.counts
    first = len(TEXTS) + 1
    assert [(broken.line - first, broken.problem) for broken in counts.broken] == [
        (0, problems.NOT_JSON),
        (1, problems.NOT_UTF_8),
        (2, problems.NOT_JSON),
        (3, problems.NO_TYPE),
    ]
    assert counts.problems[problems.NO_PATIENT, "Condition"] == 3
    assert counts.problems[problems.NOT_READABLE, "Condition"] == 2
    assert counts.types["Claim"] == 1
    assert counts.lines == len(texts)
    assert wrong == {(problems.UNKNOWN_PATIENT, "Condition"): 1}
    assert any('"unread"' in text for text in found["emily-carter"])
    rows = list(problems.as_problems(counts, [wrong]))
    assert sum(row["times"] for row in rows) == sum(counts.problems.values()) + 1
    assert {row["line"] for row in rows if row["file"]} == {first, first + 1, first + 2, first + 3}


def test_of_several_versions_the_latest_is_judged_and_the_others_are_counted(tmp_path):
    versions = [
        condition("a", meta={"lastUpdated": f"2026-0{month}-01T00:00:00+0{month}:00"}, note=[{"text": str(month)}])
        for month in (3, 5, 1)
    ]
    numbered = [condition("b", meta={"versionId": number}, note=[{"text": number}]) for number in ("2", "10", "9")]
    twice = [condition("c")] * 3
    nameless = [condition(""), condition(""), condition("", note=[{"text": "another"}])]
    in_parts(tmp_path / "e", [*TEXTS, *versions, *numbered, *twice, *nameless])
    found, _, wrong = read(tmp_path / "e", tmp_path / "a")
    kept = [json.loads(text) for text in found["emily-carter"] if json.loads(text)["resourceType"] == "Condition"]
    notes = {resource["id"]: resource.get("note", [{}])[0].get("text") for resource in kept}
    assert notes["a"] == "5"
    assert notes["b"] == "10"
    assert sum(resource["id"] == "c" for resource in kept) == 1
    assert sum(resource["id"] == "" for resource in kept) == 2
    assert wrong == {(problems.REPEATED, "Condition"): 3, (problems.OLDER_VERSION, "Condition"): 4}


def order(identity, **elements):
    resource = {"resourceType": "MedicationRequest", "id": identity, "status": "active", "intent": "order"}
    return json.dumps({**resource, "subject": {"reference": "Patient/emily-carter"}, **elements})


def test_what_an_order_refers_to_stands_among_the_lines_of_its_patient(tmp_path):
    b12 = {"resourceType": "Medication", "id": "b12", "code": {"text": "Hydroxocobalamin"}}
    other = {**b12, "id": "other"}
    visits = [
        json.dumps({"resourceType": "Encounter", "id": name, "location": [{"location": {"display": name}}]})
        for name in ("ward", "elsewhere")
    ]
    encounter = {"reference": "Encounter/ward"}
    test = {"resourceType": "ServiceRequest", "subject": {"reference": "Patient/emily-carter"}, "code": {"text": "B12"}}
    texts = [
        json.dumps({**test, "id": "of-her"}),
        json.dumps({**test, "id": "of-another", "subject": {"reference": "Patient/agnes-thornton"}}),
        order("o", medicationReference={"reference": "Medication/b12/_history/4"}, encounter=encounter),
        order("p", medicationReference={"reference": "Medication/lost"}),
    ]
    write(tmp_path / "e" / "all.ndjson.gz", [*TEXTS, *visits, json.dumps(b12), json.dumps(other), *texts])
    found, _, wrong = read(tmp_path / "e", tmp_path / "a")
    resources = map(json.loads, found["emily-carter"])
    beside = [resource["id"] for resource in resources if resource["resourceType"] in ("Encounter", "Medication")]
    assert beside == ["ward", "b12"]
    assert wrong == {(problems.NOT_RESOLVED, "Medication"): 1}
    assert set(found) == set(PATIENTS)
    assert any('"of-her"' in text for text in found["emily-carter"])  # it may be of the same session


def visit(identity, **elements):
    return json.dumps({"resourceType": "Encounter", "id": identity, "location": [], **elements})


def test_encounters_that_no_order_names_are_not_put_aside_where_encounters_have_a_file(tmp_path):
    # An order of another drug names an encounter too, which is not needed.
    lisinopril = {"coding": [{"system": "http://www.nlm.nih.gov/research/umls/rxnorm", "code": "314076"}]}
    orders = [
        order("o", medicationCodeableConcept={"text": "B12"}, encounter={"reference": "Encounter/v7"}),
        order("p", medicationCodeableConcept=lisinopril, encounter={"reference": "Encounter/v8"}),
    ]
    texts = [*TEXTS, *orders, *(visit(f"v{number}") for number in range(100))]
    by_type(tmp_path / "e", texts)
    found, parts, _ = read(tmp_path / "e", tmp_path / "a")
    assert sum(times for (kind, _), times in parts.counts.kept.items() if kind == "Encounter") == 1
    in_one_file(tmp_path / "f", texts)
    expected, _, _ = read(tmp_path / "f", tmp_path / "b")
    assert found == expected
    assert any('"v7"' in text and '"Encounter"' in text for text in found["emily-carter"])


@pytest.mark.parametrize("cut", [in_one_file, by_type, in_parts, in_another_order], ids=lambda cut: cut.__name__)
def test_versions_of_an_encounter_count_where_an_order_names_it_however_the_export_is_cut(tmp_path, cut):
    named = order("o", medicationCodeableConcept={"text": "B12"}, encounter={"reference": "Encounter/v7"})
    versions = [
        visit(f"v{number}", meta={"lastUpdated": f"2026-01-0{version}T08:00:00Z"}, class_=version)
        for number in range(9)
        for version in (1, 2)
    ]
    cut(tmp_path / "e", [*TEXTS, *versions, named])
    found, _, wrong = read(tmp_path / "e", tmp_path / "a")
    assert wrong == {(problems.OLDER_VERSION, "Encounter"): 1}
    assert [json.loads(text)["class_"] for text in found["emily-carter"] if '"Encounter"' in text] == [2]


def test_a_file_of_encounters_by_its_name_alone_is_read_with_all_others(tmp_path):
    named = order("o", medicationCodeableConcept={"text": "B12"}, encounter={"reference": "Encounter/v7"})
    write(tmp_path / "e" / "Encounter.ndjson", [named, *TEXTS, visit("v7")])
    found, _, _ = read(tmp_path / "e", tmp_path / "a")
    assert any('"v7"' in text and '"Encounter"' in text for text in found["emily-carter"])


def test_an_order_whose_medication_is_another_drug_is_left_out_where_the_medications_have_a_file(tmp_path):
    lisinopril = {"coding": [{"system": "http://www.nlm.nih.gov/research/umls/rxnorm", "code": "314076"}]}
    medications = [json.dumps({"resourceType": "Medication", "id": f"m{n}", "code": lisinopril}) for n in range(3)]
    orders = [order(f"o{n}", medicationReference={"reference": f"Medication/m{n}"}) for n in range(3)]
    write(tmp_path / "e" / "orders.ndjson", [*TEXTS, *orders])
    write(tmp_path / "e" / "Medication.ndjson", medications)
    found, _, _ = read(tmp_path / "e", tmp_path / "a")
    assert not any('"Medication/m' in text for text in found["emily-carter"])


def test_a_line_may_be_very_long(tmp_path):
    note = "é" * 6_000_000
    write(tmp_path / "e" / "all.ndjson.gz", [*TEXTS, condition(note=[{"text": note}])])
    found, _, _ = read(tmp_path / "e", tmp_path / "a")
    assert max(map(len, found["emily-carter"])) > 6_000_000


def test_a_file_that_its_name_and_its_first_line_call_of_another_type_is_not_read(tmp_path):
    in_one_file(tmp_path / "e", TEXTS)
    write(tmp_path / "e" / "Claim.000.ndjson", ['{"resourceType":"Claim"}'])
    write(tmp_path / "e" / "Coverage.ndjson", TEXTS[:2])
    (tmp_path / "e" / "manifest.json").write_text('{"transactionTime":"2026-11-23T12:00:00Z"}')
    export = find_export(tmp_path / "e", selection().types)
    assert [file.path.name for file in export.left_out] == ["Claim.000.ndjson"]
    assert [file.path.name for file in export.files] == ["Coverage.ndjson", "all.ndjson"]
    assert export.transaction_time == "2026-11-23T12:00:00Z"


def test_an_export_that_cannot_be_read_is_told_by_the_name_of_its_file(tmp_path):
    with pytest.raises(ExportError, match="there is no NDJSON in"):
        find_export(tmp_path, {"Patient"})
    with pytest.raises(ExportError, match="is no folder"):
        find_export(tmp_path / "none", {"Patient"})
    cut_off = gzip.compress("\n".join(TEXTS).encode() * 20)[:-2000]
    (tmp_path / "Patient.ndjson.gz").write_bytes(cut_off)
    found = find_export(tmp_path, {"Patient"})
    with pytest.raises(ExportError, match=r"Patient\.ndjson\.gz cannot be read"):
        list(lines_of(FilePiece(0, found.files[0])))
    (tmp_path / "Patient.ndjson.gz").write_bytes(b"no gzip")
    with pytest.raises(ExportError, match=r"Patient\.ndjson\.gz cannot be read"):
        find_export(tmp_path, {"Patient"})


def test_what_the_contents_need_is_the_same_after_a_pickle():
    again = pickle.loads(pickle.dumps(selection()))  # noqa: S301  (ours)
    assert isinstance(again, Selection)
    assert isinstance(again.contents[0], Prepared)
    assert again.types == selection().types
    code = b'{"coding":[{"system":"http://loinc.org","code":"777-3"}]}'
    assert again.codes_in(code) == ("http://loinc.org|777-3",)
    assert again.codes_in(code.replace(b"777-3", b"718-7")) is None
    assert again.codes_in(b'"777-3"') == ()  # it cannot be read, so it may be one
    assert Bearing.ELSEWHERE < Bearing.READ < Bearing.OPEN


@pytest.mark.parametrize("element", ["id", "resourceType"])
def test_bytes_that_are_no_utf_8_in_an_element_that_is_read_are_named_and_end_no_run(tmp_path, element):
    texts = {"id": "u", "resourceType": "Condition", "subject": {"reference": "Patient/emily-carter"}, element: "?"}
    write(tmp_path / "e" / "all.ndjson", [*TEXTS, json.dumps(texts).encode().replace(b"?", b"\xff"), *TEXTS[:1]])
    _, found, _ = read(tmp_path / "e", tmp_path / "a")
    assert [(broken.line, broken.problem) for broken in found.counts.broken] == [(len(TEXTS) + 1, problems.NOT_UTF_8)]
