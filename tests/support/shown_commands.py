"""The commands that pages show: blocks of ``sh`` that have a name behind the language, which no reader sees."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.support.places import ROOT

_BLOCK = re.compile(r"^```sh(?: ([\w-]+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(page: Path) -> list[tuple[str, str]]:
    """Every block of the page, as its name (``""`` for none) and its text."""
    return _BLOCK.findall(page.read_text(encoding="utf-8"))


def block(page: Path, name: str, places: Mapping[str, str]) -> str:
    """One block of the page, with the paths and addresses of a test for those that it shows.

    Raises:
        KeyError: the page has no block of this name.
    """
    return placed(dict(blocks(page))[name], places)


def placed(text: str, places: Mapping[str, str]) -> str:
    """A text of a page with the paths and addresses of a test for those that it shows."""
    for shown, ours in places.items():
        text = text.replace(shown, ours)
    return text


def checkout(folder: Path) -> None:
    """Makes a folder as a reader has it: the content, the fixtures, and the command where ``make install`` puts it."""
    for name in ("cards", "fixtures"):
        shutil.copytree(ROOT / name, folder / name)
    command = folder / ".venv/bin/cds-service"
    command.parent.mkdir(parents=True)
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m cds_service "$@"\n', encoding="utf-8")
    command.chmod(0o755)


def environment() -> dict[str, str]:
    """The environment of a reader, without settings of the service."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("CDS_SERVICE_")}
    return own | {"PYTHONPATH": str(ROOT)}
