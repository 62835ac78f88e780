"""Where the files of content stand, and which schema each is held against.

A content folder holds packs, and ``schemas``, the schemas by which editors complete and check. They stand beside the
packs and not inside the package, so that the same line leads to them from a checkout, from a copy of the content that a
hospital keeps, and where only the wheel was installed.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePath

from cds_service.content.packs import FIXTURES

KINDS: Mapping[str, str] = {
    "pack.yaml": "pack",
    "sources.yaml": "sources",
    "facts.yaml": "facts",
    "value-sets/*.yaml": "value-set",
    "units.yaml": "units",
    "orders/*.yaml": "order",
    "decisions/*.yaml": "table",
    "decisions/*/table.yaml": "table",
    "decisions/*/text.en.yaml": "text",
    "words.en.yaml": "words",
    "hazards.yaml": "hazards",
}
"""The schema of each file of a pack, by how its path in the folder of the pack looks."""
SCENARIO, SITE = "scenario", "site"
"""The schemas of files that stand outside of a pack."""
_MODELINE = "# yaml-language-server: $schema="


def files_of(pack_folder: Path) -> Iterator[tuple[Path, str]]:
    """Every file of a pack that is there, with the name of its schema; sorted as a reader would look for them."""
    for pattern, kind in KINDS.items():
        for path in sorted(pack_folder.glob(pattern)):
            yield path, kind


def files_without_place(folder: Path) -> Iterator[Path]:
    """The files of YAML in the folder of a pack that nothing reads, such as one with another name than its kind has.

    Those of its fixtures are of other kinds, and are left alone.
    """
    for path in sorted([*folder.rglob("*.yaml"), *folder.rglob("*.yml")]):
        if not kind_of(path, folder) and not path.is_relative_to(folder / FIXTURES):
            yield path


def schemas_of(content: Path) -> Path:
    """The folder of schemas in a content folder."""
    return content / "schemas"


WAITS = "say here what changed, for whom, and why."  # what a new line of the changelog says at first


def changelog_of(folder: Path) -> Path:
    """The file in which changes of the pack in ``folder`` are told: beside the content folder."""
    return folder.parent.parent / "CHANGELOG.md"


def schema_line(file: Path, kind: str, content: Path) -> str:
    """The first line of a file, by which an editor finds the schema that it is held against (yaml-language-server)."""
    return f"{_MODELINE}{Path(os.path.relpath(schemas_of(content) / f'{kind}.json', file.parent)).as_posix()}"


def kind_of(file: Path, pack_folder: Path) -> str:
    """The schema of a file of a pack; ``""`` for one that has none."""
    path = PurePath(os.path.relpath(file, pack_folder))
    parts = len(path.parts)
    return next((kind for look, kind in KINDS.items() if look.count("/") + 1 == parts and path.match(look)), "")
