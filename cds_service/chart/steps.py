"""The facts of each step of a dosage, of a draft as of an event of the history."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import tzinfo
from functools import partial
from typing import NamedTuple

from msgspec.structs import replace

from cds_service.chart.dosage import daily, dose_of
from cds_service.chart.operators import reckoned
from cds_service.chart.order import Order
from cds_service.chart.rate import rate, volume
from cds_service.fhir.schedule import Schedule, read_schedule
from cds_service.fhir.schedule_facts import days, doses, interval
from cds_service.fhir.tree import Node
from cds_service.fhir.wording import how_long_in_words, how_often_in_words
from cds_service.vocabulary.declarations import FactDeclaration, Test
from cds_service.vocabulary.dosage_words import DosageWords
from cds_service.vocabulary.facts import Evidence, Fact, Facts, Interval, Reason, State, WordedLater

# By the element of a fact: what makes it of a schedule and its words, and what makes these words of a step.
_SCHEDULED: Mapping[str, tuple[Callable[[Schedule, Sequence[Evidence]], Fact], Callable[[DosageWords, Node], str]]] = {
    "interval": (interval, how_often_in_words),
    "doses": (doses, how_long_in_words),
    "days": (days, how_long_in_words),
}
_STATED: Mapping[str, Callable[[FactDeclaration, Node], Fact]] = {"rate": rate, "volume": volume}
_OF_STEPS = frozenset({"dosage"})


def step_facts(
    declarations: Mapping[str, FactDeclaration],
    order: Order,
    dosage: Node,
    zone: tzinfo,
    shared: Facts | None = None,
    schedule: OneSchedule | None = None,
) -> Facts:
    """The facts of one step of the dosage of ``order``, each read when first asked for, over those of ``shared``.

    Only those of ``declarations`` that are about a dosage are read. ``zone`` is the hospital's. ``schedule`` is that of
    the step, read in the hospital's own words for how often.
    """
    read = partial(_of_step, order, dosage, schedule or OneSchedule(dosage, zone))
    return Facts(declarations, _OF_STEPS, read, shared)


class OneSchedule:
    """The schedule of one step of a dosage, read once when it is first asked for; ``zone`` is the hospital's."""

    __slots__ = ("_dosage", "_schedule", "_zone")

    def __init__(self, dosage: Node, zone: tzinfo) -> None:
        self._dosage = dosage
        self._zone = zone
        self._schedule: Schedule | None = None

    def read(self, own_words: Mapping[str, str]) -> Schedule:
        """The schedule; ``own_words`` are the hospital's, the same for all facts of a pack (``read_schedule``)."""
        if self._schedule is None:
            self._schedule = read_schedule(self._dosage, self._zone, own_words)
        return self._schedule


def _of_step(order: Order, dosage: Node, schedule: OneSchedule, declared: FactDeclaration, facts: Facts) -> Fact:
    element = declared.element
    if element == "daily":
        return daily(declared, facts[declared.inputs["dose"]], facts[declared.inputs["interval"]])
    if element in _SCHEDULED:
        read, in_words = _SCHEDULED[element]
        said = partial(_in_words, order, declared, dosage, in_words)
        return read(schedule.read(declared.schedules), WordedLater([said]))
    if element == "dose":
        fact = dose_of(declared, order, dosage)
    elif element in _STATED:
        fact = _STATED[element](declared, dosage)
    else:
        return reckoned(declared, facts)
    pieces = [partial(_of_order, order, fact.evidence, place) for place in range(len(fact.evidence))]
    return replace(fact, evidence=WordedLater(pieces)) if pieces else fact


# Evidence of a step names the order as well, so that a card that rests on the step alone does.


def _of_order(order: Order, evidence: Sequence[Evidence], place: int) -> Evidence:
    item = evidence[place]
    return replace(item, reference=f"{order.reference} {item.reference}".lstrip())


def _in_words(
    order: Order, declared: FactDeclaration, dosage: Node, in_words: Callable[[DosageWords, Node], str]
) -> Evidence:
    assert declared.dosage_words is not None  # noqa: S101  (every fact of a dosage is compiled with them)
    return Evidence(f"{order.reference} dosageInstruction".lstrip(), in_words(declared.dosage_words, dosage))


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
            schedule = OneSchedule(dosage, zone)
            facts = step_facts(declaration.of_steps, order, dosage, zone, schedule=schedule)
            steps.append(Step(dosage, facts, partial(schedule.read, own_words)))
        order.kept[key] = steps
    kept: list[Step] = order.kept[key]
    return kept


def has_steps(declaration: FactDeclaration, order: Order) -> bool:
    """Whether some fact has asked for the steps of an order."""
    return id(declaration.of_steps) in order.kept


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
