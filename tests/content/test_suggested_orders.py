"""What an accepted suggestion does to a draft (Z6, Z24), and what may not be changed at all."""

import copy
import json
from datetime import date

import pytest
from fhir.resources.R4B.medicationrequest import MedicationRequest
from hypothesis import given, settings
from hypothesis import strategies as st

from cds_service.chart.revise import from_template, with_dosage, with_regimen, with_route, without_end
from cds_service.content.compile import compile_dosage_words
from cds_service.content.inherited import common_words
from cds_service.fhir.strict import problem_in
from cds_service.fhir.wording import dosages_in_words
from cds_service.packaged import packaged

SAID = compile_dosage_words(common_words())
ROUTE = {"system": "http://snomed.info/sct", "code": "78421000", "display": "Intramuscular route", "text": "IM"}
DRAFTS = {path.stem: json.loads(path.read_text()) for path in (packaged("fixtures") / "drafts").glob("*.json")}
CAPTURED = sorted((packaged("fixtures") / "captured" / "sandbox").glob("order-s*.json"))


def draft(name):
    return {**copy.deepcopy(DRAFTS[name]), "id": "draft-1", "subject": {"reference": "Patient/p"}}


@pytest.fixture
def template(prepared):
    return prepared.orders["hydroxocobalaminThreeWeekly"]


def test_an_update_keeps_what_it_does_not_touch(template):
    order = draft("cyanocobalamin-im-daily-week") | {
        "identifier": [{"value": "x"}],
        "note": [{"text": "keep me"}],
        "extension": [{"url": "http://example.org/e", "valueString": "keep me too"}],
        "_status": {"extension": [{"url": "http://example.org/e", "valueString": "and me"}]},
        "requester": {"reference": "Practitioner/1"},
        "encounter": {"reference": "Encounter/1"},
    }
    revision = with_regimen(order, template)
    changed = {key for key in order.keys() | revision.resource.keys() if order.get(key) != revision.resource.get(key)}
    assert changed == {"medicationCodeableConcept", "dosageInstruction"}
    assert revision.problem == ""


def test_what_the_draft_has_already_is_not_said_to_be_changed(template):
    order = draft("cyanocobalamin-im-daily-week")
    assert with_regimen(order, template).changed == ("medication", "dosageInstruction")
    order["medicationCodeableConcept"] = copy.deepcopy(template["medicationCodeableConcept"])
    assert with_regimen(order, template).changed == ("dosageInstruction",)
    order["medicationReference"] = {"reference": "#other"}
    assert with_regimen(order, template).changed == ("medication", "dosageInstruction")


@pytest.mark.parametrize(
    "revise",
    [
        lambda order, template: with_regimen(order, template).resource,
        lambda order, template: with_route(SAID, order, ROUTE).resource,
        lambda order, template: with_dosage(SAID, order, template, "", kept=1).resource,
        lambda order, template: without_end(SAID, order).resource,
        lambda order, template: from_template(template, "p", "e", "new", date(2026, 11, 23)),
    ],
    ids=["regimen", "route", "dosage", "without-end", "new"],
)
def test_neither_the_draft_nor_the_template_shares_anything_that_is_changed(template, revise):
    """The draft is what the client sent, and templates serve every call."""
    order = draft("cyanocobalamin-im-pa-course")
    order["dosageInstruction"][0]["timing"]["repeat"]["boundsPeriod"] = {"start": "never", "end": "2026-12-01"}
    order["dispenseRequest"] = {"quantity": {"value": 7}, "performer": {"reference": "Organization/1"}}
    before = copy.deepcopy((order, template))
    revised = revise(order, template)
    assert (order, template) == before
    for step in revised["dosageInstruction"]:
        step["route"]["coding"].clear()
        step["doseAndRate"].clear()
        step["timing"].clear()
    revised["medicationCodeableConcept"].clear()
    assert (order, template) == before


def test_a_template_serves_with_the_text_of_each_dosage_and_stands_in_the_content_without(prepared):
    pack = prepared.pack
    assert prepared.orders.keys() == pack.templates.keys()
    for name, order in prepared.orders.items():
        written = pack.templates[name]
        for ready, step in zip(
            order.get("dosageInstruction", []), written.resource.get("dosageInstruction", []), strict=True
        ):
            in_words = dosages_in_words(pack.dosage_words, [step])
            assert ready == {**step, "text": f"{in_words} {written.dosage_text}".strip()}
            assert in_words
            assert "text" not in step


