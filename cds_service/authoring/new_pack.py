"""A first pack: small, whole and invented, so that it passes ``check`` before its author has replaced anything."""

from __future__ import annotations

import re
from pathlib import Path
from uuid import uuid4

from cds_service.authoring.new_files import AuthoringError, WrongNameError, template, with_schema_line, write_new
from cds_service.content.files import write_schemas
from cds_service.content.places import fixtures_of
from cds_service.content.proof.versions import update_lock
from cds_service.packaged import packaged

KEBAB = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
LONGEST_NAME = 40
# Of the words that every pack has, the one that rests on a source, with the lines that belong to it.
_OF_A_SOURCE = re.compile(r"^  also-rests-on:.*\n(?:    .*\n)*", re.MULTILINE)


def write_pack(name: str, cards: Path) -> list[Path]:
    """Writes the pack ``name`` into the folder of content ``cards``, with fixtures, schemas and lock.

    Returns the files to be read and changed by the author, sorted.

    Raises:
        WrongNameError: the name is none for a pack.
        AuthoringError: ``cards`` holds another pack, or a file is there already.
        ProblemsError: the pack that was written cannot be loaded.
        OSError: a file cannot be written.
    """
    if not KEBAB.fullmatch(name) or len(name) > LONGEST_NAME:
        raise WrongNameError(
            f"{name!r} is no name for a pack: small letters and digits with hyphens between the words, such as "
            f"iron-infusion, at most {LONGEST_NAME}"
        )
    _refuse_second_pack(name, cards)
    pack_folder = cards / name
    texts: dict[Path, str] = {}
    for path, text in template("new-pack", {"pack": name, "uuid": str(uuid4())}).items():
        home = pack_folder if path.parts[0] == "pack" else fixtures_of(cards)
        target = home.joinpath(*path.parts[1:])
        texts[target] = with_schema_line(target, text, cards, pack_folder)
    words = pack_folder / "words.en.yaml"
    texts[words] = with_schema_line(words, _common_words(), cards, pack_folder)
    write_new(texts)
    write_schemas(cards)
    update_lock(cards)
    return sorted(texts)


def _refuse_second_pack(name: str, cards: Path) -> None:
    """A folder of content holds one pack."""
    for head in sorted(cards.glob("*/pack.yaml")):
        if head.parent.name != name:
            raise AuthoringError(f"{cards}: the pack {head.parent.name!r} stands here; name another folder with --in")


def _common_words() -> str:
    """The headings, lines and reasons of the content that came with this code, without what rests on its source."""
    path = sorted(packaged("cards").glob("*/words.en.yaml"))[0]
    lines = _OF_A_SOURCE.sub("", path.read_text(encoding="utf-8")).splitlines(keepends=True)
    return "".join(line for line in lines if not line.startswith("# yaml-language-server:"))
