"""What the server said of an export: its last answer, which some tools keep as ``manifest.json``.

https://hl7.org/fhir/uv/bulkdata/STU2/export.html#response---complete-status
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from cds_service.population.tolerant_json import json_or_none
from cds_service.vocabulary.path_text import path_text
from cds_service.vocabulary.usable_times import FIRST_YEAR, LAST_YEAR, is_usable

SERVER_MANIFEST = "manifest.json"
_LONGEST = 64  # characters of what stands there that are told


@dataclass(frozen=True, slots=True)
class ServedFile:
    """A file that the server wrote: the end of its address, the type of its resources, and how many these are, if it
    says so.
    """

    name: str
    type: str
    count: int | None


@dataclass(frozen=True, slots=True)
class ServerManifest:
    """What the manifest says. ``stated`` is its time as it stands there, ``made`` the moment that it names.

    ``problem`` says what is wrong with a manifest that is there and tells no moment. ``output`` are the files of
    resources, ``errors`` those that say what could not be exported, ``deleted`` those that say what there is no more.
    """

    stated: str = ""
    made: datetime | None = None
    problem: str = ""
    output: tuple[ServedFile, ...] = ()
    errors: tuple[ServedFile, ...] = ()
    deleted: tuple[ServedFile, ...] = ()


def read_manifest(folder: Path) -> ServerManifest:
    """The manifest in the folder of an export; an empty one if there is none, or none that can be read."""
    path = folder / SERVER_MANIFEST
    try:
        said = json_or_none(path.read_bytes())
    except FileNotFoundError:
        return ServerManifest()
    except OSError as error:
        return ServerManifest(problem=f"{path_text(path)} cannot be read: {error.strerror or type(error).__name__}")
    if not isinstance(said, dict):
        return ServerManifest(problem=f"{path_text(path)} is no JSON object, as the answer of a server is")
    time = said.get("transactionTime")
    made, problem = _moment(time)
    return ServerManifest(
        time[:_LONGEST] if isinstance(time, str) else "",
        made,
        problem and f"{path_text(path)}: {problem}",
        *(tuple(_files(said.get(kind))) for kind in ("output", "error", "deleted")),
    )


def _moment(stated: Any) -> tuple[datetime | None, str]:
    """The moment of a transactionTime, or what is wrong with it."""
    if stated is None:
        return None, "it has no transactionTime"
    told = f"its transactionTime {str(stated)[:_LONGEST]!r}"
    try:
        moment = datetime.fromisoformat(stated)
    except (TypeError, ValueError):
        moment = None
    if moment is None or moment.tzinfo is None:
        return None, f"{told} is no time with an offset, such as 2026-11-23T12:00:00Z"
    if not is_usable(moment):
        return None, f"{told} is not within the years {FIRST_YEAR} to {LAST_YEAR}"
    return moment, ""


def _files(stated: Any) -> Iterator[ServedFile]:
    for item in stated if isinstance(stated, list) else ():
        url, kind, count = (item.get(key) if isinstance(item, dict) else None for key in ("url", "type", "count"))
        if isinstance(url, str):
            is_count = isinstance(count, int) and not isinstance(count, bool)
            yield ServedFile(_end_of(url), kind if isinstance(kind, str) else "", count if is_count else None)


def _end_of(url: str) -> str:
    """What a program that fetches a file would call it."""
    try:
        path = urlsplit(url).path
    except ValueError:
        path = url
    name = unquote(path.rstrip("/").rpartition("/")[2])
    return "".join(letter if letter.isprintable() else "?" for letter in name)
