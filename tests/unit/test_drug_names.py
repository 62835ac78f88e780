"""Drugs by code, ingredient, name and reference, among the drafts and in the record (Z48)."""

import json
import time
from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from cds_service.chart.drug import not_understood, recognise_drug
from cds_service.chart.history import history
from cds_service.chart.medication_accounts import account
from cds_service.chart.order import read_order
from cds_service.chart.readers import order_facts, patient_facts
from cds_service.chart.record import Chart
from cds_service.fhir.medications import MOST_CHARACTERS, Recognition, read_drug
from cds_service.vocabulary.accounting import Kind
from cds_service.vocabulary.facts import State

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"

# Parts of catalogue texts, as they are printed in the languages that the reader knows.
NAMES = {
    "hydroxocobalamin": "hydroxocobalamin",
    "Hydroxocobalamine": "hydroxocobalamin",
    "HIDROXOCOBALAMINA": "hydroxocobalamin",
    "hydroxokobalamin": "hydroxocobalamin",
    "Neo-Cytamen": "hydroxocobalamin",
    "cyanocobalamin": "cyanocobalamin",
    "Cianocobalamina": "cyanocobalamin",
    "Cyanokobalamin": "cyanocobalamin",
    "Vitamin B12": "not-stated",
    "vitamin B-12": "not-stated",
    "Vitamine B 12": "not-stated",
    "B12": "not-stated",
}
BEFORE = ["", "", "Inj. ", "INJECTION ", "tab ", "Ampolla de ", "solution injectable d'", "Cap. "]
STRENGTHS = ["1 mg/mL", "1,000 mcg/ml", "1000 µg/ml", "1mg/1ml", "0,5 mg/ml", "1000 microgramos", "5 x 1 ml", "500MCG"]
FORMS = [
    "injection",
    "solution for injection",
    "Injektionslösung",
    "comprimés",
    "Filmtabletten",
    "ampollas",
    "injeksjonsvæske",
]
ROUTES = ["IM", "i.m.", "intramuscular", "intramuskulär", "voie intramusculaire"]
PACKS = ["5 ampoules", "10 St", "pack of 5", "vial 30 mL", "N1"]
SALTS = ["acetate", "hydrochloride", "(as chloride)", "(hydroxide)"]
SEPARATORS = [" ", ", ", " - ", "  "]


@st.composite
def catalogue_texts(draw):
    """A name with words before and after it, and its agent."""
    name = draw(st.sampled_from(sorted(NAMES)))
    parts = draw(st.lists(st.sampled_from([STRENGTHS, FORMS, ROUTES, PACKS[:4], SALTS]), max_size=4, unique_by=id))
    text = draw(st.sampled_from(BEFORE)) + name
    for part in parts:
        text += draw(st.sampled_from(SEPARATORS)) + draw(st.sampled_from(part))
    text = draw(st.sampled_from([str, str.upper, str.lower]))(text)
    assume(len(text) <= MOST_CHARACTERS - len(" any word more"))
    return text, NAMES[name]


@pytest.fixture(scope="module")
def names(pack):
    return pack.value_sets["cobalamin-medication"].drug_names


def order_of(concept=None, others=None, **more):
    resource = {"resourceType": "MedicationRequest", "id": "d", "status": "draft", **more}
    if concept is not None:
        resource["medicationCodeableConcept"] = concept
    return read_order("context.draftOrders.entry[0].resource", resource, others or {})


def drug_of(pack, order):
    return recognise_drug(order, pack.facts["order.agent"].value_sets.values())


@given(text=catalogue_texts())
def test_a_text_of_a_catalogue_is_the_drug_that_it_begins_with(pack, text):
    words, agent = text
    drug = drug_of(pack, order_of({"text": words}))
    assert drug is not None
    assert (drug.recognised_by, drug.agent) == ("name", agent)


@given(
    text=catalogue_texts(), word=st.sampled_from(["B6", "lidocaine", "plus", "complex", "Xyzzy", "/ thiamine", "+ C"])
)
def test_any_other_word_makes_it_a_possible_combination(pack, text, word):
    drug = drug_of(pack, order_of({"text": f"{text[0]} {word}"}))
    assert drug is not None
    assert drug.recognised_by == "possible-combination"


