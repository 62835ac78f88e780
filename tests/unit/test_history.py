"""The history of treatment as events, and the facts that are filters over them (Z55, Z56, Z58, Z60)."""

from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest

from cds_service.chart.accounts import account
from cds_service.chart.events import EventKind
from cds_service.chart.history import is_in_future
from cds_service.chart.record import Chart
from cds_service.fhir.dates import Span
from cds_service.vocabulary.facts import State
from tests.support.events import (
    BY_MOUTH,
    CYANOCOBALAMIN,
    CYANOCOBALAMIN_VIAL,
    HYDROXOCOBALAMIN,
    INJECTION_OF_B12,
    INTO_MUSCLE,
    J3420,
    SNOMED,
    UNDER_SKIN,
    chart_of,
    day,
    dispensed,
    done,
    dosage,
    fact_beside,
    fact_of,
    given,
    ordered,
    stated,
    stated_in_r5,
    value_of,
)

FOLATE = {"text": "Folic acid 5 mg"}
NASAL = {"coding": [{"system": SNOMED, "code": "46713006"}]}
OF_ORDER = {"request": {"reference": "MedicationRequest/o"}}
IMMUNIZATION = {
    "resourceType": "Immunization",
    "id": "i",
    "status": "completed",
    "patient": {"reference": "Patient/p"},
    "vaccineCode": {"text": "Vitamin B12 injection"},
}


# --- what is an event


@pytest.mark.parametrize(
    ("resource", "value"),
    [
        (ordered("a", 30), "present"),
        (ordered("a", 30, status="completed"), "present"),
        (ordered("a", 30, status="on-hold"), "absent"),
        (ordered("a", 30, status="stopped"), "absent"),
        (ordered("a", 30, status="cancelled"), "absent"),
        (ordered("a", 30, status="unheard-of"), "unknown"),
        (ordered("a", 30, doNotPerform=True), "absent"),
        (ordered("a", 30, intent=None), "present"),
        (ordered("a", 30, intent="instance-order"), "present"),
        (ordered("a", 30, intent="proposal"), "absent"),
        (ordered("a", 30, intent="option"), "absent"),
        (ordered("a", 30, intent="plan"), "absent"),
        (ordered("a", 30, intent="plan", reportedBoolean=True), "present"),
        (ordered("a", 30, intent="plan", reportedBoolean=False), "absent"),
        (ordered("a", 30, intent="plan", reported=True), "present"),
        (ordered("a", 30, intent="plan", reportedReference={"reference": "Patient/p"}), "present"),
        (ordered("a", 400, status="completed"), "absent"),
        (ordered("a", 400), "present"),
        (dispensed("a", 30), "present"),
        (dispensed("a", 30, whenHandedOver=None, whenPrepared=day(30)), "present"),
        (dispensed("a", 30, status="in-progress"), "absent"),
        (dispensed("a", 30, status="declined"), "absent"),
        (dispensed("a", 400), "absent"),
        (given("a", 30), "present"),
        (given("a", 30, status="in-progress"), "present"),
        (given("a", 30, status="on-hold"), "absent"),
        (given("a", 30, status="not-done"), "absent"),
        (given("a", 30, status="stopped"), "absent"),
        (given("a", 400), "absent"),
        (stated("a", 30), "present"),
        (stated("a", 400), "present"),
        (stated("a", 30, status="completed"), "present"),
        (stated("a", 30, status="intended"), "absent"),
        (stated("a", 30, status="not-taken"), "absent"),
        (stated("a", 30, status="on-hold"), "absent"),
        (stated("a", 30, status="stopped"), "absent"),
        (stated("a", 30, effectivePeriod={"start": day(900), "end": day(500)}), "absent"),
        (stated_in_r5("a", 400), "present"),
        (stated_in_r5("a", 400, "taking"), "present"),
        (stated_in_r5("a", 400, "taking-as-directed"), "present"),
        (stated_in_r5("a", 30, "not-taking"), "absent"),
        (stated_in_r5("a", 30, "on-hold-as-directed"), "absent"),
        (stated_in_r5("a", 30, "stopped-as-directed"), "absent"),
        (stated_in_r5("a", 30, "unknown"), "absent"),
        (stated_in_r5("a", 900, "taking", end=day(500)), "absent"),
        (stated_in_r5("a", 900, "taking", end=day(-500)), "present"),
        (stated_in_r5("a", 30, status="draft"), "absent"),
        (done("a", 30, INJECTION_OF_B12), "present"),
        (done("a", 30, INJECTION_OF_B12, status="not-done"), "absent"),
        (done("a", 30, INJECTION_OF_B12, status="preparation"), "absent"),
        (done("a", 30, {"text": "Intramuscular injection of vitamin B12"}), "unknown"),
        (done("a", 30, {"text": "Hydroxocobalamin"}), "unknown"),
        (done("a", 30, {"text": "Measurement of vitamin B12"}), "unknown"),
        (done("a", 30, {"coding": [{"system": SNOMED, "code": "80146002"}], "text": "Vitamin B12"}), "absent"),
        (given("a", 30, drug=J3420), "present"),
        (done("a", 30, J3420), "present"),
        (ordered("a", 30, drug=J3420), "present"),
        (IMMUNIZATION, "unknown"),
        ({**IMMUNIZATION, "vaccineCode": {"text": "Influenza"}}, "absent"),
        ({**IMMUNIZATION, "patient": {"reference": "Patient/q"}}, "absent"),
    ],
)
def test_what_counts_as_treatment(resource, value):
    assert value_of(fact_of("b12-treatment", resource)) == value


