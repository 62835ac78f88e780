"""The pack that an author works on, as far as it is needed to write beside what is there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cds_service.content.files import name_by_path, read_yaml, table_paths
from cds_service.content.packs import HEAD


@dataclass(frozen=True, slots=True)
class PackFolder:
    """``folder`` is that of the pack, ``head`` its ``pack.yaml``."""

    folder: Path
    head: Mapping[str, Any]

    @property
    def content(self) -> Path:
        """The content folder that the pack is in."""
        return self.folder.parent

    @property
    def head_path(self) -> Path:
        """The file ``pack.yaml``."""
        return self.folder / HEAD

    @property
    def id(self) -> str:
        """The id of the pack."""
        return str(self.head["id"])

    def tables(self) -> dict[str, Path]:
        """The table of each decision, by the name that its file or folder gives it."""
        return {name_by_path(path): path for path in table_paths(self.folder)}


def pack_in(folder: Path) -> PackFolder:
    """The pack in a folder of its own.

    Raises:
        ProblemsError: its ``pack.yaml`` cannot be read.
    """
    return PackFolder(folder, read_yaml(folder / HEAD, "pack"))
