"""A site's overlay laid over the files of a pack: its codes, systems, units, words for how often, orderables (Z31)."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from cds_service.content.compile_facts import compile_analyte, days_of, has_schedule
from cds_service.content.files import PackFiles, schema
from cds_service.content.reviews import day_of
from cds_service.content.site import Site
from cds_service.content.topics import prefix_of, topic_of
from cds_service.fhir.codes import canonical, name_of
from cds_service.fhir.order_types import naming_concept
from cds_service.fhir.schedule import rhythm_of_form
from cds_service.fhir.schedule_words import folded_schedule, form_of_code, form_of_text
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
        head={**pack_files.head, "services": [_service_at(entry, site) for entry in pack_files.head["services"]]},
        value_sets={
            name: _as_coded(data, site.codes.get(name, []), site) for name, data in pack_files.value_sets.items()
        },
        facts={**pack_files.facts, "facts": _facts_at(pack_files.facts["facts"], site)},
        units={name: _with_spellings(data, site.units.get(name, {})) for name, data in pack_files.units.items()},
        orders={name: _as_ordered(order, site) for name, order in pack_files.orders.items()},
        tables={path: _table_at(table, site, prefix_of(pack_files.head)) for path, table in pack_files.tables.items()},
    )


def _problems(pack_files: PackFiles, site: Site) -> Iterator[Problem]:
    yield from _unknown(site, ("codes",), site.codes, pack_files.value_sets)
    forms = {row.get("form") for data in pack_files.value_sets.values() for row in data["concepts"]} - {None}
    for name in site.codes:
        if name in pack_files.value_sets:
            yield from _problems_of_codes(site, name, pack_files.value_sets[name], forms)
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
    yield from _problems_of_schedules(site)
    yield from _unknown(site, ("orderables",), site.orderables, pack_files.orders)
    kinds = {table["id"]: table["kind"] for table in pack_files.tables.values()}
    yield from _unknown(site, ("decisions", "off"), site.off, kinds)
    for name in site.off:
        if kinds.get(name) == "definition":
            yield site.problem(("decisions", "off", name), f"{name} is a definition; others rest on it")
    yield from _problems_of_rules(pack_files, site)
    services = [entry["id"] for entry in pack_files.head["services"]]
    yield from _unknown(site, ("services", "show-infos"), site.show_infos, services)


def _unknown(site: Site, place: tuple[str, ...], names: Iterable[str], known: Iterable[str]) -> Iterator[Problem]:
    for name in sorted(set(names) - set(known)):
        hint = _TO_REPLACE if name == TO_CHOOSE else ""
        yield site.problem((*place, name), f"{place[-1]}: the content has no {name!r}{hint}")


TO_CHOOSE = "?"  # stands in proposed lines for what only a person knows; no name and no value of a site.toml
_TO_REPLACE = ": replace the question mark by one of the choices above it, or take the lines out"


def _problems_of_codes(site: Site, name: str, value_set: Mapping[str, Any], forms: set[str]) -> Iterator[Problem]:
    """A site's codes are new, and say nothing of a drug that the value set does not distinguish."""
    taken = {(canonical(row["system"]), row["code"]) for row in value_set["concepts"]}
    agents = {row.get("agent") for row in value_set["concepts"]} - {None}
    for index, row in enumerate(site.codes[name]):
        place = ("codes", name, index, "code")
        if (canonical(row["system"]), row["code"]) in taken:
            yield site.problem(place, f"{name} holds {row['code']!r} already")
        if agents and "agent" not in row:
            yield site.problem(place, f"{row['code']!r} needs an agent")
        for key, known in (("agent", agents), ("form", forms)):
            if key in row and row[key] not in known:
                choices = f"one of {', '.join(sorted(known))}" if known else f"left out: {name} has no {key}s"
                yield site.problem(("codes", name, index, key), f"{name}: the {key} {row[key]!r} should be {choices}")
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


