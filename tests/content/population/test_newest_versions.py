"""Of a resource that an export holds in several versions the last one is judged, whatever the others were."""

import json
import random
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cds_service.population.duck import Machine, problems_of
from cds_service.population.line_problems import OLDER_VERSION, REPEATED, UNDATED_VERSIONS
from tests.support.exports import read, resources_of, sifted, write

ANN, ZOE = "kwame-mensah", "zoe-papadakis"
LOINC, SNOMED = "http://loinc.org", "http://snomed.info/sct"
LEUKOCYTES = {"coding": [{"system": LOINC, "code": "6690-2"}]}
HYPERTENSION = {"coding": [{"system": SNOMED, "code": "38341003", "display": "Hypertension"}]}
OPTIC_ATROPHY = {"coding": [{"system": SNOMED, "code": "58610003", "display": "Leber's optic atrophy"}]}
FIRST, SECOND = {"lastUpdated": "2026-11-21T20:00:00Z"}, {"lastUpdated": "2026-11-22T11:00:00Z"}
EIGHT_HOURS_LATER = {"lastUpdated": "2026-11-21T23:00:00-05:00"}


def of(name, **elements):
    return {"subject": {"reference": f"Patient/{name}"}, **elements}


def platelets(**elements):
    code = {"coding": [{"system": LOINC, "code": "777-3"}]}
    return {"resourceType": "Observation", "id": "count", "status": "final", "code": code, **of(ANN), **elements}


def without(resource, *names):
    return {name: value for name, value in resource.items() if name not in names}


def kept(folder, resources, threads=1):
    """The lines to judge that have an id of their own, by patient, and what was wrong."""
    texts = [one if isinstance(one, str) else json.dumps(one) for one in resources]
    people = [json.dumps(one) for name in (ANN, ZOE) for one in resources_of(name) if one["resourceType"] == "Patient"]
    folder.mkdir(exist_ok=True)
    write(folder / "export" / "all.ndjson", [*people, *texts])
    found, _, wrong = read(folder / "export", folder / "aside", threads=threads)
    lines = {name: [json.loads(text) for text in found.get(name, ())] for name in (ANN, ZOE)}
    return {name: [one for one in of_one if one["resourceType"] != "Patient"] for name, of_one in lines.items()}, wrong


CORRECTED = {
    "a code that nobody asks for": platelets(code=LEUKOCYTES),
    "entered in error, and no code": without(platelets(status="entered-in-error"), "code"),
    "no patient": without(platelets(), "subject"),
    "elements that cannot be read, and no code": without(platelets(status=5), "code"),
}


@pytest.mark.parametrize("newer", CORRECTED.values(), ids=CORRECTED)
@pytest.mark.parametrize("is_first", [True, False])
def test_a_result_whose_last_version_is_left_out_is_not_judged_by_the_one_before(tmp_path, newer, is_first):
    pair = [platelets(meta=FIRST), newer | {"meta": SECOND}]
    found, wrong = kept(tmp_path, pair if is_first else pair[::-1])
    assert found == {ANN: [], ZOE: []}
    assert wrong == {(OLDER_VERSION, "Observation"): 1}


@pytest.mark.parametrize("resource", [platelets(), platelets() | {"resourceType": "ServiceRequest"}], ids=["0", "1"])
def test_a_resource_that_has_come_to_another_patient_is_judged_there_alone(tmp_path, resource):
    moved = resource | of(ZOE, meta=SECOND)
    found, wrong = kept(tmp_path, [moved, resource | {"meta": FIRST}])
    assert found[ANN] == []
    assert wrong == {(OLDER_VERSION, resource["resourceType"]): 1}
    if resource["resourceType"] == "Observation":
        assert found[ZOE] == [moved]


def test_a_problem_that_was_corrected_to_another_is_judged_no_more(tmp_path):
    problem = {"resourceType": "Condition", "id": "c", **of(ANN)}
    found, wrong = kept(
        tmp_path, [problem | {"code": OPTIC_ATROPHY, "meta": FIRST}, problem | {"code": HYPERTENSION, "meta": SECOND}]
    )
    assert found[ANN] == []
    assert wrong == {(OLDER_VERSION, "Condition"): 1}


