"""Recordings on disk: each file is there whole or not at all, and nobody but its owner may read it (Z96)."""

from __future__ import annotations

import os
import secrets
from datetime import datetime
from pathlib import Path

_OWNER_ONLY, _OWNERS_FOLDER = 0o600, 0o700
_NAME_BYTES = 8  # of a name that nobody guesses
_NO_TIME = 946_684_800  # 2000-01-01T00:00:00Z, in seconds; older files some archives cannot hold


def make_folder(folder: Path) -> None:
    """Makes a folder for recordings. One that is there already keeps its rights; the files in it have their own.

    Raises:
        OSError: it cannot be made.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=_OWNERS_FOLDER)


def write(folder: Path, text: bytes, now: datetime | None = None) -> None:
    """Writes a file under a random name, which begins with ``now`` if that is given.

    Without ``now`` its times of access and change say nothing. When it was made, a file system notes by itself.

    Raises:
        OSError: it could not be written; then nothing of it is left.
    """
    make_folder(folder)
    name, time = secrets.token_hex(_NAME_BYTES), float(_NO_TIME)
    if now is not None:
        name, time = f"{now:%Y%m%dT%H%M%S}-{name}", now.timestamp()
    path, part = folder / f"{name}.json", folder / f"{name}.part"
    try:
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _OWNER_ONLY), "wb") as file:
            file.write(text)
        os.utime(part, (time, time))
        part.rename(path)
    except OSError:
        part.unlink(missing_ok=True)
        raise
