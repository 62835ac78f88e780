"""The store as the service uses it: one thread of each process writes to the database, and requests wait for it.

Therefore a database that hangs delays feedback for a bounded time and nothing else, feedback that arrives together
shares one commit, and each process is a single writer to SQLite.
"""

from __future__ import annotations

import atexit
import contextlib
import logging
import secrets
from collections.abc import Collection, Iterable, Sequence
from concurrent.futures import Future
from datetime import UTC, datetime
from multiprocessing.util import Finalize
from typing import TYPE_CHECKING

from cds_service.store.database import DatabaseFault, StoreDown, describe_error, file_of, read_url
from cds_service.store.entries import Entry
from cds_service.store.figures import Acceptance, CallCount, NotUnderstoodDay, Report, RuleHistory, WatchedService
from cds_service.store.held_connection import HeldConnection
from cds_service.store.kept_feedback import probe, save_feedback
from cds_service.store.own_thread import OwnThread
from cds_service.store.revision import prepare_tables
from cds_service.store.tally import (
    CallOfDay,
    CardOfDay,
    Counted,
    JudgedOfDay,
    NotUnderstoodOfDay,
    Tally,
    save_counts,
)
from cds_service.store.uuid_keys import known_keys, share_key

if TYPE_CHECKING:
    from cds_service.store.read_reports import Reports

_log = logging.getLogger("cds_service")
FLUSH_SECONDS = 2.0
_PROBE_SECONDS = 1.0

# Entries to write, none for a probe, and the future that is done when they are on disk.
_Job = tuple[Sequence[Entry], "Future[None]"]


