"""Content as it was: a folder, or ``cards/`` at a revision of git.

Effects: runs git, writes into the folder that is given.
"""

from __future__ import annotations

import subprocess
from pathlib import Path, PurePosixPath

FOLDER = "cards"
# What git calls a plain file; links and submodules have other modes.
_PLAIN = ("100644", "100755")


class RevisionError(Exception):
    """What was named is neither a folder of content nor a revision that has a usable one."""


def materialised(name: str, into: Path) -> Path:
    """The content called ``name``: that folder itself, or else a copy, in ``into``, of what git has at that revision.

    The files are read from git one by one and nothing but plain files is written, so that no link, submodule or path
    of a strange repository leads out of ``into``, whatever the version of Python.

    Raises:
        RevisionError: it is neither, or the revision holds what is not a plain file.
    """
    folder = Path(name)
    if folder.is_dir():
        return folder
    revision = _git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}").decode().strip()
    if not revision:
        raise RevisionError(f"{name} is neither a folder nor a revision of the git repository here")
    # --full-tree: from the repository's root, so that it does not matter which of its folders one stands in.
    listing = _git("ls-tree", "-r", "-z", "--full-tree", f"{revision}:{FOLDER}")
    if not listing:
        raise RevisionError(f"{name} has no folder {FOLDER}")
    blobs: dict[str, str] = {}
    for entry in listing.decode("utf-8", "surrogateescape").rstrip("\0").split("\0"):
        properties, _, path = entry.partition("\t")
        mode, _, blob = properties.split(" ")
        if mode not in _PLAIN or ".." in PurePosixPath(path).parts or PurePosixPath(path).is_absolute():
            raise RevisionError(f"{FOLDER}/{path} of {name} is not a plain file in that folder")
        blobs[path] = blob
    for path, content in zip(blobs, _contents(list(blobs.values())), strict=True):
        if content is None:
            raise RevisionError(f"{FOLDER}/{path} of {name} cannot be read from the git repository here")
        target = into / FOLDER / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    return into / FOLDER


def _contents(blobs: list[str]) -> list[bytes | None]:
    """The bytes of each blob, ``None`` for one that git does not have.

    One ``git cat-file --batch`` answers for all: a line ``ID blob SIZE`` or ``ID missing``, the bytes, a line feed.
    """
    answer = _git("cat-file", "--batch", sent="".join(f"{blob}\n" for blob in blobs).encode())
    contents: list[bytes | None] = []
    at = 0
    for _ in blobs:
        end = answer.find(b"\n", at)
        kind, _, size = answer[at:end].partition(b" ")[2].partition(b" ")
        if kind != b"blob":
            contents.append(None)
            at = end + 1 if end >= 0 else len(answer)
        else:
            contents.append(answer[end + 1 : end + 1 + int(size)])
            at = end + 1 + int(size) + 1
    return contents


def _git(*command: str, sent: bytes = b"") -> bytes:
    """What git prints; nothing if it fails or is not there."""
    try:
        done = subprocess.run(["git", *command], input=sent, capture_output=True, check=False)
    except OSError:
        return b""
    return done.stdout if done.returncode == 0 else b""
