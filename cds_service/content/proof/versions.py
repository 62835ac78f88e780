"""Files, versions and the lock of a pack held against each other: one version names one content, for ever.

That holds from version 1.0.0 of a pack on. A pack whose lock is of a version that begins with 0 is still being
written: its lock may be written anew as often as its author likes, and nobody can sign a review of it (Semantic
Versioning 2.0.0, item 4: anything may change at any time).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from cds_service.content.files import problem_at
from cds_service.content.load import load_pack
from cds_service.content.lock import LOCK, Lock, digest_of_signatures, folder_digests, read_lock, write_lock
from cds_service.content.model import Pack
from cds_service.content.packs import pack_folder
from cds_service.vocabulary.problems import Problem


def lock_problems(folder: Path, pack: Pack) -> Iterator[Problem]:
    """Where files, versions and ``lock.json`` in the folder of a pack do not agree; also looked at before serving
    (Z27).
    """
    yield from version_problems(folder, pack)
    path = folder / LOCK
    if not path.exists():
        yield from old_lock_problems(folder)
    lock = read_lock(path)
    unlocked = [f"{name} {version}" for name, version in _versions(pack).items() if lock.versions.get(name) != version]
    for name in unlocked:
        yield Problem(path, 1, "lock", f"{name} is not locked; run check --update-lock")
    if not unlocked and _is_being_written(lock, pack) and lock.digests != folder_digests(folder):
        yield Problem(path, 1, "lock", f"pack:{pack.id} changed since it was locked; run check --update-lock")
    if lock.versions and lock.signed != digest_of_signatures(folder):
        yield Problem(path, 1, "lock", "a review or the sign-off of the hazards is not locked; run check --update-lock")


def old_lock_problems(folder: Path) -> Iterator[Problem]:
    """A lock in the content folder around a pack, where it stood before each pack had its own."""
    old = folder.parent / LOCK
    if old.exists():
        own = folder / LOCK
        todo = "delete this one" if own.exists() else f"move this one there: mv {old} {own}"
        yield Problem(old, 1, "lock", f"the lock of a pack stands in its own folder, as {own}; {todo}")


def version_problems(folder: Path, pack: Pack) -> Iterator[Problem]:
    """What differs from the lock although its version is one that the lock knows, and that is fixed."""
    lock = read_lock(folder / LOCK)
    if _is_being_written(lock, pack):
        return
    digests = folder_digests(folder)
    changed = [name for name in {**digests, **lock.digests} if lock.digests.get(name) != digests.get(name)]
    whole = f"pack:{pack.id}"
    for name, version in _versions(pack).items():
        if lock.versions.get(name) != version or not (name in changed or (name == whole and changed)):
            continue
        path = folder / "pack.yaml" if name == whole else pack.decisions[name.removeprefix("decision:")].path
        text = f"{name} changed without a new version (still {version}); cds-service bump raises it"
        yield problem_at(path, ("version",), "version", text)


def update_lock(place: Path) -> list[Problem]:
    """Writes, for the pack at a place as ``load_pack`` takes it, digests and finding numbers after a new version;
    returns what stands in the way, if anything does.

    A decision whose files changed while its version did not is refused, and so is a pack of changed decisions that
    kept its own version. Reviews need no new version.

    Raises:
        ProblemsError: the content cannot be loaded.
    """
    folder = pack_folder(place)
    pack = load_pack(folder)
    if refused := sorted(version_problems(folder, pack)):
        return refused
    path = folder / LOCK
    numbers = dict(read_lock(path).findings)
    following = max(numbers.values(), default=0) + 1
    for decision in pack.decisions.values():
        if decision.kind == "card":
            for rule in decision.rules:
                key = (decision.topic(rule.id), decision.version)
                if not rule.then.silent and key not in numbers:
                    numbers[key] = following
                    following += 1
    write_lock(path, Lock(_versions(pack), folder_digests(folder), numbers, digest_of_signatures(folder)))
    return []


def is_early(version: str) -> bool:
    """Whether a pack of this version is still being written, so that the version does not fix it yet."""
    return version.startswith("0.")


def _is_being_written(lock: Lock, pack: Pack) -> bool:
    """Whether what was locked last fixes nothing. What is locked at 1.0.0 stays fixed, whatever version follows."""
    return is_early(lock.versions.get(f"pack:{pack.id}", ""))


def _versions(pack: Pack) -> dict[str, str]:
    versions = {f"decision:{decision.id}": decision.version for decision in pack.decisions.values()}
    return {**versions, f"pack:{pack.id}": pack.version}
