"""Population runs over exports in which something is not as it should be: nothing is left out without being said."""

import json
import os
import tempfile
from collections import defaultdict
from pathlib import Path

import duckdb
import pytest
from click.testing import CliRunner

from cds_service.cli import main
from tests.support.population import DAY, NOW, SAMPLE, order
from tests.support.users import as_somebody_else

ORDER = order("o1", NOW)
RESOURCES = (*SAMPLE.resources, ORDER)
JUDGED = {("order-sign", "cards"), ("patient-view", "cards")}
DEEP = "[" * 10_000 + "]" * 10_000


@pytest.fixture(autouse=True)
def key(monkeypatch):
    """The key of the service, so that no store is made."""
    monkeypatch.setenv("CDS_SERVICE_KEY", "k" * 40)


def command(*arguments):
    done = CliRunner().invoke(main, ["population", *map(str, arguments), "--workers", "1"])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done


def export(folder, resources=RESOURCES, **manifest):
    """The resources in files by type, beside what the server said of them."""
    by_type = defaultdict(list)
    for resource in resources:
        by_type[resource["resourceType"]].append(json.dumps(resource) + "\n")
    folder.mkdir()
    for kind, lines in by_type.items():
        (folder / f"{kind}.ndjson").write_text("".join(lines))
    (folder / "manifest.json").write_text(json.dumps({"transactionTime": (NOW + DAY).isoformat()} | manifest))
    return folder


def checked(folder):
    """What check says in words, and as data."""
    done = command("check", folder, "--format", "json")
    return command("check", folder).output, json.loads(done.output), done.exit_code


class Run:
    """A run of an export, what it said, and what it kept."""

    def __init__(self, folder, *options):
        self.out = folder.with_name(f"{folder.name}-run")
        done = command("run", folder, "--out", self.out, *options)
        assert done.exit_code == 0, done.output
        self.said, self.warned = done.stdout, done.stderr
        self.export = json.loads((self.out / "run.json").read_text())["export"]

    def rows(self, query):
        with duckdb.connect() as database:
            return set(database.execute(query.replace("$out", str(self.out))).fetchall())

    @property
    def events(self):
        return self.rows("select hook, outcome from '$out/events/*.parquet'")

    @property
    def problems(self):
        return self.rows("select problem, resource, times from '$out/problems/*.parquet'")


def test_a_type_whose_file_begins_with_a_line_that_is_broken_is_in_the_export(tmp_path):
    folder = export(tmp_path / "export")
    file = folder / "Observation.ndjson"
    file.write_text("{broken\n" + file.read_text())
    run = Run(folder)
    assert run.events == JUDGED
    assert run.problems == {("line-not-json", "", 1)}


def test_all_types_of_a_file_that_holds_several_are_in_the_export(tmp_path):
    folder = tmp_path / "export"
    folder.mkdir()
    patient_first = sorted(RESOURCES, key=lambda resource: resource["resourceType"] != "Patient")
    (folder / "all.ndjson").write_text("".join(json.dumps(resource) + "\n" for resource in patient_first))
    assert Run(folder, "--until", (NOW + DAY).isoformat()).events >= JUDGED


NOT_READ = (
    "Observation.json",
    "Observation.ndjson.1",
    "Observation.ndjson.bz2",
    "Observation.ndjson.part",
    "Observation.ndjson.xz",
    "Observation.ndjson.zst",
    "Observation.tmp",
    "Observation.txt",
    "all.zip",
    "linked",
)


def test_files_that_are_passed_over_are_named(tmp_path):
    folder = export(tmp_path / "export")
    (tmp_path / "elsewhere").mkdir()
    (folder / "linked").symlink_to(tmp_path / "elsewhere")
    (folder / "again").symlink_to(folder)
    for name in NOT_READ[:-1]:
        (folder / name).write_bytes((folder / "Observation.ndjson").read_bytes())
    (folder / "log.ndjson").write_text("{}\n")
    text, data, status = checked(folder)
    assert data["passedOver"] == sorted(NOT_READ)
    assert f"with .gz if they are packed: {', '.join(NOT_READ[:8])} and 2 more" in text
    assert "Every line of what was read can be read" in text
    assert status == 1
    (folder / "zzz.zip").touch()
    run = Run(folder)
    assert run.export["passedOver"] == sorted([*NOT_READ, "zzz.zip"])
    assert f"{', '.join(NOT_READ[:8])} and 3 more" in run.warned


