"""The hazard log: what the content names has a row, every row holds, and the page shows what is written."""

import csv
import io
import shutil

import pytest
from click.testing import CliRunner

from cds_service.cli import main
from cds_service.content.files import repeated_keys
from cds_service.content.hazard_log import Estimate
from cds_service.content.load import load_pack
from cds_service.content.proof.hazard_rows import problems_of_evidence, problems_of_hazards
from cds_service.export.hazard_page import COLUMNS, as_csv, as_document
from cds_service.packaged import packaged
from cds_service.vocabulary.problems import ProblemsError
from tests.support.places import ROOT
from tests.support.reviews import EMPTY, review

LOG, PLATELETS = "hazards.yaml", "decisions/imPlatelets/table.yaml"
NASAL = "decisions/nasalLabel/table.yaml"
A_TEST = "tests/unit/test_uuids.py::test_what_is_no_uuid_of_ours_is_noticed"
FRAMEWORK = f'framework:\n  hope: {{what: Hope., tests: ["{A_TEST}"]}}\n'
UNCONTROLLED = """\
    residual:
      severity: major
      likelihood: low
      because: >-
        Nothing here reduces it."""
SIGN_OFF = EMPTY.replace("review:", "sign-off:", 1)


@pytest.fixture
def project(tmp_path):
    """The content in a folder beside which the tests of the project stand."""
    shutil.copytree(packaged("cards"), tmp_path / "cards")
    (tmp_path / "tests").symlink_to(ROOT / "tests")
    return tmp_path


def edit(project, file, old, new):
    path = project / "cards/vitamin-b12" / file
    text = path.read_text(encoding="utf-8")
    assert old in text, f"{old!r} is not in {file}"
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    return text[: text.index(old)].count("\n") + 1


@pytest.fixture(scope="module")
def names(scenarios):
    return {scenario.name for scenario in scenarios}


def problems(project, names):
    """What ``check`` says of the hazard log, without the proof of all else."""
    cards = project / "cards"
    try:
        pack = load_pack(cards)
    except ProblemsError as error:
        return [*error.problems]
    folder = cards / pack.id
    root = project if (project / "tests").exists() else None
    found = [*problems_of_hazards(pack, folder), *problems_of_evidence(pack, folder, names, root)]
    return sorted([*found, *(repeated_keys(folder / LOG) if pack.hazards is not None else ())])


