"""Patients about whom the rules have something to say: those of ``fixtures/scenarios``, under other names and at other
days, with the drafts of a scenario as orders that were signed.

Of the scenarios only what a FHIR server would have taken is used: valid FHIR R4 that refers to nothing outside itself.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

from fhir.resources.R4B import get_fhir_model_class
from pydantic import ValidationError

from cds_service.packaged import packaged
from cds_service.replay.scenarios import read_scenarios
from tests.support.synthetic_background import Lines, Person, add_encounter, add_patient, name_of
from tests.support.synthetic_catalogue import AS_OF, UNITS, json_of, medication_of, members

PATIENT, NAME = "@patient@", "@name@"
"""Where the id and the name of a patient stand in what is prepared."""
_DATE = re.compile(r'(?<=")\d{4}-\d\d-\d\d(?=["T])')
_REFERENCE = re.compile(r'"reference":"([^"]*)"')
_PERSONAL = ("resourceType", "id", "identifier", "name", "address", "telecom", "contact", "photo", "text")
_SET_WHEN_SIGNED = ("id", "status", "intent", "authoredOn", "encounter", "requester", "meta")
_BY_REFERENCE = 0.3


@dataclass(frozen=True, slots=True)
class Ordered:
    """A draft of a scenario of the given day, prepared. ``status`` is empty for a plain draft.

    ``by_code`` is its JSON without the last brace. If a drug stands in it by code, ``by_reference`` are the same with a
    reference to ``medication`` instead (its id and JSON), without words and with them.
    """

    day: date
    kind: str
    status: str
    by_code: str
    by_reference: tuple[str, ...]
    medication: tuple[str, str] | None


@dataclass(frozen=True, slots=True)
class Told:
    """What one scenario of the given day tells, prepared: a record, a resource a line, and its drafts.

    ``kinds`` are the types of the lines, ``patient`` the members of the Patient that do not name it, ``age`` its years.
    """

    day: date
    patient: str
    female: bool
    age: int
    kinds: Sequence[str]
    record: str
    drafts: Sequence[Ordered]


@cache
def told_by_patient() -> Sequence[tuple[Sequence[Told], Sequence[Sequence[Ordered]]]]:
    """For each patient of the fixtures what is told of it, and the drafts that may be ordered for it: those of its own
    scenarios, or of all if it has none. It is read and validated once, which takes some seconds.
    """
    fixtures = packaged("fixtures")
    day = AS_OF.date()
    told = {
        path.stem: [_prepared(path.stem, day, _resources(path), ())] for path in (fixtures / "patients").glob("*.json")
    }
    valid: dict[str, bool] = {}
    for scenario in read_scenarios(fixtures, [fixtures / "scenarios"]):
        resources = [*scenario.resources, *scenario.drafts]
        sent_as_recorded = not scenario.without and not scenario.prefetch
        if sent_as_recorded and _closed(resources) and all(_valid(each, valid) for each in resources):
            story = _prepared(scenario.patient, scenario.now.date(), scenario.resources, scenario.drafts)
            told[scenario.patient].append(story)
    everybodys = [each.drafts for _, own in sorted(told.items()) for each in own if each.drafts]
    return [(own, [each.drafts for each in own if each.drafts] or everybodys) for _, own in sorted(told.items())]


@cache
def ordered_medications() -> Mapping[str, str]:
    """The Medications that orders of a draft may refer to, as JSON by id."""
    drafts = (draft for _, sessions in told_by_patient() for session in sessions for draft in session)
    return dict(draft.medication for draft in drafts if draft.medication is not None)


def add_patient_of_interest(lines: Lines, patient: str, chance: Random) -> Person:
    """Adds the record of a scenario as of some day in the year before the export, and one or two sessions of orders
    from that day on; ``patient`` is the id of who comes of it.
    """
    own, sessions = _one_of(told_by_patient(), chance)
    told = _one_of(own, chance)
    person = Person(patient, name_of(told.female, chance), told.female, told.age)
    day = (AS_OF - timedelta(days=1 + int(chance.random() * 364))).date()
    add_patient(lines, person, _as_told(told.patient, person, day - told.day))
    record = _as_told(told.record, person, day - told.day).split("\n")
    for kind, line in zip(told.kinds, record, strict=True):
        lines[kind].append(line)
    _add_session(lines, person, 1, told.drafts or _one_of(sessions, chance), day, chance)
    later = day + timedelta(days=14 + int(chance.random() * 70))
    if later < AS_OF.date() and chance.random() < 0.7:
        _add_session(lines, person, 2, _one_of(sessions, chance), later, chance)
    return person


def _one_of(choices: Sequence[Any], chance: Random) -> Any:
    return choices[int(chance.random() * len(choices))]


def _add_session(
    lines: Lines, person: Person, number: int, drafts: Sequence[Ordered], day: date, chance: Random
) -> None:
    """Adds what one prescriber signs in one encounter within some minutes, from noon on."""
    unit, minute = int(chance.random() * len(UNITS)), int(chance.random() * 200)
    encounter = add_encounter(lines, person, f"s{number}", day.isoformat(), _one_of(("IMP", "AMB"), chance), unit)
    for place, draft in enumerate(drafts, 1):
        at = f"{day}T{12 + minute // 60}:{minute % 60:02d}:{place * 17 % 60:02d}Z"
        by_reference = draft.by_reference and chance.random() < _BY_REFERENCE
        form = _one_of(draft.by_reference, chance) if by_reference else draft.by_code
        lines[draft.kind].append(
            f'{_as_told(form, person, day - draft.day)},"id":"{person.id}-o{number}-{place}",'
            f'"meta":{{"lastUpdated":"{at}"}},"status":"{draft.status or _one_of(("active", "completed"), chance)}",'
            f'"intent":"order","authoredOn":"{at}","encounter":{encounter},'
            f'"requester":{{"reference":"Practitioner/practitioner-{unit}"}}}}'
        )


def _as_told(text: str, person: Person, days: timedelta) -> str:
    """What is prepared, as that of ``person``, with every date moved by ``days``."""
    moved = _DATE.sub(lambda found: (date.fromisoformat(found[0]) + days).isoformat(), text)
    return moved.replace(PATIENT, person.id).replace(NAME, person.name)


def _closed(resources: Sequence[Mapping[str, Any]]) -> bool:
    """Whether they refer to nothing but each other, and to what they contain."""
    own = {f"{resource['resourceType']}/{resource['id']}" for resource in resources}
    referred = {name for resource in resources for name in _REFERENCE.findall(json_of(resource))}
    return all(name.startswith("#") or name in own for name in referred)


def _valid(resource: Mapping[str, Any], known: dict[str, bool]) -> bool:
    """Whether it is FHIR R4; ``known`` is kept from call to call, for most resources stand in many scenarios."""
    text = json_of(resource)
    if text not in known:
        try:
            get_fhir_model_class(resource["resourceType"]).model_validate(resource)
            known[text] = True
        except ValidationError:
            known[text] = False
    return known[text]


def _resources(file: Path) -> list[dict[str, Any]]:
    return [entry["resource"] for entry in json.loads(file.read_text(encoding="utf-8"))["entry"]]


def _prepared(
    patient_id: str, day: date, resources: Sequence[Mapping[str, Any]], drafts: Sequence[Mapping[str, Any]]
) -> Told:
    patient = next(resource for resource in resources if resource["resourceType"] == "Patient")
    name = patient["name"][0]
    spoken = " ".join([*name["given"], name["family"]])

    def of_anybody(text: str) -> str:
        return text.replace(patient_id, PATIENT).replace(spoken, NAME)

    others = [resource for resource in resources if resource is not patient]
    record = "\n".join(map(json_of, others))
    for number, resource in enumerate(
        others, 1
    ):  # the id of an entry that a scenario adds need not begin with that of the patient
        if not resource["id"].startswith(patient_id):
            own = f"{patient_id}-added-{number}"
            kind = resource["resourceType"]
            record = record.replace(f'"id":"{resource["id"]}"', f'"id":"{own}"')
            record = record.replace(f'"{kind}/{resource["id"]}"', f'"{kind}/{own}"')
    return Told(
        day=day,
        patient=of_anybody(members({key: value for key, value in patient.items() if key not in _PERSONAL})),
        female=patient.get("gender") == "female",
        age=day.year - int(patient.get("birthDate", "1960")[:4]),
        kinds=[resource["resourceType"] for resource in others],
        record=of_anybody(record),
        drafts=[_ordered(day, draft, of_anybody) for draft in drafts],
    )


def _ordered(day: date, draft: Mapping[str, Any], of_anybody: Callable[[str], str]) -> Ordered:
    told = {key: value for key, value in draft.items() if key not in _SET_WHEN_SIGNED}
    drug = told.get("medicationCodeableConcept")
    medication = medication_of(drug) if drug else None
    forms = list(_referring(told, medication[0])) if medication else []
    return Ordered(
        day=day,
        kind=draft["resourceType"],
        status="" if draft["status"] == "draft" else draft["status"],
        by_code=of_anybody(json_of(told)[:-1]),
        by_reference=tuple(of_anybody(json_of(form)[:-1]) for form in forms),
        medication=medication,
    )


def _referring(order: Mapping[str, Any], medication: str) -> Iterator[dict[str, Any]]:
    """The order with a reference to its drug, without the words of the drug and with them."""
    rest = dict(order)
    drug = rest.pop("medicationCodeableConcept")
    reference = {"reference": f"Medication/{medication}"}
    yield rest | {"medicationReference": reference}
    words = drug.get("text") or next((c["display"] for c in drug.get("coding", ()) if "display" in c), None)
    if words:
        yield rest | {"medicationReference": reference | {"display": words}}
