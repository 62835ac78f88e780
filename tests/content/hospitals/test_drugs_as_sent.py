# ruff: noqa: E501 (a row of a table is one line)
"""How hospitals name the drug of an order: codes of every system, words of every catalogue, references of every form.

The order is an injection into the muscle for a man with 22 platelets, so that an order of B12 that is seen is critical,
however it is recognised. An order by name alone gets no suggestion (Z29), and what is no drug gets no card.
"""

from dataclasses import replace

from cds_service.judge.evaluate import evaluate
from cds_service.vocabulary.json_text import encode
from tests.support.hospital_calls import (
    ATC,
    CRITICAL,
    HOUSE,
    LOCAL,
    NO_BLEEDING_CARD,
    NO_CARD,
    NOW,
    RXNORM,
    SNOMED,
    assert_right,
    call_for,
    changed_call,
    coding,
    concept,
    drug,
    drug_by_reference,
    on_record,
    order,
    problem,
    row,
    sent_as,
    shown,
    silent,
    table,
)
from tests.support.not_understood import explained

WORDS = "Hydroxocobalamin 1 mg/mL injection"
CODED = {"id": "m1", "code": concept(coding(RXNORM, "317106", "hydroxocobalamin 1 MG/ML Injectable Solution"))}
B12_DEFICIENCY = coding(SNOMED, "190634004", "Cobalamin deficiency (disorder)")


def ingredients(*codings):
    return {"id": "m1", "ingredient": [{"itemCodeableConcept": concept(one)} for one in codings]}


# --- codes


@table(
    row(
        "RxNorm over https",
        "rewritten by a proxy",
        CRITICAL,
        drug(coding("https://www.nlm.nih.gov/research/umls/rxnorm", "317106")),
    ),
    row("RxNorm with a slash", "typed by hand", CRITICAL, drug(coding(f"{RXNORM}/", "317106"))),
    row("RxNorm with a version", "canonical with |", CRITICAL, drug(coding(f"{RXNORM}|02032026", "317106"))),
    row(
        "RxNorm with a capital host",
        "typed by hand",
        CRITICAL,
        drug(coding("http://WWW.NLM.NIH.GOV/research/umls/rxnorm", "317106")),
    ),
    row("RxNorm, the OID alone", "converters from C-CDA", CRITICAL, drug(coding("2.16.840.1.113883.6.88", "317106"))),
    row(
        "ATC as an OID",
        "European patient summaries",
        CRITICAL,
        drug(coding("urn:oid:2.16.840.1.113883.6.73", "B03BA03")),
    ),
    row(
        "ATC under the older German address",
        "before 2022",
        CRITICAL,
        drug(coding("http://fhir.de/CodeSystem/dimdi/atc", "B03BA03")),
    ),
    row("ATC with the year of its edition", "canonical with |", CRITICAL, drug(coding(f"{ATC}|2026", "B03BA03"))),
    row("ATC over https", "rewritten by a proxy", CRITICAL, drug(coding("https://www.whocc.no/atc", "B03BA03"))),
    row(
        "ATC without a system", "its form tells the system", CRITICAL, drug(coding(None, "B03BA03", "Hydroxocobalamin"))
    ),
    row(
        "UNII as an OID",
        "structured product labels",
        CRITICAL,
        drug(coding("urn:oid:2.16.840.1.113883.4.9", "Q40X8H422O")),
    ),
    row(
        "SNOMED CT as an OID",
        "converters from C-CDA",
        CRITICAL,
        drug(coding("urn:oid:2.16.840.1.113883.6.96", "409258004")),
    ),
    row(
        "SNOMED CT with an edition",
        "canonical with |",
        CRITICAL,
        drug(coding(f"{SNOMED}|http://snomed.info/sct/999000031000000106", "39111511000001100")),
    ),
    row(
        "known code after codes of the house",
        "several codings",
        CRITICAL,
        drug(coding(HOUSE, "5553"), coding(LOCAL, "B12I"), coding(RXNORM, "317106")),
    ),
    row(
        "known code, words of another language",
        "the code tells",
        CRITICAL,
        drug(coding(ATC, "B03BA03"), text="Aquo-Cytobion 500 µg Injektionslösung"),
    ),
)
def test_a_drug_is_known_by_its_code_however_the_system_is_written(prepared, case):
    assert_right(prepared, case)


