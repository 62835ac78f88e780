"""A request made from a few fields of a form: patient, draft, route, dose and results.

The content says what may be chosen: routes and results are those of the facts that it declares.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from cds_service.content.model import Pack
from cds_service.replay.scenario import DEFAULT_NOW, Scenario
from cds_service.vocabulary.declarations import Concept, FactDeclaration

_UCUM = "http://unitsofmeasure.org"


class FormError(Exception):
    """A field holds what cannot be used; the message is a sentence for the page."""


@dataclass(frozen=True, slots=True)
class Choices:
    """What may be chosen: patients and drafts by the names of their files, routes by name, and facts with results."""

    patients: Mapping[str, str]
    drafts: Mapping[str, str]
    routes: Mapping[str, Concept]
    results: Mapping[str, FactDeclaration]


@dataclass(frozen=True, slots=True)
class Entered:
    """The form as it was sent; ``""`` leaves a thing as the draft has it. ``results`` has value and unit by fact."""

    hook: str = "order-select"
    patient: str = ""
    draft: str = ""
    route: str = ""
    dose: str = ""
    unit: str = ""
    results: Mapping[str, tuple[str, str]] = field(default_factory=dict)


def choices_of(pack: Pack, fixtures: Path) -> Choices:
    """What this content and the files in ``fixtures`` let one choose."""
    patients = {path.stem: _patient(path) for path in sorted((fixtures / "patients").glob("*.json"))}
    drafts = {path.stem: _draft(path) for path in sorted((fixtures / "drafts").glob("*.json"))}
    routes = next((f for f in pack.facts.values() if f.kind == "order" and f.element == "route"), None)
    return Choices(
        patients,
        drafts,
        {name: next(iter(vs.codes.values())) for name, vs in (routes.value_sets if routes else {}).items() if vs.codes},
        {
            name: fact
            for name, fact in pack.facts.items()
            if fact.kind == "observation"
            and not fact.element
            and fact.searches
            and next(iter(fact.value_sets.values())).codes
        },
    )


def scenario_of(choices: Choices, entered: Entered, fixtures: Path) -> Scenario:
    """The form as a scenario without expectations, at the time that the fixtures are written for.

    Raises:
        FormError: something was chosen that is not among the choices, or a number is not a number.
    """
    if entered.patient not in choices.patients or entered.draft not in choices.drafts:
        raise FormError("Choose a patient and an order.")
    now = datetime.fromisoformat(DEFAULT_NOW)
    bundle = json.loads((fixtures / "patients" / f"{entered.patient}.json").read_text(encoding="utf-8"))
    resources = [entry["resource"] for entry in bundle["entry"]]
    draft = json.loads((fixtures / "drafts" / f"{entered.draft}.json").read_text(encoding="utf-8"))
    draft |= {"id": "draft-1", "subject": {"reference": f"Patient/{entered.patient}"}}
    for dosage in draft.get("dosageInstruction", []):
        _redose(choices, entered, dosage)
    for name, (value, unit) in entered.results.items():
        if value:
            resources.append(_result(choices.results, name, value, unit, entered.patient, now))
    return Scenario(
        name=f"form/{entered.patient}/{entered.draft}",
        path=Path(),
        hook=entered.hook,
        now=now,
        patient=entered.patient,
        resources=resources,
        drafts=[draft],
        selections=[f"{draft['resourceType']}/{draft['id']}"],
        without=frozenset(),
        prefetch={},
        in_process_only=True,
        expect=None,
    )


def _redose(choices: Choices, entered: Entered, dosage: dict[str, Any]) -> None:
    """Puts route and dose into ``dosage`` where they were entered; its text goes, for it would say the old ones."""
    if entered.route:
        if entered.route not in choices.routes:
            raise FormError("There is no such route.")
        concept = choices.routes[entered.route]
        coding = {"system": concept.system, "code": concept.code, "display": concept.display}
        dosage["route"] = {"coding": [coding], "text": entered.route}
    if entered.dose:
        quantity = {"value": _number("The dose", entered.dose), "unit": entered.unit, "system": _UCUM}
        dosage["doseAndRate"] = [{"doseQuantity": quantity | {"code": entered.unit.replace("mcg", "ug")}}]
    if entered.route or entered.dose:
        dosage.pop("text", None)


def _result(
    declared: Mapping[str, FactDeclaration], name: str, value: str, unit: str, patient: str, now: datetime
) -> dict[str, Any]:
    """An Observation of an hour ago for the fact ``name``."""
    fact = declared.get(name)
    if fact is None or fact.analyte is None:
        raise FormError("There is no such result.")
    concept = next(iter(next(iter(fact.value_sets.values())).codes.values()))
    quantity: dict[str, Any] = {"value": _number(fact.label, value), "unit": unit or fact.analyte.canonical}
    if quantity["unit"] in fact.analyte.factors:
        quantity |= {"system": _UCUM, "code": quantity["unit"]}
    return {
        "resourceType": "Observation",
        "id": f"form-{name}",
        "status": "final",
        "code": {"coding": [{"system": concept.system, "code": concept.code, "display": concept.display}]},
        "subject": {"reference": f"Patient/{patient}"},
        "effectiveDateTime": (now - timedelta(hours=1)).isoformat(),
        "valueQuantity": quantity,
    }


def _number(label: str, text: str) -> float | int:
    try:
        value = float(text)
    except ValueError:
        raise FormError(f"{label}: {text!r} is not a number.") from None
    if not 0 <= value < 1e9:
        raise FormError(f"{label}: {text!r} is no amount.")
    return int(value) if value.is_integer() else value


def _patient(path: Path) -> str:
    """A patient's file in words: name, gender, year of birth, and the first two problems."""
    resources: Sequence[Mapping[str, Any]] = [
        entry["resource"] for entry in json.loads(path.read_text(encoding="utf-8"))["entry"]
    ]
    patient = next(resource for resource in resources if resource["resourceType"] == "Patient")
    name = patient["name"][0]
    problems = [
        resource["code"].get("text") or resource["code"]["coding"][0]["display"]
        for resource in resources
        if resource["resourceType"] == "Condition"
    ]
    person = f"{' '.join(name.get('given', []))} {name.get('family', '')}, {patient.get('gender', '?')}"
    return f"{person}, {patient.get('birthDate', '?')[:4]}" + (f": {', '.join(problems[:2])}" if problems else "")


def _draft(path: Path) -> str:
    """A draft's file in words: the drug and its first dosage."""
    draft = json.loads(path.read_text(encoding="utf-8"))
    dosages = draft.get("dosageInstruction") or [{}]
    drug = (draft.get("medicationCodeableConcept") or draft.get("medicationReference") or {}) or {}
    name = drug.get("text") or drug.get("display") or next((c.get("display", "") for c in drug.get("coding", [])), "")
    return ", ".join(filter(None, [name, dosages[0].get("text", "")])) or path.stem
