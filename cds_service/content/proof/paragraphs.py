"""The paragraphs of ``sources.yaml``, one for each statement: they are there, short, and in step with the tables."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from cds_service.content.files import problem_at
from cds_service.content.model import Decision, Pack, Statement
from cds_service.content.needs import reads
from cds_service.vocabulary.facts import Exact, exact
from cds_service.vocabulary.problems import Problem

_LONGEST = 90
# Of a power (10⁹) and of what stands below a stroke (/1.73 m²) the number is part of the unit.
_NUMBER = re.compile(r"(?<![\w./])\d+(?:,\d{3})*(?:\.\d+)?(?![\d⁰¹²³⁴⁵⁶⁷⁸⁹])")
_WORD = re.compile(r"[A-Za-z][\w.-]*\w")
_NO_TEXT = re.compile(r"[`<>\[\]|*~\\]|https?:|www\.")


def problems_of_paragraphs(pack: Pack, folder: Path) -> Iterator[Problem]:
    """What is wrong with the paragraph (``does``) of every statement; ``folder`` is the pack's own."""
    for statement in pack.statements.values():
        resting = _resting_on(pack, statement)
        for text in _faults(pack, statement, resting):
            place = ("statements", statement.id, "does")
            yield problem_at(folder / "sources.yaml", place, "paragraph", f"{statement.id}: {text}")


def _resting_on(pack: Pack, statement: Statement) -> list[Decision]:
    """The decisions of which a rule rests on a statement."""
    return [
        decision
        for decision in pack.decisions.values()
        if decision.is_live and any(rule.statement == statement.id for rule in decision.rules)
    ]


def _faults(pack: Pack, statement: Statement, resting: list[Decision]) -> Iterator[str]:
    text = statement.does
    if resting and not text:
        yield "rules rest on it, and no paragraph (does) says what they do"
    if len(text.split()) > _LONGEST:
        yield f"the paragraph has {len(text.split())} of at most {_LONGEST} words"
    if _NO_TEXT.search(text):
        yield "only plain text may stand in the paragraph"
    for name in sorted(set(_WORD.findall(text)) & _ids(pack)):
        yield f"the paragraph names {name!r}, which is no word of its readers"
    known = _numbers_of(pack, statement, resting)
    for name in pack.names.values():
        text = text.replace(name, "")
    for number in dict.fromkeys(_NUMBER.findall(text)):
        if exact(number.replace(",", "")) not in known:
            yield f"the paragraph says {number}, which stands neither in the quote nor in a table behind it"


def _ids(pack: Pack) -> set[str]:
    """Names of decisions, facts and orders that are no plain words."""
    return {name for name in (*pack.decisions, *pack.facts, *pack.templates) if not (name.isalpha() and name.islower())}


def _numbers_of(pack: Pack, statement: Statement, resting: list[Decision]) -> set[Exact]:
    """The numbers of the quote, of the tables that rest on it with those behind them, and of look-backs there."""
    numbers = {exact(number.replace(",", "")) for number in _NUMBER.findall(statement.quote)}
    behind = reads(pack, [decision.id for decision in resting])
    tables = [*resting, *(pack.decisions[name] for name in behind if name in pack.decisions)]
    numbers |= {number for table in tables for column in table.columns for cell in column for number in cell.numbers()}
    look_backs = (pack.facts[name].look_back_days for name in behind if name in pack.facts)
    return numbers | {days for days in look_backs if days is not None}
