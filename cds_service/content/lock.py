"""``lock.json`` in the folder of a pack: which content is which.

The lock holds id, version and digest of every decision, one digest of all other files of the pack, and one number for
each rule of each decision version, which is given once and never again (Z18). A change without a new version fails
``check``. Who has reviewed the content or accepted its hazard log has a digest of its own: that is signed after the
content is locked as well as before, and a signature makes no new version. The first line by which an editor finds the
schema of a file is left out too: it says where something lies and nothing about the content.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from cds_service.content.packs import HEAD, content_files
from cds_service.vocabulary.problems import Problem, ProblemsError

LOCK = "lock.json"
DECISIONS = "decisions"

# What is signed, at the top of a file: a key with what is indented below it.
_SIGNED = re.compile(rb"^(?:review|sign-off):.*(?:\n(?:[ \t].*)?(?=\n|\Z))*\n?", re.MULTILINE)

_MODELINE = re.compile(rb"\A# yaml-language-server:[^\n]*\n")


@dataclass(frozen=True, slots=True)
class Lock:
    """What the file holds.

    ``versions`` and ``digests`` go by ``decision:<id>`` and ``pack:<id>``. ``findings`` maps (topic code, decision
    version) to the number that uuids carry. ``signed`` is the digest of
    all reviews.
    """

    versions: Mapping[str, str] = field(default_factory=dict)
    digests: Mapping[str, str] = field(default_factory=dict)
    findings: Mapping[tuple[str, str], int] = field(default_factory=dict)
    signed: str = ""


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
        return Lock(dict(data["versions"]), dict(data["digests"]), findings, str(data.get("signed", "")))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise ProblemsError([Problem(path, 1, "lock", "this is not a whole lock; is it still being copied?")]) from None


def write_lock(path: Path, lock: Lock) -> None:
    """Writes the lock as JSON in a fixed order, so that two versions of it can be compared line by line."""
    data: dict[str, Any] = {
        "signed": lock.signed,
        "versions": dict(sorted(lock.versions.items())),
        "digests": dict(sorted(lock.digests.items())),
        "findings": {
            str(number): {"topic": topic, "version": version}
            for (topic, version), number in sorted(lock.findings.items(), key=lambda item: item[1])
        },
    }
    path.write_text(json.dumps(data, indent=2) + "\n", encoding="utf-8")


class _Files:
    """The files of a pack as they are now: each is read once, whichever digests it is in."""

    def __init__(self, pack_folder: Path) -> None:
        self.folder = pack_folder
        self.content = list(content_files(pack_folder))
        self.read = cache(Path.read_bytes)


def _digest_of_files(files: _Files, paths: Iterable[Path]) -> str:
    """SHA-256 over the bytes of files, each with its name, without what is signed in them and the line for editors."""
    texts = ((path.name, _MODELINE.sub(b"", files.read(path))) for path in sorted(paths))
    return _digest({name: _SIGNED.sub(b"", text) if _may_be_signed(text) else text for name, text in texts})


def digest_of_signatures(pack_folder: Path) -> str:
    """SHA-256 over what is signed in the files of a pack, each with its path."""
    return _digest_of_signatures(_Files(pack_folder))


def _digest_of_signatures(files: _Files) -> str:
    texts = ((path, files.read(path)) for path in files.content)
    found = {path: _SIGNED.findall(text) for path, text in texts if _may_be_signed(text)}
    return _digest({str(path.relative_to(files.folder)): b"".join(signed) for path, signed in found.items() if signed})


def _may_be_signed(text: bytes) -> bool:
    """False for a text that ``_SIGNED`` cannot match, which is most of them, and quickly found out."""
    return b"review:" in text or b"sign-off:" in text


def _digest(texts: Mapping[str, bytes]) -> str:
    total = hashlib.sha256()
    for name, text in texts.items():
        total.update(name.encode() + b"\0" + text + b"\0")
    return total.hexdigest()


def folder_digests(pack_folder: Path) -> dict[str, str]:
    """A digest for each decision, its folder or its file (``decision:<id>``), and one for all else (``pack:<id>``)."""
    return _folder_digests(_Files(pack_folder))


def _folder_digests(files: _Files) -> dict[str, str]:
    digests = {
        f"decision:{entry.stem}": _digest_of_files(files, _files_of(entry))
        for entry in sorted((files.folder / DECISIONS).iterdir())
        if entry.is_dir() or entry.suffix == ".yaml"
    }
    below = len(files.folder.parts)
    others = [path for path in files.content if path.parts[below] != DECISIONS]
    digests[f"pack:{files.folder.name}"] = _digest_of_files(files, others)
    return digests


def content_digest(pack_folder: Path) -> str:
    """One digest of all files of a pack, without what is signed in them."""
    return _digest({name: value.encode() for name, value in folder_digests(pack_folder).items()})


def _files_of(entry: Path) -> list[Path]:
    return [path for path in entry.iterdir() if path.is_file()] if entry.is_dir() else [entry]


def is_locked(pack_folder: Path) -> bool:
    """Whether every file of a pack is the one that ``check --update-lock`` locked; false for a folder without a pack.

    Raises:
        ProblemsError: the lock cannot be read.
    """
    if not (pack_folder / HEAD).is_file() or not (pack_folder / DECISIONS).is_dir():
        return False
    lock, files = read_lock(pack_folder / LOCK), _Files(pack_folder)
    return _folder_digests(files) == lock.digests and _digest_of_signatures(files) == lock.signed
