"""What authors get wrong in scenarios, patients and drafts, and the one line that says so."""

import copy
import json
import shutil
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cds_service.content.proof.valid_fhir import fhir_faults
from cds_service.content.proof.versions import update_lock
from cds_service.packaged import packaged
from cds_service.prove import prove
from cds_service.replay.scenarios import read_scenarios
from tests.support.places import SECOND_PACK

DUE, DAILY, PATIENT = "scenarios/level-due.yaml", "drafts/examplol-tablets-daily.json", "patients/ada-sample.json"
DUE_TOPIC = "topic: examplolLevelDueDue"


@pytest.fixture
def pack(tmp_path):
    """A copy of the second pack with its fixtures in its own folder."""
    shutil.copytree(SECOND_PACK / "cards" / "examplol", tmp_path / "cards" / "examplol")
    shutil.copytree(SECOND_PACK / "fixtures", tmp_path / "cards" / "examplol" / "fixtures")
    return tmp_path / "cards" / "examplol"


def problems_of(pack):
    return prove(pack, site=None, fixtures=pack / "fixtures", zone=ZoneInfo("UTC")).problems


def edit(path, old, new):
    text = path.read_text(encoding="utf-8")
    assert old in text, f"{old!r} is not in {path.name}"
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


MISTAKES = [
    (
        DUE,
        "cases:\n",
        "cases:\n  - {name: one, change: {Patient/cy-model: female}, expect: []}\n",
        "change: Patient/cy-model is written as names and values, not as str",
    ),
    (
        "scenarios/level-and-needle.yaml",
        "cases:\n",
        "cases:\n  - {name: one, change: {Observation/ada-sample-level: {code: [level]}}, expect: []}\n",
        "it cannot be answered as it is written: AttributeError: ",
    ),
    (DUE, DUE_TOPIC, "topic: [examplolLevelDueDue]", "topic is written as a word, not as list"),
    (DUE, 'says: ["45 days", examplol tablets]', "says: Due", "says is written as a list, not as str"),
    (DUE, 'says: ["45 days", examplol tablets]', "says-not: [45]", "each entry of says-not is a text, not int"),
    (
        DUE,
        "patient: ada-sample",
        "patient: ada-sampel",
        "no patient 'ada-sampel' in patients/; did you mean 'ada-sample'",
    ),
    (
        "scenarios/drip.yaml",
        "draft: examplol-drip",
        "draft: examplol-dripp",
        "no draft 'examplol-dripp' in drafts/; did",
    ),
    (
        DUE,
        DUE_TOPIC,
        "topic: levelDueDue",
        "expect: no rule has the topic 'levelDueDue'; did you mean 'examplolLevelDueDue'",
    ),
    (
        DUE,
        DUE_TOPIC,
        "topic: examplolLevelDueDew",
        "expect: no rule has the topic 'examplolLevelDueDew'; did you mean 'ex",
    ),
    (
        DUE,
        DUE_TOPIC,
        "topic: examplolLevelOrderTooOften",
        "expect: examplolLevelOrderTooOften: examplol-view does not show levelOrder (services in pack.yaml)",
    ),
    (
        DUE,
        "cases:\n",
        "cases:\n  - {name: one, without: level, expect: []}\n",
        "without: 'level' is no prefetch key, nor all; did you mean 'levels'?",
    ),
    (
        DUE,
        "cases:\n",
        "cases:\n  - {name: one, remove: [Observation/x], expect: []}\n",
        "the patient has no 'Observation/x'",
    ),
]


@pytest.mark.parametrize(("file", "right", "wrong", "said"), MISTAKES, ids=lambda value: str(value)[:30])
def test_a_mistake_in_a_scenario_is_named_with_what_was_meant(pack, file, right, wrong, said):
    edit(pack / "fixtures" / file, right, wrong)
    found = [problem for problem in problems_of(pack) if f": {said}" in problem.text]
    assert found, [str(problem) for problem in problems_of(pack)]
    assert found[0].path == pack / "fixtures" / file
    assert found[0].line > 1
    assert str(pack) not in found[0].text


def test_two_cases_of_one_name_are_refused_with_the_line_of_the_other(pack):
    path = pack / "fixtures" / DUE
    case = "  - {name: twice, remove: [], expect: []}\n"
    edit(path, "cases:\n", f"cases:\n{case}{case}")
    first = path.read_text(encoding="utf-8").splitlines().index(case.rstrip()) + 1
    (problem,) = problems_of(pack)
    assert (problem.path, problem.line) == (path, first + 1)
    assert problem.text == f"twice: another case on line {first} has this name; each needs its own"


def test_cases_of_two_files_may_have_one_name(pack):
    for file in (DUE, "scenarios/level-falling.yaml"):
        edit(pack / "fixtures" / file, "cases:\n", "cases:\n  - {name: twice, expect: []}\n")
    assert not any("has this name" in problem.text for problem in problems_of(pack))


def test_a_course_and_a_story_of_one_name_need_moments_and_cases_of_different_names(pack):
    courses = pack / "fixtures" / "courses"
    courses.mkdir()
    shutil.copy(packaged("fixtures") / "short-forms.yaml", pack / "fixtures")
    moment = "{name: never, on: 1, hook: patient-view, expect: []}"
    told = f"course: x\npatient: ada-sample\nbegins: 2026-01-01\nmoments:\n  - {moment}\n"
    (courses / "level-due.yaml").write_text(told, encoding="utf-8")
    said = [problem.text for problem in problems_of(pack)]
    assert [text for text in said if text.startswith("never: another case in scenarios/level-due.yaml:14 has")], said


