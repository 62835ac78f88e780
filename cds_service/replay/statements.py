"""Which rules carry out a statement or a settlement of the source, and which scenarios show it.

The table in ``cards/README.md`` is made here from the content and the scenarios, so that it cannot go out of date.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from cds_service.content.model import Pack
from cds_service.content.needs import templates_of
from cds_service.content.prepared import Prepared
from cds_service.judge.evaluate import evaluate
from cds_service.protocol.faults import Fault
from cds_service.replay.scenario import Scenario
from cds_service.vocabulary.json_text import encode

_SHOWN = 3

ShownBy = Mapping[str, Sequence[Scenario]]
"""The scenarios in which a rule fired, by ``decision.Rule``."""


@dataclass(frozen=True, slots=True)
class StatementRow:
    """One statement or settlement: its rules as ``decision.Rule``, and the scenarios in which one of them fired.

    ``no_rule`` says why there is no rule where there is none.
    """

    id: str
    text: str
    rules: tuple[str, ...]
    scenarios: tuple[str, ...]
    no_rule: str


def scenarios_by_rule(prepared: Prepared, scenarios: Iterable[Scenario]) -> ShownBy:
    """Fires every scenario, and says for each rule in which it fired."""
    shown_by: dict[str, list[Scenario]] = {}
    for scenario in scenarios:
        for rule in rules_fired(prepared, scenario):
            shown_by.setdefault(rule, []).append(scenario)
    return shown_by


def statement_rows(pack: Pack, shown_by: ShownBy) -> list[StatementRow]:
    """A row for every statement, then for every settlement, in the order of ``sources.yaml``."""
    live = [
        (f"{decision.id}.{rule.id}", {rule.statement, *rule.settles})
        for decision in pack.decisions.values()
        if decision.is_live
        for rule in decision.rules
    ]
    rows = []
    entries = [(s.id, s.quote, s.no_rule) for s in pack.statements.values()]
    entries += [(s.id, s.settlement, s.no_rule) for s in pack.settlements.values()]
    for name, text, no_rule in entries:
        rules = tuple(rule for rule, cites in live if name in cites)
        showing = {scenario.name: scenario for rule in rules for scenario in shown_by.get(rule, ())}
        in_order = sorted(showing.values(), key=lambda s: name not in s.statements)  # those about the statement first
        rows.append(StatementRow(name, text, rules, tuple(s.name for s in in_order), no_rule))
    return rows


def rules_fired(prepared: Prepared, scenario: Scenario) -> set[str]:
    """Every rule that fires in a scenario as ``decision.Rule``: silent rules too, and those of definitions, also where
    only a suggestion or a text asks for them.
    """
    service = prepared.pack.service_for(scenario.hook)
    if service is None:
        return set()
    body = encode(scenario.request(templates_of(prepared.pack, service)))
    try:
        answer = evaluate(prepared, service, body, scenario.now)
    except Fault:
        return set()
    return {
        f"{name}.{rule.id}"
        for judged in answer.judged
        for name, rules in judged.decided.fired.items()
        for rule in rules
    }


def as_table(rows: Sequence[StatementRow]) -> str:
    """The rows as a Markdown table: statement, rules, and a few of the scenarios with the number of the others."""
    lines = ["| id | what it says | rules | scenarios |", "|---|---|---|---|"]
    for row in rows:
        rules = ", ".join(f"`{rule}`" for rule in row.rules) or f"none: {row.no_rule}"
        shown = ", ".join(f"`{name}`" for name in row.scenarios[:_SHOWN])
        more = len(row.scenarios) - _SHOWN
        shown += f" and {more} more" if more > 0 else ""
        lines.append(f"| {row.id} | {row.text.replace('|', '/')} | {rules} | {shown or '-'} |")
    return "\n".join(lines)


def new_page(form: str, title: str) -> str:
    """A page with nothing but a title and the two marks of a form of ``cds-service export``."""
    return f"# {title}\n\n{_first(form)}\n{_last(form)}\n"


def _first(form: str) -> str:
    return f"<!-- {form}: made by cds-service export {form} -->"


def _last(form: str) -> str:
    return f"<!-- /{form} -->"


def written_into(page: str, form: str, made: str) -> str:
    """``page`` with ``made``, a form of ``cds-service export``, between its two marks, in place of what stood there.

    Raises:
        ValueError: a mark is missing.
    """
    first, last = _first(form), _last(form)
    before, begin, rest = page.partition(first)
    _, end, after = rest.partition(last)
    if not begin or not end:
        raise ValueError(f"no place for it: {first} and {last} are missing")
    return f"{before}{first}\n{made}\n{last}{after}"
