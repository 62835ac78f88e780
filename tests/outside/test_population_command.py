"""Population runs as a person types them: over real files, with real processes, into real tables."""

import csv
import io
import json
import re
import shutil
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest
from click.testing import CliRunner

from cds_service.cli import main
from cds_service.packaged import packaged
from cds_service.population.examples import EXAMPLES, example_of
from cds_service.population.summary import read_summary
from tests.support import messy_export
from tests.support.places import ROOT
from tests.support.processes import is_alive, wait_for, workers_of
from tests.support.runs import TABLES, differing
from tests.support.synthetic_catalogue import FAMILY_NAMES, GIVEN_NAMES
from tests.support.synthetic_population import id_of, is_of_interest, write_population

PATIENTS, SEED = 400, 7
FORMS = ("text", "html")


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
    nothing = "Nothing changes: every event has the same rules on its cards, of the same severity ("
    for said in (same.output, *(command("report", tmp_path / "same", "--format", form).output for form in FORMS)):
        assert said.count(nothing) == 1
    other = command("compare", cards, new, export, "--out", tmp_path / "other", "--workers", 1)
    assert other.exit_code == 0, other.output
    first, *_ = other.output.splitlines()
    assert re.fullmatch(
        r"0 of \d+ sets of orders signed together are answered otherwise, "
        rf"\d+ of {PATIENTS} charts \((\d+ no card instead of info.*)\)\.",
        first,
    )
    text = command("report", tmp_path / "other").output
    assert text.startswith(first) and text.index("- info: Deficiency") < text.index("+ no card") < text.index("old: ")
    page = command("report", tmp_path / "other", "--format", "html").output
    assert page.index(first) < page.index("Old: vitamin-b12")
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
    (content,) = data["contents"]
    by_rule = [(rule["hook"], rule["topic"], rule["fired"], rule["shown"]) for rule in content["rules"]]
    by_rule += [(hook, rule["topic"], 0, 0) for hook, rules in content["silent"].items() for rule in rules]
    lines = list(csv.DictReader(io.StringIO(command("report", out, "--format", "csv").output)))
    told = [(line["hook"], line["decision"] + line["rule"], int(line["fired"]), int(line["shown"])) for line in lines]
    assert sorted(told) == sorted(by_rule)
    assert {hook for hook, _, fired, _ in told if fired} == {hook for hook, _, fired, _ in told if not fired}
    text, page = command("report", out).output, command("report", out, "--format", "html").output
    silent = [f"{len(rules)} of" for rules in content["silent"].values()]
    for sentence in (content["sentence"], "What this run cannot know", "An estimate of what was shown", *silent):
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


def test_a_report_for_others_names_no_event(run):
    whole = json.loads(command("report", run[0], "--format", "json").output)["contents"][0]
    names = {name for rule in whole["rules"] for name in rule["examples"]}
    assert names
    for form in ("text", "json", "csv", "html"):
        told = command("report", run[0], "--format", form, "--suppress", "7").output
        assert not [name for name in names if name in told]


def test_a_report_for_others_shows_no_small_count(run):
    data = json.loads(command("report", run[0], "--format", "json", "--suppress", "7").output)
    for rule in data["contents"][0]["rules"]:
        assert all(rule[key] is None or rule[key] == 0 or rule[key] >= 10 for key in ("fired", "shown", "first"))
    text = command("report", run[0], "--suppress", "7").output
    assert "1 to 7" in text
    assert not re.search(r"^ +[1-7]  ", text, flags=re.MULTILINE)


def test_who_needs_attention_is_named_as_the_run_keeps_patients(run, export, tmp_path):
    hashed = json.loads(command("panel", run[0], "--format", "json").output)["patients"]
    some = json.loads(command("panel", run[0], "--format", "json", "--limit", 5).output)
    assert some == {"total": len(hashed), "patients": hashed[:5]}
    assert not [row for row in hashed if re.match(r"p\d{7}", row["patient"])]
    command("run", export, "--out", tmp_path / "ids", "--workers", 1, "--patients", "id", "--hooks", "patient-view")
    named = json.loads(command("panel", tmp_path / "ids", "--format", "json").output)["patients"]
    assert all(re.fullmatch(r"p\d{7}", row["patient"]) for row in named)
    assert sorted(row["topics"] for row in named) == sorted(row["topics"] for row in hashed)


def test_a_panel_of_some_says_how_many_there_are(run):
    total = json.loads(command("panel", run[0], "--format", "json").output)["total"]
    assert total > 2
    first, *lines = command("panel", run[0], "--limit", 2).output.splitlines()
    assert first == f"{total} patients with cards when the export was made; the first 2, the gravest first"
    assert len([line for line in lines if re.match(r" {1,8}\w+  [0-9a-f]{32}", line)]) == 2
    assert command("panel", run[0]).output.startswith(f"{total} patients with cards when the export was made, the")


