"""``check`` finds what is wrong with content and says where."""

import json
import re
import shutil
import sys
from zoneinfo import ZoneInfo

import pytest

from cds_service.content.inherited import common_units, common_words
from cds_service.content.load import load_pack
from cds_service.content.packs import own_fixtures
from cds_service.content.proof.versions import update_lock
from cds_service.fhir.check_digits import loinc_is_valid, snomed_is_valid
from cds_service.packaged import packaged
from cds_service.prove import prove, prove_in_child
from cds_service.service.app import create_app
from cds_service.settings import Settings
from cds_service.vocabulary.problems import Problem, ProblemsError


@pytest.fixture
def cards(tmp_path):
    shutil.copytree(packaged("cards"), tmp_path / "cards")
    return tmp_path / "cards"


def edit(cards, file, old, new):
    path = cards / "vitamin-b12" / file
    text = path.read_text()
    assert old in text, f"{old!r} is not in {file}"
    path.write_text(text.replace(old, new, 1))


def raise_versions(cards, *files):
    for file in ("pack.yaml", *files):
        edit(cards, file, "\nversion: ", "\nversion: 9")


def problems_of(cards):
    return prove(cards, site=None, fixtures=None, zone=ZoneInfo("UTC")).problems


def test_the_content_as_shipped_holds(cards):
    fixtures = own_fixtures(packaged("cards") / "vitamin-b12")
    assert fixtures is not None
    assert prove(cards, site=None, fixtures=fixtures, zone=ZoneInfo("UTC")).problems == ()


PLATELETS, NASAL = "decisions/imPlatelets/table.yaml", "decisions/nasalRegimen/table.yaml"
LOADING, ADULT = "decisions/neurologicalLoading/table.yaml", "decisions/adult.yaml"
IN_THE_FORM_OF_TABLES = [
    (PLATELETS, "'> 50'", "over 50", ":70: reference: 'over 50' is no value of this input; it can be a number, absent"),
    (PLATELETS, "'> 50'", "'> 50, absent'", "alternatives stand in a list"),
    (PLATELETS, "plateletDoubt: low", "plateletDoubt: lower", "'lower' is no value of this input; it can be low,"),
    (PLATELETS, "plateletDoubt: low", "plateletDoubt: absent", "'absent' is no value of this input"),
    (PLATELETS, "plateletDoubt: low", "plateletDoubt: 25", "25 is a number, and this input can be low,"),
    (PLATELETS, "plateletDoubt: low", "plateletDoubt: {or: absent}", ": schema: rules/"),
    (PLATELETS, "plateletDoubt: low", "plateletDoubt: [[low, none]]", "'low then none' is a sequence"),
    (PLATELETS, "plateletDoubt: low", "plateletDoubt: {not: absent}", "'absent' is no value of this input"),
    ("decisions/regimenFit/table.yaml", "[threeWeekly, maintenance]", "[threeWeekly, never]", "'never' is no value"),
    ("decisions/neurologicalInvolvement.yaml", "then: no,", "then: none recorded,", "'no' is no value of this input"),
    ("facts.yaml", "values: [low, not-low]", "values: [low, absent]", ":67: reference: 'absent' is a state of"),
    (PLATELETS, "applies-when: {orderKind", "applies-when: {orderSort", ":15: reference: no fact or decision 'orderS"),
    (PLATELETS, "applies-when: {", "applies-when: {platelets: '< 25', ", "'platelets' has no list of words"),
    (PLATELETS, "{orderKind: cobalamin,", "{orderKind: {not: none},", "'none' is no value of this input"),
    (
        PLATELETS,
        "orderKind: cobalamin,",
        "orderKind: [cobalamin, folate, outOfScope],",
        "'orderKind' is never any",
    ),
    (PLATELETS, "{administration: perhapsIntoMuscle", "{administration: vein", '"vein" is outside of applies-when'),
    (PLATELETS, "ifIntoMuscle, perhapsIntoMuscle]", "ifIntoMuscle, vein, perhapsIntoMuscle]", ": gap: no rule for"),
    (
        "decisions/adult.yaml",
        "hit-policy:",
        "applies-when: {patient-sex: male}\nhit-policy:",
        ":8: reference: a definition has no appl",
    ),
    (
        NASAL,
        "yields-to: [neurologicalLoading]",
        "yields-to: [suggestionLimits]",
        "'suggestionLimits' is no card of",
    ),
    (NASAL, "yields-to: [neurologicalLoading]", "yields-to: [nobody]", ":11: reference: 'nobody' is no card of which"),
    (NASAL, "inputs: [administration", "inputs: [neurologicalLoading, administration", "is no definition"),
    (LOADING, "inputs:", "yields-to: [nasalRegimen]\ninputs:", "decisions in a circle: "),
    (LOADING, "inputs:", "yields-to: [neurologicalLoading]\ninputs:", "neurologicalLoading > neurologicalLoading"),
    (NASAL, "\nwhy:", "\nknown-why:", ": schema: "),
    (LOADING, "why: Nerve damage", "# Nerve damage", "the key 'why' is missing: Why there is such a card"),
    (ADULT, "hit-policy:", "why: Because.\nhit-policy:", ":8: reference: a definition has no why"),
    (ADULT, "id: adult\n", "id: grownUp\n", "'adult' is not named as the decision 'grownUp'"),
    (PLATELETS, "id: ThinNeedle\n", "id: ThickNeedle\n", ": name: the text 'thinNeedle' of ThickNeedle should be"),
    (PLATELETS, "id: CountOrdered,", "id: countOrdered,", ": name: 'countOrdered' should be in PascalCase"),
    (PLATELETS, "id: plateletCount,", "id: PlateletCount,", "no label for suggestion 'PlateletCount'"),
    ("orders/plateletCount.yaml", "id: plateletCount", "id: platelet_count", ": schema: id:"),
    ("facts.yaml", "\n  patient-sex:", "\n  patientSex:", "reference: no fact 'patient-sex'"),
]
REMAINS, EXTENT = "decisions/whatRemains/table.yaml", "decisions/ilealResectionExtent/table.yaml"
JUDGED = "decisions/regimenJudged.yaml"
WHAT_WAS_NOT_READ = [  # Z75
    (REMAINS, "then: unknown,", "then: nothing,", ": unknown: rule NotRead takes what was not read for absent (b12-"),
    (EXTENT, "then: unknown,", "then: notOver,", ": unknown: rule NotRead takes what was not read for absent ("),
    (JUDGED, "unknown-as-absent:", "known-as-absent:", ": schema: rules/1"),
    (ADULT, "then: yes,", 'then: yes, unknown-as-absent: "for no reason at all",', "takes nothing unread for absent"),
]


