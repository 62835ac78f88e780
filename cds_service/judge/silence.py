"""Why a request got no card, or an order none: what was not judged, which rule found it right, what is not shown.

Everything here is taken from what was read and decided; nothing is worked out a second time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from cds_service.chart.drug import recognise_drug
from cds_service.chart.order import Order, read_order
from cds_service.chart.statuses import NOT_JUDGED
from cds_service.chart.what_is_ordered import recognise_ordered
from cds_service.content.model import Decision, Pack, Rule, Service
from cds_service.content.render import plain
from cds_service.content.whose import whose
from cds_service.fhir.order_types import MEDICATION
from cds_service.fhir.tree import text
from cds_service.judge.orders import JudgedOrder
from cds_service.judge.relevance import draft_nodes
from cds_service.protocol.envelope import ORDER_HOOKS, HookRequest
from cds_service.vocabulary.facts import Fact, Interval, State

_DRUG = "Medication"
_OF_DRAFTS = ("drug", "order", "reference")  # what is not understood of a whole draft


def not_judged(pack: Pack, request: HookRequest, missed: Iterable[Mapping[str, str]]) -> list[dict[str, str]]:
    """The drafts of a request that are not judged, each with the first reason: ``draft``, ``drug`` (or test, or
    nutrition), ``because``.

    ``missed`` is what was not understood, as ``explanation`` tells it. Of what was not recognised it says what was
    sent, as ``sent``, and which lines of ``site.toml`` would map it.
    """
    if request.hook not in ORDER_HOOKS:
        return []
    unknown = {item["reference"]: item for item in missed if item["kind"] in _OF_DRAFTS}
    selected = {draft.key for draft in request.selected}
    others = draft_nodes(request)
    told = []
    for draft in request.drafts:
        if text(draft.resource, "resourceType") == _DRUG:
            continue  # what orders refer to
        order = read_order(draft.path, draft.resource, others, draft.key)
        name = order.reference or order.path
        entry = {"draft": plain(name), "drug": plain(order.name)}
        because = _not_an_order(pack, draft.resource) or ("" if draft.key in selected else _NOT_SELECTED)
        if because:
            told.append(entry | {"because": because})
        elif drug := _not_ours(pack, order, unknown.get(name)):
            told.append(entry | drug)
    return told


_NOT_SELECTED = "It is not selected: context.selections does not name it."


def _not_an_order(pack: Pack, resource: Mapping[str, Any]) -> str:
    """Why a draft is no order of a type that is judged and that is to be carried out; ``""`` if it is one."""
    kind, status = text(resource, "resourceType"), text(resource, "status")
    if kind not in pack.relevant:
        return f"It is a {plain(kind) or 'resource without a type'}; only a {' or a '.join(pack.relevant)} is judged."
    if status in NOT_JUDGED:
        return f"Its status is {status}: there is nothing left to decide on."
    if resource.get("doNotPerform") is not True:
        return ""
    what = "the drug is not to be given" if kind == MEDICATION else "it is not to be done"
    return f"It says that {what} (doNotPerform)."


def _not_ours(pack: Pack, order: Order, missed: Mapping[str, str] | None) -> dict[str, str]:
    """Why what is ordered is nothing that this content judges; nothing if it is."""
    excluded = recognise_drug(order, pack.excluded)
    if excluded is not None:
        return {"because": "It is a drug, or a combination, that this content leaves out on purpose."}
    if recognise_ordered(order, pack.relevant[order.type]) is not None:
        return {}
    if missed is None:
        what = "another drug" if order.is_of_a_drug else "something else"
        return {"because": f"It is known to be {what} than those that this content is about."}
    sent = "|".join(filter(None, [missed.get("system"), missed.get("code")]))
    what = "Its drug" if order.is_of_a_drug else "What it orders"
    entry = {"because": f"{what} was not recognised. {missed['because']}", "sent": sent}
    return entry | ({"site.toml": missed["site.toml"]} if "site.toml" in missed else {})


def silent_because(pack: Pack, service: Service, judged: JudgedOrder) -> list[dict[str, Any]]:
    """Why the decisions of a service say nothing of an order: an entry for each that looked at it, none for those that
    do not apply to it.

    ``kind`` is ``in line`` where a silent rule rests on a statement of the source, ``ruled out`` for any other silent
    rule that was written for such a case, ``nothing found`` where none of the rules that speak holds, ``shadow`` for
    what is only counted, ``not shown`` for what the service shows only if it is graver (Z63), ``withdrawn`` for a rule
    that the site has switched off (Z31), and ``noted`` for what would only be a line on another card.
    """
    entries = []
    for name in service.decisions:
        decision = pack.decisions[name]
        if decision.kind == "definition" or not decision.is_live:
            continue
        for rule in judged.decided.fired.get(name, ()):
            kind = _kind_of_silence(service, decision, rule)
            if not kind:
                continue
            entry: dict[str, Any] = {"kind": kind, "decision": name, "rule": rule.id, "title": decision.title}
            entry["because"] = [tested for tested in tests_of(pack, judged, decision, rule) if tested.pop("own")]
            if rule.statement:
                entry |= {"statement": rule.statement, "quote": pack.statements[rule.statement].quote}
                entry |= whose(pack, decision, rule)
            if rule.withdrawn is not None and kind == "withdrawn":
                entry |= {"reason": plain(rule.withdrawn.reason), "date": rule.withdrawn.date}
            if kind == "not shown":
                entry |= {"indicator": rule.then.indicator, "shown-from": service.least[name]}
            entries.append(entry)
    return entries


def _kind_of_silence(service: Service, decision: Decision, rule: Rule) -> str:
    if rule.is_added:
        return ""
    if decision.kind == "note":
        return "noted" if not rule.then.silent and decision.status == "active" else ""
    if not rule.then.silent:
        if not service.shows(decision.id, rule.then.indicator):
            return "not shown"
        if rule.withdrawn is not None and decision.status == "active":
            return "withdrawn"
        return "shadow" if decision.status == "shadow" else ""
    if rule.statement:
        return "in line"
    return "ruled out" if set(_own_places(decision, rule)) else "nothing found"


def tests_of(pack: Pack, judged: JudgedOrder, decision: Decision, rule: Rule) -> list[dict[str, Any]]:
    """What a rule asked of an order and found: ``input``, its ``label``, the ``value`` in words, the references that it
    was ``read-from``; of a definition the facts ``behind`` it, but for those that are absent.

    ``own`` tells what this rule asks from what all rules of its table ask alike.
    """
    own = set(_own_places(decision, rule))
    told: list[dict[str, Any]] = []
    for place, _ in rule.tests:
        name = decision.inputs[place]
        other = pack.decisions.get(name)
        if other is not None and other.kind == "card":
            continue  # it only asks whether that card speaks
        fact = judged.decided.values[name]
        label = other.title if other is not None else pack.facts[name].label
        entry = {"input": name, **_found(label, fact), "own": place in own}
        if other is not None:
            behind = judged.decided.values.behind(name).items()
            entry["behind"] = [
                _found(pack.facts[f].label, value) for f, value in behind if value.state is not State.ABSENT
            ]
        told.append(entry)
    return told


def _found(label: str, fact: Fact) -> dict[str, Any]:
    read = list(dict.fromkeys(evidence.reference for evidence in fact.evidence))
    return {"label": label, "value": value_of(fact)} | ({"read-from": read} if read else {})


def _own_places(decision: Decision, rule: Rule) -> Iterator[int]:
    """The places of the inputs of which this rule asks something that not every written rule of its table asks."""
    written = [other for other in decision.rules if not other.is_added]
    for place, cell in rule.tests:
        if any(other.cells[place] is None or other.cells[place] != cell for other in written):
            yield place


def value_of(fact: Fact) -> str:
    """The value of a fact in words, or its state if it has none."""
    if fact.state is not State.VALUE:
        return str(fact.state)
    if isinstance(fact.value, Interval):
        low, high = fact.value.low, fact.value.high
        return number_of(low) if fact.value.is_point else f"{number_of(low)} to {number_of(high)}"
    return str(fact.value)


def number_of(value: Any) -> str:
    """A number for people, to six digits; ``any`` for an end of a range that has no limit."""
    if value is None:
        return "any"
    return str(value.numerator) if value.denominator == 1 else f"{float(value):g}"