@pytest.mark.parametrize(
    ("resource", "reason"),
    [
        (ordered("a", 30, intent="plan"), "planNotCounted"),
        (done("a", 30, {"text": "Intramuscular injection of vitamin B12"}), "toldByWordsOnly"),
        (done("a", 30, {"text": "Measurement of vitamin B12"}), "proceduresNotUnderstood"),
        (IMMUNIZATION, "toldByWordsOnly"),
        (given("a", -30), "dateInFuture"),
        (ordered("a", -30), "dateInFuture"),
        (given("a", 30, effectiveDateTime=None), "dateMissing"),
        (given("a", 30, subject=None), "subjectMissing"),
    ],
)
def test_why_something_does_not_count_is_told(pack, resource, reason):
    assert fact_of("b12-treatment", resource).reason.key == reason
    assert reason in pack.reasons


def test_what_only_words_tell_is_passed_beside_what_was_given():
    by_words = done("a", 30, {"text": "Vitamin B12 injection"})
    assert value_of(fact_of("b12-treatment", by_words, given("b", 20))) == "present"
    assert value_of(fact_of("b12-injection-given-days", by_words, given("b", 20))) == 20


def test_a_plan_that_a_statement_names_is_stated_and_both_are_one():
    plan = ordered("a", 200, intent="plan", status="active")
    statement = stated("s", 100, basedOn=[{"reference": "MedicationRequest/a"}])
    assert value_of(fact_of("b12-active", plan)) == "absent"
    told = [item.reference for item in fact_of("b12-active", plan, statement).evidence]
    assert told == ["MedicationRequest/a", "MedicationStatement/s"]
    assert value_of(fact_of("b12-treatments", plan, statement)) == 1
    assert (
        value_of(fact_of("b12-active", {**plan, "status": "completed"}, {**statement, "status": "completed"}))
        == "absent"
    )
    assert value_of(fact_of("b12-active", plan, plans_stated=True)) == "present"
    assert value_of(fact_of("b12-active", {**plan, "status": "completed"}, plans_stated=True)) == "absent"


@pytest.mark.parametrize("name", ["b12-treatment", "b12-started-days", "b12-active", "b12-ended-days"])
def test_an_optional_key_that_was_not_sent_makes_nothing_unknown(name):
    assert fact_of(name).state is State.ABSENT  # neither dispenses nor statements were sent


# --- set aside and said