@given(
    text=catalogue_texts(),
    word=st.sampled_from(["level", "test", "assay", "antibody", "needles", "syringe", "Spiegel"]),
)
def test_words_for_a_test_or_a_device_make_it_no_drug(pack, text, word):
    assert drug_of(pack, order_of({"text": f"{text[0]} {word}"})) is None


@given(text=st.text(max_size=300))
def test_no_text_is_refused(names, text):
    assert read_drug(text, names).recognition in Recognition


@given(text=st.text(alphabet="B12 vitamn-/()[]+,.5gCohydrx", max_size=120))
def test_no_text_of_the_characters_of_names_is_refused(names, text):
    assert read_drug(text, names).recognition in Recognition


@pytest.mark.parametrize("text", ["(" * 5_000_000, "a." * 2_500_000, "vitamin B12 " * 400_000, "\ufdfa" * 2_000_000])
def test_a_text_costs_no_more_the_longer_it_is(names, text):
    start = time.process_time()
    read_drug(text, names)
    assert time.process_time() - start < 0.05


def test_a_text_longer_than_is_read_is_at_most_a_possible_combination(names):
    whole = "hydroxocobalamin 1 mg".ljust(MOST_CHARACTERS)
    assert read_drug(whole, names).recognition is Recognition.DRUG
    assert read_drug(whole + "x", names).recognition is Recognition.POSSIBLE_COMBINATION


@pytest.mark.parametrize(
    ("text", "recognition"),
    [
        ("Leaflet on hydroxocobalamin", Recognition.ELSEWHERE),
        ("Metoprolol 50 mg", Recognition.NOTHING),
        ("hydroxocobalaminum", Recognition.NOTHING),
        ("vitamin B120", Recognition.NOTHING),
        ("vitamin B6", Recognition.NOTHING),
        ("cyanocobalamin (Vitamin B-12) 1 mg", Recognition.DRUG),
        ("cyanocobalamin [Dodex] 1 mg", Recognition.DRUG),
        ("cyanocobalamin (hydroxocobalamin) 1 mg", Recognition.POSSIBLE_COMBINATION),
        ("cyanocobalamin (folic acid) 1 mg", Recognition.POSSIBLE_COMBINATION),
        ("vitamin B12 (B1, B6)", Recognition.POSSIBLE_COMBINATION),
        ("vitamin B12 (with lidocaine)", Recognition.POSSIBLE_COMBINATION),
        ("vitamin B12, vitamin E", Recognition.POSSIBLE_COMBINATION),
        ("hydroxocobalamin (1 mg", Recognition.DRUG),
        ("hydroxocobalamin prefilled syringe", Recognition.DRUG),
        ("1 ML hydroxocobalamin 1 MG/ML Injection", Recognition.DRUG),
        ("10 ML vitamin B12 1 MG/ML Injection [Cobal]", Recognition.DRUG),
        ("Product containing only hydroxocobalamin (medicinal product)", Recognition.DRUG),
        ("Product containing hydroxocobalamin (medicinal product)", Recognition.ELSEWHERE),
        ("5 MG folic acid / 1 MG vitamin B12 Oral Tablet", Recognition.ELSEWHERE),
        ("hydroxocobalamin syringe", Recognition.NO_DRUG),
        ("Vitamin B12 deficiency", Recognition.NO_DRUG),
        ("", Recognition.NOTHING),
    ],
)
def test_what_a_text_is_about(names, text, recognition):
    assert read_drug(text, names).recognition is recognition


@pytest.mark.parametrize(
    ("text", "agent"),
    [
        ("Cyanocobalamin Co 57 capsule", "excluded"),
        ("Vitamin B12 (Co-58) 0.5 microcurie", "excluded"),
        ("Hydroxocobalamin kit 2,5 g", "excluded"),
        ("Hydroxocobalamin 5000 mg (Cyanokit)", "excluded"),
        ("Leucovorin calcium", "excluded"),
        ("Medivitan iM mit Lidocain", "combination"),
    ],
)
def test_what_is_excluded_or_a_known_combination_wins(pack, text, agent):
    assert drug_of(pack, order_of({"text": text})).agent == agent
    assert recognise_drug(order_of({"text": text}), pack.drugs) is None


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("hydroxocobalamin 1 mg/mL ampoules", "injection"),
        ("Vitamin B12 1000 mcg tablets", "oral"),
        ("Vitamin B12 1000 mcg sublingual tablets", "sublingual"),
        ("cyanocobalamin nasal spray", "nasal"),
        ("cyanocobalamin", ""),
        ("cyanocobalamin tablets injection", ""),
        ("Nascobal", "nasal"),
    ],
)
def test_words_and_brands_tell_the_form_of_the_product(pack, text, form):
    assert drug_of(pack, order_of({"text": text})).form == form


