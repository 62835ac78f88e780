"""The store as the service uses it: one thread of each process talks to the database, everyone else waits for it.

So a database that hangs holds up feedback for a bounded time and nothing else, requests that arrive together share one
commit, and SQLite has one writer. Imports this room only.
"""

from __future__ import annotations

import atexit
import contextlib
import logging
import queue
import secrets
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future
from datetime import datetime
from multiprocessing.util import Finalize

from sqlalchemy import text
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from cds_service.store import kept_feedback, keys, tally
from cds_service.store.database import StoreDown, is_stale, open_engine, read_url, reading, why
from cds_service.store.entries import Entry
from cds_service.store.migrate import bring_up_to_date
from cds_service.store.rates import Comment, Day, Report, comments, days, report
from cds_service.store.tally import Tally

_log = logging.getLogger("cds_service")
_MOST_PER_COMMIT = 100
_PROBE_SECONDS = 1.0

_Job = tuple[Sequence[Entry], "Future[None]"]


class Store:
    """One process's way to its database; usable while that is down, and whole again when it is back.

    ``key`` is the key of uuids that the deployer has set, ``None`` to use the one kept in the store (Z18).
    ``flush_seconds`` is how often counts are written, ``wait_seconds`` how long feedback may take.

    Raises:
        ValueError: the URL is none, or its driver is not installed.
    """

    def __init__(
        self, url: str, key: bytes | None = None, *, flush_seconds: float = 10.0, wait_seconds: float = 3.0
    ) -> None:
        parsed = read_url(url)
        self.where = parsed.render_as_string(hide_password=True)
        self.key = key or b""
        self.problem = ""  # why the store could not be used when last asked, "" if it could
        self._engine = open_engine(parsed)
        self._flush_seconds = flush_seconds
        self._wait_seconds = wait_seconds
        self._tally = Tally()
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None
        self._busy_since: float | None = None
        self._prepared = False
        self._closed = False
        try:
            self._prepare()
        except Exception as error:
            self._failed(error)
            self.key = self.key or secrets.token_bytes(32)  # remembered as soon as the store is there
        self._known: tuple[bytes, ...] = self._known if self._prepared else (self.key,)
        self._engine.dispose()  # a process forked from here must not share a connection
        # Both, because a worker of multiprocessing leaves without the first, and any other without the second.
        atexit.register(self.close)
        Finalize(self, self.close, exitpriority=10)

    @property
    def keys(self) -> tuple[bytes, ...]:
        """Every key that a uuid of ours may have been made with; the one in use is among them."""
        return self._known

    def add(self, entries: Sequence[Entry]) -> None:
        """Keeps feedback, all or nothing; on disk when this returns. What is there already is passed over.

        Raises:
            StoreDown: it is not known to be kept; sending it again does no harm.
        """
        self._ask(entries, self._wait_seconds)

    def count(self, service: str, decision: str, rule: str, version: str, indicator: str) -> None:
        """Counts one card shown; written with the next batch."""
        self._tally.add(service, decision, rule, version, indicator)
        self._start()

    def reachable(self) -> bool:
        """Whether feedback would be kept now; known within a second or so."""
        try:
            self._ask((), _PROBE_SECONDS)
        except StoreDown:
            return False
        return True

    def report(self, since: datetime | None = None) -> Report:
        """What became of the cards, on a connection of the caller's own; counts may lag by one batch.

        Raises:
            StoreDown: the database cannot be read.
        """
        try:
            with reading(self._engine) as connection:
                return report(connection, since)
        except SQLAlchemyError as error:
            raise StoreDown(why(error)) from None

    def acceptance(self, since: datetime, most_comments: int) -> tuple[Report, list[Day], list[Comment]]:
        """The report since then, day by day too, and the latest comments.

        Raises:
            StoreDown: the database cannot be read.
        """
        try:
            with reading(self._engine) as connection:
                return report(connection, since), days(connection, since), comments(connection, most_comments)
        except SQLAlchemyError as error:
            raise StoreDown(why(error)) from None

    def close(self) -> None:
        """Writes what is left, within a bounded time, and lets the database go."""
        if self._closed:
            return
        self._closed = True
        atexit.unregister(self.close)
        thread, self._thread = self._thread, None
        if thread is not None and thread.is_alive():
            self._jobs.put(None)
            thread.join(self._wait_seconds)
            if thread.is_alive():
                return  # the database hangs; a lost batch of counts is acceptable
        if self._tally:
            self._flush()
        self._engine.dispose()

    def _ask(self, entries: Sequence[Entry], seconds: float) -> None:
        since = self._busy_since
        if since is not None and time.monotonic() - since > seconds:
            raise StoreDown("the database does not answer")  # whoever waited before has learned it already
        done: Future[None] = Future()
        self._start()
        self._jobs.put((entries, done))
        try:
            done.result(seconds)
        except TimeoutError:
            raise StoreDown("the database does not answer") from None

    def _start(self) -> None:
        """The thread begins with the first use, in the process that uses it: threads do not survive a fork."""
        if self._thread is None or not self._thread.is_alive():
            with self._starting:
                if self._thread is None or not self._thread.is_alive():
                    self._busy_since = None
                    self._thread = threading.Thread(target=self._work, name="store", daemon=True)
                    self._thread.start()

    def _work(self) -> None:
        tick = time.monotonic() + self._flush_seconds
        while True:
            jobs = []
            with contextlib.suppress(queue.Empty):
                jobs.append(self._jobs.get(timeout=max(0.0, tick - time.monotonic())))
                while len(jobs) < _MOST_PER_COMMIT:
                    jobs.append(self._jobs.get_nowait())
            self._busy_since = time.monotonic()
            asked = [job for job in jobs if job is not None]
            if asked:
                self._save(asked)
            if time.monotonic() >= tick:
                self._flush()
                tick = time.monotonic() + self._flush_seconds
            self._busy_since = None
            if None in jobs:
                return

    def _save(self, jobs: Sequence[_Job]) -> None:
        """One commit for all that have come together."""
        try:
            self._commit([entry for entries, _ in jobs for entry in entries])
        except Exception as error:
            if len(jobs) > 1 and not isinstance(error, OperationalError | StoreDown | OSError):
                for job in jobs:  # one of them is at fault: the others need not suffer
                    self._save([job])
                return
            self._failed(error)
            for _, done in jobs:
                done.set_exception(StoreDown(self.problem))
        else:
            self._worked()
            for _, done in jobs:
                done.set_result(None)

    def _commit(self, entries: Sequence[Entry], again: bool = True) -> None:
        try:
            self._prepare()
            with self._engine.begin() as connection:
                if entries:
                    kept_feedback.keep(connection, entries)
                else:
                    connection.execute(text("SELECT 1"))
        except SQLAlchemyError as error:
            if not (again and is_stale(error)):
                raise
            self._commit(entries, again=False)  # the server was restarted; what is sent twice is kept once

    def _flush(self) -> None:
        """Writes the counts gathered so far, and looks for keys of other instances."""
        counts = self._tally.take()
        try:
            self._prepare()
            if counts:
                with self._engine.begin() as connection:
                    tally.keep(connection, counts)
            with reading(self._engine) as connection:
                self._known = keys.known(connection)
        except Exception as error:
            self._tally.put_back(counts)
            self._failed(error)
        else:
            self._worked()

    def _prepare(self) -> None:
        """Tables as they should be and the key known; done once, and again after every failure."""
        if self._prepared:
            return
        bring_up_to_date(self._engine)
        with self._engine.begin() as connection:
            if not self.key:
                self.key = keys.make(connection)
            keys.remember(connection, self.key)
            self._known = keys.known(connection)
        self._prepared = True

    def _failed(self, error: Exception) -> None:
        problem, self._prepared = why(error), False
        if not self.problem:
            _log.error("the store cannot be used, feedback is refused and counts wait: %s", problem)
        self.problem = problem

    def _worked(self) -> None:
        if self.problem:
            _log.warning("the store is back")
        self.problem = ""
