"""How far a course of treatment has come: its doses, its end, the next dose and the regimen (Z60)."""

from itertools import permutations

import pytest

from tests.support.events import (
    CYANOCOBALAMIN_VIAL,
    INJECTION_OF_B12,
    INTO_MUSCLE,
    J3420,
    day,
    done,
    dosage,
    fact_of,
    given,
    ordered,
    stated,
    value_of,
)

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
        ([loading(20), given("g", 12, request={"reference": "MedicationRequest/l"})], "under way"),
        ([loading(20), done("p", 12, INJECTION_OF_B12)], "under way"),
    ],
)
def test_how_far_a_course_has_come(resources, value):
    assert value_of(fact_of("b12-course", *resources)) == value


@pytest.mark.parametrize(
    ("doses", "n", "left"), [([], "absent", "absent"), ([9, 6, 4], 3, 3), ([9, 8, 7, 6, 5, 4], 6, 0), ([30, 9], 1, 5)]
)
@pytest.mark.parametrize("of_it", [{}, {"request": {"reference": "MedicationRequest/l"}}], ids=["alone", "of it"])
def test_doses_are_counted_only_where_doses_are_recorded(doses, n, left, of_it):
    """Each once, whether or not it names its order, came twice, or stands there as a procedure too."""
    record = [loading(10), *(given(f"g{number}", days, **of_it) for number, days in enumerate(doses))]
    procedures = [done(f"p{days}", days, INJECTION_OF_B12) for days in doses]
    for more in ([], record, procedures, [*procedures, *procedures]):
        assert value_of(fact_of("b12-course-given", *record, *more)) == n
        assert value_of(fact_of("b12-course-left", *more, *record)) == left


def test_a_dose_of_an_order_and_a_procedure_of_another_agent_are_two():
    record = [loading(10), given("g", 9, request={"reference": "MedicationRequest/l"}), done("p", 9, J3420)]
    assert value_of(fact_of("b12-course-given", *record)) == 2


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
    assert value_of(fact_of("b12-regimen-days", ordered("a", 20, dosage(2, "mo")), older)) == value


@pytest.mark.parametrize(("period", "value"), [(1, 200), (2, 20)])
def test_an_order_that_takes_the_place_of_another_begins_a_regimen_if_it_changes_it(period, value):
    renewal = ordered("a", 20, dosage(period, "mo"), priorPrescription={"reference": "MedicationRequest/b"})
    fact = fact_of("b12-regimen-days", renewal, ordered("b", 200, dosage(1, "mo")))
    assert (value_of(fact), [item.date for item in fact.evidence]) == (value, [day(value)])


def test_a_course_that_takes_the_place_of_another_order_begins_when_it_was_written():
    weekly = ordered("b", 200, dosage(1, "wk"))
    follower = loading(5, priorPrescription={"reference": "MedicationRequest/b"})
    assert value_of(fact_of("b12-course", weekly, given("g", 190), follower)) == "under way"
    assert value_of(fact_of("b12-course-given", weekly, given("g", 190), follower, given("h", 4))) == 1


def test_of_two_orders_of_one_day_the_same_one_comes_before_the_current_in_any_order():
    record = [
        ordered("a", 300, dosage(2, "mo")),
        ordered("b", 100, dosage(2, "mo")),
        ordered("c", 300, dosage(2, "mo"), drug=CYANOCOBALAMIN_VIAL),
    ]
    told = {value_of(fact_of("b12-regimen-days", *entries)) for entries in permutations(record)}
    assert len(told) == 1


def test_a_regimen_between_two_alike_ends_the_first():
    record = [
        ordered("a", 20, dosage(2, "mo")),
        ordered("b", 100, dosage(1, "mo"), status="completed"),
        ordered("c", 200, dosage(2, "mo"), status="completed"),
    ]
    assert value_of(fact_of("b12-regimen-days", *record)) == 20


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
        ([ordered("a", 100, dosage(30)), given("g", 10), done("p", 8, INJECTION_OF_B12)], 22),
    ],
)
@pytest.mark.parametrize("of_it", [{}, {"request": {"reference": "MedicationRequest/a"}}], ids=["alone", "of it"])
def test_when_the_next_dose_is_due(resources, value, of_it):
    """Whether or not a dose names its order, and however often an entry came."""
    record = [{**resource, **of_it} if resource["id"] == "g" else resource for resource in resources]
    assert value_of(fact_of("b12-due-days", *record)) == value
    assert value_of(fact_of("b12-due-days", *record, *record)) == value
