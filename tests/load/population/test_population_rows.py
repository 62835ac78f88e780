"""What ``make bench-population`` measures and makes of it, on a few patients; how long anything takes is not held."""

import math

import pytest

from tests.load.population.measure import measure
from tests.load.population.page import population, ratios

PATIENTS = 60  # two of whom have orders that are judged


@pytest.fixture(scope="module")
def figures():
    return measure(PATIENTS)


def test_every_part_and_both_whole_runs_are_measured(figures):
    assert set(figures["parts"]) == {"panel", "orders", "rounds"}
    assert len(figures["parts"]["rounds"]) == 3
    assert figures["parts"]["panel"]["events"] == PATIENTS
    assert figures["parts"]["orders"]["events"] > 0
    assert [run["workers"] for run in figures["whole"]] == [1, 2]
    for run in figures["whole"]:
        assert all(run[name] > 0 for name in ("cpu", "wall", "main megabytes", "worker megabytes"))
    assert "large" not in figures


def test_what_is_compared_with_the_goals_is_a_number(figures):
    found = ratios(figures)
    assert set(found) == {"assembling and judging", "assembling and judging, orders", "panel", "two workers"}
    assert all(math.isfinite(ratio) and ratio > 0 for ratio in found.values())


def test_the_tables_have_a_row_for_each_and_one_more_for_a_large_run(figures):
    told = population(figures)
    rows = [line for line in told.splitlines() if line.startswith("|")]
    for name in ("reading", "sorting", "assembling and judging", "judging alone", "memory of a worker"):
        assert any(name in row for row in rows), name
    assert sum(row.startswith(f"| {PATIENTS} |") for row in rows) == 2
    large = {"patients": 1_000_000, "megabytes compressed": 2_800.0, **figures["whole"][1]}
    told = population({**figures, "large": large})
    assert "| 1,000,000 | 2,800 compressed | 2 |" in told
    assert "| memory of the main process, 1,000,000 patients |" in told
