"""Which reader reads which declared fact, by the kind and the element that ``facts.yaml`` declares."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial

from msgspec.structs import replace

from cds_service.chart import conditions, history, kidney, person, results
from cds_service.chart.dosage import daily, dose
from cds_service.chart.drug import agent, form, in_value_set, recognise_drug, recognised_by
from cds_service.chart.order import NO_ORDER, Order, has_route, reason, route, status
from cds_service.chart.record import Chart
from cds_service.chart.statuses import NOT_DRAFTED
from cds_service.fhir.schedule import Schedule, read_schedule
from cds_service.fhir.schedule_facts import days, doses, interval
from cds_service.fhir.tree import Node, node, pairs, text
from cds_service.vocabulary.declarations import FactDeclaration
from cds_service.vocabulary.facts import PRESENT, Evidence, Fact, Facts, Reason

_PATIENT = {"age": person.age, "sex": person.sex}
_CHART = {
    "observation": results.observation,
    "flag": results.flag,
    "doubtful": results.doubtful,
    "condition": conditions.condition,
    "allergy": conditions.allergy,
    "treatment": history.treatment,
    "procedure": conditions.procedure,
    "recency": history.recency,
}
# Each with the roles of the facts that it derives from, in the order of its arguments.
_DERIVED: Mapping[str, tuple[Callable[..., Fact], tuple[str, ...]]] = {
    "ckd-epi-2021": (kidney.estimated_gfr, ("creatinine", "age", "sex")),
    "newer": (kidney.newer, ("reported", "computed")),
    "later": (history.later, ("event", "since")),
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
}

_SCHEDULED: Mapping[str, Callable[[Schedule], Fact]] = {"interval": interval, "doses": doses, "days": days}


def patient_facts(declarations: Mapping[str, FactDeclaration], chart: Chart) -> Facts:
    """Every fact that does not depend on an order, each read when first asked for.

    Derived facts hold the Facts object by weak reference: otherwise a cycle would keep the record alive until the
    next garbage collection.
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
    derive, roles = _DERIVED[declared.element]
    names = [declared.inputs[role] for role in roles]
    return derive(declared, *[_labelled(facts[name], declarations[name].label) for name in names])


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
    readers: dict[str, Callable[[], Fact]] = {}
    for name, declared in declarations.items():
        if declared.kind == "order" and order is NO_ORDER:
            readers[name] = Fact.absent
        elif declared.kind == "order":
            readers[name] = partial(_ORDER[declared.element], declared, order)
        elif declared.kind == "drafts":
            readers[name] = partial(_drafted, declared, others)
    facts = Facts(readers, shared)
    steps = [_step_facts(declarations, facts, order, dosage, chart) for dosage in order.dosages()]
    return facts, steps


def _step_facts(
    declarations: Mapping[str, FactDeclaration], facts: Facts, order: Order, dosage: Node, chart: Chart
) -> Facts:
    """The facts of one step of a dosage, over those of its order."""
    readers: dict[str, Callable[[], Fact]] = {}
    step = Facts(readers, facts)
    schedule: Callable[[], Schedule] | None = None  # of the step; read once, when one of its facts is first asked for
    for name, declared in declarations.items():
        if declared.kind == "dosage":
            match declared.element:
                case "dose":
                    drug = recognise_drug(order, declared.value_sets.values())
                    readers[name] = partial(dose, declared, drug, dosage)
                case "interval" | "doses" | "days":
                    schedule = schedule or cache(partial(read_schedule, dosage, chart.zone, declared.schedules))
                    readers[name] = partial(_scheduled, _SCHEDULED[declared.element], schedule)
                case "daily":
                    readers[name] = partial(_daily, declared, weakref.proxy(step))
    return step


def _scheduled(reader: Callable[[Schedule], Fact], schedule: Callable[[], Schedule]) -> Fact:
    return reader(schedule())


def _daily(declared: FactDeclaration, step: Facts) -> Fact:
    return daily(step[declared.inputs["dose"]], step[declared.inputs["interval"]])


def _drafted(declared: FactDeclaration, others: Sequence[Order]) -> Fact:
    """``present`` if another draft that is to be performed orders something of the value sets (D7).

    Drafts of every status count but those in ``NOT_DRAFTED``; where ``statuses`` are declared, only drafts of those,
    such as what is stopped. Medications are known by their drug (and form, if declared), service requests by their
    code. Beside a possible combination, or a draft that names its drug only by a reference to what was not sent, it is
    unknown (Z48).
    """
    drafted = []
    reason = None
    for other in others:
        draft_status = text(other.resource, "status")
        counts = draft_status in declared.statuses if declared.statuses else draft_status not in NOT_DRAFTED
        if not counts or other.resource.get("doNotPerform") is True:
            continue
        if text(other.resource, "resourceType") == "ServiceRequest":
            codings = pairs(node(other.resource, "code"))
            ordered = declared.match(codings)
        else:
            drug = recognise_drug(other, declared.value_sets.values())
            ordered = drug.concept if drug and declared.form in ("", drug.form) else None
            if drug is None and not other.naming.resolved and _of_medications(declared):
                reason = reason or Reason("medicationNotResolved")
            elif drug is not None and ordered is not None and drug.possible_combination:
                reason = Reason("possibleCombination")
                continue
        if ordered is not None:
            drafted.append(Evidence(other.reference, other.name or ordered.display))
    if drafted:
        return Fact.of(PRESENT, *drafted)
    return Fact.unknown(reason=reason) if reason is not None else Fact.absent()


def _of_medications(declared: FactDeclaration) -> bool:
    return any(value_set.kind == "medication" for value_set in declared.value_sets.values())
