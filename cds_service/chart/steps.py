"""The facts of each step of a dosage, of a draft as of an event of the history."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping
from datetime import tzinfo
from functools import cache, partial
from typing import NamedTuple

from msgspec.structs import replace

from cds_service.chart.dosage import daily, dose
from cds_service.chart.drug import recognise_drug
from cds_service.chart.operators import reckoned
from cds_service.chart.order import Order
from cds_service.chart.rate import rate, volume
from cds_service.fhir.schedule import Schedule, read_schedule
from cds_service.fhir.schedule_facts import days, doses, interval
from cds_service.fhir.tree import Node
from cds_service.fhir.wording import how_long_in_words, how_often_in_words
from cds_service.vocabulary.declarations import FactDeclaration, Test
from cds_service.vocabulary.dosage_words import DosageWords
from cds_service.vocabulary.facts import Fact, Facts, Interval, Reason, State

# By the element of a fact: what makes it of a schedule and its words, and what makes these words of a step.
_SCHEDULED: Mapping[str, tuple[Callable[[Schedule, str], Fact], Callable[[DosageWords, Node], str]]] = {
    "interval": (interval, how_often_in_words),
    "doses": (doses, how_long_in_words),
    "days": (days, how_long_in_words),
}
_STATED: Mapping[str, Callable[[FactDeclaration, Node], Fact]] = {"rate": rate, "volume": volume}


def step_facts(
    declarations: Mapping[str, FactDeclaration],
    order: Order,
    dosage: Node,
    zone: tzinfo,
    shared: Facts | None = None,
    schedule: Callable[[], Schedule] | None = None,
) -> Facts:
    """The facts of one step of the dosage of ``order``, each read when first asked for, over those of ``shared``.

    Only those of ``declarations`` that are about a dosage are read. ``zone`` is the hospital's. ``schedule`` is that of
    the step; without it, it is read once, when one of its facts is first asked for.
    """
    readers: dict[str, Callable[[], Fact]] = {}
    step = Facts(readers, shared)
    for name, declared in declarations.items():
        if declared.kind == "dosage":
            match declared.element:
                case "dose":
                    drug = recognise_drug(order, declared.value_sets.values())
                    readers[name] = partial(_of_order, order, partial(dose, declared, drug, dosage))
                case "interval" | "doses" | "days":
                    schedule = schedule or cache(partial(read_schedule, dosage, zone, declared.schedules))
                    readers[name] = partial(_of_order, order, partial(_scheduled, declared, dosage, schedule))
                case "rate" | "volume":
                    readers[name] = partial(_of_order, order, partial(_STATED[declared.element], declared, dosage))
                case "daily":
                    readers[name] = partial(_daily, declared, weakref.proxy(step))
                case _:
                    readers[name] = partial(reckoned, declared, weakref.proxy(step))
    return step


def _of_order(order: Order, read: Callable[[], Fact]) -> Fact:
    """A fact of a step with the order in its evidence, so that a card that rests on the step alone names the order."""
    fact = read()
    named = (replace(item, reference=f"{order.reference} {item.reference}".lstrip()) for item in fact.evidence)
    return replace(fact, evidence=tuple(named)) if fact.evidence else fact


def _scheduled(declared: FactDeclaration, dosage: Node, schedule: Callable[[], Schedule]) -> Fact:
    assert declared.dosage_words is not None  # noqa: S101  (every fact of a dosage is compiled with them)
    read, in_words = _SCHEDULED[declared.element]
    return read(schedule(), in_words(declared.dosage_words, dosage))


def _daily(declared: FactDeclaration, step: Facts) -> Fact:
    return daily(step[declared.inputs["dose"]], step[declared.inputs["interval"]])


class Step(NamedTuple):
    """One step of a dosage, its facts, and its schedule, which is read once when it is first asked for."""

    dosage: Node
    facts: Facts
    schedule: Callable[[], Schedule]


def steps_of(declaration: FactDeclaration, order: Order, zone: tzinfo) -> list[Step]:
    """The steps of an order or of an event in its shape; those that a fact has asked for serve the others too."""
    key = id(declaration.of_steps)  # the declarations live longer than the order
    if key not in order.kept:
        own_words = next((fact.schedules for fact in declaration.of_steps.values() if fact.element == "interval"), {})
        steps = []
        for dosage in order.dosages():
            schedule = cache(partial(read_schedule, dosage, zone, own_words))
            facts = step_facts(declaration.of_steps, order, dosage, zone, schedule=schedule)
            steps.append(Step(dosage, facts, schedule))
        order.kept[key] = steps
    kept: list[Step] = order.kept[key]
    return kept


def fits(declaration: FactDeclaration, order: Order, zone: tzinfo, *, only_doses: bool) -> bool | Reason:
    """Whether a step of an order's dosage is as ``steps`` of a fact asks, or why that cannot be told.

    With ``only_doses`` only the doses are asked for, because what is given has no schedule.
    """
    tests = {
        name: test
        for name, test in declaration.steps.items()
        if not only_doses or declaration.of_steps[name].element == "dose"
    }
    open_for: Reason | None = None
    steps = [step.facts for step in steps_of(declaration, order, zone)]
    for facts in steps or [step_facts(declaration.of_steps, order, {}, zone)]:
        answers = [_passes(test, facts[name]) for name, test in tests.items()]
        if all(answer is True for answer in answers):
            return True
        if not any(answer is False for answer in answers):
            open_for = next(answer for answer in answers if isinstance(answer, Reason))
    return open_for if open_for is not None else False


def step_fits(declaration: FactDeclaration, facts: Facts) -> bool:
    """Whether it is certain that the facts of a step are as ``steps`` of a fact asks."""
    return all(_passes(test, facts[name]) is True for name, test in declaration.steps.items())


def _passes(test: Test, fact: Fact) -> bool | Reason:
    if test.matches(fact):
        return True
    if fact.state is State.VALUE:
        straddles = isinstance(fact.value, Interval) and test.straddled_by(fact.value)
        return Reason("rangeLeftOpen") if straddles else False
    return False if fact.state is State.ABSENT else fact.reason or Reason("scheduleNotReadable")