@pytest.mark.parametrize(
    ("file", "old", "new", "expected"),
    [
        ("decisions/imPlatelets/table.yaml", "'[25..50]'", "'(25..50]'", ": gap: no rule for"),
        ("decisions/imPlatelets/table.yaml", "'< 25'", "'<= 25'", ": overlap: TransfusionFirst and ThinNeedle"),
        ("decisions/imPlatelets/table.yaml", "platelets: unknown", "platelets: unusable", ": gap: "),
        ("decisions/adult.yaml", "'>= 18'", "['>= 18', '< 18']", ": unreachable: rule Child"),
        ("decisions/imPlatelets/table.yaml", "'> 50'", "'> fifty'", "is not a unary test"),
        (
            PLATELETS,
            "statement: S11",
            "statement: S99",
            "no statement 'S99' in sources.yaml; did you mean 'S9' or 'S19'?",
        ),
        ("decisions/imPlatelets/table.yaml", "statement: S10", "statement: S12", ": uncited: no rule rests on S10"),
        ("decisions/imPlatelets/table.yaml", "text: thinNeedle", "text: thickNeedle", "no text 'thickNeedle'"),
        ("decisions/imPlatelets/table.yaml", "add: plateletCount", "add: plateletGuess", "no order template"),
        ("decisions/imPlatelets/table.yaml", "platelets: '[25..50]'", "plateletz: '[25..50]'", "is no input of this"),
        ("decisions/imPlatelets/table.yaml", "hit-policy: UNIQUE", "hit-policy: LUCKY", ": schema: hit-policy:"),
        ("decisions/imPlatelets/text.en.yaml", "{limit.platelets}", "25", ": number: '25' stands in the text; "),
        ("decisions/imPlatelets/text.en.yaml", "{limit.platelets}", "25", "is not named; {limit.platelets} says it"),
        ("decisions/imPlatelets/text.en.yaml", "{platelets.date}", "{platelets.day}", "nothing is called"),
        ("decisions/imPlatelets/text.en.yaml", "prolonged pressure", "prolonged pressure " * 6, ": length: "),
        ("decisions/imPlatelets/text.en.yaml", "{administration}", "<b>IM</b>", ": markdown: "),
        ("value-sets/platelet-count.yaml", "777-3", "777-4", ": code: 777-4 fails its check digit"),
        ("value-sets/pernicious-anaemia.yaml", "84027009", "84027008", ": code: 84027008 fails"),
        ("orders/hydroxocobalaminThreeWeekly.yaml", "frequency: 3", "frequency: [3]", ": order: not valid FHIR R4"),
        ("facts.yaml", "kind: patient, element: sex", "kind: patience, element: sex", ": schema: "),
        ("facts.yaml", "element: agent", "element: agents", "'agents' is not one of"),
        ("facts.yaml", "plausible: {unit: umol/L", "plausible: {unit: mol/L", "'mol/L' is not among the units"),
        ("units.yaml", "grammar: amount-per-volume", "grammar: amount-per-weight", ": schema: "),
        (
            "pack.yaml",
            "rests-also: [S23]",
            "rests-also: [S99]",
            "no statement 'S99' in sources.yaml; did you mean 'S9' or 'S19'?",
        ),
        (
            "orders/plateletCount.yaml",
            "statement: S12",
            "statement: S21a",
            "no statement 'S21a' in sources.yaml; did you mean 'S21'",
        ),
        (
            "sources.yaml",
            "no-rule: the short form of S13, which the rules rest on",
            "",
            ": uncited: no rule rests on S2",
        ),
        (
            "decisions/ending/table.yaml",
            "'>= 300'",
            "'>= 310'",
            ": paragraph: S19: the paragraph says 300, which stands neither in",
        ),
        (PLATELETS, "settles: [C5]", "settles: [C99]", "no settlement 'C99' in sources.yaml; did you mean 'C9'?"),
        ("decisions/adult.yaml", "status: active", "status: draft", ": status: adult is draft and"),
        ("decisions/monitoringDue/table.yaml", "indicator: info", "indicator: warning", ": indicator: "),
        ("pack.yaml", 'role: ""', "role: Pharmacist", ": review: version is empty; a review is filled in whole"),
        ("pack.yaml", 'date: ""', "date: yesterday", ": review: 'yesterday' is no date of the form YYYY-MM-DD"),
        ("pack.yaml", "id: vitamin-b12\n", "id: vitamin-b12\nid: again\n", "stands twice"),
        *IN_THE_FORM_OF_TABLES,
        *WHAT_WAS_NOT_READ,
        ("pack.yaml", "      oralTherapy: warning", "      oralTherapies: warning", "does not show 'oralTherapies'"),
        ("pack.yaml", "      oralTherapy: warning", "      oralTherapy: info", ": schema: services/1/least"),
        ("pack.yaml", "topic-system: urn:uuid:", "topic-system: https://", ": schema: topic-system"),
    ],
)
def test_a_defect_is_found_with_file_and_line(cards, file, old, new, expected):
    edit(cards, file, old, new)
    problems = problems_of(cards)
    lines = [str(problem) for problem in problems if problem.kind not in ("version", "lock")]  # any edit causes these
    named = [line for line in lines if expected in line]
    assert named, lines
    path, line, _ = named[0].split(":", 2)
    assert path.startswith(str(cards / "vitamin-b12"))
    assert path.endswith(".yaml")
    assert int(line) >= 1


