"""Which rules carry out a statement or a settlement, and which scenarios show it. Imports this room and evaluate.

The table that ``cards/README.md`` carries is made here, so that it cannot say what does not hold.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cds_service.content.needs import templates_of
from cds_service.content.prepared import Prepared
from cds_service.judge.evaluate import evaluate
from cds_service.protocol.faults import Fault
from cds_service.replay.scenarios import Scenario
from cds_service.vocabulary.json_text import encode

_SHOWN = 3
_BEGIN, _END = "<!-- statements: made by cds-service export statements -->", "<!-- /statements -->"


@dataclass(frozen=True, slots=True)
class Covered:
    """One statement or settlement: ``rules`` as ``decision.Rule``, the scenarios in which one of them fired."""

    id: str
    text: str
    rules: tuple[str, ...]
    scenarios: tuple[str, ...]
    no_rule: str


def coverage(prepared: Prepared, scenarios: Iterable[Scenario]) -> list[Covered]:
    """Every statement, then every settlement, in the order of ``sources.yaml``."""
    pack = prepared.pack
    shown_by: dict[str, list[Scenario]] = {}
    for scenario in scenarios:
        for rule in rules_fired(prepared, scenario):
            shown_by.setdefault(rule, []).append(scenario)
    live = [
        (f"{decision.id}.{rule.id}", {rule.statement, *rule.settles})
        for decision in pack.decisions.values()
        if decision.status in ("active", "shadow")
        for rule in decision.rules
    ]
    covered = []
    entries = [(s.id, s.quote, s.no_rule) for s in pack.statements.values()]
    entries += [(s.id, s.settlement, s.no_rule) for s in pack.settlements.values()]
    for name, text, no_rule in entries:
        rules = tuple(rule for rule, cites in live if name in cites)
        found = {scenario.name: scenario for rule in rules for scenario in shown_by.get(rule, ())}
        told = sorted(found.values(), key=lambda s: name not in s.statements)  # stories about it come first
        covered.append(Covered(name, text, rules, tuple(s.name for s in told), no_rule))
    return covered


def rules_fired(prepared: Prepared, scenario: Scenario) -> set[str]:
    """Every rule that fires in a scenario, silent ones and definitions too, as ``decision.Rule``."""
    service = prepared.pack.service_for(scenario.hook)
    if service is None:
        return set()
    body = encode(scenario.request(templates_of(prepared.pack, service)))
    try:
        answer = evaluate(prepared, service, body, scenario.now)
    except Fault:
        return set()
    return {f"{name}.{rule.id}" for one in answer.judged for name, rules in one.decided.fired.items() for rule in rules}


def as_table(covered: Sequence[Covered]) -> str:
    """The Markdown table: statement, rules, and a few of the scenarios with the number of all."""
    lines = ["| id | what it says | rules | scenarios |", "|---|---|---|---|"]
    for entry in covered:
        rules = ", ".join(f"`{rule}`" for rule in entry.rules) or f"none: {entry.no_rule}"
        shown = ", ".join(f"`{name}`" for name in entry.scenarios[:_SHOWN])
        more = len(entry.scenarios) - _SHOWN
        shown += f" and {more} more" if more > 0 else ""
        lines.append(f"| {entry.id} | {entry.text.replace('|', '/')} | {rules} | {shown or '-'} |")
    return "\n".join(lines)


def written_into(page: str, table: str) -> str:
    """``page`` with the table between its marks.

    Raises:
        ValueError: the page has no marks.
    """
    before, begin, rest = page.partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not begin or not end:
        raise ValueError(f"no place for the table: {_BEGIN} and {_END} are missing")
    return f"{before}{_BEGIN}\n{table}\n{_END}{after}"
