"""A card begun: a decision with its table and its words, as a draft, shown by a service once its author says so."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cds_service.authoring.new_files import AuthoringError, WrongNameError, template, with_schema_line, write_new
from cds_service.authoring.pack_folder import PackFolder
from cds_service.authoring.raised_versions import Raised, raise_pack
from cds_service.authoring.yaml_edits import with_entry
from cds_service.content.files import read_yaml
from cds_service.content.nearest import instead

CAMEL = re.compile(r"[a-z][a-z0-9]*([A-Z][a-z0-9]*)*")
LONGEST_NAME = 50
_WORD = re.compile(r"[A-Z]?[a-z0-9]+|[A-Z]")


@dataclass(frozen=True, slots=True)
class NewCard:
    """The files that were written, the id of the service that lists the card, and the version of the pack."""

    files: list[Path]
    service: str
    version: Raised


def write_card(pack: PackFolder, name: str, service: str | None = None) -> NewCard:
    """Writes the decision ``name`` as a draft and enters it last in the ``service`` of the pack, or in its first.

    The version of the pack is raised by its middle number, because there will be another answer.

    Raises:
        WrongNameError: the name is none for a decision, or there is no such service.
        AuthoringError: the decision is there already.
        ProblemsError: the pack cannot be read.
        OSError: a file cannot be written.
    """
    if not CAMEL.fullmatch(name) or len(name) > LONGEST_NAME:
        first, *others = re.findall(r"[A-Za-z0-9]+", name) or [""]
        offer = (first[:1].lower() + first[1:] + "".join(word[:1].upper() + word[1:] for word in others))[:LONGEST_NAME]
        raise WrongNameError(
            f"{name!r} is no name for a decision: letters and digits, a small letter first and a capital at each new "
            f"word, such as {offer if CAMEL.fullmatch(offer) else 'doseLimit'}, at most {LONGEST_NAME}"
        )
    if name in pack.tables():
        raise AuthoringError(f"{pack.tables()[name]}: this is there already, and nothing is written over it")
    index = _service(pack, service)
    facts: dict[str, Any] = read_yaml(pack.folder / "facts.yaml", "facts")["facts"]
    statements: dict[str, Any] = read_yaml(pack.folder / "sources.yaml", "sources")["statements"]
    words = {"card": name, "Title": _title(name), "input": next(iter(facts)), "statement": next(iter(statements))}
    folder = pack.folder / "decisions" / name
    texts = {folder.joinpath(*path.parts): text for path, text in template("new-card", words).items()}
    head = with_entry(pack.head_path.read_text(encoding="utf-8"), ["services", index, "decisions"], name)
    write_new({path: with_schema_line(path, text, pack.content, pack.folder) for path, text in texts.items()})
    pack.head_path.write_text(head, encoding="utf-8")
    return NewCard(sorted(texts), str(pack.head["services"][index]["id"]), raise_pack(pack, "minor"))


def _service(pack: PackFolder, name: str | None) -> int:
    ids = [str(service["id"]) for service in pack.head["services"]]
    if name is None:
        return 0
    if name not in ids:
        raise WrongNameError(f"{pack.head_path}: there is no service {name!r}{instead(name, ids, 'services')}")
    return ids.index(name)


def _title(name: str) -> str:
    """A name in camel case as a title: ``doseLimit`` as ``Dose limit``."""
    first, *others = _WORD.findall(name)
    return " ".join([first.capitalize(), *(word.lower() for word in others)])