# --- names


@table(
    row("exact name, lower case", "a house code beside it", CRITICAL, drug(coding(HOUSE, "5553"), text="hydroxocobalamin")),
    row("exact name in capitals", "a house code beside it", CRITICAL, drug(coding(HOUSE, "5553"), text="HYDROXOCOBALAMIN")),
    row("name as a display", "no text", CRITICAL, drug(coding(HOUSE, "5553", "Hydroxocobalamin 1,000 mcg/mL intramuscular solution"))),
    row("name as a display without a code", "a display and nothing else", CRITICAL, drug(coding(None, None, "hydroxocobalamin"))),
    row("name with salt", "as labels write it", CRITICAL, drug(text="Hydroxocobalamin acetate 1 mg/ml injection")),
    row("name with chloride", "as labels write it", CRITICAL, drug(text="hydroxocobalamin chloride 1mg/ml solution for injection ampoules")),
    row("name of the dm+d", "United Kingdom", CRITICAL, drug(text="Hydroxocobalamin 1mg/1ml solution for injection ampoules")),
    row("form before the name", "India", CRITICAL, drug(text="INJ. HYDROXOCOBALAMIN 1000 MCG")),
    row("injection before the name", "India", CRITICAL, drug(text="Injection Vitamin B12 1000 mcg/ml")),
    row("vial before the name", "a stock list", CRITICAL, drug(text="Vial cyanocobalamin 1000 mcg/mL")),
    row("B-12 with a hyphen", "United States", CRITICAL, drug(text="Vitamin B-12 1,000 mcg/mL injection solution")),
    row("B 12 with a space", "United States", CRITICAL, drug(text="vitamin B 12 1000 mcg injection")),
    row("B12 alone", "typed", CRITICAL, drug(text="Vitamin B12")),
    row("name and brackets", "an EHR's catalogue", CRITICAL, drug(text="hydroxocobalamin (vitamin B12a) 1 mg/mL IM injection")),
    row("brand in brackets", "an EHR's catalogue", CRITICAL, drug(text="cyanocobalamin 1000 mcg/ml injection [Cobal-1000]")),
    row("name with route and pack", "an order set", CRITICAL, drug(text="Hydroxocobalamin 1mg/ml inj IM 5 x 1 ml amp")),
    row("Dutch", "hydroxocobalamine", CRITICAL, drug(text="Hydroxocobalamine injectievloeistof 500 mcg/ml ampul 2 ml")),
    row("Spanish", "hidroxocobalamina", CRITICAL, drug(text="Hidroxocobalamina 1 mg/2 ml solución inyectable")),
    row("Spanish, cyano", "cianocobalamina", CRITICAL, drug(text="CIANOCOBALAMINA 1000 MCG INYECTABLE")),
    row("Italian", "cianocobalamina", CRITICAL, drug(text="Cianocobalamina 1000 mcg/ml soluzione iniettabile")),
    row("French", "vitamine B12", CRITICAL, drug(text="Vitamine B12 1000 µg/2 ml")),
    row("Portuguese", "hidroxocobalamina", CRITICAL, drug(text="hidroxocobalamina 1 mg/ml ampola")),
    row("mecobalamin", "Asia", CRITICAL, drug(text="Mecobalamin 500 mcg injection")),
    row("methylcobalamin", "Asia", CRITICAL, drug(text="Inj Methylcobalamin 1500 mcg")),
    row("white space", "typed", CRITICAL, drug(text="  Hydroxocobalamin   1 mg/mL\tinjection ")),
)  # fmt: skip
def test_a_drug_is_known_by_its_name_as_catalogues_write_it(prepared, case):
    assert_right(prepared, case)


@table(
    row("plus signs", "three vitamins in one", CRITICAL, drug(text="Hydroxocobalamin + lidocaine injection")),
    row("a stroke", "two drugs in one", CRITICAL, drug(text="cyanocobalamin/folic acid injection")),
    row("with", "two drugs in one", CRITICAL, drug(text="Cyanocobalamin with pyridoxine injection")),
    row("an unknown word", "a brand that nobody listed", CRITICAL, drug(text="Hydroxocobalamin Zzpharm 1 mg/ml")),
    row("a hyphen", "two drugs in one", CRITICAL, drug(text="Cyanocobalamin-thiamine injection")),
    row("two ingredients", "no code for the product", CRITICAL, drug_by_reference({"reference": "Medication/m1"}, ingredients(coding(RXNORM, "5514"), coding(LOCAL, "B1", "thiamine")))),
)  # fmt: skip
def test_a_possible_combination_is_judged_for_what_is_dangerous(prepared, case):
    assert_right(prepared, case)


