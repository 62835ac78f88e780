"""Which runs there are in a folder, and which tells of the content that is served."""

import json
import os
from dataclasses import replace

import pytest

from cds_service.population.run_folder import RunFolderError
from cds_service.population.runs import judged_runs, newest, runs_in, spoken
from tests.support.judged_rows import event
from tests.support.judged_runs import RULE, events, run_in, spoken_card


def test_runs_are_listed_from_the_newest_window_on_and_what_is_no_run_at_the_end(tmp_path):
    run_in(tmp_path, "b-older", events(1, 2), until="2026-05-01T00:00:00Z")
    run_in(tmp_path, "a-newer", events(1, 2))
    (run_in(tmp_path, "c-broken", events(1, 2)) / "summary.json").unlink()
    (tmp_path / ".d.17.unfinished").mkdir()
    (tmp_path / "notes.txt").write_text("x")
    listed = runs_in(tmp_path)
    assert [run.name for run in listed] == ["a-newer", "b-older", "c-broken"]
    assert [bool(run.summary) for run in listed] == [True, True, False]
    assert listed[2].problem == "this is not the folder of a run: it has no summary.json that can be read"


def test_a_name_that_is_no_text_can_be_shown(tmp_path):
    (tmp_path / os.fsdecode(b"caf\xe9")).mkdir()
    (run,) = runs_in(tmp_path)
    assert run.name == "caf\ufffd" and run.name.encode() and run.problem


def test_a_folder_that_cannot_be_read_is_said(tmp_path):
    with pytest.raises(RunFolderError, match="none: no such file or directory"):
        runs_in(tmp_path / "none")


@pytest.mark.parametrize(
    "break_it",
    [
        lambda manifest, counted: manifest["contents"].update(other=manifest["contents"].pop("content")),
        lambda manifest, counted: counted["contents"].clear(),
        lambda manifest, counted: counted["changes"].append(
            {"hook": "order-sign", "old": [], "new": [], "events": 1, "examples": []}
        ),
    ],
)
def test_a_summary_that_is_of_another_run_is_no_run(tmp_path, break_it):
    run = run_in(tmp_path, "run", events(1, 2))
    files = {name: json.loads((run / name).read_text()) for name in ("run.json", "summary.json")}
    break_it(*files.values())
    for name, data in files.items():
        (run / name).write_text(json.dumps(data))
    (listed,) = runs_in(tmp_path)
    assert listed.problem == "its summary.json is not about the contents of its run.json"


def test_the_newest_run_of_the_served_version_goes_before_a_newer_one(tmp_path, pack):
    run_in(tmp_path, "of-next", events(1, 2), version="99.0.0", until="2027-01-01T00:00:00Z")
    run_in(tmp_path, "of-other", events(1, 2), id="other", until="2027-01-01T00:00:00Z")
    assert newest(judged_runs(runs_in(tmp_path), pack)).name == "of-next"
    run_in(tmp_path, "old", events(1, 2), since="2024-01-01T00:00:00Z", until="2025-01-01T00:00:00Z")
    run_in(tmp_path, "last", events(1, 2))
    judged = judged_runs(runs_in(tmp_path), pack)
    assert [(run.name, run.is_of_version) for run in judged] == [("of-next", False), ("last", True), ("old", True)]
    assert newest(judged).name == "last"
    assert newest([]) is None


def test_of_runs_of_one_window_that_which_was_made_last_comes_first_and_a_comparison_is_no_expectation(tmp_path, pack):
    both = [event(name, spoken_card(), content=name) for name in ("old", "new")]
    for name, made in (("b", "2026-11-02T09:00:00Z"), ("a", "2026-11-03T09:00:00Z")):
        _made(run_in(tmp_path, name, events(1, 2)), made)
    _made(run_in(tmp_path, "compared", both, "old", "new"), "2026-11-04T09:00:00Z")
    run_in(tmp_path, "z-not-said", events(1, 2))
    judged = judged_runs(runs_in(tmp_path), pack)
    assert [run.name for run in judged] == ["compared", "a", "b", "z-not-said"]
    assert newest(judged).name == "a"
    assert newest(judged[:1]).name == "compared"
    run_in(tmp_path, "older", events(1, 2), since="2024-01-01T00:00:00Z", until="2025-01-01T00:00:00Z")
    of_the_year = [run for run in judged_runs(runs_in(tmp_path), pack) if run.name in ("compared", "older")]
    assert newest(of_the_year).name == "compared"


def _made(run, made):
    manifest = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps(manifest | {"made": made}))


def test_of_a_comparison_the_content_that_is_served_is_told_of_else_the_new_one(tmp_path, pack):
    rows = [event(name, spoken_card(), content=name) for name in ("old", "new")]
    run = run_in(tmp_path, "compared", rows, "old", "new")
    manifest = json.loads((run / "run.json").read_text())
    manifest["contents"]["new"]["version"] = "99.0.0"
    (run / "run.json").write_text(json.dumps(manifest))
    (judged,) = judged_runs(runs_in(tmp_path), pack)
    assert (judged.content.name, judged.is_of_version) == ("old", True)
    assert judged.told.startswith("vitamin-b12 2.") and judged.against.startswith("vitamin-b12 99.0.0")
    (judged,) = judged_runs(runs_in(tmp_path), replace(pack, version="98.0.0"))
    assert (judged.content.name, judged.is_of_version) == ("new", False)


def test_how_often_a_decision_spoke_is_told_by_orders_charts_and_what_nobody_saw(tmp_path, pack):
    rows = [
        *events(3, 9),
        *events(2, 5, hook="order-select"),
        *events(4, 7, hook="patient-view"),
        *events(1, 2, rule=("nasalRegimen", "AskNeurological")),
        *[event(f"shadow-{n}", spoken_card(status="shadow", shown=False)) for n in range(6)],
    ]
    run_in(tmp_path, "run", rows)
    (judged,) = judged_runs(runs_in(tmp_path), pack)
    told = spoken(judged, RULE[0])
    assert (told.on_orders, told.on_charts, told.unshown) == (3, 4, 6)
    assert spoken(judged, "doseUnit").on_orders == 0
    assert judged.content.answered == {"order-select": 5, "order-sign": 17, "patient-view": 7}
