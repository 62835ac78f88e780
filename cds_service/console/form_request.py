"""From an entered form to a call: the patient's record with what was entered, and the order, as a scenario."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, date, timedelta
from pathlib import Path
from typing import Any

from cds_service.console.calendar import dosed_steps
from cds_service.console.form import (
    AS_ORDERED,
    AS_RECORDED,
    LOW,
    NONE,
    NOW,
    UNSTATED,
    Choices,
    Entered,
    ResultField,
    codes_of,
    order_fact,
)
from cds_service.content.model import Pack
from cds_service.replay.input_files import read_json
from cds_service.replay.scenario import Scenario
from cds_service.vocabulary.declarations import Concept, ValueSet

_UCUM = "http://unitsofmeasure.org"
_MEDICATIONS = ("MedicationRequest", "MedicationAdministration", "MedicationDispense", "MedicationStatement")
_MOST_GIVEN = 60  # doses of a treatment that are recorded as given, the newest
_MOST_RECKONED = 20_000  # doses of ten years, several a day
_STATUS = "http://terminology.hl7.org/CodeSystem/condition-"


def scenario_of(choices: Choices, entered: Entered, fixtures: Path) -> Scenario:
    """A form without faults as a scenario without expectations, at the time that the fixtures are written for."""
    bundle = read_json(fixtures / "patients" / f"{entered.patient}.json")
    draft = _draft(choices, entered)
    resources = [
        entry["resource"] for entry in bundle["entry"] if not _is_replaced(choices, entered, entry["resource"])
    ]
    resources += [*_problems(choices, entered), *_treatment(choices, entered, draft)]
    for name, (value, unit, flag) in entered.results.items():
        if value:
            resources.append(_observation(choices.results[name], entered.patient, value, unit, is_low=flag == LOW))
    return Scenario(
        name=f"form/{entered.patient}/{entered.drug}",
        path=Path(),
        hook=entered.hook,
        now=NOW,
        patient=entered.patient,
        resources=resources,
        drafts=[draft],
        selections=[f"{draft['resourceType']}/{draft['id']}"],
        without=frozenset(),
        prefetch={},
        in_process_only=True,
        expect=None,
    )


def _is_replaced(choices: Choices, entered: Entered, resource: Mapping[str, Any]) -> bool:
    """Whether what was entered takes the place of a resource of the record."""
    kind = resource["resourceType"]
    if kind == "Condition":
        return entered.problem != AS_RECORDED
    if entered.treatment == AS_RECORDED:
        return False
    if kind in _MEDICATIONS:
        return _is_of(choices.pack.relevant, resource.get("medicationCodeableConcept", {}))
    return kind == "Procedure" and _is_of(_of_history(choices.pack), resource.get("code", {}))


def _is_of(value_sets: Iterable[ValueSet], concept: Mapping[str, Any]) -> bool:
    codings = [(coding.get("system", ""), coding.get("code", "")) for coding in concept.get("coding", [])]
    return any(value_set.match_or_name(codings, [concept.get("text", "")]) is not None for value_set in value_sets)


def _of_history(pack: Pack) -> Iterator[ValueSet]:
    """The value sets by which facts of the history know what was given."""
    for fact in pack.facts.values():
        if fact.kind == "history":
            yield from fact.value_sets.values()


def _draft(choices: Choices, entered: Entered) -> dict[str, Any]:
    """The order as it was entered."""
    steps = choices.timings.get(entered.rhythm, [{}])
    dosages = [{"sequence": number, **_dosage(choices, entered, timing)} for number, timing in enumerate(steps, 1)]
    return {
        "resourceType": "MedicationRequest",
        "id": "draft-1",
        "status": "draft",
        "intent": "order",
        "medicationCodeableConcept": _concept(choices.products[entered.drug], choices.drugs[entered.drug]),
        "subject": {"reference": f"Patient/{entered.patient}"},
        "authoredOn": NOW.isoformat(),
        "dosageInstruction": dosages,
    }


def _dosage(choices: Choices, entered: Entered, timing: Mapping[str, Any]) -> dict[str, Any]:
    dosage: dict[str, Any] = {"timing": timing} if timing else {}
    routes = order_fact(choices.pack, "order", "route")
    if entered.route != UNSTATED and routes is not None:
        concept = next(iter(routes.value_sets[entered.route].codes.values()))
        dosage["route"] = _concept(concept, entered.route)
    if entered.dose:
        fact = order_fact(choices.pack, "dosage", "dose")
        factors = fact.analyte.factors if fact is not None and fact.analyte is not None else {}
        dosage["doseAndRate"] = [{"doseQuantity": _quantity(entered.dose, entered.unit, factors)}]
    return dosage


def _problems(choices: Choices, entered: Entered) -> Iterator[dict[str, Any]]:
    """The problem that was chosen, as recorded yesterday."""
    if entered.problem in (AS_RECORDED, NONE):
        return
    fact = choices.pack.facts[entered.problem]
    concept = codes_of(fact)[0]
    yesterday = (NOW - timedelta(days=1)).date().isoformat()
    yield {
        "resourceType": "Condition",
        "id": "form-problem",
        "clinicalStatus": {"coding": [{"system": f"{_STATUS}clinical", "code": "active"}]},
        "verificationStatus": {"coding": [{"system": f"{_STATUS}ver-status", "code": "confirmed"}]},
        # Where a code is wider than the problem, only its words name that (Z3).
        "code": _concept(concept, f"{concept.display} ({fact.naming[0]})" if fact.naming else concept.display),
        "subject": {"reference": f"Patient/{entered.patient}"},
        "onsetDateTime": yesterday,
        "recordedDate": yesterday,
    }


def _treatment(choices: Choices, entered: Entered, draft: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The order of the treatment so far, and its doses before today as they were given."""
    if entered.treatment in (AS_RECORDED, NONE):
        return
    regimen = draft if entered.treatment == AS_ORDERED else choices.pack.templates[entered.treatment].resource
    today = NOW.date()
    began = today - timedelta(weeks=int(entered.weeks))
    order = {**regimen, "id": "form-treatment", "subject": draft["subject"], "authoredOn": began.isoformat()}
    steps = dosed_steps(order, began, UTC, {}, until=today, most=_MOST_RECKONED) or []
    has_ended = bool(steps) and steps[-1].end is not None and steps[-1].end <= today
    yield order | {"status": "completed" if has_ended else "active"}
    days = [(day, step.number) for step in steps for day in step.days if day < today]
    for number, (day, step) in enumerate(days[-_MOST_GIVEN:], 1):
        yield _given(order, f"form-dose-{number}", day, order["dosageInstruction"][step - 1])