def test_what_cannot_be_an_event_is_set_aside_with_its_reason(pack):
    chart = chart_of(
        [
            ordered("a", 30),
            ordered("plan", 30, intent="plan"),
            ordered("proposal", 30, intent="proposal"),
            ordered("stopped", 30, status="stopped"),
            ordered("future", -30),
            ordered("undated", 0, status="completed", authoredOn=None),
            ordered("others", 30, subject={"reference": "Patient/q"}),
            ordered("folate", 30, drug=FOLATE),
        ]
    )
    search = pack.searches["medicationRequests"]
    set_aside = {
        "plan": "planNotCounted",
        "proposal": "onlyProposed",
        "future": "dateInFuture",
        "undated": "dateMissing",
        "others": "otherPatient",
    }
    readers = pack.readers[search.key]
    made = account(readers, search, chart)
    assert {aside.reference.partition("/")[2]: aside.reason.key for aside in made.set_aside} == set_aside
    assert (made.entries, made.read, made.elsewhere) == (8, 3, 0)  # one that was stopped tells when treatment ended
    assert set(set_aside.values()) <= set(pack.reasons)
    of_none = [fact for fact in readers if EventKind.STOPPED not in fact.events]
    made = account(of_none, search, chart)
    set_aside |= {"stopped": "notGiven"}
    assert {aside.reference.partition("/")[2]: aside.reason.key for aside in made.set_aside} == set_aside


# --- the way (Z56)


@pytest.mark.parametrize(
    ("resource", "is_injection"),
    [
        (ordered("a", 30, dosage(1, "mo", route=INTO_MUSCLE), drug=CYANOCOBALAMIN), True),
        (ordered("a", 30, dosage(1, "mo", route=UNDER_SKIN), drug=CYANOCOBALAMIN), True),
        (ordered("a", 30, dosage(1, "d", route=BY_MOUTH)), False),
        (ordered("a", 30, dosage(1, "d", route=BY_MOUTH), drug=CYANOCOBALAMIN_VIAL), False),
        (ordered("a", 30, dosage(1, "d", route={"text": "im"}), drug=CYANOCOBALAMIN), True),
        (ordered("a", 30, dosage(1, "d", route={"text": "somewhere"}), drug=CYANOCOBALAMIN_VIAL), True),
        (ordered("a", 30, dosage(1, "mo"), drug=CYANOCOBALAMIN_VIAL), True),
        (ordered("a", 30, dosage(1, "mo")), True),
        (ordered("a", 30, dosage(1, "mo"), drug=CYANOCOBALAMIN), False),
        (ordered("a", 30, drug={"text": "Hydroxocobalamin tablets"}), False),
        (stated("a", 30, drug=CYANOCOBALAMIN, dosage=[{"route": INTO_MUSCLE}]), True),
    ],
)
def test_what_is_an_injection(resource, is_injection):
    fact = fact_of("b12-injection-active", resource)
    assert value_of(fact) == ("present" if is_injection else "absent")


def test_a_route_under_the_skin_is_not_into_the_muscle():
    under_skin = ordered("a", 30, dosage(1, "mo", route=UNDER_SKIN))
    assert value_of(fact_of("b12-intramuscular-active", under_skin)) == "absent"
    assert value_of(fact_of("b12-intramuscular-active", ordered("a", 30, dosage(1, "mo")))) == "present"


@pytest.mark.parametrize(
    ("resource", "value"),
    [
        (given("a", 93, drug=CYANOCOBALAMIN, dosage={"route": INTO_MUSCLE}), 93),
        (given("a", 93, drug=CYANOCOBALAMIN, dosage={"route": BY_MOUTH}), "absent"),
        (given("a", 93, drug=CYANOCOBALAMIN), "absent"),
        (given("a", 93), 93),
        (done("a", 93, INJECTION_OF_B12), 93),
        (done("a", 93, {"coding": [{"system": SNOMED, "code": "709544008"}]}), "absent"),
    ],
)
def test_how_long_ago_an_injection_was_given(resource, value):
    assert value_of(fact_of("b12-injection-given-days", resource)) == value


