"""The forms that a pack is exported in, as one text or as files.

Exported files are made from the content each time; nothing reads them back, and nobody edits them.
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
    """Writes a pack into ``folder``: one DMN document, or a file for each FHIR resource. Returns the files' paths.

    The folder is made if it is not there.
    """
    if form == "dmn":
        texts = {f"{pack.id}.dmn": dmn(pack)}
    else:
        texts = {f"{resource['resourceType']}-{resource['id']}.json": as_json(resource) for resource in resources(pack)}
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8", newline="\n")
    return [folder / name for name in texts]
