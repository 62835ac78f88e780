"""Which calls a token was used for, shared by several processes through the database (Z28, SEC-14)."""

from __future__ import annotations

import hashlib
import threading
import time
from datetime import timedelta

from sqlalchemy import delete, select
from sqlalchemy.exc import SQLAlchemyError

from cds_service.store.database import StoreDown, describe_error, open_engine, read_url
from cds_service.store.migrate import bring_up_to_date
from cds_service.store.tables import token
from cds_service.store.upsert import insert_new

_SWEEP_EVERY_SECONDS = timedelta(minutes=1).total_seconds()
_PATIENCE = timedelta(seconds=1)


class UsedTokensInDatabase:
    """Remembers each token until it expires, for every process that uses the same database.

    Its commits do not wait for the disk, which spares every call that wait; after a loss of power a token of the last
    minutes could be used once more. It has an engine of its own and may be used from many threads.

    Raises:
        ValueError: the URL is not one of a database that is supported, or its driver is not installed.
    """

    def __init__(self, url: str) -> None:
        self._engine = open_engine(read_url(url), durable=False, patience=_PATIENCE)
        self._prepared = False
        self._sweep_at = 0.0
        self._sweeping = threading.Lock()

    def accept_use(self, issuer: str, jti: str, fingerprint: str, expires_at: float) -> bool:
        """Records that a token is used for a call; whether it may be, because it is new or the call is a retry.

        ``issuer`` and ``jti`` name the token, ``fingerprint`` the call (path, ``hookInstance`` and body).
        ``expires_at`` is when the token may be forgotten, in seconds since 1970.

        Raises:
            StoreDown: that cannot be known now.
        """
        token_id = hashlib.sha256(f"{issuer}\0{jti}".encode("utf-8", "surrogatepass")).hexdigest()
        row = {"id": token_id, "fingerprint": fingerprint, "expires_at": int(expires_at) + 1}
        try:
            if not self._prepared:
                bring_up_to_date(self._engine)
                self._prepared = True
            with self._engine.begin() as connection:
                if insert_new(connection, token, [row]) == 1:
                    accepted = True
                else:
                    first_use = connection.execute(select(token.c.fingerprint).where(token.c.id == token_id)).scalar()
                    accepted = first_use == fingerprint
            self._sweep()
        except (SQLAlchemyError, OSError) as error:
            self._prepared = False
            raise StoreDown(describe_error(error)) from None
        return accepted

    def close(self) -> None:
        """Closes the connections to the database."""
        self._engine.dispose()

    def _sweep(self) -> None:
        """Deletes expired tokens, at most once a minute."""
        if time.monotonic() < self._sweep_at or not self._sweeping.acquire(blocking=False):
            return
        try:
            self._sweep_at = time.monotonic() + _SWEEP_EVERY_SECONDS
            with self._engine.begin() as connection:
                connection.execute(delete(token).where(token.c.expires_at < int(time.time())))
        finally:
            self._sweeping.release()
