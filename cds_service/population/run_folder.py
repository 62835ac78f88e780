"""The folder of a run: Parquet tables, ``run.json`` and ``summary.json``, all of which are there, or it is none."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path
from typing import TypeVar

import msgspec

from cds_service.population.manifest import Manifest
from cds_service.vocabulary.path_text import path_text

MANIFEST, SUMMARY = "run.json", "summary.json"
TABLES = ("events", "cards", "problems")
_MOST = 2**53  # numbers up to it are exact in every reader of JSON
_YEARS = range(1800, 2300)  # of dates that can still be reckoned with

_T = TypeVar("_T")


class RunFolderError(Exception):
    """A folder cannot be that of a run. The message says why, and what to do."""


class UnplacedRunError(Exception):
    """A run is whole, and could not get to the place that was asked for. The message says why, and where it is."""


def read_file(folder: Path, name: str, kind: type[_T], most: int = _MOST) -> _T:
    """A JSON file of a run. Every number in it is a count of at most ``most``, and every time has an offset from UTC.

    Raises:
        RunFolderError: it is not there, or a value in it cannot be that of a run; the message says which.
    """
    problem = f"{path_text(folder)}: this is not the folder of a run: it has no {name} that can be read"
    try:
        read = msgspec.json.decode((folder / name).read_bytes(), type=kind)
    except OSError:
        raise RunFolderError(problem) from None
    except msgspec.DecodeError as error:
        raise RunFolderError(f"{problem}: {error}") from None
    except (UnicodeDecodeError, RecursionError):
        raise RunFolderError(f"{problem}: it is no JSON") from None
    damage = _damage(msgspec.to_builtins(read, builtin_types=(date, datetime)), most, "$")
    if damage:
        raise RunFolderError(f"{problem}: {damage}")
    return read


def _damage(tree: object, most: int, place: str) -> str:
    """What a run would not have written, and where in the file; ``""`` if there is nothing of it."""
    if isinstance(tree, dict):
        return next(filter(None, (_damage(value, most, f"{place}.{key}") for key, value in tree.items())), "")
    if isinstance(tree, list | tuple):
        return next(filter(None, (_damage(value, most, f"{place}[{at}]") for at, value in enumerate(tree))), "")
    if isinstance(tree, int) and not 0 <= tree <= most:
        return f"a count that cannot be - at `{place}`"
    if isinstance(tree, datetime) and tree.tzinfo is None:
        return f"a time without an offset from UTC - at `{place}`"
    if isinstance(tree, date) and tree.year not in _YEARS:
        return f"a date that cannot be - at `{place}`"
    return ""


def write_file(folder: Path, name: str, content: object) -> None:
    """Writes a JSON file of a run."""
    (folder / name).write_bytes(msgspec.json.format(msgspec.json.encode(content)) + b"\n")


def read_manifest(folder: Path) -> Manifest:
    """``run.json`` of a run.

    Raises:
        RunFolderError: the folder is not that of a run.
    """
    manifest = read_file(folder, MANIFEST, Manifest)
    if not manifest.contents:
        raise RunFolderError(f"{path_text(folder)}: its {MANIFEST} names no content")
    for name in TABLES:
        if not (folder / name).is_dir():
            raise RunFolderError(f"{path_text(folder)}: this is not the folder of a run: it has no {name}")
    return manifest
