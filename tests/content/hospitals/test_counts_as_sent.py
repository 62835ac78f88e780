# ruff: noqa: E501 (a row of a table is one line)
"""Platelet counts as laboratories and EHRs send them: units, codes, values, states, dates, shapes and subjects.

The order is right and the count is 22, or another number where a row says so; so most rows must end critical. A number
that cannot be read for certain but is low is a warning that quotes it (Z45); what must not be guessed stays unread.
"""

import json
from dataclasses import replace

from tests.support.hospital_calls import (
    CRITICAL,
    FLAGS,
    LOCAL,
    LOINC,
    NO_BLEEDING_CARD,
    NOW,
    REFUSED_OR_SAID,
    SPEAKS,
    THIN_NEEDLE,
    UCUM,
    Right,
    assert_right,
    at_least_warning,
    coding,
    concept,
    count,
    counted_as,
    in_bytes,
    older_count,
    on_record,
    only_info,
    quantity,
    row,
    sent_as,
    shown,
    silent,
    table,
    taken,
    uncertain,
)

PANEL = coding(LOINC, "58410-2", "CBC panel - Blood by Automated count")
PLATELETS = coding(LOINC, "777-3", "Platelets [#/volume] in Blood by Automated count")
IN_UCUM = {"value": 22, "unit": "10*9/L", "system": UCUM, "code": "10*9/L"}
OTHER_PARTS = [
    {"code": concept(coding(LOINC, "6690-2", "Leukocytes")), "valueQuantity": {"value": 5.1, "unit": "10*3/uL"}},
    {"code": concept(coding(LOINC, "718-7", "Hemoglobin")), "valueQuantity": {"value": 13.1, "unit": "g/dL"}},
]


def low(code, system=FLAGS):
    return [concept(coding(system, code))]


# --- units


@table(
    row("10*9/L in the code alone", "no unit for people", CRITICAL, quantity(22, None, "10*9/L")),
    row("giga per litre in the unit alone", "no code", CRITICAL, quantity(22, "G/L")),
    row("unit system with a slash", "typed by hand", CRITICAL, quantity(22, "10*9/L", "10*9/L", f"{UCUM}/")),
    row("unit system over https", "rewritten by a proxy", CRITICAL, quantity(22, "10*9/L", "10*9/L", "https://unitsofmeasure.org")),
    row("unit system as an OID", "converters from C-CDA", CRITICAL, quantity(22, "10*9/L", "10*9/L", "urn:oid:2.16.840.1.113883.6.8")),
    row("unit system of a house", "a code that is no UCUM", CRITICAL, quantity(22, "10^9/L", "10^9/L", LOCAL)),
    row("thousands in the German way", "Tsd. for thousand", CRITICAL, quantity(22, "Tsd./µl")),
    row("Gpt/l", "German laboratories", CRITICAL, quantity(22, "Gpt/l")),
    row("Mrd/l", "German laboratories", CRITICAL, quantity(22, "Mrd/l")),
    row("superscript", "typed for people", CRITICAL, quantity(22, "×10⁹/L")),
    row("double star", "written as in a program", CRITICAL, quantity(22, "10**9/L")),
    row("capital E", "written as a floating number", CRITICAL, quantity(22, "10E3/uL")),
    row("x1000/mm3", "cubic millimetres", CRITICAL, quantity(22, "x1000/mm3")),
    row("THOU/UL", "a unit in capitals", CRITICAL, quantity(22, "THOU/UL")),
    row("K/mcL", "safe writing of micro", CRITICAL, quantity(22, "K/mcL")),
    row("cells per cubic millimetre", "counted one by one", CRITICAL, quantity(22000, "cells/cu mm")),
    row("annotated UCUM", "what is counted stands in braces", CRITICAL, quantity(22, "10*9/L", "10*9{platelets}/L")),
    row("counted per microlitre, annotated", "what is counted stands in braces", CRITICAL, quantity(22000, "#/uL", "{#}/uL")),
    row("lakhs", "India", CRITICAL, quantity(0.22, "lakhs/cumm")),
    row("powers with minus", "written without a stroke", CRITICAL, quantity(22, "10*3.uL-1", "10*3.uL-1")),
)  # fmt: skip
def test_a_unit_that_means_one_thing_is_read(prepared, case):
    assert_right(prepared, case)


