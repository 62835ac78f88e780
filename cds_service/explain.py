"""What was read for a request, which rules fired, and why the near ones did not. Imports content and evaluate."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from cds_service.content.model import Decision, Rule, Service
from cds_service.content.needs import reads
from cds_service.content.render import plain
from cds_service.evaluate import Evaluator, Judged, evaluate
from cds_service.facts import Fact, Interval, State
from cds_service.protocol.envelope import read_hook
from cds_service.protocol.faults import Fault


def explain(evaluator: Evaluator, body: bytes, now: datetime) -> dict[str, Any]:
    """The whole reasoning on one request, for the service of its hook.

    Raises:
        Fault: as evaluate does.
    """
    service = _service_for(evaluator, body)
    answer = evaluate(evaluator, service, body, now)
    return {
        "service": service.id,
        "now": now.isoformat(),
        "orders": [_order(evaluator, service, judged) for judged in answer.judged],
        "cards": [
            {key: card[key] for key in ("indicator", "summary")} | {"topic": card["source"]["topic"]["code"]}
            for card in answer.body["cards"]
        ],
    }


def _service_for(evaluator: Evaluator, body: bytes) -> Service:
    hook = read_hook(body)
    for service in evaluator.pack.services.values():
        if service.hook == hook:
            return service
    raise Fault(400, "invalid", "no service answers this hook", "hook")


def _order(evaluator: Evaluator, service: Service, judged: Judged) -> dict[str, Any]:
    pack = evaluator.pack
    needed = reads(pack, service.decisions)
    values = judged.decided.values
    return {
        "order": judged.order.reference,
        "drug": plain(judged.order.name),
        "facts": {name: _fact(values[name]) for name in needed if name in pack.facts and name in judged.facts.order},
        "steps": [
            {name: _fact(fact) for name, fact in step.items() if pack.facts[name].kind == "dosage"}
            for step in judged.facts.dosages
        ],
        "definitions": {
            name: values[name].value or str(values[name].state) for name in needed if name in pack.decisions
        },
        "decisions": [_decision(judged, pack.decisions[name]) for name in service.decisions],
    }


def _decision(judged: Judged, decision: Decision) -> dict[str, Any]:
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


def _missed(judged: Judged, decision: Decision, rule: Rule) -> list[str]:
    """Each cell that kept a rule from firing, in words."""
    missed = []
    for name, cell in zip(decision.inputs, rule.cells, strict=True):
        fact = judged.decided.values[name]
        if cell is not None and not cell.matches(fact):
            missed.append(f"{name} is {_said(fact)}, not {cell.source}")
    return missed


def _fact(fact: Fact) -> dict[str, Any]:
    told: dict[str, Any] = {"value": _said(fact)}
    if fact.evidence:
        told["read-from"] = [
            {"reference": e.reference, "said": plain(e.said), **({"date": e.date} if e.date else {})}
            for e in fact.evidence
        ]
    if fact.reason is not None:
        told["reason"] = fact.reason.key
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