WITHOUT_A_ROW = [
    (NASAL, "kind: note\n", "kind: note\nsafety: true\n", 1, "no row of hazards.yaml names the safety decision nasalL"),
    (PLATELETS, "known-gaps: [", "known-gaps: [a new gap, ", 0, "names this known gap of imPlatelets: a new gap"),
    (NASAL, "{text: labelled}", "{text: labelled, suggestions: withheld}", -2, "names nasalLabelLabelled, which keeps"),
]
NAMED_AND_NOT_THERE = [
    (LOG, "imPlateletsThinNeedle,", "imPlateletsThickNeedle,", 0, "no rule is called 'imPlateletsThickNeedle'"),
    (LOG, "decisions: [doseUnit]", "decisions: [doseUnits]", 0, "no decision is called 'doseUnits'"),
    (LOG, "framework: [one-patient,", "framework: [two,", 0, "no control of the framework is called 'two'"),
    (LOG, "platelets-and-im/justBelow", "platelets-and-im/far", 0, "there is no scenario 'platelets-and-im/far'"),
    (LOG, "::test_pernicious_anaemia_is_seen", "::test_it_is_overlooked", 0, "py::test_it_is_overlooked'"),
    (
        LOG,
        "tests/content/test_accounts.py::test_a",
        "tests/content/test_gone.py::test_a",
        0,
        "there is no test 'tests/c",
    ),
    (
        LOG,
        "- the time of pressure is",
        "- the length of pressure is",
        0,
        "imPlatelets has no known gap 'the length of pr",
    ),
    (LOG, "framework:\n", FRAMEWORK, 1, "no hazard names the control 'hope'"),
]
MAJOR, LEAST, ROW = "{severity: major, likelihood: low}", "      likelihood: very-low\n", "    low: [1, 2, 2, 3, 4]"
OUT_OF_THE_MATRIX = [
    (LOG, MAJOR, "{severity: dreadful, likelihood: low}", 0, "severity 'dreadful' with likelihood 'low' is outside of"),
    (LOG, LEAST, "      likelihood: never\n", -2, "with likelihood 'never' is outside of the matrix"),
    (LOG, LEAST, "      likelihood: very-high\n", -2, "the residual risk 5 is greater than the initial risk 3"),
    (LOG, UNCONTROLLED, UNCONTROLLED.replace("likelihood: low", "likelihood: very-low"), 0, "without any control the"),
    (LOG, ROW, "    low: [1, 2, 2, 3]", 0, "4 risks for 5 severities"),
    (LOG, ROW, "    low: [1, 2, 2, 4, 3]", 0, "a greater severity gives a lower risk"),
    (LOG, ROW, "    low: [1, 2, 2, 3, 9]", 0, "the risk 9 has no meaning among the levels"),
    (LOG, ROW, "    lowly: [1, 2, 2, 3, 4]", 0, "the likelihood 'lowly' has not both a meaning and a row"),
]
KEYS = [
    (
        LOG,
        "    effect: Bleeding into the muscle, n",
        "    affect: Bleeding into the muscle, n",
        0,
        "'affect' is no key here; did you mean 'effect'?",
    ),
    (LOG, "  severities:", "  gravities:", 0, "'gravities' is no key here"),
    (LOG, '    owner: ""', '    owner: ""\n    score: 12', None, "'score' is no key here"),
    (LOG, "    status: open", "    status: solved", 0, "'solved' is not one of"),
    (LOG, "  HAZ-02:", "  HAZ-01:", 0, "the key 'HAZ-01' stands twice"),
]


@pytest.mark.parametrize(
    ("file", "old", "new", "further", "expected"), [*WITHOUT_A_ROW, *NAMED_AND_NOT_THERE, *OUT_OF_THE_MATRIX, *KEYS]
)
def test_a_breach_is_refused_with_file_and_line(project, names, file, old, new, further, expected):
    """``further`` is how many lines below the change the problem is said to stand."""
    line = edit(project, file, old, new)
    found = problems(project, names)
    (named,) = [problem for problem in found if expected in problem.text] or [None]
    assert named is not None, [str(problem) for problem in found]
    assert named.path == project / "cards/vitamin-b12" / file
    if further is not None:
        assert named.line == line + further, str(named)


def test_a_gap_in_other_words_is_a_gap_without_a_row(project, names):
    edit(project, LOG, "[recurrence is seldom coded]", "[recurrence is rarely coded]")
    assert [(problem.path.parent.name, problem.text) for problem in problems(project, names)] == [
        ("recurrence", "no row of hazards.yaml names this known gap of recurrence: recurrence is seldom coded"),
        ("vitamin-b12", "recurrence has no known gap 'recurrence is rarely coded'"),
    ]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("decisions: [doseUnit]", "decisions: [doseUnits]", "no decision is called 'doseUnits'"),
        ("platelets-and-im/justBelow", "platelets-and-im/far", "there is no scenario 'platelets-and-im/far'"),
        ("::test_pernicious_anaemia_is_seen", "::test_it_is_overlooked", "there is no test 'tests/content/hospitals/"),
    ],
)
def test_check_refuses_it_too(project, old, new, said):
    (project / "fixtures").symlink_to(packaged("fixtures"))
    line = edit(project, LOG, old, new)
    checked = CliRunner().invoke(main, ["check", str(project / "cards")])
    assert checked.exit_code == 1
    assert f"{project / 'cards/vitamin-b12' / LOG}:{line}: hazard: {said}" in checked.output