def test_an_older_version_that_nobody_understands_brings_no_other_entries_back(tmp_path):
    """What is needed of a list is told by its last versions alone, and so is which drug is missing."""
    problem = {"resourceType": "Condition", "code": HYPERTENSION, **of(ANN)}
    order = {"resourceType": "MedicationRequest", "id": "o", "status": "active", "intent": "order", **of(ANN)}
    resources = [
        problem | {"id": "other"},
        problem | {"id": "c", "code": {"text": "no code"}, "meta": FIRST},
        problem | {"id": "c", "meta": SECOND},
        order | {"medicationReference": {"reference": "Medication/lost"}, "meta": FIRST},
        order | {"medicationCodeableConcept": {"text": "Lisinopril"}, "meta": SECOND},
    ]
    found, wrong = kept(tmp_path, resources)
    assert not [one for one in found[ANN] if one["resourceType"] == "Condition"]
    assert wrong == {(OLDER_VERSION, "Condition"): 1, (OLDER_VERSION, "MedicationRequest"): 1}


LATER = {
    "another day": (FIRST, SECOND),
    "another hour in another time zone": (SECOND | {"lastUpdated": "2026-11-22T03:59:00Z"}, EIGHT_HOURS_LATER),
    "a part of a second": ({"lastUpdated": "2026-11-21T20:00:00.1234Z"}, {"lastUpdated": "2026-11-21T20:00:00.13Z"}),
    "a part of a second after a whole one": (FIRST, {"lastUpdated": "2026-11-21T20:00:00.001+00:00"}),
    "a number": ({"versionId": "9"}, {"versionId": "10"}),
    "a number of one instant": (FIRST | {"versionId": "09"}, FIRST | {"versionId": "10"}),
    "one instant written twice": (
        {"lastUpdated": "2026-11-21T20:00:00.50Z", "versionId": "1"},
        {"lastUpdated": "2026-11-21T21:00:00.500+01:00", "versionId": "2"},
    ),
    "a number that is no text": (FIRST | {"versionId": 1}, SECOND | {"versionId": 2}),
    "numbers that are no texts": ({"versionId": 9}, {"versionId": 10}),
    "a date against none": ({"versionId": "7"}, FIRST),
    "a meta against none": (None, {"versionId": "1"}),
    "a meta against what is none": ("?", {"versionId": "1"}),
    "a date against what is none": ({"lastUpdated": 5, "versionId": "3"}, FIRST),
    "a date against a time that there is not": ({"lastUpdated": "2026-13-41T20:00:00.5Z", "versionId": "3"}, FIRST),
    "a number against far too many digits": ({"versionId": "9" * 5000}, {"versionId": "1"}),
    "a number against digits of another script": ({"versionId": "٣"}, {"versionId": "1"}),
}


@pytest.mark.parametrize(("earlier", "later"), LATER.values(), ids=LATER)
@pytest.mark.parametrize("older_sorts_first", [True, False])
def test_which_version_is_the_last_is_told_by_its_meta(tmp_path, earlier, later, older_sorts_first):
    notes = ["a", "b"] if older_sorts_first else ["b", "a"]
    found, wrong = kept(
        tmp_path, [platelets(meta=meta, note=note) for note, meta in zip(notes, (earlier, later), strict=True)]
    )
    assert [one["note"] for one in found[ANN]] == [notes[1]]
    assert wrong == {(OLDER_VERSION, "Observation"): 1}


@pytest.mark.parametrize("depth", [400, 980, 5000])
def test_whatever_stands_in_a_version_the_run_goes_on(tmp_path, depth):
    nested = '{"a":' * depth + "1" + "}" * depth
    odd = [
        json.dumps(platelets(note="?")).replace('"?"', nested),
        json.dumps(platelets(meta={"lastUpdated": "?"})).replace('"?"', nested),
        json.dumps(platelets(meta={"versionId": "?"})).replace('"?"', "9" * depth),
        json.dumps(platelets(meta={"lastUpdated": "?"})).replace('"?"', "9" * depth),
    ]
    found, _ = kept(tmp_path, [*odd, platelets(meta=SECOND, note="last")])
    assert [one["note"] for one in found[ANN]] == ["last"]


UNDATED_PAIRS = {
    "another value": (platelets(note="a"), platelets(note="b")),
    "another patient": (platelets(), platelets(**of(ZOE))),
    "a code that nobody asks for": (platelets(), platelets(code=LEUKOCYTES)),
    "the same meta": (platelets(note="a", meta=FIRST), platelets(note="b", meta=FIRST)),
}


@pytest.mark.parametrize(("one", "other"), UNDATED_PAIRS.values(), ids=UNDATED_PAIRS)
def test_of_two_lines_that_do_not_tell_which_is_newer_one_is_judged_and_that_is_said(tmp_path, one, other):
    found, wrong = kept(tmp_path / "x", [one, other]), kept(tmp_path / "y", [other, one])
    assert found == wrong
    lines, problems = found
    assert len(lines[ANN] + lines[ZOE]) == 1
    assert problems == {(UNDATED_VERSIONS, "Observation"): 1}