@table(
    row("grams per litre", "a unit of haemoglobin", uncertain("22"), quantity(22, "g/L", "g/L")),
    row("millions", "M may be mega or milli", uncertain("22"), quantity(22, "M/uL")),
    row("millions by m", "m may be milli", uncertain("22"), quantity(22, "m/uL")),
    row("tera", "as for red cells", uncertain("22"), quantity(22, "T/L")),
    row("mil", "thousand in one language, million in another", uncertain("22"), quantity(22, "mil/mm3")),
    row("thousands per litre", "a slip that no patient has", uncertain("22"), quantity(22, "10*3/L", "10*3/L")),
    row("10^12/L", "as for red cells", uncertain("22"), quantity(22, "10^12/L")),
    row("per field", "a microscope's field", uncertain("22"), quantity(22, "/HPF", "/[HPF]")),
    row("kelvin per litre", "K needs a volume of a microlitre", uncertain("22"), quantity(22, "K/L")),
    row("10^3 without a volume", "of what?", uncertain("22"), quantity(22, "10^3")),
    row("no unit", "only a number", uncertain("22"), quantity(22)),
    row("unit and code that disagree", "which of the two?", uncertain("22"), quantity(22, "10*9/L", "/uL")),
    row("per microlitre of a number in thousands", "22 /uL is no patient", uncertain("22"), quantity(22, "/uL", "/uL")),
    row("thousands sent as single cells", "22000 x10^9/L is no patient", uncertain("22000"), quantity(22000, "10*9/L", "10*9/L")),
)  # fmt: skip
def test_a_low_number_in_a_unit_that_must_not_be_guessed_is_a_warning_that_quotes_it(prepared, case):
    assert_right(prepared, case)


@table(
    row("no unit, not low", "220 of something", only_info(), quantity(220)),
    row("grams per litre, not low", "220 of something", only_info(), quantity(220, "g/L", "g/L")),
    row("perhaps thousands", "250 /uL is no patient", only_info("perhaps"), quantity(250, "/uL", "/uL")),
    row("too many", "110000 x10^9/L is no patient", only_info(), quantity(110000, "10*9/L", "10*9/L")),
    row("thousands separator", "1,220 or 1.22?", SPEAKS, quantity("22,000", "/uL", "/uL")),
    row("number as text", "JSON made from strings", SPEAKS, quantity("22", "10*9/L", "10*9/L")),
    row("words for a value", "as text", SPEAKS, count(valueQuantity=None, valueString="22 x10^9/L (clumped)")),
)  # fmt: skip
def test_what_cannot_be_read_is_said(prepared, case):
    assert_right(prepared, case)


# --- the number