@pytest.mark.parametrize(
    ("fact", "injected", "by_mouth"),
    [("b12-injection-given-days", 93, "absent"), ("b12-injections-given", 1, "absent")],
)
def test_a_dose_without_a_route_has_that_of_its_order(fact, injected, by_mouth):
    """Neither its route nor the product's form is known; the route of the order comes before what the agent tells."""
    for drug in (CYANOCOBALAMIN, HYDROXOCOBALAMIN):
        for route, value in ((INTO_MUSCLE, injected), (BY_MOUTH, by_mouth)):
            order = ordered("o", 200, dosage(route=route), drug=drug, status="stopped")
            dose = given("a", 93, drug=drug, request={"reference": "MedicationRequest/o"})
            assert value_of(fact_of(fact, order, dose)) == value


def test_what_was_stopped_is_on_record_and_no_treatment_under_way():
    """Z64 asks for injections of any date; an order that was stopped tells of one, and nothing goes on by it."""
    order = ordered("o", 200, dosage(route=INTO_MUSCLE), status="stopped")
    assert value_of(fact_of("b12-injection-ever", order)) == "present"
    for fact in ("b12-treatment", "b12-active", "b12-injections-completed"):
        assert value_of(fact_of(fact, order)) == "absent"
    tablets = ordered("t", 400, dosage(1, "d", route=BY_MOUTH), drug=CYANOCOBALAMIN, status="stopped")
    assert value_of(fact_of("b12-oral-first-days", tablets)) == 400


def test_oral_and_injected_are_told_apart():
    oral = ordered("a", 40, dosage(1, "d", route=BY_MOUTH), drug=CYANOCOBALAMIN)
    assert value_of(fact_of("b12-oral-first-days", oral, given("b", 900))) == 40
    assert value_of(fact_of("b12-injection-ever", oral)) == "absent"
    assert value_of(fact_of("b12-injection-ever", oral, given("b", 900))) == "present"


@pytest.mark.parametrize(
    ("resource", "is_otherwise"),
    [
        (ordered("a", 30, dosage(1, "d", route=INTO_MUSCLE)), True),
        (ordered("a", 30, dosage(1, "d", route=NASAL)), True),
        (ordered("a", 30, dosage(1, "d", route=BY_MOUTH)), False),
        (ordered("a", 30, dosage(1, "d", route={"text": "oral"}), drug=CYANOCOBALAMIN), False),
        (ordered("a", 30, dosage(1, "d", route={"text": "somewhere"}), drug=CYANOCOBALAMIN_VIAL), True),
        (ordered("a", 30, dosage(1, "d"), drug=CYANOCOBALAMIN_VIAL), True),
        (ordered("a", 30, dosage(1, "d"), drug={"text": "Hydroxocobalamin tablets"}), False),
        (ordered("a", 30, dosage(1, "d", route=INTO_MUSCLE), drug={"text": "Hydroxocobalamin tablets"}), True),
        (ordered("a", 30, dosage(1, "d")), True),
        (ordered("a", 30, drug=CYANOCOBALAMIN), True),  # what does not tell its way is not known to be by mouth
        (given("a", 30, drug=CYANOCOBALAMIN, dosage={"route": BY_MOUTH}), False),
        (dispensed("a", 30, drug={"text": "Cyanocobalamin tablets"}), False),
    ],
)
def test_what_is_in_another_way_than_by_mouth(resource, is_otherwise):
    assert value_of(fact_of("b12-otherwise", resource)) == ("present" if is_otherwise else "absent")
    if resource["resourceType"] == "MedicationRequest":
        remains = fact_beside("b12-otherwise-remains", [stop_of("x")], resource)
        assert value_of(remains) == ("present" if is_otherwise else "absent")