def test_content_without_a_log_lacks_every_row(project, names):
    (project / "cards/vitamin-b12/hazards.yaml").unlink()
    pack = load_pack(project / "cards")
    assert pack.hazards is None
    missing = [problem for problem in problems(project, names) if problem.kind == "hazard"]
    needed = sum(
        decision.safety + len(decision.known_gaps) + sum(bool(rule.then.withhold) for rule in decision.rules)
        for decision in pack.decisions.values()
    )
    assert len(missing) == needed > 50
    assert "has no hazard log" in as_document(pack)


def test_where_only_the_content_was_installed_tests_are_not_looked_for(project, names):
    (project / "tests").unlink()
    edit(project, LOG, "::test_pernicious_anaemia_is_seen", "::test_it_is_overlooked")
    assert problems(project, names) == []


def test_nobody_has_accepted_the_log_as_shipped(pack):
    assert pack.hazards.sign_off is None
    assert f"**Nobody has accepted this log for version {pack.version}: no clinician" in as_document(pack)
    assert {hazard.owner for hazard in pack.hazards.hazards.values()} == {""}
    assert {hazard.status for hazard in pack.hazards.hazards.values()} == {"open"}


def test_who_has_accepted_it_is_said_for_that_version_only(project, pack):
    edit(project, LOG, SIGN_OFF, review(pack.version).replace("review:", "sign-off:", 1))
    accepted = " ".join(as_document(load_pack(project / "cards")).split())
    assert "Authored by register 1 (Pharmacist, 2026-11-20), checked by register 2 (Haematologist" in accepted
    edit(project, "pack.yaml", f"\nversion: {pack.version}", "\nversion: 99.0.0")
    assert "Nobody has accepted this log for version 99.0.0:" in as_document(load_pack(project / "cards"))


def test_a_log_that_is_signed_has_an_owner_for_every_hazard(project, names, pack):
    edit(project, LOG, SIGN_OFF, review(pack.version).replace("review:", "sign-off:", 1))
    told = problems(project, names)
    assert len(told) == len(load_pack(project / "cards").hazards.hazards)
    assert "the log is signed and nobody owns HAZ-01" in str(told)


def test_the_page_of_hazards_is_the_one_that_is_made(pack):
    page = (ROOT / "docs/hazards.md").read_text(encoding="utf-8")
    assert page == as_document(pack), "make hazards writes it anew"


def test_risk_is_looked_up_in_the_matrix(pack):
    matrix = pack.hazards.matrix
    assert matrix.risk(Estimate("minor", "low")) == 1
    assert matrix.risk(Estimate("major", "medium")) == 3
    assert matrix.risk(Estimate("catastrophic", "very-high")) == 5
    assert matrix.risk(Estimate("major", "never")) is None
    assert matrix.risk(Estimate("dreadful", "low")) is None


def test_the_spreadsheet_has_a_line_for_each_hazard_and_the_page_says_the_same(pack):
    rows = list(csv.DictReader(io.StringIO(as_csv(pack))))
    assert [row["id"] for row in rows] == list(pack.hazards.hazards)
    assert set(rows[0]) == set(COLUMNS)
    page = as_document(pack)
    for row in rows:
        assert None not in row
        initial, residual = row["initial risk"], row["residual risk"]
        assert 1 <= int(residual) <= int(initial) <= 5
        assert f"| [{row['id']}](#{row['id'].lower()}) | {row['hazard']} | {initial} | {residual} |" in page
    platelets = next(row for row in rows if row["id"] == "HAZ-01")
    assert "imPlateletsTransfusionFirst" in platelets["controls: rules"].splitlines()


def test_the_command_prints_the_page_and_writes_both_files(tmp_path, pack):
    printed = CliRunner().invoke(main, ["export", "hazards"])
    assert (printed.exit_code, printed.output) == (0, as_document(pack))
    written = CliRunner().invoke(main, ["export", "hazards", "--out", str(tmp_path)])
    assert written.exit_code == 0
    assert (tmp_path / "hazards.md").read_text(encoding="utf-8") == as_document(pack)
    assert (tmp_path / "hazards.csv").read_bytes().decode() == as_csv(pack)