@table(
    row("oral combination in pernicious anaemia", "not a single agent for S25", silent("oralPerniciousAnaemia"), drug(text="Vitamin B12 / folic acid tablet"), problem(coding(SNOMED, "84027009")), drafts=("cyanocobalamin-oral-1000-daily",)),
    row("folic acid with B12", "not folic acid alone", silent("folateFirst"), drug(text="Folic acid + vitamin B12 tablets"), patient="nadia-petrova", drafts=("folic-acid-5mg-oral",)),
    row("combination by its ATC code", "a code for the combination", silent("imPlatelets"), drug(coding(ATC, "B03BA51"), text="Vitamin B12 combinations")),
)  # fmt: skip
def test_a_combination_is_never_taken_for_a_single_agent(prepared, case):
    assert_right(prepared, case)


@table(
    row("level", "a test", NO_CARD, drug(text="Vitamin B12 level")),
    row("serum", "a test", NO_CARD, drug(text="Vitamin B12 serum")),
    row("assay", "a test", NO_CARD, drug(text="cyanocobalamin assay")),
    row("binding", "a test", NO_CARD, drug(text="Vitamin B12 binding capacity")),
    row("antibody", "a test", NO_CARD, drug(text="B12 intrinsic factor antibody")),
    row("screen", "a test", NO_CARD, drug(text="Vitamin B12 deficiency screen")),
    row("needle", "a thing", NO_CARD, drug(text="Vitamin B12 injection needle 25G")),
    row("syringe", "a thing", NO_CARD, drug(text="B12 syringe 1 ml")),
    row("supplies", "a thing", NO_CARD, drug(text="Vitamin B12 injection supplies")),
    row("deficiency", "an illness", NO_CARD, drug(text="Vitamin B12 deficiency")),
    row("Cobalt 57", "a test of absorption", NO_CARD, drug(text="Cyanocobalamin Co 57 capsule")),
    row("Cobalt 58", "a test of absorption", NO_CARD, drug(text="cyanocobalamin (58Co) Co-58 oral")),
    row("antidote kit", "for cyanide", NO_CARD, drug(text="Hydroxocobalamin 5 g kit")),
    row("antidote kit of 2.5 g", "for cyanide", NO_CARD, drug(text="hydroxocobalamin 2.5 g powder for solution for infusion")),
    row("Cyanokit", "a brand for cyanide", NO_CARD, drug(text="Cyanokit 5 g")),
    row("B complex", "another product", NO_CARD, drug(text="Vitamin B complex injection")),
    row("three vitamins", "B12 does not stand first", NO_CARD, drug(text="Vitamin B1/B6/B12 injection")),
    row("a brand of three vitamins", "no name of a single agent", NO_CARD, drug(text="Neurobion injection")),
    row("known code, words of the antidote", "the excluded name wins", NO_CARD, drug(coding(RXNORM, "5514"), text="Hydroxocobalamin 5 g kit")),
    row("B6", "another vitamin", NO_CARD, drug(text="Vitamin B6 100 mg injection")),
    row("name elsewhere", "the drug is another", NO_CARD, drug(text="Atorvastatin 20 mg (patient also takes vitamin B12)")),
    row("a word that begins alike", "no whole word", NO_CARD, drug(text="cobalaminoid 5 mg")),
    row("B120", "no whole word", NO_CARD, drug(text="vitamin B120")),
    row("a code of RxNorm without its system", "a number may mean anything", NO_CARD, drug(coding(None, "317106"))),
    row("a code of a house that looks like RxNorm", "another system", NO_CARD, drug(coding(LOCAL, "317106", "Zz 10 mg"), text="Zz 10 mg")),
    row("known antidote by code, B12 by name", "the excluded code wins", NO_CARD, drug(coding(ATC, "V03AB33"), text="Hydroxocobalamin")),
)  # fmt: skip
def test_what_is_no_order_of_b12_gets_no_card(prepared, case):
    assert_right(prepared, case)