def test_a_link_that_leads_nowhere_is_no_file_that_is_not_there(tmp_path):
    folder = export(tmp_path / "export")
    (folder / "Observation.ndjson").unlink()
    (folder / "Observation.ndjson").symlink_to("/gone/Observation.ndjson")
    done = command("check", folder)
    assert done.exit_code == 2
    assert done.output.strip().endswith("Observation.ndjson cannot be read: it is a link that leads nowhere")


def test_a_folder_that_may_not_be_read_is_told():
    with tempfile.TemporaryDirectory(prefix="cds-service-") as place:
        Path(place).chmod(0o755)
        folder = export(Path(place) / "export")
        (folder / "more").mkdir(mode=0)
        with as_somebody_else():
            done = command("check", folder)
    assert done.exit_code == 2
    assert "export/more cannot be read: Permission denied" in done.output


def test_files_of_one_name_in_two_folders_are_told_apart(tmp_path):
    folder = export(tmp_path / "export")
    export(folder / "more", [order("o2", NOW)])
    _, data, _ = checked(folder)
    assert {"MedicationRequest.ndjson", "more/MedicationRequest.ndjson"} <= set(data["files"])


def test_a_file_whose_name_is_of_another_encoding_is_read_and_named(tmp_path):
    folder = export(tmp_path / "export")
    latin = os.fsdecode(b"caf\xe9")
    (folder / "Observation.ndjson").rename(folder / f"Observation.{latin}.ndjson")
    (folder / "Condition.ndjson").rename(folder / f"Condition.{latin}.ndjson.zip")
    _, data, _ = checked(folder)
    assert r"Observation.caf\xe9.ndjson" in data["files"]
    run = Run(folder)
    assert run.export["passedOver"] == data["passedOver"] == [r"Condition.caf\xe9.ndjson.zip"]
    assert ("patient-view", "cards") in run.events


LATIN = b'{"resourceType":"Medication","id":"a"}\n{"resourceType":"Medication","id":"b","code":{"text":"L\xf6sung"}}\n'
BROKEN_FILES = {
    "bytes of another encoding in a later Medication": ("Medication.ndjson", LATIN, 2, "line-not-utf-8"),
    "a first line that is nested deeply": (
        "Observation.1.ndjson",
        f'{{"resourceType":"Observation","x":{DEEP}}}\n'.encode(),
        1,
        "line-not-json",
    ),
    "a later Medication that is nested deeply": (
        "Medication.ndjson",
        f'{{"resourceType":"Medication","id":"a"}}\n{{"resourceType":"Medication","x":{DEEP}}}\n'.encode(),
        2,
        "line-not-json",
    ),
}


@pytest.mark.parametrize(("name", "content", "line", "problem"), BROKEN_FILES.values(), ids=BROKEN_FILES)
def test_a_line_that_cannot_be_decoded_is_named_and_ends_nothing(tmp_path, name, content, line, problem):
    folder = export(tmp_path / "export")
    (folder / name).write_bytes(content)
    _, data, status = checked(folder)
    assert data["broken"] == [{"file": str(folder / name), "line": line, "problem": problem}]
    assert status == 1
    assert Run(folder).events == JUDGED


def test_lines_that_are_nested_as_deeply_as_can_just_be_read_end_nothing(tmp_path):
    """How deep that is depends on where in the program a line is decoded, so there is a line of every depth."""
    drug = {"resourceType": "Medication", "id": "deep", "code": {"text": "x"}}
    folder = export(tmp_path / "export", [*RESOURCES, drug])
    for kind in ("Observation", "Medication", "MedicationRequest"):
        file = folder / f"{kind}.ndjson"
        like = json.loads(file.read_text().splitlines()[-1])
        with file.open("a") as lines:
            for depth in [*range(396, 404), *range(850, 1_010)]:
                deep = "[" * depth + "]" * depth
                lines.write(json.dumps({**like, "id": f"of-{depth}", "x": 0}).replace('"x": 0', f'"x": {deep}') + "\n")
    _, data, status = checked(folder)
    assert status == 1
    assert {line["problem"] for line in data["broken"]} == {"line-not-json"}
    run = Run(folder)
    assert run.events == JUDGED
    assert {problem for problem, _, _ in run.problems} == {"line-not-json"}


