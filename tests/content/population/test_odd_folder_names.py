"""A run says the same whatever its folder is called, though DuckDB reads names as patterns and as partitions."""

import os
from pathlib import Path

import pytest

from cds_service.population.counting import attention
from cds_service.population.examples import EXAMPLES
from cds_service.population.run_folder import RunFolderError
from cds_service.population.run_writer import new_run
from cds_service.population.summary import read_summary
from tests.support.judged_rows import card, event, run_of

ROWS = [
    event("a", card("x"), unit="3B"),
    event("b"),
    event("v", card("x", "critical"), hook="patient-view"),
]
NAMES = [
    "last-year[1]",
    "what?",
    "all*",
    "outcome=silent/run",
    "content=a/run",
    "unit=icu/run",
    "hook=x/run",
    "patient=smith/run",
    "it's",
    "back\\slash",
    "{a,b}",
]


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    return run_of(tmp_path_factory.mktemp("plain") / "run", ROWS)


def same(run: Path, plain: Path) -> bool:
    read = (read_summary(run).counted, attention(run, 10), (run / EXAMPLES).read_bytes())
    return read == (read_summary(plain).counted, attention(plain, 10), (plain / EXAMPLES).read_bytes())


@pytest.mark.parametrize("name", NAMES)
def test_a_run_is_written_whatever_its_folder_is_called(tmp_path, plain, name):
    run = run_of(tmp_path / name, ROWS)
    assert same(run, plain)
    assert sorted(path.name for path in run.iterdir()) == sorted(path.name for path in plain.iterdir())


@pytest.mark.parametrize("name", NAMES)
def test_a_run_is_read_whatever_its_folder_is_renamed_to(tmp_path, plain, name):
    run = run_of(tmp_path / "run", ROWS)
    (tmp_path / name).parent.mkdir(exist_ok=True)
    assert same(run.rename(tmp_path / name), plain)


def test_a_neighbour_that_the_name_would_match_is_not_read(tmp_path, plain):
    run_of(tmp_path / "run2", [event("of-another", card("y", "critical"), hook="patient-view")])
    assert same(run_of(tmp_path / "run?", ROWS), plain)


@pytest.mark.parametrize("name", [os.fsdecode(b"caf\xe9"), "both\\and[1]"])
def test_a_name_that_cannot_be_read_from_is_refused_before_anything_is_judged(tmp_path, name):
    with pytest.raises(RunFolderError, match="DuckDB cannot read from a folder of this name"), new_run(tmp_path / name):
        pytest.fail("it began")
    assert not list(tmp_path.iterdir())
    moved = run_of(tmp_path / "run", ROWS).rename(tmp_path / name)
    with pytest.raises(RunFolderError, match="DuckDB cannot read from a folder of this name") as told:
        attention(moved, 10)
    assert str(told.value).encode()
    assert read_summary(moved)


def test_a_run_whose_tables_are_gone_is_told(tmp_path):
    run = run_of(tmp_path / "run", ROWS)
    next((run / "cards").iterdir()).unlink()
    with pytest.raises(RunFolderError, match="its tables cannot be read"):
        attention(run, 10)
