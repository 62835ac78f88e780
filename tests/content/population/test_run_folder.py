"""A run is whole, or it is not there: what is written, what is refused, and who may read it."""

import json
import re
import stat

import pyarrow.parquet as pq
import pytest

from cds_service.population.run_folder import MANIFEST, SUMMARY, RunFolderError, read_manifest
from cds_service.population.run_writer import new_run
from cds_service.population.summary import read_summary
from tests.support.judged_rows import batch, card, event, record, run_of


def test_a_run_has_its_tables_and_what_they_were_made_by(tmp_path):
    run = run_of(tmp_path / "run", [event("a", card("x"), card("y")), event("b"), record(undated=2)])
    assert pq.read_table(run / "events")["event"].to_pylist() == ["a", "b"]
    assert pq.read_table(run / "cards")["topic"].to_pylist() == ["x", "y"]
    assert pq.read_table(run / "cards")["event"].to_pylist() == ["a", "a"]
    assert pq.read_table(run / "problems").to_pylist() == [
        {"problem": "undated", "resource": "Observation", "times": 2, "file": None, "line": None}
    ]
    assert list(read_manifest(run).contents) == ["content"]
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_rows_that_come_in_small_batches_are_written_together(tmp_path):
    """Parquet keeps an account of each group of rows in memory until its file is closed."""
    with new_run(tmp_path / "run") as (folder, writer):
        for number in range(40):
            writer.add(batch([event(f"e{number}", card("x"))]))
        writer.close()
        tables = [pq.ParquetFile(folder / name / "part-0.parquet") for name in ("events", "cards")]
        assert [(table.metadata.num_rows, table.num_row_groups) for table in tables] == [(40, 1), (40, 1)]
        assert (writer.events, writer.cards) == (40, 40)


def test_nobody_else_may_read_a_run(tmp_path):
    run = run_of(tmp_path / "run", [event("a")])
    assert stat.S_IMODE(run.stat().st_mode) == 0o700


def test_what_fails_on_the_way_leaves_nothing(tmp_path):
    with pytest.raises(OSError, match="no space"), new_run(tmp_path / "run") as (_, writer):
        writer.add(batch([event("a")]))
        raise OSError("no space")
    assert not list(tmp_path.iterdir())


def test_a_folder_with_something_in_it_is_not_written_into(tmp_path):
    (tmp_path / "theirs").write_text("x")
    with pytest.raises(RunFolderError, match="something in it already"), new_run(tmp_path):
        pass
    with pytest.raises(RunFolderError, match="this is a file"), new_run(tmp_path / "theirs"):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["theirs"]


@pytest.mark.parametrize("lost", ["run.json", "summary.json", "events"])
def test_a_folder_of_which_a_part_is_gone_is_no_run(tmp_path, lost):
    run = run_of(tmp_path / "run", [event("a")])
    (run / lost).rename(tmp_path / "lost")
    with pytest.raises(RunFolderError, match=f"not the folder of a run: it has no {lost}"):
        read_summary(run)


def test_a_manifest_that_is_something_else_is_refused(tmp_path):
    run = run_of(tmp_path / "run", [event("a")])
    (run / MANIFEST).write_text('{"contents": []}')
    with pytest.raises(RunFolderError, match=r"no run\.json that can be read"):
        read_manifest(run)


def _no_offset(run, counted):
    run["window"]["since"] = "2025-11-01T00:00:00"


def _negative(run, counted):
    counted["contents"][0]["funnel"]["events"] = -1


def _never(run, counted):
    counted["contents"][0]["answered"]["order-sign"] = 0


def _disorder(run, counted):
    counted["contents"][0]["weeks"] *= 2


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (_no_offset, "no run.json that can be read: a time without an offset from UTC - at `$.window.since`"),
        (_negative, "no summary.json that can be read: a count that cannot be - at `$.contents[0].funnel.events`"),
        (_never, "its summary.json counts hooks that were never answered"),
        (_disorder, "the weeks in its summary.json do not follow each other"),
    ],
)
def test_a_value_that_no_run_has_is_refused_and_named(tmp_path, damage, told):
    run = run_of(tmp_path / "run", [event("a", card("x"))])
    files = {name: json.loads((run / name).read_text()) for name in (MANIFEST, SUMMARY)}
    damage(*files.values())
    for name, data in files.items():
        (run / name).write_text(json.dumps(data))
    with pytest.raises(RunFolderError, match=re.escape(told)):
        read_summary(run)


@pytest.mark.parametrize("text", [b'{"product": {"\xff": ""}}', b"[" * 100_000])
def test_a_manifest_that_is_no_json_is_refused(tmp_path, text):
    run = run_of(tmp_path / "run", [event("a")])
    (run / MANIFEST).write_bytes(text)
    with pytest.raises(RunFolderError, match=r"no run\.json that can be read: "):
        read_manifest(run)
