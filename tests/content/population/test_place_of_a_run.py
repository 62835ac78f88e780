"""Where a run may be written, and that one which is whole is never lost."""

import errno
import os
import stat
from hashlib import sha256
from pathlib import Path

import pytest

from cds_service.population.run_folder import RunFolderError, UnplacedRunError
from cds_service.population.run_writer import new_run
from cds_service.population.summary import read_summary
from tests.support.judged_rows import card, event, run_of
from tests.support.small_disk import small_disk

ROWS = [event("a")]
PARTS = {"cards", "events", "examples.ndjson", "problems", "run.json", "summary.json"}


def names(folder):
    return {path.name for path in folder.iterdir()}


def test_the_folder_one_stands_in_is_written_inside(tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    run_of(Path(), ROWS)
    assert names(tmp_path / "here") == PARTS
    assert read_summary(tmp_path / "here")


def test_a_link_is_followed_to_an_empty_folder_and_to_one_that_is_not_there_yet(tmp_path):
    (tmp_path / "empty").mkdir()
    for name in ("empty", "new"):
        (tmp_path / f"to-{name}").symlink_to(tmp_path / name)
        run_of(tmp_path / f"to-{name}", ROWS)
        assert names(tmp_path / name) == PARTS
        assert (tmp_path / f"to-{name}").is_symlink()
        assert read_summary(tmp_path / f"to-{name}")
    assert names(tmp_path) == {"empty", "new", "to-empty", "to-new"}


def test_what_is_put_aside_lies_where_the_link_leads(tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "out").symlink_to(tmp_path / "disk" / "run")
    with new_run(tmp_path / "out") as (aside, writer):
        writer.close()
        assert aside.parent == tmp_path / "disk"
        assert aside.name.startswith(".")


def test_what_is_written_into_a_folder_of_others_is_no_run_before_all_of_it_is_there(tmp_path):
    with new_run(tmp_path):
        with pytest.raises(RunFolderError):
            read_summary(tmp_path)
        with pytest.raises(RunFolderError, match=r"something in it already \(\..*\.unfinished\)"), new_run(tmp_path):
            pytest.fail("a second one began")


def test_nobody_else_may_read_what_is_written_into_a_folder_that_is_open(tmp_path):
    tmp_path.chmod(0o755)
    run_of(tmp_path, ROWS)
    for path in tmp_path.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600)


def test_a_link_to_itself_is_refused(tmp_path):
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(RunFolderError, match="loop: this link leads to itself"), new_run(tmp_path / "loop"):
        pytest.fail("it began")


def test_a_folder_of_the_export_is_refused(tmp_path):
    export = tmp_path / "export"
    (export / "empty").mkdir(parents=True)
    (tmp_path / "link").symlink_to(export)
    for out in (export / "last-year", export / "empty", tmp_path / "link" / "a" / "b"):
        with pytest.raises(RunFolderError, match="lies in the export"), new_run(out, export):
            pytest.fail("it began")
    run_of(tmp_path / "export-2", ROWS)
    assert names(export) == {"empty"}


def test_a_run_whose_place_was_taken_meanwhile_is_kept_and_said_where(tmp_path):
    out = tmp_path / "run"
    why = "run: directory not empty; the run is whole and was kept in"
    with pytest.raises(UnplacedRunError, match=why) as told, new_run(out) as (aside, writer):
        run_of(out, [event("theirs")])
        writer.close()
        for name in ("run.json", "summary.json"):
            (aside / name).write_bytes((out / name).read_bytes())
    assert str(aside) in str(told.value)
    assert read_summary(aside)
    assert names(tmp_path) == {"run", aside.name}


def test_a_run_that_cannot_be_moved_into_its_folder_stays_together(tmp_path):
    with pytest.raises(UnplacedRunError, match="directory not empty"), new_run(tmp_path) as (aside, _):
        (aside / "run.json").write_text("{}")
        (tmp_path / "events").mkdir()
    assert names(aside) == {"cards", "events", "problems", "run.json"}
    assert names(tmp_path) == {"events", aside.name}


def test_what_a_disk_refuses_is_told_of_the_folder_that_was_asked_for(tmp_path):
    with pytest.raises(OSError) as told, new_run(tmp_path / "run") as (aside, _):
        os.open(aside / "not-there", os.O_RDONLY)
    assert told.value.filename == str(tmp_path / "run")
    with pytest.raises(OSError) as told, new_run(tmp_path / "run"):
        os.open(tmp_path / "other", os.O_RDONLY)
    assert told.value.filename == str(tmp_path / "other")


@pytest.mark.parametrize("size", ["16k", "64k", "96k"])
def test_a_disk_that_fills_while_tables_are_written_is_told_of_the_folder_and_left_empty(tmp_path, size):
    rows = [event(sha256(bytes([n % 256, n // 256])).hexdigest(), card("x"), unit="3B") for n in range(3_000)]
    with small_disk(tmp_path / "disk", size) as disk:
        with pytest.raises(OSError) as told:
            run_of(disk / "run", rows)
        assert (told.value.errno, told.value.filename) == (errno.ENOSPC, str(disk / "run"))
        assert not list(disk.iterdir())