def test_the_whole_old_dosage_goes_and_supply_with_it(template):
    order = draft("cyanocobalamin-im-daily-week")
    order["dosageInstruction"][0] |= {"patientInstruction": "old", "method": {"text": "old"}}
    order["dispenseRequest"] = {
        "quantity": {"value": 7},
        "expectedSupplyDuration": {"value": 7},
        "numberOfRepeatsAllowed": 1,
        "performer": {"reference": "Organization/1"},
    }
    order["substitution"] = {"allowedBoolean": True}
    revised = with_regimen(order, template).resource
    assert "old" not in json.dumps(revised, default=str)
    assert revised["dispenseRequest"] == {"performer": {"reference": "Organization/1"}}
    assert "substitution" not in revised


def test_either_form_of_medication_becomes_one_and_its_contained_medication_goes(template):
    revision = with_regimen(draft("hydroxocobalamin-medication-reference"), template)
    assert "medicationReference" not in revision.resource
    assert "contained" not in revision.resource
    assert "contained" in revision.dropped
    assert revision.problem == ""


def test_a_modifier_extension_anywhere_forbids_an_update(template):
    order = draft("cyanocobalamin-im-daily-week")
    order["dosageInstruction"][0]["modifierExtension"] = [{"url": "http://example.org/not", "valueBoolean": True}]
    assert with_regimen(order, template).problem == "modifierExtension"


def test_a_route_change_keeps_dose_and_schedule_only():
    order = draft("cyanocobalamin-iv")
    revised = with_route(SAID, order, ROUTE).resource
    old, new = order["dosageInstruction"][0], revised["dosageInstruction"][0]
    assert new["route"]["coding"][0]["code"] == "78421000"
    assert new["timing"] == old["timing"]
    assert new["doseAndRate"][0]["doseQuantity"] == old["doseAndRate"][0]["doseQuantity"]
    assert "intravenous" not in json.dumps(new).lower()


@pytest.mark.parametrize("path", CAPTURED, ids=lambda p: p.stem)
def test_drafts_of_the_public_sandbox_are_mended_to_valid_fhir(template, path):
    """Z24: object to array, missing intent, impossible dates; nothing else."""
    entries = json.loads(path.read_text())["context"].get("draftOrders", {}).get("entry", [])
    for entry in entries:
        if entry["resource"]["resourceType"] != "MedicationRequest":
            continue
        revision = with_regimen(entry["resource"], template)
        assert revision.problem == ""
        MedicationRequest.model_validate(revision.resource)


def test_there_are_captured_drafts():
    assert len(CAPTURED) >= 4


def test_what_cannot_be_mended_is_named(template):
    order = draft("cyanocobalamin-im-daily-week") | {"subject": "Patient/p"}
    assert with_regimen(order, template).problem == "subject"


def test_impossible_dates_are_removed(template):
    for written in ("Invalid date", "0020-11-23", "2026-13-45"):
        revision = with_regimen(draft("cyanocobalamin-im-daily-week") | {"authoredOn": written}, template)
        assert "authoredOn" not in revision.resource
        assert revision.problem == ""


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=8), inner, max_size=2),
    max_leaves=5,
)


@pytest.mark.parametrize("value", [{"_": None}, {"_": {"id": "x"}}, {"_text": None}, {"_colour": {"id": "x"}}])
def test_what_only_looks_like_the_extension_of_a_primitive_is_refused(value):
    assert problem_in(draft(sorted(DRAFTS)[0]) | {"courseOfTherapyType": value}).startswith("courseOfTherapyType")


def test_the_extension_of_a_primitive_is_passed_over():
    assert problem_in(draft(sorted(DRAFTS)[0]) | {"_status": {"id": "x"}}) == ""


@settings(max_examples=300, deadline=None)
@given(name=st.sampled_from(sorted(DRAFTS)), key=st.sampled_from(sorted(MedicationRequest.model_fields)), value=JSON)
def test_what_our_structures_accept_fhir_resources_accepts(name, key, value):
    """Our R4 check may be stricter than the library's, never laxer: what passes it is valid."""
    order = draft(name) | {key: value}
    if problem_in(order) == "":
        MedicationRequest.model_validate(order)
