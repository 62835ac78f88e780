"""What the cards of a rule rest on and whose content speaks: the same for every patient, and so worded once."""

from __future__ import annotations

from dataclasses import dataclass

from cds_service.content.model import Decision, Pack, Rule, Statement
from cds_service.content.render import fill
from cds_service.content.whose import basis_in_words, is_of_hospital


@dataclass(frozen=True, slots=True)
class Grounds:
    """Lines of the cards of one rule.

    ``statement`` quotes the statement that the rule rests on and says whose word the rule is, ``""`` if there is no
    statement. ``version`` says which version of whose content speaks. ``is_of_hospital`` tells that the rule, or a
    limit of it, is this hospital's own.
    """

    statement: str
    version: str
    is_of_hospital: bool


def grounds_of(pack: Pack) -> dict[tuple[str, str], Grounds]:
    """The grounds of every rule of a card, by the ids of its decision and of the rule."""
    return {
        (decision.id, rule.id): Grounds(_rests_on(pack, decision, rule), version, is_of_hospital(pack, decision, rule))
        for decision in pack.decisions.values()
        if decision.kind == "card"
        for version in [_version(pack, decision)]
        for rule in decision.rules
    }


def rests_also(pack: Pack) -> tuple[str, ...]:
    """The statements that cards rest on beside their own, each in short or quoted."""
    return tuple(
        fill(pack.words["rests-also"], {"statement": statement.id, "says": statement.in_short})
        if statement.in_short
        else _quoted(pack, statement, statement.quote)
        for statement in (pack.statements[name] for name in pack.rests_also)
    )


def _rests_on(pack: Pack, decision: Decision, rule: Rule) -> str:
    """What a rule rests on. Where it is this hospital's, the source is quoted with its own number (Z78)."""
    statement = pack.statements.get(rule.statement)
    if statement is None:
        return ""
    quote = statement.in_full if is_of_hospital(pack, decision, rule) else statement.quote
    return f"{_quoted(pack, statement, quote)} ({basis_in_words(pack, decision, rule)})"


def _quoted(pack: Pack, statement: Statement, quote: str) -> str:
    said = {"statement": statement.id, "place": statement.place, "quote": quote}
    return fill(pack.words["source"], said)


def _version(pack: Pack, decision: Decision) -> str:
    said = {
        "pack": pack.id,
        "version": pack.version,
        "decision": decision.id,
        "decision-version": decision.version,
    }
    version = fill(pack.words["content"], said)
    return f"{version} {fill(pack.words['site'], {'digest': pack.site_digest})}" if pack.site_digest else version
