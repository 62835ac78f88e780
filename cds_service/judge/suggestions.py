"""From a rule's suggestion to the actions a client can accept, and to the drafts that accepting it leaves."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import reduce
from typing import Any

import msgspec

from cds_service.chart.order import Order
from cds_service.chart.revise import Revision, from_template, with_dosage, with_regimen, with_route, without_end
from cds_service.content.model import Suggestion
from cds_service.content.render import fill, plain
from cds_service.fhir.order_types import MEDICATION, naming_concept
from cds_service.fhir.tree import Node
from cds_service.judge.call import HookCall
from cds_service.judge.ordered import order_in_words
from cds_service.judge.orders import JudgedOrder


class Proposal(msgspec.Struct, frozen=True):
    """The actions of one suggestion, and what is left when it is accepted.

    ``drafts`` are the draft resources by their keys, ``selected`` the keys of those that are judged.
    """

    actions: list[dict[str, Any]]
    drafts: Mapping[str, Node]
    selected: tuple[str, ...]


def propose(call: HookCall, judged: JudgedOrder, suggestion: Suggestion, identity: str) -> Proposal:
    """What accepting ``suggestion`` would do to an order. ``identity`` is the id of a resource it creates.

    A draft that nothing can name is neither removed nor changed: then there are no actions, or, where the suggestion
    replaces the draft, a new order. The same holds for a draft that cannot be changed into valid FHIR. An order of a
    drug is replaced by changing it; where the draft or what takes its place is another order, the draft is deleted and
    the new one created. A regimen takes the place of all the drafts whose steps were one regimen (Z72).
    """
    proposal = _of_one_draft(call, judged.order, suggestion, identity)
    if not judged.siblings or suggestion.kind not in ("replace", "dosage"):
        return proposal
    if not all(sibling.is_named for sibling in judged.siblings):
        return Proposal([], call.drafts, proposal.selected)
    gone = {sibling.key for sibling in judged.siblings}
    return Proposal(
        [*proposal.actions, *[_deletion(call, sibling) for sibling in judged.siblings]] if proposal.actions else [],
        {key: draft for key, draft in proposal.drafts.items() if key not in gone},
        tuple(key for key in proposal.selected if key not in gone),
    )


def _of_one_draft(call: HookCall, order: Order, suggestion: Suggestion, identity: str) -> Proposal:
    """What accepting ``suggestion`` would do to one draft."""
    words, name = call.prepared.pack.words, _name(call, order)
    selected = tuple(judged.order.key for judged in call.judged_orders)
    without_order = {key: draft for key, draft in call.drafts.items() if key != order.key}
    selected_without_order = tuple(key for key in selected if key != order.key)
    if suggestion.kind == "remove":
        actions = [_deletion(call, order)] if order.is_named else []
        return Proposal(actions, without_order, selected_without_order)
    if suggestion.kind == "add":
        regimen = call.prepared.regimens[suggestion.template].order
        description = fill(words["added" if order.reference else "placed"], {"regimen": regimen, "order": name})
        return _creating(_new_order(call, suggestion, identity), description, call.drafts, selected)
    if suggestion.kind == "replace" and not _is_changed(call, order, suggestion):
        return _exchange(call, order, suggestion, identity)
    if not order.is_of_a_drug:  # it has no dosage that could be changed
        return Proposal([], call.drafts, selected)
    revision, description = _revision(call, order, suggestion)
    problem = revision.problem or ("" if order.is_named else "id")
    if problem and suggestion.kind != "replace":
        return Proposal([], call.drafts, selected)
    if problem:
        description += " " + fill(words["created-instead"], {"why": _elements(call, [problem])})
        return _creating(_new_order(call, suggestion, identity), description, without_order, selected_without_order)
    description += " " + fill(words["changed"], {"changes": _elements(call, revision.changed)})
    if revision.dropped:
        description += " " + fill(words["dropped"], {"dropped": _elements(call, revision.dropped)})
    if revision.repaired:
        description += " " + fill(words["repaired"], {"repairs": _elements(call, revision.repaired)})
    action = {"type": "update", "description": description, "resource": revision.resource}
    return Proposal([action], {**call.drafts, order.key: revision.resource}, selected)


def _is_changed(call: HookCall, order: Order, suggestion: Suggestion) -> bool:
    """Whether a draft stays the same order, with another drug, when a template replaces it."""
    template = call.prepared.pack.templates[suggestion.template]
    return order.is_of_a_drug and bool(template.resource["resourceType"] == MEDICATION)


def _exchange(call: HookCall, order: Order, suggestion: Suggestion, identity: str) -> Proposal:
    """A draft deleted and a new order in its place: two actions, which are taken together (RSP-41).

    An update would have to give back whatever the draft holds (RSP-43), and a draft of another type than the new order
    cannot become it.
    """
    words, regimen = call.prepared.pack.words, call.prepared.regimens[suggestion.template].order
    drafts = {key: draft for key, draft in call.drafts.items() if key != order.key}
    selected = tuple(judged.order.key for judged in call.judged_orders if judged.order.key != order.key)
    description = fill(words["replaced"], {"order": _name(call, order), "regimen": regimen})
    if not order.is_named:
        description += " " + fill(words["created-instead"], {"why": _elements(call, ["id"])})
    created = _creating(_new_order(call, suggestion, identity), description, drafts, selected)
    deleted = [_deletion(call, order)] if order.is_named else []
    return Proposal([*deleted, *created.actions], created.drafts, created.selected)


def without_update(
    call: HookCall, judged: JudgedOrder, suggestion: Suggestion, label: str, uuid: str
) -> dict[str, Any] | None:
    """The suggestion for a client that cannot update and orders from its preference list only (Z7).

    An order is offered only if the client's own key for that very template is known; ``None`` means that the change
    can only be described. A suggestion that replaces the draft names the ``removal`` that goes with it.
    """
    words, order = call.prepared.pack.words, judged.order
    if suggestion.kind != "add" and not order.is_named:
        return None
    if suggestion.kind == "remove":
        return {"label": label, "uuid": uuid, "actions": [_deletion(call, order)]}
    preferred = call.profile.preference_list.get(suggestion.template)
    if suggestion.kind not in ("add", "replace") or preferred is None:
        return None
    created = _new_order(call, suggestion, uuid)
    concept = naming_concept(created)
    concept["coding"] = [dict(preferred), *concept.get("coding", [])]
    description = fill(words["placed"], {"regimen": call.prepared.regimens[suggestion.template].order})
    if suggestion.kind == "replace":
        description += " " + fill(words["take-also"], {"label": _removal_label(call, judged, order)})
    action = {"type": "create", "description": description, "resource": created}
    return {"label": label, "uuid": uuid, "actions": [action]}


def removal(
    call: HookCall, judged: JudgedOrder, order: Order, replacements: Sequence[str], uuid: str
) -> dict[str, Any]:
    """The suggestion that removes one draft of what is judged, which names the labels of what may stand in its place.

    Where several drafts are one regimen, each is removed by a suggestion of its own (Z7, Z72).
    """
    words = call.prepared.pack.words
    labels = reduce(lambda first, second: fill(words["one-of"], {"first": first, "second": second}), replacements)
    action = _deletion(call, order)
    action["description"] += " " + fill(words["take-also"], {"label": labels})
    return {"label": _removal_label(call, judged, order), "uuid": uuid, "actions": [action]}


def _elements(call: HookCall, paths: Sequence[str]) -> str:
    """Elements of an order for people, each by the longest part of its path that the content has words for."""
    names = call.prepared.pack.elements
    in_words = []
    for path in paths:
        if path in names:
            in_words.append(names[path])
            continue
        parts = re.sub(r"\[[^]]*\]", "", path).split(".")
        beginnings = (".".join(parts[:length]) for length in range(len(parts), 0, -1))
        in_words.append(next((names[part] for part in beginnings if part in names), names["other"]))
    return ", ".join(dict.fromkeys(in_words))


def _name(call: HookCall, order: Order) -> str:
    return plain(order.name) or call.prepared.pack.words["order"]


def _removal_label(call: HookCall, judged: JudgedOrder, order: Order) -> str:
    name = order_in_words(call.prepared.pack, order) if judged.siblings else _name(call, order)
    return fill(call.prepared.pack.words["remove-draft"], {"order": name})


def _deletion(call: HookCall, order: Order) -> dict[str, Any]:
    description = fill(call.prepared.pack.words["removed"], {"order": _name(call, order)})
    return {"type": "delete", "description": description, "resourceId": order.reference}


def _revision(call: HookCall, order: Order, suggestion: Suggestion) -> tuple[Revision, str]:
    """The changed draft, and the change in words."""
    pack, name = call.prepared.pack, _name(call, order)
    words, said = pack.words, pack.dosage_words
    if suggestion.kind == "route":
        description = fill(words["rerouted"], {"order": name, "route": suggestion.route["text"]})
        return with_route(said, order.resource, suggestion.route), description
    if suggestion.kind == "open-ended":
        return without_end(said, order.resource), fill(words["open-ended"], {"order": name})
    template, resource = pack.templates[suggestion.template], call.prepared.orders[suggestion.template]
    regimen = call.prepared.regimens[suggestion.template]
    if suggestion.kind == "replace":
        description = fill(words["replaced"], {"order": name, "regimen": regimen.order})
        return with_regimen(order.resource, resource), description
    kept_steps = len(order.dosages()) - 1 if suggestion.kind == "last-dosage" else 0
    description = fill(words["redosed"], {"order": name, "dosage": regimen.dosage})
    return with_dosage(said, order.resource, resource, template.dosage_text, kept_steps), description


def _new_order(call: HookCall, suggestion: Suggestion, identity: str) -> Node:
    template, request = call.prepared.orders[suggestion.template], call.request
    return from_template(template, request.patient_id, request.encounter_id, identity, call.chart.today)


def _creating(created: Node, description: str, drafts: Mapping[str, Node], selected: tuple[str, ...]) -> Proposal:
    """The proposal that adds ``created`` to the drafts and judges it with the selected ones."""
    reference = f"{created['resourceType']}/{created['id']}"
    action = {"type": "create", "description": description, "resource": created}
    return Proposal([action], {**drafts, reference: created}, (*selected, reference))
