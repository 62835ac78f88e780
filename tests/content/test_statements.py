"""Every statement and settlement is carried out by rules and shown by scenarios, or says why not."""

import pytest

from cds_service.replay.statements import as_table, statement_rows, written_into
from tests.support.places import ROOT


@pytest.fixture(scope="module")
def covered(prepared, scenarios):
    return statement_rows(prepared, scenarios)


def test_all_statements_and_settlements_are_there(covered):
    names = {entry.id for entry in covered}
    assert names >= {f"S{n}" for n in range(1, 26)} | {f"C{n}" for n in range(1, 15)}


def test_each_has_a_rule_and_a_scenario_or_a_reason(covered):
    assert [entry.id for entry in covered if not entry.no_rule and not (entry.rules and entry.scenarios)] == []
    assert [entry.id for entry in covered if entry.no_rule and entry.rules] == []


def test_the_table_in_the_readme_of_the_content_is_the_one_that_is_made(covered):
    page = (ROOT / "cards/README.md").read_text(encoding="utf-8")
    assert page == written_into(page, as_table(covered)), "make statements writes it anew"


def test_a_page_without_a_place_for_the_table_is_refused():
    with pytest.raises(ValueError, match="no place for the table"):
        written_into("# A page", "table")
