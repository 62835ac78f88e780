"""What is wrong with an order template is found where it is written, with what to write instead."""

import shutil
from zoneinfo import ZoneInfo

import pytest
import yaml
from click.testing import CliRunner

from cds_service.cli import main
from cds_service.packaged import packaged
from cds_service.prove import prove
from tests.support.places import SECOND_PACK

LEVEL, TABLETS, PAP, DRIP = (
    f"orders/{name}.yaml" for name in ("exampliteLevel", "tabletCourse", "dailyPap", "slowDrip")
)
LAB = '{system: "http://example.org/labs", code: examplite'
TABLET = '{system: "http://example.org/drugs", code: EX-T'
UCUM = 'system: "http://unitsofmeasure.org", code: ug}'
TIMING, REPEAT = "dosageInstruction/0/timing/repeat", "{count: 10, frequency: 1, period: 1, periodUnit: d}"
UNITS_OF_TIME = "s, min, h, d, wk, mo, a"
STATUSES = "active, on-hold, cancelled, completed, entered-in-error, stopped, draft, unknown"
# The file of the second pack, what stands there, the mistake, its line, and the sentence.
MISTAKES = [
    (LEVEL, LAB, '{system: "http://loinc.org", code: 2823-4', 9, "2823-4 fails its check digit"),
    (LEVEL, LAB, '{system: "http://snomed.info/sct", code: "84027008"', 9, "84027008 fails its check digit"),
    (TABLETS, TABLET, '{system: "urn:oid:2.16.840.1.113883.6.1", code: 2823-4', 12, "2823-4 fails its check digit"),
    (
        LEVEL,
        LAB,
        '{system: "http://example.org/labs", code: exampite',
        9,
        "exampite of http://example.org/labs is in no value set of the pack; did you mean 'examplite'?",
    ),
    (
        TABLETS,
        TABLET,
        '{system: "http://example.org/drugs", code: EX-TT',
        12,
        "EX-TT of http://example.org/drugs is in no value set of the pack; did you mean 'EX-T' or 'EX-I'?",
    ),
    (
        PAP,
        "code: PAP,",
        "code: POP,",
        11,
        "POP of http://example.org/foods is in no value set of the pack; did you mean 'PAP'",
    ),
    (
        TABLETS,
        "code: mouth, display: By mouth}], text: by mouth}\n      doseAndRate:\n        - doseQuantity: {value: 300",
        "code: mouthe, display: By mouth}], text: by mouth}\n      doseAndRate:\n        - doseQuantity: {value: 300",
        17,
        "mouthe of http://example.org/ways is in no value set of the pack; did you mean 'mouth'?",
    ),
    (
        LEVEL,
        LAB,
        '{system: "http://loinc.org", code: 999999-6, display: Placeholderite}, ' + LAB,
        9,
        "999999-6 is the placeholder that new pack wrote here; write the code that the value set has now",
    ),
    (
        TABLETS,
        "agent: examplol",
        "agent: examplole",
        4,
        "no code or name of a value set has the agent 'examplole'; did you mean 'examplol'?",
    ),
    (
        TABLETS,
        UCUM,
        UCUM.replace("ug}", "mcgs}"),
        19,
        "dosageInstruction/0/doseAndRate/0/doseQuantity: 'mcgs' is no code of UCUM that is known here",
    ),
    (
        TABLETS,
        UCUM,
        UCUM.replace("ug}", "mcg}"),
        19,
        "dosageInstruction/0/doseAndRate/0/doseQuantity: 'mcg' is no code of UCUM; write 'ug'",
    ),
    (
        TABLETS,
        REPEAT,
        REPEAT.replace("Unit: d", "Unit: week"),
        16,
        f"not valid FHIR R4: {TIMING}/periodUnit: 'week' is not one of {UNITS_OF_TIME}; did you mean 'wk'?",
    ),
    (
        TABLETS,
        REPEAT,
        REPEAT.replace("count: 10", "duration: 2, durationUnit: hours"),
        16,
        f"not valid FHIR R4: {TIMING}/durationUnit: 'hours' is not one of {UNITS_OF_TIME}",
    ),
    (
        TABLETS,
        REPEAT,
        REPEAT.replace("count: 10", "dayOfWeek: [monday]"),
        16,
        f"not valid FHIR R4: {TIMING}/dayOfWeek: 'monday' is not one of mon, tue, wed, thu, fri, sat, sun; did",
    ),
    (
        TABLETS,
        REPEAT,
        REPEAT.replace("count: 10", "when: [MORNING]"),
        16,
        f"not valid FHIR R4: {TIMING}/when: 'MORNING' is not one of AC, ",
    ),
    (
        TABLETS,
        REPEAT,
        REPEAT.replace("count: 10", 'count: "10"'),
        16,
        f"not valid FHIR R4: {TIMING}/count: '10' is a text; write a number without quotation marks",
    ),
    (
        TABLETS,
        REPEAT,
        REPEAT.replace("frequency: 1", "frequency: often"),
        16,
        f"not valid FHIR R4: {TIMING}/frequency: a whole number is needed, not 'often'",
    ),
    (
        TABLETS,
        "status: draft",
        "status: drafted",
        9,
        f"not valid FHIR R4: status: 'drafted' is not one of {STATUSES}; did you mean 'draft'?",
    ),
    (DRIP, "intent: order", "intent: orders", 9, "not valid FHIR R4: intent: 'orders' is not one of proposal, plan, "),
    (LEVEL, "status: draft", "status: stopped", 6, "not valid FHIR R4: status: 'stopped' is not one of draft, active"),
    (
        TABLETS,
        "  dosageInstruction:",
        "  dosageinstruction:",
        14,
        "not valid FHIR R4: dosageinstruction: MedicationRequest has no such element; did you mean 'dosageIn",
    ),
    (
        TABLETS,
        "medicationCodeableConcept:",
        "medicationConcept:",
        11,
        "not valid FHIR R4: medicationConcept: MedicationRequest has no such element; did you mean 'medicationCodeable",
    ),
]


