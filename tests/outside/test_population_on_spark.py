"""Population runs on Apache Spark: on one machine and on a cluster of two workers, with the rows that DuckDB gives.

pyspark is too large to be installed for every run of the tests; ``make spark`` installs it and runs these.
"""

import json
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import duckdb
import pytest

from cds_service.packaged import packaged
from tests.support import messy_export
from tests.support.runs import TABLES, differing
from tests.support.spark_cluster import cluster, environment, is_installed
from tests.support.synthetic_population import id_of, write_population

pytestmark = pytest.mark.skipif(not is_installed(), reason="pyspark is not installed: make spark")

PATIENTS, SEED = 1000, 7
HOOKS = "order-select,order-sign,patient-view"
SPARK = ("--engine", "spark", "--memory", "1GB")
# Runs of seconds are over before the better compiler and collector of Java have paid for themselves.
QUICK = {"spark__driver__extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"}
QUICK["spark__executor__extraJavaOptions"] = QUICK["spark__driver__extraJavaOptions"]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("population")


@pytest.fixture(scope="module")
def command(place):
    """Runs a command of population runs in a process of its own, which ends with what it has started."""
    given = dict(environment(place / "conf", **QUICK)) | {"CDS_SERVICE_KEY": "k" * 40}

    def typed(*arguments):
        command = [sys.executable, "-m", "cds_service", "population", *map(str, arguments)]
        return subprocess.run(command, env=given, capture_output=True, text=True, timeout=1200)

    typed.environment = given
    return typed


@pytest.fixture(scope="module")
def export(place):
    """An export in two parts of gzip, in which every kind of line is wrong once, and some are of several versions."""
    folder = place / "export"
    write_population(folder, PATIENTS, seed=SEED, parts=2, gzipped=True)
    plain = place / "plain"
    write_population(plain, 300, seed=SEED + 1)
    for planted in (messy_export.plant_undated, messy_export.plant_future, messy_export.plant_unknown_patient):
        planted(plain, "AllergyIntolerance")
    messy_export.plant_duplicate(plain, "AllergyIntolerance")
    messy_export.plant_dangling_medication(plain)
    another = {"reference": f"Patient/{id_of(250)}"}
    later = {"lastUpdated": "2026-11-23T11:59:59.5+00:00", "versionId": 2}
    messy_export.plant_version(plain, "Observation", code={"text": "Another result"}, meta=later)
    messy_export.plant_version(plain, "Condition", subject=another, meta=later)
    messy_export.plant_version(plain, "MedicationRequest", status="entered-in-error", meta={"versionId": "1"})
    messy_export.plant_version(plain, "Procedure", subject=another)
    messy_export.plant_version(plain, "Patient", gender="other")
    messy_export.plant_broken_line(plain)
    messy_export.end_lines_with_crlf(plain)
    # Names that a path of Spark would take for patterns, and bytes that are not UTF-8.
    for number, path in enumerate(sorted(plain.glob("*.ndjson"))):
        path.rename(folder / f"{path.stem} {{{number}}} [300%20].ndjson")
    with (folder / "Condition.wrong.ndjson").open("wb") as file:
        file.write(
            b'\xef\xbb\xbf{"resourceType": "Condition", "id": "1", "subject": {"reference": "Patient/p0000001"}}\n'
        )
        file.write(b'\r\n{"resourceType": "Condition", "id": "\xff", "subject": {"reference": "Patient/p0000001"}}\n')
        file.write(b'{"id": "no type"}\n[]\n')
    return folder


@pytest.fixture(scope="module")
def run(command, export, place):
    """The run of one machine."""
    done = command("run", export, "--out", place / "duckdb", "--workers", 1, "--hooks", HOOKS)
    assert done.returncode == 0, done.stderr
    return place / "duckdb"


@pytest.fixture(scope="module")
def master(place):
    """A cluster on loopback."""
    (place / "cluster").mkdir()
    with cluster(place / "cluster") as address:
        yield address


def told(run):
    """What run.json says beside the engine, and when the run was made."""
    manifest = json.loads((run / "run.json").read_text())
    assert manifest.keys() >= {"engine", "made"}
    return {key: value for key, value in manifest.items() if key not in ("engine", "made")}


def broken(run):
    with duckdb.connect() as database:
        query = "select problem, file, line from read_parquet($files) where file is not null order by all"
        return database.execute(query, {"files": f"{run}/problems/*.parquet"}).fetchall()


def is_equal(one, other):
    assert differing(one, other) == dict.fromkeys(TABLES, 0)
    for name in ("summary.json", "examples.ndjson"):
        assert (one / name).read_bytes() == (other / name).read_bytes()
    return True


@pytest.mark.parametrize("where", ["local[1]", "local[2]", "two workers"])
def test_spark_gives_the_rows_of_one_machine(command, export, run, place, request, where):
    where = request.getfixturevalue("master") if where == "two workers" else where
    out = place / f"spark {re.sub('[^a-z0-9]', '-', where)}"
    done = command("run", export, "--out", out, *SPARK, "--master", where, "--hooks", HOOKS)
    assert done.returncode == 0, done.stderr
    assert is_equal(run, out)
    assert told(out) == told(run)
    engine = json.loads((out / "run.json").read_text())["engine"]
    assert (engine["name"], engine["master"]) == ("spark", where)


def test_versions_are_among_what_is_compared(run):
    with duckdb.connect() as database:
        query = "select distinct problem from read_parquet($files) where problem like '%version%' order by all"
        found = database.execute(query, {"files": f"{run}/problems/*.parquet"}).fetchall()
    assert found == [("older-version-left-out",), ("versions-undated",)]


