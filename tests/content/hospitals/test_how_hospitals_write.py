# ruff: noqa: E501 (a row of a table is one line)
"""Fifteen requests that public reports and real files show, each with what is right.

Each is a right request changed in one place. A service that knows only tidy spellings answers most of them with no card
or with a mild one. The other files of this folder hold more of each kind.
"""

from tests.support.hospital_calls import (
    CRITICAL,
    HOUSE,
    ICD_10_GM,
    LOINC,
    RXNORM,
    allergy,
    assert_right,
    authorization,
    coding,
    count,
    counted_as,
    drug,
    drug_by_reference,
    problem,
    quantity,
    row,
    selections,
    shown,
    table,
)

HYDROXOCOBALAMIN = {
    "id": "m1",
    "code": {
        "coding": [{"system": RXNORM, "code": "317106", "display": "hydroxocobalamin 1 MG/ML Injectable Solution"}]
    },
}
BLOOD_COUNT = {
    "code": {"coding": [{"system": LOINC, "code": "58410-2", "display": "CBC panel - Blood by Automated count"}]},
    "valueQuantity": None,
    "component": [
        {
            "code": {"coding": [{"system": LOINC, "code": "777-3"}]},
            "valueQuantity": {"value": 22000, "unit": "/uL", "system": "http://unitsofmeasure.org", "code": "/uL"},
        }
    ],
}


@table(
    row("platelets per nanolitre", "valid UCUM, usual in Germany", CRITICAL, quantity(22, "/nanoliter", "/nL")),
    row("platelets x10^3/uL", "the commonest spelling in the US", CRITICAL, quantity(22, "x10^3/uL")),
    row("comparator that says equal", "made by converters from HL7 v2", CRITICAL, quantity(22, "10*3/uL", "10*3/uL", comparator="=")),
    row("platelets as a component of a blood count", "how some servers keep panels", CRITICAL, count(**BLOOD_COUNT)),
    row("LOINC as an OID", "converters from C-CDA keep the OID", CRITICAL, counted_as(coding("urn:oid:2.16.840.1.113883.6.1", "777-3"))),
    row("RxNorm as an OID", "one large EHR and converters from C-CDA send it", CRITICAL, drug(coding("urn:oid:2.16.840.1.113883.6.88", "317106"), text="Hydroxocobalamin 1 mg/mL injection")),
    row("code of the house with the exact name", "nearly every EHR before its drugs are mapped", CRITICAL, drug(coding(HOUSE, "5553", "HYDROXOCOBALAMIN 1,000 MCG/ML INJ"), text="hydroxocobalamin")),
    row("name with strength and form", "the words of an EHR's own catalogue", CRITICAL, drug(text="cyanocobalamin (VITAMIN B-12) 1,000 mcg/mL injection")),
    row("ATC under its German address", "German national test data", CRITICAL, drug(coding("http://fhir.de/CodeSystem/bfarm/atc", "B03BA03"), text="Hydroxocobalamin")),
    row("absolute reference to a Medication beside the order", "one large EHR since 2024", CRITICAL, drug_by_reference({"reference": "https://ehr.example.org/fhir/R4/Medication/m1"}, HYDROXOCOBALAMIN)),
    row("life of a token as text", "reported of a Java client", CRITICAL, authorization(expires_in="300")),
    row("selection by bare id", "clients that send ids alone", CRITICAL, selections("draft-1")),
    row("patient of a count as urn:uuid", "transaction Bundles of generated patients", CRITICAL, count(subject={"reference": "urn:uuid:kwame-mensah"})),
    row("pernicious anaemia in the German edition of ICD-10", "German national test data", shown("oralPerniciousAnaemia", "warning"), problem(coding(ICD_10_GM, "D51.0", "Vitamin-B12-Mangelanämie durch Mangel an Intrinsic-Faktor")), drafts=("cyanocobalamin-oral-1000-daily",)),
    row("allergy in words only", "allergies that were typed", shown("cobalaminAllergy", "warning"), allergy(text="Vitamin B12"), quantity(220, "10*9/L", "10*9/L")),
)  # fmt: skip
def test_what_public_reports_show_is_answered_as_it_should_be(prepared, case):
    assert_right(prepared, case)
