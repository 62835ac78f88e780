"""What is being served now: content made ready, under the site's settings as they stand. Imports content and cards.

The site's file and the content's lock are looked at once a second at most. What has changed is read beside the requests
and taken up whole, or refused whole while the old goes on (Z31: decisions are switched off without a restart). Content
is published by its lock: until ``check --update-lock`` has written that, edits are nobody's business; then the folder
is copied, the copy must pass ``check``, and the copy is what is served.
"""

from __future__ import annotations

import logging
import secrets
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from cds_service.content.files import ContentError
from cds_service.content.load import load_pack
from cds_service.content.lock import is_locked, read_lock
from cds_service.content.model import Pack
from cds_service.content.needs import templates_of
from cds_service.content.prepared import Prepared
from cds_service.content.site import read_site
from cds_service.protocol.discovery import discovery
from cds_service.protocol.profiles import NAMES as PROFILES
from cds_service.service.attribution import Attribution
from cds_service.settings import Settings

_log = logging.getLogger("cds_service")
LOCK = "lock.json"
_LOOK_EVERY_SECONDS = 1.0
_TRY_AGAIN_SECONDS = 10.0  # content may have been copied into place while it was read
_CHECK_SECONDS = 300
_Stamp = tuple[int, int, int]
# What was made ready last, and of what: a worker that is forked finds it made by its parent.
_last: list[tuple[tuple[object, ...], Served]] = []


@dataclass(frozen=True, slots=True)
class Served:
    """One state of what is served.

    ``listed`` are the services as discovery lists them, ``catalogues`` its body by profile; ``off`` names the decisions
    that the site has switched off, ``attribution`` says whose card a uuid is.
    """

    prepared: Prepared
    listed: list[dict[str, Any]]
    catalogues: Mapping[str, bytes]
    off: tuple[str, ...]
    attribution: Attribution

    def listed_ids(self) -> list[tuple[str, str]]:
        """What the application was built for: the hook and id of each service."""
        return [(service["hook"], service["id"]) for service in self.listed]


def prepare(settings: Settings, key: bytes = b"") -> Served:
    """The content of the settings, compiled and verified against its lock, with the site's overlay.

    ``key`` makes uuids; without it that of the settings does, or else one of its own.

    Raises:
        ContentError: content or overlay cannot be used, or content is not the locked one; with file and line.
    """
    site = read_site(settings.site)
    locked = is_locked(settings.cards)
    key = key or settings.uuid_key() or secrets.token_bytes(32)
    shows = settings.accept_unreviewed_content or settings.loopback
    asked = (locked and read_lock(settings.cards / LOCK), site, settings.time_zone, shows, key)
    if locked and _last and _last[0][0] == asked:
        return _last[0][1]
    pack = load_pack(settings.cards, site, is_proven=locked)
    if not locked:
        from cds_service.content.proof.consistency import lock_problems

        raise ContentError(lock_problems(settings.cards, pack))
    shown = pack.reviewed or shows  # Z15
    prepared = Prepared.of(pack, zone=ZoneInfo(settings.time_zone), key=key, shown=shown)
    listed = services_of(pack)
    catalogues = {profile: msgspec.json.encode(discovery(listed, profile)) for profile in PROFILES}
    served = Served(prepared, listed, catalogues, site.off, Attribution.of(pack))
    _last[:] = [(asked, served)]
    return served


def services_of(pack: Pack) -> list[dict[str, Any]]:
    """The services of a pack as discovery lists them, prefetch templates from the declared facts."""
    return [
        {
            "hook": service.hook,
            "id": service.id,
            "title": service.title,
            "description": service.description,
            "usageRequirements": service.usage_requirements,
            "prefetch": templates_of(pack, service),
        }
        for service in pack.services.values()
    ]


