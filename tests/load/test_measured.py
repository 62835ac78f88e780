"""What the documents say was measured is what the raw results say."""

import json
import re

import pytest

from tests.load.measured import KEPT, PAGES, page
from tests.support.places import ROOT


@pytest.mark.parametrize("name", sorted(set(PAGES.values())))
def test_the_tables_are_made_of_the_results_that_are_kept(name):
    text = (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8")
    assert page(text) == text


@pytest.mark.parametrize("name", sorted(path.stem for path in KEPT.glob("*.json")))
def test_results_are_kept_with_their_commit_and_machine_and_broke_no_promise(name):
    whole = json.loads((KEPT / f"{name}.json").read_text(encoding="utf-8"))
    assert whole["measured"] == name
    assert re.fullmatch(r"[0-9a-f]{40}", whole["commit"]), "measured with changes that are in no commit"
    assert whole["machine"]["cores"] and whole["machine"]["python"]
    figures = whole["figures"]
    if name == "soak":
        assert figures["requests"] >= 200_000
        assert figures["lost"] == 0
        assert all(phase["wrong"] == 0 and phase["unexplained"] == {} for phase in figures["phases"])
        assert sum(len(phase["faults"]) == 2 for phase in figures["phases"]) >= 8
    if name == "hostile":
        served = figures["on resources"]
        assert not any(one["unexplained"] for one in [*figures["families"], *served["attacks"]])
        assert served["under 1 GiB"]["kills"] == 0 and served["under 1 GiB"]["wrong"] == []
    if name == "fuzz":
        assert not any(one["unexplained"] for one in figures["targets"])
