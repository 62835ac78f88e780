"""By what the rules of the acceptance page can be chosen, and how many there are of each value."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from cds_service.console.acceptance_choice import FACETS
from cds_service.console.acceptance_rows import GONE, RuleRow
from cds_service.content.model import INDICATORS, Pack

_SEVERITIES = (*INDICATORS, GONE)
ServicesOfRules = Mapping[tuple[str, str], frozenset[str]]
"""The services at which anything of a rule was counted, by the ids of its decision and its own."""


@dataclass(frozen=True, slots=True)
class FacetValue:
    """A value to choose, as it is written for people, and the number of rules that a click on it leads to."""

    value: str
    label: str
    rules: int


@dataclass(frozen=True, slots=True)
class Facet:
    """One of ``FACETS`` with its values. ``chosen`` is the label of the value that is chosen, ``""`` without any."""

    name: str
    title: str
    values: tuple[FacetValue, ...]
    chosen: str


def facets_of(
    rows: Sequence[RuleRow], services: ServicesOfRules, chosen: Mapping[str, str], pack: Pack
) -> tuple[Facet, ...]:
    """Each facet with the values of the rules that the choices by the other facets leave; ``rows`` are all rules."""
    titles = {row.decision: row.words.title for row in rows}
    return tuple(_facet(name, rows, services, chosen, pack, titles) for name in FACETS)


def rows_chosen(rows: Iterable[RuleRow], services: ServicesOfRules, chosen: Mapping[str, str]) -> list[RuleRow]:
    """The rows that have every one of the ``chosen`` values."""
    return [row for row in rows if all(value in _values(row, name, services) for name, value in chosen.items())]


def is_known(rows: Iterable[RuleRow], services: ServicesOfRules, chosen: Mapping[str, str], pack: Pack) -> bool:
    """Whether each of the ``chosen`` values is one that the content has or that was counted."""
    known = {
        "severity": set(_SEVERITIES),
        "decision": {*pack.decisions, *(row.decision for row in rows)},
        "service": {*pack.services, *(service for of_rule in services.values() for service in of_rule)},
    }
    return all(value in known[name] for name, value in chosen.items())


def _values(row: RuleRow, name: str, services: ServicesOfRules) -> Iterable[str]:
    """What a rule has of a facet; it may speak at several services."""
    if name == "service":
        return services.get((row.decision, row.rule), frozenset())
    return (row.severity if name == "severity" else row.decision,)


def _facet(
    name: str,
    rows: Sequence[RuleRow],
    services: ServicesOfRules,
    chosen: Mapping[str, str],
    pack: Pack,
    titles: Mapping[str, str],
) -> Facet:
    others = {other: value for other, value in chosen.items() if other != name}
    counts = Counter(
        value for row in rows_chosen(rows, services, others) for value in _values(row, name, services) if value
    )
    found = [FacetValue(value, _label(name, value, pack, titles), count) for value, count in counts.items()]
    if name == "severity":
        found.sort(key=lambda each: _SEVERITIES.index(each.value))
    else:
        found.sort(key=lambda each: (-each.rules, each.label.casefold()))
    is_chosen = name in chosen
    return Facet(name, FACETS[name], tuple(found), _label(name, chosen[name], pack, titles) if is_chosen else "")


def _label(name: str, value: str, pack: Pack, titles: Mapping[str, str]) -> str:
    """A value for people; a service is named by its hook, and by its title too where its hook has several."""
    if name == "decision":
        return pack.decisions[value].title if value in pack.decisions else titles.get(value, value)
    service = pack.services.get(value) if name == "service" else None
    if service is None:
        return value
    is_alone = sum(each.hook == service.hook for each in pack.services.values()) == 1
    return service.hook if is_alone else f"{service.hook}: {service.title}"
