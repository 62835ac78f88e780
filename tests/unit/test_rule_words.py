"""Rules and reasons in words, whoever the patient."""

from __future__ import annotations

import re
from functools import cache

import pytest

from cds_service.content.load import load_pack
from cds_service.content.prepared import template_words
from cds_service.content.rule_words import reason_words, rule_words
from tests.support.places import SECOND_PACK
from tests.support.shipped import shipped_pack

PACKS = {"shipped": shipped_pack, "second": cache(lambda: load_pack(SECOND_PACK / "cards"))}


@pytest.mark.parametrize("name", PACKS)
def test_every_rule_has_words_without_placeholders_or_loose_punctuation(name):
    pack = PACKS[name]()
    regimens = template_words(pack)
    told = 0
    for decision in pack.decisions.values():
        for rule in decision.rules:
            words = rule_words(pack, regimens, decision.id, rule.id)
            assert words.title == decision.title
            for said in (words.says, words.detail):
                assert "{" not in said and not re.search(r"…\)|, …:|[ ,]:|  ", said), said
            if rule.then.text and decision.kind == "card":
                told += 1
                assert words.says[0].isupper() and words.indicator == rule.then.indicator
    assert told


def test_numbers_and_regimens_are_filled_in_and_what_is_read_of_a_patient_is_left_open():
    pack = shipped_pack()
    regimens = template_words(pack)
    first = rule_words(pack, regimens, "imPlatelets", "TransfusionFirst")
    assert first.says == "Platelets …, IM injection ordered or if given IM: consider platelet transfusion first."
    assert first.detail.startswith("Critical below 25 ×10⁹/L:")
    dose = rule_words(pack, regimens, "loadingRegimen", "Differs")
    assert "1000 mcg IM 3 times a week for 2 weeks" in dose.says


@pytest.mark.parametrize("decision", ["imPlatelets", "noDecision"])
def test_a_rule_that_is_no_more_is_named_by_its_id(decision):
    words = rule_words(shipped_pack(), {}, decision, "Gone")
    assert words.says == "Gone, a rule that the present content no longer has"
    assert words.indicator == words.detail == ""


@pytest.mark.parametrize(
    ("is_present", "code", "display", "said"),
    [
        (True, "action-completed", "Sent", "I have acted on it: platelets are given, or a newer count is higher"),
        (True, "its-own", "  Sent \n otherwise ", "Sent otherwise"),
        (False, "action-completed", "Sent", "Sent"),
        (False, "action-completed", "", "I have acted on it: platelets are given, or a newer count is higher"),
        (True, "its-own", "", "A reason that came as a code alone"),
        (True, "", "", "No reason given"),
    ],
)
def test_a_reason_is_said_in_the_words_that_were_chosen(is_present, code, display, said):
    """The same code may have had other words in another version, so what was sent goes first there."""
    pack = shipped_pack()
    version = pack.decisions["imPlatelets"].version if is_present else "1.0.0"
    assert reason_words(pack, "imPlatelets", "TransfusionFirst", version, code, display) == said
