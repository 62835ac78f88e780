"""What ``make bench`` makes of its rows: their figures beside their goals, or why they are left out."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cds_service.judge.evaluate import evaluate
from tests.load.bench import page
from tests.load.bench.goals import (
    COUNTED,
    ECHO,
    FEEDBACK,
    RELEVANT,
    RELEVANT_SMALL,
    ROWS,
    SERVICE,
    STEPS,
    SUGGESTIONS,
    UNDER_LOAD,
    WHOLE,
    Row,
)
from tests.load.bench.peers import PEERS
from tests.load.bench.table import measure
from tests.load.bench.turns import measured_in_turns, reason
from tests.load.bench.under_load import LoadedRows, load
from tests.support.bodies import PATIENT_VIEW, bodies, panel
from tests.support.bodies import SERVICE as ORDER_SELECT
from tests.support.loaded import Server
from tests.support.places import ROOT

FAILS, WORKS = Row("fails"), Row("works")


def steady(number):
    return {SERVICE: {"cpu_ms": 6.0 + number}, ECHO: {"cpu_ms": 2.0}}


def failing_in(round_number):
    def turn(number):
        if number == round_number:
            raise RuntimeError("0 calls failed of 0")
        return steady(number)

    return turn


def not_ready():
    raise RuntimeError("nobody is at home")


def of_rows(rounds):
    """Figures as a run leaves them, of these rounds of rows by their names."""
    return {"rows": rounds, "left out": {}, "memory": {}}


def cells(text, row):
    """The cells of a row's first line in a page."""
    line = next(line for line in text.splitlines() if line.startswith(f"| {row.name} |"))
    return line.strip("| ").split(" | ")


def test_a_row_that_cannot_be_made_ready_is_left_out_with_its_reason_and_the_others_are_measured():
    found, left_out = measured_in_turns({FAILS: not_ready, WORKS: lambda: steady}, 2)
    assert left_out == {"fails": "nobody is at home"}
    assert [one["cpu_ms"] for one in found["works"][SERVICE]] == [6.0, 7.0]
    assert found.keys() == {"works"}


@pytest.mark.parametrize("number", [-1, 0, 1])
def test_a_row_that_fails_in_any_round_is_left_out_and_the_others_go_on(number):
    found, left_out = measured_in_turns({FAILS: lambda: failing_in(number), WORKS: lambda: steady}, 2)
    assert left_out == {"fails": "0 calls failed of 0"}
    assert found.keys() == {"works"} and len(found["works"][SERVICE]) == 2


def test_the_round_that_warms_up_does_not_count():
    found, _ = measured_in_turns({WORKS: lambda: steady}, 1)
    assert found == {"works": {SERVICE: [{"cpu_ms": 6.0}], ECHO: [{"cpu_ms": 2.0}]}}


def test_a_reason_fits_into_a_cell_and_says_what_a_program_said():
    code = "import sys; sys.exit('no such | package\\nat all')"
    with pytest.raises(subprocess.CalledProcessError) as failed:
        subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert reason(failed.value) == f"{Path(sys.executable).name} failed with status 1: no such / package at all"
    assert reason(TimeoutError()) == "TimeoutError"


def test_a_result_is_the_median_of_the_ratios_of_each_round():
    rounds = {
        SERVICE: [{"cpu_ms": 8}, {"cpu_ms": 2}, {"cpu_ms": 3}],
        ECHO: [{"cpu_ms": 2}, {"cpu_ms": 1}, {"cpu_ms": 1}],
    }
    assert RELEVANT.now(rounds) == 3
    assert Row("bare", figure="cpu_ms", against=None).now(rounds) == 3


@pytest.mark.parametrize(
    ("row", "now", "met"),
    [
        (RELEVANT, 1.75, "yes"),
        (RELEVANT, 1.76, "no"),
        (FEEDBACK, 0.4, "yes"),
        (FEEDBACK, 0.39, "no"),
        (Row("without a goal"), 5, "-"),
    ],
)
def test_a_goal_is_a_most_or_a_least(row, now, met):
    assert row.met(now) == met


def test_the_page_says_of_every_row_what_it_was_what_it_should_be_and_what_it_is():
    rounds = {SERVICE: [{"cpu_ms": 4.0, "per_second": 5, "p50": 1, "p99": 2}]}
    rounds[ECHO] = rounds["raw"] = [{"cpu_ms": 2.0, "per_second": 10, "p50": 1, "p99": 2}]
    text = page.bench(of_rows({RELEVANT.name: rounds}))
    assert cells(text, RELEVANT) == ["relevant 80 KB", "2.6", "1.75", "2", "of echo's CPU", "no"]
    assert "| relevant 80 KB | 4.00 ms | 1.00 | 0.5 | 1.0, 2 ms |" in text
    assert all(cells(text, row)[-1] == "left out: not measured in this run" for row in ROWS if row is not RELEVANT)


