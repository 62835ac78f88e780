"""What lists of problems, allergies and operations make of facts, and what becomes of each of their entries (Z41)."""

import json
from datetime import UTC, datetime

import msgspec
import pytest

from cds_service.chart import conditions
from cds_service.chart.record import Chart
from cds_service.vocabulary.accounting import Kind
from cds_service.vocabulary.facts import PRESENT, State

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
SNOMED = "http://snomed.info/sct"
PERNICIOUS = {"coding": [{"system": SNOMED, "code": "84027009"}]}
HYPERTENSION = {"coding": [{"system": SNOMED, "code": "38341003"}]}
HOUSE = {"coding": [{"system": "http://hospital.example/problems", "code": "1"}], "text": "House problem"}
ACTIVE = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/condition-clinical", "code": "active"}]}


def problem(code, **more):
    return {
        "resourceType": "Condition",
        "clinicalStatus": ACTIVE,
        "code": code,
        "subject": {"reference": "Patient/p"},
        **more,
    }


def allergy(**more):
    return {"resourceType": "AllergyIntolerance", "patient": {"reference": "Patient/p"}, **more}


def chart_of(key, *resources, **bundle):
    sent = {"resourceType": "Bundle", "entry": [{"resource": resource} for resource in resources], **bundle}
    return Chart("p", {key: msgspec.Raw(json.dumps(sent).encode())}, NOW, UTC)


@pytest.fixture
def fact_of(pack):
    """The fact of one name over a list of resources."""

    def read(name, *resources, **bundle):
        declared = pack.facts[name]
        reader = getattr(conditions, declared.kind)
        return reader(declared, chart_of(declared.searches[0].key, *resources, **bundle))

    return read


@pytest.fixture
def account_of(pack):
    def read(key, *resources):
        declarations = [fact for fact in pack.facts.values() if pack.searches[key] in fact.searches]
        declarations = [fact for fact in declarations if fact.kind in ("condition", "allergy", "procedure")]
        return conditions.account(pack.searches[key], declarations, chart_of(key, *resources), whole=True)

    return read


@pytest.mark.parametrize(
    "status",
    [
        ACTIVE,
        {"text": "Active"},
        {"coding": [{"code": "active"}]},
        {"coding": [{"system": SNOMED, "code": "55561003", "display": "Active"}]},
        {"coding": {"code": "recurrence"}},
        "active",
    ],
)
def test_a_status_counts_by_code_display_text_or_as_stu3_writes_it(fact_of, status):
    fact = fact_of("thrombocytopenia", problem({"text": "Thrombocytopenia"}, clinicalStatus=status))
    assert fact.value == PRESENT
    assert "status-not-stated" not in fact.evidence[0].notes


@pytest.mark.parametrize("status", [None, {}, {"text": "unknown"}, {"coding": [{"code": "42"}]}, ""])
def test_a_status_that_nobody_knows_is_not_stated(fact_of, status):
    fact = fact_of("b12-deficiency", problem(PERNICIOUS, clinicalStatus=status))
    assert fact.value == "status not stated"
    assert fact.evidence[0].notes == ("status-not-stated",)


@pytest.mark.parametrize(
    "ended",
    [
        {"abatementDateTime": "2020"},
        {"abatementPeriod": {"end": "2020"}},
        {"abatementAge": {"value": 3}},
        {"abatementRange": {}},
        {"abatementString": "spring"},
        {"abatementBoolean": True},
    ],
)
def test_a_problem_with_an_end_and_no_status_is_over(fact_of, ended):
    assert fact_of("b12-deficiency", problem(PERNICIOUS, clinicalStatus=None, **ended)).state is State.ABSENT
    assert fact_of("pernicious-anaemia", problem(PERNICIOUS, clinicalStatus=None, **ended)).value == PRESENT


def test_no_end_is_no_end(fact_of):
    assert fact_of("b12-deficiency", problem(PERNICIOUS, clinicalStatus=None, abatementBoolean=False)).evidence
    assert fact_of("b12-deficiency", problem(PERNICIOUS, abatementString="spring")).value == PRESENT


@pytest.mark.parametrize("verification", ["refuted", "entered-in-error", "differential", {"text": "Entered in Error"}])
def test_what_is_not_so_counts_in_no_status(fact_of, verification):
    stated = verification if isinstance(verification, dict) else {"coding": [{"code": verification}]}
    assert fact_of("pernicious-anaemia", problem(PERNICIOUS, verificationStatus=stated)).state is State.ABSENT


@pytest.mark.parametrize("verification", ["provisional", "unconfirmed"])
def test_what_is_not_sure_counts_and_is_named(fact_of, verification):
    stated = {"coding": [{"code": verification}]}
    fact = fact_of("pernicious-anaemia", problem(PERNICIOUS, verificationStatus=stated))
    assert (fact.value, fact.evidence[0].notes) == (PRESENT, (verification,))


def test_the_surest_entry_decides_and_alone_is_shown(fact_of):
    named = problem({"text": "Cobalamin deficiency"})
    unstated = problem(PERNICIOUS, clinicalStatus=None)
    coded = problem({"coding": [{"system": SNOMED, "code": "190634004"}]}, id="coded")
    assert fact_of("b12-deficiency", named).value == "by name"
    assert fact_of("b12-deficiency", named, unstated).value == "status not stated"
    surest = fact_of("b12-deficiency", named, unstated, coded)
    assert (surest.value, [item.reference for item in surest.evidence]) == (PRESENT, ["Condition/coded"])