def test_a_line_that_stands_there_twice_is_no_version(tmp_path):
    other = platelets(code=LEUKOCYTES, id="other")
    found, wrong = kept(tmp_path, [platelets(), other, platelets(), other, platelets(id=""), platelets(id="")])
    assert [one["id"] for one in found[ANN]] == ["", "count"]
    assert wrong == {(REPEATED, "Observation"): 2}


def test_lines_without_an_id_are_versions_of_nothing(tmp_path):
    nameless = [without(platelets(meta=meta), "id") for meta in (FIRST, SECOND)]
    found, wrong = kept(tmp_path, nameless)
    assert len(found[ANN]) == 2
    assert not wrong


def test_versions_of_what_is_not_needed_are_not_counted(tmp_path):
    other = platelets(code=LEUKOCYTES)
    assert kept(tmp_path, [other | {"meta": FIRST}, other | {"meta": SECOND}]) == ({ANN: [], ZOE: []}, {})


def test_a_check_tells_of_versions_too(tmp_path):
    versions = [platelets(meta=FIRST), platelets(meta=SECOND, code=LEUKOCYTES)]
    write(tmp_path / "export" / "all.ndjson", [*map(json.dumps, resources_of(ANN)), *map(json.dumps, versions)])
    found = sifted(tmp_path / "export", tmp_path / "aside")
    assert problems_of(found, Machine(1, "500MB", tmp_path)) == {(OLDER_VERSION, "Observation"): 1}


PEOPLE = (ANN, ZOE, "agnes-thornton")
RECORDS = [one for name in PEOPLE for one in resources_of(name)]
CHANGES = {
    "code": lambda one: one | {"code": LEUKOCYTES if one["resourceType"] == "Observation" else HYPERTENSION},
    "words": lambda one: one | {"code": {"text": "Leber's optic atrophy"}},
    "drug": lambda one: one | {"medicationCodeableConcept": {"text": "Hydroxocobalamin"}},
    "drug elsewhere": lambda one: one | {"medicationReference": {"reference": "Medication/lost"}},
    "status": lambda one: one | {"status": "entered-in-error"},
    "no code": lambda one: without(one, "code"),
    "patient": lambda one: one | of(ZOE, patient={"reference": f"Patient/{ZOE}"}),
    "no patient": lambda one: without(one, "subject", "patient"),
    "unreadable": lambda one: one | {"code": 5},
    "nothing": lambda one: dict(one),
}
METAS = [
    lambda number: {"lastUpdated": f"2026-11-{10 + number}T20:00:00Z"},
    lambda number: {"lastUpdated": f"2026-11-10T20:00:00.{number}+00:00", "versionId": f"{20 - number}"},
    lambda number: {"versionId": f"{7 + number}"},
    lambda number: {"versionId": 7 + number, "lastUpdated": "2026-11-10"},
]
changed = st.tuples(
    st.integers(0, len(RECORDS) - 1),
    st.lists(st.sampled_from(sorted(CHANGES)), min_size=1, max_size=3),
    st.sampled_from(METAS),
)


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(changed, max_size=20, unique_by=lambda one: one[0]), st.randoms(use_true_random=False))
def test_an_export_with_older_versions_is_that_of_the_last_ones_alone(drawn, chance: random.Random):
    last, older = dict(enumerate(RECORDS)), []
    for place, changes, meta in drawn:
        if RECORDS[place]["resourceType"] == "Patient":
            continue
        versions = [RECORDS[place], *(CHANGES[name](RECORDS[place]) for name in changes)]
        dated = [one | {"meta": meta(number)} for number, one in enumerate(versions)]
        last[place] = dated.pop()
        older += dated
    everything = [*last.values(), *older]
    chance.shuffle(everything)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write(folder / "alone" / "all.ndjson", map(json.dumps, last.values()))
        for part in range(2):
            write(folder / "versions" / f"{part}.ndjson.gz", map(json.dumps, everything[part::2]))
        expected, _, wrong = read(folder / "alone", folder / "a")
        found, _, also = read(folder / "versions", folder / "b", threads=2)
    assert found == expected
    versions = (OLDER_VERSION, UNDATED_VERSIONS, REPEATED)
    assert {key: times for key, times in also.items() if key[0] not in versions} == wrong
    assert not any(key[0] in versions[1:] for key in also)