# --- references and ingredients


@table(
    row("relative", "a Medication beside the order", CRITICAL, drug_by_reference({"reference": "Medication/m1"}, CODED)),
    row("versioned", "with its history", CRITICAL, drug_by_reference({"reference": "Medication/m1/_history/3"}, CODED)),
    row("absolute and versioned", "both", CRITICAL, drug_by_reference({"reference": "https://ehr.example/fhir/Medication/m1/_history/3"}, CODED)),
    row("urn:uuid", "by fullUrl", CRITICAL, drug_by_reference({"reference": "urn:uuid:0e1d7f4a-0000-4000-8000-000000000001"}, CODED, full_url="urn:uuid:0e1d7f4a-0000-4000-8000-000000000001")),
    row("absolute by fullUrl", "by fullUrl", CRITICAL, drug_by_reference({"reference": "https://ehr.example/fhir/Medication/m1"}, CODED, full_url="https://ehr.example/fhir/Medication/m1")),
    row("contained", "in the order", CRITICAL, drug_by_reference({"reference": "#m1"}, CODED, contained=True)),
    row("another base in fullUrl", "a gateway in between", CRITICAL, drug_by_reference({"reference": "https://inside.example/fhir/Medication/m1"}, CODED, full_url="https://outside.example/fhir/Medication/m1")),
    row("display only", "a reference without a reference", CRITICAL, drug_by_reference({"display": "Hydroxocobalamin 1 mg/ml injection"})),
    row("missing, with a display", "the name tells", CRITICAL, drug_by_reference({"reference": "Medication/not-sent", "display": WORDS})),
    row("identifier and display", "a logical reference", CRITICAL, drug_by_reference({"identifier": {"system": LOCAL, "value": "5553"}, "display": "hydroxocobalamin"})),
    row("Medication with words only", "no code", CRITICAL, drug_by_reference({"reference": "Medication/m1"}, {"id": "m1", "code": concept(text=WORDS)})),
    row("Medication of one ingredient", "no code for the product", CRITICAL, drug_by_reference({"reference": "Medication/m1"}, ingredients(coding(RXNORM, "5514")))),
    row("Medication of one ingredient by name", "no code for the product", CRITICAL, drug_by_reference({"reference": "Medication/m1"}, {"id": "m1", "code": concept(coding(LOCAL, "P-1", "Zz")), "ingredient": [{"itemCodeableConcept": concept(text="hydroxocobalamin")}]})),
    row("Medication of one ingredient by ATC as an OID", "no code for the product", CRITICAL, drug_by_reference({"reference": "#m1"}, ingredients(coding("urn:oid:2.16.840.1.113883.6.73", "B03BA03")), contained=True)),
    row("another drug by reference", "atorvastatin", NO_CARD, drug_by_reference({"reference": "Medication/m1", "display": "Atorvastatin"}, {"id": "m1", "code": concept(coding(RXNORM, "83367"), text="atorvastatin")})),
)  # fmt: skip
def test_a_drug_is_known_through_its_reference(prepared, case):
    assert_right(prepared, case)


# --- what is recognised by name alone is not changed


def test_an_order_known_by_name_alone_gets_no_suggestion(prepared):
    case = row("by name", "", CRITICAL)
    call = call_for(prepared, case)
    drug(coding(HOUSE, "5553"), text="hydroxocobalamin 1 mg/ml injection")(call)
    answer = evaluate(prepared, prepared.pack.service_for("order-select"), encode(call.body), NOW)
    assert answer.body["cards"]
    assert not any(card.get("suggestions") for card in answer.body["cards"])


# --- folic acid and treatment on record