def test_a_broken_line_is_named_by_file_and_line(command, export, run, place):
    lines = broken(run)
    assert {problem for problem, _, _ in lines} == {"line-not-json", "line-not-utf-8", "line-without-type"}
    assert (str(export / "Condition.wrong.ndjson"), 3) in {(file, line) for _, file, line in lines}


def test_two_contents_are_compared_with_the_rows_of_one_machine(command, export, place, master):
    new = place / "new"
    shutil.copytree(packaged("cards"), new)
    table = new / "vitamin-b12" / "decisions" / "deficiencyUntreated" / "table.yaml"
    table.write_text(re.sub(r"^status: active", "status: shadow", table.read_text(), flags=re.MULTILINE))
    asked = ("compare", packaged("cards"), new, export, "--hooks", HOOKS)
    for out, options in (("one", ("--workers", 1)), ("many", (*SPARK, "--master", master))):
        done = command(*asked, "--out", place / f"compared-{out}", *options)
        assert done.returncode == 0, done.stderr
    assert is_equal(place / "compared-one", place / "compared-many")
    assert json.loads((place / "compared-many" / "summary.json").read_text())["changes"]


NOTEBOOK = """
import sys
from datetime import datetime
from pyspark.sql import SparkSession
spark = SparkSession.builder.master("local[2]").config("spark.driver.memory", "1g").getOrCreate()
from cds_service.population.spark import judged_by_spark, task_of
content, export, out = sys.argv[1:]
since, until = datetime.fromisoformat("2025-11-23T12:00Z"), datetime.fromisoformat("2026-11-23T12:00Z")
task = task_of(content, hooks=["order-sign"], since=since, until=until, zone="Europe/Berlin", key=b"k" * 40)
judged_by_spark(spark.read.text(export), task).write.parquet(out)
"""


def test_lines_of_a_notebook_are_judged_and_what_is_wrong_with_them_is_among_the_rows(command, export, run, place):
    arguments = [sys.executable, "-c", NOTEBOOK, packaged("cards") / "vitamin-b12", export / "*.gz", place / "rows"]
    environment = command.environment | {"PYSPARK_PYTHON": sys.executable}  # as a platform sets it
    done = subprocess.run(arguments, env=environment, capture_output=True, text=True, timeout=1200)
    assert done.returncode == 0, done.stderr
    plain = place / "plain-gz"
    plain.mkdir()
    for path in export.glob("*.gz"):
        shutil.copy(path, plain)
    alone = command(
        "run", plain, "--out", place / "gz", "--workers", 1, "--hooks", "order-sign",
        "--since", "2025-11-23T12:00Z", "--until", "2026-11-23T12:00Z",
    )  # fmt: skip
    assert alone.returncode == 0, alone.stderr
    with duckdb.connect() as database:
        events, findings = database.execute(
            "select count(*), sum(len(cards)) from read_parquet($rows) where hook is not null",
            {"rows": f"{place}/rows/*.parquet"},
        ).fetchall()[0]
        query = """
            select p.problem, p.resource, sum(p.times)::bigint
            from (select unnest(problems) as p from read_parquet($rows)) group by all order by all
        """
        wrong = database.execute(query, {"rows": f"{place}/rows/*.parquet"}).fetchall()
    counts = told(place / "gz")["counts"]
    assert (events, findings) == (counts["events"], counts["findings"])
    assert [list(row) for row in wrong] == json.loads((place / "gz" / "summary.json").read_text())["problems"]


def test_a_file_that_ends_too_soon_is_told_as_on_one_machine_and_leaves_nothing(command, export, tmp_path):
    cut = tmp_path / "cut"
    cut.mkdir()
    (cut / "Observation.000.ndjson.gz").write_bytes((export / "Observation.000.ndjson.gz").read_bytes()[:-100])
    asked = ("run", cut, "--out", tmp_path / "out", "--until", "2026-11-23")
    alone, done = command(*asked), command(*asked, *SPARK, "--master", "local[1]")
    assert done.returncode == alone.returncode == 2
    assert f"{cut / 'Observation.000.ndjson.gz'} cannot be read: " in done.stderr
    assert done.stderr.splitlines()[-1] == alone.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == [cut]


def test_a_master_is_only_asked_of_spark(command, export, tmp_path):
    done = command("run", export, "--out", tmp_path / "out", "--master", "local[1]")
    assert done.returncode == 2
    assert "give --engine spark too" in done.stderr


def test_killing_the_command_leaves_no_process_and_no_half_run(command, export, tmp_path):
    arguments = ["run", str(export), "--out", str(tmp_path / "run"), *SPARK, "--master", "local[2]"]
    process = subprocess.Popen(
        [sys.executable, "-m", "cds_service", "population", *arguments],
        env=command.environment,
        stderr=subprocess.DEVNULL,
    )
    java = wait_for(lambda: [pid for pid in children_of(process.pid) if "java" in name_of(pid)])
    wait_for(lambda: children_of(java[0]))  # Python processes, which read
    started = [*java, *children_of(java[0])]
    process.send_signal(signal.SIGKILL)
    process.wait()
    wait_for(lambda: not any(map(name_of, started)))
    assert not (tmp_path / "run").exists()


def children_of(parent):
    """The processes that a process has started."""
    listed = Path(f"/proc/{parent}/task").glob("*/children")
    return [int(pid) for path in listed for pid in path.read_text().split()]


def name_of(pid):
    """The name of a process; nothing if it has ended."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return ""
    return "" if "State:\tZ" in status else status.split()[1]


def wait_for(look):
    """What ``look`` finds, once it finds anything."""
    for _ in range(3000):
        if found := look():
            return found
        time.sleep(0.1)
    raise AssertionError("it did not come to pass")
