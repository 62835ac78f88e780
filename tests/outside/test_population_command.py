"""Population runs as a person types them: over real files, with real processes, into real tables."""

import csv
import io
import json
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest
from click.testing import CliRunner

from cds_service.cli import main
from cds_service.packaged import packaged
from cds_service.population.examples import EXAMPLES, example_of
from cds_service.population.summary import read_summary
from tests.support import messy_export
from tests.support.processes import is_alive, wait_for, workers_of
from tests.support.runs import TABLES, differing
from tests.support.synthetic_catalogue import FAMILY_NAMES, GIVEN_NAMES
from tests.support.synthetic_population import id_of, is_of_interest, write_population

PATIENTS, SEED = 400, 7


def command(*arguments, **more):
    return CliRunner().invoke(main, ["population", *map(str, arguments)], **more)


@pytest.fixture(scope="module")
def export(tmp_path_factory):
    """An export of a synthetic population."""
    folder = tmp_path_factory.mktemp("export") / "files"
    write_population(folder, PATIENTS, seed=SEED)
    return folder


@pytest.fixture(scope="module", autouse=True)
def key():
    """The key of the service, so that hashes are the same in every run and no store is made."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CDS_SERVICE_KEY", "k" * 40)
        yield


@pytest.fixture(scope="module")
def run(export, tmp_path_factory):
    """A run of it, and what the command said."""
    out = tmp_path_factory.mktemp("runs") / "run"
    done = command("run", export, "--out", out, "--workers", 1, "--hooks", "order-select,order-sign,patient-view")
    assert done.exit_code == 0, done.output
    return out, done.output


def rows(run, table):
    with duckdb.connect() as database:
        found = database.execute("select * from read_parquet($files)", {"files": f"{run}/{table}/*.parquet"})
        names = [column[0] for column in found.description]
        return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def test_a_run_says_what_it_found_and_where_it_is_kept(run):
    out, said = run
    interesting = sum(is_of_interest(SEED, number) for number in range(1, PATIENTS + 1))
    assert 0 < interesting < PATIENTS
    assert re.match(r"\d+ orders of \d+ patients in 365 days: \d+\.\d % of \d+ sets of orders signed", said)
    assert said.endswith(f"Kept in {out}. To read it: cds-service population report {out}\n")
    views = [row for row in rows(out, "events") if row["hook"] == "patient-view"]
    assert len(views) == PATIENTS
    assert {row["outcome"] for row in rows(out, "events")} <= {"cards", "silent"}
    assert json.loads((out / "run.json").read_text())["counts"]["lines"] > PATIENTS * 30


@pytest.mark.parametrize("parts", [1, 3])
def test_workers_parts_packing_and_order_of_lines_change_no_row(run, tmp_path, parts):
    again = tmp_path / "again"
    write_population(again, PATIENTS, seed=SEED, parts=parts, gzipped=parts > 1)
    messy_export.end_lines_with_crlf(again)
    done = command(
        "run",
        again,
        "--out",
        tmp_path / "out",
        "--workers",
        2,
        "--memory",
        "200MB",
        "--hooks",
        "order-select,order-sign,patient-view",
    )
    assert done.exit_code == 0, done.output
    assert differing(run[0], tmp_path / "out") == dict.fromkeys(TABLES, 0)
    assert (tmp_path / "out" / EXAMPLES).read_bytes() == (run[0] / EXAMPLES).read_bytes() != b""


def test_the_same_content_twice_is_answered_alike_and_another_is_told(run, export, tmp_path):
    cards = packaged("cards")
    new = tmp_path / "new"
    shutil.copytree(cards, new)
    table = new / "vitamin-b12" / "decisions" / "deficiencyUntreated" / "table.yaml"
    table.write_text(re.sub(r"^status: active", "status: shadow", table.read_text(), flags=re.MULTILINE))
    same = command("compare", cards, cards, export, "--out", tmp_path / "same", "--workers", 1)
    assert same.exit_code == 0, same.output
    assert "What the new content answers otherwise" not in command("report", tmp_path / "same").output
    other = command("compare", cards, new, export, "--out", tmp_path / "other", "--workers", 1)
    assert other.exit_code == 0, other.output
    told = json.loads(command("report", tmp_path / "other", "--format", "json").output)
    changed = [change for change in told["changes"] if "deficiencyUntreatedNoTreatmentFound" in change["old"]]
    assert changed
    assert all("deficiencyUntreatedNoTreatmentFound" not in change["new"] for change in changed)
    old = next(content for content in told["contents"] if content["name"] == "old")
    shown = sum(rule["shown"] for rule in old["rules"] if rule["topic"] == "deficiencyUntreatedNoTreatmentFound")
    assert sum(change["events"] for change in changed) == shown


def test_reports_agree_in_every_form(run):
    out, _ = run
    data = json.loads(command("report", out, "--format", "json").output)
    by_rule = {(rule["hook"], rule["topic"], rule["indicator"]): rule["shown"] for rule in data["contents"][0]["rules"]}
    lines = list(csv.DictReader(io.StringIO(command("report", out, "--format", "csv").output)))
    assert sorted(int(line["shown"]) for line in lines) == sorted(by_rule.values())
    text, page = command("report", out).output, command("report", out, "--format", "html").output
    for sentence in (data["contents"][0]["sentence"], "What this run cannot know"):
        assert sentence in text
        assert sentence in page
    assert "<script" not in page
    assert 'http-equiv="Content-Security-Policy"' in page


def test_every_example_that_the_summary_names_is_kept_with_the_reasons_of_its_rules(run):
    out, _ = run
    (content,) = read_summary(out).counted.contents
    for rule in content.rules:
        assert len(rule.examples) == min(rule.fired, 10)
        for name in rule.examples:
            example = example_of(out, name)
            (fired,) = [one for one in example.answers["content"].fired if one.topic == rule.topic]
            assert example.hook == rule.hook and fired.asked and fired.facts


def test_a_report_for_others_names_no_example_of_what_is_rare(run):
    whole = json.loads(command("report", run[0], "--format", "json").output)["contents"][0]
    told = json.loads(command("report", run[0], "--format", "json", "--suppress", "7").output)["contents"][0]
    assert all(rule["examples"] for rule in whole["rules"])
    rare = [rule for rule in told["rules"] if rule["fired"] is None]
    assert rare and all(rule["examples"] == [] for rule in rare)
    assert any(rule["examples"] for rule in told["rules"])


def test_a_report_for_others_shows_no_small_count(run):
    data = json.loads(command("report", run[0], "--format", "json", "--suppress", "7").output)
    for rule in data["contents"][0]["rules"]:
        assert all(rule[key] is None or rule[key] == 0 or rule[key] >= 10 for key in ("fired", "shown", "first"))
    text = command("report", run[0], "--suppress", "7").output
    assert "1 to 7" in text
    assert not re.search(r"^ +[1-7]  ", text, flags=re.MULTILINE)


def test_who_needs_attention_is_named_as_the_run_keeps_patients(run, export, tmp_path):
    assert len(json.loads(command("panel", run[0], "--format", "json", "--limit", 5).output)) == 5
    hashed = json.loads(command("panel", run[0], "--format", "json", "--limit", PATIENTS).output)
    assert not [row for row in hashed if re.match(r"p\d{7}", row["patient"])]
    command("run", export, "--out", tmp_path / "ids", "--workers", 1, "--patients", "id", "--hooks", "patient-view")
    named = json.loads(command("panel", tmp_path / "ids", "--format", "json", "--limit", PATIENTS).output)
    assert all(re.fullmatch(r"p\d{7}", row["patient"]) for row in named)
    assert sorted(row["topics"] for row in named) == sorted(row["topics"] for row in hashed)


def test_no_name_and_no_id_of_a_patient_is_in_a_table_a_report_or_what_was_said(run):
    out, said = run
    texts = [said, (out / "run.json").read_text(), (out / "summary.json").read_text()]
    texts.append((out / EXAMPLES).read_text())
    texts += [command("report", out, "--format", form).output for form in ("text", "json", "csv", "html")]
    texts += [json.dumps(rows(out, table), default=str) for table in TABLES]
    whole = "\n".join(texts)
    for name in (*FAMILY_NAMES, *GIVEN_NAMES[True], *GIVEN_NAMES[False], "MRN-77-"):
        assert name not in whole
    for number in range(1, PATIENTS + 1):
        assert id_of(number) not in whole


def test_every_kind_of_bad_line_is_counted_and_a_line_that_is_broken_is_named(export, tmp_path):
    messy = tmp_path / "messy"
    shutil.copytree(export, messy)
    broken = messy_export.plant_broken_line(messy)
    messy_export.plant_undated(messy, "AllergyIntolerance")
    messy_export.plant_future(messy, "AllergyIntolerance")
    messy_export.plant_unknown_patient(messy, "AllergyIntolerance")
    messy_export.plant_duplicate(messy, "AllergyIntolerance")
    messy_export.plant_version(messy, "MedicationRequest", status="entered-in-error", meta={"versionId": "1"})
    messy_export.plant_version(messy, "Patient", gender="other")
    messy_export.plant_dangling_medication(messy)
    done = command("run", messy, "--out", tmp_path / "out", "--workers", 2)
    assert done.exit_code == 0, done.output
    problems = rows(tmp_path / "out", "problems")
    (line,) = [row for row in problems if row["file"]]
    assert (Path(line["file"]), line["line"]) == (broken.file, broken.line)
    assert {row["problem"] for row in problems} == {
        "line-not-json",
        "undated",
        "future",
        "patient-not-in-export",
        "line-repeated",
        "older-version-left-out",
        "versions-undated",
        "medication-not-in-export",
        "record-without-patient",
    }


def test_an_export_is_told_before_it_is_judged(export, tmp_path):
    good = command("check", export, "--workers", 1)
    assert good.exit_code == 0, good.output
    assert f"{PATIENTS:>13,}  Patient" in good.output
    assert "Every line can be read" in good.output
    messy = tmp_path / "messy"
    shutil.copytree(export, messy)
    broken = messy_export.plant_broken_line(messy)
    messy_export.plant_unknown_patient(messy, "AllergyIntolerance")
    with messy_export.files_of(messy, "MedicationRequest")[0].open("a") as orders:
        for number in range(1, 7):
            orders.write(json.dumps(_local_order(number)) + "\n")
    bad = command("check", messy, "--workers", 2, "--format", "json")
    assert bad.exit_code == 1
    told = json.loads(bad.output)
    assert told["broken"] == [{"file": str(broken.file), "line": broken.line, "problem": "line-not-json"}]
    (ours,) = [row for row in told["orderables"] if row["likeOurs"]]
    assert (ours["code"], ours["times"]) == ("B12INJ", 6)
    assert "B12INJ" in told["site.toml"]
    assert command("check", messy, "--workers", 1, "--format", "site").output.strip() == told["site.toml"].strip()
    text = command("check", messy, "--workers", 1).output
    assert f"{broken.file}:{broken.line}: line-not-json" in text
    assert "named like a drug of this content, but no code tells it" in text


def _local_order(number):
    concept = {"coding": [{"system": "urn:hospital:drugs", "code": "B12INJ"}], "text": "Hydroxocobalamin 1 mg inj"}
    return {
        "resourceType": "MedicationRequest",
        "id": f"local-{number}",
        "status": "active",
        "intent": "order",
        "subject": {"reference": f"Patient/{id_of(number)}"},
        "authoredOn": "2026-10-01",
        "medicationCodeableConcept": concept,
    }


def test_a_patient_of_a_hundred_thousand_results_does_not_end_the_run(export, tmp_path):
    messy = tmp_path / "many"
    shutil.copytree(export, messy)
    messy_export.plant_many_results(messy, id_of(3), 100_000)
    done = command("run", messy, "--out", tmp_path / "out", "--workers", 1)
    assert done.exit_code == 0, done.output
    assert len([row for row in rows(tmp_path / "out", "events") if row["hook"] == "patient-view"]) == PATIENTS


WRONG = {
    "no export": (["run", "{empty}", "--out", "{out}", "--until", "2026-11-23"], "there is no NDJSON in"),
    "no time of the export": (["run", "{plain}", "--out", "{out}"], "has no manifest.json with a transactionTime"),
    "a window that ends before it begins": (
        ["run", "{export}", "--out", "{out}", "--since", "2026-11-24", "--until", "2026-11-23"],
        "is not before --until",
    ),
    "an unknown hook": (["run", "{export}", "--out", "{out}", "--hooks", "order-dispatch"], "is none of order-select"),
    "no amount of memory": (
        ["run", "{export}", "--out", "{out}", "--memory", "lots"],
        "no amount of memory such as 2GB",
    ),
    "a folder that is in use": (["run", "{export}", "--out", "{export}"], "there is something in it already"),
    "a report of no run": (["report", "{empty}"], "this is not the folder of a run: it has no run.json"),
    "a panel of no run": (["panel", "{export}"], "this is not the folder of a run: it has no run.json"),
    "no revision": (
        ["compare", "nowhere", "{export}", "{export}", "--out", "{out}"],
        "is neither a folder nor a revision",
    ),
}


@pytest.mark.parametrize(("typed", "told"), WRONG.values(), ids=WRONG)
def test_wrong_use_is_told_in_a_sentence(export, tmp_path, typed, told):
    (tmp_path / "empty").mkdir()
    plain = tmp_path / "plain"
    plain.mkdir()
    (plain / "Patient.ndjson").write_text('{"resourceType": "Patient", "id": "p"}\n')
    places = {"empty": tmp_path / "empty", "plain": plain, "export": export, "out": tmp_path / "out"}
    done = command(*[part.format(**places) for part in typed])
    assert done.exit_code == 2
    assert told in done.output
    assert "Traceback" not in done.output
    assert not (tmp_path / "out").exists()


def test_killing_the_command_leaves_no_worker_and_no_half_run(tmp_path):
    export, out = tmp_path / "export", tmp_path / "runs" / "run"
    write_population(export, 3_000, seed=SEED)
    arguments = ["population", "run", str(export), "--out", str(out), "--workers", "2"]
    process = subprocess.Popen([sys.executable, "-m", "cds_service", *arguments], stderr=subprocess.DEVNULL)
    workers = wait_for(lambda: workers_of(process.pid), lambda found: len(found) >= 2)
    wait_for(lambda: list((tmp_path / "runs").glob(".run.*")), bool)
    process.send_signal(signal.SIGKILL)
    process.wait()
    wait_for(lambda: [pid for pid in workers if is_alive(pid)], lambda alive: not alive)
    assert not out.exists()


def test_a_run_that_is_stopped_leaves_nothing(tmp_path):
    export, out = tmp_path / "export", tmp_path / "runs" / "run"
    write_population(export, 3_000, seed=SEED)
    arguments = ["population", "run", str(export), "--out", str(out), "--workers", "1"]
    process = subprocess.Popen(
        [sys.executable, "-m", "cds_service", *arguments],
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell's "&" has it ignored
    )
    wait_for(lambda: list((tmp_path / "runs").glob(".run.*/events")), bool)
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 1
    assert told.strip().endswith("Stopped before it was done.")
    assert list((tmp_path / "runs").iterdir()) == []
