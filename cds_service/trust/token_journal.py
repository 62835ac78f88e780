"""Uses of tokens on disk, so that the process that takes the place of a dead one still knows them (Z28).

There is a file for each hour in which tokens expire, to which every process of the folder appends. A record has a
fixed length, so that one that a dying process has written in part is seen as such.
"""

from __future__ import annotations

import contextlib
import logging
import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

_log = logging.getLogger("cds_service")
_RECORD = struct.Struct("<32s32sd")
_BUCKET_SECONDS = 3600


class TokenUse(NamedTuple):
    """A digest of a token, one of the call that it was used for, and when it expires, in seconds since 1970."""

    token: bytes
    call: bytes
    expires_at: float


class TokenJournal:
    """The files in ``folder``. Without it, or where it cannot be written, uses are kept by nobody."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._is_told = False

    def uses(self, now: float) -> Iterator[TokenUse]:
        """What was written and has not expired ``now``, in seconds since 1970; deletes files of which all has."""
        with contextlib.suppress(OSError):
            for path in sorted(self._folder.glob("*.uses")):
                if (int(path.stem) + 1) * _BUCKET_SECONDS <= now:
                    path.unlink(missing_ok=True)
                    continue
                data = path.read_bytes()
                whole = len(data) - len(data) % _RECORD.size
                for record in _RECORD.iter_unpack(data[:whole]):
                    use = TokenUse(*record)
                    if use.expires_at > now:
                        yield use

    def write(self, use: TokenUse) -> None:
        """Appends one use. It does not wait for the disk: what a loss of power takes with it can be used once more."""
        path = self._folder / f"{int(use.expires_at) // _BUCKET_SECONDS}.uses"
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                os.write(descriptor, _RECORD.pack(*use))
            finally:
                os.close(descriptor)
        except OSError as error:
            if not self._is_told:
                _log.warning("used tokens are forgotten when this process ends: %s: %s", path, error.strerror)
            self._is_told = True