@pytest.mark.parametrize(
    ("options", "told"),
    [(["--hooks", "order-sign"], "the run opened no chart"), (["--patients", "none"], "the run kept no patients")],
)
def test_a_run_without_charts_or_without_patients_has_no_panel(export, tmp_path, options, told):
    out = tmp_path / "run"
    assert command("run", export, "--out", out, "--workers", 1, *options).exit_code == 0
    done = command("panel", out)
    assert done.exit_code == 2 and told in done.output and "patients with cards" not in done.output
    assert command("panel", out, "--format", "json").exit_code == 2


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


LOCAL = {"system": "urn:hospital:drugs", "code": "B12INJ"}


def _local_order(number):
    return {
        "resourceType": "MedicationRequest",
        "id": f"local-{number}",
        "status": "active",
        "intent": "order",
        "subject": {"reference": f"Patient/{id_of(number)}"},
        "authoredOn": "2026-10-01",
        "medicationCodeableConcept": {"coding": [LOCAL], "text": "Hydroxocobalamin 1 mg inj"},
    }


def test_patients_are_known_to_content_that_asks_nothing_of_the_person(export, tmp_path):
    content = ("--cards", ROOT / "examples", "--pack", "iron", "--workers", 1)
    checked = command("check", export, *content)
    assert (checked.exit_code, "patient-not-in-export" in checked.output) == (0, False)
    written = f"{id_of(1)}-iron"
    resources = [one for one in EACH_TYPE if one["resourceType"] != "MedicationRequest"]
    ordered = {"medicationCodeableConcept": {"text": "Ferric carboxymaltose 50 mg/mL injection"}, "status": "active"}
    folder = small(
        tmp_path / "e",
        *resources,
        one_of("MedicationRequest", id=written, intent="order", **ordered, authoredOn="2026-10-01"),
    )
    run = command("run", folder, "--out", tmp_path / "out", *content, "--until", "2026-11-01", "--hooks", "order-sign")
    assert run.exit_code == 0, run.output
    assert [row["orders"] for row in rows(tmp_path / "out", "events")] == [1]


def test_an_export_is_told_before_it_is_judged(export, tmp_path):
    good = command("check", export, "--workers", 1)
    assert good.exit_code == 0, good.output
    assert f"{PATIENTS:>13,}  Patient" in good.output
    assert "Every line can be read and is dated" in good.output
    assert "missing" not in good.output
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
    assert "known by its name only. These orders are in the run" in text


def small(folder, *resources):
    """An export of six patients with more resources, each of a type that the content asks for if all are there."""
    folder.mkdir()
    people = [{"resourceType": "Patient", "id": id_of(number), "birthDate": "1960-01-01"} for number in range(1, 7)]
    lines = [*people, *resources]
    (folder / "all.ndjson").write_text("".join(f"{json.dumps(line)}\n" for line in lines), encoding="utf-8")
    return folder


def one_of(kind, **elements):
    owner = {"patient" if kind == "AllergyIntolerance" else "subject": {"reference": f"Patient/{id_of(1)}"}}
    return {"resourceType": kind, "id": kind.lower(), "status": "completed", **owner, **elements}


EACH_TYPE = [
    one_of("Condition", recordedDate="2026-01-01"),
    one_of("AllergyIntolerance", recordedDate="2026-01-01"),
    one_of("Procedure", performedDateTime="2026-01-01"),
    one_of("MedicationRequest", intent="order", authoredOn="2026-01-01"),
    one_of("MedicationAdministration", effectiveDateTime="2026-01-01"),
    one_of("Observation", effectiveDateTime="2026-01-01"),
]


def without(kind):
    return [resource for resource in EACH_TYPE if resource["resourceType"] != kind]


STATUSES = {
    "a sound export": (EACH_TYPE, 0, "Every line can be read and is dated"),
    "codes of the house": ([*EACH_TYPE, *({**_local_order(n)} for n in range(1, 7))], 0, "B12INJ"),
    "an undated resource": ([*without("Condition"), one_of("Condition")], 1, "1  undated (Condition)"),
    "somebody who is not there": (
        [*EACH_TYPE, one_of("Condition", id="x", recordedDate="2026", subject={"reference": "Patient/nobody"})],
        1,
        "1  patient-not-in-export (Condition)",
    ),
    "a type that is missing": (
        without("MedicationAdministration"),
        1,
        "  MedicationAdministration: B12 given or ordered in the last year; ",
    ),
}


@pytest.mark.parametrize(("resources", "status", "told"), STATUSES.values(), ids=STATUSES)
def test_the_status_of_check_is_what_its_help_and_the_page_say(tmp_path, resources, status, told):
    done = command("check", small(tmp_path / "e", *resources), "--workers", 1)
    assert done.exit_code == status, done.output
    assert told in done.output


def test_the_help_of_check_and_the_page_say_the_same_of_the_status():
    rule = (
        "The exit status is 1 if some line cannot be used as it is, a type that rules ask for is missing, files were "
        "passed over, or the server's answer does not agree with what is there."
    )
    page = (ROOT / "docs/population.md").read_text(encoding="utf-8")
    assert rule in " ".join(command("check", "--help").output.split())
    assert rule in " ".join(page.split())


