"""From the folder ``cards/`` to a compiled pack. Problems are gathered at each step, then raised together."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cds_service.content.compile import compile_pack
from cds_service.content.expand import expanded
from cds_service.content.files import PackFiles, read_yaml, table_paths, texts_path
from cds_service.content.inherited import UNITS, WORDS, units_with, words_with
from cds_service.content.lock import read_lock
from cds_service.content.model import Pack
from cds_service.content.overlay import overlaid
from cds_service.content.references import problems_between
from cds_service.content.site import Site
from cds_service.vocabulary.problems import Problem, ProblemsError


def load_pack(cards: Path, site: Site | None = None, *, is_proven: bool = False) -> Pack:
    """The one pack of a ``cards`` folder, compiled, with a site's overlay laid over it (Z31).

    Content that ``is_proven`` passed ``check`` as it stands and is not held against its JSON Schemas again.

    Raises:
        ProblemsError: the folder, a file of it or the overlay cannot be used.
    """
    folders = sorted(path.parent for path in cards.glob("*/pack.yaml"))
    if len(folders) != 1:
        text = f"expected one folder with a pack.yaml, found {len(folders)}"
        text = text if cards.is_dir() else "there is no such folder"
        raise ProblemsError([Problem(cards, 1, "schema", text)])
    site = site or Site()
    pack_files = overlaid(_read_all(folders[0], is_proven=is_proven), site)
    problems = list(problems_between(pack_files))
    if problems:
        raise ProblemsError(problems)
    return compile_pack(expanded(pack_files), read_lock(cards / "lock.json").findings, site.digest)


def _read_all(folder: Path, *, is_proven: bool) -> PackFiles:
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
