"""The orders of a record as they were signed: those of one session together, each a draft again."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum, auto
from typing import Any

import msgspec

from cds_service.chart.statuses import NOT_ORDERED
from cds_service.fhir.order_types import ORDER_TYPES
from cds_service.fhir.treatments import as_tree, referred
from cds_service.fhir.tree import Node, node, nodes, text
from cds_service.population.keyed import as_uuid
from cds_service.population.records import ORDER_NOT_KNOWN, PatientRecord, SeenResource
from cds_service.protocol.envelope import Draft, HookRequest

_TOGETHER = timedelta(minutes=15)
# Intents of what a prescriber signs; the others are of plans, or are made from a signed order by a department.
# https://hl7.org/fhir/R4/valueset-medicationrequest-intent.html, https://hl7.org/fhir/R4/valueset-request-intent.html
SIGNED = frozenset({"order", "original-order", ""})
_DRUG_REFERENCES = ("medicationReference", "medication")


class TakenFor(Enum):
    """What a content takes a draft for: one that it judges, one of something else, or one of which nobody can tell."""

    OURS = auto()
    OTHER = auto()
    NOT_KNOWN = auto()


Recognise = Callable[[Node, Mapping[str, Node]], TakenFor]


@dataclass(frozen=True, slots=True)
class SignedOrder:
    """One order, and the draft that it was: its JSON tree, with the status of a draft.

    ``encounter`` and ``requester`` are what it refers to, ``""`` for none. ``relevant_to`` names the contents that it
    is judged by; where there is none, ``is_not_known`` says whether that is because none can tell what it orders.
    """

    source: SeenResource
    draft: Node
    encounter: str
    requester: str
    relevant_to: frozenset[str] = frozenset()
    is_not_known: bool = False

    @property
    def written(self) -> datetime:
        """When it was written."""
        return self.source.seen


@dataclass(frozen=True, slots=True)
class SigningSession:
    """What one prescriber signed together: one event, however many orders it has.

    ``judged`` are the orders that some content judges, ``others`` the rest of what was signed with them, both in the
    order in which they were written. ``medications`` are the trees of those to which they refer, by ``Type/id``.
    """

    judged: list[SignedOrder]
    others: list[SignedOrder] = field(default_factory=list)
    medications: dict[str, Node] = field(default_factory=dict)

    @property
    def moment(self) -> datetime:
        """When the last of the orders that are judged was written."""
        return self.judged[-1].written

    @property
    def names(self) -> list[str]:
        """What tells its orders from all others of the patient."""
        return [order.source.name for order in self.judged]

    @property
    def orders(self) -> list[SignedOrder]:
        """All that was signed, in the order in which it was written."""
        return sorted([*self.judged, *self.others], key=lambda order: (order.written, order.source.name))

    @property
    def sources(self) -> frozenset[bytes]:
        """The JSON of its orders, which were no history yet."""
        return frozenset(order.source.raw for order in (*self.judged, *self.others))

    def request(self, hook: str, patient: str, content: str, event: str) -> HookRequest:
        """The call of ``hook`` that a client would have made, with the orders that ``content`` judges selected.

        ``event`` names the event, so that the call is the same in every run.
        """
        drafts: list[Draft] = []
        selected: list[Draft] = []
        for order in self.orders:
            drafts.append(_draft(len(drafts), order.draft))
            if content in order.relevant_to:
                selected.append(drafts[-1])
        for medication in self.medications.values():
            drafts.append(_draft(len(drafts), medication))
        first = self.judged[0]
        return HookRequest(
            hook,
            as_uuid(event),
            patient,
            first.encounter.rpartition("/")[2],
            first.requester,
            tuple(drafts),
            tuple(selected),
            {},
        )


def _draft(place: int, resource: Node) -> Draft:
    kind, identity = text(resource, "resourceType"), text(resource, "id")
    reference = f"{kind}/{identity}" if identity else ""
    path = f"context.draftOrders.entry[{place}].resource"
    return Draft(path, resource, "", reference, reference or path)


def sessions_of(
    record: PatientRecord, recognise: Mapping[str, Recognise], since: datetime, until: datetime
) -> list[SigningSession]:
    """The sessions in which an order that some content judges was written, from ``since`` on and before ``until``.

    ``recognise`` tells of each content, by its name, what it takes a draft for, with the Medications of the record.
    Orders of the window of which no content can tell what they order are counted among the problems of the record. A
    session begins with such an order and has those that the same requester wrote in the same encounter (both may be
    unknown) in the next fifteen minutes. With them are drafts all other orders that were written there within fifteen
    minutes of the first. What else was ordered never tells when a session was, nor that there was one.
    """
    written = sorted(
        (one for kind in ORDER_TYPES for one in record.seen.get(kind, ()) if _was_ordered(one)),
        key=lambda one: (one.seen, one.name),
    )
    moments = [one.seen for one in written]
    in_window = written[bisect_left(moments, since) : bisect_left(moments, until)]
    if not in_window:
        return []
    medications = _medication_trees(record)
    signed: dict[bytes, SignedOrder | None] = {}
    signed_in_window = [order for one in in_window if (order := _signed(one, recognise, medications))]
    for order in signed_in_window:
        if order.is_not_known:
            record.problems[ORDER_NOT_KNOWN, text(order.draft, "resourceType")] += 1
    judged = [order for order in signed_in_window if order.relevant_to]
    sessions = _grouped(judged)
    known = {order.source.raw for order in judged}
    for session in sessions:
        first = session.judged[0]
        near = slice(bisect_left(moments, first.written - _TOGETHER), bisect_right(moments, first.written + _TOGETHER))
        for one in written[near]:
            raw = one.raw
            if raw in known:
                continue
            if raw not in signed:
                signed[raw] = _signed(one, {}, medications)
            order = signed[raw]
            if order is not None and _place(order) == _place(first):
                session.others.append(order)
        session.medications.update(_referred_medications(session, medications))
    return sessions


def _was_ordered(order: SeenResource) -> bool:
    return bool(order.status) and order.status not in NOT_ORDERED


def _place(order: SignedOrder) -> tuple[str, str]:
    return order.encounter, order.requester


def _grouped(orders: Iterable[SignedOrder]) -> list[SigningSession]:
    """The sessions of the orders that are judged, which come in the order in which they were written."""
    sessions: list[SigningSession] = []
    latest: dict[tuple[str, str], SigningSession] = {}
    for order in orders:
        session = latest.get(_place(order))
        if session is not None and order.written - session.judged[0].written <= _TOGETHER:
            session.judged.append(order)
        else:
            latest[_place(order)] = SigningSession([order])
            sessions.append(latest[_place(order)])
    return sorted(sessions, key=lambda session: (session.moment, session.judged[0].source.name))


def _signed(
    order: SeenResource, recognise: Mapping[str, Recognise], medications: Mapping[str, Node]
) -> SignedOrder | None:
    """An order as the draft that it was; ``None`` for what nobody signed, such as a plan or what was only reported."""
    tree: Any = as_tree(msgspec.Raw(order.raw))
    if not isinstance(tree, dict) or text(tree, "intent") not in SIGNED or _is_reported(tree):
        return None
    draft = {**tree, "status": "draft"}
    taken_for = {name: content(draft, medications) for name, content in recognise.items()}
    return SignedOrder(
        order,
        draft,
        referred(text(node(tree, "encounter"), "reference")),
        _requester(tree),
        frozenset(name for name, found in taken_for.items() if found is TakenFor.OURS),
        bool(taken_for) and all(found is TakenFor.NOT_KNOWN for found in taken_for.values()),
    )


def _is_reported(order: Node) -> bool:
    reported = order.get("reportedBoolean") is True or order.get("reported") is True
    return reported or isinstance(order.get("reportedReference"), dict)


def _requester(order: Node) -> str:
    """Whoever wrote the order (``orderer`` of a NutritionOrder), as far as it says."""
    stated = node(order, "requester") or node(order, "orderer")
    return referred(text(stated, "reference")) or text(stated, "display")


def _medication_trees(record: PatientRecord) -> dict[str, Node]:
    trees = {f"Medication/{name}": as_tree(msgspec.Raw(raw)) for name, raw in record.medications.items()}
    return {name: tree for name, tree in trees.items() if isinstance(tree, dict)}


def _referred_medications(session: SigningSession, medications: Mapping[str, Node]) -> dict[str, Node]:
    """The Medications to which its orders refer, and those that these are made of."""
    found: dict[str, Node] = {}
    left: Sequence[Node] = [order.draft for order in session.orders] if medications else ()
    while left:
        names = [name for tree in left for name in _drugs_referred(tree)]
        new = {name: medications[name] for name in names if name in medications and name not in found}
        found |= new
        left = list(new.values())
    return found


def _drugs_referred(tree: Node) -> Iterable[str]:
    for part in (tree, *nodes(tree, "ingredient")):
        for name in (*_DRUG_REFERENCES, "itemReference", "item"):
            stated = node(part, name)
            yield referred(text(stated, "reference") or text(node(stated, "reference"), "reference"))
