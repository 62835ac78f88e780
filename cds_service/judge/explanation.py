"""What was read for a request, which rules fired, and why the near ones did not.

Imports chart, content and evaluate.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from cds_service.chart.results import Point, history
from cds_service.content.model import Decision, Pack, Rule, Service
from cds_service.content.needs import reads
from cds_service.content.prepared import Prepared
from cds_service.content.render import fill, plain
from cds_service.judge.evaluate import Answer, evaluate
from cds_service.judge.orders import JudgedOrder
from cds_service.protocol.envelope import read_hook
from cds_service.protocol.faults import Fault
from cds_service.vocabulary.facts import Exact, Fact, Interval, State


def explain(prepared: Prepared, body: bytes, now: datetime) -> dict[str, Any]:
    """The whole reasoning on one request, for the service of its hook.

    Raises:
        Fault: as evaluate does.
    """
    service = asked_service(prepared, body)
    return reasoning(prepared, service, evaluate(prepared, service, body, now), now)


def reasoning(prepared: Prepared, service: Service, answer: Answer, now: datetime) -> dict[str, Any]:
    """The same for an answer that was already given."""
    return {
        "service": service.id,
        "now": now.isoformat(),
        "orders": [_order(prepared, service, judged) for judged in answer.judged],
        "cards": [
            {key: card[key] for key in ("indicator", "summary")} | {"topic": card["source"]["topic"]["code"]}
            for card in answer.body["cards"]
        ],
        "results": _results(prepared.pack, service, answer),
    }


def _results(pack: Pack, service: Service, answer: Answer) -> list[dict[str, Any]]:
    """Every laboratory result that the service's decisions may look at, by fact, with the limits of their tables."""
    if answer.chart is None:
        return []
    told = []
    for name in reads(pack, service.decisions):
        declared = pack.facts.get(name)
        points = history(declared, answer.chart) if declared is not None and declared.kind == "observation" else []
        if declared is None or declared.analyte is None or not points:
            continue
        told.append(
            {
                "fact": name,
                "label": declared.label,
                "unit": declared.analyte.canonical,
                "limits": [_number(limit) for limit in limits_of(pack, name)],
                "results": [_point(point) for point in points],
            }
        )
    return told


def limits_of(pack: Pack, name: str) -> list[Exact]:
    """The thresholds that any table of the pack puts to a fact, in order."""
    return sorted(
        {
            number
            for decision in pack.decisions.values()
            for used, column in zip(decision.inputs, decision.columns, strict=True)
            if used == name
            for cell in column
            for number in cell.numbers()
        }
    )


def _point(point: Point) -> dict[str, Any]:
    told: dict[str, Any] = {
        "at": point.when.isoformat(),
        "said": plain(point.evidence.said),
        "reference": point.evidence.reference,
    }
    if point.value is not None:
        ends = {"low": point.value.low, "high": point.value.high}
        told |= {end: float(value) for end, value in ends.items() if value is not None}
    elif point.flaw is not None:
        told["flaw"] = point.flaw.key
    return told


def asked_service(prepared: Prepared, body: bytes) -> Service:
    """The service of the hook that a request names.

    Raises:
        Fault: 400, it names none of ours.
    """
    service = prepared.pack.service_for(read_hook(body))
    if service is None:
        raise Fault(400, "invalid", "no service answers this hook", "hook")
    return service


def _order(prepared: Prepared, service: Service, judged: JudgedOrder) -> dict[str, Any]:
    pack = prepared.pack
    needed = reads(pack, service.decisions)
    values = judged.decided.values
    read = [name for name in needed if name in pack.facts and name in judged.facts.order]
    return {
        "order": judged.order.reference,
        "drug": plain(judged.order.name),
        "facts": {name: _fact(pack, name, values[name]) for name in read},
        "steps": [
            {name: _fact(pack, name, fact) for name, fact in step.items() if pack.facts[name].kind == "dosage"}
            for step in judged.facts.dosages
        ],
        "definitions": {
            name: values[name].value or str(values[name].state) for name in needed if name in pack.decisions
        },
        "decisions": [_decision(judged, pack.decisions[name]) for name in service.decisions],
    }


def _decision(judged: JudgedOrder, decision: Decision) -> dict[str, Any]:
    values = judged.decided.values
    fired = values.rules(decision, judged.facts.order)
    near = [
        {"rule": rule.id, "because": missed}
        for rule in decision.rules
        if not rule.then.silent and rule not in fired and len(missed := _missed(judged, decision, rule)) == 1
    ]
    return {
        "decision": decision.id,
        "version": decision.version,
        "fired": [{"rule": rule.id, "silent": rule.then.silent, "statement": rule.statement} for rule in fired],
        "near": near,
    }


def _missed(judged: JudgedOrder, decision: Decision, rule: Rule) -> list[str]:
    """Each cell that kept a rule from firing, in words."""
    missed = []
    for name, cell in zip(decision.inputs, rule.cells, strict=True):
        fact = judged.decided.values[name]
        if cell is not None and not cell.matches(fact):
            missed.append(f"{name} is {_said(fact)}, not {cell.source}")
    return missed


def _fact(pack: Pack, name: str, fact: Fact) -> dict[str, Any]:
    declared = pack.facts[name]
    told: dict[str, Any] = {"label": declared.label, "state": str(fact.state), "value": _said(fact)}
    unit = declared.analyte.canonical if declared.analyte is not None else declared.unit
    if unit and isinstance(fact.value, Interval):
        told["unit"] = unit
    if fact.evidence:
        told["read-from"] = [
            {"reference": e.reference, "said": plain(e.said), **({"date": e.date} if e.date else {})}
            for e in fact.evidence
        ]
    if fact.reason is not None:
        told["reason"] = fact.reason.key
        told["because"] = fill(pack.reasons[fact.reason.key], {k: plain(v) for k, v in fact.reason.values.items()})
    if fact.missing:
        told["missing"] = list(fact.missing)
    return told


def _said(fact: Fact) -> str:
    if fact.state is not State.VALUE:
        return str(fact.state)
    if isinstance(fact.value, Interval):
        low, high = fact.value.low, fact.value.high
        return _number(low) if fact.value.is_point else f"{_number(low)} to {_number(high)}"
    return str(fact.value)


def _number(value: Any) -> str:
    if value is None:
        return "any"
    return str(value.numerator) if value.denominator == 1 else f"{float(value):g}"
