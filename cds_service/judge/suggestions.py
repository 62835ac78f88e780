"""From a rule's suggestion to the actions a client can accept, and to the drafts that accepting it leaves.

Joins ``chart`` (how orders are changed) and ``content`` (which change, in which words). Imports both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

from cds_service.chart.order import Order
from cds_service.chart.revise import Revision, from_template, with_dosage, with_regimen, with_route, without_end
from cds_service.content.model import Pack, Suggestion, TemplateWords
from cds_service.content.render import fill, plain
from cds_service.fhir.tree import Node


@dataclass(frozen=True, slots=True)
class Proposal:
    """The actions of one suggestion, and the draft resources by their keys as they stand once it is accepted."""

    actions: list[dict[str, Any]]
    drafts: Mapping[str, Node]
    selected: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Situation:
    """Where a suggestion is made: the order it is about, all drafts by their keys, whose and when."""

    pack: Pack
    regimens: Mapping[str, TemplateWords]
    order: Order
    drafts: Mapping[str, Node]
    selected: tuple[str, ...]
    patient_id: str
    encounter_id: str


def propose(situation: Situation, suggestion: Suggestion, identity: str) -> Proposal:
    """What accepting ``suggestion`` would do. ``identity`` is the id of a resource it creates.

    A draft that nothing can name is neither removed nor changed; what would replace it is a new order.
    """
    order = situation.order
    name = plain(order.name) or situation.pack.words["order"]
    say = situation.pack.words
    if suggestion.kind == "remove":
        drafts = {key: node for key, node in situation.drafts.items() if key != order.key}
        actions = [_removed(situation)] if order.is_named else []
        return Proposal(actions, drafts, tuple(s for s in situation.selected if s != order.key))
    if suggestion.kind == "add":
        created = _created(situation, suggestion, identity)
        regimen = situation.regimens[suggestion.template].order
        known = "added" if order.reference else "placed"
        description = fill(say[known], {"regimen": regimen, "order": name})
        return _with_created(situation, created, description, situation.drafts, situation.selected)
    revision = _revision(situation, suggestion)
    match suggestion.kind:
        case "route":
            description = fill(say["rerouted"], {"order": name, "route": suggestion.route["text"]})
        case "dosage" | "last-dosage":
            dosage = situation.regimens[suggestion.template].dosage
            description = fill(say["redosed"], {"order": name, "dosage": dosage})
        case "open-ended":
            description = fill(say["open-ended"], {"order": name})
        case _:
            description = fill(
                say["replaced"], {"order": name, "regimen": situation.regimens[suggestion.template].order}
            )
    problem = revision.problem or ("" if order.is_named else "id")
    if problem:
        if suggestion.kind != "replace":
            return Proposal([], situation.drafts, situation.selected)
        created = _created(situation, suggestion, identity)
        description = f"{description} {fill(say['created-instead'], {'why': problem})}"
        remaining = {key: node for key, node in situation.drafts.items() if key != order.key}
        kept = tuple(s for s in situation.selected if s != order.key)
        return _with_created(situation, created, description, remaining, kept)
    changes = ", ".join(revision.changed)
    dropped = ", ".join(revision.dropped) or say["nothing"]
    description += " " + fill(say["kept"], {"changes": changes, "dropped": dropped})
    if revision.repaired:
        description += " " + fill(say["repaired"], {"repairs": ", ".join(revision.repaired)})
    action = {"type": "update", "description": description, "resource": revision.resource}
    return Proposal([action], {**situation.drafts, order.key: revision.resource}, situation.selected)


def without_update(
    situation: Situation,
    suggestion: Suggestion,
    label: str,
    uuid: str,
    preference_list: Mapping[str, Mapping[str, str]],
) -> dict[str, Any] | None:
    """The same for a client that cannot update and orders from its preference list only (Z7).

    An order is offered only if the client's own key for that very template is known; ``None`` means: in words only.
    One that replaces the draft names the ``removal`` that goes with it.
    """
    say, order = situation.pack.words, situation.order
    if suggestion.kind != "add" and not order.is_named:
        return None
    if suggestion.kind == "remove":
        return {"label": label, "uuid": uuid, "actions": [_removed(situation)]}
    key = preference_list.get(suggestion.template)
    if suggestion.kind not in ("add", "replace") or key is None:
        return None
    created = _created(situation, suggestion, uuid)
    element = "code" if created["resourceType"] == "ServiceRequest" else "medicationCodeableConcept"
    created[element]["coding"] = [dict(key), *created[element]["coding"]]
    regimen = situation.regimens[suggestion.template].order
    description = fill(say["placed"], {"regimen": regimen})
    if suggestion.kind == "replace":
        remove = fill(say["remove-draft"], {"order": plain(order.name) or say["order"]})
        description += " " + fill(say["take-also"], {"label": remove})
    action = {"type": "create", "description": description, "resource": created}
    return {"label": label, "uuid": uuid, "actions": [action]}


def removal(situation: Situation, replacements: Sequence[str], uuid: str) -> dict[str, Any]:
    """The suggestion that removes the draft, naming the labels of what may stand in its place (Z7)."""
    say = situation.pack.words
    action = _removed(situation)
    labels = reduce(lambda first, second: fill(say["one-of"], {"first": first, "second": second}), replacements)
    action["description"] += " " + fill(say["take-also"], {"label": labels})
    label = fill(say["remove-draft"], {"order": plain(situation.order.name) or say["order"]})
    return {"label": label, "uuid": uuid, "actions": [action]}


def _removed(situation: Situation) -> dict[str, Any]:
    say, order = situation.pack.words, situation.order
    name = plain(order.name) or say["order"]
    return {
        "type": "delete",
        "description": fill(say["removed"], {"order": name}),
        "resourceId": order.reference,
    }


def _revision(situation: Situation, suggestion: Suggestion) -> Revision:
    if suggestion.kind == "route":
        return with_route(situation.order.resource, suggestion.route)
    if suggestion.kind == "open-ended":
        return without_end(situation.order.resource)
    template = situation.pack.templates[suggestion.template]
    if suggestion.kind in ("dosage", "last-dosage"):
        kept = len(situation.order.dosages()) - 1 if suggestion.kind == "last-dosage" else 0
        return with_dosage(situation.order.resource, template.resource, template.dosage_text, kept)
    return with_regimen(situation.order.resource, template.resource, template.dosage_text)


def _created(situation: Situation, suggestion: Suggestion, identity: str) -> Node:
    template = situation.pack.templates[suggestion.template]
    return from_template(
        template.resource, situation.patient_id, situation.encounter_id, identity, template.dosage_text
    )


def _with_created(
    situation: Situation,
    created: Node,
    description: str,
    drafts: Mapping[str, Node],
    selected: tuple[str, ...],
) -> Proposal:
    reference = f"{created['resourceType']}/{created['id']}"
    action = {"type": "create", "description": description, "resource": created}
    return Proposal([action], {**drafts, reference: created}, (*selected, reference))