class Store:
    """The database as one process uses it, from many threads. It can be made and used while the database is down.

    ``key`` is the key of uuids that the deployer has set, ``None`` to use the one kept in the store (Z18). Counts are
    written every ``flush_seconds``. Feedback waits for the database for at most ``wait_seconds``.

    ``where`` is the URL without its password. ``problem`` says why the store could not be used when it was last tried,
    ``""`` if it could.

    Raises:
        ValueError: the URL is not one of a database that is supported, or its driver is not installed.
    """

    def __init__(
        self, url: str, key: bytes | None = None, *, flush_seconds: float = FLUSH_SECONDS, wait_seconds: float = 3.0
    ) -> None:
        self._address = read_url(url)
        self.where = self._address.shown
        self.key = key or b""
        self.problem = ""
        self._connection = HeldConnection(self._address)
        self._opened_reports: Reports | None = None
        self._wait_seconds = wait_seconds
        self._tally = Tally()
        self._thread: OwnThread[Sequence[Entry], None] = OwnThread("store", self._save, self._flush, flush_seconds)
        self._flush_wanted = False
        self._prepared = False
        self._file = file_of(self._address)
        self._closed = False
        try:
            self._prepare()
        except Exception as error:
            self._failed(error)
            self.key = self.key or secrets.token_bytes(32)  # written as soon as the database is there
        self._known: tuple[bytes, ...] = self._known if self._prepared else (self.key,)
        self._connection.close()  # a process forked from here must not share a connection
        # A worker of multiprocessing ends without calling atexit, any other process without calling Finalize.
        atexit.register(self.close)
        Finalize(self, self.close, exitpriority=10)

    @property
    def keys(self) -> tuple[bytes, ...]:
        """Every key that one of our uuids may have been made with, the one in use among them."""
        return self._known

    def add(self, entries: Sequence[Entry]) -> None:
        """Writes feedback, all or nothing; it is on disk when this returns. Entries that are there already are skipped.

        Raises:
            StoreDown: the feedback may not be written; to send it again does no harm.
        """
        self._thread.ask(entries, self._wait_seconds)

    def count(self, service: str, decision: str, rule: str, version: str, indicator: str) -> None:
        """Counts one card that is shown now; the count is written with the next batch."""
        self._tally.add([CardOfDay(datetime.now(UTC).date(), service, decision, rule, version, indicator)])
        self._thread.start()

    def count_call(
        self,
        service: str,
        version: str,
        not_understood: Iterable[tuple[str, str]] = (),
        *,
        judged_under: str | None = None,
    ) -> None:
        """Counts one call that is answered now by the content of this version.

        ``not_understood`` is what it sent that nothing understood: kind and code system of each (Z54). It is written
        like the cards. ``judged_under`` is the digest of the site's settings if an order of the call was judged and
        could have been shown a card, else ``None``.
        """
        day = datetime.now(UTC).date()
        counted: list[Counted] = [CallOfDay(day, service, version)]
        if judged_under is not None:
            counted.append(JudgedOfDay(day, service, version, judged_under))
        counted += [NotUnderstoodOfDay(day, service, kind, system) for kind, system in not_understood]
        self._tally.add(counted)
        self._thread.start()

    def reachable(self) -> bool:
        """Whether feedback could be written now, found out by writing; answers within about a second."""
        try:
            self._thread.ask((), _PROBE_SECONDS)
        except StoreDown:
            return False
        return True

    def services(self) -> set[str]:
        """The ids of all services of which anything is kept, ``""`` for what was counted without one.

        Raises:
            StoreDown: the database cannot be read.
        """
        return self._reports().services()

    def report(self, since: datetime | None = None, services: Collection[str] | None = None) -> Report:
        """What became of the cards shown from ``since`` on, at ``services`` or, without them, at all. Counts that other
        processes have not written yet are
        missing, those of the last ``FLUSH_SECONDS`` usually.

        Raises:
            StoreDown: the database cannot be read.
        """
        return self._reports().report(since, services)

    def acceptance(self, since: datetime, max_comments: int, services: Collection[str] | None = None) -> Acceptance:
        """The report from ``since`` on, the same day by day, and at most ``max_comments`` of the latest comments; of
        ``services`` alone if given.

        Raises:
            StoreDown: the database cannot be read.
        """
        return self._reports().acceptance(since, max_comments, services)

    def rule_history(self, decision: str, rule: str, services: Collection[str] | None = None) -> RuleHistory:
        """What became of the cards of a rule, by the id of its decision and its own, from the beginning on; at
        ``services`` alone if given.

        Raises:
            StoreDown: the database cannot be read.
        """
        return self._reports().rule_history(decision, rule, services)

    def not_understood(
        self, since: datetime, services: Collection[str] | None = None
    ) -> tuple[list[NotUnderstoodDay], list[CallCount]]:
        """What was sent from ``since`` on and not understood, day by day, and how many calls were counted; of
        ``services`` alone if given.

        Raises:
            StoreDown: the database cannot be read.
        """
        return self._reports().not_understood(since, services)

    def watched(self, since: datetime, version: str, services: Collection[str]) -> list[WatchedService]:
        """What the content of this version, and it alone, has judged and shown at ``services`` from ``since`` on.

        Raises:
            StoreDown: the database cannot be read.
        """
        return self._reports().watched(since, version, services)

    def close(self) -> None:
        """Writes what is left, within a bounded time, and closes the connections to the database."""
        if self._closed:
            return
        self._closed = True
        atexit.unregister(self.close)
        if self._opened_reports is not None:
            self._opened_reports.close()
        if not self._thread.end(self._wait_seconds):
            return  # the database hangs; a lost batch of counts is acceptable
        if self._tally:
            self._flush()
        self._connection.close()

    def _reports(self) -> Reports:
        """What reads reports, after the thread has written what this process has counted, which is waited for as long
        as feedback would wait.
        """
        if self._tally:
            self._flush_wanted = True
            with contextlib.suppress(StoreDown):  # whoever reads next says so
                self._thread.ask((), self._wait_seconds)
        if self._opened_reports is None:
            from cds_service.store.read_reports import Reports

            self._opened_reports = Reports(self._address)
        return self._opened_reports

    def _save(self, jobs: Sequence[_Job]) -> None:
        """Saves jobs that came together with one commit, and completes their futures; counts first, if one wants it."""
        if self._flush_wanted:
            self._flush_wanted = False
            self._flush()
        try:
            self._commit([entry for entries, _ in jobs for entry in entries])
        except Exception as error:
            if len(jobs) > 1 and not _befalls_all(error):
                for job in jobs:  # one of them is at fault, and the others need not fail with it
                    self._save([job])
                return
            self._failed(error)
            for _, done in jobs:
                done.set_exception(StoreDown(self.problem))
        else:
            self._worked()
            for _, done in jobs:
                done.set_result(None)

    def _commit(self, entries: Sequence[Entry], may_retry: bool = True) -> None:
        try:
            self._prepare()
            with self._connection.writing() as statements:
                save_feedback(statements, entries) if entries else probe(statements)
        except DatabaseFault as fault:
            if not (may_retry and fault.was_lost):
                raise
            # The server was restarted. If it had written the entries before, they are skipped now.
            self._commit(entries, may_retry=False)
            return
        if file_of(self._address) != self._file:  # it was taken away while it was written to
            if not may_retry:
                raise StoreDown("its file is taken away again and again")
            self._commit(entries, may_retry=False)

    def _flush(self) -> None:
        """Writes the counts gathered so far, and reads the keys that other instances have added."""
        counts = self._tally.take()
        try:
            self._prepare()
            if counts:
                with self._connection.writing() as statements:
                    save_counts(statements, counts)
            self._known = known_keys(self._connection)
        except Exception as error:
            self._tally.put_back(counts)
            self._failed(error)
        else:
            self._worked()

    def _prepare(self) -> None:
        """Creates or changes the tables and writes the key: once, after every failure, and in every other file."""
        file = file_of(self._address)
        if self._prepared and file == self._file:
            return
        if self._prepared:
            self._connection.close()  # nothing may still be open of the old one when the new one is made
            _log.error("the file of the store was deleted or replaced: what was in it is gone, another one is written")
        prepare_tables(self._address, self._connection)
        self.key = share_key(self._connection, self.key)
        self._known = known_keys(self._connection)
        self._file, self._prepared = file_of(self._address), True

    def _failed(self, error: Exception) -> None:
        problem, self._prepared = describe_error(error), False
        if not self.problem:
            _log.error("the store cannot be used, feedback is refused and counts wait: %s", problem)
        self.problem = problem

    def _worked(self) -> None:
        if self.problem:
            _log.warning("the store is back")
        self.problem = ""


def _befalls_all(error: Exception) -> bool:
    """Whether it is the database that is at fault, and not what one of several has to be written."""
    return isinstance(error, StoreDown | OSError) or (isinstance(error, DatabaseFault) and error.is_operational)
