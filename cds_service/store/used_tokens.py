"""Which calls a token was used for, shared by several processes through the database (Z28, SEC-14)."""

from __future__ import annotations

import contextlib
import hashlib
import time
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import timedelta

from cds_service.store.database import DatabaseFault, StoreDown, describe_error, file_of, read_url
from cds_service.store.held_connection import HeldConnection, Statements
from cds_service.store.own_thread import OwnThread
from cds_service.store.revision import prepare_tables
from cds_service.store.upsert import insert_new

_SWEEP_EVERY_SECONDS = timedelta(minutes=1).total_seconds()
_PATIENCE = timedelta(seconds=1)
_NOT_PREPARED = object()
_ADD = insert_new("token", ("id", "fingerprint", "expires_at"))


@dataclass(frozen=True, slots=True)
class _Use:
    """A row of the table: a token, the call that it is used for, and when it expires in seconds since 1970."""

    id: str
    fingerprint: str
    expires_at: int


class UsedTokensInDatabase:
    """Remembers each token until it expires, for every process that uses the same database.

    Its commits do not wait for the disk, which spares every call that wait; after a loss of power a token of the last
    minutes could be used once more. It has a connection and a thread of its own and may be used from many threads: a
    database that hangs costs each call ``wait_seconds`` at most, and all but one call nothing.

    Raises:
        ValueError: the URL is not one of a database that is supported, or its driver is not installed.
    """

    def __init__(self, url: str, wait_seconds: float = 0.3) -> None:
        self._address = read_url(url)
        self._connection = HeldConnection(self._address, durable=False, patience=_PATIENCE)
        self._wait_seconds = wait_seconds
        self._thread: OwnThread[_Use, bool] = OwnThread("used tokens", self._record, self._sweep, _SWEEP_EVERY_SECONDS)
        self._prepared_for: object = _NOT_PREPARED
        with contextlib.suppress(Exception):  # then it is tried again by the first call, which may not wait for long
            self._prepare()
        self._connection.close()  # a process forked from here must not share a connection

    def accept_use(self, issuer: str, jti: str, fingerprint: str, expires_at: float) -> bool:
        """Records that a token is used for a call; whether it may be, because it is new or the call is a retry.

        ``issuer`` and ``jti`` name the token, ``fingerprint`` the call (path, ``hookInstance`` and body).
        ``expires_at`` is when the token may be forgotten, in seconds since 1970.

        Raises:
            StoreDown: that cannot be known now. The token may count as used for this call all the same.
        """
        token_id = hashlib.sha256(f"{issuer}\0{jti}".encode("utf-8", "surrogatepass")).hexdigest()
        return self._thread.ask(_Use(token_id, fingerprint, int(expires_at) + 1), self._wait_seconds)

    def close(self) -> None:
        """Closes the connection to the database."""
        if self._thread.end(self._wait_seconds):
            self._connection.close()

    def _record(self, uses: Sequence[tuple[_Use, Future[bool]]]) -> None:
        try:
            self._prepare()
            with self._connection.writing() as statements:
                accepted = [_accepted(statements, use) for use, _ in uses]
        except Exception as error:
            self._prepared_for = _NOT_PREPARED
            for _, done in uses:
                done.set_exception(StoreDown(describe_error(error)))
            return
        for (_, done), is_accepted in zip(uses, accepted, strict=True):
            done.set_result(is_accepted)

    def _prepare(self) -> None:
        if self._prepared_for != file_of(self._address):
            prepare_tables(self._address, self._connection)
            self._prepared_for = file_of(self._address)

    def _sweep(self) -> None:
        """Deletes expired tokens."""
        with contextlib.suppress(DatabaseFault, OSError), self._connection.writing() as statements:
            statements.run("DELETE FROM token WHERE expires_at < ?", [int(time.time())])


def _accepted(statements: Statements, use: _Use) -> bool:
    if statements.run(_ADD, (use.id, use.fingerprint, use.expires_at)) == 1:
        return True
    return statements.read("SELECT fingerprint FROM token WHERE id = ?", [use.id]) == [(use.fingerprint,)]