class Serving:
    """Gives every request the latest state that could be used.

    ``site_problem`` is why the site's present file is not in use, ``content_problem`` why the content's present folder
    is not; ``""`` if they are.
    """

    def __init__(self, settings: Settings, key: bytes = b"", clock: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._key = key
        self._clock = clock
        self._copies = Path(tempfile.mkdtemp(prefix="cds-service-content-"))
        weakref.finalize(self, shutil.rmtree, self._copies, ignore_errors=True)
        self._seen = self._stamps()
        self._looked = self._refused_at = clock()
        self._reading = threading.Lock()
        self._content = _copied(settings.cards, self._copies)
        self._served = prepare(settings, key)
        self.site_problem = self.content_problem = ""

    def now(self) -> Served:
        """What to answer with; starts reading what has changed, and never waits for it."""
        moment = self._clock()
        if moment - self._looked >= _LOOK_EVERY_SECONDS:
            self._looked = moment
            is_due = bool(self.content_problem) and moment - self._refused_at >= _TRY_AGAIN_SECONDS
            if (is_due or self._stamps() != self._seen) and self._reading.acquire(blocking=False):
                threading.Thread(target=self._read, args=[is_due], name="content", daemon=True).start()
        return self._served

    def told(self) -> tuple[str, dict[str, bool], bool]:
        """What is served: the content's version, for each decision whether it is off, whether content was refused."""
        served = self._served
        pack = served.prepared.pack
        return pack.version, {name: name in served.off for name in pack.decisions}, bool(self.content_problem)

    def _stamps(self) -> tuple[_Stamp, _Stamp]:
        return _stamp(self._settings.site), _stamp(self._settings.cards / LOCK)

    def _read(self, is_due: bool) -> None:
        try:
            stamps = self._stamps()
            if is_due or stamps[1] != self._seen[1]:
                self._read_content()
            if stamps[0] != self._seen[0]:
                self._read_site()
            self._seen = stamps
        except Exception as error:  # whatever befalls a folder; what is served goes on
            self._refuse_content(type(error).__name__)
        finally:
            self._reading.release()

    def _read_content(self) -> None:
        content = _copied(self._settings.cards, self._copies)
        try:
            problems = _check(content, self._settings)
            if not problems:
                served = self._prepared(content)
                if served.listed_ids() != self._served.listed_ids():
                    problems = [f"{self._settings.cards}: its services are others; they need a restart"]
        except ContentError as error:
            problems = list(error.problems)
        if problems:
            shutil.rmtree(content.parent, ignore_errors=True)
            self._refuse_content(problems[0].replace(str(content), str(self._settings.cards)))
            return
        self._served, self._content, old = served, content, self._content
        shutil.rmtree(old.parent, ignore_errors=True)
        self.content_problem = ""
        _log.info("content %s was taken up", served.prepared.pack.version)

    def _refuse_content(self, problem: str) -> None:
        self.content_problem, self._refused_at = problem, self._clock()
        _log.error("the content was refused, the old goes on: %s", problem)

    def _read_site(self) -> None:
        try:
            self._served = self._prepared(self._content)
            self.site_problem = ""
            _log.info("the site's settings were taken up")
        except ContentError as error:
            self.site_problem = error.problems[0]
            _log.error("the site's settings were refused, the old ones go on: %s", self.site_problem)

    def _prepared(self, content: Path) -> Served:
        return prepare(self._settings.model_copy(update={"cards": content}), self._key)


def _copied(cards: Path, into: Path) -> Path:
    """A copy of the content, with the fixtures that stand beside it within reach of ``check``."""
    folder = Path(tempfile.mkdtemp(dir=into))
    fixtures = cards.resolve().parent / "fixtures"
    if fixtures.is_dir():
        (folder / "fixtures").symlink_to(fixtures)
    return Path(shutil.copytree(cards, folder / "cards"))


def _check(content: Path, settings: Settings) -> list[str]:
    """What ``check`` finds, in a process of its own: it takes seconds, and libraries that do not serve (Z27)."""
    command = [sys.executable, "-m", "cds_service", "check", str(content), "--format", "json"]
    if settings.site is not None:
        command += ["--site", str(settings.site)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=_CHECK_SECONDS, check=False)
    if done.returncode == 0:
        return []
    try:
        return list(msgspec.json.decode(done.stdout, type=list[str])) or ["check failed"]
    except msgspec.DecodeError:
        return [f"check ended with {done.returncode}"]


def _stamp(path: Path | None) -> _Stamp:
    """What tells one state of a file from another; a missing file has one too."""
    try:
        told = path.stat() if path is not None else None
    except OSError:
        return (0, 0, 0)
    return (told.st_mtime_ns, told.st_size, told.st_ino) if told is not None else (0, 0, 0)
