# ruff: noqa: E501 (a row of a table is one line)
"""Problems and allergies as hospitals write them: editions of ICD, addresses, words, states.

Pernicious anaemia is asked about by an order of tablets, which is a warning then (S25); an allergy by an injection of
someone whose platelets are good.
"""

from dataclasses import replace

from tests.support.hospital_calls import (
    HOUSE,
    ICD_10,
    ICD_10_CM,
    ICD_10_GM,
    LOCAL,
    RXNORM,
    SNOMED,
    UNII,
    allergy,
    assert_right,
    coding,
    concept,
    last_b12,
    problem,
    quantity,
    row,
    sent_as,
    shown,
    silent,
    status_of,
    table,
)

SEEN = shown("oralPerniciousAnaemia", "warning")
NOT_SEEN = silent("oralPerniciousAnaemia")
PERNICIOUS = coding(SNOMED, "84027009", "Pernicious anemia (disorder)")
TABLETS = ("cyanocobalamin-oral-1000-daily",)


def of_tablets(case):
    return replace(case, drafts=TABLETS)


@table(
    row("WHO ICD-10", "the address of HL7", SEEN, problem(coding(ICD_10, "D51.0"))),
    row("WHO ICD-10 with its year", "canonical with |", SEEN, problem(coding(f"{ICD_10}|2019", "D51.0"))),
    row("WHO ICD-10 as an OID", "European patient summaries", SEEN, problem(coding("urn:oid:2.16.840.1.113883.6.3", "D51.0"))),
    row("WHO ICD-10 over https", "rewritten by a proxy", SEEN, problem(coding("https://hl7.org/fhir/sid/icd-10", "D51.0"))),
    row("German edition with its year", "German national test data", SEEN, problem(coding(ICD_10_GM, "D51.0", version="2026"))),
    row("German edition at its older address", "before 2022", SEEN, problem(coding("http://fhir.de/CodeSystem/dimdi/icd-10-gm", "D51.0"))),
    row("Australian edition", "the address of HL7", SEEN, problem(coding("http://hl7.org/fhir/sid/icd-10-am", "D51.0"))),
    row("Canadian edition", "Canada", SEEN, problem(coding("https://fhir.infoway-inforoute.ca/CodeSystem/icd-10-ca", "D51.0"))),
    row("Brazilian edition", "Brazil", SEEN, problem(coding("http://www.saude.gov.br/fhir/r4/CodeSystem/BRCID10", "D51.0"))),
    row("ICD-10-CM as an OID", "converters from C-CDA", SEEN, problem(coding("urn:oid:2.16.840.1.113883.6.90", "D51.0"))),
    row("ICD-10-CM with a slash", "typed by hand", SEEN, problem(coding(f"{ICD_10_CM}/", "D51.0"))),
    row("SNOMED CT as an OID", "converters from C-CDA", SEEN, problem(coding("urn:oid:2.16.840.1.113883.6.96", "84027009"))),
    row("SNOMED CT with an edition", "canonical with |", SEEN, problem(coding(f"{SNOMED}|http://snomed.info/sct/731000124108", "84027009"))),
    row("ICD without a system", "its letter tells the system", SEEN, problem(coding(None, "D51.0", "Pernicious anaemia"))),
    row("code of the house beside it", "both are sent", SEEN, problem(coding(LOCAL, "PA"), coding(ICD_10, "D51.0"))),
    row("words, British", "not coded", SEEN, problem(text="Pernicious anaemia")),
    row("words, American", "not coded", SEEN, problem(text="Pernicious anemia")),
    row("words in capitals", "not coded", SEEN, problem(text="PERNICIOUS ANEMIA")),
    row("words as a display of the house", "not mapped", SEEN, problem(coding(HOUSE, "4711", "Pernicious anemia"))),
)  # fmt: skip
def test_pernicious_anaemia_is_seen(prepared, case):
    assert_right(prepared, of_tablets(case))


