"""Facts of the history over any record: the order of its entries, odd elements and de-identification change nothing."""

import copy
import json
from datetime import UTC, timedelta

import msgspec
import pytest
from hypothesis import given as for_all
from hypothesis import settings
from hypothesis import strategies as st

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
    chart_of,
    day,
    declarations,
    dispensed,
    done,
    dosage,
    fact_beside,
    given,
    ordered,
    stated,
    stated_in_r5,
    value_of,
)

DECLARED = declarations()
NAMES = [name for name, fact in DECLARED.items() if fact.kind == "history"]
DRAFTED = [
    name for name, fact in DECLARED.items() if fact.kind == "drafts" or fact.element in ("like-active", "ends-in")
]
ORDERS = "abcdef"
RECORD = [
    ordered("a", 100, dosage(2, "d", count=6, route=INTO_MUSCLE), status="completed"),
    ordered("b", 80, dosage(60, route=INTO_MUSCLE), priorPrescription={"reference": "MedicationRequest/a"}),
    ordered("c", 60, dosage(60, route=INTO_MUSCLE), basedOn=[{"reference": "MedicationRequest/b"}]),
    given("g1", 98, request={"reference": "MedicationRequest/a"}),
    given("g2", 96),
    done("p", 96, INJECTION_OF_B12),
    dispensed("d", 79, authorizingPrescription=[{"reference": "MedicationRequest/b"}]),
    stated("s", 40, basedOn=[{"reference": "MedicationRequest/c"}]),
    ordered("f", 10, drug={"text": "Folic acid 5 mg"}),
]


def bundle(raws):
    """A Bundle of resources, of each of which the JSON is given."""
    return {"resourceType": "Bundle", "entry": [{"resource": json.loads(raw)} for raw in raws]}


def values_in(chart):
    """Every fact of the history of a chart, as a test writes it."""
    facts = patient_facts(DECLARED, chart)
    return {name: value_of(facts[name]) for name in NAMES}


DAYS = st.sampled_from([300, 100, 80, 60, 20])
DRUGS = st.sampled_from([HYDROXOCOBALAMIN, CYANOCOBALAMIN_VIAL, CYANOCOBALAMIN, {"text": "Vitamin B12 injection"}])
STEPS = st.sampled_from(
    [
        dosage(2, "d", count=6, route=INTO_MUSCLE),
        dosage(60, route=INTO_MUSCLE),
        dosage(20, "d", periodMax=40),
        dosage(2, "mo", periodMax=3),
        dosage(1, "d", route=BY_MOUTH),
        dosage(30),
    ]
)
REFERENCES = st.sampled_from([{"reference": f"MedicationRequest/{name}"} for name in ORDERS])
OTHERS = st.one_of(
    st.just({}),
    st.builds(lambda other: {"basedOn": [other]}, REFERENCES),
    st.builds(lambda other: {"priorPrescription": other}, REFERENCES),
)
STATUSES = st.sampled_from(["active", "active", "completed", "on-hold", "stopped"])
CODES = st.sampled_from([INJECTION_OF_B12, {"coding": [{"system": "urn:own", "code": "1"}], "text": "Vitamin B12"}])


@st.composite
def records(draw):
    """A few orders that follow each other in any way, doses, procedures and what else tells of the same treatment."""
    identities = draw(st.lists(st.sampled_from(ORDERS), unique=True, max_size=5))
    record = [
        ordered(identity, draw(DAYS), draw(STEPS), drug=draw(DRUGS), status=draw(STATUSES), **draw(OTHERS))
        for identity in identities
    ]
    for n in range(draw(st.integers(0, 4))):
        record.append(given(f"g{n}", draw(DAYS), drug=draw(DRUGS), request=draw(st.none() | REFERENCES)))
    for n in range(draw(st.integers(0, 3))):
        record.append(done(f"p{n}", draw(DAYS), draw(st.one_of(CODES, DRUGS))))
    record += draw(
        st.lists(
            st.sampled_from(
                [
                    given("month", 0, effectiveDateTime="2026-08"),
                    dispensed("d", 79, authorizingPrescription=[{"reference": "MedicationRequest/b"}]),
                    stated("s", 40, basedOn=[{"reference": "MedicationRequest/c"}]),
                    stated("t", 40, derivedFrom=[{"reference": "MedicationAdministration/g0"}]),
                ]
            ),
            unique_by=lambda resource: resource["id"],
        )
    )
    return record


