"""The lines of ``site.toml`` that would map what was not understood, ready to be pasted and completed (Z31, Z54)."""

from __future__ import annotations

import json
from collections.abc import Sequence

from cds_service.content.model import Pack
from cds_service.vocabulary.accounting import Aside, Kind

_OF_CODES = (Kind.CODE, Kind.DRUG, Kind.ROUTE)
_TO_CHOOSE = "?"  # means nothing anywhere in site.toml, so that lines are refused until somebody has chosen


def site_lines(pack: Pack, aside: Aside, candidates: Sequence[str]) -> str:
    """TOML that gives ``aside`` a meaning; ``""`` where no line of a site can.

    ``candidates`` are the value sets that a code may belong to, or the analyte that a unit is one of. What only a
    person can know, such as which of several value sets is meant, is a question mark, with the choices behind it.
    """
    if aside.kind in _OF_CODES and aside.system and aside.code and candidates:
        return _code(pack, aside, candidates)
    if aside.kind is Kind.UNIT and (aside.words or aside.code) and candidates:
        return _unit(pack, aside, candidates[0])
    if aside.kind is Kind.SCHEDULE and (aside.code or aside.words):
        spelling = f"{aside.system}|{aside.code}" if aside.system and aside.code else aside.words
        return f"[schedules]\n{_text(spelling)} = {_text(_TO_CHOOSE)}  # how often, such as every 7 d, or 3 per wk"
    return ""


def _code(pack: Pack, aside: Aside, candidates: Sequence[str]) -> str:
    only = candidates[0] if len(candidates) == 1 else ""
    lines = [
        f"[[codes.{only}]]" if only else f'[[codes."{_TO_CHOOSE}"]]  # one of: {", ".join(candidates)}',
        f"system = {_text(aside.system)}",
        f"code = {_text(aside.code)}",
        f"display = {_text(aside.words or aside.code)}",
    ]
    agents = dict.fromkeys(c.agent for name in candidates for c in pack.value_sets[name].codes.values() if c.agent)
    if agents:
        lines.append(
            f"agent = {_text(_TO_CHOOSE)}  # one of: {', '.join(agents)}; form and strength may stand here too"
        )
    return "\n".join(lines)


def _unit(pack: Pack, aside: Aside, analyte_name: str) -> str:
    analyte = next(fact.analyte for fact in pack.facts.values() if fact.analyte and fact.analyte.name == analyte_name)
    spelling = _text(aside.words or aside.code)
    return f"[units.{analyte_name}]\n{spelling} = {_text(_TO_CHOOSE)}  # one of: {', '.join(analyte.factors)}"


def _text(value: str) -> str:
    """A basic string of TOML, which is written like one of JSON."""
    return json.dumps(value, ensure_ascii=False)
