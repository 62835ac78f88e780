"""A pack as FHIR R4 PlanDefinition and ActivityDefinition resources.

https://hl7.org/fhir/R4/plandefinition.html: a decision becomes a PlanDefinition, each rule that is not silent an action
in it, and each suggestion an action within that. The cells of a rule become applicability conditions in FHIRPath, which
must all hold; in a FIRST table there are further conditions, that no earlier rule holds. A definition becomes a
PlanDefinition without a trigger whose actions set its value; PlanDefinitions that read it name it as ``depends-on``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from cds_service.content.model import CardText, Decision, OrderTemplate, Pack, Rule, Suggestion
from cds_service.content.prepared import template_words
from cds_service.content.reviews import Review
from cds_service.content.whose import basis_in_words
from cds_service.export.columns import Column, columns, earlier_rules, label
from cds_service.export.fhirpath import cell_condition, lone_condition, rule_condition, text_literal
from cds_service.fhir.order_types import MEDICATION, naming_concept
from cds_service.fhir.wording import dosages_in_words

Resource = dict[str, Any]

# https://hl7.org/fhir/R4/valueset-publication-status.html: what is not shown is not yet in use.
_STATUS = {"active": "active", "retired": "retired", "shadow": "draft", "draft": "draft", "off": "retired"}
# https://hl7.org/fhir/R4/valueset-request-priority.html
_PRIORITY = {"critical": "stat", "warning": "urgent", "info": "routine"}
# http://terminology.hl7.org/CodeSystem/action-type; a kind that is not listed has none.
_ACTION_TYPE = {"add": "create", "replace": "update", "dosage": "update", "route": "update", "remove": "remove"}
_USAGE = (
    "Hit policy {hit}; evaluated for each {each}. Conditions are FHIRPath over a Parameters resource that holds each "
    "fact and definition as a parameter with the part state (value, absent, unknown, unusable, undecidable) and, if "
    "that is value, the part value; a number has low, high, lowOpen and highOpen instead, and no end where unbounded. "
    "A card that another gives way to is a parameter too, with the value speaks or silent."
)


def resources(pack: Pack) -> list[Resource]:
    """Every resource of a pack, PlanDefinitions first, in the order of the content."""
    plans = [_plan(pack, decision) for decision in pack.decisions.values()]
    return plans + [_activity(pack, template) for template in pack.templates.values()]


def bundle(pack: Pack) -> Resource:
    """All resources of a pack as one Bundle of type collection."""
    entries = [{"fullUrl": resource["url"], "resource": resource} for resource in resources(pack)]
    return {"resourceType": "Bundle", "type": "collection", "entry": entries}


def as_json(resource: Resource) -> str:
    """A resource as JSON text. The same content always gives the same text."""
    return json.dumps(resource, indent=2, ensure_ascii=False) + "\n"


def _url(pack: Pack, kind: str, identity: str) -> str:
    return f"{pack.canonical_base}/{kind}/{identity}"


def _head(pack: Pack, kind: str, identity: str, version: str) -> Resource:
    return {
        "resourceType": kind,
        "id": identity,
        "url": _url(pack, kind, identity),
        "version": version,
        "name": identity[:1].upper() + identity[1:],
    }


# --- decisions --------------------------------------------------------------------------------------------------


def _plan(pack: Pack, decision: Decision) -> Resource:
    table = columns(pack, decision)
    plan = _head(pack, "PlanDefinition", decision.id, decision.version) | {"title": decision.title}
    if decision.kind != "definition":
        plan["type"] = _coding("http://terminology.hl7.org/CodeSystem/plan-definition-type", "eca-rule")
    plan |= {
        "status": _STATUS[decision.status],
        **_reviewed(pack.review if pack.is_reviewed else decision.review if decision.is_reviewed else None),
        "description": f"{decision.question} ({pack.id} {pack.version}, {decision.kind})",
        "purpose": decision.why or decision.question,
        "usage": _USAGE.format(hit=decision.hit_policy, each=decision.each),
    }
    needs = [_depends_on(pack, column.name) for column in table if column.is_decision]
    if needs:
        plan["relatedArtifact"] = needs
    action: Resource = {"title": decision.title}
    triggers = [{"type": "named-event", "name": hook} for hook in _hooks(pack, decision)]
    if triggers:
        action["trigger"] = triggers
    action["selectionBehavior"] = "any" if decision.hit_policy == "COLLECT" else "at-most-one"
    shown = [rule for rule in decision.rules if not rule.then.silent and rule.withdrawn is None]
    rules = [_rule(pack, decision, table, rule) for rule in shown]
    if rules:
        action["action"] = rules
    plan["action"] = [action]
    return plan


def _reviewed(review: Review | None) -> Resource:
    """A review that counts for the version, and when it ends; without one the resource is experimental (Z15)."""
    if review is None:
        return {"experimental": True}
    return {
        "experimental": False,
        "lastReviewDate": review.checked.date.isoformat(),
        "effectivePeriod": {"end": review.next_review.isoformat()},
    }


def _hooks(pack: Pack, decision: Decision) -> list[str]:
    return list(dict.fromkeys(s.hook for s in pack.services.values() if decision.id in s.decisions))


def _depends_on(pack: Pack, name: str) -> Resource:
    decision = pack.decisions[name]
    canonical = f"{_url(pack, 'PlanDefinition', name)}|{decision.version}"
    return {"type": "depends-on", "display": decision.title, "resource": canonical}


def _rule(pack: Pack, decision: Decision, table: Sequence[Column], rule: Rule) -> Resource:
    then = rule.then
    text = decision.texts[then.text] if then.text else CardText("")
    action: Resource = {"id": rule.id, "title": text.summary or then.value}
    if text.detail:
        action["description"] = " ".join(text.detail.split())
    if then.indicator:
        action["priority"] = _PRIORITY[then.indicator]
    if rule.statement:
        action["documentation"] = [
            _citation(pack, rule.statement, basis_in_words(pack, decision, rule) if rule.basis else "")
        ]
    conditions = list(_conditions(decision, table, rule))
    if conditions:
        action["condition"] = conditions
    if then.suggestions:
        action["selectionBehavior"] = then.selection
        action["action"] = [_suggestion(pack, text, suggestion) for suggestion in then.suggestions]
    if decision.kind == "definition":
        value = {"language": "text/fhirpath", "expression": text_literal(then.value)}
        action["dynamicValue"] = [{"path": decision.id, "expression": value}]
    return action


def _conditions(decision: Decision, table: Sequence[Column], rule: Rule) -> Iterator[Resource]:
    """A condition for each cell, then one for each earlier rule of a FIRST table that may hold as well."""
    for column, cell in zip(table, rule.cells, strict=True):
        if cell is not None:
            yield _condition(f"{column.label}: {cell.source}", cell_condition(cell, column))
    for earlier in earlier_rules(table, decision, rule):
        yield _condition(f"not {earlier.id}, which comes first", f"({rule_condition(earlier, table)}).not()")


def _condition(description: str, expression: str) -> Resource:
    fhirpath = {"description": description, "language": "text/fhirpath", "expression": expression}
    return {"kind": "applicability", "expression": fhirpath}


def _suggestion(pack: Pack, text: CardText, suggestion: Suggestion) -> Resource:
    action: Resource = {"id": suggestion.id, "title": text.labels[suggestion.id], "code": [{"text": suggestion.kind}]}
    conditions = [
        _condition(f"{label(pack, name)}: {cell.source}", lone_condition(cell, name))
        for name, cell in suggestion.when.items()
        if cell is not None
    ]
    if conditions:
        action["condition"] = conditions
    if suggestion.kind in _ACTION_TYPE:
        action["type"] = _coding("http://terminology.hl7.org/CodeSystem/action-type", _ACTION_TYPE[suggestion.kind])
    if suggestion.recommended:
        action["precheckBehavior"] = "yes"
    if suggestion.template:
        action["definitionCanonical"] = f"{_url(pack, 'ActivityDefinition', suggestion.template)}|{pack.version}"
    return action


def _coding(system: str, code: str) -> Resource:
    return {"coding": [{"system": system, "code": code}]}


def _citation(pack: Pack, statement_id: str, basis: str) -> Resource:
    """A statement, with whose word the rule is (``basis``, in words) behind it."""
    statement = pack.statements[statement_id]
    quote = f'{statement.place}: "{statement.quote}"'
    citation = f"{quote} ({basis})" if basis else quote
    display = pack.source_label if pack.is_reviewed else pack.unreviewed_label
    return {"type": "citation", "label": statement.id, "display": display, "citation": citation}


# --- order templates --------------------------------------------------------------------------------------------


def _activity(pack: Pack, template: OrderTemplate) -> Resource:
    """An order template. It names no product if suggestions take only its dosage, for whatever drug was drafted."""
    resource = template.resource
    activity = _head(pack, "ActivityDefinition", template.id, pack.version) | {
        "title": template_words(pack)[template.id].order,
        "status": "active",
        **_reviewed(pack.review if pack.is_reviewed else None),
    }
    if template.statement:
        activity["relatedArtifact"] = [_citation(pack, template.statement, "")]
    activity |= {"kind": resource["resourceType"], "intent": resource["intent"]}
    if resource["resourceType"] != MEDICATION:
        activity["code"] = naming_concept(dict(resource))
    if "medicationCodeableConcept" in resource and _uses(pack, template) != {"dosage"}:
        activity["productCodeableConcept"] = resource["medicationCodeableConcept"]
    if "dosageInstruction" in resource:
        activity["dosage"] = [_in_words(pack, step, template.dosage_text) for step in resource["dosageInstruction"]]
    return activity


def _uses(pack: Pack, template: OrderTemplate) -> set[str]:
    """The kinds of the suggestions that use an order template."""
    return {
        suggestion.kind
        for decision in pack.decisions.values()
        for rule in decision.rules
        for suggestion in rule.then.suggestions
        if suggestion.template == template.id
    }


def _in_words(pack: Pack, step: Mapping[str, Any], end: str) -> Resource:
    """A step of a dosage with its text; ``end`` is what the template adds to the words of the schedule."""
    text = " ".join(filter(None, [dosages_in_words(pack.dosage_words, [dict(step)]), end]))
    return {**step, "text": text} if text else dict(step)
