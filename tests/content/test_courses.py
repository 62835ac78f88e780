"""Every course of the fixtures: two years of a patient, written in codes that are known, whose suggestions are real.

That their moments give the cards they expect, and hold on any other day, is in ``test_scenarios``.
"""

import json
import re
from datetime import timedelta

import pytest
import yaml
from fhir.resources.R4B import get_fhir_model_class
from pydantic import ValidationError

from cds_service.packaged import packaged
from cds_service.replay.accepted import accepted
from cds_service.replay.courses import read_courses
from cds_service.replay.run import in_process
from tests.support.faults import assert_none
from tests.support.scenarios import by_name

FIXTURES = packaged("fixtures")
COURSES = read_courses(FIXTURES)
CODED = re.compile(r'"(?:code|system)": "([^"]+)"')


def test_there_are_enough_and_each_lasts_about_two_years():
    assert len(COURSES) >= 12
    for course in COURSES:
        assert timedelta(days=700) <= course.ends - course.begins <= timedelta(days=760), course.name
        assert len(course.scenarios) >= 8, course.name
        assert {scenario.hook for scenario in course.scenarios} >= {"patient-view", "order-sign"}, course.name


def test_no_two_are_about_the_same_patient_or_share_a_story():
    assert len({course.patient for course in COURSES}) == len(COURSES)
    stories = {path.stem for path in (FIXTURES / "scenarios").glob("*.yaml")}
    assert stories.isdisjoint(course.name for course in COURSES)


def test_what_short_forms_make_is_valid_fhir():
    made = {}
    for course in COURSES:
        for resource in [*course.record, *(draft for scenario in course.scenarios for draft in scenario.drafts)]:
            made.setdefault(f"{course.name}: {resource['resourceType']}/{resource['id']}", resource)
    assert_none({name: invalid(resource) for name, resource in made.items()}, len(made))


def invalid(resource):
    try:
        get_fhir_model_class(resource["resourceType"]).model_validate(resource)
    except ValidationError as error:
        return [error]
    return []


def test_every_code_of_the_short_forms_is_used_elsewhere():
    """No code is made up for a course: it stands in a patient, a draft, a scenario or a value set already."""
    known = "\n".join(
        path.read_text(encoding="utf-8")
        for folder in (FIXTURES / "patients", FIXTURES / "drafts", FIXTURES / "scenarios", packaged("cards"))
        for path in folder.rglob("*")
        if path.suffix in (".json", ".yaml")
    )
    words = yaml.safe_load((FIXTURES / "short-forms.yaml").read_text(encoding="utf-8"))
    kinds = [words[kind]["names"] for kind in ("problem", "procedure", "allergy", "result")]
    concepts = [concept for names in [*kinds, words["drugs"], words["routes"]] for concept in names.values()]
    codes = {code for concept in concepts for code in CODED.findall(json.dumps(concept))}
    assert len(codes) > 40
    assert [code for code in sorted(codes) if code not in known] == []


@pytest.mark.parametrize("course", COURSES, ids=lambda course: course.name)
def test_an_accepted_suggestion_leaves_what_the_course_says(course, prepared):
    """``leaves`` is written down, so that the record does not depend on the content; this holds it to the content."""
    fire = in_process(prepared)
    for name, label in course.accepted.items():
        if label == "draft":
            continue
        result = fire(by_name(name))
        (suggestion,) = [s for card in result.cards for s in card.get("suggestions", []) if s["label"] == label]
        entries = accepted(result.request, suggestion)["context"]["draftOrders"]["entry"]
        assert [ordered(entry["resource"]) for entry in entries] == [ordered(order) for order in course.left[name]]


def ordered(order):
    """What an order says of drug, rhythm, route and dose, without words."""
    return (
        [(c["system"], c["code"]) for c in order["medicationCodeableConcept"]["coding"]],
        [
            (
                dosage["timing"]["repeat"],
                [coding["code"] for coding in dosage["route"]["coding"]],
                [(rate["doseQuantity"]["value"], rate["doseQuantity"]["code"]) for rate in dosage["doseAndRate"]],
            )
            for dosage in order["dosageInstruction"]
        ],
    )


def test_an_answer_that_is_not_expected_is_named_with_course_and_moment(prepared, tmp_path):
    text = (FIXTURES / "courses" / "falling-platelets.yaml").read_text(encoding="utf-8")
    assert "platelets: 21 10*9/L" in text
    for folder in ("patients", "drafts"):
        (tmp_path / folder).symlink_to(FIXTURES / folder)
    (tmp_path / "short-forms.yaml").symlink_to(FIXTURES / "short-forms.yaml")
    (tmp_path / "courses").mkdir()
    (tmp_path / "courses" / "changed.yaml").write_text(text.replace("platelets: 21 10*9/L", "platelets: 25 10*9/L"))
    fire = in_process(prepared)
    (changed,) = read_courses(tmp_path)
    differing = {scenario.name: fire(scenario).differences for scenario in changed.scenarios}
    wrong = {name: found for name, found in differing.items() if found}
    assert "changed/renewalAtTwentyOne" in wrong
    assert any("imPlateletsTransfusionFirst" in difference for difference in wrong["changed/renewalAtTwentyOne"])
