"""What decisions need: the facts and searches behind them, definitions followed down.

A fact is declared once and used often (docs/decisions.md#rule-2): discovery asks for what the decisions of a service
read and for nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable

from cds_service.content.model import PLACEHOLDER, Decision, Pack, Service
from cds_service.vocabulary.declarations import Search


def reads(pack: Pack, decisions: Iterable[str]) -> dict[str, None]:
    """Every fact and definition that decisions read, directly or behind others, in the order first met.

    A card that another yields to is no part of it: where it is shown, it is among the decisions itself.
    """
    names: dict[str, None] = {}
    for name in decisions:
        for needed in direct(pack, pack.decisions[name]):
            _follow(pack, needed, names)
    return names


def direct(pack: Pack, decision: Decision) -> dict[str, None]:
    """What one decision names itself: its inputs, the conditions of its suggestions, and what its texts say."""
    named = dict.fromkeys(decision.inputs)
    for rule in decision.rules:
        for suggestion in rule.then.suggestions:
            named |= dict.fromkeys(suggestion.when)
    texts = [part for text in decision.texts.values() for part in (text.summary, text.detail, *text.labels.values())]
    for text in [*texts, *decision.phrases.values()]:
        for match in PLACEHOLDER.finditer(text):
            for name in (match[1], match[1].removesuffix(".date"), match[1].removesuffix(".reason")):
                if name in pack.facts or name in pack.decisions:
                    named[name] = None
    return named


def _follow(pack: Pack, name: str, names: dict[str, None]) -> None:
    """Adds a fact or decision, and all that is behind it, to ``names``."""
    if name in names or (name in pack.decisions and pack.decisions[name].kind == "card"):
        return
    names[name] = None
    if name in pack.decisions:
        for needed in direct(pack, pack.decisions[name]):
            _follow(pack, needed, names)
    else:
        for needed in pack.facts[name].inputs.values():
            _follow(pack, needed, names)


def searches_of(pack: Pack, service: Service) -> dict[str, Search]:
    """The prefetch of a service by key: what the facts behind its decisions are read from, as declared.

    A decision of which the service shows nothing asks for nothing (Z63).
    """
    live = [name for name in service.decisions if _says_something(pack.decisions[name], service)]
    keys = {search.key for name in reads(pack, live) if name in pack.facts for search in pack.facts[name].searches}
    return {key: search for key, search in pack.searches.items() if key in keys}


def urgent_keys(pack: Pack, service: Service) -> frozenset[str]:
    """The prefetch keys that are asked for first where time is short: those of facts that a safety decision names
    itself (Z88). Nearly every other key stands behind some definition that such a decision reads.
    """
    named = {
        name
        for decision in service.decisions
        if pack.decisions[decision].safety
        for name in pack.decisions[decision].inputs
    }
    return frozenset(search.key for name in named if name in pack.facts for search in pack.facts[name].searches)


def _says_something(decision: Decision, service: Service) -> bool:
    """Whether a decision is evaluated and some rule of it is one that the service shows."""
    said = [rule.then for rule in decision.rules if not rule.then.silent]
    return decision.status in ("active", "shadow") and any(service.shows(decision.id, then.indicator) for then in said)


def templates_of(pack: Pack, service: Service) -> dict[str, str]:
    """The prefetch templates of a service by key, as its discovery lists them."""
    return {key: search.template for key, search in searches_of(pack, service).items()}
