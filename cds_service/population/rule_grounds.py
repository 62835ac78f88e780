"""What a rule asks for and rests on, in words: the same for every patient, and so kept once for a run.

With it a page tells why a rule spoke whatever content is served, and also where the content is no more.
"""

from __future__ import annotations

import msgspec

from cds_service.content.hospital_limits import own_limits
from cds_service.content.model import Decision, Pack, Rule
from cds_service.content.value_words import cell_in_words
from cds_service.content.whose import limit_in_words, whose


class OwnLimit(msgspec.Struct, frozen=True):
    """A limit that is this hospital's own: which it is, in a sentence, why, and who decided that."""

    words: str
    why: str
    decided_by: str


class AskedCell(msgspec.Struct, frozen=True):
    """What a rule asks of one input, such as ``below 30 ×10⁹/L``, and which of its limits are this hospital's own."""

    words: str
    own: tuple[OwnLimit, ...] = ()


class RuleGrounds(msgspec.Struct, frozen=True):
    """What a rule asks of each of its inputs, by their names, and the statement that it rests on.

    ``statement`` is an id, ``quote`` its words, ``""`` if there is none. ``whose`` says whose rule it is, where that or
    one of its limits is this hospital's.
    """

    statement: str
    quote: str
    whose: str
    asks: dict[str, AskedCell]


def rule_grounds(pack: Pack, decision: Decision, rule: Rule) -> RuleGrounds:
    """The grounds of a rule of the decision."""
    statement = pack.statements.get(rule.statement)
    asks = {}
    for place, cell in rule.tests:
        name = decision.inputs[place]
        if name in pack.decisions and pack.decisions[name].kind == "card":
            continue  # it only asks whether that card speaks
        limits = own_limits(pack, rule, name, set(cell.numbers()))
        own = tuple(OwnLimit(limit_in_words(pack, limit), limit.why, limit.decided_by) for limit in limits)
        asks[name] = AskedCell(cell_in_words(pack, name, cell), own)
    return RuleGrounds(
        statement=rule.statement,
        quote=statement.quote if statement is not None else "",
        whose=whose(pack, decision, rule).get("whose", ""),
        asks=asks,
    )
