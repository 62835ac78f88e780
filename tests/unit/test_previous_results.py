"""The result before the newest one: which it is, and what leaves it open."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cds_service.chart.readers import patient_facts
from cds_service.chart.record import Chart
from cds_service.content.load import load_pack
from cds_service.fhir.quantities import UCUM
from cds_service.vocabulary.facts import Interval, State
from tests.support.places import SECOND_PACK

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def pack():
    return load_pack(SECOND_PACK / "cards")


def result(date, value, unit="mmol/L", **more):
    return {
        "resourceType": "Observation",
        "id": f"r{date}",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "2823-3"}]},
        "subject": {"reference": "Patient/p"},
        "effectiveDateTime": date,
        "valueQuantity": {"value": value, "unit": unit, "system": UCUM, "code": unit},
        **more,
    }


def facts_of(pack, *results):
    bundle = {"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": one} for one in results]}
    chart = Chart("p", {"levels": msgspec.Raw(json.dumps(bundle).encode())}, NOW, UTC)
    return patient_facts(pack.facts, chart)


def previous(pack, *results):
    fact = facts_of(pack, *results)["level-before"]
    if fact.reason is not None:
        return fact.state, fact.reason.key
    return fact.value if fact.state is State.VALUE else fact.state


NEWEST, EARLIER = result("2026-11-20", 20), result("2026-11-10", 27)
OF_ANOTHER = {"code": {"coding": [{"system": "http://loinc.org", "code": "2951-2"}]}}


@pytest.mark.parametrize(
    ("results", "expected"),
    [
        ([NEWEST, EARLIER], Interval.point(27)),
        ([EARLIER, NEWEST], Interval.point(27)),
        ([NEWEST, EARLIER, result("2026-11-01", 40)], Interval.point(27)),
        ([NEWEST], State.ABSENT),
        ([], State.ABSENT),
        ([result("2026-11-20T10:00:00Z", 20), result("2026-11-20T08:00:00Z", 21)], Interval.point(21)),
        ([result("2026-11-20T10:00:00Z", 20), {**result("2026-11-20T10:00:00Z", 21), "id": "other"}], State.ABSENT),
        ([NEWEST, result("2026-11-20T08:00:00Z", 21), EARLIER], Interval.point(27)),
        ([NEWEST, result("2026-11", 21), result("2026-10-10", 27)], Interval.point(27)),
        ([NEWEST, {**result("2026-11-15", 21), "status": "entered-in-error"}, EARLIER], Interval.point(27)),
        ([NEWEST, result("2026-09-01", 27)], (State.UNUSABLE, "tooOld")),
        ([NEWEST, result("2026-11-15", 21, unit="pg"), EARLIER], (State.UNUSABLE, "unitNotKnown")),
        ([result("2026-11-21", 21, unit="pg"), NEWEST, EARLIER], Interval.point(27)),
        ([result("2026-11-21", 21, unit="pg")], (State.UNUSABLE, "unitNotKnown")),
        ([NEWEST, *(result(f"2026-11-1{n}", 5, **OF_ANOTHER) for n in range(4))], (State.UNKNOWN, "notAllRead")),
    ],
)
def test_which_result_is_the_one_before(pack, results, expected):
    assert previous(pack, *results) == expected


def test_a_result_that_is_not_final_gives_way_and_is_named(pack):
    between = result("2026-11-15", 21, status="preliminary")
    fact = facts_of(pack, NEWEST, between, EARLIER)["level-before"]
    assert (fact.value, fact.beside.reference) == (Interval.point(27), "Observation/r2026-11-15")


@pytest.mark.parametrize(("days", "said"), [(1, "olderThanADay"), (2, "tooOld")])
def test_a_look_back_of_one_day_is_said_in_the_singular(pack, days, said):
    facts = {**pack.facts, "level": replace(pack.facts["level"], look_back_days=days)}
    assert facts_of(SimpleNamespace(facts=facts), result("2026-11-01", 20))["level"].reason.key == said


def test_results_that_were_not_sent_are_unknown_and_name_their_key(pack):
    fact = patient_facts(pack.facts, Chart("p", {}, NOW, UTC))["level-before"]
    assert (fact.state, fact.missing) == (State.UNKNOWN, ("levels",))


@pytest.mark.parametrize(
    ("earlier", "days"),
    [("2026-11-10", Interval.point(10)), ("2026-10", Interval(20, 50)), ("2026-11-10T23:59:59Z", Interval.point(10))],
)
def test_the_days_in_between_are_a_range_where_a_date_is_partial(pack, earlier, days):
    assert facts_of(pack, NEWEST, result(earlier, 27))["level-apart"].value == days


@given(values=st.lists(st.integers(0, 90), min_size=2, max_size=4), order=st.randoms())
def test_a_fall_is_the_last_but_one_less_the_last_whatever_order_they_are_sent_in(pack, values, order):
    results = [result(f"2026-11-{10 + number}", value) for number, value in enumerate(values)]
    order.shuffle(results)
    facts = facts_of(pack, *results)
    assert facts["level-fall"].value == Interval.point(values[-2] - values[-1])
    assert facts["level-apart"].value == Interval.point(1)
    named = {item.reference for item in facts["level-fall"].evidence}
    assert named == {f"Observation/r2026-11-{10 + len(values) - back}" for back in (1, 2)}
