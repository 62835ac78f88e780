"""A first pack: small, whole and invented, so that it passes ``check`` before its author has replaced anything."""

from __future__ import annotations

import re
from pathlib import Path
from uuid import uuid4

from cds_service.authoring.new_files import WrongNameError, template, with_schema_line, write_new
from cds_service.content.files import write_schemas
from cds_service.content.proof.versions import update_lock
from cds_service.content.topics import prefix_of

KEBAB = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
LONGEST_NAME = 40
RESULT = "placeholderite"


def write_pack(name: str, content: Path, result: str = RESULT) -> list[Path]:
    """Writes the pack ``name`` into a content folder, with its fixtures and lock, and the schemas beside it.

    Its laboratory value is called ``result``.

    Returns the files to be read and changed by the author, sorted.

    Raises:
        WrongNameError: the name is none for a pack, or that of the result none for a fact.
        AuthoringError: a file is there already.
        ProblemsError: the pack that was written cannot be loaded.
        OSError: a file cannot be written.
    """
    _check_name(name, "pack", "iron-infusion")
    _check_name(result, "result", "ferritin-level")
    folder = content / name
    said = result.replace("-", " ")
    words = {
        "pack": name,
        "uuid": str(uuid4()),
        "topic": prefix_of({"id": name}),
        "result": result,
        "words": said,
        "Result": said[0].upper() + said[1:],
    }
    texts: dict[Path, str] = {}
    for path, text in template("new-pack", words).items():
        target = folder.joinpath(path)
        texts[target] = with_schema_line(target, text, content, folder)
    write_new(texts)
    write_schemas(content)
    update_lock(folder)
    return sorted(texts)


def _check_name(name: str, kind: str, example: str) -> None:
    """Refuses what cannot be a name, and offers the nearest that can.

    Raises:
        WrongNameError: it is no name.
    """
    if _is_name(name):
        return
    words = re.findall(r"[a-z0-9]+", name.lower())
    offer = "-".join(words)[:LONGEST_NAME].lstrip("0123456789-").rstrip("-")
    raise WrongNameError(
        f"{name!r} is no name for a {kind}: small letters and digits with hyphens between the words, a letter first, "
        f"such as {offer if _is_name(offer) else example}, at most {LONGEST_NAME}"
    )


def _is_name(name: str) -> bool:
    return KEBAB.fullmatch(name) is not None and len(name) <= LONGEST_NAME
