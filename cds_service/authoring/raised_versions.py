"""Versions of content raised: that of a decision and that of its pack, as docs/upgrading.md says what they mean."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from cds_service.authoring.new_files import WrongNameError
from cds_service.authoring.pack_folder import PackFolder
from cds_service.authoring.yaml_edits import line_at, with_scalar
from cds_service.content.files import read_yaml
from cds_service.content.lock import LOCK, read_lock
from cds_service.content.nearest import instead
from cds_service.content.places import WAITS, changelog_of

PARTS = ("major", "minor", "patch")


@dataclass(frozen=True, slots=True)
class Raised:
    """A version that stood in a file as ``old`` and stands there as ``new``, in ``line``.

    The two are the same where it was raised since the last lock already, or was never locked.
    """

    name: str
    path: Path
    line: int
    old: str
    new: str


def raised(version: str, part: str) -> str:
    """The version that follows ``version``, three numbers, by one of ``PARTS``."""
    numbers = [int(number) for number in version.split(".")]
    index = PARTS.index(part)
    return ".".join(map(str, [*numbers[:index], numbers[index] + 1, *[0] * (len(PARTS) - 1 - index)]))


def raise_pack(pack: PackFolder, part: str) -> Raised:
    """Raises the version of a pack, unless it was raised by as much since the pack was locked.

    Raises:
        ProblemsError: the lock cannot be read.
        OSError: the file cannot be written.
    """
    locked = read_lock(pack.folder / LOCK).versions.get(f"pack:{pack.id}", "")
    return _raise(pack.id, pack.head_path, str(pack.head["version"]), locked, part)


def raise_decision(pack: PackFolder, decision: str, part: str) -> Raised:
    """Raises the version of a decision likewise. One that was never locked keeps the version that it has.

    Raises:
        WrongNameError: there is no such decision.
        ProblemsError: its table or the lock cannot be read.
        OSError: the file cannot be written.
    """
    tables = pack.tables()
    if decision not in tables:
        known = instead(decision, tables, "decisions")
        raise WrongNameError(f"{pack.folder}: there is no decision {decision!r}{known}")
    path = tables[decision]
    locked = read_lock(pack.folder / LOCK).versions.get(f"decision:{decision}", "")
    return _raise(decision, path, str(read_yaml(path, "table")["version"]), locked, part)


def _raise(name: str, path: Path, old: str, locked: str, part: str) -> Raised:
    text = path.read_text(encoding="utf-8")
    line = line_at(text, ["version"])
    new = max(old, raised(locked, part), key=_numbers) if locked else old
    if new != old:
        path.write_text(with_scalar(text, ["version"], new), encoding="utf-8")
    return Raised(name, path, line, old, new)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in version.split("."))


def open_changelog(pack: PackFolder, version: str, what: str) -> tuple[Path, int]:
    """Writes a line about ``what`` below the heading of this version of the pack, which is made if it is not there.

    Returns the changelog, which is made too, and the line; one about it that stands there already is left as it is.

    Raises:
        OSError: the file cannot be written.
    """
    path = changelog_of(pack.folder)
    text = path.read_text(encoding="utf-8") if path.exists() else "# Changelog\n"
    heading = f"### Content: {pack.id} {version}\n"
    entry = f"- {what}: {WAITS}\n"
    found = re.search(rf"^{re.escape(heading)}(?P<entries>(?:(?!#).*\n)*)", text, re.MULTILINE)
    if found:
        there = re.search(rf"^- {re.escape(what)}:", found["entries"], re.MULTILINE)
        place, new = found.start("entries") + (there.start() if there else 0), "" if there else entry
    else:
        before = re.search(rf"^### Content: {re.escape(pack.id)} ", text, re.MULTILINE)
        before = before or re.search(r"^### Content: ", text, re.MULTILINE)
        place = before.start() if before else len(text)
        new = f"{heading}{entry}\n" if before else f"\n{heading}{entry}"
    path.write_text(text[:place] + new + text[place:], encoding="utf-8")
    return path, text.count("\n", 0, place) + new.count("\n", 0, max(new.find("- "), 0)) + 1
