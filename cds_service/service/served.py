"""What is being served: every pack made ready, under the site's settings, and what the whole service has of them."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from cds_service.content.clashes import clashes
from cds_service.content.files import PackFiles
from cds_service.content.load import compiled, read_pack
from cds_service.content.lock import LOCK, Lock, is_locked, read_lock
from cds_service.content.model import Pack, Service
from cds_service.content.needs import templates_of
from cds_service.content.packs import HEAD, pack_folders
from cds_service.content.prepared import Prepared
from cds_service.content.site import Site
from cds_service.content.site_parts import Names, names_of
from cds_service.protocol.discovery import discovery
from cds_service.protocol.profiles import NAMES as PROFILES
from cds_service.service.attribution import Attribution
from cds_service.settings import Settings
from cds_service.vocabulary.problems import NO_LINE, Problem, ProblemsError

# What was made ready last of each pack, and of what: a worker that is forked finds it made by its parent.
_last: dict[str, tuple[tuple[object, ...], ServedPack]] = {}


@dataclass(frozen=True, slots=True)
class ServedPack:
    """One pack as it is served.

    ``listed`` are its services as discovery lists them; ``off`` names its decisions that the site has switched off,
    ``rules_off`` the topics of its single rules; ``attribution`` says whose card a uuid is. ``names`` are what a site's
    file may name of it.
    """

    prepared: Prepared
    listed: list[dict[str, Any]]
    off: tuple[str, ...]
    rules_off: tuple[str, ...]
    attribution: Attribution
    names: Names

    @property
    def pack(self) -> Pack:
        return self.prepared.pack

    @property
    def withdrawn(self) -> list[str]:
        """The topics of its rules that the site has switched off, each with since when (Z31)."""
        return [
            f"{decision.topic(rule.id)} since {rule.withdrawn.date}"
            for decision in self.pack.decisions.values()
            for rule in decision.rules
            if rule.withdrawn is not None
        ]

    def listed_ids(self) -> list[tuple[str, str]]:
        """What clients have registered: the hook and id of each service."""
        return [(service["hook"], service["id"]) for service in self.listed]


@dataclass(frozen=True, slots=True)
class Served:
    """One state of all packs that are served, in their order.

    ``services`` go by id over all packs, each with its pack. ``listed`` are all as discovery lists them, ``catalogues``
    its body by profile.
    """

    packs: tuple[ServedPack, ...]
    services: Mapping[str, tuple[ServedPack, Service]]
    listed: list[dict[str, Any]]
    catalogues: Mapping[str, bytes]

    @classmethod
    def of(cls, packs: Iterable[ServedPack]) -> Served:
        packs = tuple(packs)
        listed = [service for one in packs for service in one.listed]
        return cls(
            packs,
            {service.id: (one, service) for one in packs for service in one.pack.services.values()},
            listed,
            {profile: msgspec.json.encode(discovery(listed, profile)) for profile in PROFILES},
        )

    def find(self, pack: str) -> ServedPack | None:
        """The pack of this id; ``None`` if it is not served."""
        return next((one for one in self.packs if one.pack.id == pack), None)

    @property
    def templates(self) -> Collection[str]:
        """The ids of the order templates of all packs."""
        return {name for one in self.packs for name in one.pack.templates}


@dataclass(frozen=True, slots=True)
class ReadPack:
    """A pack in a folder that may be served, as its lock says. ``files`` are ``None`` where they were read before."""

    folder: Path
    lock: Lock
    names: Names
    files: PackFiles | None


def read_locked(folder: Path, *, is_whole: bool = False) -> ReadPack:
    """The pack in a folder, if its files are those of its lock; that ``is_whole`` says that they just were.

    Raises:
        ProblemsError: it is no folder of a pack, it cannot be read, or it is not locked.
    """
    if not (folder / HEAD).is_file():
        raise ProblemsError([Problem(folder, NO_LINE, "schema", _why_no_pack(folder))])
    if not is_whole and not is_locked(folder):
        from cds_service.content.proof.versions import lock_problems

        raise ProblemsError(lock_problems(folder, compiled(read_pack(folder), Site())))
    lock = read_lock(folder / LOCK)
    before = _last.get(folder.name)
    if before is not None and before[0][0] == lock:
        return ReadPack(folder, lock, before[1].names, None)
    files = read_pack(folder, is_proven=True)
    return ReadPack(folder, lock, names_of(files), files)


def served_pack(read: ReadPack, site: Site, settings: Settings, key: bytes, before: Iterable[ServedPack]) -> ServedPack:
    """A pack made ready under ``site``, its part of the site's overlay, beside those that are served ``before`` it.

    ``key`` makes uuids; without it that of the settings does, or else one of its own.

    Raises:
        ProblemsError: pack or overlay cannot be used, or the pack has in common with another what it must not.
    """
    key = key or settings.uuid_key() or secrets.token_bytes(32)
    shows = settings.accept_unreviewed_content or settings.loopback
    asked = (read.lock, site, settings.time_zone, shows, key)
    last = _last.get(read.folder.name)
    if last is not None and last[0] == asked:
        served = last[1]
    else:
        pack = compiled(read.files or read_pack(read.folder, is_proven=True), site)
        shown = pack.is_reviewed or shows  # Z15
        prepared = Prepared.of(pack, zone=ZoneInfo(settings.time_zone), key=key, shown=shown)
        attribution = Attribution.of(pack)
        served = ServedPack(prepared, services_of(pack), site.off, tuple(site.rules_off), attribution, read.names)
    if problems := list(clashes(served.pack, read.folder, [one.pack for one in before])):
        raise ProblemsError(problems)
    _last[read.folder.name] = (asked, served)
    return served


def services_of(pack: Pack) -> list[dict[str, Any]]:
    """The services of a pack as discovery lists them, prefetch templates from the declared facts."""
    return [
        {
            "hook": service.hook,
            "id": service.id,
            "title": service.title,
            "description": service.description,
            "usageRequirements": " ".join(filter(None, [service.usage_requirements, pack.intended_use])),
            "prefetch": templates_of(pack, service),
        }
        for service in pack.services.values()
    ]


def _why_no_pack(folder: Path) -> str:
    if not folder.is_dir():
        return "there is no such folder; CDS_SERVICE_CARDS names it"
    if pack_folders(folder):
        return "there are packs in it that came after the start; they need a restart"
    return f"found no pack: neither it nor a folder in it has a {HEAD}"
