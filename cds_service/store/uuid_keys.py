"""Keys that the uuids of cards are made with (Z18).

One key is made once and shared by every instance. All keys that were ever in use stay known, so that feedback about
older cards is still recognised.
"""

from __future__ import annotations

import hashlib
import secrets
from datetime import UTC, datetime

from sqlalchemy import Connection, select

from cds_service.store.tables import uuid_key
from cds_service.store.upsert import insert_new

_MADE_HERE = "made"


def make_key(connection: Connection) -> bytes:
    """The key of this store, made by the first instance that asks for it: 32 random bytes."""
    insert_new(connection, uuid_key, [_row(_MADE_HERE, secrets.token_bytes(32))])
    return bytes.fromhex(connection.execute(select(uuid_key.c.key).where(uuid_key.c.name == _MADE_HERE)).scalar_one())


def remember_key(connection: Connection, key: bytes) -> None:
    """Adds a key that the deployer has set, so that its uuids are recognised after another key is set."""
    if key not in known_keys(connection):
        insert_new(connection, uuid_key, [_row(hashlib.sha256(key).hexdigest()[:16], key)])


def known_keys(connection: Connection) -> tuple[bytes, ...]:
    """Every key that was ever in use, the latest first."""
    rows = connection.execute(select(uuid_key.c.key).order_by(uuid_key.c.since.desc()))
    return tuple(bytes.fromhex(key) for (key,) in rows)


def _row(name: str, key: bytes) -> dict[str, str | datetime]:
    return {"name": name, "key": key.hex(), "since": datetime.now(UTC)}
