"""Copies of content and of the site's file, kept on disk, so that a start can go on from the last ones that were good.

A copy of a pack is named by the digest of its lock, which holds the digests of all its files. All processes that serve
the same folder share the copies, so that one that is killed leaves none of its own behind.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import logging
import os
import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from cds_service.content.lock import LOCK, is_locked
from cds_service.content.packs import FIXTURES, pack_folders
from cds_service.vocabulary.problems import ProblemsError

_log = logging.getLogger("cds_service")
_GOOD = "good.json"
_UNFINISHED = ".copying-"
_DIGEST_CHARACTERS = 32
_KEPT_SECONDS = 3600.0  # another process may still read its site anew beside a copy that is not the last good one


@dataclass(frozen=True, slots=True)
class GoodState:
    """The folder of the last content that was served, and the site's file with which it was; ``None`` for none."""

    folder: Path
    site: Path | None


class KeptContent:
    """The copies for the folder of one pack and one site's file, in a folder of their own below ``state``."""

    def __init__(self, state: Path, pack: Path, site: Path | None) -> None:
        self._folder = _folder_of(state, pack.absolute().parent, site) / pack.name
        self._pack = pack

    def copy(self) -> Path:
        """The folder of a whole copy of the pack as it is locked now, without its fixtures.

        Where there can be none, because it is not as its lock says or because nothing can be written, it is the folder
        of the pack itself.
        """
        with contextlib.suppress(OSError, ProblemsError):
            place = self._folder / _digest(self._pack / LOCK) / self._pack.name
            if _is_whole(place, place.parent.name) or self._is_copied_to(place):
                os.utime(place.parent)
                return place
        return self._pack

    def keep(self, copy: Path, site: Path | None) -> None:
        """Remembers a copy, and the site's file as it is now, as the last good ones; deletes what is old.

        Where nothing can be kept, the log says so, and a start will need content and file as they are then.
        """
        try:
            if not copy.is_relative_to(self._folder):
                raise OSError(errno.EROFS, os.strerror(errno.EROFS))
            kept = ""
            if site is not None:
                kept = f"site-{_digest(site)}.toml"
                self._write(kept, site.read_bytes())
            good = {"content": copy.parent.name, "site": kept}
            self._write(_GOOD, json.dumps(good).encode())
            self._sweep(good["content"], kept)
        except OSError as error:
            _log.warning("the last good content cannot be kept in %s: %s", self._folder, error.strerror)

    def good(self) -> GoodState | None:
        """The last good state, if it is there and whole."""
        try:
            good = json.loads((self._folder / _GOOD).read_bytes())
            copy = self._folder / good["content"] / self._pack.name
            site = self._folder / good["site"] if good["site"] else None
            if not _is_whole(copy, good["content"]):
                return None
            if site is not None and site.name != f"site-{_digest(site)}.toml":
                return None
        except (OSError, ValueError, KeyError, TypeError, ProblemsError):
            return None
        return GoodState(copy, site)

    def _is_copied_to(self, place: Path) -> bool:
        """Copies the content whole or not at all; another process may do the same at the same time."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        unfinished = Path(tempfile.mkdtemp(dir=self._folder, prefix=_UNFINISHED))
        try:
            left_out = shutil.ignore_patterns(FIXTURES)
            copy = Path(shutil.copytree(self._pack, unfinished / self._pack.name, ignore=left_out))
            if not _is_whole(copy, place.parent.name):
                return False
            shutil.rmtree(place.parent, ignore_errors=True)  # one that is damaged
            with contextlib.suppress(OSError):  # another process was faster
                unfinished.rename(place.parent)
            return _is_whole(place, place.parent.name)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)

    def _write(self, name: str, data: bytes) -> None:
        unfinished = self._folder / f"{_UNFINISHED}{os.getpid()}-{name}"
        unfinished.write_bytes(data)
        unfinished.replace(self._folder / name)

    def _sweep(self, *needed: str) -> None:
        """Deletes what nobody needs any more, and what killed processes have not finished."""
        for entry in self._folder.iterdir():
            if entry.name in (_GOOD, *needed) or time.time() - entry.stat().st_mtime < _KEPT_SECONDS:
                continue
            if entry.is_dir():
                shutil.rmtree(entry, ignore_errors=True)
            else:
                entry.unlink(missing_ok=True)


def packs_at(place: Path, state: Path, site: Path | None) -> list[Path]:
    """The folders of the packs at a place; where there is none now, those that were there when they were kept last."""
    if folders := pack_folders(place):
        return folders
    place = place.absolute()
    if place.name in _kept(_folder_of(state, place.parent, site)):
        return [place]
    return [place / name for name in _kept(_folder_of(state, place, site))]


def _kept(folder: Path) -> list[str]:
    return sorted(path.parent.name for path in folder.glob(f"*/{_GOOD}"))


def _folder_of(state: Path, content: Path, site: Path | None) -> Path:
    """Where the copies of all packs of a content folder are kept."""
    served = f"{content}\0{site.absolute() if site else ''}"
    return state / "content" / hashlib.sha256(served.encode()).hexdigest()[:_DIGEST_CHARACTERS]


def _is_whole(pack: Path, name: str) -> bool:
    """Whether the files of a pack are those of its lock, and that is the one that a copy of this ``name`` is of."""
    return is_locked(pack) and _digest(pack / LOCK) == name


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:_DIGEST_CHARACTERS]
