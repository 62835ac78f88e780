"""Which packs there are: a content folder holds packs, and each folder in it with a ``pack.yaml`` is one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import yaml

from cds_service.packaged import packaged
from cds_service.vocabulary.problems import NO_LINE, Problem, ProblemsError

HEAD = "pack.yaml"
FIXTURES = "fixtures"
"""The folder of a pack's own patients and scenarios. They show what the content does, and are not part of it."""


def pack_folders(place: Path) -> list[Path]:
    """The folders of the packs at a place, by name: those in a content folder, or the place itself if it is a pack's.

    Nothing of them is read, so that a broken pack is among them; there are none where there is no such folder.
    """
    return [place] if (place / HEAD).is_file() else sorted(path.parent for path in place.glob(f"*/{HEAD}"))


def distinct_folders(folders: Iterable[Path]) -> list[Path]:
    """Folders without those that were named before by another way."""
    return list({folder.resolve(): folder for folder in reversed(list(folders))}.values())[::-1]


def pack_folder(place: Path) -> Path:
    """The folder of the only pack at a place.

    Raises:
        ProblemsError: there is no pack, or more than one.
    """
    folders = pack_folders(place)
    if len(folders) == 1:
        return folders[0]
    if not place.is_dir():
        text = "there is no such folder"
    elif folders:
        names = ", ".join(folder.name for folder in folders)
        text = f"expected one pack, found {len(folders)}: {names}; name the folder of one"
    else:
        text = f"found no pack: neither it nor a folder in it has a {HEAD}; cds-service new pack NAME writes one"
    raise ProblemsError([Problem(place, NO_LINE, "schema", text)])


def own_fixtures(folder: Path) -> Path | None:
    """The fixtures that a pack brings: those in its folder; else, if it is the only pack of its content folder, those
    in ``fixtures`` beside that. ``None`` if there are neither.
    """
    if (own := folder / FIXTURES).is_dir():
        return own
    content = folder.resolve().parent
    beside = content.parent / FIXTURES
    return beside if (beside / "scenarios").is_dir() and len(pack_folders(content)) == 1 else None


def fixtures_of(folder: Path) -> Path:
    """The fixtures that show what a pack does: its own, else those that came with this software for its pack of the
    same
    id. A folder that is not there where there are none: what other packs do says nothing of this one.
    """
    is_ours = (packaged("cards") / folder.resolve().name / HEAD).is_file()
    return own_fixtures(folder) or (packaged(FIXTURES) if is_ours else folder / FIXTURES)


def service_ids(folder: Path) -> tuple[str, ...]:
    """The ids of the services of a pack, as its ``pack.yaml`` has them; none where it cannot be read."""
    try:
        head = yaml.safe_load((folder / HEAD).read_text(encoding="utf-8"))
        return tuple(str(service["id"]) for service in head["services"])
    except (OSError, ValueError, yaml.YAMLError, KeyError, TypeError):
        return ()


def content_files(folder: Path) -> Iterator[Path]:
    """The YAML files that a pack is made of, in order, without those of its fixtures."""
    below = len(folder.parts)
    return (path for path in sorted(folder.rglob("*.yaml")) if path.parts[below] != FIXTURES and path.is_file())