@table(
    row("less than 10", "too few to count", CRITICAL, quantity(10, "10*9/L", "10*9/L", comparator="<")),
    row("at most 24", "an upper limit below 25", CRITICAL, quantity(24, "10*9/L", "10*9/L", comparator="<=")),
    row("range below 25", "from 20 to 24", CRITICAL, count(valueQuantity=None, valueRange={"low": IN_UCUM | {"value": 20}, "high": IN_UCUM | {"value": 24}})),
    row("less than 50", "low, in no single band", uncertain("50"), quantity(50, "10*9/L", "10*9/L", comparator="<")),
    row("at most 25", "low, in no single band", uncertain("25"), quantity(25, "10*9/L", "10*9/L", comparator="<=")),
    row("range across the edge", "from 20 to 40, low in no single band", uncertain("20"), count(valueQuantity=None, valueRange={"low": IN_UCUM | {"value": 20}, "high": IN_UCUM | {"value": 40}})),
    row("more than 20", "may be anything above", only_info(), quantity(20, "10*9/L", "10*9/L", comparator=">")),
    row("more than 50", "surely above", NO_BLEEDING_CARD, quantity(50, "10*9/L", "10*9/L", comparator=">")),
    row("at least 60", "surely above", NO_BLEEDING_CARD, quantity(60, "10*9/L", "10*9/L", comparator=">=")),
    row("comparator that nobody knows", "a sign of its own", SPEAKS, quantity(22, "10*9/L", "10*9/L", comparator="~")),
    row("comparator of R5", "sufficient to achieve", SPEAKS, quantity(22, "10*9/L", "10*9/L", comparator="ad")),
    row("equal to 40", "equals is no limit", THIN_NEEDLE, quantity(40, "10*9/L", "10*9/L", comparator="=")),
    row("whole number without a unit", "valueInteger has no unit", at_least_warning("22"), count(valueQuantity=None, valueInteger=22)),
    row("no value", "only a reason", SPEAKS, count(valueQuantity=None, dataAbsentReason=concept(text="clumped"))),
    row("zero", "none seen", CRITICAL, quantity(0, "10*9/L", "10*9/L")),
    row("negative", "no number of cells", SPEAKS, quantity(-22, "10*9/L", "10*9/L")),
)  # fmt: skip
def test_limits_ranges_and_missing_values(prepared, case):
    assert_right(prepared, case)


# --- how certain


@table(
    row("preliminary", "not yet final", uncertain("22"), count(status="preliminary")),
    row("registered with a number", "not yet final", uncertain("22"), count(status="registered")),
    row("status left out", "mandatory, but left out", uncertain("22"), count(status=None)),
    row("status unknown", "the code unknown of FHIR", uncertain("22"), count(status="unknown")),
    row("status of a house", "no code of FHIR", uncertain("22"), count(status="verified-by-lab")),
    row("modifier extension", "may turn the meaning", uncertain("22"), count(modifierExtension=[{"url": "https://hospital.example/x", "valueBoolean": True}])),
    row("patient by identifier only", "no reference", uncertain("22"), count(subject={"identifier": {"system": LOCAL, "value": "4711"}})),
    row("date that cannot be read", "words for a date", uncertain("22"), count(effectiveDateTime="last week", issued=None)),
    row("date in the future", "a clock that is wrong", uncertain("22"), count(effectiveDateTime="2027-11-21T08:00:00Z", issued=None)),
    row("no date", "mandatory for a laboratory, but left out", uncertain("22"), count(effectiveDateTime=None, issued=None)),
    row("preliminary, after a good one", "the older one is judged too", uncertain("22"), count(status="preliminary"), older_count(180, 9)),
    row("not final and not low", "220 that may change", only_info(), count(status="preliminary"), quantity(220, "10*9/L", "10*9/L")),
    row("flagged low, no unit", "the laboratory says low", uncertain("90"), quantity(90), count(interpretation=low("L"))),
    row("flagged low by the old table", "HL7 v2-0078", uncertain("90"), quantity(90), count(interpretation=low("LL", "http://hl7.org/fhir/v2/0078"))),
    row("flagged low in words", "no code", uncertain("90"), quantity(90), count(interpretation=[concept(text="Critical low")])),
    row("below its own range, no unit", "the range tells", uncertain("90"), quantity(90), count(referenceRange=[{"low": {"value": 150}}])),
    row("within its own range, no unit", "the range tells", only_info(), quantity(220), count(referenceRange=[{"low": {"value": 150}}])),
    row("flagged high, no unit", "high is not low", only_info(), quantity(620), count(interpretation=low("H"))),
)  # fmt: skip
def test_a_result_that_is_not_certain_is_a_warning_where_it_is_low(prepared, case):
    assert_right(prepared, case)


