"""Ids of statements in texts for people: their titles stand there, and lead to the statement."""

import re

import pytest

from cds_service.console.cited import cited
from cds_service.console.story_list import reason_of
from tests.support.scenarios import scenarios
from tests.support.shipped import shipped_pack

PACK = shipped_pack()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("S12 still shows", "“Platelets below 25” still shows"),
        ("of S9, not S19", "of “Ileal resection”, not “Not stopping B12”"),
        ("M31.1 means D51.0, and XS9 nothing", "M31.1 means D51.0, and XS9 nothing"),
        ("S9 before S7 (docs/decisions.md#precedence).", "“Ileal resection” before “Monthly is better”."),
        ("<b> & S10", "&lt;b&gt; &amp; “Platelets above 50”"),
    ],
)
def test_a_title_stands_for_an_id_and_for_nothing_that_looks_like_one(text, said):
    assert str(cited(PACK, text)) == said


def test_a_title_leads_to_its_statement_with_the_sentence_at_hand():
    assert str(cited(PACK, "S12", "/content")) == (
        '<a href="/content#S12" title="For critical thrombocytopenia (&lt;25 × 10⁹/L): Consider platelet transfusion '
        'before IM administration">“Platelets below 25”</a>'
    )


def test_no_reason_of_a_scenario_shows_an_id_to_people():
    shown = {scenario.name: str(cited(PACK, reason_of(scenario))) for scenario in scenarios()}
    ids = re.compile(r"\b[SLCDZ]\d{1,2}\b(?!\.\d)")
    assert {name: text for name, text in shown.items() if ids.search(text)} == {}