@table(
    row("no clinical status", "many EHRs leave it out", SEEN, problem(PERNICIOUS, clinicalStatus=None)),
    row("clinical status in words", "not coded", SEEN, problem(PERNICIOUS, clinicalStatus=concept(text="Active"))),
    row("clinical status at its older address", "before R4", SEEN, problem(PERNICIOUS, clinicalStatus=concept(coding("http://hl7.org/fhir/condition-clinical", "active")))),
    row("clinical status as a code", "STU3", shown("oralPerniciousAnaemia"), problem(PERNICIOUS, clinicalStatus="active")),
    row("resolved", "it is for life", SEEN, problem(PERNICIOUS, clinicalStatus=status_of("condition-clinical", "resolved"))),
    row("inactive", "it is for life", SEEN, problem(PERNICIOUS, clinicalStatus=status_of("condition-clinical", "inactive"))),
    row("provisional", "named so", SEEN, problem(PERNICIOUS, verificationStatus=status_of("condition-ver-status", "provisional"))),
    row("unconfirmed", "named so", SEEN, problem(PERNICIOUS, verificationStatus=status_of("condition-ver-status", "unconfirmed"))),
    row("patient by an absolute address", "with the address of the server", SEEN, problem(PERNICIOUS, subject={"reference": "https://ehr.example/fhir/Patient/kwame-mensah"})),
    row("patient as urn:uuid", "transaction Bundles", SEEN, problem(PERNICIOUS, subject={"reference": "urn:uuid:kwame-mensah"})),
    row("refuted", "it is not", NOT_SEEN, problem(PERNICIOUS, verificationStatus=status_of("condition-ver-status", "refuted"))),
    row("entered in error", "it is not", NOT_SEEN, problem(PERNICIOUS, verificationStatus=status_of("condition-ver-status", "entered-in-error"))),
    row("differential", "it may be", NOT_SEEN, problem(PERNICIOUS, verificationStatus=status_of("condition-ver-status", "differential"))),
    row("another anaemia in words", "iron", NOT_SEEN, problem(coding(SNOMED, "87522002"), text="Iron deficiency anaemia")),
    row("a family history in words", "no name of the illness", NOT_SEEN, problem(coding(SNOMED, "38341003"), text="Family history of pernicious anaemia")),
    row("another patient's", "never ours", shown("oralPerniciousAnaemia", "info"), problem(PERNICIOUS, subject={"reference": "Patient/somebody-else"})),
)  # fmt: skip
def test_the_states_of_a_problem(prepared, case):
    assert_right(prepared, of_tablets(case))


@table(
    row("all in codes of the house", "nothing is in a known system", shown("oralPerniciousAnaemia", "info"), problem(coding(LOCAL, "4711", "Zz"), text="Zz")),
    row("words that nobody knows", "not coded", shown("oralPerniciousAnaemia", "info"), problem(text="Zz")),
    row("no code", "only an id", shown("oralPerniciousAnaemia", "info"), problem()),
)  # fmt: skip
def test_problems_that_nobody_understands_are_not_no_problems(prepared, case):
    assert_right(prepared, of_tablets(case))


# --- codes that mean something else in another edition


@table(
    row("N18.6 of ICD-10-CM", "end stage renal disease", shown("renalAgent"), problem(coding(ICD_10_CM, "N18.6"))),
    row("N18.6 of WHO", "there is none", silent("renalAgent"), problem(coding(ICD_10, "N18.6"))),
    row("N18.6 of the German edition", "there is none", silent("renalAgent"), problem(coding(ICD_10_GM, "N18.6"))),
    row("N18.4 of the German edition", "stage 4, as in WHO's", shown("renalAgent"), problem(coding(ICD_10_GM, "N18.4"))),
)  # fmt: skip
def test_kidney_disease_by_edition(prepared, case):
    assert_right(prepared, replace(case, drafts=("cyanocobalamin-im-monthly",)))


@table(
    row("TTP by SNOMED CT as an OID", "converters from C-CDA", shown("imPlatelets", "critical", topic="imPlateletsTransfusionNotCovered"), problem(coding("urn:oid:2.16.840.1.113883.6.96", "78129009"))),
    row("TTP by WHO ICD-10", "M31.1", shown("imPlatelets", "critical", topic="imPlateletsTransfusionNotCovered"), problem(coding(ICD_10, "M31.1"))),
    row("TTP by ICD-10-CM", "M31.19", shown("imPlatelets", "critical", topic="imPlateletsTransfusionNotCovered"), problem(coding(ICD_10_CM, "M31.19"))),
    row("TTP in words", "not coded", shown("imPlatelets", "critical", topic="imPlateletsTransfusionNotCovered"), problem(text="Thrombotic thrombocytopenic purpura")),
    row("ITP by the German edition", "D69.3", shown("imPlatelets", "critical", topic="imPlateletsTransfusionNotCovered"), problem(coding(ICD_10_GM, "D69.3"))),
    row("a problem that nobody knows", "the advice must not be lost", shown("imPlatelets", "critical"), problem(coding(LOCAL, "4711", "Zz"))),
)  # fmt: skip
def test_disorders_for_which_transfusion_is_not_covered(prepared, case):
    assert_right(prepared, case)


