"""Which limits are this hospital's own. They are declared once, in ``sources.yaml``, and every rule that has one says
so by itself: on the card, on pages and in reports (Z78).
"""

from __future__ import annotations

from collections.abc import Collection

from cds_service.content.model import HospitalLimit, Pack, Rule
from cds_service.vocabulary.facts import Exact


def own_limits(pack: Pack, rule: Rule, fact: str, numbers: Collection[Exact]) -> tuple[HospitalLimit, ...]:
    """Those of the ``numbers`` that a rule has for a fact which are this hospital's own: none that the statement it
    rests on says itself.
    """
    declared = pack.hospital_limits.get(fact, ())
    if not declared:
        return ()
    statement = pack.statements.get(rule.statement)
    said = statement.numbers if statement is not None else frozenset()
    return tuple(limit for limit in declared if limit.number in numbers and limit.number not in said)