UNREADABLE_MANIFESTS = {
    "nested deeply": ("[" * 100_000, "manifest.json is no JSON object"),
    "no JSON": ("{", "manifest.json is no JSON object"),
    "without a time": ("{}", "manifest.json: it has no transactionTime"),
    "a day": ('{"transactionTime": "2026-11-24"}', "its transactionTime '2026-11-24' is no time with an offset"),
    "a number": ('{"transactionTime": 5}', "its transactionTime '5' is no time with an offset"),
    "too early": ('{"transactionTime": "0001-01-01T00:00:00Z"}', "is not within the years 1900 to 2199"),
    "too late": ('{"transactionTime": "9999-12-31T23:59:59-12:00"}', "is not within the years 1900 to 2199"),
}


@pytest.mark.parametrize(("manifest", "told"), UNREADABLE_MANIFESTS.values(), ids=UNREADABLE_MANIFESTS)
def test_a_manifest_that_tells_no_time_is_told_as_what_it_is(tmp_path, manifest, told):
    folder = export(tmp_path / "export")
    (folder / "manifest.json").write_text(manifest)
    done = command("run", folder, "--out", tmp_path / "out")
    assert done.exit_code == 2
    assert told in done.output
    assert "say with --until when it was made" in done.output
    assert told in command("check", folder).output


NOWHERE = {
    "an identifier alone": {"identifier": {"value": "77"}},
    "a search": {"reference": "Medication?identifier=x|77"},
    "a Medication that is not contained": {"reference": "#m"},
    "no id": {"reference": "Medication/b12/"},
}


@pytest.mark.parametrize("reference", NOWHERE.values(), ids=NOWHERE)
def test_an_order_whose_reference_leads_nowhere_is_counted(tmp_path, reference):
    drug = ORDER["medicationCodeableConcept"]
    bare = {key: value for key, value in ORDER.items() if key != "medicationCodeableConcept"}
    medication = {"resourceType": "Medication", "id": "b12", "code": drug}
    referring = {**bare, "medicationReference": reference}
    folder = export(tmp_path / "export", [*SAMPLE.resources, referring, medication])
    text, data, status = checked(folder)
    assert {"problem": "reference-not-followed", "resource": "MedicationRequest", "times": 1} in data["problems"]
    assert "everything that is referred to is there" not in text
    assert status == 1
    assert ("reference-not-followed", "MedicationRequest", 1) in Run(folder).problems


def test_an_order_whose_reference_names_the_drug_in_words_or_contains_it_is_none_of_these(tmp_path):
    drug = ORDER["medicationCodeableConcept"]
    bare = {key: value for key, value in ORDER.items() if key != "medicationCodeableConcept"}
    medication = {"resourceType": "Medication", "id": "m", "code": drug}
    named = {**bare, "medicationReference": {"identifier": {"value": "77"}, "display": "Hydroxocobalamin 1 mg/ml"}}
    holding = {**bare, "id": "o2", "contained": [medication], "medicationReference": {"reference": "#m"}}
    folder = export(tmp_path / "export", [*SAMPLE.resources, named, holding])
    assert checked(folder)[1]["problems"] == []


