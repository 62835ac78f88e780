"""What the form begins with where a scenario is shown: with its patient and its order, beside all choices."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

from cds_service.chart.order import named_routes, read_order
from cds_service.console.form import AS_TOLD, NUMBER, UNSTATED, Choices, Entered, order_fact, patient_in_words
from cds_service.content.model import Pack
from cds_service.fhir.tree import Node, node, nodes, number_text, text
from cds_service.fhir.wording import schedule_in_words
from cds_service.judge.ordered import drug_in_words
from cds_service.replay.scenario import Scenario
from cds_service.vocabulary.json_text import encode

_PRESCRIPTION = "MedicationRequest"


def begun_with(choices: Choices, scenario: Scenario) -> Choices:
    """The choices with what ``scenario`` has among them, and that chosen at first.

    What of its order the form has no field for, such as a second draft, stays as it is until the order is changed.
    """
    name = patient_in_words(scenario.resources, scenario.now) or scenario.patient
    told = replace(choices, patients={AS_TOLD: f"{name} (as shown)", **choices.patients}, told=scenario)
    order = told_order(scenario)
    beginning = replace(choices.beginning, hook=scenario.hook, patient=AS_TOLD, results={})
    if order is None:
        return replace(told, beginning=beginning)
    return _with_order(told, beginning, _exact(order))


def told_order(scenario: Scenario) -> Mapping[str, Any] | None:
    """The prescription of a scenario that the form is about: the first that is selected, else the first."""
    orders = [draft for draft in scenario.drafts if text(draft, "resourceType") == _PRESCRIPTION]
    selected = [order for order in orders if f"{_PRESCRIPTION}/{order.get('id')}" in scenario.selections]
    return next(iter(selected or orders), None)


def _exact(resource: Mapping[str, Any]) -> Node:
    """A resource with its numbers as they were sent, as everything that reads orders needs it."""
    tree: Node = json.loads(encode(resource), parse_float=Decimal)
    return tree


def _with_order(choices: Choices, beginning: Entered, order: Node) -> Choices:
    pack, dosages = choices.pack, nodes(order, "dosageInstruction")
    coded = [(text(each, "system"), text(each, "code")) for each in nodes(_medication(order), "coding")]
    drug = next((name for name, each in choices.products.items() if (each.system, each.code) in coded), AS_TOLD)
    drugs = {AS_TOLD: f"{_drug(pack, order)} (as ordered)", **choices.drugs} if drug == AS_TOLD else choices.drugs
    timings: Sequence[Mapping[str, Any]] = [node(dosage, "timing") for dosage in dosages]
    rhythm, rhythms = _rhythm(pack, choices, dosages, timings)
    dose, unit = _dose(dosages)
    unit = unit or beginning.unit
    units = choices.units if unit in choices.units else {unit: unit, **choices.units}
    return replace(
        choices,
        drugs=drugs,
        rhythms=rhythms,
        timings={**choices.timings, AS_TOLD: timings},
        units=units,
        beginning=replace(beginning, drug=drug, rhythm=rhythm, route=_route(pack, dosages), dose=dose, unit=unit),
    )


def _medication(order: Node) -> Node:
    return node(order, "medicationCodeableConcept")


def _drug(pack: Pack, order: Node) -> str:
    said = text(_medication(order), "text") or drug_in_words(pack, read_order("", order, {}))
    return said[:1].upper() + said[1:]


def _rhythm(
    pack: Pack, choices: Choices, dosages: Sequence[Node], timings: Sequence[Mapping[str, Any]]
) -> tuple[str, Mapping[str, str]]:
    """How often an order has it, as one of the choices where it is one of them, and the choices with it."""
    if not any(timings):
        return UNSTATED, choices.rhythms
    for name, known in choices.timings.items():
        if list(known) == list(timings):
            return name, choices.rhythms
    said = ", then ".join(filter(None, (schedule_in_words(pack.dosage_words, dosage) for dosage in dosages)))
    words = f"{said[:1].upper()}{said[1:]} (as ordered)" if said else "As ordered"
    return AS_TOLD, {AS_TOLD: words, **choices.rhythms}


def _route(pack: Pack, dosages: Sequence[Node]) -> str:
    """The route of all steps; not stated if they differ."""
    fact = order_fact(pack, "order", "route")
    named = {tuple(named_routes(fact.value_sets, node(dosage, "route"))) for dosage in dosages} if fact else set()
    names = next(iter(named)) if len(named) == 1 else ()
    return names[0] if len(names) == 1 else UNSTATED


def _dose(dosages: Sequence[Node]) -> tuple[str, str]:
    """The dose of all steps, and its unit; both empty if they differ, or if it is no single number."""
    doses = set()
    for dosage in dosages:
        rates = nodes(dosage, "doseAndRate")
        quantity = node(rates[0], "doseQuantity") if rates else {}
        doses.add((number_text(quantity, "value"), text(quantity, "code") or text(quantity, "unit")))
    dose, unit = next(iter(doses)) if len(doses) == 1 else ("", "")
    return (dose, unit) if NUMBER.fullmatch(dose) else ("", "")
