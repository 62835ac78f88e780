"""From an entered form to a call: the patient's record with what was entered, and the order, as a scenario.

What was left as the scenario has it that the form began with is the scenario's to the letter.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, timedelta
from pathlib import Path
from typing import Any

from cds_service.console.calendar import dosed_steps
from cds_service.console.form import (
    AS_ORDERED,
    AS_RECORDED,
    AS_TOLD,
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
from cds_service.console.form_beginning import told_order
from cds_service.content.model import Pack
from cds_service.fhir.order_types import subject_element
from cds_service.fhir.quantities import UCUM
from cds_service.replay.input_files import read_json
from cds_service.replay.scenario import Scenario
from cds_service.vocabulary.declarations import Concept, ValueSet

_MEDICATIONS = ("MedicationRequest", "MedicationAdministration", "MedicationDispense", "MedicationStatement")
_MOST_GIVEN = 60  # doses of a treatment that are recorded as given, the newest
_MOST_RECKONED = 20_000  # doses of ten years, several a day
_OF_ORDER = ("drug", "rhythm", "route", "dose", "unit")  # fields of the form
_DRUG = ("medicationCodeableConcept", "medicationReference", "contained")
_STATUS = "http://terminology.hl7.org/CodeSystem/condition-"


def scenario_of(choices: Choices, entered: Entered, fixtures: Path) -> Scenario:
    """A form without faults as a scenario without expectations.

    It is at the time of the scenario whose patient it has, else at the time that the fixtures are written for.
    """
    base = replace(record_of(choices, entered.patient, fixtures), hook=entered.hook)
    drafts, selections = _drafts(choices, entered, base)
    ordered = next((draft for draft in drafts if draft.get("resourceType") == "MedicationRequest"), {})
    resources = [resource for resource in base.resources if not _is_replaced(choices, entered, resource)]
    resources += [*_problems(choices, entered, base), *_treatment(choices, entered, ordered, base)]
    for name, (value, unit, flag) in entered.results.items():
        if value:
            resources.append(_observation(choices.results[name], base, value, unit, is_low=flag == LOW))
    return replace(base, hook=entered.hook, resources=resources, drafts=drafts, selections=selections)


def with_result(scenario: Scenario, result: ResultField, value: str) -> Scenario:
    """A scenario with another result, a number in its canonical unit, instead of one that was entered."""
    new = _observation(result, scenario, value, result.canonical, is_low=False)
    others = [resource for resource in scenario.resources if resource.get("id") != new["id"]]
    return replace(scenario, resources=[*others, new])


def form_id(result: ResultField) -> str:
    """The id of the Observation that stands for a result that was entered."""
    return f"form-{result.fact.name}"


def record_of(choices: Choices, patient: str, fixtures: Path) -> Scenario:
    """The record of a patient of the choices: the scenario that the form began with, or one without an order."""
    if patient == AS_TOLD and choices.told is not None:
        return replace(choices.told, expect=None)
    bundle = read_json(fixtures / "patients" / f"{patient}.json")
    return Scenario(
        name=f"form/{patient}",
        path=Path(),
        hook=choices.beginning.hook,
        now=NOW,
        patient=patient,
        resources=[entry["resource"] for entry in bundle["entry"]],
        drafts=[],
        selections=[],
        without=frozenset(),
        prefetch={},
        in_process_only=True,
        expect=None,
    )


def _drafts(choices: Choices, entered: Entered, base: Scenario) -> tuple[list[Mapping[str, Any]], Sequence[str]]:
    """The drafts and which of them are selected: those that were told, as far as they were not changed."""
    told, first = choices.told, choices.beginning
    order = told_order(told) if told is not None else None
    is_as_told = all(getattr(entered, name) == getattr(first, name) for name in _OF_ORDER)
    if told is not None and is_as_told and (order is not None or entered.hook == told.hook):
        drafts = list(told.drafts)
    else:
        made = _draft(choices, entered, base, order or {})
        drafts = [made if draft is order else draft for draft in told.drafts] if told is not None and order else [made]
    if entered.patient != AS_TOLD:
        whose = {"reference": f"Patient/{base.patient}"}
        drafts = [{**draft, subject_element(draft["resourceType"]): whose} for draft in drafts]
    if told is not None and order is not None:
        return drafts, told.selections
    return drafts, [f"{draft['resourceType']}/{draft['id']}" for draft in drafts]


def _is_replaced(choices: Choices, entered: Entered, resource: Mapping[str, Any]) -> bool:
    """Whether what was entered takes the place of a resource of the record."""
    kind = resource["resourceType"]
    if kind == "Condition":
        return entered.problem != AS_RECORDED
    if entered.treatment == AS_RECORDED:
        return False
    if kind in _MEDICATIONS:
        return _is_of(choices.pack.drugs, resource.get("medicationCodeableConcept", {}))
    return kind == "Procedure" and _is_of(_of_history(choices.pack), resource.get("code", {}))


def _is_of(value_sets: Iterable[ValueSet], concept: Mapping[str, Any]) -> bool:
    codings = [(coding.get("system", ""), coding.get("code", "")) for coding in concept.get("coding", [])]
    return any(value_set.match_or_name(codings, [concept.get("text", "")]) is not None for value_set in value_sets)


def _of_history(pack: Pack) -> Iterator[ValueSet]:
    """The value sets by which facts of the history know what was given."""
    for fact in pack.facts.values():
        if fact.kind == "history":
            yield from fact.value_sets.values()


def _draft(choices: Choices, entered: Entered, base: Scenario, order: Mapping[str, Any]) -> dict[str, Any]:
    """The order as it was entered; ``order`` is the one that was told, whose drug it keeps if no other was chosen."""
    steps = choices.timings.get(entered.rhythm, [{}])
    dosages = [{"sequence": number, **_dosage(choices, entered, timing)} for number, timing in enumerate(steps, 1)]
    drug = {name: value for name, value in order.items() if name in _DRUG}
    if entered.drug != AS_TOLD:
        drug = {"medicationCodeableConcept": _concept(choices.products[entered.drug], choices.drugs[entered.drug])}
    return {
        "resourceType": "MedicationRequest",
        "id": order.get("id", "draft-1"),
        "status": "draft",
        "intent": "order",
        **drug,
        "subject": {"reference": f"Patient/{base.patient}"},
        "authoredOn": base.now.isoformat(),
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


def _problems(choices: Choices, entered: Entered, base: Scenario) -> Iterator[dict[str, Any]]:
    """The problem that was chosen, as recorded yesterday."""
    if entered.problem in (AS_RECORDED, NONE):
        return
    fact = choices.pack.facts[entered.problem]
    concept = codes_of(fact)[0]
    yesterday = (base.now - timedelta(days=1)).date().isoformat()
    yield {
        "resourceType": "Condition",
        "id": "form-problem",
        "clinicalStatus": {"coding": [{"system": f"{_STATUS}clinical", "code": "active"}]},
        "verificationStatus": {"coding": [{"system": f"{_STATUS}ver-status", "code": "confirmed"}]},
        # Where a code is wider than the problem, only its words name that (Z3).
        "code": _concept(concept, f"{concept.display} ({fact.naming[0]})" if fact.naming else concept.display),
        "subject": {"reference": f"Patient/{base.patient}"},
        "onsetDateTime": yesterday,
        "recordedDate": yesterday,
    }


def _treatment(
    choices: Choices, entered: Entered, draft: Mapping[str, Any], base: Scenario
) -> Iterator[dict[str, Any]]:
    """The order of the treatment so far, and its doses before today as they were given."""
    if entered.treatment in (AS_RECORDED, NONE):
        return
    regimen = draft if entered.treatment == AS_ORDERED else choices.pack.templates[entered.treatment].resource
    today = base.now.date()
    began = today - timedelta(weeks=int(entered.weeks))
    subject = {"reference": f"Patient/{base.patient}"}
    order = {**regimen, "id": "form-treatment", "subject": subject, "authoredOn": began.isoformat()}
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


def _observation(result: ResultField, base: Scenario, value: str, unit: str, *, is_low: bool) -> dict[str, Any]:
    """A result of an hour ago."""
    fact = result.fact
    analyte = fact.analyte
    made: dict[str, Any] = {
        "resourceType": "Observation",
        "id": form_id(result),
        "status": "final",
        "code": _concept(codes_of(fact)[0], ""),
        "subject": {"reference": f"Patient/{base.patient}"},
        "effectiveDateTime": (base.now - timedelta(hours=1)).isoformat(),
        "valueQuantity": _quantity(value, unit, analyte.factors if analyte is not None else {}),
    }
    if is_low:
        concept = next(iter(fact.value_sets["interpretation"].codes.values()))
        made["interpretation"] = [_concept(concept, "")]
    return made


def _concept(concept: Concept, text: str) -> dict[str, Any]:
    coding = {"system": concept.system, "code": concept.code, "display": concept.display}
    return {"coding": [coding]} | ({"text": text} if text else {})


def _quantity(value: str, unit: str, factors: Mapping[str, Any]) -> dict[str, Any]:
    """A Quantity; ``factors`` are by the units that UCUM has a code for, and other units are words."""
    number = float(value)
    quantity: dict[str, Any] = {"value": int(number) if number.is_integer() else number, "unit": unit}
    return quantity | ({"system": UCUM, "code": unit} if unit in factors else {})
