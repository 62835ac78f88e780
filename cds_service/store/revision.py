"""Which tables this code needs, and whether a database has them."""

from __future__ import annotations

from cds_service.store.database import Address
from cds_service.store.held_connection import HeldConnection

REVISION = "0004"


def prepare_tables(address: Address, connection: HeldConnection) -> None:
    """Creates or changes the tables if they are not those of this revision. SQLAlchemy is imported only then.

    Raises:
        StoreDown: they are of a revision that only a newer version of this software knows, or they cannot be changed.
        DatabaseFault, OSError: the database cannot be used.
    """
    if connection.has_table("alembic_version") and connection.read("SELECT version_num FROM alembic_version") == [
        (REVISION,)
    ]:
        return
    connection.close()  # so that only one is open while tables are changed
    from cds_service.store.migrate import make_tables

    make_tables(address)