def test_a_known_code_decides_whatever_the_words_are(pack):
    order = order_of({"coding": [{"system": RXNORM, "code": "317106", "display": "vitamin B12 / B6"}]})
    assert drug_of(pack, order).recognised_by == "code"


def test_a_code_that_is_not_known_hides_no_name(pack):
    order = order_of({"coding": [{"system": "https://hospital.example", "code": "7", "display": "Hydroxocobalamin"}]})
    assert drug_of(pack, order).recognised_by == "name"


def test_texts_that_name_two_drugs_make_a_possible_combination(pack):
    order = order_of({"text": "Hydroxocobalamin", "coding": [{"display": "Cyanocobalamin 1 mg"}]})
    assert drug_of(pack, order).recognised_by == "possible-combination"


INGREDIENT = {"itemCodeableConcept": {"coding": [{"system": RXNORM, "code": "5514"}]}}


@pytest.mark.parametrize(
    ("ingredients", "by"),
    [
        ([INGREDIENT], "code"),
        ([{"item": {"concept": INGREDIENT["itemCodeableConcept"]}}], "code"),
        ([{"itemReference": {"display": "hydroxocobalamin"}}], "name"),
        ([INGREDIENT, {"itemCodeableConcept": {"text": "Sodium chloride"}, "isActive": False}], "code"),
        ([INGREDIENT, {"itemCodeableConcept": {"text": "Pyridoxine"}}], "possible-combination"),
    ],
)
def test_a_medication_without_a_known_code_is_what_it_is_made_of(pack, ingredients, by):
    medication = {"resourceType": "Medication", "id": "m", "ingredient": ingredients}
    order = order_of(medicationReference={"reference": "#m"}, contained=[medication])
    assert drug_of(pack, order).recognised_by == by


def test_what_is_excluded_by_name_is_not_its_ingredient(pack):
    medication = {"resourceType": "Medication", "id": "m", "code": {"text": "Cyanokit 5 g"}, "ingredient": [INGREDIENT]}
    order = order_of(medicationReference={"reference": "Medication/m"}, others={"Medication/m": medication})
    assert drug_of(pack, order).agent == "excluded"


@pytest.mark.parametrize(
    "reference",
    [
        "Medication/m1",
        "Medication/m1/_history/2",
        "https://ehr.example.org/fhir/R4/Medication/m1",
        "https://ehr.example.org/fhir/R4/Medication/m1/_history/2",
        "urn:uuid:5f0c1f6e-0d6a-4f5e-8e55-0c7c2e0c7c11",
    ],
)
@pytest.mark.parametrize("member", ["medicationReference", "medication"])
def test_a_reference_is_resolved_by_its_end_or_by_full_url(pack, reference, member):
    medication = {"resourceType": "Medication", "id": "m1", "code": {"coding": [{"system": RXNORM, "code": "317106"}]}}
    others = {"Medication/m1": medication, "urn:uuid:5f0c1f6e-0d6a-4f5e-8e55-0c7c2e0c7c11": medication}
    pointer = {"reference": reference}
    order = order_of(others=others, **{member: pointer if member == "medicationReference" else {"reference": pointer}})
    assert drug_of(pack, order).recognised_by == "code"


def test_a_reference_that_cannot_be_resolved_counts_by_its_display(pack):
    order = order_of(medicationReference={"reference": "Medication/x", "display": "Hydroxocobalamin 1 mg"})
    assert drug_of(pack, order).recognised_by == "name"


@pytest.mark.parametrize(
    ("order", "kind", "reason"),
    [
        (order_of(medicationReference={"reference": "Medication/x"}), Kind.REFERENCE, "medicationNotResolved"),
        (order_of({"coding": [{"system": "local", "code": "7"}], "text": "Dodeca"}), Kind.DRUG, "drugNotKnown"),
        (order_of({"text": "Leaflet on hydroxocobalamin"}), Kind.DRUG, "drugNameElsewhere"),
        (order_of({"text": "Vitamin B12 level"}), Kind.DRUG, "noDrug"),
        (order_of(), Kind.DRUG, "drugNotKnown"),
    ],
)
def test_why_a_draft_was_not_understood_is_told(pack, order, kind, reason):
    (aside,) = not_understood(order, [*pack.drugs, *pack.excluded])
    assert (aside.kind, aside.reason.key, aside.reference) == (kind, reason, "MedicationRequest/d")
    assert reason in pack.reasons


