"""Order templates: valid FHIR R4, with codes, units and agents that the pack itself knows when it judges them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from cds_service.content.files import problem_at
from cds_service.content.model import OrderTemplate, Pack
from cds_service.content.nearest import instead
from cds_service.content.proof.valid_fhir import fhir_faults
from cds_service.fhir.check_digits import fails_check_digit
from cds_service.fhir.codes import canonical
from cds_service.fhir.order_types import NUTRITION, subject_element, written_element
from cds_service.fhir.quantities import UCUM
from cds_service.fhir.ucum import measure
from cds_service.vocabulary.declarations import ValueSet
from cds_service.vocabulary.problems import Problem

# Where an order of each type says what it orders (``fhir.order_types``), and where it says by which route.
_ORDERED = (
    ("code",),
    ("medicationCodeableConcept",),
    ("contained", "code"),
    ("oralDiet", "type"),
    ("supplement", "type"),
    ("enteralFormula", "baseFormulaType"),
)
_ROUTE = ("dosageInstruction", "route")
_Place = tuple[str | int, ...]


def problems_of_order_templates(pack: Pack, folder: Path) -> Iterator[Problem]:
    """What is wrong with the order templates of a pack; ``folder`` is its own."""
    units, agents = _units(pack), _agents(pack)
    for template in pack.templates.values():
        path = folder / "orders" / f"{template.id}.yaml"
        for fault in fhir_faults(_whole(template)):
            yield problem_at(path, ("resource", *fault.place), "order", f"not valid FHIR R4: {fault}")
        if template.agent and template.agent not in agents:
            no = f"no code or name of a value set has the agent {template.agent!r}"
            yield problem_at(path, ("agent",), "order", f"{no}{instead(template.agent, agents, 'agents')}")
        for place, coded in _coded(template.resource, ()):
            if said := _fault_of_code(pack, units, place, coded):
                yield problem_at(path, ("resource", *place), "code", said)


def _whole(template: OrderTemplate) -> dict[str, Any]:
    """The order with what is only known when it is offered, and FHIR demands."""
    kind = template.resource["resourceType"]
    added: dict[str, Any] = {subject_element(kind): {"reference": "Patient/example"}}
    if kind == NUTRITION:
        added[written_element(kind)] = "2000-01-01"
    return {**template.resource, **added}


def _agents(pack: Pack) -> set[str]:
    sets = pack.value_sets.values()
    known = [concept for one in sets for concept in (*one.codes.values(), *one.prefixes, *one.names.values())]
    return {concept.agent for concept in known} - {""}


def _units(pack: Pack) -> dict[str, str]:
    """The units that the facts of a pack take, and their spellings, each with its UCUM code."""
    analytes = [fact.analyte for fact in pack.facts.values() if fact.analyte is not None]
    spelled = {spelling: unit for analyte in analytes for spelling, unit in analyte.aliases.items()}
    written = {said: unit for analyte in analytes for unit, said in analyte.written.items()}
    return {**written, **spelled, **{unit: unit for analyte in analytes for unit in analyte.factors}}


def _coded(tree: Any, place: _Place) -> Iterator[tuple[_Place, Mapping[str, Any]]]:
    """Every Coding and Quantity in a resource that has a code of a system, and where it stands."""
    if isinstance(tree, Mapping):
        if isinstance(tree.get("system"), str) and isinstance(tree.get("code"), str):
            yield place, tree
        for name, value in tree.items():
            yield from _coded(value, (*place, name))
    elif isinstance(tree, list):
        for number, value in enumerate(tree):
            yield from _coded(value, (*place, number))


def _fault_of_code(pack: Pack, units: Mapping[str, str], place: _Place, coded: Mapping[str, Any]) -> str:
    system, code = canonical(coded["system"]), coded["code"]
    if system == UCUM:
        return _fault_of_unit(units, place, code)
    if fails_check_digit(system, code):
        return f"{code} fails its check digit"
    way = tuple(step for step in place if isinstance(step, str) and step != "coding")
    sets = [one for one in pack.value_sets.values() if (one.kind == "route") == (way == _ROUTE)]
    if way not in (*_ORDERED, _ROUTE) or any(one.find(system, code) is not None for one in sets):
        return ""
    if pack.site_digest or (way == _ROUTE and not sets):  # a site orders by codes of its own (orderables)
        return ""
    if "placeholder" in f"{code} {coded.get('display', '')}".casefold():
        return f"{code} is the placeholder that new pack wrote here; write the code that the value set has now"
    return f"{code} of {system} is in no value set of the pack{instead(code, _codes(sets, system), 'codes')}"


def _codes(sets: list[ValueSet], system: str) -> set[str]:
    return {code for one in sets for of_system, code in one.codes if of_system == system}


def _fault_of_unit(units: Mapping[str, str], place: _Place, code: str) -> str:
    try:
        if code not in units.values():
            measure(code)
    except ValueError:
        where = "/".join(map(str, place))
        if code in units:
            return f"{where}: {code!r} is no code of UCUM; write {units[code]!r}"
        return f"{where}: {code!r} is no code of UCUM that is known here{instead(code, set(units.values()), 'units')}"
    return ""
