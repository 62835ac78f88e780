"""Population runs into places as people have them: odd names, disks of their own, disks that are full."""

import json
import os
import shutil
from pathlib import Path

import duckdb
import pytest
from click.testing import CliRunner

from cds_service.cli import main
from cds_service.population.summary import read_summary
from tests.support import messy_export
from tests.support.small_disk import small_disk
from tests.support.synthetic_population import write_population

NO_SPACE = "there is no space left where it is written; free some, or write elsewhere"


def command(*arguments):
    return CliRunner().invoke(main, ["population", *map(str, arguments)])


def judge(export, out, *more):
    return command("run", export, "--out", out, "--workers", 1, *more)


def told_as_error(done, status):
    """What a command said that ended with this status: one line on standard error, and no traceback."""
    assert done.exit_code == status, done.output
    (line,) = done.stderr.splitlines()
    assert line.startswith("Error: ") and "Traceback" not in done.output
    return line


@pytest.fixture(scope="module", autouse=True)
def key():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CDS_SERVICE_KEY", "k" * 40)
        yield


@pytest.fixture(scope="module")
def export(tmp_path_factory):
    folder = tmp_path_factory.mktemp("export") / "files"
    write_population(folder, 60, seed=7)
    return folder


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    folder = tmp_path_factory.mktemp("large") / "files"
    write_population(folder, 300, seed=7)
    return folder


def test_the_names_of_folders_change_no_answer(export, tmp_path, monkeypatch):
    plain, odd = tmp_path / "plain", tmp_path / "patient=smith" / "type=Patient" / "last-year[1]"
    assert judge(export, plain).exit_code == 0
    odd_export = shutil.copytree(export, tmp_path / "id=1" / "export[*]")
    done = judge(odd_export, odd)
    assert done.exit_code == 0, done.output
    assert done.output.endswith(f"cds-service population report '{odd}'\n")
    assert read_summary(odd).counted == read_summary(plain).counted
    assert command("panel", odd).output == command("panel", plain).output
    checked = command("check", export, "--workers", 1).output
    temporary = tmp_path / "bearing=0" / "tmp[1]"
    temporary.mkdir(parents=True)
    monkeypatch.setenv("TMPDIR", str(temporary))
    assert command("check", export, "--workers", 1).output == checked
    assert not list(temporary.iterdir())


def test_a_disk_that_is_mounted_is_written_inside_and_nothing_beside_it(export, tmp_path):
    with small_disk(tmp_path / "volume", "20m") as volume:
        done = judge(export, volume)
        assert done.exit_code == 0, done.output
        assert {path.name for path in volume.iterdir()} >= {"run.json", "events"}
        assert not [path for path in volume.iterdir() if path.name.startswith(".")]
        assert command("report", volume).exit_code == 0
        assert [path.name for path in tmp_path.iterdir()] == ["volume"]


def test_a_place_in_the_export_is_refused_at_the_start(export, tmp_path):
    copy = shutil.copytree(export, tmp_path / "export")
    told = told_as_error(judge(copy, copy / "last-year"), 2)
    assert f"{copy}/last-year: this lies in the export" in told
    assert not (copy / "last-year").exists()


@pytest.fixture
def nameless(export, tmp_path):
    """An export in which a file, and the folder of it, has a name that is no UTF-8, and a line that is no JSON."""
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/d\xe9p\xf4t"))
    shutil.copytree(export, folder)
    broken = messy_export.plant_broken_line(folder)
    (folder / broken.file.name).rename(folder / os.fsdecode(b"Caf\xe9.ndjson"))
    (folder / "Device.ndjson").write_text('{"resourceType": "Device", "id": "d"}\n')
    (folder / "Device.ndjson").rename(folder / os.fsdecode(b"Device.\xe9.ndjson"))
    return folder


def test_names_that_are_no_utf_8_are_written_escaped(nameless, tmp_path):
    out = tmp_path / "out"
    done = judge(nameless, out)
    assert done.exit_code == 0, done.output
    told = json.loads((out / "run.json").read_text())["export"]
    assert told["folder"] == rf"{tmp_path}/d\xe9p\xf4t"
    assert r"Caf\xe9.ndjson" in told["files"]
    assert list(told["notRead"]) == [r"Device.\xe9.ndjson"]
    with duckdb.connect() as database:
        files = database.execute("select file from read_parquet($1) where line > 0", [f"{out}/problems/*.parquet"])
        assert files.fetchall() == [(rf"{tmp_path}/d\xe9p\xf4t/Caf\xe9.ndjson",)]
    text = command("check", nameless, "--workers", 1)
    assert rf"{tmp_path}/d\xe9p\xf4t/Caf\xe9.ndjson:" in text.output
    assert r"because no rule asks for them: Device.\xe9.ndjson" in text.output
    data = json.loads(command("check", nameless, "--workers", 1, "--format", "json").output)
    assert data["broken"][0]["file"] == rf"{tmp_path}/d\xe9p\xf4t/Caf\xe9.ndjson"
    assert r"Caf\xe9.ndjson" in data["files"]
    assert list(data["notRead"]) == [r"Device.\xe9.ndjson"]


def test_an_error_names_what_is_no_utf_8_too(nameless, export, tmp_path):
    packed = nameless / os.fsdecode(b"Patient.\xe9.ndjson.gz")
    packed.write_bytes(b"no gzip")
    assert r"d\xe9p\xf4t/Patient.\xe9.ndjson.gz cannot be read" in told_as_error(judge(nameless, tmp_path / "out"), 2)
    out = tmp_path / os.fsdecode(b"run\xe9")
    assert r"run\xe9: DuckDB cannot read from a folder of this name" in told_as_error(judge(export, out), 2)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_full_disk_is_told_with_its_folder_and_nothing_is_left(large, tmp_path, workers):
    with small_disk(tmp_path / "full", "200k") as disk:
        done = command("run", large, "--out", disk / "run", "--workers", workers)
        told = told_as_error(done, 1)
        assert told.endswith(f"The run ended before it was done, and left nothing: {disk}/run: {NO_SPACE}")
        assert not list(disk.iterdir())


def test_a_full_disk_of_temporary_files_is_told_by_check(large, tmp_path, monkeypatch):
    with small_disk(tmp_path / "full", "200k") as disk:
        monkeypatch.setenv("TMPDIR", str(disk))
        told = told_as_error(command("check", large, "--workers", 1), 1)
        assert told.endswith(f"The check ended before it was done: {disk}: {NO_SPACE}")
        (disk / "others").write_bytes(b"x" * 200_000)
        assert f"{disk}: {NO_SPACE}" in told_as_error(command("check", large, "--workers", 1), 1)
    monkeypatch.setenv("TMPDIR", str(tmp_path / "none"))
    assert "none: there is no such file or folder" in told_as_error(command("check", large, "--workers", 1), 1)


def test_a_limit_that_no_list_reaches_is_refused(tmp_path):
    done = command("panel", tmp_path, "--limit", "99999999999999999999")
    assert "99999999999999999999 is not in the range" in told_as_error(done, 2)