@table(
    row("unreadable after a low one", "the older one is quoted", at_least_warning("31"), count(valueQuantity=None), older_count(31, 6)),
    row("unreadable after a good one", "the older one is quoted", SPEAKS, count(valueQuantity=None), older_count(180, 6)),
    row("unit unknown after a low one", "the more severe card stands", CRITICAL, quantity(90, "g/L"), older_count(22, 6)),
    row("low without a unit after a good one", "never passed over", uncertain("22"), quantity(22), older_count(180, 6)),
    row("entered in error after a good one", "as if it were not there", NO_BLEEDING_CARD, count(status="entered-in-error"), older_count(180, 6)),
    row("cancelled after a good one", "as if it were not there", NO_BLEEDING_CARD, count(status="cancelled"), older_count(180, 6)),
    row("entered in error after a low one", "the older one stands", CRITICAL, count(status="entered-in-error"), quantity(220, "10*9/L", "10*9/L"), older_count(22, 6)),
    row("two at one time", "the lower counts", CRITICAL, quantity(220, "10*9/L", "10*9/L"), older_count(22, 2, effectiveDateTime="2026-11-21T08:21:00Z")),
    row("another analyte newer", "haemoglobin under the key", CRITICAL, on_record("platelets", resourceType="Observation", status="final", code=concept(coding(LOINC, "718-7")), valueQuantity={"value": 13, "unit": "g/dL"}, effectiveDateTime="2026-11-22T08:00:00Z")),
    row("corrected", "a status that counts", CRITICAL, count(status="corrected")),
    row("amended", "a status that counts", CRITICAL, count(status="amended")),
)  # fmt: skip
def test_of_several_results_none_is_passed_over(prepared, case):
    assert_right(prepared, case)


# --- when


@table(
    row("issued only", "no time of taking", CRITICAL, count(effectiveDateTime=None, issued="2026-11-21T09:40:00Z")),
    row("a day", "no time", CRITICAL, count(effectiveDateTime="2026-11-21")),
    row("a period", "from and to", CRITICAL, count(effectiveDateTime=None, issued=None, effectivePeriod={"start": "2026-11-21T08:00:00Z", "end": "2026-11-21T08:10:00Z"})),
    row("an instant", "to the millisecond", CRITICAL, count(effectiveDateTime=None, issued=None, effectiveInstant="2026-11-21T08:21:00.123Z")),
    row("another offset", "a zone far away", CRITICAL, count(effectiveDateTime="2026-11-21T21:21:00+13:00")),
    row("30 days ago", "the last day that counts", CRITICAL, taken(30)),
    row("31 days ago and low", "old, and a new count is wanted", only_info("22"), taken(31)),
    row("400 days ago and not low", "old, and was good", NO_BLEEDING_CARD, taken(400), count(valueQuantity=IN_UCUM | {"value": 210})),
    row("a day without strokes", "as HL7 v2 writes it", at_least_warning("22"), count(effectiveDateTime="20261121", issued=None)),
    row("a space for the T", "as databases write it", at_least_warning("22"), count(effectiveDateTime="2026-11-21 08:21:00", issued=None)),
)  # fmt: skip
def test_when_a_result_was_taken(prepared, case):
    assert_right(prepared, case)


# --- what it is


@table(
    row("LOINC over https", "rewritten by a proxy", CRITICAL, counted_as(coding("https://loinc.org", "777-3"))),
    row("LOINC with a slash", "typed by hand", CRITICAL, counted_as(coding("http://loinc.org/", "26515-7"))),
    row("LOINC with a version", "canonical with |", CRITICAL, counted_as(coding("http://loinc.org|2.76", "777-3"))),
    row("LOINC with a capital host", "typed by hand", CRITICAL, counted_as(coding("http://LOINC.org", "777-3"))),
    row("OID without urn", "converters from C-CDA", CRITICAL, counted_as(coding("2.16.840.1.113883.6.1", "777-3"))),
    row("SNOMED CT as an OID", "converters from C-CDA", CRITICAL, counted_as(coding("urn:oid:2.16.840.1.113883.6.96", "61928009"))),
    row("SNOMED CT with an edition", "canonical with |", CRITICAL, counted_as(coding("http://snomed.info/sct|http://snomed.info/sct/83821000000107", "1022651000000100"))),
    row("LOINC without a system", "its check digit is right", CRITICAL, counted_as(coding(None, "777-3", "Platelets"))),
    row("code of the house beside LOINC", "both are sent", CRITICAL, counted_as(coding(LOCAL, "PLT", "Thrombozyten"), PLATELETS)),
    row("code of the house alone", "not mapped", at_least_warning("22"), counted_as(coding(LOCAL, "PLT", "Platelets"), text="Platelets")),
    row("code of the house in words that nobody knows", "not mapped", SPEAKS, counted_as(coding(LOCAL, "4711", "Zz"), text="Zz")),
    row("words alone", "not coded", at_least_warning("22"), counted_as(text="Platelet count")),
    row("no code at all", "left out", SPEAKS, count(code=None)),
    row("a code with a wrong check digit", "a slip of the pen", SPEAKS, counted_as(coding(LOINC, "777-4"))),
    row("two analytes in one", "platelets by code, magnesium by name", SPEAKS, counted_as(coding(LOINC, "777-3", "Magnesium"), text="Magnesium")),
)  # fmt: skip
def test_a_result_that_is_a_platelet_count_is_seen_as_such(prepared, case):
    assert_right(prepared, case)


