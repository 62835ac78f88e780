"""``cards/lock.json``: which content is which.

The lock holds id, version and digest of every decision, one digest of all other files of the pack, and one number for
each rule of each decision version, which is given once and never again (Z18). A change without a new version fails
``check``.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cds_service.vocabulary.problems import Problem, ProblemsError


@dataclass(frozen=True, slots=True)
class Lock:
    """What the file holds.

    ``versions`` and ``digests`` go by ``decision:<id>`` and ``pack:<id>``. ``findings`` maps (topic code, decision
    version) to the number that uuids carry.
    """

    versions: Mapping[str, str] = field(default_factory=dict)
    digests: Mapping[str, str] = field(default_factory=dict)
    findings: Mapping[tuple[str, str], int] = field(default_factory=dict)


def read_lock(path: Path) -> Lock:
    """The lock as it stands; an empty one where there is no file yet.

    Raises:
        ProblemsError: it is not a lock, such as one that is only half written.
    """
    if not path.exists():
        return Lock()
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        findings = {(entry["topic"], entry["version"]): int(number) for number, entry in data["findings"].items()}
        return Lock(dict(data["versions"]), dict(data["digests"]), findings)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise ProblemsError([Problem(path, 1, "lock", "this is not a whole lock; is it still being copied?")]) from None


def write_lock(path: Path, lock: Lock) -> None:
    """Writes the lock as JSON in a fixed order, so that two versions of it can be compared line by line."""
    data: dict[str, Any] = {
        "versions": dict(sorted(lock.versions.items())),
        "digests": dict(sorted(lock.digests.items())),
        "findings": {
            str(number): {"topic": topic, "version": version}
            for (topic, version), number in sorted(lock.findings.items(), key=lambda item: item[1])
        },
    }
    path.write_text(json.dumps(data, indent=2) + "\n", encoding="utf-8")


def digest(paths: list[Path]) -> str:
    """SHA-256 over the bytes of files, each with its name."""
    total = hashlib.sha256()
    for path in sorted(paths):
        total.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return total.hexdigest()


def folder_digests(pack_folder: Path) -> dict[str, str]:
    """A digest for each decision, its folder or its file (``decision:<id>``), and one for all else (``pack:<id>``)."""
    decisions = pack_folder / "decisions"
    digests = {
        f"decision:{entry.stem}": digest(_files_of(entry))
        for entry in sorted(decisions.iterdir())
        if entry.is_dir() or entry.suffix == ".yaml"
    }
    others = [path for path in pack_folder.rglob("*.yaml") if path.is_file() and not path.is_relative_to(decisions)]
    digests[f"pack:{pack_folder.name}"] = digest(others)
    return digests


def _files_of(entry: Path) -> list[Path]:
    return [path for path in entry.iterdir() if path.is_file()] if entry.is_dir() else [entry]


def is_locked(cards: Path) -> bool:
    """Whether every file is the one that ``check --update-lock`` locked; false for a folder without one pack.

    Raises:
        ProblemsError: the lock cannot be read.
    """
    folders = [path.parent for path in cards.glob("*/pack.yaml")]
    return len(folders) == 1 and folder_digests(folders[0]) == read_lock(cards / "lock.json").digests
