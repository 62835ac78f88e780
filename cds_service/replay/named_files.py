"""The files that scenarios and courses name: patients, drafts and records of a folder of fixtures."""

from __future__ import annotations

from pathlib import Path

from cds_service.content.nearest import instead

PATIENT, DRAFT, RECORD = "patient", "draft", "record"


def named_file(fixtures: Path, kind: str, name: object) -> Path:
    """The file of a ``kind`` that is called ``name``: ``patients/NAME.json``.

    Raises:
        ValueError: there is none.
    """
    folder = fixtures / f"{kind}s"
    path = folder / f"{name}.json"
    if not path.is_file():
        known = [other.stem for other in sorted(folder.glob("*.json"))]
        raise ValueError(f"no {kind} {str(name)!r} in {folder.name}/{instead(str(name), known, folder.name)}")
    return path
