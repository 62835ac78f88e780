"""From a folder of YAML to a compiled pack. Problems are gathered at each step, then raised together."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from cds_service.content.compile import compile_pack
from cds_service.content.expand import expanded
from cds_service.content.files import PackFiles, read_yaml, table_paths, texts_path
from cds_service.content.inherited import UNITS, WORDS, units_with, words_with
from cds_service.content.lock import LOCK, read_lock
from cds_service.content.model import Pack
from cds_service.content.overlay import overlaid
from cds_service.content.packs import pack_folder
from cds_service.content.references import problems_between
from cds_service.content.site import Site
from cds_service.content.site_parts import Names, divided, names_of, with_others
from cds_service.vocabulary.problems import Problem, ProblemsError


def load_pack(
    place: Path,
    site: Site | None = None,
    *,
    is_proven: bool = False,
    others: Mapping[str, Names] | None = None,
    unread: Collection[str] = (),
) -> Pack:
    """The pack in a folder of its own, or the only one of a content folder, with a site's overlay over it (Z31).

    ``others`` are the names of the packs that are served beside it, by their ids, ``unread`` the ids of those of which
    none are known: parts of the overlay may be theirs.

    Content that ``is_proven`` passed ``check`` as it stands and is not held against its JSON Schemas again.

    Raises:
        ProblemsError: the folder, a file of it or the overlay cannot be used.
    """
    pack_files = read_pack(place, is_proven=is_proven)
    own = pack_files.head["id"]
    names = with_others(own, names_of(pack_files), others or {})
    return compiled(pack_files, divided(site or Site(), names, unread)[own])


def compiled(pack_files: PackFiles, site: Site) -> Pack:
    """The pack of these files, with a site's overlay over it.

    Raises:
        ProblemsError: they refer to what is not there, or the overlay does not fit them.
    """
    pack_files = overlaid(pack_files, site)
    problems = list(problems_between(pack_files))
    if problems:
        raise ProblemsError(problems)
    return compile_pack(expanded(pack_files), read_lock(pack_files.folder / LOCK).findings, site.digest)


def read_pack(place: Path, *, is_proven: bool = False) -> PackFiles:
    """The files of the pack at a place, as ``load_pack`` takes it, each of its JSON Schema.

    Raises:
        ProblemsError: there is not one pack, or a file of it cannot be read.
    """
    folder = pack_folder(place)
    problems: list[Problem] = []

    def read(path: Path, kind: str) -> Any:
        try:
            return read_yaml(path, kind, is_proven=is_proven)
        except ProblemsError as error:
            problems.extend(error.problems)
            return {}

    def read_own(name: str, kind: str) -> Any:
        return read(folder / name, kind) if (folder / name).exists() else {}

    tables = table_paths(folder)
    own_words, own_units = read_own(WORDS, "words"), read_own(UNITS, "units")
    pack_files = PackFiles(
        folder=folder,
        head=read(folder / "pack.yaml", "pack"),
        sources=read(folder / "sources.yaml", "sources"),
        words=words_with(own_words),
        units=units_with(own_units),
        facts=read(folder / "facts.yaml", "facts"),
        value_sets={path.stem: read(path, "value-set") for path in sorted(folder.glob("value-sets/*.yaml"))},
        orders={order.get("id"): order for order in (read(p, "order") for p in sorted(folder.glob("orders/*.yaml")))},
        tables={path: read(path, "table") for path in tables},
        hazards=read_own("hazards.yaml", "hazards"),
        texts={path: read(words, "text") for path in tables if (words := texts_path(path)) and words.exists()},
        own_words=own_words,
        own_units=own_units,
    )
    if problems:
        raise ProblemsError(problems)
    return pack_files
