"""The folder of a run: Parquet tables, ``run.json`` and ``summary.json``, all of which are there, or it is none."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

import msgspec

from cds_service.population.manifest import Manifest

MANIFEST, SUMMARY = "run.json", "summary.json"
TABLES = ("events", "cards", "problems")

_T = TypeVar("_T")


class RunFolderError(Exception):
    """A folder cannot be that of a run. The message says why, and what to do."""


def read_file(folder: Path, name: str, kind: type[_T]) -> _T:
    """A JSON file of a run.

    Raises:
        RunFolderError: it is not there, or not of that kind.
    """
    try:
        return msgspec.json.decode((folder / name).read_bytes(), type=kind)
    except (OSError, msgspec.DecodeError):
        raise RunFolderError(f"{folder}: this is not the folder of a run: it has no {name} that can be read") from None


def write_file(folder: Path, name: str, content: object) -> None:
    """Writes a JSON file of a run."""
    (folder / name).write_bytes(msgspec.json.format(msgspec.json.encode(content)) + b"\n")


def read_manifest(folder: Path) -> Manifest:
    """``run.json`` of a run.

    Raises:
        RunFolderError: the folder is not that of a run.
    """
    manifest = read_file(folder, MANIFEST, Manifest)
    for name in TABLES:
        if not (folder / name).is_dir():
            raise RunFolderError(f"{folder}: this is not the folder of a run: it has no {name}")
    return manifest
