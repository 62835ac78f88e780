"""What a call sent and nothing understood: selections, drafts, parts of orders, entries of the record (Z41, Z54)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import cast

import msgspec

from cds_service.chart import dosage_accounts, items
from cds_service.chart.accounts import account, entries_understood
from cds_service.chart.drug import recognise_drug
from cds_service.chart.order import NO_ORDER, Order, is_unnamed, reasons_of
from cds_service.chart.readers import order_facts, patient_facts
from cds_service.chart.record import Chart
from cds_service.chart.statuses import OTHER_REQUEST_STATUSES, REQUEST_STATUSES
from cds_service.chart.what_is_ordered import not_understood as ordered_not_understood
from cds_service.chart.what_is_ordered import recognise_ordered
from cds_service.content.decide import OrderFacts
from cds_service.content.model import Pack, Service
from cds_service.content.prepared import Prepared
from cds_service.content.render import fill, plain
from cds_service.fhir.codes import name_of, speaks_in
from cds_service.fhir.treatments import MedicationRequest, references_in
from cds_service.fhir.tree import node, nodes, pairs, text, words
from cds_service.judge.ordered import drug_in_words
from cds_service.judge.relevance import is_judged, order_in, relevant_orders
from cds_service.protocol.envelope import HookRequest, decode_request
from cds_service.vocabulary.accounting import Aside, Kind, Understood
from cds_service.vocabulary.declarations import FactDeclaration, Search, ValueSet
from cds_service.vocabulary.facts import Fact, Facts, Reason, State


@dataclass(frozen=True, slots=True)
class NotUnderstood:
    """One thing that was sent and not understood.

    ``candidates`` are the value sets in which a code of a site would be understood, or the analyte that a unit is of.
    For an entry of the record ``search`` is what it was found by, and ``entries`` how many of that bear on the patient.
    A part of an order that is judged has that in ``order``, something about the patient what it is called in ``label``.
    """

    aside: Aside
    candidates: tuple[str, ...] = ()
    search: Search | None = None
    entries: int = 0
    order: Order | None = None
    label: str = ""

    @property
    def bears(self) -> bool:
        """Whether it may concern the patient: what is over, not final or of somebody else was understood."""
        return _bears(self.aside)

    @property
    def counted_as(self) -> tuple[str, str]:
        """Kind and code system, as they are counted: one that no table has is ``other``, none is ``none`` (Z54)."""
        system = self.aside.system
        return str(self.aside.kind), (name_of(system) or "other") if system else "none"


_PLAN = "planNotCounted"
_PRESCRIPTION = "MedicationRequest"
_BEARING = ("statusNotKnown", _PLAN)


def _bears(aside: Aside) -> bool:
    return aside.kind not in (Kind.STATUS, Kind.SUBJECT) or aside.reason.key in _BEARING


class Reading(msgspec.Struct, frozen=True):
    """What was read of a call, whatever was decided: the relevant orders with their facts, and the record."""

    request: HookRequest
    orders: Sequence[tuple[Order, OrderFacts]] = ()
    chart: Chart | None = None


def read_call(prepared: Prepared, service: Service, body: bytes, now: datetime) -> Reading:
    """What is read of a call of ``service`` at ``now``, without deciding on it or refusing it for want of data.

    Raises:
        Fault: 400 for a wrong request.
    """
    pack, request = prepared.pack, decode_request(body, service.hook, prepared.pack.relevant)
    chart = Chart(request.patient_id, request.prefetch, now, prepared.zone)
    shared = patient_facts(pack.facts, chart)
    orders = [order for order in relevant_orders(pack, request) if order is not NO_ORDER]
    return Reading(
        request, [(order, OrderFacts(*order_facts(pack.facts, shared, order, (), chart))) for order in orders], chart
    )


def not_understood(pack: Pack, reading: Reading, searches: Iterable[Search] | None = None) -> list[NotUnderstood]:
    """All that a call sent and nothing understood, in the order of the request.

    ``searches`` are those whose entries are looked at. Without them it is only what the decisions looked at, which
    costs least.
    """
    chart = reading.chart
    whole = searches is not None
    found = [*_selections(reading.request), *_drafts(pack, reading)]
    for order, facts in reading.orders:
        found += _parts(pack, order, facts, whole=whole)
        if chart is not None:
            found += _ended(order, chart, pack.searches.values())
    found += _person(pack, reading, whole=whole)
    if chart is not None:
        for search in chart.looked_at(pack.searches.values()) if searches is None else searches:
            found += entries_not_understood(pack, search, chart, whole=whole)
    return found


_OF_ENTRIES = {
    "Condition": "problemsNotUnderstood",
    "AllergyIntolerance": "allergiesNotUnderstood",
    "Procedure": "proceduresNotUnderstood",
    "MedicationRequest": "medicationsNotUnderstood",
    "MedicationDispense": "medicationsNotUnderstood",
    "MedicationAdministration": "medicationsNotUnderstood",
    "MedicationStatement": "medicationsNotUnderstood",
    "Observation": "resultsNotUnderstood",
}


def told_on_cards(pack: Pack, missed: Iterable[NotUnderstood]) -> list[tuple[str, Reason]]:
    """What every card says of what was not understood: how many entries of each search, and which parts of an order.

    Each with what it is about, in words: the drug of the order, or what of the patient; ``""`` where it says so itself.
    Selections and drafts that were not recognised are not told, because a card is about another draft.
    """
    counts: dict[str, tuple[Search, set[str | int], int]] = {}
    told: list[tuple[str, Reason]] = []
    for item in missed:
        if not item.bears:
            continue
        if item.aside.reason.key == _PLAN:  # it was understood, and is told by itself (Z55)
            told = [("", item.aside.reason), *(one for one in told if one[1].key != _PLAN)]
        elif item.search is not None:
            _, entries, _ = counts.setdefault(item.search.key, (item.search, set(), item.entries))
            entry = item.aside.reference.partition(" ")[0]
            entries.add(entry if "/" in entry else id(item))  # of one entry several parts may be not understood
        elif item.aside.kind not in (Kind.SELECTION, Kind.DRUG, Kind.ORDER, Kind.REFERENCE):
            about = item.label if item.order is None else drug_in_words(pack, item.order)
            told.append((about, item.aside.reason))
    for search, not_understood_here, of in counts.values():
        label = next((fact.label for fact in pack.readers[search.key]), search.key)
        values = {"n": str(len(not_understood_here)), "m": str(of)}
        if search.resource == "Observation":
            values = {"entries": fill(pack.words["some-of"], values), "label": label}
        told.append(("", Reason(_OF_ENTRIES[search.resource], values)))
    return told


def understood(pack: Pack, reading: Reading, searches: Iterable[Search]) -> Iterator[Understood]:
    """What a call sent and was understood: parts of its orders, and entries of the searches."""
    for order, facts in reading.orders:
        yield from _parts_understood(pack, order, facts)
    if reading.chart is not None:
        for search in searches:
            yield from entries_understood(pack.readers[search.key], search, reading.chart)


def _selections(request: HookRequest) -> Iterator[NotUnderstood]:
    for selection in request.unmatched_selections:
        aside = Aside(Kind.SELECTION, Reason("selectionNotMatched"), "context.selections", words=selection)
        yield NotUnderstood(aside)


def _drafts(pack: Pack, reading: Reading) -> Iterator[NotUnderstood]:
    """The drafts of a type that is judged whose order is not known to be ours by its code, and not known to be another.

    Of drafts that are not judged also the status, by which they count beside the one that is judged, or do not.
    """
    request = reading.request
    parts = {order.key for order, _ in reading.orders}
    for draft in request.drafts:
        if is_judged(pack, draft.resource):
            order = order_in(request, draft)
            if draft.key not in parts:  # those of an order that is judged are among its parts
                yield from _status(order)
            yield from order_not_understood(pack, order)


def order_not_understood(pack: Pack, order: Order) -> Iterator[NotUnderstood]:
    """Why an order of a type that is judged is not known to be one of the pack's by its code, if it is not known to be
    another one.
    """
    candidates = tuple(value_set.id for value_set in pack.relevant[order.type])
    for aside in ordered_not_understood(order, _known_of(pack, order)):
        yield NotUnderstood(aside, candidates)


def _known_of(pack: Pack, order: Order) -> tuple[ValueSet, ...]:
    """The value sets that tell what an order of a type that is judged orders."""
    return (*(pack.excluded if order.is_of_a_drug else ()), *pack.relevant[order.type])


def drafts_read(pack: Pack, request: HookRequest) -> list[dict[str, str]]:
    """How each draft of a type that is judged was recognised: ``draft``, ``drug`` (or test, or nutrition) and
    ``recognised``.

    ``recognised`` is ``by code``, ``by name``, ``by name, perhaps with another drug`` and so on, ``as excluded``, ``as
    another drug`` or ``as another order``, or ``no``.
    """
    lines = []
    for draft in request.drafts:
        if not is_judged(pack, draft.resource):
            continue
        order = order_in(request, draft)
        known = recognise_ordered(order, pack.relevant[order.type])
        if recognise_drug(order, pack.excluded) is not None:
            recognised = "as excluded"
        elif known is not None:
            recognised = f"by {known.recognised_by}"
        elif ordered_not_understood(order, _known_of(pack, order)):
            recognised = "no"
        else:
            recognised = "as another drug" if order.is_of_a_drug else "as another order"
        lines.append({"draft": order.reference or order.path, "drug": plain(order.name), "recognised": recognised})
    return lines


# --- parts of the orders that are judged ------------------------------------------------------------------------


def _fact(facts: Mapping[str, Fact], name: str, *, whole: bool) -> Fact | None:
    """A fact; without ``whole`` only if some decision asked for it."""
    return facts[name] if whole or not isinstance(facts, Facts) else facts.read_so_far(name)


def _person(pack: Pack, reading: Reading, *, whole: bool) -> Iterator[NotUnderstood]:
    """What could not be read of the patient, such as the date of birth."""
    for _, facts in reading.orders[:1]:
        for declared in pack.of_kind.get("patient", ()):
            fact = _fact(facts.order, declared.name, whole=whole)
            if fact is not None and fact.state is State.UNUSABLE and fact.reason is not None:
                words_sent = next((item.display for item in fact.evidence), "")
                aside = Aside(Kind.DATE, fact.reason, f"Patient/{reading.request.patient_id}", words=words_sent)
                yield NotUnderstood(aside, label=declared.label)


_OF_TIMES = ("interval", "times", "begins-in")  # elements of an order of a test or of nutrition
_ACCOUNTED = ("route", *_OF_TIMES)


def _parts(pack: Pack, order: Order, facts: OrderFacts, *, whole: bool) -> Iterator[NotUnderstood]:
    """The status, reasons, routes, doses and schedules of an order that could not be read."""
    yield from _status(order)
    yield from _reasons(pack, order)
    for declared in pack.of_kind.get("order", ()):
        if declared.element in _ACCOUNTED:
            fact = _fact(facts.order, declared.name, whole=whole)
            if fact is not None and declared.element in _OF_TIMES:
                yield from (NotUnderstood(aside, order=order) for aside in items.not_read(order, fact))
            elif fact is not None and fact.state is State.UNUSABLE:
                yield from _routes(declared, order, fact)
    for dosage, step in zip(order.dosages(), facts.dosages, strict=False):
        for declared in pack.of_kind.get("dosage", ()):
            fact = _fact(step, declared.name, whole=whole)
            if fact is None or fact.state is not State.UNUSABLE:
                continue
            for aside in dosage_accounts.of_step(declared, order.reference, dosage, fact):
                analytes = (declared.analyte.name,) if declared.analyte is not None else ()
                yield NotUnderstood(aside, analytes if aside.kind is Kind.UNIT else (), order=order)


def _status(order: Order) -> Iterator[NotUnderstood]:
    status = text(order.resource, "status")
    if status and status not in (REQUEST_STATUSES if order.is_of_a_drug else OTHER_REQUEST_STATUSES):
        reason = Reason("statusNotKnown", {"status": status})
        yield NotUnderstood(Aside(Kind.STATUS, reason, f"{order.reference} status", code=status), order=order)


def _ended(order: Order, chart: Chart, searches: Iterable[Search]) -> Iterator[NotUnderstood]:
    """The orders that an order ends (Z65) and that are not on record, so that nobody can tell what it ends."""
    prior = list(references_in(order.resource, "priorPrescription"))
    if not prior:
        return
    on_record = {
        cast("MedicationRequest", resource).own_reference()
        for search in chart.looked_at(searches)
        if search.resource == _PRESCRIPTION
        for resource in chart.results(search).resources
    }
    for reference in prior:
        if reference not in on_record:
            yield NotUnderstood(
                Aside(Kind.REFERENCE, Reason("priorNotOnRecord"), f"{order.reference} priorPrescription")
            )


def _reasons(pack: Pack, order: Order) -> Iterator[NotUnderstood]:
    """The reasons of an order that no fact knows and that have no code of a system in which one would be known."""
    stated = reasons_of(order)
    if not stated:
        return
    readers = [fact for fact in pack.of_kind.get("order", ()) if fact.element == "reason"]
    systems = frozenset().union(*(fact.systems for fact in readers))
    sets = tuple(dict.fromkeys(value_set.id for fact in readers for value_set in fact.value_sets.values()))
    for concept in stated:
        codings = pairs(concept)
        if not speaks_in(systems, codings) and not any(fact.match(codings) is not None for fact in readers):
            system, code = codings[0] if codings else ("", "")
            why = Reason("entryNotKnown" if is_unnamed(readers, concept) else "knownByName")
            aside = Aside(Kind.CODE, why, f"{order.reference} reason", system, code, words(concept))
            yield NotUnderstood(aside, sets, order=order)


def _routes(declared: FactDeclaration, order: Order, fact: Fact) -> Iterator[NotUnderstood]:
    assert fact.reason is not None  # noqa: S101  (what is unusable has a reason)
    for dosage in order.dosages():
        concept = node(dosage, "route")
        if concept and not any(value_set.match(pairs(concept)) for value_set in declared.value_sets.values()):
            aside = dosage_accounts.of_route(fact.reason, order.reference, concept)
            sets = tuple(value_set.id for value_set in declared.value_sets.values())
            yield NotUnderstood(aside, sets, order=order)


def _parts_understood(pack: Pack, order: Order, facts: OrderFacts) -> Iterator[Understood]:
    """The codes of what is ordered and of its routes, the units of its doses and the codes of its schedules that were
    read.
    """
    known, kind = _known_of(pack, order), Kind.DRUG if order.is_of_a_drug else Kind.ORDER
    for concept in order.concepts:
        for system, code in pairs(concept):
            if any(value_set.find(system, code) for value_set in known):
                yield Understood(kind, system, code)
    for declared in pack.of_kind.get("order", ()):
        if declared.element == "interval" and facts.order[declared.name].state is State.VALUE:
            for schedule in (schedule for item in order.items for schedule in item.schedules):
                for system, code in pairs(node(node(schedule, "timing"), "code")):
                    yield Understood(Kind.SCHEDULE, system, code)
        if declared.element == "route":
            for dosage in order.dosages():
                for system, code in pairs(node(dosage, "route")):
                    if declared.match([(system, code)]) is not None:
                        yield Understood(Kind.ROUTE, system, code)
    for dosage, step in zip(order.dosages(), facts.dosages, strict=False):
        for declared in pack.of_kind.get("dosage", ()):
            element = declared.element
            if element == "dose" and step[declared.name].state is State.VALUE:
                for rate in nodes(dosage, "doseAndRate"):
                    quantity = node(rate, "doseQuantity")
                    if quantity:
                        unit, code = text(quantity, "unit"), text(quantity, "code")
                        yield Understood(Kind.UNIT, text(quantity, "system"), code, unit)
            elif element == "interval" and step[declared.name].state is State.VALUE:
                for system, code in pairs(node(node(dosage, "timing"), "code")):
                    yield Understood(Kind.SCHEDULE, system, code)


# --- entries of the record --------------------------------------------------------------------------------------


def entries_not_understood(pack: Pack, search: Search, chart: Chart, *, whole: bool = True) -> list[NotUnderstood]:
    """The entries under a key that were set aside, each with where a site could map it.

    Without ``whole`` it is only what the decisions looked at.
    """
    made = account(pack.readers[search.key], search, chart, whole=whole)
    if not made.set_aside and not made.in_part:
        return []
    candidates = pack.candidates[search.key]
    asides = (*made.set_aside, *made.in_part)
    entries = made.entries - sum(not _bears(aside) for aside in asides)
    return [
        NotUnderstood(aside, candidates.get(aside.kind, candidates[Kind.CODE]), search, entries) for aside in asides
    ]
