"""Drafts that are the steps of one regimen, ordered one after the other (Z72)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, tzinfo
from itertools import pairwise

import msgspec

from cds_service.chart.drug import recognise_drug
from cds_service.chart.order import Order
from cds_service.content.model import Pack
from cds_service.fhir.schedule import Bounds, Schedule, read_schedule
from cds_service.vocabulary.facts import Facts, Interval, State


class ReadOrder(msgspec.Struct, frozen=True):
    """One draft with its facts, and those of each step of its dosage, in the hospital's ``zone``."""

    order: Order
    facts: Facts
    steps: Sequence[Facts]
    zone: tzinfo

    def schedules(self) -> list[Schedule]:
        """The schedule of each step."""
        return [read_schedule(dosage, self.zone, {}) for dosage in self.order.dosages()]


def sequences(pack: Pack, drafts: Sequence[ReadOrder]) -> dict[str, tuple[ReadOrder, ...]]:
    """For each draft that is a step of a regimen, by its key: all the drafts of that regimen in their order.

    They order the same drug, known by its code, by the same route. Each but the last has an end. Either all have a
    first day, and follow one another by these, or none has, and they follow one another as they were sent. The same
    dosage twice is no sequence: it is an order placed twice.
    """
    of_one_drug: dict[tuple[str, tuple[object, ...]], list[ReadOrder]] = {}
    for draft in drafts:
        drug = recognise_drug(draft.order, pack.drugs)
        routes = _routes(pack, draft)
        if drug is not None and drug.recognised_by == "code" and drug.agent and draft.steps and routes is not None:
            of_one_drug.setdefault((drug.agent, routes), []).append(draft)
    found: dict[str, tuple[ReadOrder, ...]] = {}
    for together in of_one_drug.values():
        if len(together) > 1 and (in_order := _in_order(together)):
            found |= dict.fromkeys((draft.order.key for draft in in_order), in_order)
    return found


def _routes(pack: Pack, draft: ReadOrder) -> tuple[object, ...] | None:
    """What the facts of a pack say of the route of a draft; ``None`` if it cannot be read."""
    routes = [draft.facts[fact.name] for fact in pack.of_kind.get("order", ()) if fact.element == "route"]
    if any(fact.state not in (State.VALUE, State.ABSENT) for fact in routes):
        return None
    return tuple(fact.value for fact in routes)


def _in_order(drafts: Sequence[ReadOrder]) -> tuple[ReadOrder, ...]:
    """The drafts one after the other; none if they are no sequence."""
    planned = [(draft, draft.schedules()) for draft in drafts]
    firsts = [schedules[0].first for _, schedules in planned]
    if any(firsts):
        if not all(firsts) or len(set(firsts)) < len(firsts):
            return ()
        planned.sort(key=lambda pair: pair[1][0].first or date.min)
    is_sequence = all(
        one.order.dosages() != other.order.dosages() and all(map(_ends, steps)) and _is_before(steps[-1], later[0])
        for (one, steps), (other, later) in pairwise(planned)
    )
    return tuple(draft for draft, _ in planned) if is_sequence else ()


def _ends(step: Schedule) -> bool:
    """Whether a step has a number of doses or a length that is understood."""
    return bool(step.events) or isinstance(step.count, Interval) or isinstance(step.bounds, Bounds)


def _is_before(step: Schedule, following: Schedule) -> bool:
    """Whether a step is over when the following one begins, as far as their calendar days are given."""
    end = step.bounds.end if isinstance(step.bounds, Bounds) else None
    return end is None or following.first is None or end <= following.first