@pytest.mark.parametrize(
    ("statement", "paragraph", "expected"),
    [
        ("S19", None, "S19: rules rest on it, and no paragraph (does) says what they do"),
        ("L4", None, "L4: rules rest on it, and no paragraph (does) says what they do"),
        ("S19", "Stop it. " * 50, "S19: the paragraph has 100 of at most 90 words"),
        ("S19", "It ends in less than 94 days.", "S19: the paragraph says 94, which stands neither in the quote"),
        ("S19", "See `stopping`.", "S19: only plain text may stand in the paragraph"),
        ("S19", "See maintenanceGap.", "S19: the paragraph names 'maintenanceGap', which is no word of its readers"),
        ("S19", "It asks for pernicious-anaemia.", "S19: the paragraph names 'pernicious-anaemia'"),
        ("S12", "Platelets of 25 × 10⁹/L and 60 mL/min/1.73 m².", "S12: the paragraph says 60,"),
        ("S2", None, ""),  # it says why there is no rule
        ("S19", "Within 93 days of B12 it is a warning.", ""),
    ],
)
def test_a_paragraph_that_is_missing_or_out_of_step_is_refused(cards, statement, paragraph, expected):
    path = cards / "vitamin-b12/sources.yaml"
    before = path.read_text(encoding="utf-8")
    planted = f"    does: {json.dumps(paragraph, ensure_ascii=False)}\n" if paragraph else ""
    members = r"(?:    (?!does:)[\w-]+: .*\n(?:      .*\n)*)*"
    entry = rf"(\n  {statement}:\n{members})    does: >-\n(?:      .*\n)+"
    after, count = re.subn(entry, lambda match: match[1] + planted, before)
    assert count == 1
    path.write_text(after, encoding="utf-8")
    found = [problem for problem in problems_of(cards) if problem.kind == "paragraph"]
    if not expected:
        assert found == []
        return
    (problem,) = found
    assert problem.text.startswith(expected)
    above = [line for line in after.splitlines()[: problem.line] if re.match(r"  \w+:", line)]
    assert above[-1] == f"  {statement}:"