def test_the_page_says_why_a_row_was_left_out():
    text = page.bench({"rows": {}, "left out": {RELEVANT.name: "wrk is not installed"}, "memory": {}})
    assert cells(text, RELEVANT)[3:] == ["-", "of echo's CPU", "left out: wrk is not installed"]


def test_a_peer_stands_after_the_rows_of_the_service():
    text = page.bench({"rows": {}, "left out": {"a peer, 8 KB": "no network"}, "memory": {}})
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert rows[-1] == "| a peer, 8 KB | - | - | - | of echo's CPU | left out: no network |"


def test_the_page_says_what_part_of_a_whole_call_each_step_is():
    rounds = {"cards rendered": [{"relevant 8 KB": 20.0}], WHOLE: [{"relevant 8 KB": 80.0}]}
    text = page.bench(of_rows({STEPS.name: rounds}))
    assert "| cards rendered | 20 µs | 25% |" in text
    assert f"| {WHOLE} | 80 µs | 100% |" in text
    assert "The steps of a call are left out: no Python." in page.bench(
        {"rows": {}, "left out": {STEPS.name: "no Python"}, "memory": {}}
    )


def test_counts_of_instructions_stand_beside_their_goals():
    row = COUNTED["call", "relevant 8 KB"]
    text = page.instructions({"instructions": {row.name: 3_800_000.0}})
    assert cells(text, row) == ["a whole call, relevant 8 KB", "5.4", "3.8", "3.8", "M", "yes"]
    assert cells(text, COUNTED["evaluate", "relevant 80 KB"])[-1] == "left out: not counted"


def test_every_row_under_load_that_sends_a_plain_body_has_one():
    with ExitStack() as stack:
        made = LoadedRows(None, stack, 2, 1).makers()
    assert made.keys() == set(UNDER_LOAD)


def test_the_order_with_two_suggestions_gets_one_card_with_them_today(prepared):
    body = bodies()[SUGGESTIONS.name]
    answer = evaluate(prepared, prepared.pack.services[ORDER_SELECT], body, datetime.now(UTC)).body
    assert [len(card["suggestions"]) for card in answer["cards"]] == [2]
    assert len(body) == pytest.approx(11_000, rel=0.1)


def test_every_patient_of_the_panel_is_answered_and_some_with_cards(prepared):
    service, now = prepared.pack.services[PATIENT_VIEW], datetime.now(UTC)
    charts = panel()
    answers = [evaluate(prepared, service, chart, now).body["cards"] for chart in charts]
    assert len({json.loads(chart)["context"]["patientId"] for chart in charts}) == len(charts) > 40
    assert any(answers)


def test_each_step_of_a_call_takes_time_and_the_whole_more_than_its_first(tmp_path):
    command = [sys.executable, "-m", "tests.load.bench.steps", str(tmp_path), "20"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=True)
    found = json.loads(done.stdout)
    assert len(found) == 7
    for body in (RELEVANT_SMALL.name, RELEVANT.name):
        times = {step: figures[body] for step, figures in found.items()}
        assert all(times.values())
        assert times[WHOLE] > times["relevant orders found"]


def test_load_without_wrk_says_how_to_have_it(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RuntimeError, match="wrk is not installed"):
        load("http://127.0.0.1:9/", Server("", 0, 0), tmp_path / "body", seconds=1)


def test_a_peer_that_cannot_be_installed_is_left_out(monkeypatch, tmp_path):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", "")
    with ExitStack() as stack:
        rows = PEERS["healthchain"](tmp_path, 1, LoadedRows(tmp_path, stack, 1, 1))
        found, left_out = measured_in_turns(rows, 1)
    assert found == {} and len(left_out) == 2
    assert all("failed with status" in why for why in left_out.values())


def test_a_part_of_the_bench_runs_and_leaves_its_figures():
    found = measure(1, 1, [], only="patient of a population run")
    assert found["left out"] == {} and found["memory"] == {}
    (rounds,) = found["rows"].values()
    assert 1 < rounds[SERVICE][0]["cpu_us"] < 100_000
    json.dumps(found)
