"""Facts that are derived by an operator: what is wrong with their declarations, and what their units are worth."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Any

from cds_service.content.domains import words_of_fact
from cds_service.fhir.ucum import Measure, measure
from cds_service.vocabulary.declarations import Operand
from cds_service.vocabulary.derivations import FORMULAS, OPERATORS, in_role_order
from cds_service.vocabulary.facts import Exact, Interval, exact

_Facts = Mapping[str, Mapping[str, Any]]
_OF_DATES = "days-between"
_DERIVED = ("derived", "dosage")  # kinds whose elements may be operators or formulas
_MASS, _TIME = {"g": 1}, {"s": 1}


def operands_of(fact: Mapping[str, Any], facts: _Facts) -> tuple[tuple[Operand, ...], Exact]:
    """The operands of a fact in the order of its operator, and what turns the result into the unit of the fact.

    None for a fact that no operator derives.
    """
    if fact["kind"] not in _DERIVED or fact.get("element") not in OPERATORS:
        return (), 1
    operands = []
    for role, of_role in _in_order(fact):
        scale = measure(_unit_of(fact["element"], of_role, facts)).factor
        if isinstance(of_role, str):
            operands.append(Operand(role, facts[of_role]["label"], of_role, scale))
        else:
            number = exact(str(_number(of_role)))
            label = f"{number} {of_role['unit']}" if isinstance(of_role, dict) else str(number)
            operands.append(Operand(role, label, "", scale, Interval.point(number)))
    return tuple(operands), exact(Fraction(1) / measure(fact["unit"]).factor)


def facts_behind(name: str, facts: _Facts) -> set[str]:
    """The facts from which a fact is derived, directly or behind others."""
    found: set[str] = set()
    left = [name]
    while left:
        for needed in facts.get(left.pop(), {}).get("inputs", {}).values():
            if needed not in found:
                found.add(needed)
                left.append(needed)
    return found


def is_of_steps_alone(name: str, facts: _Facts) -> bool:
    """Whether a fact of a dosage is derived from such facts only, if at all: events of the past have no others."""
    return all(facts.get(other, {}).get("kind") == "dosage" for other in facts_behind(name, facts))


def _in_order(fact: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Each role with the name of its fact, or with its constant."""
    given = {**fact.get("inputs", {}), **fact.get("constants", {})}
    return [(role, given[role]) for role in in_role_order(fact["element"], given)]


def _number(constant: Any) -> Any:
    return constant["value"] if isinstance(constant, dict) else constant


def _unit_of(element: str, of_role: Any, facts: _Facts) -> str:
    """The unit in which an operand is taken: that of its fact or constant, and days for a date."""
    if element == _OF_DATES:
        return "d"
    if isinstance(of_role, str):
        return str(facts[of_role].get("unit", ""))
    return str(of_role["unit"]) if isinstance(of_role, dict) else "1"


def problems_of_derived(fact: Mapping[str, Any], facts: _Facts) -> Iterator[tuple[str, str]]:
    """What is wrong with which member of a fact that is derived from others; those that it names are there."""
    element = fact.get("element", "")
    if fact["kind"] not in _DERIVED or element not in {**OPERATORS, **FORMULAS}:
        return
    inputs = fact.get("inputs", {})
    roles = OPERATORS.get(element) or FORMULAS.get(element, ())
    given = [*inputs, *(fact.get("constants", {}) if element in OPERATORS else ())]
    if len(given) != len(set(given)):
        twice = sorted({role for role in given if given.count(role) > 1})
        yield "constants", f"{', '.join(twice)} is an input and a constant"
    elif roles and set(given) != set(roles):
        yield "inputs", f"{element} needs {' and '.join(roles)}, and has {' and '.join(given) or 'nothing'}"
    elif not roles and len(given) < 2:
        yield "inputs", f"{element} needs two operands or more"
    elif element in OPERATORS:
        yield from _of_operator(fact, facts)
    if fact["kind"] == "derived":
        for name in inputs.values():
            if facts[name]["kind"] in ("order", "dosage", "drafts"):
                yield "inputs", f"{name!r} is a fact of an order; what is derived from it is of the kind dosage"


def _of_operator(fact: Mapping[str, Any], facts: _Facts) -> Iterator[tuple[str, str]]:
    element = fact["element"]
    names = fact.get("inputs", {}).values()
    if not names:
        yield "constants", f"{element} of constants alone is no fact"
    if element == _OF_DATES and fact.get("constants"):
        yield "constants", f"{element} takes facts with days, and no constants"
        return
    if "unit" not in fact:
        yield "unit", f"{element} needs a unit"
        return
    for name in names:
        other = facts[name]
        if element != _OF_DATES and words_of_fact(other["kind"], other.get("element", ""), other.get("values", ())):
            yield "inputs", f"{name!r} has no numbers that {element} could take"
            return
        if element == _OF_DATES and other["kind"] in ("patient", "order", "dosage", "drafts"):
            yield "inputs", f"{name!r} has no day"
            return
    try:
        own = measure(fact["unit"])
        measures = {role: measure(_unit_of(element, of_role, facts)) for role, of_role in _in_order(fact)}
    except ValueError as error:
        yield "unit", f"it cannot be reckoned with: {error}"
        return
    yield from _of_units(element, fact["unit"], own, measures)


def _of_units(element: str, unit: str, own: Measure, measures: Mapping[str, Measure]) -> Iterator[tuple[str, str]]:
    """Whether the unit of the result follows from the units of the operands."""
    if element == "product":
        found = Measure(1)
        for one in measures.values():
            found = found.times(one)
    else:
        first, *others = measures.values()
        found = first.over(others[0]) if OPERATORS[element][1:] in (("divisor",), ("weight",)) else first
        if found is first and any(one.dimensions != first.dimensions for one in others):
            yield "inputs", f"{element} of what has different kinds of units"
            return
        if element == "per-kilogram" and others[0].dimensions != _MASS:
            yield "inputs", "weight has no unit of mass"
            return
    if found.dimensions != own.dimensions:
        yield "unit", f"{unit!r} is no unit of the {element} of its operands"
