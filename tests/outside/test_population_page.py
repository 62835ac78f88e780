"""docs/population.md is followed: its commands are run, and what it says of output and tables is what there is."""

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from cds_service.commands.population import run
from cds_service.population import line_problems, records
from cds_service.population.manifest import LIMITS
from cds_service.population.run_tables import CARDS, EVENTS, PROBLEMS
from tests.support import messy_export
from tests.support.exports import selection
from tests.support.places import ROOT
from tests.support.ports import free_port
from tests.support.servers import wait_until_answers
from tests.support.shown_commands import block, blocks, checkout, environment
from tests.support.synthetic_population import id_of, write_population

PAGE = ROOT / "docs/population.md"
TEXT = PAGE.read_text(encoding="utf-8")
PATIENTS = 400
# By their beginning: why they are not run here.
NOT_RUN = {
    "git clone REPOSITORY": "there is no address yet, and it installs from an index",
    ".venv/bin/cds-service population run ../population/export --out ../population/last-year --engine": "it is Spark",
    "CDS_SERVICE_RUNS=": "it serves until it is ended; shown_in_the_console starts it",
    "pipx install smart-fetch": "it needs a FHIR server with Bulk Data",
}
WORDS = {
    "string": "text",
    "timestamp[us, tz=UTC]": "time, UTC",
    "int16": "number",
    "int32": "number",
    "int64": "number",
    "bool": "true or false",
}


def own_orderable(folder: Path, number: int) -> None:
    """An order of a hospital that has a code of its own for an ampoule."""
    coding = {"system": "http://hospital.example/formulary", "code": "B12A", "display": "Hydroxocobalamin amp 1 mg"}
    drug = {"medicationCodeableConcept": {"coding": [coding]}, "subject": {"reference": f"Patient/{id_of(number)}"}}
    head = {"resourceType": "MedicationRequest", "id": f"own-{number}", "status": "active", "intent": "order"}
    with messy_export.files_of(folder, "MedicationRequest")[0].open("a") as file:
        file.write(json.dumps({**head, **drug, "authoredOn": "2026-10-01T09:00:00Z"}) + "\n")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A checkout with an export beside it, in which things are wrong as in a hospital's."""
    made = tmp_path_factory.mktemp("reader") / "checkout"
    made.mkdir()
    checkout(made)
    python = made / ".venv/bin/python"
    python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n', encoding="utf-8")
    python.chmod(0o755)
    typed(made, "place")
    export = made.parent / "population/export"
    write_population(export, PATIENTS, seed=7)
    for number in range(1, 10):
        own_orderable(export, number)
    messy_export.plant_broken_line(export)
    messy_export.plant_dangling_medication(export)
    messy_export.plant_undated(export, "Condition")
    return made


def typed(folder: Path, name: str, status: int = 0) -> str:
    """Runs a block of the page, and gives what it said."""
    command = ["bash", "-euo", "pipefail", "-c", block(PAGE, name, {})]
    env = environment() | {"CDS_SERVICE_KEY": "k" * 40}
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout


def test_every_block_is_run_or_has_a_reason_why_not():
    tried = set(re.findall(r'typed\((?:folder|made), "([\w-]+)"', Path(__file__).read_text(encoding="utf-8")))
    assert tried == {name for name, _ in blocks(PAGE) if name}
    for name, text in blocks(PAGE):
        assert name or any(text.startswith(begin) for begin in NOT_RUN), text


def test_check_says_what_the_page_shows(folder):
    said = typed(folder, "check", status=1)
    assert f"```text\n{said}```" in TEXT, said


def test_a_year_is_run_reported_compared_and_looked_into(folder):
    assert "sets of orders signed together get a card" in typed(folder, "run")
    assert "What this run cannot know" in typed(folder, "report")
    population = folder.parent / "population"
    assert "<html" in (population / "last-year.html").read_text(encoding="utf-8")
    typed(folder, "share")
    assert "Counts from 1 to 7 are hidden" in (population / "to-show.html").read_text(encoding="utf-8")
    assert "with cards when the export was made" in typed(folder, "panel")
    assert "silent" in typed(folder, "tables")
    (folder / "hospital").mkdir()
    (folder / "hospital/cards").symlink_to(folder / "cards")
    said = typed(folder, "compare")
    assert said.startswith("Nothing changes: ") and "old: vitamin-b12" in said
    typed(folder, "console")
    with shown_in_the_console(folder) as url:
        page = requests.get(f"{url}/population", timeout=30).text
        assert "/population/last-year" in page and "/population/new-limits" in page
        assert "orders signed, " in requests.get(f"{url}/population/last-year", timeout=30).text
    left = {path.name for path in folder.iterdir()}
    assert left == {"cards", "fixtures", ".venv", "hospital"}, "patient data must not be in a clone"
    assert population.stat().st_mode & 0o077 == 0


@contextmanager
def shown_in_the_console(folder: Path) -> Iterator[str]:
    """The service as the page starts it, on a port that is free."""
    (text,) = [text for _, text in blocks(PAGE) if text.startswith("CDS_SERVICE_RUNS=")]
    setting, *command = shlex.split(text)
    port = free_port()
    env = environment() | dict([setting.split("=")])
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen([*command, "--port", str(port)], cwd=folder, env=env, **quiet) as service:
        try:
            wait_until_answers(f"http://127.0.0.1:{port}/readyz", service)
            yield f"http://127.0.0.1:{port}"
        finally:
            service.terminate()


def rows(heading: str, columns: int) -> list[list[str]]:
    """The rows of the first table below a heading that has so many columns, without its head."""
    below = TEXT.partition(f"\n{heading}\n")[2].partition("\n## ")[0]
    row = re.compile(r"\|" + r" ([^|\n]+) \|" * columns + "$", re.M)
    return [list(found) for found in row.findall(below.partition("\n### ")[0])][1:]


def in_words(kind: object) -> str:
    listed = str(kind)
    if listed.startswith("list<"):
        return "rows" if "struct<" in listed else "texts"
    return WORDS[listed]


@pytest.mark.parametrize(
    ("heading", "schema"), [("### Events", EVENTS), ("### Cards", CARDS), ("### Problems", PROBLEMS)]
)
def test_every_column_of_the_tables_is_explained_in_its_order(heading, schema):
    shown = [(name.strip("`"), kind) for name, kind, _ in rows(heading, 3)]
    assert shown == [(field.name, in_words(field.type)) for field in schema]


def test_every_problem_is_explained():
    explained = {name for left, _ in rows("### Problems", 2) for name in re.findall(r"`([\w-]+)`", left)}
    kinds = {
        value
        for module in (line_problems, records)
        for name, value in vars(module).items()
        if name.isupper()
        and isinstance(value, str)
        and name not in ("PATIENT", "MEDICATION")
        and not name.startswith("_")
    }
    assert explained == kinds


def test_every_limit_is_there_in_its_words():
    told = " ".join(TEXT.split())
    assert [limit for limit in LIMITS if limit not in told] == []


def test_every_type_that_the_content_asks_for_is_explained():
    explained = ", ".join(left for left, _ in rows("## 2. Get an export", 2)).split(", ")
    assert set(explained) == selection().types


def test_every_option_of_a_run_is_explained():
    explained = {name for left, _ in rows("## 4. Run", 2) for name in re.findall(r"`(--[\w-]+)", left)}
    options = {name for option in run.params for name in option.opts if name.startswith("--")}
    assert explained == options - {"--out", "--content", "--pack"}