@settings(max_examples=300)
@for_all(records(), st.randoms(use_true_random=False))
def test_no_fact_depends_on_the_order_of_entries_or_on_one_that_came_twice(record, chance):
    again = [chance.choice(record) for _ in range(2)] if record else []
    shuffled = chance.sample([*record, *again], len(record) + len(again))
    assert values_in(chart_of(shuffled)) == values_in(chart_of(record))


ODD = [None, True, 0, -1, 10**30, "", "x", "2026-13-40", [], {}, [[]], [None], [{}], {"reference": 5}]


def places_in(tree, way=()):
    """The way to every element of a tree of JSON."""
    for key, value in tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ():
        yield (*way, key)
        yield from places_in(value, (*way, key))


@settings(max_examples=150)
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
    assert len(values_in(chart_of(record))) == len(NAMES)
    for name in DRAFTED:
        assert fact_beside(name, [changed], *record).state in State


@pytest.fixture(scope="module")
def before_and_after(pack):
    """The facts of a record, and of its de-identified recording."""
    record = [
        *RECORD,
        ordered("plan", 5, intent="plan", reportedBoolean=True),
        stated_in_r5("r5", 300, "stopped-as-directed"),
        given("injected", 3, drug=CYANOCOBALAMIN, dosage={"route": INTO_MUSCLE, "dose": {"value": 1, "unit": "mg"}}),
        dispensed("prepared", 9, whenHandedOver=None, whenPrepared=day(9)),
        {
            "resourceType": "Immunization",
            "id": "i",
            "status": "completed",
            "patient": {"reference": "Patient/p"},
            "vaccineCode": {"text": "Vitamin B12 injection"},
        },
    ]
    sent = chart_of(record)
    keys = {search.key: search.template for search in pack.searches.values()}
    under = {key: bundle(raws) for key in keys if any(raws := sent.undecoded(pack.searches[key]))}
    body = {"context": {"patientId": "p"}, "prefetch": under}
    deidentifier = Deidentifier(pack, b"key")
    kept = deidentifier.request(body, keys)
    prefetch = {key: msgspec.Raw(json.dumps(value).encode()) for key, value in kept["prefetch"].items()}
    moved = Chart(kept["context"]["patientId"], prefetch, NOW + timedelta(days=deidentifier.days(body)), UTC)
    return values_in(sent), values_in(moved)


@pytest.mark.parametrize("name", NAMES)
def test_a_recording_keeps_what_facts_of_the_history_rest_on(before_and_after, name):
    """Ids, identifiers and dates are others; which entry names which, and how long ago each was, is not."""
    before, after = before_and_after
    assert after[name] == before[name]


def test_a_recording_keeps_which_order_a_draft_ends(pack):
    deidentifier = Deidentifier(pack, b"key")
    seven = [{"system": "urn:s", "value": "7"}]
    entries = [{"resource": ordered("x", 0, status="stopped", identifier=seven)}]
    entries += [{"resource": ordered("a", 90, identifier=seven)}]
    body = {"context": {"patientId": "p", "draftOrders": {"entry": entries}}}
    kept = deidentifier.request(body, {})["context"]["draftOrders"]["entry"]
    identifiers = [entry["resource"]["identifier"] for entry in kept]
    assert identifiers[0] == identifiers[1]
    assert identifiers[0][0].keys() == {"system", "value"} and identifiers[0] != seven