@table(
    row("folic acid by name", "a house code", shown("folateFirst", "warning", "critical"), drug(coding(HOUSE, "77"), text="Folic acid 5 mg tablets")),
    row("folic acid with an OID", "converters from C-CDA", shown("folateFirst", "warning", "critical"), drug(coding("urn:oid:2.16.840.1.113883.6.88", "199318"))),
    row("folic acid by its German ATC", "German national test data", shown("folateFirst", "warning", "critical"), drug(coding("http://fhir.de/CodeSystem/bfarm/atc", "B03BB01"))),
    row("folic acid, tablet first", "India", shown("folateFirst", "warning", "critical"), drug(text="Tab Folic Acid 5 mg")),
    row("folic acid as an ingredient", "no code for the product", shown("folateFirst", "warning", "critical"), drug_by_reference({"reference": "Medication/m1"}, ingredients(coding(RXNORM, "4511")))),
    row("folic acid level", "a test", NO_CARD, drug(text="Folic acid level")),
    row("folinic acid", "another drug", NO_CARD, drug(text="Folinic acid 15 mg tablets")),
)  # fmt: skip
def test_folic_acid_is_known_in_the_same_ways(prepared, case):
    assert_right(prepared, replace(case, patient="nadia-petrova", drafts=("folic-acid-5mg-oral",)))


UNDER_WAY = {"resourceType": "MedicationRequest", "status": "active", "intent": "order", "authoredOn": "2026-10-20"}


@table(
    row("treatment by an OID", "converters from C-CDA", silent("folateFirst"), on_record("medicationRequests", **UNDER_WAY, medicationCodeableConcept=concept(coding("urn:oid:2.16.840.1.113883.6.88", "317106")))),
    row("treatment by name", "a house code", silent("folateFirst"), on_record("medicationRequests", **UNDER_WAY, medicationCodeableConcept=concept(coding(HOUSE, "1"), text="hydroxocobalamin"))),
    row("treatment by name with strength", "words of a catalogue", silent("folateFirst"), on_record("medicationRequests", **UNDER_WAY, medicationCodeableConcept=concept(text="Hydroxocobalamin 1mg/1ml solution for injection ampoules"))),
    row("treatment by display of a reference", "the Medication was not sent", silent("folateFirst"), on_record("medicationRequests", **UNDER_WAY, medicationReference={"reference": "Medication/x", "display": "Hydroxocobalamin 1 mg/ml injection"})),
    row("treatment that cannot be resolved is no proof of none", "the Medication was not sent", shown("folateFirst"), on_record("medicationRequests", **UNDER_WAY, medicationReference={"reference": "Medication/x"})),
    row("nothing else on record", "the untreated case", shown("folateFirst", "warning", "critical"), sent_as("medicationRequests", lambda bundle: bundle)),
)  # fmt: skip
def test_treatment_on_record_is_known_in_the_same_ways(prepared, case):
    assert_right(prepared, replace(case, patient="nadia-petrova", drafts=("folic-acid-5mg-oral",)))


@table(
    row("words that are no name", "the code tells", CRITICAL, drug(coding(RXNORM, "317106"), text="Cobalamin depot")),
    row("do not perform", "an order not to give it", NO_CARD, order(doNotPerform=True)),
    row("only a strength", "no drug", NO_BLEEDING_CARD, drug(text="1000 mcg/ml")),
)  # fmt: skip
def test_odd_orders(prepared, case):
    assert_right(prepared, case)


# --- what is not recognised stands in explain


@table(
    row("code and words of a house", "nothing tells the drug", NO_CARD, drug(coding(LOCAL, "4711", "Zz"), text="Zz")),
    row("RxNorm without its system", "a number may mean anything", NO_CARD, drug(coding(None, "317106"))),
    row("name elsewhere in the words", "not at their beginning", NO_CARD, drug(text="Zz with vitamin B12")),
    row("reference to nothing", "the Medication was not sent", NO_CARD, drug_by_reference({"reference": "Medication/not-sent"})),
    row("no drug at all", "not chosen yet", NO_CARD, order(medicationCodeableConcept=None)),
    row("a test", "a level is no drug", NO_CARD, drug(text="Vitamin B12 level")),
)  # fmt: skip
def test_a_draft_that_is_not_recognised_has_a_line_in_explain(prepared, case):
    """A draft whose drug nothing tells may be silent, but then explain says why it was not judged (Z54)."""
    assert_right(prepared, case)
    service = prepared.pack.service_for(case.hook)
    answer = evaluate(prepared, service, encode(changed_call(prepared, case).body), NOW)
    lines = explained(prepared, service, answer, NOW)
    assert any("draft-1" in line["reference"] or "draftOrders" in line["reference"] for line in lines), lines
