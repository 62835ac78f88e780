"""What changes for whom: contents compared through the command, as folders and as revisions of git."""

from __future__ import annotations

import json
import shutil
import subprocess

import pytest
import yaml
from click.testing import CliRunner

from cds_service.cli import main
from cds_service.content.files import table_paths
from cds_service.packaged import packaged

CARDS = packaged("cards")
TABLE = "vitamin-b12/decisions/imPlatelets/table.yaml"
VERSION = yaml.safe_load((CARDS / TABLE).read_text(encoding="utf-8"))["version"]
STORIES = [str(packaged("fixtures") / "scenarios" / f"{name}.yaml") for name in ("platelets-and-im", "order-sign")]


def run(*arguments):
    return CliRunner().invoke(main, ["impact", *map(str, arguments)])


@pytest.fixture
def stricter(tmp_path):
    """The content with transfusion considered below 26 instead of 25."""
    cards = tmp_path / "stricter"
    shutil.copytree(CARDS, cards)
    text = (cards / TABLE).read_text(encoding="utf-8")
    for before, after in (("[25..50]", "[26..50]"), ("< 25", "< 26"), (f"version: {VERSION}\n", "version: 9.0.0\n")):
        assert before in text
        text = text.replace(before, after)
    (cards / TABLE).write_text(text, encoding="utf-8")
    return cards


def test_the_same_content_changes_nothing():
    told = json.loads(run(CARDS, CARDS, *STORIES, "--format", "json").stdout)
    assert told["requests"] > 50
    assert told["changed"]["requests"] == 0
    assert told["changes"] == []
    assert told["versions"] == {}


def test_a_changed_threshold_is_told_for_exactly_those_whom_it_touches(stricter):
    told = json.loads(run(CARDS, stricter, *STORIES, "--format", "json").stdout)
    assert told["versions"] == {"imPlatelets": {"old": VERSION, "new": "9.0.0"}}
    other = [change["request"] for change in told["changes"] if "other" in change["kinds"]]
    assert "platelets-and-im/exactlyTwentyFive" in other
    assert "platelets-and-im/sample" not in other
    change = next(one for one in told["changes"] if one["request"] == "platelets-and-im/exactlyTwentyFive")
    (before,), (after,) = change["old"]["cards"], change["new"]["cards"]
    assert (before["indicator"], after["indicator"]) == ("warning", "critical")
    rules = {rule["topic"]: rule["new"] - rule["old"] for rule in told["rules"]}
    assert rules["imPlateletsTransfusionFirst"] == len(other)
    assert rules["imPlateletsThinNeedle"] < 0


def test_the_text_names_the_gravest_changes_first(stricter):
    text = run(CARDS, stricter, *STORIES).stdout
    assert "get other cards" in text
    assert "imPlateletsTransfusionFirst (critical):" in text
    first, later = text.index(": other cards\n"), text.index("imPlateletsTransfusionFirst: other words only, ")
    assert first < later
    headings = [line for line in text[later:].splitlines() if ": other words only, " in line]
    assert text[later:].count("below 26") == sum("Transfusion" in line for line in headings)


def test_an_order_that_only_got_another_id_is_no_other_order(tmp_path):
    """Ids of created resources are keyed with the decision's version."""
    cards = tmp_path / "renumbered"
    shutil.copytree(CARDS, cards)
    for table in table_paths(cards / "vitamin-b12"):
        table.write_text(table.read_text(encoding="utf-8").replace("\nversion: 1.", "\nversion: 9."), encoding="utf-8")
    told = json.loads(run(CARDS, cards, "--format", "json").stdout)
    assert len(told["versions"]) > 20
    assert told["changed"]["requests"] == 0


def test_what_is_neither_a_folder_nor_a_revision_is_wrong_use(tmp_path):
    told = run(CARDS, tmp_path / "none", *STORIES)
    assert told.exit_code == 2
    assert "neither a folder nor a revision" in told.stderr


def test_content_that_cannot_be_used_is_named_with_its_first_problems(stricter):
    (stricter / TABLE).write_text("version: 1.2.0\n", encoding="utf-8")
    told = run(CARDS, stricter, *STORIES)
    assert told.exit_code == 1
    assert "is no content that this version can use" in told.stderr
    assert "table.yaml" in told.stderr


def test_a_revision_of_git_is_compared_with_the_folder(tmp_path, monkeypatch, stricter):
    """Also from a folder below the repository's root."""
    repository = tmp_path / "repository"
    shutil.copytree(CARDS, repository / "cards")

    def git(*command):
        subprocess.run(
            ["git", "-C", repository, "-c", "user.name=t", "-c", "user.email=t@example.org", *command],
            check=True,
            capture_output=True,
        )

    git("init", "-q")
    git("add", "-A")
    git("commit", "-qm", "first")
    shutil.copy(stricter / TABLE, repository / "cards" / TABLE)
    monkeypatch.chdir(repository / "cards")
    told = run("HEAD", repository / "cards", *STORIES, "--format", "json")
    assert told.exit_code == 0, told.stderr
    assert json.loads(told.stdout)["versions"] == {"imPlatelets": {"old": VERSION, "new": "9.0.0"}}
    for name in ("HEAD~1", "--help-me", "no-such"):
        assert run("--", name, "HEAD", *STORIES).exit_code == 2
    git("rm", "-rq", "--cached", "cards")
    git("commit", "-qm", "no content")
    assert "has no folder cards" in run("HEAD", "HEAD~1", *STORIES).stderr


def test_one_of_two_cards_of_the_same_rule_that_is_gone_is_told(tmp_path):
    """Two drafts, a card of one rule for each; the new content no longer speaks about the second."""
    fewer = tmp_path / "fewer"
    shutil.copytree(CARDS, fewer)
    text = (fewer / TABLE).read_text(encoding="utf-8")
    text = text.replace("[muscle, ifIntoMuscle", "[muscle")
    (fewer / TABLE).write_text(text, encoding="utf-8")
    story = tmp_path / "two.yaml"
    story.write_text(
        "story: x\nstatements: [S12]\npatient: kwame-mensah\n"
        "draft: [hydroxocobalamin-im-three-weekly, cyanocobalamin-injection-no-route]\n"
        "cases: [{name: two, why: two injections, expect: []}]\n"
    )
    told = json.loads(run(CARDS, fewer, story, "--format", "json").stdout)
    (change,) = told["changes"]
    topics = [[card["source"]["topic"]["code"] for card in change[side]["cards"]] for side in ("old", "new")]
    assert [both.count("imPlateletsTransfusionFirst") for both in topics] == [2, 1]
    assert "fewer" in change["kinds"] or "other" in change["kinds"]


def test_captured_requests_are_compared_too(stricter):
    told = json.loads(run(CARDS, stricter, packaged("fixtures") / "captured", "--format", "json").stdout)
    assert told["requests"] == 22
    kinds = {change["request"]: change["kinds"] for change in told["changes"]}
    assert kinds["epic/order-select-low-platelets"] == ["words"]
