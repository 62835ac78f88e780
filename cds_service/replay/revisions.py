"""Content as it was: a folder, or ``cards/`` at a revision of git.

Effects: runs git, writes into the folder that is given. Imports nothing of ours.
"""

from __future__ import annotations

import io
import subprocess
import tarfile
from pathlib import Path

FOLDER = "cards"


class RevisionError(Exception):
    """What was named is neither a folder of content nor a revision that has one."""


def materialised(name: str, into: Path) -> Path:
    """The content called ``name``: that folder, or what git has at that revision, unpacked into ``into``.

    Raises:
        RevisionError: it is neither.
    """
    folder = Path(name)
    if folder.is_dir():
        return folder
    revision = _git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
    if not revision:
        raise RevisionError(f"{name} is neither a folder nor a revision of the git repository here")
    # The repository's root, so that it does not matter which of its folders one stands in.
    archive = _git("archive", "--format=tar", f"{revision.decode().strip()}:{FOLDER}", at_root=True)
    if not archive:
        raise RevisionError(f"{name} has no folder {FOLDER}")
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        tar.extractall(into / FOLDER, filter="data")
    return into / FOLDER


def _git(*command: str, at_root: bool = False) -> bytes:
    """What git prints; nothing if it fails or is not there."""
    where = ["-C", _git("rev-parse", "--show-toplevel").decode().strip()] if at_root else []
    try:
        done = subprocess.run(["git", *where, *command], capture_output=True, check=False)
    except OSError:
        return b""
    return done.stdout if done.returncode == 0 else b""
