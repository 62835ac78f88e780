"""Writes the tables of ``deploy/README.md`` that come from the code: settings, and prefetch as discovery lists it."""

from __future__ import annotations

import re
from typing import Any, Literal, get_args, get_origin

from pydantic_core import PydanticUndefined

from cds_service.content.load import load_pack
from cds_service.packaged import packaged
from cds_service.service.served import services_of
from cds_service.settings import Settings
from tests.support.places import ROOT

PAGE = ROOT / "deploy/README.md"
# Defaults that are made on the machine that serves.
_MADE = {
    "cards": "the packaged `cards`",
    "store": "`~/.local/state/cds-service/store.sqlite3`",
    "state": "`~/.local/state/cds-service`",
}
_CITATIONS = re.compile(r" \((?:[A-Z]+-?\d+(?:, )?)+\)$")


def settings_table() -> str:
    """One row for each setting: name, meaning, allowed words, default."""
    rows = ["| setting | means | default |", "|---|---|---|"]
    for name, field in Settings.model_fields.items():
        means = _CITATIONS.sub("", field.description or "")
        words = words_of(field.annotation)
        allowed = f" ({', '.join(f'`{word}`' for word in words)})" if words else ""
        default = field.default if field.default is not PydanticUndefined else _MADE[name]
        rows.append(f"| `CDS_SERVICE_{name.upper()}` | {means}{allowed} | {told(default, name)} |")
    return "\n".join(rows)


def words_of(annotation: Any) -> tuple[str, ...]:
    """The words that a setting may have, if these are few."""
    return get_args(annotation) if get_origin(annotation) is Literal else ()


def told(default: Any, name: str) -> str:
    """A default as it would be written into the environment."""
    if name in _MADE:
        return str(default)
    if default is None or default == ():
        return "none"
    return f"`{str(default).lower() if isinstance(default, bool) else default}`"


def prefetch_list() -> str:
    """Each prefetch key with the hooks that want it and its template, whose bars no table would leave alone."""
    listed = services_of(load_pack(packaged("cards")))
    templates = {key: template for service in listed for key, template in service["prefetch"].items()}
    rows = []
    for key, template in templates.items():
        wanted = ", ".join(service["hook"] for service in listed if key in service["prefetch"])
        rows.append(f"- `{key}` ({wanted}):\n  `{template}`")
    return "\n".join(rows)


def page(text: str) -> str:
    """The page with its tables as the code is now.

    Raises:
        ValueError: a table has no place in it.
    """
    for name, table in {"settings": settings_table(), "prefetch": prefetch_list()}.items():
        place = re.compile(rf"(<!-- {name}: .*? -->\n).*?(<!-- end -->)", re.S)
        text, found = place.subn(lambda match, table=table: f"{match[1]}{table}\n{match[2]}", text)
        if found != 1:
            raise ValueError(f"deploy/README.md has {found} places for the table of {name}")
    return text


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
