"""What anybody's record holds, as lines of FHIR: results, problems, drugs, allergies, procedures and encounters.

Of the 46 lines of a patient these are nearly all, so they are put together from texts that are written once; a tree for
each, encoded, would take several times as long.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from random import Random

from tests.support.synthetic_catalogue import (
    ALLERGIES,
    AS_OF,
    BLOOD_COUNT,
    CREATININE,
    DRUGS,
    EGFR,
    FAMILY_NAMES,
    GIVEN_NAMES,
    HOSPITAL,
    KIDNEY,
    LABORATORY,
    OTHERS,
    PROBLEMS,
    PROCEDURES,
    RECORD_NUMBER,
    UNITS,
    Assay,
    Drug,
)

Lines = dict[str, list[str]]
"""Resources as JSON text, by their type."""

DAYS = tuple((AS_OF - timedelta(days=days)).date().isoformat() for days in range(100 * 366))
"""The dates before the export, by how many days they lie back."""
_TIMES = tuple(f"{minute // 60:02d}:{minute % 60:02d}:00" for minute in range(24 * 60))
_RESULTS_REACH_BACK = 2 * 365
_DRAWS = 5.0  # of blood in these two years, in the mean: two or three blood counts a year
_LOCAL_CODES_ONLY = 0.025
_REFERS_TO_MEDICATION = 0.2
_CLASSES = ("AMB", "AMB", "AMB", "AMB", "IMP", "EMER")
_ASSAYS = (*BLOOD_COUNT, *KIDNEY, *OTHERS)


@dataclass(slots=True)
class Person:
    """Whose record it is. ``age`` is in years; ``whose`` is the reference to the Patient as JSON."""

    id: str
    name: str
    female: bool
    age: int
    whose: str = field(init=False)

    def __post_init__(self) -> None:
        self.whose = f'{{"reference":"Patient/{self.id}","display":"{self.name}"}}'


def add_patient(lines: Lines, person: Person, rest: str) -> None:
    """Adds the Patient; ``rest`` are its other members as JSON."""
    given, _, family = person.name.partition(" ")
    number = int(person.id[1:])
    lines["Patient"].append(
        f'{{"resourceType":"Patient","id":"{person.id}","identifier":[{{"use":"usual","type":{{"text":"MRN"}},'
        f'"system":"http://hospital.example.org/mrn","value":"{RECORD_NUMBER}{number}"}}],'
        f'"name":[{{"use":"official","family":"{family}","given":["{given}"]}}],'
        f'"telecom":[{{"system":"phone","value":"555-01{number}"}}],'
        f'"address":[{{"use":"home","line":["{number} {family} Lane"],"city":"Inventon"}}],{rest}}}'
    )


def name_of(female: bool, chance: Random) -> str:
    """A given name and a family name."""
    given = GIVEN_NAMES[female]
    return f"{given[int(chance.random() * len(given))]} {FAMILY_NAMES[int(chance.random() * len(FAMILY_NAMES))]}"


def add_anybody(lines: Lines, patient: str, chance: Random) -> Person:
    """Adds a Patient of any age under the id ``patient``, and nothing more."""
    female = chance.random() < 0.5
    born = int(chance.random() ** 0.7 * 92 * 365.25)
    person = Person(patient, name_of(female, chance), female, int(born / 365.25))
    gender = "female" if female else "male"
    add_patient(lines, person, f'"active":true,"gender":"{gender}","birthDate":"{DAYS[born]}"')
    return person


def add_background(lines: Lines, person: Person, chance: Random, apart: bool) -> None:
    """Adds what has nothing to do with an order of vitamin B12, and little that has.

    ``apart`` leaves out what a rule may look at (counts, creatinine, allergies ...): for a patient whose record has it
    already as a scenario tells.
    """
    _add_results(lines, person, chance, apart)
    _add_problems(lines, person, chance, apart)
    _add_drugs(lines, person, chance)
    _add_procedures(lines, person, chance)
    if not apart:
        _add_allergy(lines, person, chance)


def add_encounter(lines: Lines, person: Person, name: str, day: str, of_class: str, unit: int) -> str:
    """Adds an encounter of one day and gives the reference to it, as JSON."""
    ward = UNITS[unit]
    lines["Encounter"].append(
        f'{{"resourceType":"Encounter","id":"{person.id}-{name}","meta":{{"lastUpdated":"{day}T23:00:00Z"}},'
        '"status":"finished","class":{"system":"http://terminology.hl7.org/CodeSystem/v3-ActCode",'
        f'"code":"{of_class}"}},"type":[{{"text":"{"Hospital stay" if of_class == "IMP" else "Visit"}"}}],'
        f'"subject":{person.whose},"participant":[{{"individual":{{"reference":"Practitioner/practitioner-{unit}"}}}}],'
        f'"period":{{"start":"{day}T07:30:00Z","end":"{day}T18:00:00Z"}},'
        f'"location":[{{"location":{{"reference":"Location/unit-{unit}","display":"{ward}"}},"status":"completed"}}],'
        f'"serviceProvider":{HOSPITAL}}}'
    )
    return f'{{"reference":"Encounter/{person.id}-{name}"}}'


def _add_results(lines: Lines, person: Person, chance: Random, apart: bool) -> None:
    number = 0
    levels = _levels(chance)
    for draw in range(min(round(chance.expovariate(1 / _DRAWS)), 60)):
        back = int(chance.random() * _RESULTS_REACH_BACK)
        day, minute = DAYS[back], 360 + int(chance.random() * 600)
        of_class = _CLASSES[int(chance.random() * len(_CLASSES))]
        encounter = add_encounter(lines, person, f"e{draw}", day, of_class, int(chance.random() * len(UNITS)))
        issued = f"{day}T{_TIMES[minute + 40 + int(chance.random() * 260)]}Z"
        around = (
            f'"subject":{person.whose},"encounter":{encounter},"effectiveDateTime":"{day}T{_TIMES[minute]}Z",'
            f'"issued":"{issued}","performer":[{LABORATORY}],'
        )
        status = "corrected" if chance.random() < 0.01 else "final"
        local = chance.random() < _LOCAL_CODES_ONLY
        creatinine = 0.0
        for assay in _panel(chance, apart):
            value = levels[assay.name] * (0.92 + 0.16 * chance.random())
            if assay is CREATININE:
                creatinine = value
            elif assay is EGFR:
                value = _egfr(creatinine, person)
            number += 1
            lines["Observation"].append(
                f'{{"resourceType":"Observation","id":"{person.id}-r{number}","meta":{{"lastUpdated":"{issued}"}},'
                f'"status":"{status}",{assay.local if local else assay.coded},{around}'
                f'"valueQuantity":{{"value":{value:{assay.form}},{assay.tail_of(value)}}}'
            )


def _levels(chance: Random) -> Mapping[str, float]:
    """About where the results of a person lie, by the name of the assay; in a few people far from the usual."""
    return {
        assay.name: assay.unusual[0] + chance.random() * (assay.unusual[1] - assay.unusual[0])
        if chance.random() < assay.seldom
        else assay.low + (assay.high - assay.low) * (0.2 + 0.3 * (chance.random() + chance.random()))
        for assay in _ASSAYS
    }


def _panel(chance: Random, apart: bool) -> Sequence[Assay]:
    """What is measured of one draw."""
    others = [OTHERS[int(chance.random() * len(OTHERS))] for _ in range(int(chance.random() * 2.5))]
    panel = [*BLOOD_COUNT, *(KIDNEY if chance.random() < 0.35 else ()), *dict.fromkeys(others)]
    return [assay for assay in panel if not assay.bears] if apart else panel


def _egfr(creatinine: float, person: Person) -> float:
    """mL/min/1.73 m2 by CKD-EPI 2021, of creatinine in mg/dL."""
    kappa, alpha, factor = (0.7, -0.241, 1.012) if person.female else (0.9, -0.302, 1.0)
    ratio = creatinine / kappa
    whole: float = 142 * min(ratio, 1) ** alpha * max(ratio, 1) ** -1.2 * 0.9938**person.age * factor
    return whole


def _add_problems(lines: Lines, person: Person, chance: Random, apart: bool) -> None:
    known = dict.fromkeys(
        PROBLEMS[int(chance.random() ** 1.3 * len(PROBLEMS))] for _ in range(1 + int(chance.random() * 7))
    )
    for number, problem in enumerate(known, 1):
        if apart and problem.bears:
            continue
        recorded = int(chance.random() * 4000)
        onset = DAYS[recorded + int(chance.random() * 400)]
        resolved = chance.random() < 0.1
        ended = f',"abatementDateTime":"{DAYS[recorded // 2]}"' if resolved else ""
        lines["Condition"].append(
            f'{{"resourceType":"Condition","id":"{person.id}-c{number}",'
            f'"meta":{{"lastUpdated":"{DAYS[recorded]}T12:00:00Z"}},'
            '"clinicalStatus":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/condition-clinical",'
            f'"code":"{"resolved" if resolved else "active"}"}}]}},{problem.coded},'
            f'"subject":{person.whose},"onsetDateTime":"{onset}"{ended},"recordedDate":"{DAYS[recorded]}"}}'
        )


def _add_drugs(lines: Lines, person: Person, chance: Random) -> None:
    taken = dict.fromkeys(DRUGS[int(chance.random() * len(DRUGS))] for _ in range(int(chance.random() * 10)))
    for number, drug in enumerate(taken, 1):
        authored = int(chance.random() * 1200)
        status = "active" if authored < 500 and chance.random() < 0.8 else "completed"
        medication = drug.referred if chance.random() < _REFERS_TO_MEDICATION else drug.coded
        requester = int(chance.random() * len(UNITS))
        lines["MedicationRequest"].append(
            f'{{"resourceType":"MedicationRequest","id":"{person.id}-m{number}",'
            f'"meta":{{"lastUpdated":"{DAYS[authored]}T12:00:00Z"}},"status":"{status}","intent":"order",{medication},'
            f'"subject":{person.whose},"authoredOn":"{DAYS[authored]}T{_TIMES[480 + number * 7]}Z",'
            f'"requester":{{"reference":"Practitioner/practitioner-{requester}"}},{drug.dosage}}}'
        )
        if chance.random() < 0.25:
            _add_dose(lines, person, drug, number, DAYS[max(authored - 1, 0)])


def _add_dose(lines: Lines, person: Person, drug: Drug, number: int, day: str) -> None:
    lines["MedicationAdministration"].append(
        f'{{"resourceType":"MedicationAdministration","id":"{person.id}-a{number}",'
        f'"meta":{{"lastUpdated":"{day}T20:00:00Z"}},"status":"completed",{drug.coded},"subject":{person.whose},'
        f'"effectiveDateTime":"{day}T09:{10 + number}:00Z",'
        f'"request":{{"reference":"MedicationRequest/{person.id}-m{number}"}},"dosage":{drug.dose}}}'
    )


def _add_allergy(lines: Lines, person: Person, chance: Random) -> None:
    which = int(chance.random() * len(ALLERGIES) * 1.2)  # of one in six nothing was asked
    if which < len(ALLERGIES):
        lines["AllergyIntolerance"].append(
            f'{{"resourceType":"AllergyIntolerance","id":"{person.id}-y1",{ALLERGIES[which]},'
            f'"patient":{person.whose},"recordedDate":"{DAYS[int(chance.random() * 3000)]}"}}'
        )


def _add_procedures(lines: Lines, person: Person, chance: Random) -> None:
    for number in range(int(chance.random() * 2.6)):
        day = DAYS[int(chance.random() * 6000)]
        lines["Procedure"].append(
            f'{{"resourceType":"Procedure","id":"{person.id}-p{number}","meta":{{"lastUpdated":"{day}T18:00:00Z"}},'
            f'"status":"completed",{PROCEDURES[int(chance.random() * len(PROCEDURES))]},"subject":{person.whose},'
            f'"performedPeriod":{{"start":"{day}T08:10:00Z","end":"{day}T09:25:00Z"}}}}'
        )
