"""The lines of ``site.toml`` that would map what was not understood, ready to be pasted and completed (Z31, Z54)."""

from __future__ import annotations

import json
from collections.abc import Sequence

from cds_service.content.model import Pack
from cds_service.vocabulary.accounting import Aside, Kind

_OF_CODES = (Kind.CODE, Kind.DRUG, Kind.ROUTE)


def site_lines(pack: Pack, aside: Aside, candidates: Sequence[str]) -> str:
    """TOML that gives ``aside`` a meaning; ``""`` where no line of a site can.

    ``candidates`` are the value sets that a code may belong to, or the analyte that a unit is one of. What only
    a person can know, such as which of the value sets is meant, stands in a comment.
    """
    if aside.kind in _OF_CODES and aside.system and aside.code and candidates:
        return _code(pack, aside, candidates)
    if aside.kind is Kind.UNIT and candidates:
        return _unit(pack, aside, candidates[0])
    if aside.kind is Kind.SCHEDULE and (aside.code or aside.words):
        spelling = f"{aside.system}|{aside.code}" if aside.system and aside.code else aside.words
        return f'[schedules]\n{_text(spelling)} = "every 7 d"  # or how often it means'
    return ""


def _code(pack: Pack, aside: Aside, candidates: Sequence[str]) -> str:
    first, *others = candidates
    lines = [
        f"[[codes.{first}]]" + (f"  # or one of: {', '.join(others)}" if others else ""),
        f"system = {_text(aside.system)}",
        f"code = {_text(aside.code)}",
        f"display = {_text(aside.words or aside.code)}",
    ]
    if pack.value_sets[first].kind == "medication":
        agents = dict.fromkeys(c.agent for c in pack.value_sets[first].codes.values() if c.agent)
        lines.append(f"agent = {_text(next(iter(agents)))}  # one of: {', '.join(agents)}")
    return "\n".join(lines)


def _unit(pack: Pack, aside: Aside, analyte_name: str) -> str:
    analyte = next(fact.analyte for fact in pack.facts.values() if fact.analyte and fact.analyte.name == analyte_name)
    units = [unit for unit in analyte.factors if unit != analyte.canonical]
    comment = f"  # or one of: {', '.join(units)}" if units else ""
    return f"[units.{analyte_name}]\n{_text(aside.words or aside.code)} = {_text(analyte.canonical)}{comment}"


def _text(value: str) -> str:
    """A basic string of TOML, which is written like one of JSON."""
    return json.dumps(value, ensure_ascii=False)
