"""Keys that the uuids of cards are made with (Z18).

One key is made once and shared by every instance. All keys that were ever in use stay known, so that feedback about
older cards is still recognised.
"""

from __future__ import annotations

import hashlib
import secrets
from datetime import UTC, datetime

from cds_service.store.held_connection import HeldConnection
from cds_service.store.upsert import insert_new

_MADE_HERE = "made"
_ADD = insert_new("uuid_key", ("name", "key", "since"))


def share_key(connection: HeldConnection, key: bytes) -> bytes:
    """The key to use: ``key``, which a deployer has set and is remembered, so that its uuids are recognised after
    another is set; if it is empty, that of this store, 32 random bytes that the first instance which asks makes.

    Raises:
        DatabaseFault, OSError: as ``HeldConnection.writing``.
    """
    with connection.writing() as statements:
        if not key:
            statements.run(_ADD, (_MADE_HERE, secrets.token_bytes(32).hex(), datetime.now(UTC)))
            ((made,),) = statements.read("SELECT key FROM uuid_key WHERE name = ?", [_MADE_HERE])
            return bytes.fromhex(made)
        if not statements.read("SELECT 1 FROM uuid_key WHERE key = ?", [key.hex()]):
            statements.run(_ADD, (hashlib.sha256(key).hexdigest()[:16], key.hex(), datetime.now(UTC)))
        return key


def known_keys(connection: HeldConnection) -> tuple[bytes, ...]:
    """Every key that was ever in use, the latest first.

    Raises:
        DatabaseFault, OSError: as ``HeldConnection.read``.
    """
    rows = connection.read("SELECT key FROM uuid_key ORDER BY since DESC")
    return tuple(bytes.fromhex(key) for (key,) in rows)
