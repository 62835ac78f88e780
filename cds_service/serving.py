"""What is being served now: content made ready, under the site's settings as they stand. Imports content and cards.

The site's file is looked at once a second at most; a changed one is read beside the requests and taken up whole, or
refused whole while the old one goes on (Z31: decisions are switched off without a restart).
"""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from cds_service.attribution import Attribution
from cds_service.cards import Evaluator
from cds_service.content.check import lock_problems
from cds_service.content.files import ContentError
from cds_service.content.load import load_pack
from cds_service.content.model import Pack
from cds_service.content.needs import searches_of
from cds_service.content.site import read_site
from cds_service.protocol.discovery import discovery
from cds_service.protocol.profiles import NAMES as PROFILES
from cds_service.settings import Settings

_log = logging.getLogger("cds_service")
_LOOK_EVERY_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Served:
    """One state of what is served.

    ``listed`` are the services as discovery lists them, ``catalogues`` its body by profile; ``off`` names the decisions
    that the site has switched off, ``attribution`` says whose card a uuid is.
    """

    evaluator: Evaluator
    listed: list[dict[str, Any]]
    catalogues: Mapping[str, bytes]
    off: tuple[str, ...]
    attribution: Attribution


def prepare(settings: Settings, key: bytes = b"") -> Served:
    """The content of the settings, compiled and verified against its lock, with the site's overlay.

    ``key`` makes uuids; without it that of the settings does, or else one of its own.

    Raises:
        ContentError: content or overlay cannot be used, or content is not the locked one; with file and line.
    """
    site = read_site(settings.site)
    pack = load_pack(settings.cards, site)
    unlocked = list(lock_problems(settings.cards, pack))
    if unlocked:
        raise ContentError(unlocked)
    shown = pack.reviewed or settings.accept_unreviewed_content or settings.loopback  # Z15
    key = key or settings.uuid_key() or secrets.token_bytes(32)
    evaluator = Evaluator.prepare(pack, zone=ZoneInfo(settings.time_zone), key=key, shown=shown)
    listed = services_of(pack)
    catalogues = {profile: msgspec.json.encode(discovery(listed, profile)) for profile in PROFILES}
    return Served(evaluator, listed, catalogues, site.off, Attribution.of(pack))


def services_of(pack: Pack) -> list[dict[str, Any]]:
    """The services of a pack as discovery lists them, prefetch templates from the declared facts."""
    return [
        {
            "hook": service.hook,
            "id": service.id,
            "title": service.title,
            "description": service.description,
            "usageRequirements": service.usage_requirements,
            "prefetch": {key: search.template for key, search in searches_of(pack, service).items()},
        }
        for service in pack.services.values()
    ]


class Serving:
    """Gives every request the latest state that could be used.

    ``problem`` is why the site's present file is not in use, ``""`` if it is.
    """

    def __init__(self, settings: Settings, key: bytes = b"", clock: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._key = key
        self._clock = clock
        self._seen = _stamp(settings.site)
        self._looked = clock()
        self._reading = threading.Lock()
        self._served = prepare(settings, key)
        self.problem = ""

    def now(self) -> Served:
        """What to answer with; starts reading a changed site file, and never waits for it."""
        if self._settings.site is not None and self._clock() - self._looked >= _LOOK_EVERY_SECONDS:
            self._looked = self._clock()
            if _stamp(self._settings.site) != self._seen and self._reading.acquire(blocking=False):
                threading.Thread(target=self._read, name="site", daemon=True).start()
        return self._served

    def _read(self) -> None:
        try:
            stamp = _stamp(self._settings.site)
            try:
                self._served = prepare(self._settings, self._key)
                self.problem = ""
                _log.info("the site's settings were taken up")
            except ContentError as error:
                self.problem = error.problems[0]
                _log.error("the site's settings were refused, the old ones go on: %s", self.problem)
            self._seen = stamp
        finally:
            self._reading.release()


def _stamp(path: Path | None) -> tuple[int, int]:
    """What tells one state of a file from another; a missing file has one too."""
    try:
        told = path.stat() if path is not None else None
    except OSError:
        return (0, 0)
    return (told.st_mtime_ns, told.st_size) if told is not None else (0, 0)
