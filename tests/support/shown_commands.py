"""The commands that pages show: blocks of ``sh`` that have a name behind the language, which no reader sees."""

from __future__ import annotations

import re
from pathlib import Path

_BLOCK = re.compile(r"^```sh(?: ([\w-]+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(page: Path) -> list[tuple[str, str]]:
    """Every block of the page, as its name (``""`` for none) and its text."""
    return _BLOCK.findall(page.read_text(encoding="utf-8"))


def block(page: Path, name: str, places: dict[str, str]) -> str:
    """One block of the page, with the paths and addresses of a test for those that it shows.

    Raises:
        KeyError: the page has no block of this name.
    """
    text = dict(blocks(page))[name]
    for shown, ours in places.items():
        text = text.replace(shown, ours)
    return text