def _given(order: Mapping[str, Any], name: str, day: date, dosage: Mapping[str, Any]) -> dict[str, Any]:
    given: dict[str, Any] = {"route": dosage["route"]} if "route" in dosage else {}
    if "doseAndRate" in dosage:
        given["dose"] = dosage["doseAndRate"][0]["doseQuantity"]
    return {
        "resourceType": "MedicationAdministration",
        "id": name,
        "status": "completed",
        "medicationCodeableConcept": order["medicationCodeableConcept"],
        "subject": order["subject"],
        "effectiveDateTime": day.isoformat(),
        "request": {"reference": f"{order['resourceType']}/{order['id']}"},
        **({"dosage": given} if given else {}),
    }


def _observation(result: ResultField, patient: str, value: str, unit: str, *, is_low: bool) -> dict[str, Any]:
    """A result of an hour ago."""
    fact = result.fact
    analyte = fact.analyte
    observation: dict[str, Any] = {
        "resourceType": "Observation",
        "id": f"form-{fact.name}",
        "status": "final",
        "code": _concept(codes_of(fact)[0], ""),
        "subject": {"reference": f"Patient/{patient}"},
        "effectiveDateTime": (NOW - timedelta(hours=1)).isoformat(),
        "valueQuantity": _quantity(value, unit, analyte.factors if analyte is not None else {}),
    }
    if is_low:
        concept = next(iter(fact.value_sets["interpretation"].codes.values()))
        observation["interpretation"] = [_concept(concept, "")]
    return observation


def _concept(concept: Concept, text: str) -> dict[str, Any]:
    coding = {"system": concept.system, "code": concept.code, "display": concept.display}
    return {"coding": [coding]} | ({"text": text} if text else {})


def _quantity(value: str, unit: str, factors: Mapping[str, Any]) -> dict[str, Any]:
    """A Quantity; ``factors`` are by the units that UCUM has a code for, and other units are words."""
    number = float(value)
    quantity: dict[str, Any] = {"value": int(number) if number.is_integer() else number, "unit": unit}
    return quantity | ({"system": _UCUM, "code": unit} if unit in factors else {})
