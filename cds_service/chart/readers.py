"""Which reader reads which declared fact, by the kind and the element that ``facts.yaml`` declares."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from msgspec.structs import replace

from cds_service.chart import conditions, history, items, kidney, person, results
from cds_service.chart.beside import drafted, ends_in, like_active
from cds_service.chart.drug import agent, form
from cds_service.chart.operators import reckoned
from cds_service.chart.order import NO_ORDER, Order, has_route, reason, route, status
from cds_service.chart.rate import concentration
from cds_service.chart.record import Chart
from cds_service.chart.steps import step_facts
from cds_service.chart.what_is_ordered import in_value_set, recognised_by
from cds_service.vocabulary.declarations import FactDeclaration
from cds_service.vocabulary.facts import Fact, Facts

_PATIENT = {"age": person.age, "sex": person.sex}
_CHART = {
    "observation": results.observation,
    "flag": results.flag,
    "doubtful": results.doubtful,
    "condition": conditions.condition,
    "allergy": conditions.allergy,
    "procedure": conditions.procedure,
    "history": history.history,
}
# Formulas of facts in the order of their roles (vocabulary.derivations).
_FORMULAS: Mapping[str, Callable[..., Fact]] = {
    "ckd-epi-2021": kidney.estimated_gfr,
    "newer": kidney.newer,
    "later": history.later,
}
_ORDER = {
    "agent": agent,
    "form": form,
    "in-value-set": in_value_set,
    "recognised-by": recognised_by,
    "route": route,
    "has-route": has_route,
    "reason": reason,
    "status": status,
    "concentration": concentration,
}
# Those that need the record, the day or the time zone.
_ORDER_ON_RECORD = {
    "like-active": like_active,
    "ends-in": ends_in,
    "begins-in": items.begins_in,
    "interval": items.interval,
    "times": items.times,
}


_OF_PATIENTS = frozenset({"patient", "derived", *_CHART})
_OF_ORDERS = frozenset({"order", "drafts"})


def patient_facts(declarations: Mapping[str, FactDeclaration], chart: Chart) -> Facts:
    """Every fact that does not depend on an order, each read when first asked for."""
    return Facts(declarations, _OF_PATIENTS, partial(_of_patient, declarations, chart))


def _of_patient(
    declarations: Mapping[str, FactDeclaration], chart: Chart, declared: FactDeclaration, facts: Facts
) -> Fact:
    read = _CHART.get(declared.kind)
    if read is not None:
        return read(declared, chart)
    if declared.kind == "patient":
        return _PATIENT[declared.element](declared, chart)
    return reckoned(declared, facts) if declared.operands else _derived(declarations, declared, facts)


def _derived(declarations: Mapping[str, FactDeclaration], declared: FactDeclaration, facts: Mapping[str, Fact]) -> Fact:
    operands = [_labelled(facts[name], declarations[name].label) for name in declared.inputs.values()]
    return _FORMULAS[declared.element](declared, *operands)


def _labelled(fact: Fact, label: str) -> Fact:
    """The fact with its own label on each piece of evidence that has none."""
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

    ``shared`` are the facts of the patient, ``others`` the draft orders beside this one (D7: B12 in the same set of
    drafts counts as under way). Where there is no order every fact of an order is absent.
    """
    facts = Facts(declarations, _OF_ORDERS, partial(_of_order, order, others, chart), shared)
    steps = [step_facts(declarations, order, dosage, chart.zone, facts) for dosage in order.dosages()]
    return facts, steps


def _of_order(order: Order, others: Sequence[Order], chart: Chart, declared: FactDeclaration, _: Facts) -> Fact:
    if declared.kind == "drafts":
        return drafted(declared, order, others, chart)
    if order is NO_ORDER:
        return Fact.absent()
    if declared.element in _ORDER_ON_RECORD:
        return _ORDER_ON_RECORD[declared.element](declared, order, chart)
    return _ORDER[declared.element](declared, order)
