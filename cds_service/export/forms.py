"""The forms a pack is exported in: as one text, or as files. Imports this room.

One way, and made anew each time: nothing here is ever read back or kept by hand.
"""

from __future__ import annotations

from pathlib import Path

from cds_service.content.model import Pack
from cds_service.export.dmn import dmn
from cds_service.export.plandefinition import as_json, bundle, resources


def printed(pack: Pack, form: str) -> str:
    """A pack as one document: DMN XML, or a Bundle of FHIR resources. ``form`` is ``dmn`` or ``plandefinition``."""
    return dmn(pack) if form == "dmn" else as_json(bundle(pack))


def write(pack: Pack, form: str, folder: Path) -> list[Path]:
    """The same as files in a folder, which is made if need be: one document, or one file for each resource."""
    if form == "dmn":
        texts = {f"{pack.id}.dmn": dmn(pack)}
    else:
        texts = {f"{one['resourceType']}-{one['id']}.json": as_json(one) for one in resources(pack)}
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8", newline="\n")
    return [folder / name for name in texts]
