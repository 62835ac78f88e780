"""A site's overlay laid over the files of a pack: codes, systems, units, orderables, look-backs and switches (Z31)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from cds_service.content.compile_facts import compile_analyte, days_of
from cds_service.content.files import PackFiles, schema
from cds_service.content.site import Site
from cds_service.fhir.codes import canonical, name_of
from cds_service.fhir.units import ucum_of
from cds_service.vocabulary.problems import Problem, ProblemsError


def overlaid(pack_files: PackFiles, site: Site) -> PackFiles:
    """The files of a pack as they are at a site.

    Raises:
        ProblemsError: the overlay does not fit the pack.
    """
    problems = list(_problems(pack_files, site))
    if problems:
        raise ProblemsError(problems)
    return replace(
        pack_files,
        value_sets={
            name: _as_coded(data, site.codes.get(name, []), site) for name, data in pack_files.value_sets.items()
        },
        facts={**pack_files.facts, "facts": _with_look_backs(pack_files.facts["facts"], site.look_backs)},
        units={name: _with_spellings(data, site.units.get(name, {})) for name, data in pack_files.units.items()},
        orders={name: _as_ordered(order, site) for name, order in pack_files.orders.items()},
        tables={
            path: {**table, "status": "off"} if table["id"] in site.off else table
            for path, table in pack_files.tables.items()
        },
    )


def _problems(pack_files: PackFiles, site: Site) -> Iterator[Problem]:
    yield from _unknown(site, ("codes",), site.codes, pack_files.value_sets)
    for name in site.codes:
        if name in pack_files.value_sets:
            yield from _problems_of_codes(site, name, pack_files.value_sets[name])
    facts = pack_files.facts["facts"]
    yield from _unknown(site, ("look-backs",), site.look_backs, facts)
    for name in site.look_backs:
        if name in facts:
            yield from _problems_of_look_back(site, name, facts[name].get("look-back-bounds"))
    yield from _unknown(site, ("units",), site.units, pack_files.units)
    for name in site.units:
        if name in pack_files.units:
            yield from _problems_of_units(site, name, pack_files.units[name])
    yield from _problems_of_systems(pack_files, site)
    yield from _unknown(site, ("orderables",), site.orderables, pack_files.orders)
    kinds = {table["id"]: table["kind"] for table in pack_files.tables.values()}
    yield from _unknown(site, ("decisions", "off"), site.off, kinds)
    for name in site.off:
        if kinds.get(name) == "definition":
            yield site.problem(("decisions", "off", name), f"{name} is a definition; others rest on it")


def _unknown(site: Site, place: tuple[str, ...], names: Iterable[str], known: Iterable[str]) -> Iterator[Problem]:
    for name in sorted(set(names) - set(known)):
        yield site.problem((*place, name), f"{place[-1]}: the content has no {name!r}")


def _problems_of_codes(site: Site, name: str, value_set: Mapping[str, Any]) -> Iterator[Problem]:
    taken = {(canonical(row["system"]), row["code"]) for row in value_set["concepts"]}
    for index, row in enumerate(site.codes[name]):
        place = ("codes", name, index, "code")
        if (canonical(row["system"]), row["code"]) in taken:
            yield site.problem(place, f"{name} holds {row['code']!r} already")
        if value_set["kind"] == "medication" and "agent" not in row:
            yield site.problem(place, f"{row['code']!r} needs an agent")
    rows = [{**row, "verified": ["the site"]} for row in site.codes[name]]
    for fault in schema("value-set").iter_errors({**value_set, "concepts": rows}):
        yield site.problem(("codes", name, *list(fault.absolute_path)[1:]), f"{name}: {fault.message}")


def _problems_of_look_back(site: Site, name: str, bounds: list[str] | None) -> Iterator[Problem]:
    place, look_back = ("look-backs", name), site.look_backs[name]
    if not bounds:
        yield site.problem(place, f"the look-back of {name} is not the site's to set")
    elif not days_of(bounds[0]) <= days_of(look_back) <= days_of(bounds[1]):
        yield site.problem(place, f"{look_back} is not within {bounds[0]} to {bounds[1]} for {name}")


def _problems_of_units(site: Site, name: str, data: Mapping[str, Any]) -> Iterator[Problem]:
    """A site adds spellings of units that the content lists; what a spelling means already, it cannot change."""
    analyte = compile_analyte(data)
    for spelling, code in site.units[name].items():
        if code not in analyte.factors:
            yield site.problem(("units", name, spelling), f"{code!r} is not among the units of {name}")
        elif (read := ucum_of(analyte, spelling)) and analyte.factors[read] != analyte.factors[code]:
            yield site.problem(("units", name, spelling), f"{spelling!r} means {read!r} already")


def _problems_of_systems(pack_files: PackFiles, site: Site) -> Iterator[Problem]:
    """A site adds spellings of systems that are known; what a spelling means already, it cannot change (Z42)."""
    rows = [row for value_set in pack_files.value_sets.values() for row in value_set["concepts"]]
    known = {canonical(row["system"]) for row in rows}
    for spelling, system in site.systems.items():
        place, read = ("systems", spelling), canonical(spelling)
        if not name_of(system) and canonical(system) not in known:
            yield site.problem(place, f"no code system {system!r} is known")
        elif (name_of(read) or read in known) and read != canonical(system):
            yield site.problem(place, f"{spelling!r} means {read!r} already")


def _with_spellings(analyte: Mapping[str, Any], spellings: Mapping[str, str]) -> Mapping[str, Any]:
    return {**analyte, "aliases": {**analyte.get("aliases", {}), **spellings}}


def _as_coded(value_set: Mapping[str, Any], rows: list[dict[str, Any]], site: Site) -> Mapping[str, Any]:
    """A value set with the site's own codes, and with its spellings of code systems."""
    concepts = [*value_set["concepts"], *({**row, "local": True} for row in rows)]
    systems = {spelling: canonical(system) for spelling, system in site.systems.items()}
    return {**value_set, "concepts": concepts, "systems": systems}


def _with_look_backs(facts: Mapping[str, Any], look_backs: Mapping[str, str]) -> Mapping[str, Any]:
    return {
        name: {**fact, "look-back": look_backs[name]} if name in look_backs else fact for name, fact in facts.items()
    }


def _as_ordered(order: Mapping[str, Any], site: Site) -> Mapping[str, Any]:
    """An order template with the site's own coding in front and its words; or marked as not stocked there."""
    orderable = site.orderables.get(order["id"], {})
    if orderable is None:
        return {**order, "stocked": False}
    if not orderable:
        return order
    resource = order["resource"]
    element = "code" if resource["resourceType"] == "ServiceRequest" else "medicationCodeableConcept"
    concept = {"coding": [dict(orderable), *resource[element]["coding"]], "text": orderable["display"]}
    return {**order, "resource": {**resource, element: concept}}
