"""What is being served now: content made ready, under the site's settings as they stand.

The site's file and the content's lock are looked at once a second at most. What has changed is read beside the requests
and taken up whole, or refused whole while the old goes on (Z31: decisions are switched off without a restart). Content
is published by its lock: edits are left alone until ``check --update-lock`` has written the lock. Then the folder is
copied, the copy must be proved fit to be served, and the copy is what is served. The last copy that was good is kept
for the next start: what is broken meanwhile stops neither a worker that takes the place of a dead one nor a restart.
"""

from __future__ import annotations

import contextlib
import logging
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from cds_service.content.load import load_pack
from cds_service.content.lock import is_locked, read_lock
from cds_service.content.model import Pack
from cds_service.content.needs import templates_of
from cds_service.content.prepared import Prepared
from cds_service.content.reviews import ReviewState
from cds_service.content.site import read_site
from cds_service.packaged import fixtures_beside
from cds_service.protocol.discovery import discovery
from cds_service.protocol.profiles import NAMES as PROFILES
from cds_service.service.attribution import Attribution
from cds_service.service.kept_content import LOCK, KeptContent
from cds_service.settings import Settings
from cds_service.vocabulary.problems import ProblemsError

_log = logging.getLogger("cds_service")
_LOOK_EVERY_SECONDS = 1.0
_TRY_AGAIN_SECONDS = 10.0  # content may have been copied into place while it was read
_Stamp = tuple[int, int, int]
# What was made ready last, and of what: a worker that is forked finds it made by its parent.
_last: list[tuple[tuple[object, ...], Served]] = []


@dataclass(frozen=True, slots=True)
class Served:
    """One state of what is served.

    ``listed`` are the services as discovery lists them, ``catalogues`` its body by profile; ``off`` names the decisions
    that the site has switched off, ``rules_off`` the topics of its single rules, ``attribution`` says whose card a uuid
    is.
    """

    prepared: Prepared
    listed: list[dict[str, Any]]
    catalogues: Mapping[str, bytes]
    off: tuple[str, ...]
    rules_off: tuple[str, ...]
    attribution: Attribution

    def listed_ids(self) -> list[tuple[str, str]]:
        """What the application was built for: the hook and id of each service."""
        return [(service["hook"], service["id"]) for service in self.listed]