@table(
    row("haemoglobin", "a server that ignores the filter", NO_BLEEDING_CARD, counted_as(coding(LOINC, "718-7", "Hemoglobin"), text="Haemoglobin")),
    row("mean platelet volume", "of platelets, but no count", NO_BLEEDING_CARD, counted_as(coding(LOINC, "32623-1", "Platelet mean volume")), quantity(9.1, "fL", "fL")),
    row("leukocytes", "a server that ignores the filter", NO_BLEEDING_CARD, counted_as(coding(LOINC, "6690-2", "Leukocytes"))),
)  # fmt: skip
def test_a_result_of_another_analyte_says_nothing_of_platelets(prepared, case):
    assert_right(prepared, case)


# --- where it stands


def _in_panel(call):
    call.count.update(
        code=concept(PANEL), component=[*OTHER_PARTS, {"code": concept(PLATELETS), "valueQuantity": IN_UCUM}]
    )
    del call.count["valueQuantity"]


def _contained(call):
    inner = {
        "resourceType": "Observation",
        "id": "plt",
        "status": "final",
        "code": concept(PLATELETS),
        "valueQuantity": IN_UCUM,
    }
    call.count.update(code=concept(PANEL), contained=[inner], hasMember=[{"reference": "#plt"}])
    del call.count["valueQuantity"]


def _member(call):
    member = json.loads(json.dumps(call.count)) | {"id": "plt-member", "code": concept(PLATELETS)}
    call.count.update(code=concept(PANEL), hasMember=[{"reference": "Observation/plt-member"}])
    del call.count["valueQuantity"]
    call.entries("platelets").append({"resource": member, "search": {"mode": "include"}})


def _member_without_subject(call):
    _member(call)
    del call.entries("platelets")[1]["resource"]["subject"]
    del call.entries("platelets")[1]["resource"]["effectiveDateTime"]


def _patient_included(call):
    call.entries("platelets").append({"resource": call.body["prefetch"]["patient"], "search": {"mode": "include"}})


def _report(call):
    observation = dict(call.count) | {"id": "plt"}
    report = {
        "resourceType": "DiagnosticReport",
        "id": "r1",
        "status": "final",
        "code": concept(PANEL),
        "subject": call.count["subject"],
        "contained": [observation],
        "result": [{"reference": "#plt"}],
    }
    call.entries("platelets")[0] = {"resource": report}


def _panel_with_flag(call):
    call.count.update(
        code=concept(text="Complete blood count"),
        component=[
            {
                "code": concept(coding(LOCAL, "PLT", "Platelets")),
                "valueQuantity": {"value": 22},
                "interpretation": low("LL"),
            }
        ],
    )
    del call.count["valueQuantity"]