def test_changed_content_without_a_new_version_fails_and_cannot_be_locked(cards):
    edit(cards, "decisions/imPlatelets/text.en.yaml", "prolonged pressure", "long pressure")
    assert any("imPlatelets changed without a new version" in problem.text for problem in problems_of(cards))
    before = (cards / "vitamin-b12/lock.json").read_bytes()
    decision, pack = update_lock(cards)
    assert re.search(r"imPlatelets/table\.yaml:\d+: version: decision:imPlatelets changed without", str(decision))
    assert re.search(r"pack\.yaml:4: version: pack:vitamin-b12 changed without a new version", str(pack))
    assert (cards / "vitamin-b12/lock.json").read_bytes() == before
    raise_versions(cards, "decisions/imPlatelets/table.yaml")
    assert {problem.kind for problem in problems_of(cards)} == {"lock"}
    assert update_lock(cards) == []
    assert problems_of(cards) == ()


@pytest.mark.parametrize("file", ["decisions/imPlatelets/table.yaml", "pack.yaml"])
def test_a_decision_and_its_pack_get_new_versions_together(cards, file):
    """Else one version of the pack would name two contents."""
    edit(cards, "decisions/imPlatelets/text.en.yaml", "prolonged pressure", "long pressure")
    edit(cards, file, "\nversion: ", "\nversion: 9")
    (refused,) = update_lock(cards)
    assert refused.kind == "version"


def test_a_lock_that_knows_more_than_there_is_says_so(cards):
    lock = cards / "vitamin-b12/lock.json"
    known = json.loads(lock.read_text())
    known["digests"]["decision:gone"] = "0"
    lock.write_text(json.dumps(known))
    with pytest.raises(ProblemsError, match="pack:vitamin-b12 changed without a new version"):
        create_app(Settings(cards=cards))


def test_finding_numbers_are_never_given_twice_and_never_change(cards):
    before = load_pack(cards).findings
    raise_versions(cards, "decisions/imPlatelets/table.yaml")
    assert update_lock(cards) == []
    after = load_pack(cards).findings
    assert before.items() <= after.items()
    assert len(set(after.values())) == len(after) > len(before)


def test_check_digits():
    assert loinc_is_valid("777-3") and loinc_is_valid("2132-9")
    assert not loinc_is_valid("14685-0")
    assert snomed_is_valid("190634004") and not snomed_is_valid("190634005")


