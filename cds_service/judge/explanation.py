"""What was read for a request, which rules fired, and which rules missed by one cell."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from cds_service.chart.record import Chart
from cds_service.chart.results import Point, history
from cds_service.content.model import Decision, Pack, Rule, Service
from cds_service.content.needs import reads
from cds_service.content.prepared import Prepared
from cds_service.content.render import in_words, plain
from cds_service.content.site_lines import as_toml, site_lines
from cds_service.content.whose import whose
from cds_service.judge.evaluate import Answer, evaluate
from cds_service.judge.orders import JudgedOrder
from cds_service.judge.silence import not_judged, number_of, silent_because, tests_of, value_of
from cds_service.judge.told_history import as_data, history_of
from cds_service.judge.understanding import NotUnderstood, drafts_read, not_understood
from cds_service.protocol.envelope import read_hook
from cds_service.protocol.faults import Fault
from cds_service.vocabulary.declarations import FactDeclaration
from cds_service.vocabulary.facts import Exact, Fact, Interval

_OF_RESULTS = ("observation", "flag")  # kinds of facts that are read from laboratory results


def explain(prepared: Prepared, body: bytes, now: datetime) -> dict[str, Any]:
    """The whole reasoning on one request at ``now``, for the service of its hook.

    Raises:
        Fault: 400 for a hook that no service answers, and whatever ``evaluate`` raises.
    """
    service = asked_service(prepared, body)
    return reasoning(prepared, service, evaluate(prepared, service, body, now), now)


def reasoning(prepared: Prepared, service: Service, answer: Answer, now: datetime) -> dict[str, Any]:
    """The reasoning behind an answer that ``evaluate`` gave at ``now``, as JSON.

    Its members are ``service``, ``now``, ``drafts`` (how the drug of each was recognised), ``orders`` (facts, steps of
    the dosage, definitions and decisions of each), ``cards``, ``history`` (``told_history.as_data``), ``results``,
    ``not-understood`` (what was sent and not understood, with the lines of ``site.toml`` that would map it, Z54),
    ``not-judged`` (drafts that no decision was put to) and ``content``. Each order tells in ``silence`` why decisions
    say nothing of it.
    """
    missed = [
        _not_understood(prepared.pack, item)
        for item in not_understood(prepared.pack, answer.reading, prepared.searches[service.id])
    ]
    return {
        "content": f"{prepared.pack.title} {prepared.pack.version}",
        "service": service.id,
        "now": now.isoformat(),
        "drafts": drafts_read(prepared.pack, answer.request),
        "orders": [_order(prepared, service, judged) for judged in answer.judged],
        "cards": [_card(card) for card in answer.body["cards"]],
        "history": as_data(prepared.pack.dosage_words, history_of(prepared, service, answer).events),
        "results": [] if answer.chart is None else results_of(prepared.pack, service.decisions, answer.chart),
        "not-understood": missed,
        "not-judged": not_judged(prepared.pack, answer.request, missed),
    }


def _card(card: Mapping[str, Any]) -> dict[str, Any]:
    """A card without what only programs read."""
    suggestions = [
        {"label": suggestion["label"]} | ({"isRecommended": True} if suggestion.get("isRecommended") else {})
        for suggestion in card.get("suggestions", [])
    ]
    words = {key: card[key] for key in ("indicator", "summary", "detail")}
    return words | {"topic": card["source"]["topic"]["code"], "suggestions": suggestions}


def _not_understood(pack: Pack, item: NotUnderstood) -> dict[str, Any]:
    aside = item.aside
    proposed = site_lines(pack, aside, item.candidates)
    entry = {
        "kind": str(aside.kind),
        "reference": plain(aside.reference),
        "reason": aside.reason.key,
        "because": in_words(pack, aside.reason),
        "system": plain(aside.system),
        "code": plain(aside.code),
        "said": plain(aside.words),
        "site.toml": as_toml([proposed]) if proposed else "",
    }
    return {name: value for name, value in entry.items() if value}


def results_of(pack: Pack, decisions: Iterable[str], chart: Chart) -> list[dict[str, Any]]:
    """The laboratory results of a chart that decisions may read, by fact, with the thresholds of the tables.

    ``unit`` is that of the numbers as UCUM has it, ``written`` the same for people. A fact that is the flag of the
    laboratory has the label of its analyte, because all results of that are listed.
    """
    series = []
    for name in reads(pack, decisions):
        declared = pack.facts.get(name)
        if declared is None or declared.analyte is None or declared.kind not in _OF_RESULTS or declared.element:
            continue
        points = history(declared, chart)
        if not points:
            continue
        series.append(
            {
                "fact": name,
                "label": series_label(declared),
                "unit": declared.analyte.canonical,
                "written": declared.unit_written,
                "limits": [number_of(limit) for limit in limits_of(pack, name)],
                "results": [_point(pack, point) for point in points],
            }
        )
    return series


def series_label(declared: FactDeclaration) -> str:
    """What the results of a fact are called: its label, or that of what is measured if the fact is only the flag."""
    return declared.label if declared.kind != "flag" else next(iter(declared.value_sets.values())).title


def limits_of(pack: Pack, name: str) -> list[Exact]:
    """The thresholds that any table of the pack has for a fact, in ascending order and in the fact's unit."""
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


