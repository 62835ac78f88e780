"""The lines of ``site.toml`` that would map what was not understood, ready to be pasted and completed (Z31, Z54)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cds_service.content.model import Pack
from cds_service.content.overlay import TO_CHOOSE
from cds_service.vocabulary.accounting import Aside, Kind

_TELLING = 2  # lines that tell one proposal from another: system and code, or the one line of a unit
_OF_CODES = (Kind.CODE, Kind.DRUG, Kind.ORDER, Kind.ROUTE)


@dataclass(frozen=True, slots=True)
class SiteLines:
    """What one thing needs: ``lines`` below the header of a table, and what there is to choose from, for people."""

    header: str
    lines: tuple[str, ...]
    choices: tuple[str, ...] = ()


def site_lines(pack: Pack, aside: Aside, candidates: Sequence[str]) -> SiteLines | None:
    """What gives ``aside`` a meaning; ``None`` where no line of a site can.

    ``candidates`` are the value sets that a code may belong to, or the analyte that a unit is one of. What only a
    person can know, such as which of several value sets is meant, is a question mark, which no site.toml may hold.
    """
    if aside.kind in _OF_CODES and aside.system and aside.code and candidates:
        if any(pack.value_sets[name].find(aside.system, aside.code) is not None for name in candidates):
            return None  # it is known already, and something else about it is wrong
        return _code(pack, aside, candidates)
    if aside.kind is Kind.UNIT and aside.reason.key == "unitNotKnown" and (aside.words or aside.code) and candidates:
        return _unit(pack, aside, candidates[0])
    if aside.kind is Kind.SCHEDULE and (aside.code or aside.words):
        spelling = f"{aside.system}|{aside.code}" if aside.system and aside.code else aside.words
        line = f"{_text(spelling)} = {_text(TO_CHOOSE)}"
        return SiteLines("[schedules]", (line,), ("how often, such as every 7 d, or 3 per wk",))
    return None


def as_toml(proposed: Iterable[SiteLines]) -> str:
    """All proposed lines as one valid file: each table once, and its choices once above it; codes have tables each.

    A code that was sent with several displays stands there once, with the first of them.
    """
    groups: dict[tuple[str, tuple[str, ...]], list[tuple[str, ...]]] = {}
    met = set()
    for item in proposed:
        key = (item.header, item.lines[:_TELLING])
        if key not in met:
            met.add(key)
            groups.setdefault((item.header, item.choices), []).append(item.lines)
    blocks = []
    for (header, choices), several in groups.items():
        lines = [f"# {choice}" for choice in choices]
        if header.startswith("[["):
            for body in several:
                lines += [header, *body]
        else:
            lines += [header, *(line for body in several for line in body)]
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks)


def _code(pack: Pack, aside: Aside, candidates: Sequence[str]) -> SiteLines:
    choices = (
        [] if len(candidates) == 1 else [f"The value set that a code belongs to is one of: {', '.join(candidates)}"]
    )
    lines = [f"system = {_text(aside.system)}", f"code = {_text(aside.code)}"]
    lines.append(f"display = {_text((aside.words or aside.code)[:_LONGEST_DISPLAY])}")
    agents = dict.fromkeys(c.agent for name in candidates for c in pack.value_sets[name].codes.values() if c.agent)
    if agents:
        lines.append(f"agent = {_text(TO_CHOOSE)}")
        choices.append(f"The agent is one of: {', '.join(agents)}; form and strength may stand beside it")
    name = candidates[0] if len(candidates) == 1 else _text(TO_CHOOSE)
    return SiteLines(f"[[codes.{name}]]", tuple(lines), tuple(choices))


_LONGEST_DISPLAY = 120  # characters


def _unit(pack: Pack, aside: Aside, analyte_name: str) -> SiteLines:
    analyte = next(fact.analyte for fact in pack.facts.values() if fact.analyte and fact.analyte.name == analyte_name)
    line = f"{_text(aside.words or aside.code)} = {_text(TO_CHOOSE)}"
    return SiteLines(f"[units.{analyte_name}]", (line,), (f"The unit meant is one of: {', '.join(analyte.factors)}",))


def _text(value: str) -> str:
    """A basic string of TOML, which is written like one of JSON."""
    return json.dumps(value, ensure_ascii=False)