def test_changed_content_is_not_served_until_it_is_locked(cards):
    """Z27: what is served is what was checked and locked."""
    edit(cards, "decisions/imPlatelets/text.en.yaml", "prolonged pressure", "long pressure")
    with pytest.raises(ProblemsError, match="imPlatelets changed without a new version"):
        create_app(Settings(cards=cards))


def test_problems_sort_by_file_and_line_and_read_as_a_compiler_says_them(tmp_path):
    later, earlier = Problem(tmp_path / "a.yaml", 10, "gap", "no rule"), Problem(tmp_path / "a.yaml", 9, "code", "x")
    other = Problem(tmp_path / "b.yaml", 1, "lock", "y")
    assert sorted([other, later, earlier]) == [earlier, later, other]
    assert str(ProblemsError([later, other])) == f"{tmp_path}/a.yaml:10: gap: no rule\n{tmp_path}/b.yaml:1: lock: y"


def test_the_pack_is_loaded_once_in_a_proof(monkeypatch):
    """Nearly all that a proof waits for besides fhir.resources is YAML."""
    import yaml

    common_words(), common_units()  # which a process reads once
    texts = []
    load = yaml.load
    monkeypatch.setattr(yaml, "load", lambda text, Loader: texts.append(text) or load(text, Loader=Loader))
    cards = packaged("cards")
    assert prove(cards, site=None, fixtures=None, zone=ZoneInfo("UTC")).problems == ()
    assert len(texts) == len(list(cards.rglob("*.yaml")))


def test_a_child_finds_what_a_proof_finds(cards):
    edit(cards, "decisions/imPlatelets/table.yaml", "'[25..50]'", "'(25..50]'")
    problems = prove_in_child(cards, site=None, fixtures=None, zone="UTC")
    assert problems == problems_of(cards)
    assert "gap" in {problem.kind for problem in problems}


def test_a_child_is_asked_about_the_site_and_the_scenarios_too(cards, tmp_path):
    site = tmp_path / "site.toml"
    site.write_text('[decisions]\noff = ["nothingOfTheKind"]\n')
    (problem,) = prove_in_child(cards, site=site, fixtures=None, zone="UTC")
    assert (problem.path, problem.line, problem.kind) == (site, 2, "site")

    shutil.copytree(packaged("fixtures"), tmp_path / "fixtures")
    path = tmp_path / "fixtures/scenarios/platelets-and-im.yaml"
    path.write_text(path.read_text().replace("imPlateletsThinNeedle", "imPlateletsNone"))
    problems = prove_in_child(cards, site=None, fixtures=tmp_path / "fixtures", zone="UTC")
    assert {(problem.path, problem.kind) for problem in problems} == {(path, "fixture")}


def test_a_story_without_its_scenario_is_a_finding_with_its_line(cards, tmp_path):
    shutil.copytree(packaged("fixtures"), tmp_path / "fixtures")
    path = tmp_path / "fixtures" / "stories.yaml"
    path.write_text("stories:\n  - {scenario: kidney/gone, title: A, shows: B.}\n", encoding="utf-8")
    (problem,) = prove_in_child(cards, site=None, fixtures=tmp_path / "fixtures", zone="UTC")
    assert (problem.path, problem.line, problem.text) == (path, 2, "there is no scenario 'kidney/gone'")


def test_a_child_that_fails_proves_nothing(cards, monkeypatch):
    monkeypatch.setattr(sys, "executable", "/bin/false")
    assert prove_in_child(cards, site=None, fixtures=None, zone="UTC") == (Problem(cards, 1, "proof", "ended with 1"),)


@pytest.mark.parametrize(("length", "said"), [(139, []), (140, ["can reach 140 of 139 characters"])])
def test_RSP_11_a_summary_that_can_reach_140_characters_is_refused(cards, length, said):
    file = "decisions/routeNotCovered/text.en.yaml"
    path = cards / "vitamin-b12" / file
    path.write_text(re.sub(r"summary: .*", f"summary: {'x' * length}", path.read_text(), count=1))
    raise_versions(cards, "decisions/routeNotCovered/table.yaml")
    lengths = [problem for problem in map(str, problems_of(cards)) if ": length: " in problem]
    assert len(lengths) == len(said) and all(word in problem for word, problem in zip(said, lengths, strict=True))