def _point(pack: Pack, point: Point) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "at": point.when.isoformat(),
        "said": plain(point.evidence.display),
        "reference": point.evidence.reference,
    }
    if point.value is not None:
        ends = {"low": point.value.low, "high": point.value.high}
        entry |= {end: float(value) for end, value in ends.items() if value is not None}
        entry |= {"flag": "low"} if point.is_low else {}
    elif point.flaw is not None:
        entry |= {"flaw": point.flaw.key, "because": in_words(pack, point.flaw)}
    return entry


def asked_service(prepared: Prepared, body: bytes) -> Service:
    """The service of the hook that a request names.

    Raises:
        Fault: 400, no service of the pack answers that hook.
    """
    service = prepared.pack.service_for(read_hook(body))
    if service is None:
        raise Fault(400, "invalid", "no service answers this hook", "hook")
    return service


def _order(prepared: Prepared, service: Service, judged: JudgedOrder) -> dict[str, Any]:
    pack = prepared.pack
    needed = reads(pack, service.decisions)
    values = judged.decided.values
    fact_names = [name for name in needed if name in pack.facts and name in judged.facts.order]
    return {
        "order": judged.order.reference,
        "drug": plain(judged.order.name),
        "facts": {name: _fact(pack, name, values[name]) for name in fact_names},
        "steps": [
            {name: _fact(pack, name, fact) for name, fact in step.items() if pack.facts[name].kind == "dosage"}
            for step in judged.facts.dosages
        ],
        "definitions": {
            name: values[name].value or str(values[name].state) for name in needed if name in pack.decisions
        },
        "decisions": [_decision(pack, judged, service, pack.decisions[name]) for name in service.decisions],
        "silence": silent_because(pack, service, judged),
    }


def _decision(pack: Pack, judged: JudgedOrder, service: Service, decision: Decision) -> dict[str, Any]:
    values = judged.decided.values
    fired = values.rules(decision, judged.facts.order)
    return {
        "decision": decision.id,
        "title": decision.title,
        "version": decision.version,
        "status": decision.status,
        "fired": [_fired(pack, judged, service, decision, rule) for rule in fired],
        "near": list(_near(judged, decision, fired)),
    }


def _fired(pack: Pack, judged: JudgedOrder, service: Service, decision: Decision, rule: Rule) -> dict[str, Any]:
    """A rule that fired and what it ``tested``; ``whose`` it is where it is this hospital's, ``shown-from`` where the
    service shows only what is graver (Z63), and ``withdrawn`` where the site does not show it (Z31).
    """
    fired: dict[str, Any] = {"rule": rule.id, "silent": rule.then.silent, "statement": rule.statement}
    fired |= whose(pack, decision, rule)
    fired["tested"] = tests_of(pack, judged, decision, rule)
    if rule.withdrawn is not None:
        fired["withdrawn"] = {"reason": plain(rule.withdrawn.reason), "date": rule.withdrawn.date}
    is_shown = service.shows(decision.id, rule.then.indicator)
    return fired if is_shown else fired | {"shown-from": service.least[decision.id]}


def _near(judged: JudgedOrder, decision: Decision, fired: Sequence[Rule]) -> Iterator[dict[str, Any]]:
    """The rules of which one cell alone did not match, and which would fire if it did.

    Where a card was shown these are the ``silent`` rules too. A rule below one that fired and does not ask for that
    input is none: the upper one would go on to be the first.
    """
    speaks = any(not rule.then.silent for rule in fired)
    for rule in decision.rules:
        missed = _missed(judged, decision, rule)
        if rule in fired or len(missed) != 1 or (rule.then.silent and not speaks):
            continue
        ((place, because),) = missed.items()
        if decision.hit_policy == "FIRST" and any(one.index < rule.index and one.cells[place] is None for one in fired):
            continue
        yield {"rule": rule.id, "because": [because]} | ({"silent": True} if rule.then.silent else {})


def _missed(judged: JudgedOrder, decision: Decision, rule: Rule) -> dict[int, str]:
    """Each cell of a rule that did not match, in words by its place."""
    missed = {}
    for place, (name, cell) in enumerate(zip(decision.inputs, rule.cells, strict=True)):
        fact = judged.decided.values[name]
        if cell is not None and not cell.matches(fact):
            missed[place] = f"{name} is {value_of(fact)}, not {cell.source}"
    return missed


def _fact(pack: Pack, name: str, fact: Fact) -> dict[str, Any]:
    declared = pack.facts[name]
    entry: dict[str, Any] = {"label": declared.label, "state": str(fact.state), "value": value_of(fact)}
    unit = declared.analyte.canonical if declared.analyte is not None else declared.unit
    if unit and isinstance(fact.value, Interval):
        entry["unit"] = unit
    if fact.evidence:
        entry["read-from"] = [
            {"reference": item.reference, "said": plain(item.display)}
            | ({"date": item.date} if item.date else {})
            | ({"notes": [pack.words[note] for note in item.notes]} if item.notes else {})
            for item in fact.evidence
        ]
    if fact.reason is not None:
        entry["reason"] = fact.reason.key
        entry["because"] = in_words(pack, fact.reason)
    if fact.missing:
        entry["missing"] = list(fact.missing)
    return entry
