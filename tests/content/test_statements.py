"""Every statement and settlement is carried out by rules and shown by scenarios, or says why not; and what is done
about each stands on a page for people.
"""

import re
from collections import Counter

import pytest
from click.testing import CliRunner

from cds_service.cli import main
from cds_service.replay.clinical import as_page
from cds_service.replay.statements import as_table, scenarios_by_rule, statement_rows, written_into
from tests.support.places import ROOT

HOOKS = ("order-select", "order-sign", "patient-view")
# decision, rule, what it shows at each hook, basis, scenarios, moments of courses
ROW = re.compile(
    r"^\| [^|]+ \| `(\w+)\.(\w+)` \| ([^|]+) \| ([^|]+) \| ([^|]+) \| (?:source|reading) \| (\d+) \| (\d+) \|$"
)


@pytest.fixture(scope="module")
def shown_by(prepared, scenarios):
    return scenarios_by_rule(prepared, scenarios)


@pytest.fixture(scope="module")
def covered(prepared, shown_by):
    return statement_rows(prepared.pack, shown_by)


@pytest.fixture(scope="module")
def page(prepared, shown_by):
    return as_page(prepared.pack, shown_by)


@pytest.fixture(scope="module")
def rows(page):
    """The rows of the page by decision and rule: what is shown at each hook, and the two counts."""
    found = [match.groups() for match in map(ROW.match, page.splitlines()) if match]
    return {(row[0], row[1]): (dict(zip(HOOKS, row[2:5], strict=True)), *map(int, row[5:])) for row in found}


def test_all_statements_and_settlements_are_there(covered):
    names = {entry.id for entry in covered}
    assert names >= {f"S{n}" for n in range(1, 26)} | {f"C{n}" for n in range(1, 15)}


def test_each_has_a_rule_and_a_scenario_or_a_reason(covered):
    assert [entry.id for entry in covered if not entry.no_rule and not (entry.rules and entry.scenarios)] == []
    assert [entry.id for entry in covered if entry.no_rule and entry.rules] == []


def test_the_table_in_the_readme_of_the_content_is_the_one_that_is_made(covered):
    page = (ROOT / "cards/README.md").read_text(encoding="utf-8")
    assert page == written_into(page, "statements", as_table(covered)), "make statements writes it anew"


def test_a_page_without_a_place_for_the_table_is_refused():
    with pytest.raises(ValueError, match="no place for it: <!-- statements: made by"):
        written_into("# A page", "statements", "table")


def test_the_page_of_what_is_done_about_each_statement_is_the_one_that_is_made(page):
    written = (ROOT / "docs/clinical.md").read_text(encoding="utf-8")
    assert written == written_into(written, "clinical", page), "make clinical writes it anew"


def test_the_page_is_written_between_its_marks_and_nowhere_else(page, tmp_path):
    command = ["export", "clinical", "--out", str(tmp_path)]
    (tmp_path / "clinical.md").write_text("Above.\n", encoding="utf-8")
    refused = CliRunner().invoke(main, command)
    assert refused.exit_code == 1
    assert f"{tmp_path / 'clinical.md'}: " in refused.output
    marks = "<!-- clinical: made by cds-service export clinical -->", "<!-- /clinical -->"
    (tmp_path / "clinical.md").write_text(f"Above.\n{marks[0]}\nof before\n{marks[1]}\nBelow.\n", encoding="utf-8")
    assert CliRunner().invoke(main, command).exit_code == 0
    written = (tmp_path / "clinical.md").read_text(encoding="utf-8")
    assert written == f"Above.\n{marks[0]}\n{page}\n{marks[1]}\nBelow.\n"


def test_every_statement_has_its_paragraph_on_the_page(pack, page):
    parts = dict(re.findall(r"^### (\w+): .*\n\n((?:.+\n)+)", page, re.MULTILINE))
    assert {name: " ".join(parts[name].split()) for name in pack.statements} == {
        name: statement.does for name, statement in pack.statements.items()
    }
    assert all(len(statement.does.split()) > 20 for statement in pack.statements.values())


def test_what_a_rule_shows_at_a_hook_is_what_the_answers_show(rows, scenarios, answers):
    """Whatever was found in an answer is on the page with its indicator, and what is not shown was never found."""
    said = Counter()
    for scenario in scenarios:
        judged = answers[scenario.name].answer.judged if answers[scenario.name].answer else ()
        for finding in (finding for order in judged for finding in order.decided.cards):
            row = rows.get((finding.decision.id, finding.rule.id))
            if row is not None:
                assert row[0][scenario.hook] == finding.then.indicator, (scenario.name, finding.topic)
                said[scenario.hook] += 1
    assert all(said[hook] > 40 for hook in HOOKS), said
    assert rows["loadingRegimen", "Differs"][0]["order-sign"] == "info, not shown"
    assert rows["nasalLabel", "Labelled"][0] == {"order-select": "a line", "order-sign": "a line", "patient-view": "-"}


def test_a_rule_is_counted_in_each_scenario_and_each_moment_in_which_it_decides(rows, scenarios, answers):
    decided = Counter()
    for scenario in scenarios:
        judged = answers[scenario.name].answer.judged if answers[scenario.name].answer else ()
        is_moment = scenario.path.parent.name == "courses"
        for fired in {
            (name, rule.id) for order in judged for name, rules in order.decided.fired.items() for rule in rules
        }:
            decided[fired, is_moment] += 1
    cards = [key for key, (shows, *_) in rows.items() if not any("read as" in shown for shown in shows.values())]
    assert len(cards) > 60
    assert {key: rows[key][1:] for key in cards} == {key: (decided[key, False], decided[key, True]) for key in cards}


def test_the_known_gaps_of_what_carries_a_statement_stand_below_it(page):
    part = page.partition("### S10:")[2].partition("### S11:")[0]
    assert "anticoagulants and bleeding disorders are not in the source" in part
    assert "Known gaps" not in page.partition("### S15:")[2].partition("### S16:")[0]
