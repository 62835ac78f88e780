"""A run of which one value is damaged: it is read or refused by its name, and it takes no other run with it."""

import json
from collections.abc import Iterator

import pytest

from cds_service.commands.population_text import as_csv, as_data, as_text, panel_text
from cds_service.console.reports import population_page
from cds_service.population.counting import attention
from cds_service.population.run_folder import MANIFEST, SUMMARY, RunFolderError
from cds_service.population.runs import runs_in
from cds_service.population.shared_counts import Shown
from cds_service.population.summary import read_summary
from cds_service.service.app import create_app
from cds_service.settings import Settings
from cds_service.store.store import Store
from tests.support.changed_value import with_value
from tests.support.judged_rows import MOMENT, record
from tests.support.judged_runs import RULE, events, run_in
from tests.support.keys import KEY

HUGE = "a number of more digits than Python reads"
DAMAGES = (None, "", -1, 0, 10**30, HUGE, "9999-12-31T23:59:59Z", "2026-01-01T00:00:00", [], {})
_MANY = 4  # members of one shape, of which the first and the last are damaged


def places(tree, path=()) -> Iterator[tuple]:
    """Where values stand in data; of many that are alike the first and the last."""
    members = list(tree.items()) if isinstance(tree, dict) else list(enumerate(tree)) if isinstance(tree, list) else []
    alike = len(members) >= _MANY and len({type(value) for _, value in members}) == 1
    for key, value in [members[0], members[-1]] if alike else members:
        yield (*path, key)
        yield from places(value, (*path, key))


@pytest.fixture(scope="module")
def hospital(tmp_path_factory):
    """A folder with a good run and a comparison to be damaged, which is the newer, and the pages over both."""
    place = tmp_path_factory.mktemp("hospital")
    runs = place / "runs"
    runs.mkdir()
    rows = [
        row | {"content": content, "moment": MOMENT, "unit": "3B"}
        for content, cards in (("old", 3), ("new", 2))
        for row in [*events(cards, 5), *events(cards, 5, hook="patient-view")]
    ]
    later = events(1, 1, rule=("doseUnit", "TooHigh"))[0] | {"content": "new", "moment": MOMENT.replace(month=3)}
    refused = events(0, 1, rule=("doseUnit", "No"))[0] | {
        "content": "old",
        "outcome": "not-judged",
        "missing": ["egfr"],
    }
    run_in(runs, "hurt", [*rows, later, refused, record(undated=2)], "old", "new")
    run_in(runs, "good", events(1, 2))
    url = f"sqlite:///{place / 'store.sqlite3'}"
    store = Store(url)
    version = read_summary(runs / "good").manifest.contents["content"].version
    for _ in range(20):
        store.count_call("vitamin-b12-order-sign", version, judged_under="")
        store.count("vitamin-b12-order-sign", *RULE, "1.0.0", "critical")
    store.close()
    pages = create_app(Settings(loopback=True, key=KEY, runs=runs, store=url)).test_client()
    return runs, pages


def refusal(run, *, with_panel):
    """Why a run is refused; ``""`` if every form of report shows it, and the panel too."""
    try:
        summary = read_summary(run)
        for shown in (Shown(), Shown(7)):
            "\n".join(as_text(summary, shown)).encode()
            json.dumps(as_data(summary, shown)).encode()
            as_csv(summary, shown).encode()
            population_page(summary, shown).encode()
        if with_panel:
            "\n".join(panel_text(attention(run, 10), {})).encode()
    except RunFolderError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("value", DAMAGES, ids=lambda value: repr(value)[:24])
@pytest.mark.parametrize("file", [MANIFEST, SUMMARY])
def test_a_damaged_value_is_read_or_refused_and_the_other_run_is_listed(hospital, file, value):
    runs, pages = hospital
    run = runs / "hurt"
    whole = (run / file).read_bytes()
    data = json.loads(whole)
    assert not refusal(run, with_panel=True)
    try:
        for path in places(data):
            (run / file).write_text(json.dumps(with_value(data, path, value)).replace(f'"{HUGE}"', "9" * 5_000))
            why = refusal(run, with_panel="contents" in path and file == MANIFEST)  # all that a panel reads
            assert not why or why.startswith(f"{run}: "), path
            listed = {one.name: bool(one.problem) for one in runs_in(runs)}
            assert listed == {run.name: bool(why), "good": False}, path
            if not why:
                assert pages.get("/population").status_code == 200, path
                assert pages.get(f"/population/{run.name}").status_code in (200, 404), path
    finally:
        (run / file).write_bytes(whole)
