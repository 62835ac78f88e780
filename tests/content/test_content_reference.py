"""The reference page, the schemas beside the content and the lines that lead to them are those that are in use."""

import json
import shutil
from zoneinfo import ZoneInfo

import pytest
from click.testing import CliRunner

from cds_service.cli import main
from cds_service.content.files import schema_data, schema_files
from cds_service.content.packs import fixtures_of
from cds_service.content.places import KINDS, SCENARIO, files_of, schema_line, schemas_of
from cds_service.content.schema_keys import described, shown_path
from cds_service.export.content_reference import reference
from cds_service.packaged import packaged
from cds_service.prove import prove
from cds_service.replay.input_files import FileError
from cds_service.replay.scenarios import read_scenarios
from tests.support.faults import assert_none
from tests.support.places import ROOT, SECOND_PACK

CARDS = packaged("cards")
PACK = CARDS / "vitamin-b12"
PAGE = ROOT / "docs/content-reference.md"


def test_the_page_is_fresh():
    """``make reference`` writes it."""
    assert PAGE.read_text(encoding="utf-8") == reference(PACK)


def test_every_key_of_every_file_is_on_the_page():
    text = PAGE.read_text(encoding="utf-8")
    for kind in schema_files():
        for way, _ in described(schema_data(kind)):
            assert f"| `{shown_path(way)}` |" in text, (kind, way)
    for pattern in KINDS:
        assert f"`{pattern.replace('*', '<id>')}`" in text


def test_examples_are_of_the_pack_whose_page_it_is():
    text = reference(SECOND_PACK / "cards" / "examplol")
    assert "| `facts.*.label` | text | yes |" in text
    assert "`Years of age`" in text
    assert "`examplol`" in text


def test_a_list_of_choices_is_on_the_page_and_citations_lead_to_the_decision():
    (row,) = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| `hit-policy` |")]
    assert "`UNIQUE` or `FIRST` or `COLLECT`" in row
    assert "([Z15](decisions.md#z15))" in PAGE.read_text(encoding="utf-8")


def test_the_schemas_beside_the_content_are_those_that_check_uses():
    """``cds-service export schemas --out cards`` writes them."""
    beside = {path.stem: path.read_text(encoding="utf-8") for path in schemas_of(CARDS).glob("*.json")}
    assert beside == dict(schema_files())


def test_every_file_of_the_content_and_every_story_begins_with_the_line_of_its_schema():
    files = dict(files_of(PACK)) | dict.fromkeys((fixtures_of(PACK) / "scenarios").glob("*.yaml"), SCENARIO)
    assert set(PACK.rglob("*.yaml")) <= set(files)
    faults = {
        str(path): [] if path.read_text(encoding="utf-8").startswith(line + "\n") else [f"should begin with {line}"]
        for path, line in ((path, schema_line(path, kind, CARDS)) for path, kind in files.items())
    }
    assert_none(faults, len(faults))


@pytest.mark.parametrize(
    ("line", "problems"), [("# yaml-language-server: $schema=../elsewhere.json", 0), ("# another remark", 2)]
)
def test_the_line_for_editors_is_no_content_and_needs_no_version(tmp_path, line, problems):
    """Else a folder could not be moved without a new version of all that is in it. Any other remark is content."""
    shutil.copytree(SECOND_PACK / "cards", tmp_path / "cards")
    table = tmp_path / "cards/examplol/decisions/course.yaml"
    table.write_text(f"{line}\n{table.read_text(encoding='utf-8')}", encoding="utf-8")
    found = prove(tmp_path / "cards", site=None, fixtures=None, zone=ZoneInfo("UTC")).problems
    assert [problem.kind for problem in found] == ["version"] * problems


def test_the_pages_and_schemas_are_written_by_the_command(tmp_path):
    run = CliRunner().invoke
    assert run(main, ["export", "reference", "--out", str(tmp_path)]).exit_code == 0
    assert (tmp_path / "content-reference.md").read_text(encoding="utf-8") == reference(PACK)
    assert run(main, ["export", "schemas", "--out", str(tmp_path)]).exit_code == 0
    assert json.loads((tmp_path / "schemas/table.json").read_text(encoding="utf-8")) == schema_data("table")
    assert json.loads(run(main, ["export", "schemas"]).output)["facts"] == schema_data("facts")


@pytest.mark.parametrize(
    ("story", "said"),
    [
        ("storey: x\npatient: a\ncases: []\n", ":1: 'storey' is no key here; did you mean 'story'?"),
        ("story: x\ncases:\n  - {name: a, expects: []}\n", ":3: a: 'expects' is no key here; did you mean 'expect'"),
        (
            "story: x\npatient: ada-sample\ncases:\n  - {name: a, expect: [{topic: b, indicator: info, say: []}]}\n",
            ":4: a: expect: 'say' is no key here; did you mean 'says'?",
        ),
        ("story: x\ncases:\n  - name: a\n    why: 5 is: more\n", "a text with a colon and a space in it stands in quo"),
    ],
)
def test_a_misspelled_key_of_a_scenario_is_not_passed_over(tmp_path, story, said):
    path = tmp_path / "story.yaml"
    path.write_text(story, encoding="utf-8")
    with pytest.raises(FileError) as caught:
        list(read_scenarios(SECOND_PACK / "fixtures", [path]))
    assert said in str(caught.value)
