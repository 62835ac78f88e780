"""The site overlay ``site.toml``: what differs from hospital to hospital, outside the pack (Z31).

It holds local codes for value sets, the site's orderables for order templates, look-backs within the bounds that the
content allows, spellings of units that no grammar reads, spellings of code systems that are in no table, codes and
words for how often, what plans mean, the decisions and single rules that are switched off, and the services that show
every info.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from cds_service.content.files import schema
from cds_service.content.model import Withdrawal
from cds_service.vocabulary.problems import Problem
from cds_service.vocabulary.toml_file import line_of, read_toml

_DIGEST_CHARACTERS = 8


@dataclass(frozen=True, slots=True)
class Site:
    """One overlay as read. ``codes`` maps a value set to rows; ``orderables`` a template to a Coding or ``None``;
    ``units`` an analyte to spellings, each with the UCUM code it means there; ``systems`` a spelling of a code system
    to the system that it means; ``schedules`` a code (``system|code``) or a text to the form that it means there, such
    as ``every 3 d`` (Z57). ``plans_stated``: an active plan in the record tells what the patient takes (Z55). ``off``
    are the decisions that are switched off, ``rules_off`` maps the topic code of each rule that is withdrawn to why and
    since when; ``show_infos`` are the services that show the infos of all their decisions
    (Z63).

    ``digest`` is the short one that stands on cards; an absent overlay is an empty one without a digest. ``data`` is
    what is written at the top of the file, ``packs`` what is written below ``[packs.<id>]``, by the pack's id. Of a
    part for one ``pack`` (``site_parts``), ``own`` is what is written below its id.
    """

    path: Path = Path()
    digest: str = ""
    codes: Mapping[str, list[dict[str, Any]]] = field(default_factory=dict)
    orderables: Mapping[str, Mapping[str, str] | None] = field(default_factory=dict)
    look_backs: Mapping[str, str] = field(default_factory=dict)
    units: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    systems: Mapping[str, str] = field(default_factory=dict)
    schedules: Mapping[str, str] = field(default_factory=dict)
    plans_stated: bool = False
    off: tuple[str, ...] = ()
    rules_off: Mapping[str, Withdrawal] = field(default_factory=dict)
    show_infos: tuple[str, ...] = ()
    data: Mapping[str, Any] = field(default_factory=dict)
    packs: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    pack: str = ""
    own: Mapping[str, Any] = field(default_factory=dict)

    def problem(self, place: Iterable[str | int], text: str) -> Problem:
        """A problem of this file; ``place`` is made of keys and indices from the top."""
        place = tuple(place)
        place = ("packs", self.pack, *place) if _holds(self.own, place) else place
        return Problem(self.path, line_of(self.path, place), "site", text)


def _holds(data: Any, place: Iterable[str | int]) -> bool:
    """Whether the first two steps of a place lead to something: a section, and a name in it or in its list."""
    for step in list(place)[:2]:
        if not isinstance(data, dict | list) or step not in data:
            return False
        data = data[step] if isinstance(data, dict) else None
    return True


def read_site(path: Path | None) -> Site:
    """The overlay in a file; an empty one for no file.

    Raises:
        ProblemsError: there is no such file, it is not TOML, or it is not of the overlay's schema.
    """
    if path is None:
        return Site()
    data, source = read_toml(path, "site", schema("site"), "CDS_SERVICE_SITE or --site")
    packs = data.pop("packs", {})
    return replace(as_site(path, hashlib.sha256(source).hexdigest()[:_DIGEST_CHARACTERS], data), packs=packs)


def as_site(
    path: Path, digest: str, data: Mapping[str, Any], pack: str = "", own: Mapping[str, Any] | None = None
) -> Site:
    """The overlay that ``data`` is, as it is written at the top of the file at ``path``."""
    return Site(
        path=path,
        digest=digest,
        data=data,
        pack=pack,
        own=own or {},
        codes=data.get("codes", {}),
        orderables={name: None if "stocked" in entry else entry for name, entry in data.get("orderables", {}).items()},
        look_backs=data.get("look-backs", {}),
        units=data.get("units", {}),
        systems=data.get("systems", {}),
        schedules=data.get("schedules", {}),
        plans_stated=data.get("plans", "") == "stated",
        off=tuple(data.get("decisions", {}).get("off", ())),
        rules_off={
            topic: Withdrawal(entry["reason"].strip(), entry["date"])
            for topic, entry in data.get("rules", {}).get("off", {}).items()
        },
        show_infos=tuple(data.get("services", {}).get("show-infos", ())),
    )