def test_what_the_server_could_not_export_or_has_deleted_is_said(tmp_path):
    written = [
        {"type": "Patient", "url": "https://bulk.example/1/Patient.ndjson?key=1", "count": 1},
        {"type": "Observation", "url": "https://bulk.example/1/Observation.ndjson", "count": 1_000},
        {"type": "Observation", "url": "https://bulk.example/1/Observation%201.ndjson"},
    ]
    errors = [{"type": "OperationOutcome", "url": "https://bulk.example/1/more-errors.ndjson", "count": 2}]
    folder = export(tmp_path / "export", output=written, error=errors, deleted=[{"type": "Bundle"}])
    for place, kind, lines in (
        (
            "error",
            "OperationOutcome",
            [{"issue": [{"severity": severity}]} for severity in ("error", "fatal", "information")],
        ),
        ("deleted", "Bundle", [{"entry": [{"request": {"method": "DELETE"}}] * 3 + [{"request": {"method": "PUT"}}]}]),
        ("others", "Bundle", [{"entry": [{"resource": ORDER}]}]),
    ):
        (folder / place).mkdir()
        (folder / place / f"{kind}.ndjson").write_text(
            "".join(json.dumps({"resourceType": kind} | line) + "\n" for line in lines)
        )
    read = len((folder / "Observation.ndjson").read_text().splitlines())
    said = (
        "4 messages of what the server could not export: more-errors.ndjson, error/OperationOutcome.ndjson",
        "3 resources were deleted since, by the server's list, and are judged all the same if they stand in the "
        "export: deleted/Bundle.ndjson",
        "Written by the server, and not there: Observation 1.ndjson",
        f"Not as many lines as the server says (said and read): Observation.ndjson (1,000 and {read})",
        "with .gz if they are packed: others/Bundle.ndjson",
    )
    text, data, status = checked(folder)
    run = Run(folder)
    for line in said:
        assert line in text
        assert line in run.warned
    assert (data["notRead"], status) == ({}, 1)
    assert data["server"] == run.export["server"]
    assert data["server"]["missing"] == ["Observation 1.ndjson"]
    assert run.events == JUDGED


def test_files_that_are_called_otherwise_than_by_the_server_are_held_against_it_by_their_type(tmp_path):
    written = [
        {"type": "Observation", "url": "https://bulk.example/file/77", "count": 40},
        {"type": "Patient", "url": "https://bulk.example/file/78", "count": 1},
        {"type": "Procedure", "url": "https://bulk.example/file/79", "count": 2},
        {"type": "Condition", "url": "https://bulk.example/file/80"},
    ]
    folder = export(tmp_path / "export", output=written)
    read = len((folder / "Observation.ndjson").read_text().splitlines())
    differing = checked(folder)[1]["server"]["differing"]
    assert differing == [
        {"name": "Observation", "said": 40, "read": read},
        {"name": "Procedure", "said": 2, "read": 0},
    ]


def test_lines_of_types_that_fhir_has_not_are_counted(tmp_path):
    folder = export(tmp_path / "export")
    kinds = ("Claim", "observation", "MedicationOrder", "Bundle", "Mrs Doe, 77")
    with (folder / "Observation.ndjson").open("a") as lines:
        lines.writelines(json.dumps({"resourceType": kind, "id": "x"}) + "\n" for kind in kinds)
    (folder / "MedicationOrder.ndjson").write_text('{"resourceType":"MedicationOrder"}\n')
    problems = {
        ("type-not-known", "observation", 1),
        ("type-not-known", "MedicationOrder", 2),
        ("type-not-known", "Bundle", 1),
        ("type-not-known", "", 1),
    }
    text, data, _ = checked(folder)
    assert {(one["problem"], one["resource"] or "", one["times"]) for one in data["problems"]} == problems
    run = Run(folder)
    assert run.problems == problems
    for kept in (text, json.dumps(data), (run.out / "run.json").read_text()):
        assert "Doe" not in kept


def test_spellings_are_counted_by_patients_and_not_by_ways_to_refer_to_them(tmp_path):
    drug = {"coding": [{"system": "urn:local", "code": "JD1", "display": "Mixture of Mrs Doe"}]}
    orders = [
        order(
            f"x{number}",
            NOW,
            medicationCodeableConcept=drug,
            subject={"reference": f"Patient/{SAMPLE.patient}/_history/{number}"},
        )
        for number in range(6)
    ]
    text, data, _ = checked(export(tmp_path / "export", [*RESOURCES, *orders]))
    assert "Doe" not in text
    assert (data["rareSpellings"], data["rareTimes"]) == (1, 6)


@pytest.mark.parametrize("written", ["2026-11", "2026"])
def test_an_order_of_which_the_day_is_not_known_is_judged_and_counted(tmp_path, written):
    folder = export(tmp_path / "export", [*RESOURCES, {**order("o2", NOW), "authoredOn": written}])
    assert ("date-imprecise", "MedicationRequest", 1) in Run(folder).problems