@pytest.mark.parametrize(
    "concept",
    [
        {"coding": [{"system": RXNORM, "code": "5514", "display": "hydroxocobalamin"}]},
        {"coding": [{"system": RXNORM, "code": "83367", "display": "atorvastatin"}]},
        {"text": "Methotrexate 2.5 mg tablets"},
    ],
)
def test_a_draft_that_was_understood_has_no_such_line(pack, concept):
    assert not_understood(order_of(concept), [*pack.drugs, *pack.excluded]) == ()


@pytest.mark.parametrize("text", ["Hydroxocobalamin 1 mg", "Cyanokit"])
def test_a_draft_that_only_its_name_tells_has_a_line_that_says_so(pack, text):
    (aside,) = not_understood(order_of({"text": text}), [*pack.drugs, *pack.excluded])
    assert (aside.kind, aside.reason.key, aside.words) == (Kind.DRUG, "knownByName", text)


# --- beside the order


@pytest.mark.parametrize(
    ("beside", "state"),
    [
        ({"medicationCodeableConcept": {"text": "Hydroxocobalamin 1 mg ampoules"}}, State.VALUE),
        ({"medicationCodeableConcept": {"text": "Atorvastatin 20 mg"}}, State.ABSENT),
        ({"medicationReference": {"reference": "Medication/x"}}, State.UNKNOWN),
        ({"medicationCodeableConcept": {"text": "Vitamin B12 / B6"}}, State.UNKNOWN),
        ({"medicationReference": {"reference": "Medication/x"}, "status": "cancelled"}, State.ABSENT),
    ],
)
def test_what_may_be_drafted_beside_an_order_is_unknown(pack, beside, state):
    chart = Chart("p", {}, NOW, UTC)
    facts, _ = order_facts(pack.facts, patient_facts(pack.facts, chart), order_of(), [order_of(**beside)], chart)
    assert facts["b12-drafted"].state is state
    assert facts["platelet-count-drafted"].state is State.ABSENT


# --- the record


def request_of(identity, concept=None, **more):
    resource = {
        "resourceType": "MedicationRequest",
        "id": identity,
        "status": "active",
        "intent": "order",
        "subject": {"reference": "Patient/p"},
        "authoredOn": "2026-11-01",
        **more,
    }
    return resource if concept is None else {**resource, "medicationCodeableConcept": concept}


def chart_with(*requests):
    bundle = {"resourceType": "Bundle", "entry": [{"resource": resource} for resource in requests]}
    empty = msgspec.Raw(b'{"resourceType": "Bundle"}')
    prefetch = {
        "medicationRequests": msgspec.Raw(json.dumps(bundle).encode()),
        "medicationAdministrations": empty,
        "procedures": empty,
    }
    return Chart("p", prefetch, NOW, UTC)


B12 = {"coding": [{"system": RXNORM, "code": "317106"}]}
ATORVASTATIN = {"coding": [{"system": RXNORM, "code": "83367"}], "text": "Atorvastatin 20 mg"}
LOCAL = {"coding": [{"system": "https://hospital.example", "code": "7"}], "text": "Metoprolol 50 mg"}