def test_by_name_and_without_a_status_is_no_more_than_by_name(fact_of):
    fact = fact_of("b12-deficiency", problem({"text": "Cobalamin deficiency"}, clinicalStatus=None))
    assert (fact.value, fact.evidence[0].notes) == ("by name", ("by-name", "status-not-stated"))


def test_what_would_take_a_card_away_is_unknown_and_says_why(fact_of):
    fact = fact_of(
        "cobalamin-inborn-error", problem({"coding": [{"system": SNOMED, "code": "74653006"}]}, clinicalStatus=None)
    )
    assert (fact.state, fact.missing, fact.reason.key) == (State.UNKNOWN, (), "notCertain")


def test_a_known_code_is_not_overruled_by_a_name(fact_of):
    entry = problem({**PERNICIOUS, "text": "Thrombocytopenia"})
    assert fact_of("thrombocytopenia", entry).state is State.ABSENT
    assert fact_of("pernicious-anaemia", entry).value == PRESENT


def test_a_flawed_entry_of_a_known_code_is_unusable(fact_of):
    flawed = problem(PERNICIOUS, subject=None)
    assert fact_of("pernicious-anaemia", flawed).state is State.UNUSABLE
    assert fact_of("pernicious-anaemia", flawed, problem(PERNICIOUS)).value == PRESENT


# --- what was not understood


def test_a_list_in_a_house_system_leaves_its_facts_unknown_and_is_no_reason_to_refuse(fact_of):
    fact = fact_of("pernicious-anaemia", problem(HOUSE), problem({"text": "Something"}))
    assert (fact.state, fact.missing) == (State.UNKNOWN, ())
    assert (fact.reason.key, fact.reason.values) == ("problemsNotUnderstood", {"n": "2", "m": "2"})


def test_one_entry_of_a_known_system_makes_the_list_readable(fact_of):
    fact = fact_of("pernicious-anaemia", problem(HOUSE), problem(HYPERTENSION))
    assert fact.state is State.ABSENT
    assert (fact.reason.key, fact.reason.values) == ("problemsNotUnderstood", {"n": "1", "m": "2"})
    assert fact_of("pernicious-anaemia", problem(HYPERTENSION)).reason is None


def test_a_problem_that_another_fact_knows_by_name_is_about_something_else(fact_of):
    fact = fact_of("leber-optic-neuropathy", problem({"text": "Pernicious anaemia"}))
    assert (fact.state, fact.reason) == (State.ABSENT, None)


def test_what_is_over_or_not_so_is_not_counted(fact_of):
    over = problem(HOUSE, clinicalStatus={"text": "Resolved"})
    refuted = problem(HOUSE, verificationStatus={"text": "Refuted"})
    assert fact_of("pernicious-anaemia", over, refuted).reason is None


def test_a_list_that_was_not_read_whole_stays_unknown_for_that(fact_of):
    fact = fact_of("pernicious-anaemia", problem(HOUSE), link=[{"relation": "next", "url": "http://fhir.example"}])
    assert fact.reason.key == "notAllRead"


@pytest.mark.parametrize(
    "code", [{"text": "NKDA"}, {"coding": [{"system": SNOMED, "code": "716186003"}]}, {"text": "No known allergies"}]
)
def test_no_known_allergy_is_about_something_else(fact_of, account_of, code):
    assert fact_of("cobalamin-allergy", allergy(code=code)).reason is None
    account = account_of("allergyIntolerances", allergy(code=code))
    assert (account.entries, account.elsewhere, account.set_aside) == (1, 1, ())


def test_an_entry_without_any_code_is_not_understood(fact_of):
    assert fact_of("cobalamin-allergy", allergy()).reason.key == "allergiesNotUnderstood"


@pytest.mark.parametrize("reaction", [[{"substance": PERNICIOUS}], {"substance": {"text": "penicillin"}}, [], [{}]])
def test_a_substance_of_something_else_is_no_allergy_to_cobalamin(fact_of, reaction):
    assert fact_of("cobalamin-allergy", allergy(code=HYPERTENSION, reaction=reaction)).state is State.ABSENT


def test_operations_of_a_house_system_are_counted(fact_of):
    done = {"resourceType": "Procedure", "status": "completed", "code": HOUSE, "subject": {"reference": "Patient/p"}}
    not_done = {**done, "status": "not-done"}
    fact = fact_of("ileal-resection", done, not_done)
    assert (fact.reason.key, fact.reason.values) == ("proceduresNotUnderstood", {"n": "1", "m": "1"})


def test_every_entry_is_accounted_for_once(account_of):
    account = account_of(
        "conditions",
        problem(PERNICIOUS),
        problem({"text": "Thrombocytopenia"}),
        problem(HYPERTENSION),
        problem(HOUSE, id="house"),
        problem({"text": "Thrombocytopenia"}, clinicalStatus={"text": "Resolved"}),
        problem(PERNICIOUS, clinicalStatus={"text": "Resolved"}),
        problem(PERNICIOUS, verificationStatus={"text": "Refuted"}),
    )
    assert (account.entries, account.read, account.elsewhere) == (7, 3, 1)
    assert account.entries == account.read + account.elsewhere + len(account.set_aside)
    house = next(aside for aside in account.set_aside if aside.kind is Kind.CODE)
    assert (house.reference, house.system, house.code, house.words) == (
        "Condition/house",
        "http://hospital.example/problems",
        "1",
        "House problem",
    )
    assert [aside.kind for aside in account.set_aside].count(Kind.STATUS) == 2
