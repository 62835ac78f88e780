"""Orders changed and made: what accepting a suggestion does to the drafts.

An update edits a deep copy of the draft's own tree, so that every element and extension that it does not touch comes
back as it was sent (RSP-43, T-06). What the change makes untrue is dropped (Z6), and only a listed set of faults is
mended (Z24). A ``template`` is the resource of an order template, each dosage with its text. ``said`` are the words
that the text of any other dosage is made of.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

import msgspec

from cds_service.chart.order import dosages_of
from cds_service.fhir import strict
from cds_service.fhir.order_types import NUTRITION, subject_element, written_element
from cds_service.fhir.tree import Node, copied, node, nodes, text
from cds_service.fhir.wording import set_texts
from cds_service.vocabulary.dosage_words import DosageWords

_BOUNDS = ("boundsDuration", "boundsRange", "boundsPeriod", "count", "countMax")
_AMOUNTS, _RATES = ("doseQuantity", "doseRange"), ("rateQuantity", "rateRatio", "rateRange")
_DRUG = ("medicationReference", "medication", "medicationCodeableConcept")
_SUPPLY = ("quantity", "expectedSupplyDuration", "numberOfRepeatsAllowed")


class Revision(msgspec.Struct, frozen=True):
    """A changed draft, with the elements that were changed, dropped and mended.

    ``problem`` is the path of the element that keeps the result from being valid FHIR; ``""`` if nothing does.
    """

    resource: Node
    changed: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()
    repaired: tuple[str, ...] = ()
    problem: str = ""


def from_template(template: Mapping[str, Any], patient_id: str, encounter_id: str, identity: str, today: date) -> Node:
    """A new order: a copy of the template's resource for this patient.

    Of a NutritionOrder R4 demands when it was ordered: ``today``, so that the same call gives the same all day (Z17).
    """
    resource: Node = copied(dict(template))
    kind = resource["resourceType"]
    resource["id"] = identity
    resource[subject_element(kind)] = {"reference": f"Patient/{patient_id}"}
    if encounter_id:
        resource["encounter"] = {"reference": f"Encounter/{encounter_id}"}
    if kind == NUTRITION:
        resource[written_element(kind)] = today.isoformat()
    return resource


def with_regimen(draft: Node, template: Mapping[str, Any]) -> Revision:
    """The draft with the template's drug and dosage (Z6); what it has already is not said to be changed."""

    def change(revised: Node) -> tuple[str, ...]:
        before = {key: revised[key] for key in _DRUG if key in revised}
        revised.pop("medicationReference", None)
        revised.pop("medication", None)
        revised["medicationCodeableConcept"] = copied(template["medicationCodeableConcept"])
        revised["dosageInstruction"] = copied(template["dosageInstruction"])
        is_same_drug = before == {"medicationCodeableConcept": revised["medicationCodeableConcept"]}
        return ("dosageInstruction",) if is_same_drug else ("medication", "dosageInstruction")

    return _revise(draft, change)


def with_route(said: DosageWords, draft: Node, route: Mapping[str, str]) -> Revision:
    """The draft by another route: dose and schedule stay, whatever else the old dosage said is dropped (Z6).

    ``route`` holds system, code, display and text.
    """
    coding = {key: route[key] for key in ("system", "code", "display")}

    def change(revised: Node) -> tuple[str, ...]:
        steps = _bare_steps(revised)
        for step in steps:
            step["route"] = {"coding": [dict(coding)], "text": route["text"]}
        revised["dosageInstruction"] = steps
        set_texts(said, steps)
        return ("dosageInstruction",)

    return _revise(draft, change)


def with_dosage(said: DosageWords, draft: Node, template: Mapping[str, Any], end: str, kept: int = 0) -> Revision:
    """The draft's own drug with the template's dosage (Z6), after the first ``kept`` steps of its own.

    The texts of these end in ``end`` as those of the template do.
    """

    def change(revised: Node) -> tuple[str, ...]:
        own = _bare_steps(revised, with_rate=True)[:kept] if kept else []
        steps = [*own, *copied(template["dosageInstruction"])]
        for number, step in enumerate(steps, 1):
            step["sequence"] = number
        set_texts(said, own, end)
        revised["dosageInstruction"] = steps
        return ("dosageInstruction",)

    return _revise(draft, change)


