"""The pack in a folder of content that an author works on, as far as it is needed to write beside what is there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cds_service.authoring.new_files import WrongNameError
from cds_service.content.files import name_by_path, read_yaml, table_paths
from cds_service.content.nearest import instead


@dataclass(frozen=True, slots=True)
class PackFolder:
    """``folder`` is that of the pack, in the folder of content ``cards``; ``head`` is its ``pack.yaml``."""

    cards: Path
    folder: Path
    head: Mapping[str, Any]

    @property
    def head_path(self) -> Path:
        """The file ``pack.yaml``."""
        return self.folder / "pack.yaml"

    @property
    def id(self) -> str:
        """The id of the pack."""
        return str(self.head["id"])

    def tables(self) -> dict[str, Path]:
        """The table of each decision, by the name that its file or folder gives it."""
        return {name_by_path(path): path for path in table_paths(self.folder)}


def pack_in(cards: Path, name: str | None = None) -> PackFolder:
    """The pack ``name`` in a folder of content, or the only one there.

    Raises:
        WrongNameError: there is no such pack, or there are several and none was named.
        ProblemsError: its ``pack.yaml`` cannot be read.
    """
    folders = {path.parent.name: path.parent for path in sorted(cards.glob("*/pack.yaml"))}
    if not folders:
        raise WrongNameError(f"{cards}: there is no pack here; cds-service new pack NAME writes one")
    if name is not None and name not in folders:
        raise WrongNameError(f"{cards}: there is no pack {name!r}{instead(name, folders, 'packs')}")
    if name is None and len(folders) > 1:
        raise WrongNameError(f"{cards}: there are several packs; name one with --pack: {', '.join(folders)}")
    folder = folders[name] if name is not None else next(iter(folders.values()))
    return PackFolder(cards, folder, read_yaml(folder / "pack.yaml", "pack"))