def test_folders_of_fixtures_may_have_scenarios_of_one_name(pack, tmp_path):
    shutil.copytree(pack / "fixtures", tmp_path / "other")
    paths = [folder / DUE for folder in (pack / "fixtures", tmp_path / "other")]
    names = [scenario.name for scenario in read_scenarios(pack / "fixtures", paths)]
    assert len(names) == 2 * len(set(names)) > 2


def test_a_scenario_that_expects_a_card_of_a_draft_is_told_so(pack):
    edit(pack / "decisions" / "levelDue" / "table.yaml", "status: active\nkind: card", "status: draft\nkind: card")
    edit(pack / "sources.yaml", "E-5: {place", "E-5: {no-rule: the card is a draft, place")
    edit(pack / "pack.yaml", "\nversion: ", "\nversion: 9")
    edit(pack / "decisions" / "levelDue" / "table.yaml", "\nversion: ", "\nversion: 9")
    assert update_lock(pack) == []
    said = [problem.text for problem in problems_of(pack) if problem.path.name == "level-due.yaml"]
    assert said
    draft = "expect: examplolLevelDueDue: levelDue is a draft; with status: draft nobody is shown a card of it"
    assert {text.partition(": ")[2] for text in said} == {draft}


RESOURCES = [
    (
        DAILY,
        '"dosageInstruction"',
        '"dosageinstruction"',
        "dosageinstruction: MedicationRequest has no such element; did",
    ),
    (
        PATIENT,
        '"value": 14',
        '"value": "14"',
        "valueQuantity/value: '14' is a text; write a number without quotation marks",
    ),
    (PATIENT, '"status": "final"', '"state": "final"', "state: Observation has no such element; did you mean 'status'"),
    (DAILY, '"status": "draft"', '"status": "drafted"', "status: 'drafted' is not one of active, on-hold, cancelled"),
    (
        DAILY,
        '"resourceType": "MedicationRequest"',
        '"resourceType": "Prescription"',
        "resourceType: 'Prescription' is no ",
    ),
]


@pytest.mark.parametrize(("file", "right", "wrong", "said"), RESOURCES, ids=lambda value: str(value)[:30])
def test_a_patient_or_draft_that_is_not_valid_is_one_line_and_no_missing_card(pack, file, right, wrong, said):
    path = pack / "fixtures" / file
    edit(path, right, wrong)
    (problem,) = problems_of(pack)
    assert problem.path == path
    assert problem.text.startswith("not valid FHIR R4: ")
    assert said in problem.text
    assert wrong.partition(":")[0] in path.read_text(encoding="utf-8").splitlines()[problem.line - 1]


def test_the_sources_of_a_value_set_have_every_mark_of_its_codes(tmp_path):
    shutil.copytree(packaged("cards"), tmp_path / "cards")
    path = tmp_path / "cards" / "vitamin-b12" / "value-sets" / "platelet-count.yaml"
    edit(path, 'verified: ["CV26L"', 'verified: ["INTERNET"')
    problems = prove(tmp_path / "cards", site=None, fixtures=None, zone=ZoneInfo("UTC")).problems
    (found,) = [problem for problem in problems if problem.path == path]
    assert found.text.startswith("no source 'INTERNET' under sources; the sources are CV26L, GM:platelets, GPS")
    assert "INTERNET" in path.read_text(encoding="utf-8").splitlines()[found.line - 1]


# --- any damage -------------------------------------------------------------------------------------------------------

FILES = [SECOND_PACK / "fixtures" / DAILY, SECOND_PACK / "fixtures" / PATIENT]
RESOURCE = st.sampled_from([json.loads(path.read_text(encoding="utf-8")) for path in FILES])
SCALARS = [
    None,
    True,
    3,
    -1,
    2.6,
    "",
    "x",
    "2026-13-40",
    "Patient/x",
    [],
    ["x"],
    {},
    {"resourceType": "X"},
    {"value": "1"},
]
NAMES = [
    "resourceType",
    "status",
    "value",
    "code",
    "contained",
    "extension",
    "_status",
    "timing",
    "when",
    "entry",
    "Status",
]


def places(tree, way=()):
    """Every way to an element of a tree."""
    steps = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for step, value in steps:
        yield (*way, step)
        yield from places(value, (*way, step))


@given(RESOURCE, st.data())
@settings(max_examples=150, deadline=None)
def test_whatever_a_resource_has_become_its_faults_are_sentences(resource, data):
    damaged = copy.deepcopy(resource)
    *outer, last = data.draw(st.sampled_from(sorted(places(damaged), key=str)))
    holder = damaged
    for step in outer:
        holder = holder[step]
    if isinstance(last, str) and data.draw(st.booleans()):
        holder[data.draw(st.sampled_from(NAMES))] = holder.pop(last)
    else:
        holder[last] = copy.deepcopy(data.draw(st.sampled_from(SCALARS)))
    for fault in fhir_faults(damaged):
        assert fault.text
        assert "\n" not in str(fault)
