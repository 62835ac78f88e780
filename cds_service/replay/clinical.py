"""What is done about each statement of the source, as the page ``docs/clinical.md`` for those who judge the content.

The paragraph of a statement is written by hand in ``sources.yaml``. All around it is made here from the tables, the
services and the scenarios, so that it cannot go out of date.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from cds_service.content.model import Decision, Pack, Rule, Service, Statement
from cds_service.content.needs import reads
from cds_service.content.whose import hospital_limits_of
from cds_service.replay.scenario import Scenario
from cds_service.replay.scenarios import is_of_course
from cds_service.replay.statements import ShownBy

_WIDTH = 118
_KINDS = ("card", "note", "definition")


@dataclass(frozen=True, slots=True)
class _Resting:
    """A rule that rests on a statement or carries out a settlement, with the scenarios in which it fired."""

    decision: Decision
    rule: Rule
    scenarios: tuple[Scenario, ...]


def as_page(pack: Pack, shown_by: ShownBy) -> str:
    """The part of the page that is made, as Markdown: every statement, then every settled contradiction.

    ``shown_by`` says for each rule, as ``decision.Rule``, in which scenarios it fired.
    """
    read = {service.id: {*service.decisions, *reads(pack, service.decisions)} for service in pack.services.values()}
    parts = [" ".join(f"[{name}](#{name.lower()})" for name in pack.statements), "", "## Statements"]
    for statement in pack.statements.values():
        resting = list(_resting(pack, shown_by, statement.id))
        parts += ["", *_of_statement(pack, read, statement, resting)]
    return "\n".join([*parts, "", "## Contradictions within the source", "", *_settlements(pack, shown_by)])


def _resting(pack: Pack, shown_by: ShownBy, name: str) -> Iterator[_Resting]:
    """The rules of live decisions that rest on the statement, or carry out the settlement, of this name.

    Those of cards come first, in their order of precedence.
    """
    places = {name: place for service in pack.services.values() for place, name in enumerate(service.decisions)}
    live = [decision for decision in pack.decisions.values() if decision.is_live]
    for decision in sorted(live, key=lambda d: (_KINDS.index(d.kind), places.get(d.id, 0), d.id)):
        for rule in decision.rules:
            if name == rule.statement or name in rule.settles:
                yield _Resting(decision, rule, tuple(shown_by.get(f"{decision.id}.{rule.id}", ())))


def _of_statement(
    pack: Pack, read: dict[str, set[str]], statement: Statement, resting: list[_Resting]
) -> Iterator[str]:
    """The lines of one statement: heading, paragraph, table of its rules, known gaps."""
    yield f'<a id="{statement.id.lower()}"></a>'
    yield ""
    yield f"### {statement.id}: “{statement.quote}” ({statement.place})"
    if statement.does:
        yield ""
        yield from textwrap.wrap(statement.does, _WIDTH, break_on_hyphens=False, break_long_words=False)
    if statement.no_rule:
        yield ""
        yield f"No rule rests on it: {statement.no_rule}."
    if resting:
        yield ""
        hooks = [service.hook for service in pack.services.values()]
        yield from _table_head(["decision", "rule", *hooks, "basis", "scenarios", "moments"])
        for entry in resting:
            shows = [_shown(service, read[service.id], entry) for service in pack.services.values()]
            name = f"`{entry.decision.id}.{entry.rule.id}`"
            own = ", limit of this hospital" if hospital_limits_of(pack, entry.decision, entry.rule) else ""
            yield _row([entry.decision.title, name, *shows, entry.rule.basis + own, *_counts(entry.scenarios)])
        yield from _gaps(resting)


def _shown(service: Service, read: set[str], entry: _Resting) -> str:
    """What comes of a rule at the hook of a service."""
    decision, then = entry.decision, entry.rule.then
    if decision.id not in read:
        return "-"
    if decision.status == "shadow":
        return "shadow"
    if decision.kind == "definition":
        return f"read as `{then.value}`"
    if then.silent:
        return "silent"
    if decision.kind == "note":
        return "a line"
    return then.indicator if service.shows(decision.id, then.indicator) else f"{then.indicator}, not shown"


def _gaps(resting: Iterable[_Resting]) -> Iterator[str]:
    decisions = {entry.decision.id: entry.decision for entry in resting if entry.decision.known_gaps}
    if decisions:
        yield ""
        yield "Known gaps:"
        yield ""
    for decision in decisions.values():
        yield f"- {decision.title}: {'; '.join(decision.known_gaps)}."


def _settlements(pack: Pack, shown_by: ShownBy) -> Iterator[str]:
    yield from _table_head(
        ["id", "where the source clashes", "how it is settled", "carried out by", "scenarios", "moments"]
    )
    for entry in pack.settlements.values():
        resting = list(_resting(pack, shown_by, entry.id))
        titles = "; ".join(dict.fromkeys(rest.decision.title for rest in resting)) or entry.no_rule
        counts = _counts(scenario for rest in resting for scenario in rest.scenarios)
        yield _row([entry.id, entry.clash, entry.settlement, titles, *counts])


def _counts(scenarios: Iterable[Scenario]) -> tuple[str, str]:
    """How many scenarios there are, each counted once: cases of stories, and moments of courses."""
    distinct = {scenario.name: scenario for scenario in scenarios}.values()
    moments = sum(is_of_course(scenario) for scenario in distinct)
    return str(len(distinct) - moments), str(moments)


def _table_head(names: Iterable[str]) -> tuple[str, str]:
    head = _row(names)
    return head, "|" + "---|" * (head.count("|") - 1)


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"
