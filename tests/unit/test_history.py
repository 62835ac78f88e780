"""The history of treatment as events, and the facts that are filters over them (Z55, Z56, Z58, Z60)."""

import copy
import json
from datetime import UTC, timedelta

import msgspec
import pytest
from hypothesis import given as for_all
from hypothesis import settings
from hypothesis import strategies as st

from cds_service.chart.accounts import account
from cds_service.chart.readers import patient_facts
from cds_service.chart.record import Chart
from cds_service.recording.deidentify import Deidentifier
from cds_service.vocabulary.facts import State
from tests.support.events import (
    BY_MOUTH,
    CYANOCOBALAMIN,
    CYANOCOBALAMIN_VIAL,
    HYDROXOCOBALAMIN,
    INJECTION_OF_B12,
    INTO_MUSCLE,
    NOW,
    SNOMED,
    UNDER_SKIN,
    chart_of,
    day,
    declarations,
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
J3420 = {"coding": [{"system": "http://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets", "code": "J3420"}]}
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
    assert value_of(fact_of("b12-given-days", by_words, given("b", 20))) == 20


def test_a_plan_that_a_statement_names_is_stated_and_both_are_one():
    plan = ordered("a", 200, intent="plan", status="active")
    statement = stated("s", 100, basedOn=[{"reference": "MedicationRequest/a"}])
    assert value_of(fact_of("b12-active", plan)) == "absent"
    told = [item.reference for item in fact_of("b12-active", plan, statement).evidence]
    assert told == ["MedicationRequest/a", "MedicationStatement/s"]
    assert value_of(fact_of("b12-courses", plan, statement)) == 1
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
    made = account(pack.readers[search.key], search, chart)
    assert {aside.reference.partition("/")[2]: aside.reason.key for aside in made.set_aside} == {
        "plan": "planNotCounted",
        "proposal": "onlyProposed",
        "stopped": "notGiven",
        "future": "dateInFuture",
        "undated": "dateMissing",
        "others": "otherPatient",
    }
    assert made.entries == 8
    assert {aside.reason.key for aside in made.set_aside} <= set(pack.reasons)


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


@pytest.mark.parametrize(("route", "value"), [(INTO_MUSCLE, 93), (BY_MOUTH, "absent")])
def test_a_dose_without_a_route_has_that_of_its_order(route, value):
    """Neither its route nor the product's form is known; the route of the order comes before what the agent tells."""
    for drug in (CYANOCOBALAMIN, HYDROXOCOBALAMIN):
        order = ordered("o", 200, dosage(route=route), drug=drug, status="completed")
        dose = given("a", 93, drug=drug, request={"reference": "MedicationRequest/o"})
        assert value_of(fact_of("b12-injection-given-days", order, dose)) == value


def test_oral_and_injected_are_told_apart():
    oral = ordered("a", 40, dosage(1, "d", route=BY_MOUTH), drug=CYANOCOBALAMIN)
    assert value_of(fact_of("b12-oral-first-days", oral, given("b", 900))) == 40
    assert value_of(fact_of("b12-injection-ever", oral)) == "absent"
    assert value_of(fact_of("b12-injection-ever", oral, given("b", 900))) == "present"


# --- doubled events


def test_the_same_dose_as_administration_and_procedure_is_one():
    both = [given("a", 10), done("p", 10, INJECTION_OF_B12)]
    assert value_of(fact_of("b12-doses", *both)) == 1
    assert value_of(fact_of("b12-doses", *both, done("q", 10, INJECTION_OF_B12))) == 2  # a second one was recorded
    assert value_of(fact_of("b12-doses", *both, done("q", 11, INJECTION_OF_B12))) == 2
    assert value_of(fact_of("b12-doses", given("a", 10), given("b", 10))) == 2
    assert value_of(fact_of("b12-doses", given("a", 10), done("p", 10, J3420))) == 2  # of another agent


def test_an_entry_that_came_twice_is_one():
    assert value_of(fact_of("b12-doses", given("a", 10), given("a", 10))) == 1


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
    assert value_of(fact_of("b12-completed", loading, follower)) == "present"
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


RECORD = [
    ordered("a", 100, dosage(2, "d", count=6, route=INTO_MUSCLE), status="completed"),
    ordered("b", 80, dosage(60, route=INTO_MUSCLE), priorPrescription={"reference": "MedicationRequest/a"}),
    ordered("c", 60, dosage(60, route=INTO_MUSCLE), basedOn=[{"reference": "MedicationRequest/b"}]),
    given("g1", 98, request={"reference": "MedicationRequest/a"}),
    given("g2", 96),
    done("p", 96, INJECTION_OF_B12),
    dispensed("d", 79, authorizingPrescription=[{"reference": "MedicationRequest/b"}]),
    stated("s", 40, basedOn=[{"reference": "MedicationRequest/c"}]),
    ordered("f", 10, drug=FOLATE),
]
NAMES = [name for name, fact in declarations().items() if fact.kind == "history"]


@settings(max_examples=25)
@for_all(st.permutations(RECORD), st.lists(st.sampled_from(RECORD), max_size=4))
def test_no_fact_depends_on_the_order_of_entries_or_on_one_that_came_twice(shuffled, again):
    for name in NAMES:
        fact, other = fact_of(name, *RECORD), fact_of(name, *shuffled, *again)
        assert value_of(other) == value_of(fact), name


ODD = [None, True, 0, -1, 10**30, "", "x", "2026-13-40", [], {}, [[]], [None], [{}], {"reference": 5}]
DRAFTED = [
    name for name, fact in declarations().items() if fact.kind == "drafts" or fact.element in ("like-active", "ends-in")
]


def places_in(tree, way=()):
    """The way to every element of a tree of JSON."""
    for key, value in tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ():
        yield (*way, key)
        yield from places_in(value, (*way, key))


@settings(max_examples=40)
@for_all(st.data())
def test_an_element_of_another_type_than_fhir_gives_it_is_no_fault(data):
    resource = data.draw(st.sampled_from(RECORD))
    place = data.draw(st.sampled_from([way for way in places_in(resource) if way != ("resourceType",)]))
    changed = copy.deepcopy(resource)
    parent = changed
    for key in place[:-1]:
        parent = parent[key]
    parent[place[-1]] = data.draw(st.sampled_from(ODD))
    record = [*(item for item in RECORD if item is not resource), changed]
    for name in NAMES:
        assert fact_of(name, *record).state in State
    for name in DRAFTED:
        assert fact_beside(name, [changed], *record).state in State


# --- the course (Z60)

THREE_WEEKLY_SIX = {"frequency": 3, "period": 1, "periodUnit": "wk", "count": 6}


def loading(days, **more):
    step = {**dosage(route=INTO_MUSCLE), "timing": {"repeat": THREE_WEEKLY_SIX}}
    return ordered("l", days, step, **more)


@pytest.mark.parametrize(
    ("resources", "value"),
    [
        ([loading(13)], "under way"),
        ([loading(14)], "run out"),  # six doses, three a week: the last interval ends on the fourteenth day
        ([loading(5, status="on-hold")], "absent"),
        ([loading(30, status="completed")], "run out"),
        ([loading(13, status="stopped")], "absent"),
        ([ordered("a", 50, dosage(2, "d"))], "without end"),
        ([ordered("a", 50, dosage(2, "d", boundsDuration={"value": 60, "code": "d"}))], "under way"),
        ([ordered("a", 60, dosage(2, "d", boundsDuration={"value": 60, "code": "d"}))], "run out"),
        ([ordered("a", 50, dosage(2, "d", boundsPeriod={"start": day(9), "end": day(2)}))], "run out"),
        ([ordered("a", 50, dosage(1, "mo"))], "absent"),
        ([ordered("a", 50, dosage(2, "d", count=5), dosage(1, "mo"))], "run out"),
        ([ordered("a", 5, dosage(2, "d", count=5), dosage(1, "mo"))], "under way"),
        ([ordered("a", 50, {**dosage(), "text": "as the ward says"})], "unknown"),
        ([loading(20), given("g", 12)], "under way"),  # it began with its first dose
    ],
)
def test_how_far_a_course_has_come(resources, value):
    assert value_of(fact_of("b12-course", *resources)) == value


@pytest.mark.parametrize(
    ("doses", "n", "left"), [([], "absent", "absent"), ([9, 6, 4], 3, 3), ([9, 8, 7, 6, 5, 4], 6, 0), ([30, 9], 1, 5)]
)
def test_doses_are_counted_only_where_doses_are_recorded(doses, n, left):
    record = [loading(10), *(given(f"g{number}", days) for number, days in enumerate(doses))]
    assert value_of(fact_of("b12-course-given", *record)) == n
    assert value_of(fact_of("b12-course-left", *record)) == left


@pytest.mark.parametrize(("period", "value"), [(27, "absent"), (28, "present"), (84, "present")])
def test_an_order_of_28_days_is_maintenance(period, value):
    assert value_of(fact_of("b12-maintenance-ordered", ordered("a", 900, dosage(period), status="completed"))) == value


@pytest.mark.parametrize(("period", "value"), [(83, "absent"), (84, "present")])
def test_an_order_of_twelve_weeks_is_told(period, value):
    assert value_of(fact_of("b12-sparse-ordered", ordered("a", 900, dosage(period), status="completed"))) == value


def test_an_order_that_leaves_open_how_often_decides_nothing():
    open_range = ordered("a", 90, dosage(20, "d", periodMax=40))
    assert fact_of("b12-maintenance-ordered", open_range).reason.key == "rangeLeftOpen"
    unreadable = ordered("a", 90, {**dosage(), "text": "as needed"})
    assert fact_of("b12-maintenance-ordered", unreadable).reason.key == "scheduleNotReadable"
    assert value_of(fact_of("b12-maintenance-ordered", ordered("a", 90, dosage()))) == "absent"


# --- the end, and the newest


@pytest.mark.parametrize(
    ("resources", "value"),
    [
        ([ordered("a", 50, dosage(1, "mo"))], "absent"),
        ([loading(30)], 16),
        ([loading(30, status="completed")], 16),
        ([ordered("a", 50, status="stopped")], 50),
        ([ordered("a", 50, status="stopped"), given("g", 40)], 40),
        ([ordered("a", 50, status="on-hold")], 50),
        ([stated("a", 50, status="completed", effectivePeriod={"start": day(90), "end": day(70)})], 70),
        ([ordered("a", 50, status="stopped"), stated("s", 900)], "absent"),
        ([], "absent"),
    ],
)
def test_when_treatment_ended(resources, value):
    assert value_of(fact_of("b12-ended-days", *resources)) == value


def test_the_agent_is_that_of_what_is_under_way():
    active = ordered("a", 300, drug=CYANOCOBALAMIN_VIAL)
    assert value_of(fact_of("b12-agent", active, given("g", 10))) == "cyanocobalamin"
    assert value_of(fact_of("b12-agent", {**active, "status": "completed"}, given("g", 10))) == "hydroxocobalamin"


@pytest.mark.parametrize(
    ("older", "value"),
    [
        (ordered("b", 200, dosage(2, "mo"), status="completed"), 200),
        (ordered("b", 200, dosage(3, "mo"), status="completed"), 20),
        (ordered("b", 200, dosage(2, "mo", dose=500), status="completed"), 20),
        (ordered("b", 200, dosage(2, "mo"), status="completed", drug=CYANOCOBALAMIN_VIAL), 20),
        (ordered("b", 200, dosage(2, "mo", route=INTO_MUSCLE), status="completed"), 20),
    ],
)
def test_an_unchanged_renewal_begins_no_new_regimen(older, value):
    assert value_of(fact_of("b12-current-regimen-days", ordered("a", 20, dosage(2, "mo")), older)) == value


def test_a_regimen_between_two_alike_ends_the_first():
    record = [
        ordered("a", 20, dosage(2, "mo")),
        ordered("b", 100, dosage(1, "mo"), status="completed"),
        ordered("c", 200, dosage(2, "mo"), status="completed"),
    ]
    assert value_of(fact_of("b12-current-regimen-days", *record)) == 20


# --- the next dose


@pytest.mark.parametrize(
    ("resources", "value"),
    [
        ([ordered("a", 100, dosage(2, "mo")), given("g", 61)], 0),  # 23 September, two months
        ([ordered("a", 100, dosage(30)), given("g", 10)], 20),
        ([ordered("a", 100, dosage(30)), given("g", 44)], -14),
        ([ordered("a", 100, dosage(2, "mo", periodMax=3)), given("g", 61)], (0, 30)),
        ([ordered("a", 100, dosage(30)), ordered("b", 50, dosage(10)), given("g", 4)], 6),
        ([ordered("a", 100, dosage(30))], "unusable"),
        ([ordered("a", 100, dosage()), given("g", 10)], "unusable"),
        ([ordered("a", 5, dosage(30, boundsPeriod={"start": day(-9)}))], 9),
        ([ordered("a", 100, dosage(30), status="completed"), given("g", 10)], "absent"),
        ([loading(30), given("g", 29)], "absent"),
    ],
)
def test_when_the_next_dose_is_due(resources, value):
    assert value_of(fact_of("b12-due-days", *resources)) == value


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


# --- de-identified


@pytest.mark.parametrize("name", NAMES)
def test_a_recording_keeps_what_facts_of_the_history_rest_on(pack, name):
    """Ids, identifiers and dates are others; which entry names which, and how long ago each was, is not."""
    record = [
        *RECORD,
        ordered("plan", 5, intent="plan", reportedBoolean=True),
        stated_in_r5("r5", 300, "stopped-as-directed"),
        given("injected", 3, drug=CYANOCOBALAMIN, dosage={"route": INTO_MUSCLE, "dose": {"value": 1, "unit": "mg"}}),
        dispensed("prepared", 9, whenHandedOver=None, whenPrepared=day(9)),
        IMMUNIZATION,
    ]
    sent = chart_of(record)
    keys = {search.key: search.template for search in pack.searches.values()}
    under = {key: json.loads(raw) for key in keys if (raw := sent.raw(pack.searches[key]))}
    body = {"context": {"patientId": "p"}, "prefetch": under}
    deidentifier = Deidentifier(pack, b"key")
    kept = deidentifier.request(body, keys)
    prefetch = {key: msgspec.Raw(json.dumps(value).encode()) for key, value in kept["prefetch"].items()}
    moved = Chart(kept["context"]["patientId"], prefetch, NOW + timedelta(days=deidentifier.days(body)), UTC)
    assert value_of(patient_facts(declarations(), moved)[name]) == value_of(patient_facts(declarations(), sent)[name])


def test_a_recording_keeps_which_order_a_draft_ends(pack):
    deidentifier = Deidentifier(pack, b"key")
    draft, recorded = stop_of("x", identifier=SEVEN), ordered("a", 90, identifier=SEVEN)
    body = {"context": {"patientId": "p", "draftOrders": {"entry": [{"resource": draft}, {"resource": recorded}]}}}
    entries = deidentifier.request(body, {})["context"]["draftOrders"]["entry"]
    kept = [entry["resource"]["identifier"] for entry in entries]
    assert kept[0] == kept[1]
    assert kept[0][0].keys() == {"system", "value"} and kept[0] != SEVEN