def _problems_of_schedules(site: Site) -> Iterator[Problem]:
    """A site adds codes and texts for how often; what one means already, it cannot change (Z57)."""
    for key, form in site.schedules.items():
        place = ("schedules", key)
        meant = rhythm_of_form(form)
        system, bar, code = key.rpartition("|")
        known = rhythm_of_form(form_of_code(system, code) if bar else form_of_text(key))
        if meant is None:
            yield site.problem(place, f"{form!r} is no form such as 'every 3 d' or '3 per wk'")
        elif not bar and not folded_schedule(key):
            yield site.problem(place, f"{key!r} is too long for a text")
        elif known is not None and known.interval != meant.interval:
            yield site.problem(place, f"{key!r} means something else already")


def _problems_of_rules(pack_files: PackFiles, site: Site) -> Iterator[Problem]:
    """A site withdraws single rules that show something of their own, each with a day that there is."""
    tables = pack_files.tables.values()
    prefix = prefix_of(pack_files.head)
    rules = {
        topic_of(prefix, table["id"], rule["id"]): (table["kind"], rule["then"])
        for table in tables
        for rule in table["rules"]
    }
    yield from _unknown(site, ("rules", "off"), site.rules_off, rules)
    for topic, withdrawal in site.rules_off.items():
        place = ("rules", "off", topic)
        kind, then = rules.get(topic, ("", {}))
        if kind == "definition":
            yield site.problem(place, f"{topic} is a rule of a definition; others rest on it")
        elif isinstance(then, str):
            yield site.problem(place, f"{topic} is silent; there is nothing to withdraw")
        elif then.get("suggestions"):
            text = f"{topic} keeps suggestions back, which nobody would notice to be gone; switch its decision off"
            yield site.problem(place, text)
        if day_of(withdrawal.date) is None:
            yield site.problem((*place, "date"), f"there is no day {withdrawal.date}")


def _table_at(table: Mapping[str, Any], site: Site, prefix: str) -> Mapping[str, Any]:
    """A table with what the site has switched off marked in it."""
    status = "off" if table["id"] in site.off else table["status"]
    topics = [topic_of(prefix, table["id"], rule["id"]) for rule in table["rules"]]
    rules = [
        {**rule, "withdrawn": site.rules_off[topic]} if topic in site.rules_off else rule
        for topic, rule in zip(topics, table["rules"], strict=True)
    ]
    return {**table, "status": status, "rules": rules}


def _with_spellings(analyte: Mapping[str, Any], spellings: Mapping[str, str]) -> Mapping[str, Any]:
    return {**analyte, "aliases": {**analyte.get("aliases", {}), **spellings}}


def _as_coded(value_set: Mapping[str, Any], rows: list[dict[str, Any]], site: Site) -> Mapping[str, Any]:
    """A value set with the site's own codes, and with its spellings of code systems."""
    concepts = [*value_set["concepts"], *({**row, "local": True} for row in rows)]
    systems = {spelling: canonical(system) for spelling, system in site.systems.items()}
    return {**value_set, "concepts": concepts, "systems": systems}


def _facts_at(facts: Mapping[str, Any], site: Site) -> Mapping[str, Any]:
    """The facts of the content with the site's look-backs, its codes and texts for how often, and what plans mean."""
    schedules = {key if "|" in key else folded_schedule(key): form for key, form in site.schedules.items()}
    return {
        name: {
            **fact,
            **({"look-back": site.look_backs[name]} if name in site.look_backs else {}),
            **({"schedules": schedules} if has_schedule(fact) and schedules else {}),
            **({"plans-stated": True} if fact["kind"] in ("history", "drafts") and site.plans_stated else {}),
        }
        for name, fact in facts.items()
    }


def _service_at(service: Mapping[str, Any], site: Site) -> Mapping[str, Any]:
    """A service of the content; at a site that wants its infos, all of them are shown (Z63)."""
    return {**service, "least": {}} if service["id"] in site.show_infos else service


def _as_ordered(order: Mapping[str, Any], site: Site) -> Mapping[str, Any]:
    """An order template with the site's own coding in front and its words; or marked as not stocked there."""
    orderable = site.orderables.get(order["id"], {})
    if orderable is None:
        return {**order, "stocked": False}
    if not orderable:
        return order
    resource = copy.deepcopy(dict(order["resource"]))
    concept = naming_concept(resource)
    concept |= {"coding": [dict(orderable), *concept.get("coding", [])], "text": orderable["display"]}
    return {**order, "resource": resource}
