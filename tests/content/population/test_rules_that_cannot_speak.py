"""Which rules a run judged, and which of these cannot speak for want of what the export does not hold."""

import pytest

from cds_service.population.judged_rules import FoundInExport, judged_rules
from cds_service.population.selection import codes_asked_for
from tests.support.population import STORIES, events, exported, judged, prepared, task_for

TYPES = frozenset({"Patient", "MedicationRequest", "MedicationAdministration", "Observation", "Procedure"})
LISTS = frozenset({"Condition", "AllergyIntolerance"})
WHOLE = FoundInExport(TYPES | LISTS)
HOMOCYSTEINE = ("http://loinc.org|13965-9", "http://loinc.org|2428-1")


def found(hooks=("order-sign", "patient-view"), export=WHOLE):
    return judged_rules(prepared(), hooks, export)


def barred(export):
    return {rule.topic: rule.barred_by for rule in found(export=export).rules if rule.barred_by}


def codes():
    """Every code that the content asks results for."""
    return frozenset[str]().union(*(codes_asked_for(one.template) for one in prepared().pack.searches.values()))


def test_the_rules_are_those_that_may_speak_on_the_hooks_that_are_judged():
    pack = prepared().pack
    for hook in ("order-select", "order-sign", "patient-view"):
        service = pack.service_for(hook)
        rules = found([hook]).rules
        expected = {
            (decision.id, rule.id)
            for decision in pack.decisions.values()
            if decision.id in service.decisions and decision.kind == "card"
            for rule in decision.rules
            if not rule.then.silent and service.shows(decision.id, rule.then.indicator)
        }
        assert {(rule.decision, rule.rule) for rule in rules} == expected
        assert {rule.hooks for rule in rules} == {(hook,)}
    both = {rule.topic: rule.hooks for rule in found(["order-select", "order-sign"]).rules}
    assert both["imPlateletsTransfusionFirst"] == ("order-select", "order-sign")
    assert both["oralTherapyFirstLine"] == ("order-select",)  # at signing only its warnings are shown


def test_of_an_export_that_holds_everything_no_rule_is_barred_and_no_type_is_missing():
    assert barred(FoundInExport()) == barred(FoundInExport(TYPES | LISTS, codes())) == {}
    assert found().not_exported == {}


def test_a_type_that_is_not_exported_is_named_with_the_decisions_that_rest_on_it():
    told = found(export=FoundInExport(TYPES | {"Condition"}))
    assert told.not_exported == {"AllergyIntolerance": ("cobalaminAllergy", "stopping")}
    assert told.not_found == {"cobalamin-allergy": "AllergyIntolerance"}
    assert found(["patient-view"], FoundInExport(TYPES | {"Condition"})).not_exported == {}


def test_what_may_be_missing_is_not_said_to_be():
    """Dispenses and statements are as if there were none where they are not sent."""
    assert not {"MedicationDispense", "MedicationStatement"} & TYPES
    assert list(found(export=FoundInExport(TYPES)).not_exported) == ["AllergyIntolerance", "Condition"]


def test_a_rule_that_asks_for_what_is_not_exported_is_barred_also_behind_a_definition():
    told = barred(FoundInExport(TYPES | {"AllergyIntolerance"}))
    assert told["leberOpticNeuropathyRecorded"] == ("leber-optic-neuropathy",)
    assert "pernicious-anaemia" in told["folateFirstByMouthOnly"]
    assert "neurological-b12" in told["neurologicalLoadingAlternateDays"]  # by way of neurologicalInvolvement
    assert "folateFirstNotChecked" not in told  # it speaks because that is not known
    assert "imPlateletsThinNeedle" not in told


def test_a_rule_that_asks_for_a_result_of_which_no_code_came_is_barred():
    told = barred(FoundInExport(TYPES | LISTS, codes() - set(HOMOCYSTEINE)))
    assert told == {
        "homocysteineTargetAboveTarget": ("homocysteine",),
        "homocysteineTargetKidneyRaisesIt": ("homocysteine",),
    }
    assert barred(FoundInExport(TYPES | LISTS, codes() - {HOMOCYSTEINE[0]})) == {}


@pytest.mark.parametrize("missing", ["Condition", "AllergyIntolerance", "Procedure", "Observation"])
def test_no_rule_that_is_said_to_be_barred_speaks_in_any_scenario(missing):
    """A bar that is no bar would have a hospital look for a fault of its export where there is none."""
    export = FoundInExport((TYPES | LISTS) - {missing}, frozenset())
    rules = {rule.topic: rule.barred_by for rule in found(("order-select", "order-sign", "patient-view"), export).rules}
    spoken = set()
    for story in STORIES[:: 1 if missing == "Condition" else 3]:
        kept = [one for one in exported(story) if one["resourceType"] not in (missing, "Observation")]
        for row in events(judged(task_for(story, exported=export.types), story.patient, kept)):
            spoken |= {card["topic"] for card in row["cards"]}
    assert spoken
    assert {topic: rules[topic] for topic in spoken if rules[topic]} == {}