# --- allergies


ALLERGIC = shown("cobalaminAllergy", "warning")
NOT_ALLERGIC = silent("cobalaminAllergy")
PLENTY = quantity(220, "10*9/L", "10*9/L")


def reaction(*codings, text=None):
    return [{"substance": concept(*codings, text=text), "manifestation": [{"text": "Anaphylaxis"}]}]


@table(
    row("vitamin B12 in words", "typed", ALLERGIC, allergy(text="vitamin b12"), PLENTY),
    row("B-12 in words", "typed", ALLERGIC, allergy(text="Vitamin B-12"), PLENTY),
    row("cyanocobalamin in words", "typed", ALLERGIC, allergy(text="Cyanocobalamin"), PLENTY),
    row("hydroxocobalamin in capitals", "typed", ALLERGIC, allergy(text="HYDROXOCOBALAMIN"), PLENTY),
    row("name with strength", "picked from a catalogue of drugs", shown("cobalaminAllergy"), allergy(text="Hydroxocobalamin 1 mg/ml injection"), PLENTY),
    row("cobalt in words", "typed", ALLERGIC, allergy(text="Cobalt"), PLENTY),
    row("code of the house with a name", "not mapped", ALLERGIC, allergy(coding(HOUSE, "99", "VITAMIN B12")), PLENTY),
    row("RxNorm as an OID", "converters from C-CDA", ALLERGIC, allergy(coding("urn:oid:2.16.840.1.113883.6.88", "11248")), PLENTY),
    row("UNII as an OID", "converters from C-CDA", ALLERGIC, allergy(coding("urn:oid:2.16.840.1.113883.4.9", "P6YC3EG204")), PLENTY),
    row("UNII without a system", "its form tells the system", ALLERGIC, allergy(coding(None, "P6YC3EG204", "Cyanocobalamin")), PLENTY),
    row("substance of the reaction by code", "the code stands there only", ALLERGIC, allergy(reaction=reaction(coding(RXNORM, "11248")), code=None), PLENTY),
    row("substance of the reaction in words", "the words stand there only", ALLERGIC, allergy(reaction=reaction(text="hydroxocobalamin"), code=None), PLENTY),
    row("substance of the reaction beside a class", "the code is wider", ALLERGIC, allergy(coding(SNOMED, "416098002", "Drug allergy"), reaction=reaction(coding(UNII, "P6YC3EG204"))), PLENTY),
    row("no clinical status", "many EHRs leave it out", ALLERGIC, allergy(coding(RXNORM, "11248"), clinicalStatus=None), PLENTY),
    row("no verification", "many EHRs leave it out", ALLERGIC, allergy(coding(RXNORM, "11248"), verificationStatus=None), PLENTY),
    row("clinical status as a code", "STU3", shown("cobalaminAllergy"), allergy(coding(RXNORM, "11248"), clinicalStatus="active"), PLENTY),
    row("clinical status in words", "not coded", ALLERGIC, allergy(coding(RXNORM, "11248"), clinicalStatus=concept(text="Active")), PLENTY),
    row("patient by an absolute address", "with the address of the server", ALLERGIC, allergy(coding(RXNORM, "11248"), patient={"reference": "https://ehr.example/fhir/Patient/kwame-mensah"}), PLENTY),
)  # fmt: skip
def test_an_allergy_to_b12_is_seen(prepared, case):
    assert_right(prepared, case)