def test_a_dose_of_an_order_by_mouth_is_by_mouth():
    order = ordered("o", 400, dosage(1, "d", route=BY_MOUTH), drug=CYANOCOBALAMIN, status="completed")
    dose = given("a", 93, drug=CYANOCOBALAMIN)
    assert value_of(fact_of("b12-otherwise", order, dose)) == "present"
    assert value_of(fact_of("b12-otherwise", order, {**dose, **OF_ORDER})) == "absent"


# --- doubled events


def test_the_same_dose_as_administration_and_procedure_is_one():
    both = [given("a", 10), done("p", 10, INJECTION_OF_B12)]
    assert value_of(fact_of("b12-injections-given", *both)) == 1
    assert (
        value_of(fact_of("b12-injections-given", *both, done("q", 10, INJECTION_OF_B12))) == 2
    )  # a second one was recorded
    assert value_of(fact_of("b12-injections-given", *both, done("q", 11, INJECTION_OF_B12))) == 2
    assert value_of(fact_of("b12-injections-given", given("a", 10), given("b", 10))) == 2
    assert value_of(fact_of("b12-injections-given", given("a", 10), done("p", 10, J3420))) == 2  # of another agent


def test_a_dose_of_an_order_and_its_procedure_are_one_with_the_order():
    order, dose = ordered("o", 20), given("a", 10, **OF_ORDER)
    assert value_of(fact_of("b12-treatments", order, dose)) == 1
    assert value_of(fact_of("b12-treatments", order, dose, done("p", 10, INJECTION_OF_B12))) == 1
    assert value_of(fact_of("b12-treatments", order, dose, done("p", 11, INJECTION_OF_B12))) == 2
    assert value_of(fact_of("b12-treatments", order, dose, dose, done("p", 10, J3420))) == 2  # of another agent


def test_a_procedure_that_states_no_agent_leaves_an_administration_to_one_that_does():
    administrations = [given("a", 10), given("b", 10, drug=CYANOCOBALAMIN)]
    both = [done("p", 10, INJECTION_OF_B12), done("q", 10, J3420)]
    for procedures in (both, both[::-1]):
        for doses in (administrations, administrations[::-1]):
            assert value_of(fact_of("b12-treatments", *doses, *procedures)) == 2


def test_a_dose_that_may_be_either_of_two_procedures_is_the_same_one_in_any_order():
    dose = given("g", 20, drug={"text": "Vitamin B12 injection"})
    procedures = [done("p", 20, CYANOCOBALAMIN_VIAL), done("q", 20, HYDROXOCOBALAMIN)]
    told = {value_of(fact_of("b12-agent", *entries)) for entries in permutations([dose, *procedures])}
    assert len(told) == 1


def test_of_two_orders_that_follow_the_same_one_the_later_takes_its_place():
    first = ordered("a", 100, status="stopped")
    earlier = ordered("b", 80, status="completed", basedOn=[{"reference": "MedicationRequest/a"}])
    later = ordered("c", 60, status="completed", basedOn=[{"reference": "MedicationRequest/a"}])
    dose = given("g", 40, request={"reference": "MedicationRequest/a"})
    for record in ([first, earlier, later, dose], [dose, later, earlier, first], [earlier, first, later, dose]):
        (told,) = fact_of("b12-ended-days", *record).evidence
        assert (told.reference, told.date) == ("MedicationRequest/c", day(40))


def test_an_entry_that_came_twice_is_one():
    assert value_of(fact_of("b12-injections-given", given("a", 10), given("a", 10))) == 1


@pytest.mark.parametrize(
    "follower",
    [
        ordered("b", 20, basedOn=[{"reference": "MedicationRequest/a"}]),
        ordered("b", 20, priorPrescription={"reference": "https://ehr.example/MedicationRequest/a/_history/2"}),
    ],
)
def test_an_order_and_the_one_that_follows_it_are_one(follower):
    fact = fact_of("b12-active", ordered("a", 30), follower)
    assert [item.reference for item in fact.evidence] == ["MedicationRequest/b"]
    assert value_of(fact_of("b12-started-days", ordered("a", 30), follower)) == 30


