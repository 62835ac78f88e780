"""How far back facts are read, in words for people: what "too old" means, in days, as the facts declare it."""

from __future__ import annotations

from collections.abc import Mapping

from cds_service.content.model import Decision, Pack
from cds_service.content.needs import reads
from cds_service.content.render import fill

# Keys of the pack's words for tables, by the kind of fact and, where it has one, its element.
_OLDER = "older"
_KEYS: Mapping[str, str] = {
    "observation": "newest-within",
    "flag": "newest-within",
    "doubtful": "within",
    "condition": "recorded-within",
    "procedure": "done-within",
    "history": "under-way-or-within",
}


def look_back_in_words(pack: Pack, name: str) -> str:
    """How far back the fact ``name`` is read: ``newest within 30 days; older is 'too old'``.

    ``""`` for one that is read whatever its date, and for a decision.
    """
    fact = pack.facts.get(name)
    if fact is None or fact.look_back_days is None:
        return ""
    key = "before-the-last" if fact.element == _OLDER else _KEYS[fact.kind]
    return fill(pack.table_words[key], {"days": str(fact.look_back_days)})


def look_backs_of(pack: Pack, decision: Decision) -> dict[str, tuple[str, ...]]:
    """How far back everything is read that a decision reads, itself or behind definitions.

    The labels of the facts stand by what is said of them, in the order in which the decision comes to them.
    """
    said: dict[str, tuple[str, ...]] = {}
    for name in dict.fromkeys([*decision.inputs, *reads(pack, [decision.id])]):
        if words := look_back_in_words(pack, name):
            said[words] = (*said.get(words, ()), pack.facts[name].label)
    return said
