"""Keeps what is served up to date: gives every request the latest state that could be used.

The site's file and the lock of each pack are looked at once a second at most. What has changed is read beside the
requests and taken up whole, or refused whole while the old goes on (Z31: decisions are switched off without a restart).
A pack is published by its lock: edits are left alone until ``check --update-lock`` has written the lock. Then its
folder is copied, the copy must be proved fit to be served, and the copy is what is served. The last copy that was good
is kept for the next start: what is broken meanwhile stops neither a worker that takes the place of a dead one nor a
restart. A pack that could not be served at the start is taken up once it can be.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cds_service.content.lock import LOCK
from cds_service.content.packs import own_fixtures
from cds_service.content.prepared import Prepared
from cds_service.content.reviews import ReviewState
from cds_service.content.site import read_site
from cds_service.content.site_parts import divided, with_others
from cds_service.service.served import Served, ServedPack, read_locked, served_pack
from cds_service.service.start import PackState, begin, folders_of, served_of
from cds_service.settings import Settings
from cds_service.vocabulary.problems import Problem, ProblemsError

_log = logging.getLogger("cds_service")
_LOOK_EVERY_SECONDS = 1.0
_TRY_AGAIN_SECONDS = 10.0  # content may have been copied into place while it was read
_Stamp = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class ServedStatus:
    """What ``/metrics`` says of one pack.

    ``version`` is ``""`` while the pack is not served. ``off`` says of every decision whether the site has switched it
    off, ``content_refused`` whether its folder holds content that was refused. ``rules_off`` are the topics of single
    rules that are switched off, ``review`` is whether a clinical review counts, ``shown`` whether cards are shown.
    """

    pack: str
    version: str
    off: Mapping[str, bool]
    content_refused: bool
    rules_off: tuple[str, ...] = ()
    review: ReviewState = ReviewState.NONE
    shown: bool = False


class ServedContent:
    """Gives every request the latest state that could be used.

    ``site_problem`` is why the site's present file is not in use, ``""`` if it is.

    Raises:
        ProblemsError: no pack or not the overlay can be used at the start.
    """

    def __init__(self, settings: Settings, key: bytes = b"", clock: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._key = key
        self._clock = clock
        folders = folders_of(settings)
        self._watched = [settings.site, *(folder / LOCK for folder in folders)]
        self._seen = self._stamps()
        begun = begin(settings, key, folders)
        self._packs, self._site, self._served = begun.packs, begun.site, begun.served
        self._looked = self._refused_at = clock()
        self._reading = threading.Lock()
        self.site_problem = ""
        for state in self._packs:
            if state.problems:
                self._tell_of_refused(state)
            elif state.is_edited:
                _log.warning("%s is served as it was locked; its files have changed since", state.id)
        if begun.site_problem:
            self._refuse_site(begun.site_problem)

    def now(self) -> Served:
        """What to answer with; starts reading what has changed, and never waits for it."""
        moment = self._clock()
        if moment - self._looked >= _LOOK_EVERY_SECONDS:
            self._looked = moment
            is_due = moment - self._refused_at >= _TRY_AGAIN_SECONDS and any(state.problems for state in self._packs)
            if (is_due or self._stamps() != self._seen) and self._reading.acquire(blocking=False):
                threading.Thread(target=self._read, args=[is_due], name="content", daemon=True).start()
        return self._served

    def serves(self, service: str) -> bool:
        """Whether there is a service of this id."""
        return service in self._served.services

    def hook_of(self, service: str) -> str:
        """The hook of the service of this id.

        Raises:
            KeyError: there is none.
        """
        return self._served.services[service][1].hook

    def prepared_for(self, service: str) -> Prepared:
        """The pack that answers the service of this id, made ready.

        Raises:
            KeyError: there is none.
        """
        return self._served.services[service][0].prepared

    def packs(self) -> Sequence[PackState]:
        """Every pack of the settings, those that are not served among them."""
        return self._packs

    def statuses(self) -> list[ServedStatus]:
        """What is served of each pack, in few words."""
        return [_status(state) for state in self._packs]

    def _stamps(self) -> list[_Stamp]:
        return [_stamp(path) for path in self._watched]

    def _read(self, is_due: bool) -> None:
        try:
            stamps = self._stamps()
            for state, new, old in zip(self._packs, stamps[1:], self._seen[1:], strict=True):
                if new != old or (is_due and state.problems):
                    self._read_pack(state)
            if stamps[0] != self._seen[0]:
                self._read_site()
            self._seen = stamps
        except Exception as error:  # whatever befalls a file; what is served goes on
            self._refuse_site(type(error).__name__)
        finally:
            self._reading.release()

    def _read_pack(self, state: PackState) -> None:
        """Takes up the present content of a pack, if it is fit to be served."""
        try:
            content = state.kept.copy()
            served = self._proved(state, content)
        except ProblemsError as error:
            self._refuse(state, error.problems)
            return
        except Exception as error:  # whatever befalls one folder; the other packs go on
            self._refuse(state, [state.surprise(error)])
            return
        if state.served is not None and served.listed_ids() != state.served.listed_ids():
            text = "its services are others; they need a restart"
            self._refuse(state, [Problem(state.folder, 1, "content", text)])
            return
        state.served, state.content, state.problems = served, content, ()
        self._served = served_of(self._packs)
        state.kept.keep(content, self._site)
        _log.info("content %s %s was taken up", state.id, served.pack.version)
        _tell_of_rules_off([served])

    def _proved(self, state: PackState, content: Path) -> ServedPack:
        """A pack made ready from ``content``, its folder or a copy of it.

        Raises:
            ProblemsError: it is not fit to be served.
        """
        from cds_service.prove import prove_in_child  # what a start need not wait for

        settings = self._settings
        others = [other for other in self._packs if other is not state]
        problems = prove_in_child(
            content,
            site=self._site,
            fixtures=own_fixtures(state.folder),
            zone=settings.time_zone,
            beside=[other.content for other in others],
        )
        try:
            if problems:
                raise ProblemsError(problems)
            read = read_locked(content)
            parts = divided(
                read_site(self._site),
                with_others(state.id, read.names, {other.id: other.served.names for other in others if other.served}),
                [other.id for other in others if not other.served],
            )
            before = [other.served for other in others if other.served]
            return served_pack(read, parts[state.id], settings, self._key, before)
        except ProblemsError as error:
            raise state.told(error, content) from None

    def _refuse(self, state: PackState, problems: Iterable[Problem]) -> None:
        state.problems, self._refused_at = tuple(problems), self._clock()
        self._tell_of_refused(state)

    def _tell_of_refused(self, state: PackState) -> None:
        goes_on = "the old goes on" if state.served is not None else "its services are not served"
        _log.error("the content of %s was refused, %s: %s", state.id, goes_on, state.problem)

    def _read_site(self) -> None:
        """Takes up the site's present file for all packs that are served, or for none."""
        served = [state for state in self._packs if state.served is not None]
        ready: list[ServedPack] = []
        try:
            reads = [read_locked(state.content) for state in served]
            names = {state.id: read.names for state, read in zip(served, reads, strict=True)}
            unread = [state.id for state in self._packs if state.served is None]
            parts = divided(read_site(self._settings.site), names, unread)
            for state, read in zip(served, reads, strict=True):
                ready.append(served_pack(read, parts[state.id], self._settings, self._key, ready))
        except ProblemsError as error:
            self._refuse_site(str(error.problems[0]))
            return
        for state, one in zip(served, ready, strict=True):
            state.served = one
        self._served = served_of(self._packs)
        self._site, self.site_problem = self._settings.site, ""
        for state in served:
            state.kept.keep(state.content, self._site)
        _log.info("the site's settings were taken up")
        _tell_of_rules_off(ready)

    def _refuse_site(self, problem: str) -> None:
        self.site_problem = problem
        _log.error("the site's settings were refused, the old ones go on: %s", problem)


def _tell_of_rules_off(served: Iterable[ServedPack]) -> None:
    """Says which rules stay off: what was switched off under other content goes on beside this one, and is unseen."""
    if off := [told for one in served for told in one.withdrawn]:
        _log.warning("rules that the site has switched off: %s", ", ".join(off))


def _status(state: PackState) -> ServedStatus:
    refused, served = bool(state.problems), state.served
    if served is None:
        return ServedStatus(state.id, "", {}, refused)
    return ServedStatus(
        state.id,
        served.pack.version,
        {name: name in served.off for name in served.pack.decisions},
        refused,
        served.rules_off,
        served.prepared.standing(datetime.now(UTC)).state,
        served.prepared.shown,
    )


def _stamp(path: Path | None) -> _Stamp:
    """What tells one state of a file from another; a missing file has one too."""
    try:
        status = path.stat() if path is not None else None
    except OSError:
        return (0, 0, 0)
    return (status.st_mtime_ns, status.st_size, status.st_ino) if status is not None else (0, 0, 0)
