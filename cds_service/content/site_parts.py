"""What of a site's overlay is for which pack, where several are served under one ``site.toml``.

At the top of the file a section names things of a pack, and so tells whose they are; what two packs call the same
stands in ``[packs.<id>]``, whose sections are those of the top. Spellings of systems, words for how often and what
plans mean are for every pack.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from cds_service.content.files import PackFiles
from cds_service.content.site import Site, as_site
from cds_service.content.topics import prefix_of, topic_of
from cds_service.fhir.codes import canonical, name_of
from cds_service.vocabulary.problems import Problem, ProblemsError

Section = tuple[str, ...]
Names = Mapping[Section, frozenset[str]]
"""What a pack calls its things, by the section of a site's file that may name them."""

_SYSTEMS: Section = ("systems",)
_OF_ALL: tuple[Section, ...] = (("schedules",), ("plans",))


def names_of(pack_files: PackFiles) -> Names:
    """What the pack of these files calls its things."""
    tables, prefix = list(pack_files.tables.values()), prefix_of(pack_files.head)
    rows = [row for value_set in pack_files.value_sets.values() for row in value_set["concepts"]]
    return {
        ("codes",): frozenset(pack_files.value_sets),
        ("orderables",): frozenset(pack_files.orders),
        ("look-backs",): frozenset(pack_files.facts["facts"]),
        ("units",): frozenset(pack_files.units),
        ("decisions", "off"): frozenset(table["id"] for table in tables),
        ("rules", "off"): frozenset(topic_of(prefix, t["id"], rule["id"]) for t in tables for rule in t["rules"]),
        ("services", "show-infos"): frozenset(entry["id"] for entry in pack_files.head["services"]),
        _SYSTEMS: frozenset(canonical(row["system"]) for row in rows),
    }


def with_others(pack: str, own: Names, others: Mapping[str, Names]) -> dict[str, Names]:
    """The names of a pack, first, and of those that are served beside it."""
    return {pack: own, **{name: names for name, names in others.items() if name != pack}}


def divided(site: Site, names: Mapping[str, Names], unread: Collection[str] = ()) -> dict[str, Site]:
    """The part of an overlay for each pack, by its id, as one that stands at the top of a file.

    ``names`` are those of each pack, ``unread`` the ids of packs that cannot be read: what nobody else knows may be
    theirs. If all can be read, it goes to the first pack, which says what is wrong with it.

    Raises:
        ProblemsError: a pack is named that is not there, or a name is that of a thing in several packs.
    """
    if not site.data and not site.packs:
        return dict.fromkeys(names, site)
    if problems := sorted(_problems(site, names, unread)):
        raise ProblemsError(problems)
    return {
        pack: as_site(site.path, site.digest, _merged(_part(site, pack, names, unread), own), pack, own)
        for pack in names
        for own in [site.packs.get(pack, {})]
    }


def _problems(site: Site, names: Mapping[str, Names], unread: Collection[str]) -> Iterator[Problem]:
    for pack in site.packs:
        if pack not in names and pack not in unread:
            yield site.problem(("packs", pack), f"packs: no pack {pack!r} is there, only {', '.join(names)}")
    for section, entries in _named(site.data):
        for name in entries:
            owners = [pack for pack, its in names.items() if name in its[section]]
            if len(owners) > 1:
                text = f"{section[-1]}: {' and '.join(owners)} have {name!r}; write it below [packs.{owners[0]}]"
                yield site.problem((*section, name), text)


def _part(site: Site, pack: str, names: Mapping[str, Names], unread: Collection[str]) -> dict[str, Any]:
    """What of the top of the file is for one pack."""
    part: dict[str, Any] = {}
    is_first = pack == next(iter(names))

    def is_its(section: Section, name: str) -> bool:
        owners = [other for other, its in names.items() if name in its[section]]
        return pack in owners or (not owners and is_first and not unread)

    for section, entries in _named(site.data):
        _put(part, section, _only(entries, {name for name in entries if is_its(section, name)}))
    systems = {spelling: canonical(system) for spelling, system in site.data.get("systems", {}).items()}
    known = {spelling for spelling, system in systems.items() if name_of(system) or is_its(_SYSTEMS, system)}
    _put(part, _SYSTEMS, _only(site.data.get("systems", {}), known))
    for section in _OF_ALL:
        if section[0] in site.data:
            part[section[0]] = site.data[section[0]]
    return part


def _named(data: Mapping[str, Any]) -> Iterator[tuple[Section, Any]]:
    """The sections of a file that name things of a pack, each with its entries, a mapping or a list of names."""
    for section in (
        ("codes",),
        ("orderables",),
        ("look-backs",),
        ("units",),
        ("decisions", "off"),
        ("rules", "off"),
        ("services", "show-infos"),
    ):
        entries: Any = data
        for step in section:
            entries = entries.get(step, {})
        if entries:
            yield section, entries


def _only(entries: Any, names: Collection[str]) -> Any:
    if isinstance(entries, list):
        return [name for name in entries if name in names]
    return {name: value for name, value in entries.items() if name in names}


def _put(part: dict[str, Any], section: Section, entries: Any) -> None:
    if entries:
        for step in section[:-1]:
            part = part.setdefault(step, {})
        part[section[-1]] = entries


def _merged(part: Any, own: Any) -> Any:
    """The pack's own section over that of the top; lists one after the other."""
    if isinstance(part, dict) and isinstance(own, dict):
        return {
            key: _merged(part[key], own[key]) if key in part and key in own else own.get(key, part.get(key))
            for key in [*part, *(key for key in own if key not in part)]
        }
    if isinstance(part, list) and isinstance(own, list) and all(isinstance(item, str) for item in own):
        return list(dict.fromkeys([*part, *own]))
    return own