@table(
    row("component among others", "a blood count as one resource", CRITICAL, _in_panel),
    row("component without a LOINC code", "a panel of the house", at_least_warning("22"), _panel_with_flag),
    row("contained in its panel", "results that have no life of their own", CRITICAL, _contained),
    row("member of a panel beside it", "included with the panel", CRITICAL, _member),
    row("member that leaves to the panel what it shares", "patient and date stand on the panel", at_least_warning("22"), _member_without_subject),
    row("patient included", "a server that includes", CRITICAL, _patient_included),
    row("inside a report", "a report where a result was asked for", SPEAKS, _report),
    row("one result and no Bundle", "a client that unwraps", CRITICAL, sent_as("platelets", lambda bundle: bundle["entry"][0]["resource"])),
    row("a deleted entry beside it", "a history Bundle", CRITICAL, sent_as("platelets", lambda bundle: (bundle | {"entry": [*bundle["entry"], {"fullUrl": "https://ehr.example/fhir/Observation/9", "request": {"method": "DELETE", "url": "Observation/9"}}]}))),
    row("an array of results", "no FHIR", REFUSED_OR_SAID, sent_as("platelets", lambda bundle: [entry["resource"] for entry in bundle["entry"]])),
    row("wrapped with a status", "drafts of CDS Hooks before 1.0", REFUSED_OR_SAID, sent_as("platelets", lambda bundle: {"response": {"status": "200 OK"}, "resource": bundle})),
    row("as text", "JSON in JSON", REFUSED_OR_SAID, sent_as("platelets", json.dumps)),
    row("a total above the entries", "the newest was sent", CRITICAL, sent_as("platelets", lambda bundle: bundle | {"total": 3})),
    row("a total without entries", "counted, but not sent", REFUSED_OR_SAID, sent_as("platelets", lambda _: {"resourceType": "Bundle", "type": "searchset", "total": 3})),
    row("an entry without a resource", "only an address", REFUSED_OR_SAID, sent_as("platelets", lambda _: {"resourceType": "Bundle", "type": "searchset", "entry": [{"fullUrl": "https://ehr.example/fhir/Observation/9"}]})),
    row("a byte order mark", "files of Windows", CRITICAL, in_bytes(lambda body: b"\xef\xbb\xbf" + body)),
    row("a member twice", "which of the two?", SPEAKS, in_bytes(lambda body: body.replace(b'"value":22', b'"value":220,"value":22'))),
    row("a number as 2.2E1", "another way to write 22", CRITICAL, in_bytes(lambda body: body.replace(b'"value":22', b'"value":2.2E1'))),
)  # fmt: skip
def test_a_result_is_found_wherever_it_stands(prepared, case):
    assert_right(prepared, case)


# --- whose it is


@table(
    row("absolute", "with the address of the server", CRITICAL, count(subject={"reference": "https://ehr.example/fhir/Patient/kwame-mensah"})),
    row("versioned", "with its history", CRITICAL, count(subject={"reference": "Patient/kwame-mensah/_history/4"})),
    row("absolute and versioned", "both", CRITICAL, count(subject={"reference": "https://ehr.example/fhir/Patient/kwame-mensah/_history/4"})),
    row("urn:uuid with a type", "generated patients", CRITICAL, count(subject={"type": "Patient", "reference": "urn:uuid:kwame-mensah"})),
    row("no subject", "left out", at_least_warning("22"), count(subject=None)),
    row("display only", "a name and no reference", at_least_warning("22"), count(subject={"display": "Kwame Mensah"})),
)  # fmt: skip
def test_a_result_is_known_to_be_of_this_patient(prepared, case):
    assert_right(prepared, case)


@table(
    row("another patient's count is no value", "but something was sent", Right("imPlatelets", ("info",)), count(subject={"reference": "Patient/somebody-else"})),
    row("another patient's count beside ours", "changes nothing", THIN_NEEDLE, quantity(40, "10*9/L", "10*9/L"), older_count(12, 1, subject={"reference": "Patient/somebody-else"})),
    row("a group's count beside ours", "of no patient", THIN_NEEDLE, quantity(40, "10*9/L", "10*9/L"), older_count(12, 1, subject={"reference": "Group/g"})),
    row("another patient of like name", "one id begins with the other", Right("imPlatelets", ("info",)), count(subject={"reference": "Patient/kwame-mensah-2"})),
)  # fmt: skip
def test_a_count_of_another_patient_never_becomes_a_value(prepared, case):
    assert_right(prepared, case)