@pytest.mark.parametrize(
    ("requests", "state", "reason"),
    [
        ([], State.ABSENT, None),
        ([request_of("a", B12), request_of("b", LOCAL)], State.VALUE, None),
        ([request_of("a", {"text": "Cyanocobalamin 1 mg"})], State.VALUE, None),
        ([request_of("a", ATORVASTATIN)], State.ABSENT, None),
        ([request_of("a", {"text": "Folic acid 5 mg"})], State.ABSENT, None),
        ([request_of("a", ATORVASTATIN), request_of("b", LOCAL)], State.ABSENT, "medicationsNotUnderstood"),
        ([request_of("a", LOCAL)], State.UNKNOWN, "medicationsNotUnderstood"),
        ([request_of("a", {"coding": [{"code": "C10AA05"}]})], State.UNKNOWN, "medicationsNotUnderstood"),
        ([request_of("a", LOCAL, status="entered-in-error")], State.ABSENT, None),
        ([request_of("a", LOCAL, subject={"reference": "Patient/q"})], State.ABSENT, None),
        ([request_of("a", {"text": "Vitamin B12 duo"})], State.UNKNOWN, "possibleCombination"),
        ([request_of("a", medicationReference={"reference": "Medication/m"})], State.UNKNOWN, "medicationNotResolved"),
        ([request_of("a", B12, subject=None)], State.UNUSABLE, "subjectMissing"),
        ([request_of("a", B12, status="completed", authoredOn=None)], State.UNUSABLE, "dateMissing"),
        ([request_of("a", {"text": "Hydroxocobalamin 5 g (Cyanokit)"})], State.ABSENT, None),
    ],
)
def test_what_the_record_says_of_treatment(pack, requests, state, reason):
    fact = history(pack.facts["b12-treatment"], chart_with(*requests))
    assert (fact.state, fact.reason and fact.reason.key) == (state, reason)
    assert reason is None or reason in pack.reasons


def test_how_many_medications_were_not_understood_is_told(pack):
    chart = chart_with(request_of("a", LOCAL), request_of("b", ATORVASTATIN), request_of("c", {"text": "Ramipril"}))
    assert history(pack.facts["b12-treatment"], chart).reason.values == {"n": "2", "m": "3"}


@pytest.mark.parametrize(
    ("more", "reason"), [({"authoredOn": None}, "dateMissing"), ({"authoredOn": "2027-01-01"}, "dateInFuture")]
)
def test_how_long_ago_is_unusable_where_the_only_date_is(pack, more, reason):
    fact = patient_facts(pack.facts, chart_with(request_of("a", B12, **more)))["b12-started-days"]
    assert (fact.state, fact.reason.key) == (State.UNUSABLE, reason)


@pytest.mark.parametrize("name", ["b12-treatment", "b12-started-days", "b12-last-days", "b12-active"])
@pytest.mark.parametrize(
    "request_", [request_of("a", LOCAL), request_of("a", medicationReference={"reference": "Medication/m"})]
)
def test_no_fact_of_treatments_is_absent_where_nothing_was_understood(pack, name, request_):
    assert patient_facts(pack.facts, chart_with(request_))[name].state is State.UNKNOWN


def test_a_medication_known_by_name_is_said_to_be(pack):
    fact = history(pack.facts["b12-treatment"], chart_with(request_of("a", {"text": "Hydroxocobalamin 1 mg"})))
    assert [item.notes for item in fact.evidence] == [("by-name",)]
    assert "by-name" in pack.words


@pytest.mark.parametrize("reference", ["Medication/m", "https://ehr.example.org/Medication/m/_history/4", "urn:uuid:m"])
def test_a_medication_in_the_same_bundle_is_what_a_reference_points_to(pack, reference):
    request = request_of("a", medicationReference={"reference": reference})
    medication = {"resourceType": "Medication", "id": "m", "ingredient": [INGREDIENT]}
    assert history(pack.facts["b12-treatment"], chart_with(request, medication)).state is State.VALUE


def test_every_entry_of_a_search_is_accounted_for(pack):
    chart = chart_with(
        request_of("a", B12),
        request_of("b", ATORVASTATIN),
        request_of("c", LOCAL),
        request_of("d", B12, status="entered-in-error"),
        request_of("e", B12, subject=None),
        request_of("f", medicationReference={"reference": "Medication/m"}),
        request_of("g", {"text": "Vitamin B12 duo"}),
    )
    search = pack.searches["medicationRequests"]
    declared = [fact for fact in pack.facts.values() if search in fact.searches]
    counted = account(search, declared, chart, whole=True)
    assert (counted.entries, counted.read, counted.elsewhere) == (7, 1, 1)
    assert {(aside.kind, aside.reference.partition("/")[2]) for aside in counted.set_aside} == {
        (Kind.DRUG, "c"),
        (Kind.STATUS, "d"),
        (Kind.SUBJECT, "e"),
        (Kind.REFERENCE, "f"),
        (Kind.DRUG, "g"),
    }
    assert {aside.reason.key for aside in counted.set_aside} <= set(pack.reasons)