@pytest.fixture
def cards(tmp_path):
    shutil.copytree(SECOND_PACK / "cards", tmp_path / "cards")
    return tmp_path / "cards"


def problems_of(cards):
    problems = prove(cards, site=None, fixtures=None, zone=ZoneInfo("UTC")).problems
    return [problem for problem in problems if problem.kind in ("order", "code")]


@pytest.mark.parametrize(("file", "right", "wrong", "line", "said"), MISTAKES, ids=lambda value: str(value)[:30])
def test_a_mistake_in_an_order_template_is_found_on_its_line(cards, file, right, wrong, line, said):
    path = cards / "examplol" / file
    text = path.read_text(encoding="utf-8")
    assert right in text, f"{right!r} is not in {file}"
    path.write_text(text.replace(right, wrong, 1), encoding="utf-8")
    found = [(problem.path, problem.line) for problem in problems_of(cards) if problem.text.startswith(said)]
    assert found == [(path, line)], [str(problem) for problem in problems_of(cards)]


def test_no_sentence_about_an_order_template_shows_a_class_or_the_words_of_a_library():
    for *_, said in MISTAKES:
        for jargon in ("pydantic", "validation error", "Input should", "spec regex", "type="):
            assert jargon not in said


def test_the_order_of_a_new_pack_whose_result_has_another_code_is_named_as_the_placeholder(tmp_path):
    content = tmp_path / "packs"
    assert CliRunner().invoke(main, ["new", "pack", "iron", "--in", str(content)]).exit_code == 0
    results = content / "iron" / "value-sets" / "placeholderite.yaml"
    written = results.read_text(encoding="utf-8")
    row = next(iter(yaml.safe_load(written)["concepts"]))
    results.write_text(written.replace(row["code"], "2276-4"), encoding="utf-8")
    (problem,) = problems_of(content)
    assert problem.path == content / "iron" / "orders" / "levelOrder.yaml"
    assert problem.text.startswith("999999-6 is the placeholder that new pack wrote here")


def test_a_site_that_orders_by_a_code_of_its_own_needs_it_in_no_value_set(tmp_path):
    content = tmp_path / "cards"
    shutil.copytree(packaged("cards"), content)
    site = tmp_path / "site.toml"
    site.write_text(
        '[orderables]\nplateletCount = {system = "http://lab.example", code = "THR", display = "Count"}\n',
        encoding="utf-8",
    )
    problems = prove(content, site=site, fixtures=None, zone=ZoneInfo("UTC")).problems
    assert [str(problem) for problem in problems] == []
