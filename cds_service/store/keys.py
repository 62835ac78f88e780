"""Keys of uuids (Z18): one is made once and shared by every instance; all that were in use stay known."""

from __future__ import annotations

import hashlib
import secrets
from datetime import UTC, datetime

from sqlalchemy import Connection, select

from cds_service.store.tables import uuid_key
from cds_service.store.upsert import insert_new

_MADE = "made"


def make(connection: Connection) -> bytes:
    """The key of this store, made by the first instance that asked."""
    insert_new(connection, uuid_key, [_row(_MADE, secrets.token_bytes(32))])
    return bytes.fromhex(connection.execute(select(uuid_key.c.key).where(uuid_key.c.name == _MADE)).scalar_one())


def remember(connection: Connection, key: bytes) -> None:
    """Adds a key that came from elsewhere, so that its uuids are known after it has been changed."""
    if key not in known(connection):
        insert_new(connection, uuid_key, [_row(hashlib.sha256(key).hexdigest()[:16], key)])


def known(connection: Connection) -> tuple[bytes, ...]:
    """Every key that was ever in use, the latest first."""
    rows = connection.execute(select(uuid_key.c.key).order_by(uuid_key.c.since.desc()))
    return tuple(bytes.fromhex(key) for (key,) in rows)


def _row(name: str, key: bytes) -> dict[str, str | datetime]:
    return {"name": name, "key": key.hex(), "since": datetime.now(UTC)}
