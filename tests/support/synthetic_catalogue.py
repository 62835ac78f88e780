"""What a synthetic population is made of: invented names and units, and codes of common results, problems and drugs.

The codes are those of ``fixtures/`` and ``cards/``, and of LOINC, SNOMED CT and ICD-10-CM for what is most common.
Each thing is written as JSON once, when this module is read.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any

import msgspec

from cds_service.replay.scenario import DEFAULT_NOW

AS_OF = datetime.fromisoformat(DEFAULT_NOW)
"""When the population is exported: the day as of which the fixtures are written."""

# Invented, and rare enough that a test which finds one in a table or log has found a leak.
FAMILY_NAMES = (
    "Abernquist",
    "Brockmoor",
    "Caddelwyn",
    "Dunsparrow",
    "Eltringold",
    "Fennimarch",
    "Garradale",
    "Holmwicken",
    "Iselthorpe",
    "Jarrowby",
    "Kestleroy",
    "Lindmarrow",
    "Mossgarth",
    "Nethercask",
    "Osterwold",
    "Pennyfarrow",
    "Quillhaven",
    "Rothersley",
    "Sandrivale",
    "Thackermoor",
    "Umberlidge",
    "Vantressel",
    "Wexcombley",
    "Yarnbrooke",
    "Zellinghart",
)
GIVEN_NAMES = {
    True: (
        "Adelwyn",
        "Brisella",
        "Corintha",
        "Dorvella",
        "Elspira",
        "Florianne",
        "Gwendra",
        "Isolenne",
        "Maribeth",
        "Rosalyth",
    ),
    False: (
        "Aldemar",
        "Bertrix",
        "Cormund",
        "Dathaniel",
        "Edrick",
        "Fennick",
        "Gordwin",
        "Hobarth",
        "Lucander",
        "Theobrand",
    ),
}
"""By whether the person is female."""
RECORD_NUMBER = "MRN-77-"
"""What the record number of everybody begins with."""
UNITS = (
    "Ward 3B",
    "Ward 4A",
    "Ward 5C",
    "Emergency Department",
    "Haematology Clinic",
    "Medical Day Unit",
    "Family Practice North",
    "Family Practice South",
    "Neurology Clinic",
    "Dialysis Unit",
)

_LOINC, _SNOMED, _UCUM = "http://loinc.org", "http://snomed.info/sct", "http://unitsofmeasure.org"
_ICD, _RXNORM = "http://hl7.org/fhir/sid/icd-10-cm", "http://www.nlm.nih.gov/research/umls/rxnorm"
_LOCAL = "urn:oid:2.16.840.1.113883.3.9999.7.1"  # a list of the laboratory's own
_TERMINOLOGY = "http://terminology.hl7.org/CodeSystem"


def json_of(tree: Any) -> str:
    """A tree as JSON without spaces."""
    return msgspec.json.encode(tree).decode()


def members(tree: dict[str, Any]) -> str:
    """The members of an object as JSON, without the braces around them."""
    return json_of(tree)[1:-1]


def concept(text: str, *codings: tuple[str, str]) -> dict[str, Any]:
    """A CodeableConcept of words and of pairs of system and code."""
    return {**_coded(*codings), "text": text}


def _coded(*codings: tuple[str, str]) -> dict[str, Any]:
    return {"coding": [{"system": system, "code": code} for system, code in codings]}


def medication_of(drug: dict[str, Any]) -> tuple[str, str]:
    """The Medication of a CodeableConcept, as its id and as JSON; the same for whoever takes the drug."""
    name = f"medication-{sha256(json_of(drug).encode()).hexdigest()[:16]}"
    return name, json_of({"resourceType": "Medication", "id": name, "status": "active", "code": drug})


HOSPITAL = json_of({"reference": "Organization/hospital", "display": "Invented General Hospital"})
LABORATORY = json_of({"reference": "Organization/laboratory"})


@dataclass(frozen=True, slots=True, eq=False)
class Assay:
    """What a laboratory measures. Most people lie between ``low`` and ``high``, and ``seldom`` of them, which is a
    share, between the two ``unusual`` ones. ``bears`` tells what a rule about vitamin B12 may look at.

    ``coded`` are category and code as JSON, ``local`` the same with a code that only the laboratory knows; ``tails``
    are what follows a low, a usual and a high value, and ``form`` tells how many decimals this has.
    """

    name: str
    coded: str
    local: str
    tails: tuple[str, str, str]
    low: float
    high: float
    seldom: float
    unusual: tuple[float, float]
    form: str
    bears: bool

    def tail_of(self, value: float) -> str:
        """What follows the value of a result: its unit, a flag if it is low or high, and the limits."""
        return self.tails[0 if value < self.low else 2 if value > self.high else 1]


def _assay(
    name: str,
    loinc: str,
    unit: str,
    low: float,
    high: float,
    seldom: float = 0.05,
    unusual: tuple[float, float] | None = None,
    form: str = ".0f",
    bears: bool = False,
) -> Assay:
    category = [_coded((f"{_TERMINOLOGY}/observation-category", "laboratory"))]
    own = (_LOCAL, f"LAB{sum(map(ord, name))}")
    quantity = members({"unit": unit, "system": _UCUM, "code": unit})
    limits = {"referenceRange": [{side: {"value": of, "unit": unit} for side, of in (("low", low), ("high", high))}]}

    def tail(flag: str) -> str:
        flagged = {"interpretation": [_coded((f"{_TERMINOLOGY}/v3-ObservationInterpretation", flag))]} if flag else {}
        return f"{quantity}}},{members(flagged | limits)}"  # the first brace closes the object of the value

    return Assay(
        name=name,
        coded=members({"category": category, "code": concept(name, (_LOINC, loinc), own)}),
        local=members({"category": category, "code": concept(name, own)}),
        tails=(tail("L"), tail(""), tail("H")),
        low=low,
        high=high,
        seldom=seldom,
        unusual=unusual or (low, high),
        form=form,
        bears=bears,
    )


BLOOD_COUNT = (
    _assay("Hemoglobin", "718-7", "g/dL", 12, 17, 0.12, (7, 11.5), ".1f", bears=True),
    _assay("Leukocytes", "6690-2", "10*3/uL", 4, 11, 0.06, (1.2, 18), ".1f"),
    _assay("MCV", "787-2", "fL", 80, 99, 0.05, (101, 118), bears=True),
    _assay("Platelets", "777-3", "10*3/uL", 150, 400, 0.04, (8, 140), bears=True),
)
CREATININE = _assay("Creatinine", "2160-0", "mg/dL", 0.6, 1.2, 0.1, (1.3, 4.5), ".2f", bears=True)
EGFR = _assay("eGFR", "98979-8", "mL/min/{1.73_m2}", 60, 150, bears=True)
KIDNEY = (
    CREATININE,
    EGFR,
    _assay("Potassium", "2823-3", "mmol/L", 3.5, 5.1, 0.05, (2.8, 6), ".1f", bears=True),
    _assay("Sodium", "2951-2", "mmol/L", 135, 145, 0.05, (124, 134)),
)
OTHERS = (
    _assay("Glucose", "2345-7", "mg/dL", 70, 140, 0.15, (150, 320)),
    _assay("Hemoglobin A1c", "4548-4", "%", 4.5, 6.2, 0.15, (6.5, 11), ".1f"),
    _assay("Alanine aminotransferase", "1742-6", "U/L", 7, 45, 0.08, (50, 300)),
    _assay("Aspartate aminotransferase", "1920-8", "U/L", 8, 40, 0.08, (45, 260)),
    _assay("Albumin", "1751-7", "g/dL", 3.5, 5, 0.06, (2, 3.4), ".1f"),
    _assay("Calcium", "17861-6", "mg/dL", 8.6, 10.2, 0.04, (7, 12), ".1f"),
    _assay("Thyrotropin", "3016-3", "m[IU]/L", 0.4, 4.5, 0.07, (5, 30), ".2f"),
    _assay("Cholesterol", "2093-3", "mg/dL", 120, 220, 0.2, (225, 330)),
    _assay("HDL cholesterol", "2085-9", "mg/dL", 40, 80, 0.1, (22, 39)),
    _assay("Triglycerides", "2571-8", "mg/dL", 50, 180, 0.15, (190, 600)),
    _assay("C reactive protein", "1988-5", "mg/L", 0.2, 8, 0.15, (10, 180), ".1f"),
    _assay("Ferritin", "2276-4", "ng/mL", 20, 250, 0.12, (4, 18)),
    _assay("Vitamin B12", "2132-9", "pg/mL", 200, 900, 0.06, (90, 190), bears=True),
    _assay("Folate", "2284-8", "ng/mL", 4, 20, 0.05, (1.2, 3.8), ".1f", bears=True),
)


@dataclass(frozen=True, slots=True)
class Problem:
    """A problem: what is said of it as JSON, and whether a rule about vitamin B12 may look at it."""

    coded: str
    bears: bool


def _problem(text: str, snomed: str, icd: str, bears: bool = False) -> Problem:
    return Problem(
        members(
            {
                "verificationStatus": _coded((f"{_TERMINOLOGY}/condition-ver-status", "confirmed")),
                "category": [_coded((f"{_TERMINOLOGY}/condition-category", "problem-list-item"))],
                "code": concept(text, (_SNOMED, snomed), (_ICD, icd)),
            }
        ),
        bears,
    )


PROBLEMS = (
    _problem("Hypertension", "38341003", "I10"),
    _problem("Hyperlipidemia", "55822004", "E78.5"),
    _problem("Type 2 diabetes", "44054006", "E11.9"),
    _problem("Osteoarthritis", "396275006", "M19.90"),
    _problem("Gastro-esophageal reflux", "235595009", "K21.9"),
    _problem("Depression", "35489007", "F32.A"),
    _problem("Hypothyroidism", "40930008", "E03.9"),
    _problem("Asthma", "195967001", "J45.909"),
    _problem("Obesity", "414916001", "E66.9"),
    _problem("Migraine", "37796009", "G43.909"),
    _problem("Sleep apnea", "73430006", "G47.30"),
    _problem("Osteoporosis", "64859006", "M81.0"),
    _problem("Rheumatoid arthritis", "69896004", "M06.9"),
    _problem("Chronic kidney disease stage 3b", "700379002", "N18.32", bears=True),
    _problem("Peripheral neuropathy", "302226006", "G62.9", bears=True),
    _problem("Thrombocytopenia", "302215000", "D69.6", bears=True),
)
"""The most common first."""


@dataclass(frozen=True, slots=True)
class Drug:
    """A drug by mouth, as parts of a resource in JSON: named by code or by a reference to ``medication``, with the
    dosage of an order and that of one dose that was given.
    """

    coded: str
    referred: str
    dosage: str
    dose: str
    medication: tuple[str, str]


def _drug(code: str, text: str, amount: float, times: str, frequency: int = 1) -> Drug:
    named = concept(text, (_RXNORM, code))
    medication = medication_of(named)
    mouth = concept("Oral", (_SNOMED, "26643006"))
    quantity = {"value": amount, "unit": "mg", "system": _UCUM, "code": "mg"}
    dosage = {
        "text": f"{amount:g} mg by mouth {times}",
        "timing": {"repeat": {"frequency": frequency, "period": 1, "periodUnit": "d"}},
        "route": mouth,
        "doseAndRate": [{"doseQuantity": quantity}],
    }
    return Drug(
        members({"medicationCodeableConcept": named}),
        members({"medicationReference": {"reference": f"Medication/{medication[0]}", "display": text}}),
        members({"dosageInstruction": [dosage]}),
        json_of({"text": "By mouth", "route": mouth, "dose": quantity}),
        medication,
    )


DRUGS = (
    _drug("314076", "Lisinopril 10 mg tablet", 10, "once daily"),
    _drug("617310", "Atorvastatin 20 mg tablet", 20, "once daily"),
    _drug("861007", "Metformin 500 mg tablet", 500, "twice daily", 2),
    _drug("197361", "Amlodipine 5 mg tablet", 5, "once daily"),
    _drug("198051", "Omeprazole 20 mg capsule", 20, "once daily"),
    _drug("966221", "Levothyroxine 50 microgram tablet", 0.05, "once daily"),
    _drug("312941", "Sertraline 50 mg tablet", 50, "once daily"),
    _drug("310798", "Hydrochlorothiazide 25 mg tablet", 25, "once daily"),
)


def _allergy(text: str, system: str, code: str) -> str:
    return members(
        {
            "clinicalStatus": _coded((f"{_TERMINOLOGY}/allergyintolerance-clinical", "active")),
            "verificationStatus": _coded((f"{_TERMINOLOGY}/allergyintolerance-verification", "confirmed")),
            "code": concept(text, (system, code)),
        }
    )


ALLERGIES = (
    *(_allergy("No known allergies", _SNOMED, "716186003"),) * 6,
    _allergy("Allergy to penicillin", _SNOMED, "91936005"),
    _allergy("Sulfamethoxazole", _RXNORM, "10180"),
    _allergy("Codeine", _RXNORM, "2670"),
    _allergy("Allergy to peanut", _SNOMED, "91935009"),
)
"""As often as they occur beside each other."""
PROCEDURES = tuple(
    members({"code": concept(text, (_SNOMED, code))})
    for text, code in (
        ("Colonoscopy", "73761001"),
        ("Appendectomy", "80146002"),
        ("Cholecystectomy", "38102005"),
        ("Total replacement of hip", "52734007"),
    )
)