def test_nothing_that_is_there_is_said_to_be_all_where_a_type_is_missing(tmp_path):
    said = command("check", small(tmp_path / "e", *without("Procedure")), "--workers", 1).output
    assert "Procedure: Ileal resection; Removal of the whole ileum; Gastrectomy or gastric bypass; and 15 more" in said
    assert "is there, but types are missing, as said above." in said


def test_with_nothing_to_map_no_line_is_printed_for_site_toml(tmp_path):
    assert command("check", small(tmp_path / "e", *EACH_TYPE), "--format", "site").output == ""


def test_orders_that_only_a_name_tells_are_in_the_run_and_others_are_not(tmp_path):
    coded, uncoded = ({"text": "Hydroxocobalamin 1 mg inj"} | more for more in ({"coding": [LOCAL]}, {}))
    named = [
        _local_order(number) | {"id": f"{number}-{place}", "medicationCodeableConcept": concept}
        for number in range(1, 7)
        for place, concept in enumerate([coded, uncoded, {"text": "Needle for hydroxocobalamin"}])
    ]
    export = small(tmp_path / "e", *EACH_TYPE, *named)
    checked = json.loads(command("check", export, "--workers", 1, "--format", "json").output)["orderables"]
    shown = {(row["words"], row["code"]): (row["inTheRun"], bool(row["site.toml"])) for row in checked}
    assert shown == {
        ("Hydroxocobalamin 1 mg inj", "B12INJ"): (True, True),
        ("Hydroxocobalamin 1 mg inj", ""): (True, False),
        ("Needle for hydroxocobalamin", ""): (False, False),
    }
    out = tmp_path / "out"
    assert command("run", export, "--out", out, "--until", "2026-11-01", "--hooks", "order-sign").exit_code == 0
    assert sum(row["orders"] for row in rows(out, "events")) == 12
    said = command("check", export, "--workers", 1).output
    assert "(no code)" not in said
    assert "It is known by its name only. No code was sent, so nothing has to be done." in said


def test_a_window_that_ends_after_the_export_was_made_is_told(export, tmp_path):
    done = command("run", export, "--out", tmp_path / "out", "--until", "2026-11-26", "--hooks", "order-sign")
    assert done.exit_code == 0
    assert "is after 2026-11-23T12:00:00+00:00, when the export was made" in done.stderr


def test_one_resource_that_cannot_be_used_is_told_as_one(tmp_path):
    export = small(tmp_path / "e", *without("Condition"), one_of("Condition"))
    done = command("run", export, "--out", tmp_path / "out", "--until", "2026-11-01")
    assert "\n1 resource could not be used as it is; " in done.output, done.output


def signed_in(folder, since, until):
    """The orders of drugs in an export that were signed from ``since`` on and before ``until``, in UTC."""
    orders = [
        json.loads(line)
        for file in messy_export.files_of(folder, "MedicationRequest")
        for line in file.read_text().splitlines()
    ]
    written = [(datetime.fromisoformat(order["authoredOn"]), order) for order in orders]
    return [
        order
        for moment, order in written
        if since <= (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) < until
        and order["status"] not in ("cancelled", "entered-in-error", "draft", "unknown")
    ]


def test_what_an_export_has_none_of_and_orders_that_nobody_can_tell_are_said_first(export, tmp_path):
    poor = tmp_path / "poor"
    shutil.copytree(export, poor)
    for kind in ("AllergyIntolerance", "Medication"):
        for file in messy_export.files_of(poor, kind):
            file.unlink()
    runs = [tmp_path / "one", tmp_path / "two"]
    for workers, out in enumerate(runs, 1):
        done = command("run", poor, "--out", out, "--workers", workers)
        assert done.exit_code == 0, done.output
        assert done.stderr.splitlines() == [
            "Written by the server, and not there: AllergyIntolerance.ndjson, Medication.ndjson",
            "Not in this export, so that nothing is known of it: AllergyIntolerance.",
        ]
    assert differing(*runs) == dict.fromkeys(TABLES, 0)
    manifests = [json.loads((out / "run.json").read_text()) for out in runs]
    assert manifests[0]["counts"] == manifests[1]["counts"]
    assert manifests[0]["contents"] == manifests[1]["contents"]
    window = [datetime.fromisoformat(manifests[0]["window"][end]) for end in ("since", "until")]
    orders = signed_in(poor, *window)
    assert manifests[0]["counts"]["ordered"] == len(orders)
    summary = read_summary(runs[0])
    not_known = sum(times for problem, _, times in summary.counted.problems if problem == "order-not-known")
    assert 0 < not_known <= sum("medicationReference" in order for order in orders)
    text, page = (command("report", runs[0], "--format", form).output for form in ("text", "html"))
    for said in ("Not in this export, so that nothing is known of it: AllergyIntolerance.", f"Of {not_known} nobody"):
        assert said in text
        assert said in page
    for report in (text, page):
        assert "it rests on Allergy to cobalamin or cobalt, and this export has no AllergyIntolerance" in report


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
    "a window that ends in the future": (
        ["run", "{export}", "--out", "{out}", "--until", "2199-01-01"],
        "is in the future, of which no export knows anything",
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
