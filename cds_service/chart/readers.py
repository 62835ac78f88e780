"""From declarations to facts: which reader reads which declared fact. Imports the shared vocabulary and this room."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from msgspec.structs import replace

from cds_service.chart import conditions, history, kidney, person, results
from cds_service.chart import order as of_order
from cds_service.chart.order import NO_ORDER, Order
from cds_service.chart.record import Chart
from cds_service.fhir.tree import node, pairs, text
from cds_service.vocabulary.declarations import FactDeclaration
from cds_service.vocabulary.facts import Evidence, Fact, Facts

_NOT_DRAFTED = frozenset({"cancelled", "entered-in-error", "completed", "stopped"})

_PATIENT = {"age": person.age, "sex": person.sex}
_CHART = {
    "observation": results.observation,
    "flag": results.flag,
    "condition": conditions.condition,
    "allergy": conditions.allergy,
    "treatment": history.treatment,
    "procedure": conditions.procedure,
    "recency": history.recency,
}
_ORDER = {
    "agent": of_order.agent,
    "form": of_order.form,
    "in-value-set": of_order.in_value_set,
    "recognised-by": of_order.recognised_by,
    "route": of_order.route,
    "has-route": of_order.has_route,
    "reason": of_order.reason,
}


def patient_facts(declarations: Mapping[str, FactDeclaration], chart: Chart) -> Facts:
    """Every fact that does not depend on an order, each read when first asked for.

    What derives from other facts holds them weakly, so that a call's records are freed as soon as it is answered.
    """
    readers: dict[str, Callable[[], Fact]] = {}
    facts = Facts(readers)
    for name, declared in declarations.items():
        if declared.kind == "patient":
            readers[name] = partial(_PATIENT[declared.element], declared, chart)
        elif declared.kind in _CHART:
            readers[name] = partial(_CHART[declared.kind], declared, chart)
        elif declared.kind == "derived":
            readers[name] = partial(_derived, declarations, declared, weakref.proxy(facts))
    return facts


def _derived(declarations: Mapping[str, FactDeclaration], declared: FactDeclaration, facts: Mapping[str, Fact]) -> Fact:
    inputs = {role: _labelled(facts[name], declarations[name].label) for role, name in declared.inputs.items()}
    if declared.element == "newer":
        return kidney.newer(inputs["reported"], inputs["computed"])
    if declared.element == "later":
        return history.later(inputs["event"], inputs["since"])
    return kidney.estimated_gfr(declared, inputs["creatinine"], inputs["age"], inputs["sex"])


def _labelled(fact: Fact, label: str) -> Fact:
    """The fact with its evidence under its own name."""
    evidence = tuple(item if item.label else replace(item, label=label) for item in fact.evidence)
    return replace(fact, evidence=evidence)


def order_facts(
    declarations: Mapping[str, FactDeclaration],
    shared: Facts,
    order: Order,
    others: Sequence[Order],
    chart: Chart,
) -> tuple[Facts, list[Facts]]:
    """The facts of one order over those of the patient, and of each step of its dosage.

    ``others`` are the draft orders beside it (D7: B12 in the same set of drafts counts as under way). Of no order
    every fact is absent.
    """
    readers: dict[str, Callable[[], Fact]] = {}
    for name, declared in declarations.items():
        if declared.kind == "order" and order is NO_ORDER:
            readers[name] = Fact.absent
        elif declared.kind == "order" and declared.element == "status":
            readers[name] = partial(of_order.status, order)
        elif declared.kind == "order":
            readers[name] = partial(_ORDER[declared.element], declared, order)
        elif declared.kind == "drafts":
            readers[name] = partial(_drafted, declared, others)
    facts = Facts(readers, shared)
    steps = [_step_facts(declarations, facts, order, dosage, chart) for dosage in order.dosages()]
    return facts, steps


def _step_facts(
    declarations: Mapping[str, FactDeclaration],
    facts: Facts,
    order: Order,
    dosage: dict[str, object],
    chart: Chart,
) -> Facts:
    readers: dict[str, Callable[[], Fact]] = {}
    step = Facts(readers, facts)
    for name, declared in declarations.items():
        if declared.kind == "dosage":
            match declared.element:
                case "dose":
                    drug = of_order.recognise_drug(order, declared.value_sets.values())
                    readers[name] = partial(of_order.dose, declared, drug, dosage)
                case "interval":
                    readers[name] = partial(of_order.interval, dosage)
                case "doses":
                    readers[name] = partial(of_order.doses, dosage, chart.zone)
                case "days":
                    readers[name] = partial(of_order.days, dosage, chart.zone)
                case "daily":
                    readers[name] = partial(_daily, declared, weakref.proxy(step))
    return step


def _daily(declared: FactDeclaration, step: Facts) -> Fact:
    return of_order.daily(step[declared.inputs["dose"]], step[declared.inputs["interval"]])


def _drafted(declared: FactDeclaration, others: Sequence[Order]) -> Fact:
    """``present`` if another draft, not cancelled and to be performed, orders something of the value sets.

    ``statuses`` ask for drafts of these statuses instead, such as what is stopped.

    Medications are known by their drug (and form, if declared), service requests by their code.
    """
    found = []
    for other in others:
        status = text(other.resource, "status")
        wanted = status in declared.statuses if declared.statuses else status not in _NOT_DRAFTED
        if not wanted or other.resource.get("doNotPerform") is True:
            continue
        if text(other.resource, "resourceType") == "ServiceRequest":
            codes = pairs(node(other.resource, "code"))
            ordered = next((c for vs in declared.value_sets.values() if (c := vs.match(codes))), None)
        else:
            drug = of_order.recognise_drug(other, declared.value_sets.values())
            ordered = drug.concept if drug and declared.form in ("", drug.form) else None
        if ordered is not None:
            found.append(Evidence(other.reference, other.name or ordered.display))
    return Fact.of(of_order.PRESENT, *found) if found else Fact.absent()
