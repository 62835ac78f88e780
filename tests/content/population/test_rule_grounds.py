"""What a run keeps of its rules themselves: what each asks for and rests on, and which limits are a hospital's own."""

from dataclasses import replace

import msgspec

from cds_service.content.model import HospitalLimit
from cds_service.population.manifest import Manifest
from cds_service.population.rule_grounds import rule_grounds
from tests.support.judged_rows import manifest


def grounds(pack, decision, rule):
    table = pack.decisions[decision]
    return rule_grounds(pack, table, next(one for one in table.rules if one.id == rule))


def test_a_rule_is_kept_with_what_it_asks_of_each_input_and_what_it_rests_on(pack):
    kept = grounds(pack, "imPlatelets", "TransfusionFirst")
    assert kept.asks["platelets"].words == "below 25 ×10⁹/L"
    assert kept.asks["transfusion-not-covered"].words == "none on record"
    assert (kept.statement, kept.quote, kept.whose) == ("S12", pack.statements["S12"].quote, "")
    assert all(not cell.own for cell in kept.asks.values())


def test_the_cards_that_a_rule_gives_way_to_are_nothing_that_it_asks_of_the_patient(pack):
    gives_way = [
        (decision, rule)
        for decision in pack.decisions.values()
        for rule in decision.rules
        if any(pack.decisions[name].kind == "card" for name in decision.inputs if name in pack.decisions)
    ]
    assert gives_way
    for decision, rule in gives_way:
        asked = rule_grounds(pack, decision, rule).asks
        assert not [name for name in asked if name in pack.decisions and pack.decisions[name].kind == "card"]


def test_a_limit_of_the_hospital_is_kept_with_why_and_by_whom(pack):
    """Where the source does not say the number itself."""
    limit = HospitalLimit("platelets", 25, 20, "They bled.", "the committee")
    silent = {**pack.statements, "S12": replace(pack.statements["S12"], numbers=frozenset())}
    ours = replace(pack, hospital_limits={"platelets": (limit,)}, statements=silent)
    (own,) = grounds(ours, "imPlatelets", "TransfusionFirst").asks["platelets"].own
    assert (own.why, own.decided_by) == ("They bled.", "the committee")
    assert "25 ×10⁹/L in place of 20" in own.words
    assert own.words in grounds(ours, "imPlatelets", "TransfusionFirst").whose
    assert not grounds(ours, "imPlatelets", "ThinNeedle").asks["platelets"].own


def test_every_rule_that_speaks_has_grounds_that_are_read_as_they_were_written():
    made = manifest()
    (content,) = made.contents.values()
    assert set(content.grounds) == set(content.rules)
    assert all(kept.asks for kept in content.grounds.values())
    assert msgspec.json.decode(msgspec.json.encode(made), type=Manifest) == made
