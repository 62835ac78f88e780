"""The site overlay ``site.toml``: what differs from hospital to hospital, outside the pack (Z31).

Local codes for value sets, the site's orderables for order templates, look-backs within the bounds that the content
allows, and decisions switched off. Imports this room.
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cds_service.content.files import ContentError, schema

_DIGEST_CHARACTERS = 8


@dataclass(frozen=True, slots=True)
class Site:
    """One overlay as read. ``codes`` maps a value set to rows; ``orderables`` a template to a Coding or ``None``.

    ``digest`` is the short one that stands on cards; an absent overlay is an empty one without a digest.
    """

    path: Path = Path()
    digest: str = ""
    codes: Mapping[str, list[dict[str, Any]]] = field(default_factory=dict)
    orderables: Mapping[str, Mapping[str, str] | None] = field(default_factory=dict)
    look_backs: Mapping[str, str] = field(default_factory=dict)
    off: tuple[str, ...] = ()

    def fault(self, words: Iterable[str], text: str) -> str:
        """A problem of this file in the form of ``check``: at the line where the last of ``words`` stands."""
        return f"{self.path}:{_line_of(self.path, words)}: site: {text}"


def read_site(path: Path | None) -> Site:
    """The overlay in a file; an empty one for no file.

    Raises:
        ContentError: no such file, no TOML, or not of the overlay's schema; with file and line.
    """
    if path is None:
        return Site()
    try:
        source = path.read_bytes()
        data = tomllib.loads(source.decode("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ContentError([f"{path}:1: site: {getattr(error, 'strerror', None) or 'is not UTF-8'}"]) from None
    except tomllib.TOMLDecodeError as error:
        raise ContentError([f"{path}:1: site: {error}"]) from None
    problems = [
        f"{path}:{_line_of(path, map(str, fault.absolute_path))}: site: "
        f"{'/'.join(map(str, fault.absolute_path)) or '(top)'}: {fault.message}"
        for fault in schema("site").iter_errors(data)
    ]
    if problems:
        raise ContentError(problems)
    return Site(
        path=path,
        digest=hashlib.sha256(source).hexdigest()[:_DIGEST_CHARACTERS],
        codes=data.get("codes", {}),
        orderables={name: None if "stocked" in entry else entry for name, entry in data.get("orderables", {}).items()},
        look_backs=data.get("look-backs", {}),
        off=tuple(data.get("decisions", {}).get("off", ())),
    )


def _line_of(path: Path, words: Iterable[str]) -> int:
    """The first line on which the last of the words that occur stands; TOML readers keep no lines."""
    lines = path.read_text(encoding="utf-8").splitlines()
    found = 1
    for word in words:
        found = next((number for number, line in enumerate(lines, 1) if number >= found and word in line), found)
    return found
