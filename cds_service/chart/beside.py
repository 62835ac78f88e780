"""What stands beside the order that is judged: the other drafts, and what is on record that no draft ends (Z65)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from cds_service.chart.doubled import Counted
from cds_service.chart.drug import recognise_drug
from cds_service.chart.history import Remainder, counted, evidence_in, none_counts
from cds_service.chart.order import NO_ORDER, Order
from cds_service.chart.progress import stretches
from cds_service.chart.record import Chart
from cds_service.chart.statuses import NOT_DRAFTED
from cds_service.chart.steps import steps_of
from cds_service.chart.ways import is_in_way
from cds_service.fhir.treatments import MedicationRequest, identifiers_in, references_in
from cds_service.fhir.tree import pairs, text
from cds_service.vocabulary.declarations import FactDeclaration
from cds_service.vocabulary.facts import PRESENT, Evidence, Fact, Interval, Reason, State

_PRESCRIPTION = "MedicationRequest"


def drafted(declared: FactDeclaration, order: Order, others: Sequence[Order], chart: Chart) -> Fact:
    """``present`` if another draft that is to be performed orders something of the value sets (D7).

    Drafts of every status count but those in ``NOT_DRAFTED``; where ``statuses`` are declared, only drafts of those,
    such as what is stopped. Medications are known by their drug (and way, if declared), orders of tests and of
    nutrition by their code. Beside a possible combination, or a draft that names its drug only by a reference to what
    was not sent, it is unknown (Z48). With a search, what is under way on record counts as well, but for what a draft
    ends or takes the place of (Z65).
    """
    evidence, reason = _among(declared, others)
    if not declared.searches:
        if evidence:
            return Fact.of(PRESENT, *evidence)
        return Fact.unknown(reason=reason) if reason is not None else Fact.absent()
    remainder = Remainder()
    remaining = _remaining(counted(declared, chart, remainder), [order, *others])
    evidence += [evidence_in(item, chart) for item in remaining]
    if evidence:
        return Fact.of(PRESENT, *evidence)
    return Fact.unknown(reason=reason) if reason is not None else none_counts(declared, chart, remainder)


def _among(declared: FactDeclaration, others: Iterable[Order]) -> tuple[list[Evidence], Reason | None]:
    """The drafts that count, and why it is not known whether another one does."""
    found: list[Evidence] = []
    reason: Reason | None = None
    for other in others:
        draft_status = text(other.resource, "status")
        is_drafted = draft_status not in NOT_DRAFTED and not other.is_stopped
        counts = draft_status in declared.statuses if declared.statuses else is_drafted
        if not counts or other.resource.get("doNotPerform") is True:
            continue
        if not other.is_of_a_drug:
            ordered = declared.match([pair for concept in other.concepts for pair in pairs(concept)])
        else:
            drug = recognise_drug(other, declared.value_sets.values())
            ordered = drug.concept if drug is not None and is_in_way(declared, other, drug) else None
            if drug is None and not other.naming.resolved and _of_medications(declared):
                reason = reason or Reason("medicationNotResolved")
            elif drug is not None and ordered is not None and drug.possible_combination:
                reason = Reason("possibleCombination")
                continue
        if ordered is not None:
            said = other.name if other.is_of_a_drug else ""
            found.append(Evidence(other.reference, said or ordered.display))
    return found, reason


def _of_medications(declared: FactDeclaration) -> bool:
    return any(value_set.kind == "medication" for value_set in declared.value_sets.values())


def _remaining(recorded: Sequence[Counted], drafts: Sequence[Order]) -> list[Counted]:
    """What is under way on record and is no order that a draft ends or takes the place of.

    That is the order with the id or an identifier of the draft, or one that it names as ``priorPrescription`` or
    ``basedOn``.
    """
    prescriptions = [draft.resource for draft in drafts if text(draft.resource, "resourceType") == _PRESCRIPTION]
    named = {reference for draft in prescriptions for reference in references_in(draft, "priorPrescription", "basedOn")}
    named |= {f"{_PRESCRIPTION}/{text(draft, 'id')}" for draft in prescriptions if text(draft, "id")}
    identifiers = frozenset[tuple[str, str]]().union(*map(identifiers_in, prescriptions))
    return [
        item
        for item in recorded
        if item.event.under_way and item.event.reference not in named and not _is_one_of(item, identifiers)
    ]


def _is_one_of(item: Counted, identifiers: frozenset[tuple[str, str]]) -> bool:
    resource = item.event.resource
    return (
        bool(identifiers)
        and isinstance(resource, MedicationRequest)
        and not identifiers.isdisjoint(resource.identifiers())
    )


def like_active(declared: FactDeclaration, order: Order, chart: Chart) -> Fact:
    """``present`` if an order under way has the steps of the draft, alike in each of the facts ``alike``.

    Unknown if one of these cannot be read, in the draft or in an order that may be like it.
    """
    if order is NO_ORDER:
        return Fact.absent()
    remainder = Remainder()
    own = _steps(declared, order, chart)
    for item in counted(declared, chart, remainder):
        if not item.event.under_way:
            continue
        others = _steps(declared, item.event.as_order(), chart)
        answers = [
            _alike(*pair) for step, other in zip(own, others, strict=False) for pair in zip(step, other, strict=True)
        ]
        if len(own) != len(others) or any(answer is False for answer in answers):
            continue
        unread = next((answer for answer in answers if isinstance(answer, Reason)), None)
        if unread is None:
            return Fact.of(PRESENT, evidence_in(item, chart))
        remainder.reason = remainder.reason or unread
    return none_counts(declared, chart, remainder)


def _steps(declared: FactDeclaration, order: Order, chart: Chart) -> list[list[Fact]]:
    steps = steps_of(declared, order, chart.zone)
    return [[step.facts[name] for name in declared.alike] for step in steps]


def _alike(fact: Fact, other: Fact) -> bool | Reason:
    for each in (fact, other):
        if each.state is State.UNUSABLE and each.reason is not None:
            return each.reason
    return fact.state is other.state and fact.value == other.value


def ends_in(declared: FactDeclaration, order: Order, chart: Chart) -> Fact:
    """Days until the order ends: one interval after its last dose, or the end of its bounds if that is sooner (Z57).

    Absent if it has no end. It begins on the day that it gives, or else today; a range of lengths gives one of days.
    """
    today = chart.today
    steps = stretches(declared, order, today, chart) if order is not NO_ORDER else []
    if not steps:
        return Fact.absent()
    length = next((name for name, fact in declared.of_steps.items() if fact.element == "days"), "")
    slack = 0
    for step in steps:
        days = step.facts[length] if length else Fact.absent()
        if step.end is None:
            return days if days.state is State.UNUSABLE else Fact.absent()
        if step.schedule.is_range and isinstance(days.value, Interval) and days.value.high is not None:
            slack += int(days.value.high - (days.value.low or 0))
    end = max(step.end for step in steps if step.end is not None)
    until = (end - today).days
    return Fact.of(Interval(until, until + slack), Evidence(order.reference, end.isoformat(), end.isoformat()))