def prepare(settings: Settings, key: bytes = b"") -> Served:
    """The content of the settings, compiled and verified against its lock, with the site's overlay.

    ``key`` makes uuids; without it that of the settings does, or else one of its own.

    Raises:
        ProblemsError: content or overlay cannot be used, or the content is not the locked one.
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
        from cds_service.content.proof.versions import lock_problems

        raise ProblemsError(lock_problems(settings.cards, pack))
    shown = pack.is_reviewed or shows  # Z15
    prepared = Prepared.of(pack, zone=ZoneInfo(settings.time_zone), key=key, shown=shown)
    listed = services_of(pack)
    catalogues = {profile: msgspec.json.encode(discovery(listed, profile)) for profile in PROFILES}
    served = Served(prepared, listed, catalogues, site.off, tuple(site.rules_off), Attribution.of(pack))
    _last[:] = [(asked, served)]
    return served


@dataclass(frozen=True, slots=True)
class Begun:
    """What a start begins with. ``content`` is the folder that it was read from, ``site`` the site's file.

    ``content_problem`` and ``site_problem`` say why the last good ones are served instead of the present ones, ``""``
    if they are not.
    """

    served: Served
    content: Path
    site: Path | None
    content_problem: str = ""
    site_problem: str = ""


def begin(settings: Settings, key: bytes = b"") -> Begun:
    """The present content and the site's present file made ready; of what cannot be used, the last that was good.

    Raises:
        ProblemsError: they cannot be used, and nothing was kept.
    """
    kept = KeptContent(settings.state, settings.cards, settings.site)
    content, site = kept.copy(), settings.site
    try:
        served = _prepared(settings, content, site, key)
    except ProblemsError as error:
        first, good = error, kept.good()
    else:
        kept.keep(content, site)
        return Begun(served, content, site)
    if good is None:
        raise first
    problem = _told(first, content, settings.cards)
    for old, old_site in ((good.cards, site), (content, good.site), (good.cards, good.site)):
        with contextlib.suppress(ProblemsError):
            return Begun(
                _prepared(settings, old, old_site, key),
                old,
                old_site,
                content_problem=problem if old != content else "",
                site_problem=problem if old_site != site else "",
            )
    raise first


def _prepared(settings: Settings, cards: Path, site: Path | None, key: bytes) -> Served:
    return prepare(settings.model_copy(update={"cards": cards, "site": site}), key)


def _told(error: ProblemsError, content: Path, cards: Path) -> str:
    """The first problem of the copy ``content``, as one of the folder ``cards`` that was copied."""
    problem = error.problems[0]
    if problem.path.is_relative_to(content):
        problem = replace(problem, path=cards / problem.path.relative_to(content))
    return str(problem)


def services_of(pack: Pack) -> list[dict[str, Any]]:
    """The services of a pack as discovery lists them, prefetch templates from the declared facts."""
    return [
        {
            "hook": service.hook,
            "id": service.id,
            "title": service.title,
            "description": service.description,
            "usageRequirements": " ".join(filter(None, [service.usage_requirements, pack.intended_use])),
            "prefetch": templates_of(pack, service),
        }
        for service in pack.services.values()
    ]


@dataclass(frozen=True, slots=True)
class ServedStatus:
    """What ``/metrics`` says of the content that is served.

    ``off`` says of every decision whether the site has switched it off, ``content_refused`` whether the folder holds
    newer content that was refused. ``rules_off`` are the topics of single rules that are switched off, ``review`` is
    whether a clinical review counts.
    """

    version: str
    off: Mapping[str, bool]
    content_refused: bool
    rules_off: tuple[str, ...] = ()
    review: ReviewState = ReviewState.NONE


class ServedContent:
    """Gives every request the latest state that could be used.

    ``site_problem`` is why the site's present file is not in use, ``content_problem`` why the content's present folder
    is not; ``""`` if they are.

    Raises:
        ProblemsError: content or overlay cannot be used at the start, or the content is not the locked one.
    """

    def __init__(self, settings: Settings, key: bytes = b"", clock: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._key = key
        self._clock = clock
        self._kept = KeptContent(settings.state, settings.cards, settings.site)
        self._seen = self._stamps()
        self._looked = self._refused_at = clock()
        self._reading = threading.Lock()
        begun = begin(settings, key)
        self._served, self._content, self._site = begun.served, begun.content, begun.site
        self.site_problem = self.content_problem = ""
        if begun.content_problem:
            self._refuse_content(begun.content_problem)
        if begun.site_problem:
            self._refuse_site(begun.site_problem)

    def now(self) -> Served:
        """What to answer with; starts reading what has changed, and never waits for it."""
        moment = self._clock()
        if moment - self._looked >= _LOOK_EVERY_SECONDS:
            self._looked = moment
            is_due = bool(self.content_problem) and moment - self._refused_at >= _TRY_AGAIN_SECONDS
            if (is_due or self._stamps() != self._seen) and self._reading.acquire(blocking=False):
                threading.Thread(target=self._read, args=[is_due], name="content", daemon=True).start()
        return self._served

    def released(self) -> tuple[Prepared, Path]:
        """The content that is served now, and the folder that it was read from."""
        return self._served.prepared, self._content

    def status(self) -> ServedStatus:
        """What is served, in few words."""
        served = self._served
        pack = served.prepared.pack
        off = {name: name in served.off for name in pack.decisions}
        review = served.prepared.standing(datetime.now(UTC)).state
        return ServedStatus(pack.version, off, bool(self.content_problem), served.rules_off, review)

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
        cards, content = self._settings.cards, self._kept.copy()
        try:
            served = self._proved(content)
        except ProblemsError as error:
            self._refuse_content(_told(error, content, cards))
            return
        if served.listed_ids() != self._served.listed_ids():
            self._refuse_content(f"{cards}: its services are others; they need a restart")
            return
        self._served, self._content = served, content
        self._kept.keep(content, self._site)
        self.content_problem = ""
        _log.info("content %s was taken up", served.prepared.pack.version)

    def _proved(self, content: Path) -> Served:
        """A copy of the content made ready.

        Raises:
            ProblemsError: it is not fit to be served.
        """
        from cds_service.prove import prove_in_child  # what a start need not wait for

        settings = self._settings
        fixtures = fixtures_beside(settings.cards)
        problems = prove_in_child(content, site=self._site, fixtures=fixtures, zone=settings.time_zone)
        if problems:
            raise ProblemsError(problems)
        return _prepared(settings, content, self._site, self._key)

    def _refuse_content(self, problem: str) -> None:
        self.content_problem, self._refused_at = problem, self._clock()
        _log.error("the content was refused, the old goes on: %s", problem)

    def _read_site(self) -> None:
        try:
            self._served = _prepared(self._settings, self._content, self._settings.site, self._key)
        except ProblemsError as error:
            self._refuse_site(str(error.problems[0]))
            return
        self._site, self.site_problem = self._settings.site, ""
        self._kept.keep(self._content, self._site)
        _log.info("the site's settings were taken up")

    def _refuse_site(self, problem: str) -> None:
        self.site_problem = problem
        _log.error("the site's settings were refused, the old ones go on: %s", problem)


def _stamp(path: Path | None) -> _Stamp:
    """What tells one state of a file from another; a missing file has one too."""
    try:
        status = path.stat() if path is not None else None
    except OSError:
        return (0, 0, 0)
    return (status.st_mtime_ns, status.st_size, status.st_ino) if status is not None else (0, 0, 0)