@table(
    row("refuted", "it is not", NOT_ALLERGIC, allergy(coding(RXNORM, "11248"), verificationStatus=status_of("allergyintolerance-verification", "refuted")), PLENTY),
    row("entered in error", "it is not", NOT_ALLERGIC, allergy(coding(RXNORM, "11248"), verificationStatus=status_of("allergyintolerance-verification", "entered-in-error")), PLENTY),
    row("penicillin by code", "another drug", NOT_ALLERGIC, allergy(coding(RXNORM, "7980", "penicillin G")), PLENTY),
    row("no known allergy by code", "said to have none", NOT_ALLERGIC, allergy(coding(SNOMED, "716186003", "No known allergy")), PLENTY),
)  # fmt: skip
def test_what_is_no_allergy_to_b12_is_silent(prepared, case):
    assert_right(prepared, case)


@table(
    row("code of the house in words that nobody knows", "nothing is in a known system", shown("cobalaminAllergy"), allergy(coding(LOCAL, "4711", "Zz"), text="Zz"), PLENTY),
    row("no code", "only an id", shown("cobalaminAllergy"), allergy(code=None), PLENTY),
    row("reaction to something that nobody knows", "no code", shown("cobalaminAllergy"), allergy(code=None, reaction=reaction(text="Zz")), PLENTY),
)  # fmt: skip
def test_allergies_that_nobody_understands_are_not_no_allergies(prepared, case):
    assert_right(prepared, case)


# --- the flag of the laboratory tells that B12 is low (D1)


FLAGGED = shown("folateFirst", "warning", "critical")
V3 = "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation"
UNFLAGGED = {"interpretation": None, "referenceRange": None}


def flag(system, code, **more):
    return {"interpretation": [concept(coding(system, code))], "referenceRange": None} | more


@table(
    row("L", "HL7 v3", FLAGGED, last_b12(**flag(V3, "L"))),
    row("LL", "HL7 v3", FLAGGED, last_b12(**flag(V3, "LL"))),
    row("LU", "HL7 v3, significantly low", FLAGGED, last_b12(**flag(V3, "LU"))),
    row("v3 at its older address", "before 2018", FLAGGED, last_b12(**flag("http://hl7.org/fhir/v3/ObservationInterpretation", "L"))),
    row("table 0078 of HL7 v2", "laboratories send messages", FLAGGED, last_b12(**flag("http://terminology.hl7.org/CodeSystem/v2-0078", "L"))),
    row("table 0078 at its older address", "before 2018", FLAGGED, last_b12(**flag("http://hl7.org/fhir/v2/0078", "L"))),
    row("below the scale", "the sign of table 0078", FLAGGED, last_b12(**flag("http://terminology.hl7.org/CodeSystem/v2-0078", "<"))),
    row("v3 as an OID", "converters from C-CDA", FLAGGED, last_b12(**flag("urn:oid:2.16.840.1.113883.5.83", "L"))),
    row("low in words", "not coded", FLAGGED, last_b12(interpretation=[concept(text="Low")], referenceRange=None)),
    row("critical low in words", "not coded", FLAGGED, last_b12(interpretation=[concept(text="critical low")], referenceRange=None)),
    row("one concept and no list", "STU3", FLAGGED, last_b12(interpretation=concept(coding(V3, "L")), referenceRange=None)),
    row("below a range without a unit", "the unit is that of the value", FLAGGED, last_b12(interpretation=None, referenceRange=[{"low": {"value": 187}}])),
    row("high", "not low", silent("folateFirst"), last_b12(**flag(V3, "H"))),
    row("normal", "not low", silent("folateFirst"), last_b12(**flag(V3, "N"))),
    row("within its range", "not low", silent("folateFirst"), last_b12(interpretation=None, referenceRange=[{"low": {"value": 50}}])),
)  # fmt: skip
def test_b12_flagged_low_by_the_laboratory(prepared, case):
    """The patient has no problem on record but hypertension, so that the result alone tells that B12 is lacking."""
    only_hypertension = problem(coding(SNOMED, "38341003"), text="Hypertension")
    case = replace(case, changes=(only_hypertension, *case.changes), drafts=("folic-acid-5mg-oral",))
    assert_right(prepared, case)


@table(
    row("no problems at all", "the base of the table above", silent("oralPerniciousAnaemia"), sent_as("conditions", lambda _: {"resourceType": "Bundle", "type": "searchset", "entry": []})),
)  # fmt: skip
def test_without_problems_there_is_nothing_to_say(prepared, case):
    assert_right(prepared, of_tablets(case))