# --- the other results


REDUCED = shown("renalAgent")
NOTHING = {"resourceType": "Bundle", "type": "searchset", "entry": []}


def egfr(value, unit, *codings, **members):
    """The only eGFR; the creatinine is not sent, so that nothing else tells of the kidneys."""

    def change(call):
        resource = json.loads(json.dumps(call.entries("egfr")[0]["resource"]))
        resource |= {"effectiveDateTime": NOW.isoformat(), "valueQuantity": {"value": value, "unit": unit}}
        if codings:
            resource["code"] = concept(*codings)
        resource |= members
        call.body["prefetch"]["egfr"] = NOTHING | {"entry": [{"resource": resource}]}
        call.body["prefetch"]["creatinine"] = NOTHING

    return change


def creatinine(value, unit, code=None):
    """The only creatinine, and no eGFR."""

    def change(call):
        resource = json.loads(json.dumps(call.entries("creatinine")[0]["resource"]))
        members = {"value": value, "unit": unit} | ({"system": UCUM, "code": code} if code else {})
        resource |= {"effectiveDateTime": NOW.isoformat(), "valueQuantity": members}
        call.body["prefetch"]["creatinine"] = NOTHING | {"entry": [{"resource": resource}]}
        call.body["prefetch"]["egfr"] = NOTHING

    return change


PER_AREA = "mL/min/1.73m2"
IN_RANGE = {
    "valueQuantity": None,
    "valueRange": {"low": {"value": 45, "unit": PER_AREA}, "high": {"value": 59, "unit": PER_AREA}},
}


@table(
    row("eGFR per 1.73 m**2", "written as in a program", REDUCED, egfr(38, "mL/min/1.73m**2")),
    row("eGFR per sqm", "words for square metre", REDUCED, egfr(38, "ml/min/1.73 sqm")),
    row("eGFR with a comma", "a decimal comma", REDUCED, egfr(38, "mL/min/1,73 m²")),
    row("eGFR named by its formula", "the formula behind it", REDUCED, egfr(38, "mL/min/1.73m2 (CKD-EPI)")),
    row("eGFR as an OID", "converters from C-CDA", REDUCED, egfr(38, PER_AREA, coding("urn:oid:2.16.840.1.113883.6.1", "98979-8"))),
    row("eGFR of no stated formula", "a code of older laboratories", REDUCED, egfr(38, PER_AREA, coding(LOINC, "69405-9"))),
    row("eGFR as a range", "from 45 to 59", REDUCED, egfr(38, PER_AREA, **IN_RANGE)),
    row("creatinine in µmol/l", "the micro sign", REDUCED, creatinine(212, "µmol/l")),
    row("creatinine in umol/L", "UCUM", REDUCED, creatinine(212, "umol/L", "umol/L")),
    row("creatinine in mg/dl", "the United States", REDUCED, creatinine(2.4, "mg/dl")),
)  # fmt: skip
def test_the_kidneys_are_read_in_every_spelling(prepared, case):
    assert_right(prepared, replace(case, drafts=("cyanocobalamin-im-monthly",)))


@table(
    row("no square metre", "a clearance is another thing", silent("renalAgent"), egfr(38, "mL/min")),
    row("1.72", "a slip of the pen", silent("renalAgent"), egfr(38, "mL/min/1.72m2")),
    row("creatinine of 1.1 in g/L", "a unit of protein", silent("renalAgent"), creatinine(1.1, "g/L")),
    row("eGFR of another patient", "never ours", silent("renalAgent"), egfr(38, PER_AREA, subject={"reference": "Patient/somebody-else"})),
)  # fmt: skip
def test_what_may_be_another_thing_does_not_count_as_kidney_disease(prepared, case):
    assert_right(prepared, replace(case, drafts=("cyanocobalamin-im-monthly",)))