def test_an_order_that_is_over_stays_beside_the_one_that_follows_it():
    follower = ordered("b", 20, dosage(1, "mo"), priorPrescription={"reference": "MedicationRequest/a"})
    loading = ordered("a", 60, dosage(2, "d", count=6), status="completed")
    assert value_of(fact_of("b12-injections-completed", loading, follower)) == "present"
    assert value_of(fact_of("b12-course", loading, follower)) == "run out"


def test_a_dispense_and_a_dose_of_an_order_keep_it_recent():
    """The order itself is older than the look-back; what of it was done is not."""
    order = ordered("a", 500, status="completed")
    of_it = {"authorizingPrescription": [{"reference": "MedicationRequest/a"}]}
    assert value_of(fact_of("b12-treatment", order, dispensed("d", 300, **of_it))) == "present"
    assert (
        value_of(fact_of("b12-treatment", order, given("g", 300, request={"reference": "MedicationRequest/a"})))
        == "present"
    )
    assert value_of(fact_of("b12-treatment", order)) == "absent"


def test_orders_that_follow_each_other_in_a_circle_are_still_there():
    first = ordered("a", 30, basedOn=[{"reference": "MedicationRequest/b"}])
    second = ordered("b", 20, basedOn=[{"reference": "MedicationRequest/a"}])
    assert value_of(fact_of("b12-active", first, second)) == "present"


# --- a low result before treatment (Z58)


def result(identity, days, flag):
    return {
        "resourceType": "Observation",
        "id": identity,
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "2132-9"}]},
        "subject": {"reference": "Patient/p"},
        "effectiveDateTime": day(days),
        "valueQuantity": {"value": 150 if flag == "L" else 400, "unit": "pg/mL"},
        "interpretation": [{"text": flag}],
    }


@pytest.mark.parametrize(
    ("resources", "value"),
    [
        ([result("r", 900, "L"), ordered("a", 900 - 184, dosage(2, "mo"))], "low"),
        ([result("r", 900, "L"), ordered("a", 900 - 185, dosage(2, "mo"))], "absent"),
        ([result("r", 900, "L"), ordered("a", 900, dosage(2, "mo"))], "low"),
        ([result("r", 900, "L"), ordered("a", 901, dosage(2, "mo"))], "absent"),
        ([result("r", 900, "L"), result("n", 10, "N"), ordered("a", 890, dosage(2, "mo"))], "low"),
        ([result("r", 900, "N"), ordered("a", 890, dosage(2, "mo"))], "absent"),
        ([result("r", 900, "L"), given("g", 890), given("h", 731)], "low"),
        ([result("r", 900, "L"), given("g", 890), given("h", 732)], "absent"),
        ([result("r", 900, "L"), ordered("a", 890, status="stopped")], "absent"),
        ([result("r", 700, "L"), ordered("a", 690, status="stopped")], "low"),
        ([result("r", 700, "L")], "absent"),
    ],
)
def test_a_low_result_before_treatment_counts(resources, value):
    assert value_of(fact_of("b12-low-before-treatment", *resources)) == value


# --- beside the order (Z65)


SEVEN, SEVENTH = [{"system": "urn:s", "value": "7"}], [{"system": "urn:t", "value": "7"}]
INSTEAD = {"priorPrescription": {"reference": "MedicationRequest/a"}}


def stop_of(identity, **more):
    return ordered(identity, 0, status="stopped", **more)


ORAL = dosage(1, "d", route=BY_MOUTH)


