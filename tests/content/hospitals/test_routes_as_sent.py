# ruff: noqa: E501 (a row of a table is one line)
"""How hospitals write the route of an order, and what is judged where it cannot be read (Z49).

The order is hydroxocobalamin for a man with 22 platelets: into the muscle it is critical, into a vein or by mouth not.
"""

from dataclasses import replace

from tests.support.hospital_calls import (
    CRITICAL,
    LOCAL,
    NO_BLEEDING_CARD,
    NO_CARD,
    RXNORM,
    SNOMED,
    SPEAKS,
    assert_right,
    coding,
    concept,
    dosage,
    drug,
    order,
    quantity,
    route,
    row,
    shown,
    table,
    wordless,
)

V3 = "http://terminology.hl7.org/CodeSystem/v3-RouteOfAdministration"


@table(
    row("words", "not coded", CRITICAL, route(text="Intramuscular")),
    row("IM", "two letters", CRITICAL, route(text="IM")),
    row("i.m.", "with dots", CRITICAL, route(text="i.m.")),
    row("intramuscular route", "words of a list", CRITICAL, route(text="intramuscular route")),
    row("SNOMED CT as an OID", "converters from C-CDA", CRITICAL, route(coding("urn:oid:2.16.840.1.113883.6.96", "78421000"))),
    row("v3 as an OID", "converters from C-CDA", CRITICAL, route(coding("urn:oid:2.16.840.1.113883.5.112", "IM"))),
    row("v3 at its older address", "before 2018", CRITICAL, route(coding("http://hl7.org/fhir/v3/RouteOfAdministration", "IM"))),
    row("v3 with a version", "canonical with |", CRITICAL, route(coding(f"{V3}|2018-08-12", "IM"))),
    row("table 0162 of HL7 v2", "EHRs that grew from messages", CRITICAL, route(coding("http://terminology.hl7.org/CodeSystem/v2-0162", "IM"))),
    row("table 0162 at its older address", "before 2018", CRITICAL, route(coding("http://hl7.org/fhir/v2/0162", "IM"))),
    row("EDQM", "European patient summaries", CRITICAL, route(coding("http://standardterms.edqm.eu", "20035000", "Intramuscular use"))),
    row("EDQM as an OID", "European patient summaries", CRITICAL, route(coding("urn:oid:0.4.0.127.0.16.1.1.2.1", "20035000", "Intramuscular use"))),
    row("NCI", "product labels", CRITICAL, route(coding("http://ncicb.nci.nih.gov/xml/owl/EVS/Thesaurus.owl", "C28161"))),
    row("code of the house with words", "not mapped", CRITICAL, route(coding(LOCAL, "15", "Intramuscular"))),
)  # fmt: skip
def test_a_route_into_the_muscle_is_read(prepared, case):
    assert_right(prepared, case)


@table(
    row("left out", "the product is an injection", CRITICAL, route()),
    row("unknown code", "the product is an injection", CRITICAL, route(coding(LOCAL, "zz"))),
    row("unknown words", "the product is an injection", CRITICAL, route(text="as directed")),
    row("other in a list", "the product is an injection", CRITICAL, route(coding(LOCAL, "OTH", "Other"))),
    row("injection", "into what?", CRITICAL, route(text="Injection")),
    row("no route and no form of hydroxocobalamin", "it is an injection", CRITICAL, drug(coding(RXNORM, "5514", "hydroxocobalamin")), route(), wordless),
    row("code into the muscle, words by mouth", "which of the two?", SPEAKS, route(coding(SNOMED, "78421000"), text="Oral")),
    row("two codes that disagree", "which of the two?", SPEAKS, route(coding(SNOMED, "78421000"), coding(SNOMED, "26643006"))),
)  # fmt: skip
def test_a_route_that_cannot_be_read_is_judged_by_the_product(prepared, case):
    assert_right(prepared, case)


@table(
    row("agent not stated, 22", "one step lower than S12", shown("imPlatelets", "warning"), drug(coding(RXNORM, "11248", "Vitamin B 12")), route(), wordless),
    row("agent not stated, 40", "one step lower than S11", shown("imPlatelets", "info"), drug(coding(RXNORM, "11248", "Vitamin B 12")), route(), wordless, quantity(40, "10*9/L", "10*9/L")),
    row("agent not stated, daily without an end", "as tablets are taken", NO_BLEEDING_CARD, drug(coding(RXNORM, "11248", "Vitamin B 12")), route(), wordless, dosage(timing={"repeat": {"frequency": 1, "period": 1, "periodUnit": "d"}})),
)  # fmt: skip
def test_neither_route_nor_form(prepared, case):
    assert_right(prepared, case)


@table(
    row("by mouth in words", "not coded", NO_BLEEDING_CARD, route(text="oral")),
    row("PO", "two letters", NO_BLEEDING_CARD, route(text="PO")),
    row("p.o. by EDQM", "European patient summaries", NO_BLEEDING_CARD, route(coding("http://standardterms.edqm.eu", "20053000", "Oral use"))),
    row("under the skin in words", "not coded", NO_BLEEDING_CARD, route(text="subcutaneous")),
    row("s.c.", "with dots", NO_BLEEDING_CARD, route(text="s.c.")),
    row("under the skin by EDQM", "European patient summaries", NO_BLEEDING_CARD, route(coding("http://standardterms.edqm.eu", "20066000", "Subcutaneous use"))),
    row("into a vein in words", "not coded", NO_BLEEDING_CARD, route(text="intravenous")),
    row("into a vein by EDQM", "European patient summaries", NO_BLEEDING_CARD, route(coding("http://standardterms.edqm.eu", "20045000", "Intravenous use"))),
    row("nasal by v2", "EHRs that grew from messages", NO_BLEEDING_CARD, route(coding("http://terminology.hl7.org/CodeSystem/v2-0162", "NS"))),
)  # fmt: skip
def test_a_route_past_the_muscle_needs_no_count(prepared, case):
    assert_right(prepared, case)


@table(
    row("IV in words", "not coded", shown("ivCyanocobalamin", "warning"), route(text="Intravenous")),
    row("i.v.", "with dots", shown("ivCyanocobalamin", "warning"), route(text="i.v.")),
    row("IV by table 0162", "EHRs that grew from messages", shown("ivCyanocobalamin", "warning"), route(coding("http://terminology.hl7.org/CodeSystem/v2-0162", "IV"))),
    row("IV by EDQM", "European patient summaries", shown("ivCyanocobalamin", "warning"), route(coding("http://standardterms.edqm.eu", "20045000", "Intravenous use"))),
    row("IV by SNOMED CT as an OID", "converters from C-CDA", shown("ivCyanocobalamin", "warning"), route(coding("urn:oid:2.16.840.1.113883.6.96", "47625008"))),
)  # fmt: skip
def test_cyanocobalamin_into_a_vein_is_seen(prepared, case):
    assert_right(prepared, replace(case, drafts=("cyanocobalamin-iv",)))


@table(
    row("another drug into the muscle", "not ours", NO_CARD, drug(coding(RXNORM, "83367"), text="atorvastatin"), route(text="IM")),
    row("a route as a string", "no concept", SPEAKS, dosage(route="IM")),
    row("a list of routes", "R5 or a slip", SPEAKS, dosage(route=[concept(text="IM")])),
    row("no dosage at all", "only a drug", CRITICAL, order(dosageInstruction=None)),
)  # fmt: skip
def test_odd_routes(prepared, case):
    assert_right(prepared, case)
