"""Tokens of clients that were seen before, for several processes (Z28, SEC-14). Imports this room only."""

from __future__ import annotations

import hashlib
import threading
import time
from datetime import timedelta

from sqlalchemy import delete, select
from sqlalchemy.exc import SQLAlchemyError

from cds_service.store.database import StoreDown, open_engine, read_url, why
from cds_service.store.migrate import bring_up_to_date
from cds_service.store.tables import token
from cds_service.store.upsert import insert_new

_SWEEP_EVERY_SECONDS = timedelta(minutes=1).total_seconds()
_PATIENCE = timedelta(seconds=1)


class Replays:
    """Remembers each token until it expires, for every process that uses the same database.

    Its commits do not wait for the disk: after a loss of power a token of the last minutes could be used once more,
    and every call is spared the wait. The connection is its own, for use by the thread that asks.

    Raises:
        ValueError: the URL is none, or its driver is not installed.
    """

    def __init__(self, url: str) -> None:
        self._engine = open_engine(read_url(url), durable=False, patience=_PATIENCE)
        self._prepared = False
        self._sweep_at = 0.0
        self._sweeping = threading.Lock()

    def seen(self, issuer: str, jti: str, fingerprint: str, expires_at: float) -> bool:
        """Whether a token may be used: it is new, or a retry of the same call.

        ``fingerprint`` is of the call that it came with (hookInstance and body), ``expires_at`` seconds since 1970.

        Raises:
            StoreDown: that cannot be known now.
        """
        known_as = hashlib.sha256(f"{issuer}\0{jti}".encode("utf-8", "surrogatepass")).hexdigest()
        row = {"id": known_as, "fingerprint": fingerprint, "expires_at": int(expires_at) + 1}
        try:
            if not self._prepared:
                bring_up_to_date(self._engine)
                self._prepared = True
            with self._engine.begin() as connection:
                if insert_new(connection, token, [row]) == 1:
                    acceptable = True
                else:
                    first = connection.execute(select(token.c.fingerprint).where(token.c.id == known_as)).scalar()
                    acceptable = first == fingerprint
            self._sweep()
        except (SQLAlchemyError, OSError) as error:
            self._prepared = False
            raise StoreDown(why(error)) from None
        return acceptable

    def close(self) -> None:
        """Lets the database go."""
        self._engine.dispose()

    def _sweep(self) -> None:
        """Removes what has expired, once a minute at most."""
        if time.monotonic() < self._sweep_at or not self._sweeping.acquire(blocking=False):
            return
        try:
            self._sweep_at = time.monotonic() + _SWEEP_EVERY_SECONDS
            with self._engine.begin() as connection:
                connection.execute(delete(token).where(token.c.expires_at < int(time.time())))
        finally:
            self._sweeping.release()
