"""New files of content: all of them or none, and none that is there already."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path, PurePosixPath

from cds_service.content.places import SCENARIO, kind_of, schema_line


class AuthoringError(Exception):
    """What was asked for cannot be written; as text, where and why."""


class WrongNameError(AuthoringError):
    """A name that was given is none of its kind, or nothing is called so."""


def template(name: str, words: Mapping[str, str]) -> dict[PurePosixPath, str]:
    """The files of a folder of ``templates``, by their paths in it.

    In names and texts ``@key@`` becomes the word under this key.
    """
    found: dict[PurePosixPath, str] = {}
    pending = [(PurePosixPath(), files("cds_service.authoring").joinpath("templates", name))]
    while pending:
        way, folder = pending.pop()
        for entry in sorted(folder.iterdir(), key=_name):
            path = way / _filled(entry.name, words)
            if entry.is_dir():
                pending.append((path, entry))
            else:
                found[path] = _filled(entry.read_text(encoding="utf-8"), words)
    return found


def _name(entry: Traversable) -> str:
    return entry.name


def _filled(text: str, words: Mapping[str, str]) -> str:
    for key, word in words.items():
        text = text.replace(f"@{key}@", word)
    return text


def with_schema_line(path: Path, text: str, content: Path, pack_folder: Path) -> str:
    """A file of content with the line by which editors find its schema; one that has no schema stays as it is."""
    is_scenario = path.suffix == ".yaml" and path.parent.name == "scenarios"
    kind = SCENARIO if is_scenario else kind_of(path, pack_folder)
    return f"{schema_line(path, kind, content)}\n{text}" if kind else text


def write_new(texts: Mapping[Path, str]) -> None:
    """Writes files that are not there yet, with the folders that they need.

    Raises:
        AuthoringError: one of them is there already; then nothing is written.
        OSError: one cannot be written.
    """
    there = [path for path in texts if path.exists()]
    if there:
        raise AuthoringError(f"{there[0]}: this is there already, and nothing is written over it")
    for path, text in texts.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