def without_end(said: DosageWords, draft: Node) -> Revision:
    """The draft without an end: its last step without bounds and count; drug, dose, rate, route and rhythm stay."""

    def change(revised: Node) -> tuple[str, ...]:
        steps = _bare_steps(revised, with_rate=True)
        repeat = node(node(steps[-1] if steps else {}, "timing"), "repeat")
        for key in _BOUNDS:
            repeat.pop(key, None)
        revised["dosageInstruction"] = steps
        set_texts(said, steps)
        return ("dosageInstruction",)

    return _revise(draft, change)


def _bare_steps(draft: Node, *, with_rate: bool = False) -> list[Node]:
    """Each dosage, in sequence, reduced to its timing, route and dose; a rate belongs to its route and its dose."""
    kept = (*_AMOUNTS, *_RATES) if with_rate else _AMOUNTS
    steps = []
    for old in dosages_of(draft):
        step: Node = {"sequence": old["sequence"]} if isinstance(old.get("sequence"), int) else {}
        step |= {key: node(old, key) for key in ("timing", "route") if node(old, key)}
        amounts = [{key: rate[key] for key in kept if key in rate} for rate in nodes(old, "doseAndRate")]
        if any(amounts):
            step["doseAndRate"] = [amount for amount in amounts if amount]
        steps.append(step)
    return steps


def _revise(draft: Node, change: Callable[[Node], tuple[str, ...]]) -> Revision:
    """A copy of the draft after ``change``, which edits it in place and names the elements that it changed."""
    if _has_modifier(draft):
        return Revision(draft, problem="modifierExtension")
    revised: Node = copied(draft)
    supply = node(revised, "dispenseRequest")
    dropped = [f"dispenseRequest.{key}" for key in _SUPPLY if supply.pop(key, None) is not None]
    if "dispenseRequest" in revised and not supply:
        del revised["dispenseRequest"]
    if revised.pop("substitution", None) is not None:
        dropped.append("substitution")
    changed = change(revised)
    repaired = _repair(revised)
    kept, gone = _unreferenced(revised)
    if gone:
        dropped.append("contained")
        revised["contained"] = kept
        if not kept:
            del revised["contained"]
    return Revision(revised, changed, tuple(dropped), tuple(repaired), strict.problem_in(revised))


def _repair(revised: Node) -> list[str]:
    """Mends the listed faults and no others (Z24): an object for an array, a missing intent, impossible dates.

    Returns the elements that were mended.
    """
    repaired = []
    for key in strict.REPEATING:
        if isinstance(revised.get(key), dict):
            revised[key] = [revised[key]]
            repaired.append(key)
    if "intent" not in revised:
        revised["intent"] = "order"
        repaired.append("intent")
    for key in strict.DATES:
        if key in revised and not strict.is_date(revised[key]):
            del revised[key]
            repaired.append(key)
    for dosage in nodes(revised, "dosageInstruction"):
        repeat = node(node(dosage, "timing"), "repeat")
        period = node(repeat, "boundsPeriod")
        for key in ("start", "end"):
            if key in period and not strict.is_date(period[key]):
                del period[key]
                repaired.append(f"boundsPeriod.{key}")
        if "boundsPeriod" in repeat and not period:
            del repeat["boundsPeriod"]
    return repaired


def _unreferenced(revised: Node) -> tuple[list[Node], bool]:
    """The contained resources to keep, and whether any other was there: a Medication that nothing refers to."""
    contained = nodes(revised, "contained")
    if not contained:
        return [], False
    referred = set(_references({key: value for key, value in revised.items() if key != "contained"}))
    kept = [
        item for item in contained if text(item, "resourceType") != "Medication" or f"#{text(item, 'id')}" in referred
    ]
    return kept, len(kept) < len(contained)


def _references(tree: Any) -> list[str]:
    """Every ``reference`` in a JSON tree."""
    if isinstance(tree, dict):
        own = [tree["reference"]] if isinstance(tree.get("reference"), str) else []
        return own + [reference for value in tree.values() for reference in _references(value)]
    return [reference for item in tree for reference in _references(item)] if isinstance(tree, list) else []


def _has_modifier(tree: Node) -> bool:
    """Whether a JSON tree has a ``modifierExtension`` at any depth."""
    waiting: list[Any] = [tree]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            if "modifierExtension" in item:
                return True
            waiting.extend(item.values())
        elif isinstance(item, list):
            waiting.extend(item)
    return False