@pytest.mark.parametrize(
    ("drafts", "recorded", "injection", "oral"),
    [
        ([stop_of("a")], [ordered("a", 90)], "absent", "absent"),
        ([stop_of("a")], [ordered("a", 90), ordered("b", 80)], "present", "absent"),
        ([stop_of("a")], [ordered("a", 90), ordered("o", 80, ORAL)], "absent", "present"),
        ([stop_of("x", identifier=SEVEN)], [ordered("a", 90, identifier=SEVEN)], "absent", "absent"),
        ([stop_of("x", identifier=SEVEN)], [ordered("a", 90, identifier=SEVENTH)], "present", "absent"),
        ([stop_of("x", **INSTEAD)], [ordered("a", 90)], "absent", "absent"),
        ([stop_of("x", basedOn=[{"reference": "MedicationRequest/a"}])], [ordered("a", 90)], "absent", "absent"),
        ([stop_of("x")], [ordered("a", 90)], "present", "absent"),
        ([stop_of("a"), ordered("n", 0, status="draft")], [ordered("a", 90)], "present", "absent"),
        ([ordered("o", 0, ORAL, status="draft"), stop_of("a")], [ordered("a", 90)], "absent", "absent"),
        ([stop_of("a")], [ordered("a", 90), ordered("b", 80, status="on-hold")], "absent", "absent"),
        ([stop_of("a")], [ordered("a", 90), ordered("b", 80, status="completed")], "absent", "absent"),
        ([stop_of("a")], [ordered("a", 90), stated("s", 80)], "present", "absent"),
    ],
)
def test_what_remains_without_the_orders_that_drafts_end(drafts, recorded, injection, oral):
    assert value_of(fact_beside("b12-injection-remains", drafts, *recorded)) == injection
    assert value_of(fact_beside("b12-oral-remains", drafts, *recorded)) == oral


@pytest.mark.parametrize(
    ("draft", "value"),
    [
        (ordered("d", 0, ORAL), "present"),
        (ordered("d", 0, dosage(1, "d", dose=500, route=BY_MOUTH)), "absent"),
        (ordered("d", 0, dosage(2, "d", route=BY_MOUTH)), "absent"),
        (ordered("d", 0, {**dosage(), "text": "whenever"}), "unknown"),
        (ordered("d", 0, ORAL, ORAL), "absent"),
    ],
)
def test_whether_an_active_order_is_like_the_draft(draft, value):
    assert value_of(fact_beside("order.like-active", [draft], ordered("a", 90, ORAL))) == value
    assert value_of(fact_beside("order.like-active", [draft], ordered("a", 90, ORAL, status="completed"))) == "absent"


@pytest.mark.parametrize(
    ("steps", "value"),
    [
        ([dosage(10, "d", count=30)], 300),
        ([dosage(10, "d")], "absent"),
        ([dosage(2, "d", count=5), dosage(1, "mo")], "absent"),
        ([dosage(2, "d", count=5), dosage(10, "d", count=2)], 30),
        ([dosage(10, "d", boundsPeriod={"start": day(-5), "end": day(-14)})], 15),
        ([dosage(10, "d", count=3, countMax=5)], (30, 50)),
        ([{**dosage(), "text": "until review"}], "unusable"),
        ([], "absent"),
    ],
)
def test_when_the_order_ends(steps, value):
    assert value_of(fact_beside("order.ends-in", [ordered("d", 0, *steps, status="draft")])) == value


def test_the_drug_of_an_event_is_named_on_the_card():
    evidence = fact_of(
        "b12-treatment", ordered("a", 30, drug={**HYDROXOCOBALAMIN, "text": "Hydroxocobalamin 1 mg"})
    ).evidence
    assert [(item.reference, item.display, item.date) for item in evidence] == [
        ("MedicationRequest/a", "Hydroxocobalamin 1 mg", day(30))
    ]


@pytest.mark.parametrize(
    ("ahead", "future"),
    [(timedelta(days=1), False), (timedelta(days=1, microseconds=1), True), (timedelta(days=-9), False)],
)
def test_a_day_ahead_is_a_clock_that_differs_and_more_is_the_future(ahead, future):
    now = datetime(2026, 11, 23, 12, tzinfo=UTC)
    assert is_in_future(Span(now + ahead, now + ahead), Chart("p", {}, now, UTC)) is future


def test_what_has_no_date_is_not_in_the_future():
    assert not is_in_future(None, Chart("p", {}, datetime(2026, 11, 23, tzinfo=UTC), UTC))
